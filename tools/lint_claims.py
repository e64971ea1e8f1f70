#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds docs/claims.md against the tests: every rule, attack and fault id that it calls shown must
stand in the name of a test that is neither skipped nor disabled; ids in test names must be listed. The
names of an attack's tests carry all the checks C1 to C7 together, but for those that SPARED of
tests/apt/attacks.py excuses with a reason.

docs/claims.md has one line per id: `- V5 shown: what it says` or `- V17 open: what is missing`.
"""
import ast
import pathlib
import re
import sys

ID = re.compile(r"(?<![A-Za-z0-9])([VARC]\d{1,2}b?)(?![A-Za-z0-9])")
CPP_TEST = re.compile(r"\b(TEST|TEST_F|TEST_P)\(\s*(\w+)\s*,\s*(\w+)\s*\)")
PY_TEST = re.compile(r"((?:^\s*@[^\n]*\n)*)^\s*def (test_\w+)", re.M)


def ids_in(name):
    return {match.group(1) for match in ID.finditer(name.replace("_", " "))}


def tests(root):
    for path in sorted((root / "tests/unit").glob("*.cpp")):
        for match in CPP_TEST.finditer(path.read_text()):
            name = match.group(2) + "_" + match.group(3)
            yield path, name, "DISABLED" in name
    for path in sorted((root / "tests").rglob("test_*.py")):
        for match in PY_TEST.finditer(path.read_text()):
            yield path, match.group(2), "mark.skip(" in match.group(1)


def spared(root):
    """{(attack, check): why} as written, without running what it is written in."""
    for node in ast.parse((root / "tests/apt/attacks.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "SPARED":
            return ast.literal_eval(node.value)
    return {}


def complaints_of_attacks(root, listed, shown):
    excused = spared(root)
    checks = {f"C{number}" for number in range(1, 8)}
    for attack in (claim for claim, state in listed.items() if claim[0] == "A" and state == "shown"):
        carried = {one for name in shown.get(attack, []) for one in ids_in(name)} & checks
        without = {check for row, check in excused if row == attack}
        for check in sorted(checks - carried - without):
            yield f"docs/claims.md: no enabled test of {attack} has the check {check} in its name"
        for check in sorted(carried & without):
            yield f"tests/apt/attacks.py: {attack} is spared {check}, but {shown[attack][0]} shows it"
    for (attack, check), why in excused.items():
        if listed.get(attack) != "shown" or check not in checks or not why:
            yield f"tests/apt/attacks.py: {attack} {check} is no check that could be spared"


def main(root):
    listed, bad = {}, 0
    for number, line in enumerate((root / "docs/claims.md").read_text().splitlines(), 1):
        match = re.match(r"- ([VARC]\d{1,2}b?) (shown|open): \S", line)
        if match:
            listed[match.group(1)] = match.group(2)
        elif line.startswith("- "):
            print(f"docs/claims.md:{number}: not of the form `- ID shown|open: text`")
            bad += 1
    shown = {}
    for path, name, is_off in tests(root):
        for claim in ids_in(name):
            if claim not in listed:
                print(f"{path}: {name} names {claim}, which docs/claims.md does not list")
                bad += 1
            elif not is_off:
                shown.setdefault(claim, []).append(name)
    for claim, state in listed.items():
        if state == "shown" and claim not in shown:
            print(f"docs/claims.md: {claim} is called shown, but no enabled test has it in its name")
            bad += 1
        if state == "open" and claim in shown:
            print(f"docs/claims.md: {claim} is called open, but {shown[claim][0]} shows it")
            bad += 1
    for complaint in complaints_of_attacks(root, listed, shown):
        print(complaint)
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
