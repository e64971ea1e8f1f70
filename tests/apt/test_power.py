# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts on a real file system: the state folder is on an ext4 image; in the middle of fetching and
switching, the node is stopped and the image copied as it is at that moment. What the kernel had not yet
written to the image (the page cache of the mounted file system) is not in the copy, which is what a
power cut loses. A node on the copy must then have everything that was acknowledged.

Acknowledged is, exactly: a journal line whose fdatasync returned; a blob whose link was followed by a
sync of its folder that returned; and the generation of the last `published` line of those. The
preloaded tests/faults/shim.c keeps that account beside the node, not in it.

APTWARD_CUTS says how many cuts (2 in CI, 100 in the deep run); a failing seed is named.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import pytest

from coherence import assert_coherent, blobs_of, sha256, wrong_blobs
from node import Node, until
from shim import Shim

CUTS = int(os.environ.get("APTWARD_CUTS", "2"))
PACKAGES = 12
pytestmark = [pytest.mark.smoke, pytest.mark.alone,
              pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")]


class Disk:
    """An ext4 image, mounted."""

    def __init__(self, image, mounted_at):
        self.image, self.mounted_at = image, mounted_at
        mounted_at.mkdir(parents=True, exist_ok=True)

    def make(self, megabytes=64):
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0",
                        "-J", "size=4", self.image], check=True)

    def mount(self):
        # No timer commits: what reaches the image is what was asked to.
        subprocess.run(["mount", "-o", "loop,commit=300", self.image, self.mounted_at], check=True)

    def copied_to(self, copy):
        # Plain reads: the holes that a file system reports lag behind its page cache.
        subprocess.run(["dd", f"if={self.image}", f"of={copy}", "bs=4M", "conv=sparse", "status=none"],
                       check=True)
        return subprocess.run(["cmp", "-s", self.image, copy], check=False).returncode == 0

    def unmount(self):
        subprocess.run(["umount", "-l", self.mounted_at], check=False, capture_output=True)


@pytest.fixture
def disks(scene):
    made = []

    def make(name, image=None):
        disk = Disk(image or scene.folder / f"{name}.img", scene.folder / name / "state")
        made.append(disk)
        return disk
    yield make
    for node in scene.nodes:
        node.process.poll() is None and node.kill()
    for disk in made:
        disk.unmount()


class Feeding:
    """Clients that fetch while the archive publishes generation after generation."""

    def __init__(self, archive, node, seed):
        self.archive, self.node, self.chance = archive, node, random.Random(seed)
        self.stopping = threading.Event()
        self.version = int(archive.packages["foo"][0])
        self.threads = [threading.Thread(target=self.publish), threading.Thread(target=self.fetch)]
        for thread in self.threads:
            thread.start()

    def publish(self):
        while not self.stopping.is_set():
            self.version += 1
            self.archive.add("foo", version=str(self.version), payload_bytes=60_000)
            self.archive.publish()

    def fetch(self):
        while not self.stopping.is_set():
            try:
                self.node.get("/test/dists/stable/InRelease")
                self.node.get("/test/dists/stable/main/binary-amd64/Packages.xz")
                self.node.get(f"/test/pool/foo_{self.chance.randint(1, self.version)}_1_all.deb")
                self.node.get(f"/test/pool/foo_{self.version}_all.deb")
                self.node.get(f"/test/pool/p{self.chance.randrange(PACKAGES)}_1_all.deb")
            except OSError:
                pass

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def processes_of(node):
    tasks = pathlib.Path(f"/proc/{node.process.pid}/task").iterdir()
    children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    return [node.process.pid, *children]


def entries_of(journal):
    return [json.loads(line.split(b" ", 1)[1]) for line in journal.splitlines()]


def cut(node, shim, disk, copy):
    """Copies the image at one instant; gives what was acknowledged by then."""
    stopped = processes_of(node)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        until("the node stands still", lambda: all(
            open(f"/proc/{pid}/task/{thread}/stat").read().rsplit(")", 1)[1].split()[0] in "TtZ"
            for pid in stopped for thread in os.listdir(f"/proc/{pid}/task")))
        # Twice the same: the kernel wrote nothing while it was copied.
        until("a copy of one instant", lambda: disk.copied_to(copy))
        journal = (disk.mounted_at / "journal").read_bytes()[:shim.journal_synced]
        held = {name for name in blobs_of(node) if shim.is_folder_synced(name)}
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    return journal, held


def fed_node(scene, disks, archive, origin):
    disk = disks("node-cut")
    disk.make()
    disk.mount()
    shim = Shim(scene.folder, disk.mounted_at)
    node = Node(scene.folder / "node-cut", archive, [origin], environment=shim.environment)
    scene.nodes.append(node)
    return disk, shim, node


def an_archive(scene):
    archive = scene.archive()
    for number in range(PACKAGES):
        archive.add(f"p{number}", payload_bytes=60_000)
    archive.publish()
    return archive


def after_the_cut(scene, disks, archive, origin, copy, name):
    disk = disks(name, copy)
    disk.mount()
    node = Node(scene.folder / name, archive, [origin])
    scene.nodes.append(node)
    return disk, node


def test_R1_a_power_cut_loses_nothing_acknowledged_and_tears_nothing(scene, disks):
    archive = an_archive(scene)
    origin, dead = scene.origin(archive), scene.origin(archive, "127.0.0.3")
    dead.die()
    disk, shim, node = fed_node(scene, disks, archive, origin)
    acknowledged = 0
    for seed in range(CUTS):
        copy = scene.folder / "copy.img"
        feeding = Feeding(archive, node, seed)
        try:
            begun = feeding.version
            until("it is under way", lambda: feeding.version > begun + 2 and len(blobs_of(node)) > 8)
            moment = time.monotonic() + random.Random(seed).random() * 0.8
            until("the moment", lambda: time.monotonic() >= moment)
            journal, held = cut(node, shim, disk, copy)
        finally:
            feeding.stop()
        acknowledged += len(held)
        # No source lives: what is served now is what the copy holds.
        copied, after = after_the_cut(scene, disks, archive, dead, copy, f"after{seed}")
        where = f"seed {seed}"
        assert after.start_seconds < 2, f"{where}: restart took {after.start_seconds:.1f} s"
        now = (copied.mounted_at / "journal").read_bytes()
        assert now.startswith(journal), f"{where}: a line of the journal is lost"
        assert held <= blobs_of(after), f"{where}: a held blob is lost"
        assert wrong_blobs(after) == [], where
        published = [entry["release"] for entry in entries_of(now) if entry["kind"] == "published"]
        assert published, where
        answer = after.get("/test/dists/stable/InRelease")
        assert answer.status == 200, where
        assert published[-1].startswith(answer.headers["Aptward-Generation"]), where
        assert_coherent(after)
        assert after.scrub() == 0, where
        after.kill()
        copied.unmount()
        copy.unlink()
    assert acknowledged > 5 * CUTS, "the cuts hit a node that holds something"


def test_R6_I4_when_syncs_lie_the_scrub_finds_it_and_nothing_wrong_is_served(scene, disks):
    """The disk says that bytes are synced which are not; their names reach it. This is also the proof that
    a cut in these tests does lose what was not synced."""
    archive = an_archive(scene)
    origin = scene.origin(archive)
    disk, shim, node = fed_node(scene, disks, archive, origin)
    for number in range(PACKAGES // 2):
        node.get(f"/test/pool/p{number}_1_all.deb")
    shim.lies = 1
    copy = scene.folder / "copy.img"
    feeding = Feeding(archive, node, 0)
    try:
        until("things were fetched", lambda: feeding.version > 4)
        for number in range(PACKAGES // 2, PACKAGES):
            node.get(f"/test/pool/p{number}_1_all.deb")
        until("some are stored", lambda: len(blobs_of(node)) >= PACKAGES)
        before = blobs_of(node)
        _, held = cut(node, shim, disk, copy)
    finally:
        feeding.stop()
    copied, after = after_the_cut(scene, disks, archive, origin, copy, "after")
    wrong = wrong_blobs(after)
    print(f"{len(wrong)} of {len(before)} blobs damaged")
    assert wrong, "nothing was damaged: this test has no power"
    assert_coherent(after)
    left = wrong_blobs(after)
    assert after.scrub() == (1 if left else 0)
    assert wrong_blobs(after) == []
    for number in range(PACKAGES):
        answer = after.get(f"/test/pool/p{number}_1_all.deb")
        assert sha256(answer.content) == sha256((archive.root / f"pool/p{number}_1_all.deb").read_bytes())
    after.kill()
