# SPDX-License-Identifier: GPL-3.0-or-later
"""A new generation of an archive of the size of Debian main amd64: from the release known to published, beside
`xz -dc` of the same file; and the memory of the node that has it.

Every round has a fresh node that holds the generation before. A client's request makes it look at the release
of its origin (nginx on loopback). The time runs from the moment at which the origin has sent that release, as the
origin's log has it, until the event `release.published` arrives. So the judgement of the release (gpgv), the
transfer of the index, unpacking, its check, the table and what is synced to the disk are all in it.
"""
import concurrent.futures
import re
import subprocess
import threading
import time

from archive import Key
from large_archive import changed, made_text, packed, publish, real_text
from node import Node, UnixConnection, until
from peers import Nginx
from rounds import compare, interleave, memory_of, rounds_of, row
from stage import root

is_real = False  # --real


class LargeOrigin:
    """Two generations of the archive, of which a symbolic link shows one, and nginx."""

    def __init__(self, folder, has_gz=True):
        folder.mkdir()
        key = Key(folder / "key", "large")
        text = real_text() if is_real else made_text()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda each: packed(each, root / "build/bench"), (text, changed(text))))
        self.old, self.new = (publish(folder / name, key, *files, later, has_gz)
                              for name, files, later in zip(("old", "new"), both, (1, 31)))
        self.bytes = {"Packages": len(text), "xz": both[1][1].stat().st_size, "gz": both[1][2].stat().st_size}
        self.xz = both[1][1]
        self.www, self.log = folder / "www", folder / "moments"
        self.show(self.old)
        self.nginx = Nginx(folder / "nginx", self.www, log=self.log)
        self.url = self.nginx.url

    def show(self, archive):
        link = self.www.with_name("link")
        link.symlink_to(archive.root)
        link.rename(self.www)

    def moment_of(self, name):
        """When the file was last sent, by the origin's clock, which is everybody's here."""
        sent = [line.split() for line in self.log.read_text().splitlines()]
        return max(float(moment) for moment, status, uri in sent if status == "200" and uri.endswith(name))

    def node(self, folder, **keys):
        """A node as a user would have it; this suite is listed, so that it is fetched ahead."""
        return Node(folder, self.old, [self], suites=["stable"], components=["main"], architectures=["amd64"], **keys)


class Moments:
    """When each event of the node came, by code."""

    def __init__(self, node):
        self.by_code = {}
        connection = UnixConnection(f"{node.folder}/admin")
        connection.request("GET", "/api/v1/events", headers={"Accept": "text/event-stream"})
        self.stream = connection.getresponse()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.stream:
                if found := re.search(rb'"code":\s*"([^"]+)"', line):
                    self.by_code[found[1].decode()] = time.time()
        except (OSError, ValueError):
            pass  # the node is gone


def wait_published(node, count):
    """Asks for the release until so many have been published."""
    node.get("/test/dists/stable/InRelease")
    until("published", lambda: node.counter("release.published") >= count, 60)


def adopt_once(origin, folder, memories):
    """Seconds of one adoption by a fresh node."""
    origin.show(origin.old)
    node = origin.node(folder)
    try:
        wait_published(node, 1)
        index = "/test/dists/stable/main/binary-amd64/Packages.xz"
        assert node.get(index).status == 200  # what apt would ask for
        moments = Moments(node)
        origin.show(origin.new)
        node.get("/test/dists/stable/InRelease")
        until("the event", lambda: "release.published" in moments.by_code, 60)
        seconds = moments.by_code["release.published"] - origin.moment_of("InRelease")
        assert node.get("/test/dists/stable/InRelease").content == (origin.new.suite_folder / "InRelease").read_bytes()
        memories.append(memory_of(node.process.pid))
    finally:
        node.stop()
    return seconds


def unpack_once(origin):
    started = time.monotonic()
    subprocess.run(["xz", "-dc", origin.xz], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def adoption(folder):
    rows, memories = [], []
    for listed, has_gz in (("gz listed", True), ("only xz listed", False)):
        origin = LargeOrigin(folder / listed.replace(" ", "-"), has_gz)
        numbers = iter(range(1000))
        try:
            results = interleave(rounds_of(7), {
                "Aptward": lambda: adopt_once(origin, folder / f"node{has_gz}{next(numbers)}", memories),
                "xz -dc": lambda: unpack_once(origin)})
        finally:
            origin.nginx.stop()
        rows.append(compare(f"adoption of 64,000 packages, {listed}", "s", results))
    rows += [row(f"with that archive adopted, {kind} memory", "MB", len(memories),
                 {"Aptward": max(each[kind] for each in memories) / 1e6}) for kind in ("anonymous", "resident")]
    return {"rows": rows, "bytes": origin.bytes, "packages": "of this machine's archive" if is_real else "made"}
