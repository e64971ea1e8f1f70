# SPDX-License-Identifier: GPL-3.0-or-later
"""A load at a fixed pace, whose latencies count from the moments at which its requests were due."""
import json
import pathlib
import signal
import subprocess

from rounds import LOAD_CORE

root = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = root / "build/release/bench_paced"


def build():
    subprocess.run(["ninja", "-C", root / "build/release", "bench_paced"], check=True, stdout=subprocess.DEVNULL)


class Paced:
    """From now until end(), which gives what it saw. `prefix` is a command that starts it (nsenter)."""

    def __init__(self, address, paths, per_second, prefix=()):
        host, port = address.split(":")
        self.process = subprocess.Popen([*prefix, *LOAD_CORE, PROGRAM, host, port, str(per_second)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("".join(path + "\n" for path in paths))
        self.process.stdin.close()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        said = self.process.stdout.read()
        assert self.process.wait() == 0, said
        return json.loads(said)
