#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/performance.md from docs/evidence/serving.json; figures are never typed.

With --check: fails when the page is not what the evidence gives.
"""
import json
import pathlib
import sys

root = pathlib.Path(__file__).resolve().parents[1]


def page():
    evidence = json.loads((root / "docs/evidence/serving.json").read_text())
    lines = ["# Serving speed", "",
             f"Held files over {evidence['connections']} keep-alive connections on {evidence['cores']} cores,",
             f"{evidence['unit']}, medians of {evidence['rounds']} rounds interleaved with nginx (sendfile,",
             f"open_file_cache). Measured at commit {evidence['commit'][:12]}; made by tools/make_figures.py.",
             "", "| file | Aptward | nginx | ratio |", "|---|---|---|---|"]
    lines += [f"| {name} | {row['aptward']} | {row['nginx']} | {row['ratio']} |"
              for name, row in evidence["results"].items()]
    return "\n".join(lines) + "\n"


def main():
    target = root / "docs/performance.md"
    if not (root / "docs/evidence/serving.json").exists():
        return 0
    if "--check" in sys.argv:
        if target.read_text() != page():
            print("docs/performance.md is not what docs/evidence/serving.json gives: run tools/make_figures.py")
            return 1
        return 0
    target.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
