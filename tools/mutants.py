# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads tests/mutants/list.txt; used by tools/run_mutants.py and tools/lint_mutants.py.

A line is `PATCH PROGRAM FILTER` (a unit-test program and a gtest filter), `PATCH pytest:FILE::TEST`,
`PATCH lint:TOOL`, or `# none: ID why no patch can show it`. Other lines starting with # are comments.
"""
import dataclasses
import re

ID = re.compile(r"(?<![A-Za-z0-9])(V\d{1,2}|law\d{1,2})(?![0-9])")


@dataclasses.dataclass
class Mutant:
    patch: str    # the name of a file in tests/mutants
    program: str  # unit_MODULE, "pytest" or "lint"
    check: str    # a gtest filter, a pytest node or a tool

    @property
    def name(self):
        return self.patch.removesuffix(".patch")

    @property
    def ids(self):
        return set(ID.findall(self.name.replace("_", " ")))


def read_list(root):
    """The mutants, {ID: why it has none}, and what is wrong with the list, as sentences."""
    mutants, without, bad = [], {}, []
    for number, line in enumerate((root / "tests/mutants/list.txt").read_text().splitlines(), 1):
        words = line.split()
        none = re.match(r"# none: (\S+) (\S.*)", line)
        if none:
            without[none[1]] = none[2]
        elif not words or line.startswith("#"):
            continue
        elif len(words) == 3 and words[1].startswith("unit_"):
            mutants.append(Mutant(*words))
        elif len(words) == 2 and words[1].split(":")[0] in ("pytest", "lint"):
            mutants.append(Mutant(words[0], *words[1].split(":", 1)))
        else:
            bad.append(f"tests/mutants/list.txt:{number}: not of a known form: {line}")
    return mutants, without, bad
