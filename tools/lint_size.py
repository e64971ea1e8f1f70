#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader needs one file at a time: at most 600 lines, 100 columns, a licence line, known names."""
import pathlib
import re
import subprocess
import sys

HARD_LINES = 600
FORBIDDEN = re.compile(r"^(util|utils|helper|helpers|manager|common|data|info|context)$")


def complaints(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    if len(lines) > HARD_LINES:
        yield 1, f"{len(lines)} lines; at most {HARD_LINES}"
    if "SPDX-License-Identifier: GPL-3.0-or-later" not in "\n".join(lines[:3]):
        yield 1, "no SPDX line at the top"
    for word in re.split(r"[_.]", path.stem):
        if FORBIDDEN.match(word):
            yield 1, f'"{word}" says nothing as a name'


def main():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True).stdout.split("\n")
    bad = 0
    for name in listed:
        path = pathlib.Path(name)
        if path.suffix not in {".cpp", ".h", ".py"} or not path.exists():
            continue
        for line, why in complaints(path):
            print(f"{path}:{line}: {why}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
