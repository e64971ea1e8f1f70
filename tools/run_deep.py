#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes too long for CI, in parts. Each part that passes whole is recorded with the commit it ran at.

Arguments: the parts to run, all without any. A part run with uncommitted changes is not recorded.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

root = pathlib.Path(__file__).resolve().parents[1]
reports = root / "build/deep"
RELEASE, TSAN = root / "build/release/aptward", root / "build/tsan/aptward"
SWEPT = ["test_every_call.py"]
MACHINE = "tests/real/test_machine.py"
LOST = ["test_crash.py", "test_power.py", "test_exhaustion.py"]


# Versions of the protocol between nodes, each by the last commit that spoke it: files and releases alone; then sets
# of what is held, and fetching for each other.
EARLIER = ["165530ff1d7e5865ea4864c42d2246cce1739dfd", "21ef5d135e88d3a8da9e78ecd068d84eaa79f0a0"]


class Failed(Exception):
    """Which command failed."""


def run(*command, **environment):
    if subprocess.run(list(map(str, command)), cwd=root, env={**os.environ, **environment}).returncode != 0:
        raise Failed(" ".join(map(str, command)))


def dev(*arguments):
    run("./dev", *arguments)


def tally_of(report):
    """What a JUnit report counts, the reasons of what was skipped, and what the tests themselves recorded."""
    cases = list(xml.parse(report).iter("testcase"))
    skipped = [f"{case.get('name')}: {skip.get('message')}" for case in cases for skip in case.iter("skipped")]
    noted = {f"{case.get('name')}: {note.get('name')}": note.get("value")
             for case in cases for note in case.iter("property")}
    return {"passed": len(cases) - len(skipped), "skipped": skipped, "noted": noted}


def pytest(name, *arguments, program=RELEASE, **environment):
    report = reports / f"{name}.xml"
    run("/usr/bin/python3", "-m", "pytest", "-q", f"--junitxml={report}", *arguments,
        APTWARD_BIN=str(program), APTWARD_DEEP="1", **environment)
    return tally_of(report)


def build_of(commit):
    """The program of an earlier commit, built once."""
    tree = root / "build/earlier" / commit[:12]
    if not (tree / "aptward").exists():
        source = tree / "source"
        if not source.exists():
            run("git", "worktree", "prune")
            run("git", "worktree", "add", "--detach", source, commit)
        run(source / "dev", "build", "dev", "aptward", CCACHE_BASEDIR=str(source), CCACHE_NOHASHDIR="1")
        (source / "build/dev/aptward").rename(tree / "aptward")
        run("git", "worktree", "remove", "--force", source)
    return tree / "aptward"


def sweeps():
    dev("build", "release", "aptward")
    return pytest("sweeps", *(f"tests/apt/{file}" for file in SWEPT), APTWARD_EVERY_CALL="1")


def losses():
    dev("build", "release", "aptward")
    return pytest("losses", *(f"tests/apt/{file}" for file in LOST), APTWARD_KILLS="200", APTWARD_CUTS="100")


def clients():
    dev("build", "release", "aptward")
    dev("promtool")
    return pytest("clients", "tests/apt", "-m", "not s3", *(f"--ignore=tests/apt/{file}" for file in SWEPT + LOST),
                  APTWARD_SOAK="60")


def bucket():
    dev("build", "release", "aptward")
    dev("ceph")
    return pytest("bucket", "tests/apt", "-m", "s3")


def races():
    dev("build", "tsan", "aptward", "unit_tests")
    report = reports / "unit.xml"
    run("ctest", "--preset", "tsan", "-L", "unit", "-j", os.cpu_count(), "--output-junit", report)
    units = tally_of(report)
    served = pytest("races", *(f"tests/apt/test_{name}.py" for name in (
        "main_job", "failover", "attacks", "attack_matrix", "listeners", "jobs", "hot_answers", "operating", "peers",
        "peer_releases", "delegates", "blob_service")), program=TSAN)
    return {"passed": units["passed"] + served["passed"], "skipped": units["skipped"] + served["skipped"],
            "noted": {}}


def versions():
    dev("build", "release", "aptward")
    old = ":".join(str(build_of(commit)) for commit in EARLIER)
    return pytest("versions", "tests/apt/test_versions.py", APTWARD_OLD=old)


def real():
    dev("build", "dev", "aptward")
    return pytest("real", "tests/real", f"--ignore={MACHINE}", program=root / "build/dev/aptward")


def machine():
    dev("build", "release", "aptward")
    return pytest("machine", MACHINE)


def mutants():
    dev("mutants")
    return {"passed": json.loads((root / "docs/evidence/mutants.json").read_text())["count"], "skipped": [], "noted": {}}


def compare():
    dev("compare", "attacks")
    return {"passed": len(json.loads((root / "docs/evidence/attacks.json").read_text())["cases"]), "skipped": [],
            "noted": {}}


def outage():
    dev("compare", "outage")
    rows = json.loads((root / "docs/evidence/outage.json").read_text())["rows"]
    return {"passed": len(rows), "skipped": [], "noted": {}}


PARTS = {
    "sweeps": (sweeps, "a kill and every error at every call on the state folder"),
    "losses": (losses, "200 seeded kills, 100 power cuts, a disk that fills"),
    "clients": (clients, "every test with real clients, the release build, 60 s of many clients"),
    "bucket": (bucket, "nodes with a bucket of Ceph's radosgw in common"),
    "races": (races, "unit tests and real clients under ThreadSanitizer"),
    "mutants": (mutants, "every mutant turns its test red"),
    "versions": (versions, "nodes of this version beside those of earlier ones"),
    "real": (real, "real clients against the archive that this machine is configured for"),
    "machine": (machine, "a machine made by mmdebstrap goes up, back, and is made again from a bundle with no network"),
    "outage": (outage, "the recorded outage by four ways: apt alone, apt-cacher-ng, nginx, Aptward"),
    "compare": (compare, "attacks on apt alone, apt-cacher-ng and Aptward"),
}


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def main():
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        print(f"no part is called {' '.join(unknown)}; there are: {' '.join(PARTS)}")
        return 2
    reports.mkdir(parents=True, exist_ok=True)
    evidence = root / "docs/evidence/deep.json"
    bad = []
    for name in wanted:
        part, what = PARTS[name]
        is_clean = not git("status", "--porcelain", "--", "src", "tests", "tools", "dev")
        commit, started = git("rev-parse", "HEAD"), time.monotonic()
        print(f"== {name}: {what}", flush=True)
        try:
            tally = part()
        except Failed as failed:
            print(f"== {name} FAILED: {failed}", flush=True)
            bad.append(name)
            continue
        seconds = round(time.monotonic() - started)
        print(f"== {name}: {tally['passed']} passed, {len(tally['skipped'])} skipped, {seconds} s", flush=True)
        if not is_clean:
            print("not recorded: there are uncommitted changes")
            continue
        recorded = json.loads(evidence.read_text()) if evidence.exists() else {}
        recorded[name] = {"what": what, "commit": commit, "seconds": seconds, "cores": os.cpu_count(),
                          "kernel": re.match(r"[\d.]+", os.uname().release)[0], **tally}
        evidence.write_text(json.dumps({key: recorded[key] for key in PARTS if key in recorded}, indent=1) + "\n")
    print(f"failed: {' '.join(bad)}" if bad else f"passed: {' '.join(wanted)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
