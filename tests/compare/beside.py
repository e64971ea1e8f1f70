# SPDX-License-Identifier: GPL-3.0-or-later
"""What both comparisons need: an origin that every peer can reach, clients that are given up, and where the
figures come from."""
import os
import pathlib
import signal
import subprocess
import sys
import time

root = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(root / "tests/apt"), str(root / "tests/bench")]
os.environ.setdefault("APTWARD_BIN", str(root / "build/release/aptward"))
from client import AptRoot, Outcome  # noqa: E402
from origin import Origin  # noqa: E402
from peers import low_port  # noqa: E402

LIMIT = 40  # seconds for one client; longer counts as hanging


class LowOrigin(Origin):
    """apt-cacher-ng cannot use ports above 32767."""

    def listen(self, port=0):
        super().listen(port or low_port(self.address))


class Client(AptRoot):
    """Outcomes are None when it hangs: then it is ended with its methods."""
    ends = None

    def run(self, *command):
        started = time.monotonic()
        self.ends = self.ends or started + LIMIT
        process = subprocess.Popen(
            command, cwd=self.folder / "downloads", text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"APT_CONFIG": str(self.folder / "apt.conf"), "PATH": os.environ["PATH"], "LC_ALL": "C"})
        try:
            output = process.communicate(timeout=max(1, self.ends - started))[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None
        return Outcome(process.returncode, output, time.monotonic() - started)


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout.strip()


def measured_at():
    """What evidence begins with. APTWARD_COMMIT: what APTWARD_BIN was built from, when that is not the checkout."""
    commit = os.environ.get("APTWARD_COMMIT") or output_of(
        "git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    return {"commit": commit, "program": pathlib.Path(os.environ["APTWARD_BIN"]).parent.name,
            "kernel": os.uname().release, "cores": os.cpu_count(),
            "apt": output_of("apt-get", "--version").split()[1]}
