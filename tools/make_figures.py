#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/performance.md and docs/attacks.md from docs/evidence/*.json; figures are never typed.

With --check: fails when a page is not what the evidence gives.
"""
import json
import pathlib
import sys

root = pathlib.Path(__file__).resolve().parents[1]


def serving_page(evidence):
    lines = ["# Serving speed", "",
             f"Held files over {evidence['connections']} keep-alive connections on {evidence['cores']} cores,",
             f"{evidence['unit']}, medians of {evidence['rounds']} rounds interleaved with nginx (sendfile,",
             f"open_file_cache). Measured at commit {evidence['commit'][:12]}; made by tools/make_figures.py.",
             "", "| file | Aptward | nginx | ratio |", "|---|---|---|---|"]
    lines += [f"| {name} | {row['aptward']} | {row['nginx']} | {row['ratio']} |"
              for name, row in evidence["results"].items()]
    return "\n".join(lines) + "\n"


def attacks_page(evidence):
    systems = evidence["systems"]
    lines = ["# Attacks, side by side", "",
             f"Real apt {evidence['apt']} in private roots against a misbehaving origin: alone, through apt-cacher-ng",
             f"{evidence['apt-cacher-ng']}, and through Aptward, also with a second, healthy source. Each cell: what a client",
             f"got during the attack and after how long; then whether clients work within {evidence['patience_seconds']} s of the origin's",
             f"healing, without anybody's help. More than {evidence['limit_seconds']} s counts as hanging. Measured at commit",
             f"{evidence['commit'][:12]} ({evidence['program']} build) on {evidence['cores']} cores; made by tools/make_figures.py.", "",
             "| attack | " + " | ".join(systems) + " |", "|---" * (len(systems) + 1) + "|"]
    for case in evidence["cases"]:
        cells = []
        for system in systems:
            result = case["results"][system]
            cell = f"{result['client']}, {result['seconds']} s; next {result['next']}"
            if "megabytes_taken" in result:
                cell += f" ({result['megabytes_taken']} MB taken)"
            cells.append(f"**{cell}**" if result["client"] in ("wrong", "hangs") or result["next"] == "fails"
                         else cell)
        lines.append(f"| {case['id']}: {case['what']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


PAGES = {"serving.json": ("performance.md", serving_page), "attacks.json": ("attacks.md", attacks_page)}


def main():
    bad = 0
    for name, (page, make) in PAGES.items():
        source, target = root / "docs/evidence" / name, root / "docs" / page
        if not source.exists():
            continue
        text = make(json.loads(source.read_text()))
        if "--check" not in sys.argv:
            target.write_text(text)
        elif not target.exists() or target.read_text() != text:
            print(f"docs/{page} is not what docs/evidence/{name} gives: run tools/make_figures.py")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
