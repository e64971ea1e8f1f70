# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever watches a job sees: on a terminal one line that is drawn over, in a pipe lines of JSON."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading

import pytest

from node import PROGRAM, until
from test_mirror import large

pytestmark = pytest.mark.smoke
COLUMNS = 80
SIZE, TIME = r"\d+(?:\.\d)? (?:B|kB|MB)", r"\d+ (?:s|min|h|d)"
PROGRESS = re.compile(rf"\[[#.]{{20}}\] {SIZE} of {SIZE}(?:, (?!0 B){SIZE}/s, {TIME} left)?")


class Terminal:
    """A pseudo terminal with a program in it; `looks` are what its current line showed, one after the other."""

    def __init__(self, *command):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.text = ""

    def read(self):
        """What is there now; False when the program has closed the terminal."""
        if not select.select([self.master], [], [], 0)[0]:
            return True
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            part = os.read(self.master, 65536).decode()
            self.text += part
            return bool(part)
        return False

    def looks(self):
        """What each line showed whenever it was whole: at every return to its beginning and at its end."""
        assert "\x1b" not in self.text, "no escapes, which a terminal may not know"
        lines = []
        for line in self.text.replace("\r\n", "\n").split("\n"):
            shown, seen = "", []
            for drawn in line.split("\r"):
                shown = drawn + shown[len(drawn):]  # what is not drawn over stays
                assert len(shown) <= COLUMNS, "a line that wraps is not drawn over"
                seen.append(shown.rstrip())
            lines.append([look for look in seen if look])
        return [line for line in lines if line]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@contextlib.contextmanager
def terminal(*command):
    opened = Terminal(*command)
    try:
        yield opened
    finally:
        opened.close()


def gated(scene, only):
    """A node of which `only` waits at its source until the gate is opened."""
    archive = large(scene, count=30, size=100_000)
    origin, gate = scene.origin(archive), threading.Event()
    origin.fault = lambda path: gate.wait(20) and None if only in path else None
    return scene.node(archive, origin), gate


def test_a_mirror_job_on_a_terminal_is_one_line_that_is_drawn_over_and_then_a_sentence(scene):
    node, gate = gated(scene, "/p29_")

    def last(watched):
        assert watched.read(), watched.text
        return (watched.looks() or [[""]])[-1][-1]
    with terminal(PROGRAM, "mirror", "test", "stable", "--config", node.config) as watched:
        shown = until("some came, and the rest is waited for", lambda: re.search(
            rf"\[#+\.+\] {SIZE} of 3\.\d MB, {SIZE}/s, {TIME} left$", last(watched)))
        until("it is drawn anew while nothing comes", lambda: PROGRESS.fullmatch(last(watched)) and
              last(watched) != shown[0])
        gate.set()
        until("it is over", lambda: not watched.read())
        assert watched.process.wait(20) == 0
        progress, *result = watched.looks()
    assert all(PROGRESS.fullmatch(look) for look in progress), [
        look for look in progress if not PROGRESS.fullmatch(look)]
    # What stands there at last has no rate, and nothing of the longer line before it.
    assert progress[-1] == "[" + "#" * 20 + "] 3.0 MB of 3.0 MB" and len(set(progress)) > 2, progress
    assert result == [["test stable: 32 files, 3.0 MB are held; 32 files, 3.0 MB were fetched"]]


def test_without_a_terminal_a_mirror_job_is_lines_of_json(scene):
    node, gate = gated(scene, "/p29_")
    with subprocess.Popen([PROGRAM, "mirror", "test", "stable", "--config", node.config],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        lines = [json.loads(running.stdout.readline())]
        while "remaining" not in lines[-1]:
            lines.append(json.loads(running.stdout.readline()))
        gate.set()
        rest, errors = running.communicate(timeout=60)
    assert running.returncode == 0 and errors == "", "the drawn line is for terminals"
    lines += [json.loads(line) for line in rest.splitlines()]
    *progress, over, found = lines
    assert {line["state"] for line in progress} <= {"queued", "running"} and over["state"] == "done"
    done = [line["done"] for line in (*progress, over)]
    assert done == sorted(done) and done[-1] == over["total"] > 3_000_000
    assert any(line["rate"] > 0 and "remaining" in line for line in progress)
    assert found == over["result"] and (found["files"], found["missing"]) == (32, 0)
