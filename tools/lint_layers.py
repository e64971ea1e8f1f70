#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that src/ includes only what CMakeLists.txt lets each module link.

The one table of modules is the aptward_module() calls; this script and the
linker read the same lines, so the picture in docs/architecture.md cannot lie.
"""
import pathlib
import re
import sys


def main(root):
    cmake = (root / "CMakeLists.txt").read_text()
    allowed = {}
    for name, deps in re.findall(r"^ *aptward_module\((\w+)([^)]*)\)", cmake, re.M):
        allowed[name] = {name} | {d for d in deps.split() if d in allowed}  # earlier lines only: no cycles
    bad = 0
    for path in sorted((root / "src").rglob("*.[ch]*")):
        parts = path.relative_to(root / "src").parts
        if len(parts) == 1:
            continue  # main.cpp ties everything together
        module = parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            target = re.match(r'\s*#include "(\w+)/', line)
            if target and target.group(1) not in allowed.get(module, set()):
                print(f"{path}:{number}: {module} must not include {target.group(1)}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
