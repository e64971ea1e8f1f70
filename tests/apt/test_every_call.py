# SPDX-License-Identifier: GPL-3.0-or-later
"""One cache fill and one generation switch, with the n-th call that concerns the state folder being the
last one (R2) or failing (R3, R4). All n in the deep run (APTWARD_EVERY_CALL=1), a few here."""
import errno
import os
import random
import re
import shutil
import socket

import pytest

from coherence import assert_coherent, blobs_of, generation, sha256, wrong_blobs
from node import Node, until
from shim import KILL, TEAR_AND_KILL, Shim

pytestmark = pytest.mark.smoke
EVERY = os.environ.get("APTWARD_EVERY_CALL") == "1"
FEW = 3


class Round:
    """A node whose archive gets a new generation with a new package every time."""

    def __init__(self, scene):
        self.archive = scene.archive()
        self.origin = scene.origin(self.archive)
        self.shim = Shim(scene.folder, scene.folder / "node-shim/state")
        folder = scene.folder / "node-shim"
        self.node = Node(folder, self.archive, [self.origin], environment=self.shim.environment)
        scene.nodes.append(self.node)
        self.version = 1
        self.wanted = {}
        self.publish()
        assert self.ask() == 3, "the first fill works"

    def publish(self):
        self.version += 1
        self.package = self.archive.add("foo", version=str(self.version), payload_bytes=100_000)
        self.archive.publish()

    def ask(self):
        """Switches and fills; gives how many answers were right. A wrong 200 ends the test."""
        right = 0
        suite = self.archive.suite_folder
        for path, file in (("dists/stable/InRelease", suite / "InRelease"),
                           ("dists/stable/main/binary-amd64/Packages.xz",
                            suite / "main/binary-amd64/Packages.xz"),
                           (f"pool/{self.package.name}", self.package)):
            try:
                answer = self.node.get(f"/test/{path}")
            except OSError:
                continue
            if answer.status != 200 or answer.content is None:
                continue
            is_right = answer.content == file.read_bytes()
            # The generation before may still be served; a package's bytes have one value only.
            assert is_right or not path.startswith("pool/"), f"wrong bytes of {path}"
            right += is_right
        return right

    def count(self, reads=0):
        """How many calls one switch and fill makes."""
        self.publish()
        self.shim.arm(0, 0, reads=reads)
        assert self.ask() == 3
        until("what was fetched is held", lambda: self.is_held())
        return self.shim.calls

    def is_held(self):
        return sha256(self.package.read_bytes()) in blobs_of(self.node)

    def numbers(self, reads=0):
        total = self.count(reads) + 4
        if EVERY:
            return range(1, total)
        chance = random.Random(total)
        return sorted(chance.sample(range(1, total), FEW))


@pytest.mark.alone
@pytest.mark.parametrize("action", [KILL, TEAR_AND_KILL])
def test_R2_kill_9_at_every_call_tears_nothing(scene, action, record_property):
    round_ = Round(scene)
    node, shim = round_.node, round_.shim
    numbers = round_.numbers()
    record_property("calls", len(numbers))
    for number in numbers:
        date, _ = generation(node)
        round_.publish()
        shim.arm(number, action)
        round_.ask()
        if node.process.poll() is None:
            shim.disarm()
            node.kill()
        shim.disarm()
        where = f"call {number}, {shim.hit}"
        held = blobs_of(node)
        assert wrong_blobs(node) == [], where
        node.start()
        assert node.start_seconds < 2, f"{where}: restart took {node.start_seconds:.1f} s"
        assert held <= blobs_of(node), where
        assert_coherent(node)
        assert generation(node)[0] >= date, where
        assert round_.ask() == 3, where
        assert node.scrub() == 0, where


def failures(node):
    found = re.findall(r'code="(?:store|state|journal|index|table|release|deliveries)\.(?!published)[^"]*"} (\d+)',
                       node.admin("/metrics"))
    return sum(map(int, found))


ERRORS = [errno.EIO, errno.ENOSPC] + ([errno.EDQUOT, errno.EROFS, errno.EFBIG] if EVERY else [])


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: errno.errorcode[error])
@pytest.mark.parametrize("stays", [0, 1], ids=["once", "stays"])
def test_R3_R4_an_error_of_any_call_is_told_and_never_served(scene, error, stays, record_property):
    round_ = Round(scene)
    node, shim = round_.node, round_.shim
    numbers = round_.numbers(reads=1)
    record_property("calls", len(numbers))
    for number in numbers:
        round_.publish()
        told = len(node.log_text())
        counted = failures(node)
        shim.arm(number, error, stays=stays, reads=1)
        round_.ask()
        is_hit = shim.calls >= number
        shim.disarm()
        where = f"call {number}, {shim.hit}, {errno.errorcode[error]}"
        assert node.process.poll() is None, f"{where}: the node ended"
        if is_hit and shim.hit.split(" ")[0] not in ("close", "unlink", "remove"):
            # The same event is logged once in ten seconds, and counted each time.
            until(f"{where} is told", lambda: failures(node) > counted
                  or "error " in node.log_text()[told:], 5)
        assert wrong_blobs(node) == [], where
        # The next client succeeds without anybody's help.
        until(f"recovery after {where}", lambda: round_.ask() == 3)
        assert_coherent(node)
        if number % 5 == 0 or not EVERY:
            node.kill()
            node.start()
            assert round_.ask() == 3, where
        assert node.scrub() == 0, where


def test_R3_an_unreadable_file_cuts_its_client_off_and_nothing_follows(scene):
    """Two requests in one connection: what cannot be read of the first is never filled with the second."""
    archive = scene.archive()
    numbers = range(1, 13 if EVERY else 6)
    for number in numbers:
        archive.add(f"large{number}", payload_bytes=4_300_000)
    archive.publish()
    shim = Shim(scene.folder, scene.folder / "node-shim/state")
    node = Node(scene.folder / "node-shim", archive, [scene.origin(archive)], freshness="1h",
                environment=shim.environment)
    scene.nodes.append(node)
    assert node.get("/test/dists/stable/main/binary-amd64/Packages.xz").status == 200
    assert node.get("/test/pool/foo_1_all.deb").status == 200
    host, port = node.address.rsplit(":", 1)
    was_cut = 0
    for number in numbers:
        name = f"large{number}_1_all.deb"
        content = (archive.root / "pool" / name).read_bytes()
        for state in ("cold", "held"):
            counted = failures(node)
            shim.arm(number, errno.EIO, reads=1, stays=1, only="sendfile")
            with socket.create_connection((host, int(port)), timeout=20) as client:
                client.sendall("".join(
                    f"GET /test/pool/{path} HTTP/1.1\r\nHost: n\r\nConnection: {end}\r\n\r\n"
                    for path, end in ((name, "keep-alive"), ("foo_1_all.deb", "close"))).encode())
                answer = b""
                try:
                    while (part := client.recv(1 << 20)):
                        answer += part
                except ConnectionResetError:
                    pass
            is_hit = bool(shim.hit)
            shim.disarm()
            head, _, body = answer.partition(b"\r\n\r\n")
            where = f"{name}, {state}, {shim.hit}"
            if head and b" 200 " in head.split(b"\r\n")[0]:
                assert content.startswith(body[:len(content)]), f"{where}: something else in its place"
            if is_hit:
                was_cut += len(body) < len(content)
                until(f"{where} is told", lambda: failures(node) > counted)
            # The next client gets it whole.
            until(f"{where} is healed", lambda: node.get(f"/test/pool/{name}").content == content)
            until("held", lambda: sha256(content) in blobs_of(node))
    assert was_cut > 1, "files were unreadable"
    assert node.scrub() == 0


CHANGING = re.compile(r"""^\d+\s+(?:
    openat\(.*(?:O_WRONLY|O_RDWR|O_CREAT) | linkat\( | mkdir(?:at)?\( | rename(?:at2?)?\( | unlink(?:at)?\( |
    fsync\( | fdatasync\( | syncfs\( | sync_file_range\( | ftruncate\( | p?write(?:64)?\( | close\( )""", re.X)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_R2_R3_no_call_on_the_state_folder_passes_the_shim_by(scene):
    """What the tests above count is what the kernel sees."""
    archive = scene.archive()
    state = scene.folder / "node-shim/state"
    shim = Shim(scene.folder, state)
    trace = scene.folder / "trace"
    calls = "openat,open,linkat,link,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,fsync," \
        "fdatasync,syncfs,ftruncate,fallocate,write,writev,pwrite64,pwritev,copy_file_range,sync_file_range,close"
    node = Node(scene.folder / "node-shim", archive, [scene.origin(archive)], environment=shim.environment,
                prefix=["strace", "-D", "-f", "-y", "-qq", "-s", "8", "-o", str(trace), "-e", f"trace={calls}"])
    scene.nodes.append(node)
    assert_coherent(node)
    node.stop()
    counted = shim.calls

    def traced():
        lines = [line for line in trace.read_text().splitlines() if str(state) in line]
        # Listing a folder changes nothing, and libc closes it without asking the shim.
        lines = [line for line in lines if not re.search(f"{state}/(deliveries|private|blobs/evicting)>", line)]
        # A read-only file is closed as well; the shim counts that, and so does this.
        odd = [line for line in lines if not CHANGING.match(line) and "O_RDONLY" not in line
               and "resumed" not in line]
        return lines if not odd else pytest.fail(f"not known to the shim: {odd[:5]}")
    # The tracer writes the last lines when the node is gone already.
    until("the kernel saw as much", lambda: sum(bool(CHANGING.match(line)) for line in traced()) == counted)
    assert counted > 500, "the folders of the blobs alone are 512"
