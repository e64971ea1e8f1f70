#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each patch of tests/mutants breaks one rule in a copy of the tree; the test of that rule must fail.

First the copy as it is: everything that is to kill a mutant must pass there. Then, for each mutant,
only the program that its test needs is built. A mutant counts as killed when the named test itself
fails; one that does not apply or compile, whose test hangs, or that survives is named at the end, and the
exit status is 1. Arguments: names (or beginnings of names) of mutants, to run only these.
A run of all, from a clean checkout, in which every one was killed, is recorded in docs/evidence.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import mutants

root = pathlib.Path(__file__).resolve().parents[1]
tree = root / "build/mutants/tree"
build = tree / "build/dev"
logs = root / "build/mutants/logs"
UNIT_LIMIT_S, PYTEST_LIMIT_S, BUILD_LIMIT_S = 120, 300, 3600


class Trouble(Exception):
    """Why a mutant shows nothing."""


def run(command, limit_s, where=tree):
    """Exit status and output; everything that the command started ends with it."""
    # The copy lies at another path: the compiler cache knows its files all the same.
    environment = {**os.environ, "APTWARD_BIN": str(build / "aptward"), "CCACHE_BASEDIR": str(tree),
                   "CCACHE_NOHASHDIR": "1"}
    child = subprocess.Popen(command, cwd=where, env=environment, text=True, errors="replace",
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = child.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{command[0]} took longer than {limit_s} s") from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    return child.returncode, output


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


def copy_tree():
    """Writes only what differs, so that only that is built again."""
    listed = set(filter(None, git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")))
    for path in [path for path in tree.rglob("*") if path.is_file() and build.parent not in path.parents]:
        if str(path.relative_to(tree)) not in listed:
            path.unlink()
    for name in sorted(listed):
        source, target = root / name, tree / name
        if not source.is_file() or (target.is_file() and target.read_bytes() == source.read_bytes()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(source.stat().st_mode)


def patch(mutant, *options):
    applied = subprocess.run(["git", "apply", *options, f"--directory={tree.relative_to(root)}",
                              root / "tests/mutants" / mutant.patch], cwd=root, capture_output=True, text=True)
    if applied.returncode != 0:
        raise Trouble("it does not apply: " + applied.stderr.strip())


def target_of(mutant):
    return "aptward" if mutant.program == "pytest" else mutant.program


def run_logged(name, *arguments):
    status, output = run(*arguments)
    (logs / name).write_text(output)
    return status, output


def check(mutant):
    """The names of the tests that failed, and how many passed."""
    if mutant.program == "lint":
        status, _ = run_logged(mutant.name, [sys.executable, mutant.check], UNIT_LIMIT_S)
        return ([mutant.check] if status == 1 else []), int(status == 0)
    if mutant.program == "pytest":
        _, output = run_logged(mutant.name, ["/usr/bin/python3", "-m", "pytest", "-q", "-rfEps", "--tb=short",
                                             mutant.check], PYTEST_LIMIT_S)
        failed = re.findall(r"^FAILED \S+::(\S+)", output, re.M)
        return failed, len(re.findall(r"^PASSED ", output, re.M))
    status, output = run_logged(mutant.name, [build / mutant.program, f"--gtest_filter={mutant.check}"],
                                UNIT_LIMIT_S)
    if status not in (0, 1):
        raise Trouble("its test crashed")
    failed = re.findall(r"^\[  FAILED  \] ([\w./]+)(?:, where|$)", output, re.M)
    return sorted(set(failed)), len(re.findall(r"^\[       OK \]", output, re.M))


def check_baseline(chosen):
    """False unless every test that is to kill a mutant runs and passes without it."""
    programs = sorted({target_of(mutant) for mutant in chosen if mutant.program != "lint"})
    print(f"without any mutant: building {' '.join(programs) or 'nothing'}", flush=True)
    if programs:
        status, _ = run_logged("baseline", ["./dev", "build", "dev", *programs], BUILD_LIMIT_S)
        if status != 0:
            print(f"the tree does not build, see {logs.relative_to(root)}/baseline")
            return False
    bad = []
    for number, (program, test) in enumerate(sorted({(mutant.program, mutant.check) for mutant in chosen}), 1):
        try:
            failed, passed = check(mutants.Mutant(f"baseline_{number}", program, test))
        except Trouble as trouble:
            failed, passed = [str(trouble)], 0
        if failed or not passed:
            bad.append(f"{program} {test}, see {logs.relative_to(root)}/baseline_{number}")
    print("\n".join(f"not green without any mutant: {line}" for line in bad), end="\n" if bad else "")
    return not bad


def kill(mutant):
    """The tests that failed because of it."""
    patch(mutant)
    try:
        if mutant.program != "lint":
            status, _ = run_logged(mutant.name, ["ninja", "-C", build, target_of(mutant)], BUILD_LIMIT_S)
            if status != 0:
                raise Trouble("it does not compile")
        failed, passed = check(mutant)
        if not failed and not passed:
            raise Trouble("its test neither passed nor failed")
        return failed
    finally:
        patch(mutant, "--reverse")


def main():
    listed, _, bad = mutants.read_list(root)
    wanted = sys.argv[1:]
    chosen = [mutant for mutant in listed if not wanted or mutant.name.startswith(tuple(wanted))]
    if bad or not chosen:
        print("\n".join(bad) or "no mutant is called so; their names are in tests/mutants/list.txt")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # as an interrupt: what was started ends too
    started = time.monotonic()
    is_clean = not git("status", "--porcelain", "--", ".", ":!docs/evidence", ":!docs/mutants.md")
    for folder in (tree, logs):
        folder.mkdir(parents=True, exist_ok=True)
    copy_tree()
    if not check_baseline(chosen):
        return 1
    killed, alive = {}, []
    for number, mutant in enumerate(chosen, 1):
        before = time.monotonic()
        try:
            failed = kill(mutant)
            said = f"killed by {failed[0]}" if failed else f"SURVIVED {mutant.program} {mutant.check}"
        except Trouble as trouble:
            failed, said = [], f"SHOWS NOTHING: {trouble}"
        print(f"{number}/{len(chosen)} {mutant.name}: {said} ({time.monotonic() - before:.1f} s)", flush=True)
        if failed:
            killed[mutant.name] = failed[0]
        else:
            alive.append(f"{mutant.name}: {said}; see {logs.relative_to(root)}/{mutant.name}")
    print(f"{len(killed)} of {len(chosen)} mutants killed in {time.monotonic() - started:.0f} s")
    print("\n".join(alive), end="\n" if alive else "")
    if alive:
        return 1
    if wanted or not is_clean:
        print("not recorded: " + ("only some were run" if wanted else "there are uncommitted changes"))
        return 0
    evidence = {"commit": git("rev-parse", "HEAD").strip(), "count": len(killed),
                "seconds": round(time.monotonic() - started), "killed": killed}
    (root / "docs/evidence/mutants.json").write_text(json.dumps(evidence, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
