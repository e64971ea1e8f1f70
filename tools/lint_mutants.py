#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every law of docs/architecture.md and every rule that docs/claims.md calls shown has a patch in
tests/mutants or a line in its list.txt that says why it cannot have one; every patch is listed, still
applies, changes one .cpp of src/, and for a rule the test that is to kill it has the rule's id in its name.
"""
import fnmatch
import pathlib
import re
import subprocess
import sys

import mutants


def demanded(root):
    rules = re.findall(r"^- (V\d{1,2}) shown:", (root / "docs/claims.md").read_text(), re.M)
    laws = re.search(r"^## Laws$(.*?)^## ", (root / "docs/architecture.md").read_text(), re.M | re.S)
    return rules + [f"law{number}" for number in re.findall(r"^(\d+)\. ", laws[1], re.M)]


def tests_of(root, mutant):
    """The names of the tests that the mutant's line in the list means."""
    if mutant.program == "lint":
        return [mutant.check] if (root / mutant.check).exists() else []
    if mutant.program == "pytest":
        file, _, name = mutant.check.partition("::")
        text = (root / file).read_text() if (root / file).exists() else ""
        return re.findall(rf"^def ({re.escape(name.split('[')[0])})\(", text, re.M)
    module = mutant.program.removeprefix("unit_")
    text = "".join(path.read_text() for path in sorted((root / "tests/unit").glob(f"{module}_*test.cpp")))
    names = [".".join(found) for found in re.findall(r"\bTEST(?:_F)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", text)]
    return [name for name in names if any(fnmatch.fnmatchcase(name, one) for one in mutant.check.split(":"))]


def complaints(root, mutant):
    file = root / "tests/mutants" / mutant.patch
    if not file.exists():
        return [f"{mutant.patch} is listed, but not there"]
    bad = []
    changed = re.findall(r"^\+\+\+ b/(\S+)", file.read_text(), re.M)
    if len(changed) != 1 or not re.fullmatch(r"src/\S+\.cpp", changed[0]):
        bad.append(f"{mutant.patch} must change one .cpp of src/, not {' '.join(changed) or 'nothing'}")
    applied = subprocess.run(["git", "apply", "--check", file], cwd=root, capture_output=True, text=True)
    if applied.returncode != 0:
        bad.append(f"{mutant.patch} does not apply any more: {applied.stderr.strip()}")
    tests = tests_of(root, mutant)
    if not tests:
        bad.append(f"{mutant.patch}: there is no test {mutant.check} in {mutant.program}")
    for rule in sorted(one for one in mutant.ids if one.startswith("V")):
        if not any(re.search(rf"(?<![A-Za-z0-9]){rule}(?![A-Za-z0-9])", name.replace("_", " ")) for name in tests):
            bad.append(f"{mutant.patch}: no test {mutant.check} has {rule} in its name")
    return bad


def main(root):
    listed, without, bad = mutants.read_list(root)
    known = demanded(root)
    for mutant in listed:
        bad += complaints(root, mutant)
        bad += [f"{mutant.patch}: there is no {one} that is shown" for one in sorted(mutant.ids - set(known))]
    patched = {one for mutant in listed for one in mutant.ids}
    bad += [f"{one} is shown, but no patch in tests/mutants breaks it, and no line `# none: {one} why` says why"
            for one in known if one not in patched and one not in without]
    bad += [f"list.txt says that {one} has no mutant, but it has one or is not shown"
            for one in without if one in patched or one not in known]
    names = [mutant.patch for mutant in listed]
    bad += [f"{path.name} is not in list.txt" for path in sorted((root / "tests/mutants").glob("*.patch"))
            if path.name not in names]
    bad += [f"{name} is listed twice" for name in sorted(set(names)) if names.count(name) > 1]
    print("\n".join(f"tests/mutants: {line}" for line in bad), end="\n" if bad else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
