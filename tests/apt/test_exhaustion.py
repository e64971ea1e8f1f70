# SPDX-License-Identifier: GPL-3.0-or-later
"""Short of memory, descriptors, room, time that can be trusted; calls that do less than asked."""
import os
import re
import socket
import subprocess
import time

import pytest

from coherence import assert_coherent, blob_files, blobs_of, generation, grow_old, sha256, wrong_blobs
from load import serve_at_once
from node import PROGRAM, Node, is_sanitized, until
from shim import Shim

pytestmark = pytest.mark.smoke
DEEP = os.environ.get("APTWARD_DEEP") == "1"
HOUR, YEAR = 3600, 31_536_000


def shim_node(scene, archive, *origins, **keys):
    shim = Shim(scene.folder, scene.folder / "node-shim/state")
    node = Node(scene.folder / "node-shim", archive, origins, environment=shim.environment, **keys)
    scene.nodes.append(node)
    return shim, node


@pytest.mark.parametrize("seed", range(1, 21 if DEEP else 2))
def test_R5_short_interrupted_and_put_off_reads_and_writes_change_nothing(scene, seed):
    archive = scene.archive()
    archive.add("large", payload_bytes=6_000_000)
    for number in range(8):
        archive.add(f"p{number}", payload_bytes=150_000)
    archive.publish()
    shim, node = shim_node(scene, archive, scene.origin(archive))
    shim.seed = seed << 32
    apt = scene.apt(node)
    update = apt.update()
    assert update.returncode == 0, update
    got = apt.download("large", *(f"p{number}" for number in range(8)))
    assert got.returncode == 0, got
    assert_coherent(node)
    archive.add("foo", version="2", payload_bytes=300_000)
    archive.publish()
    assert_coherent(node)
    assert shim.shortened > 300, "reads and writes were shortened"
    assert shim.put_off > 50, "and put off with EAGAIN"
    node.kill()
    node.start()
    assert_coherent(node)
    assert wrong_blobs(node) == [] and node.scrub() == 0


@pytest.mark.parametrize("jump", [-YEAR, -HOUR, HOUR, YEAR])
def test_R14_A24_a_jump_of_the_clock_loses_nothing_and_heals_with_the_clock(scene, jump):
    archive = scene.archive()
    tomorrow = {"Valid-Until": time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime(time.time() + 86_400))}
    archive.publish(**tomorrow)
    shim, node = shim_node(scene, archive, scene.origin(archive))
    first, _ = generation(node)
    assert node.get("/test/pool/foo_1_all.deb").status == 200
    shim.clock_offset_s = jump
    archive.add("foo", version="2")
    archive.publish(**tomorrow)
    second = archive.when.strftime("%a, %d %b %Y %H:%M:%S UTC")
    started = time.monotonic()
    assert_coherent(node)
    assert time.monotonic() - started < 10, "a moved clock makes nobody wait"
    if jump == HOUR:
        until("the new generation is served", lambda: generation(node)[0] == second)
    else:
        # To a clock that is slow the new one is of the future; a year on, it is long over. What is held
        # stays.
        code = "release.not-yet-valid" if jump < 0 else "release.expired"
        until("the refusal is told", lambda: node.counter(code) or "clock" in node.log_text())
        assert generation(node)[0] == first
        assert node.get("/test/pool/foo_1_all.deb").status == 200
    # Neither does a restart under the wrong clock lose what is held or make the node older.
    node.kill()
    node.start()
    held, _ = generation(node)
    assert held == (second if jump == HOUR else first)
    shim.clock_offset_s = 0
    until("all is well again", lambda: generation(node)[0] == second)
    assert_coherent(node)
    assert int(node.get("/test/dists/stable/InRelease").headers["Age"]) < 60


@pytest.mark.alone
@pytest.mark.skipif(is_sanitized(), reason="the sanitizer opens pipes to look at memory, and takes none for damage")
def test_R12_without_descriptors_the_node_waits_and_does_not_spin(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), prefix=["prlimit", "--nofile=80:80"])
    assert_coherent(node)
    host, port = node.address.rsplit(":", 1)
    crowd = []
    try:
        for _ in range(100):
            crowd.append(socket.create_connection((host, int(port)), timeout=20))
        until("no descriptor is left, and it is told", lambda: "listener.exhausted" in node.log_text())
        before, started = node.cpu_seconds(), time.monotonic()
        # Requests on connections that it has are answered, if only with a clear error.
        for client in crowd[:10]:
            client.sendall(b"GET /test/pool/foo_1_all.deb HTTP/1.1\r\nHost: n\r\n\r\n")
            status = int(client.recv(65536).split()[1])
            assert status in (200, 503)
        until("a second of shortage", lambda: time.monotonic() - started > 1)
        assert node.cpu_seconds() - before < 0.5 * (time.monotonic() - started), "it spins"
    finally:
        for client in crowd:
            client.close()
    until("clients are served again", lambda: node.get("/test/dists/stable/InRelease").status == 200)
    assert_coherent(node)
    assert node.scrub() == 0


def test_R4_a_limit_on_the_size_of_files_ends_no_node(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=3_000_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive), prefix=["prlimit", "--fsize=1000000"])
    assert node.get("/test/dists/stable/InRelease").status == 200
    assert node.get("/test/dists/stable/main/binary-amd64/Packages.xz").status == 200
    large = node.get("/test/pool/large_1_all.deb")
    assert large.status == 503 or large.content == (archive.root / "pool/large_1_all.deb").read_bytes()
    assert node.process.poll() is None, "the signal of a file too large ended the node"
    assert node.get("/test/pool/foo_1_all.deb").status == 200
    assert node.counter("store.failed")
    assert not node.counter("store.full"), "the disk has room: nothing needs to go for this"
    assert wrong_blobs(node) == []


@pytest.mark.alone
def test_R11_memory_is_bounded_with_many_clients(scene):
    count = 1000 if DEEP else 150
    archive = scene.archive()
    archive.add("large", payload_bytes=5_000_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    assert_coherent(node)
    paths = ["/test/dists/stable/InRelease", "/test/pool/large_1_all.deb", "/test/pool/foo_1_all.deb",
             "/test/none"]
    serve_at_once(node, paths, 20)
    before = node.resident_bytes()
    answers = serve_at_once(node, paths, count)
    assert {status for status, _ in answers} <= {200, 404}
    assert sum(size for status, size in answers if status == 200) > count // 4 * 5_000_000
    grown = node.resident_bytes() - before
    print(f"{count} clients: {grown / 1e6:.1f} MB more than 20")
    # Guess: 64 KB for each, four times that under a sanitizer.
    assert grown < 8_000_000 + count * 65_536 * (4 if is_sanitized() else 1)


@pytest.mark.alone
@pytest.mark.skipif(is_sanitized(), reason="a sanitizer needs terabytes of address space")
def test_R11_without_memory_nothing_is_corrupted(scene):
    archive = scene.archive()
    for number in range(300):
        archive.packages[f"q{number}"] = archive.packages["foo"]
    archive.add("large", payload_bytes=12_000_000)
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert node.get("/test/dists/stable/InRelease").status == 200
    status = open(f"/proc/{node.process.pid}/status").read()
    needed = int(re.search(r"VmPeak:\s+(\d+)", status)[1]) * 1024
    node.stop()
    for spare in (1 << 20, 4 << 20, 16 << 20, 64 << 20):
        node.prefix = ["prlimit", f"--as={needed + spare}"]
        try:
            node.start()
        except AssertionError:
            assert node.process.poll() is not None, "a node that cannot start ends"
        else:
            for round_number in range(3):
                serve_at_once(node, ["/test/dists/stable/InRelease", "/test/pool/large_1_all.deb",
                                     "/test/dists/stable/main/binary-amd64/Packages.xz"], 60)
            if node.process.poll() is None:
                node.kill()
        assert wrong_blobs(node) == []
        node.prefix = []
        node.start()
        assert_coherent(node)
        assert node.scrub() == 0
        node.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_R4_I6_a_node_starts_on_a_full_disk_and_serves_what_it_holds(scene):
    archive = scene.archive()
    state = scene.folder / "node-full/state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", state], check=True)
    try:
        origin = scene.origin(archive)
        node = Node(scene.folder / "node-full", archive, [origin])
        scene.nodes.append(node)
        assert_coherent(node)
        until("held", lambda: len(list((state / "blobs/sha256").glob("*/*"))) >= 3)
        node.stop()
        with open(state / "ballast", "wb", buffering=0) as ballast, pytest.raises(OSError):
            while True:
                ballast.write(b"x" * 4096)
        origin.die()
        told = len(node.log_text())
        log = open(node.folder / "log", "ab")
        node.process = subprocess.Popen([PROGRAM, "serve", "--config", node.config], stderr=log,
                                        stdout=subprocess.DEVNULL)
        started = until("it serves", lambda: re.search(r"node.started.* address=(\S+)",
                                                       node.log_text()[told:])
                        or node.process.poll() is not None)
        assert node.process.poll() is None, node.log_text()[told:]
        node.address = started[1]
        assert "state.unwritable" in node.log_text()[told:]
        assert_coherent(node)
        assert node.get("/test/pool/foo_1_all.deb").status == 200
        (state / "ballast").unlink()
        node.kill()
        origin.revive()
        node.start()
        assert_coherent(node)
        node.kill()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize("payload_bytes", [6_900_000, 8_500_000], ids=["nearly-full", "no-room-at-all"])
def test_R4_a_full_disk_gives_up_what_only_the_past_needs(scene, payload_bytes):
    archive = scene.archive()
    state = scene.folder / "node-full/state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", state], check=True)
    try:
        node = Node(scene.folder / "node-full", archive, [scene.origin(archive)])
        scene.nodes.append(node)
        old = []
        for version in ("1", "2", "3"):
            archive.add("large", version, payload_bytes=3_000_000)
            archive.publish()
            assert_coherent(node)
            old.append(f"/test/pool/large_{version}_all.deb")
            assert node.get(old[-1]).status == 200
        until("all are held", lambda: sum(path.stat().st_size for path in
                                          (state / "blobs/sha256").glob("*/*")) > 9_000_000)
        grow_old(node)
        archive.add("huge", payload_bytes=payload_bytes)
        archive.publish()
        assert_coherent(node)
        huge = node.get("/test/pool/huge_1_all.deb")
        assert huge.status == 200, huge.content

        def gone():
            return [path for path in old if sha256((archive.root / path[6:]).read_bytes()) not in str(blob_files(node))]
        until("room is made", gone)
        assert "disk.low" in node.event_codes()
        digest = sha256((archive.root / "pool/huge_1_all.deb").read_bytes())
        until("the new one is kept", lambda: node.get("/test/pool/huge_1_all.deb").status == 200 and
              digest in str(blob_files(node)))
        assert "/test/pool/large_3_all.deb" not in gone(), "what is served now stays"
        assert wrong_blobs(node) == []
        node.kill()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def test_R24_a_state_of_another_version_is_taken_over_or_refused_in_one_sentence(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert_coherent(node)
    date, _ = generation(node)
    node.stop()
    format_file = node.folder / "state/format"
    assert format_file.read_text() == "1\n"
    # A newer version has written it: this one does not touch it.
    format_file.write_text("2\n")
    before = {file: file.read_bytes() for file in (node.folder / "state").rglob("*")
              if file.is_file() and file.name != "lock"}
    refused = node.command("serve")
    assert refused.returncode == 2, refused
    (line,) = refused.stderr.splitlines()
    assert "newer" in line and str(node.folder / "state") in line
    assert node.command("scrub").returncode == 3
    assert before == {file: file.read_bytes() for file in before}
    # An older one, from before there was a format: it is taken over. So is what a newer one noted and
    # this one does not know, as long as the format is the same.
    format_file.unlink()
    entry = '{"archive":"test","kind":"of-the-future","suite":"stable"}'
    with open(node.folder / "state/journal", "a") as journal:
        journal.write(f"{sha256(entry.encode())[:16]} {entry}\n")
    for table in (node.folder / "state/tables").iterdir():
        table.unlink()
    origin.die()
    node.start()
    assert generation(node)[0] == date
    assert node.get("/test/pool/foo_1_all.deb").status == 200
    assert format_file.read_text() == "1\n"
    assert entry in (node.folder / "state/journal").read_text()
