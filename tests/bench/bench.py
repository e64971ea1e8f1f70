#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Aptward beside its peers, in one run on one machine. Each section writes docs/evidence/SECTION.json, from
which tools/make_figures.py makes docs/performance.md.

    bench.py [--dry] [--real] [SECTION...]

--dry writes nothing; --real adopts the Packages of this machine's own archive instead of a made one.
ROUNDS and SECONDS in the environment shorten it; APTWARD_BIN names another program than the release build,
and APTWARD_COMMIT what that was built from.
"""
import argparse
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile
import time

import stage  # first: it finds the modules of the tests
import adoption
import apt_runs
import failover
import idle
import manners
import million
import mirrors
import neighbours
import serving
import start

SECTIONS = {"serving": serving.serving, "pipelined": serving.pipelined, "tls": serving.tls,
            "latency": serving.latency, "peers": serving.peers, "idle": idle.idle, "start": start.start,
            "adoption": adoption.adoption, "apt": apt_runs.apt, "failover": failover.failover,
            "mirrors": mirrors.mirrors, "million": million.million,
            "neighbours": neighbours.neighbours, "manners": manners.manners}


def commit():
    if "APTWARD_COMMIT" in os.environ:
        return os.environ["APTWARD_COMMIT"]
    return subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], check=True,
                          cwd=stage.root, capture_output=True, text=True).stdout.strip()


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    options.add_argument("--dry", action="store_true")
    options.add_argument("--real", action="store_true")
    given = options.parse_args()
    unknown = set(given.sections) - set(SECTIONS)
    if unknown:
        options.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    adoption.is_real = given.real
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in given.sections or SECTIONS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="aptward-bench-") as folder:
            os.chmod(folder, 0o755)  # nginx gives up its rights
            found = SECTIONS[name](pathlib.Path(folder))
        evidence = {"section": name, "commit": commit(), "program": pathlib.Path(os.environ["APTWARD_BIN"]).parent.name,
                    "cores": os.cpu_count(), "processor": processor(), "kernel": os.uname().release,
                    "load_average": round(os.getloadavg()[0], 2), "took_seconds": round(time.monotonic() - started),
                    **found}
        print(f"{name}: {evidence['took_seconds']} s", flush=True)
        if not given.dry:
            target = stage.root / "docs/evidence" / f"{name}.json"
            target.parent.mkdir(exist_ok=True)
            target.write_text(json.dumps(evidence, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
