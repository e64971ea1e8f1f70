# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds of a real apt-get update with one bad source of two, as tests/apt/test_failover.py measures them."""
import json
import os
import subprocess
import sys

import stage
from rounds import row


def failover(folder):
    seconds = folder / "seconds"
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "costs_under_five_seconds",
                    stage.root / "tests/apt/test_failover.py"], check=True,
                   env={**os.environ, "APTWARD_SECONDS": str(seconds)})
    rows = []
    for line in seconds.read_text().splitlines():
        case = json.loads(line)
        for state in ("cold", "warm", "download"):
            rows.append(row(f"{case['fault']}, {state}", "s", 1, {"Aptward": case[state]}))
    return {"rows": rows}
