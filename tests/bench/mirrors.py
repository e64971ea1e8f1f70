# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirror jobs beside debmirror, apt-mirror and aptly: one archive of 2,000 packages and 256 MB behind nginx on
loopback, all of it and then 100 changed packages; what a reader sees who polls meanwhile; what is left when one
request in a hundred is spoilt.

Aptward is a running node and `aptward mirror --export`: everything synced, then a plain folder. The others sync
nothing. The floor is curl with as many connections, sha256sum and one sync of the file system, one after the other.

apt-mirror works only from port 80: this wants root, and some 8 GB of room.
"""
import gzip
import hashlib
import itertools
import json
import lzma
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import threading
import time

from archive import Archive, Key
from node import PROGRAM, Node
from origin import Origin
from peers import Nginx, unpack
from rounds import compare, cpu_seconds, interleave, rounds_of, row

PACKAGES, BYTES, CHANGED = 2000, 128_000, 100
ADDRESS = "127.0.0.7"
POLLED_UPDATES = 4
KINDS = [("status", 503), ("status", 404), ("tamper", "middle"), ("truncate", 1000), ("html",)]


class PortEighty(Origin):
    """The misbehaving origin where apt-mirror can reach it."""

    def listen(self, port=0):
        super().listen(80)


class Vendor:
    """The archive below /debian, in as many generations as are asked for."""

    def __init__(self, folder, packages=PACKAGES, size=BYTES):
        folder.mkdir()
        self.archive = Archive(folder / "archive", Key(folder / "key", "vendor"),
                               forms=("inline", "detached"))
        self.www, self.number, self.size = folder / "www", 0, size
        self.www.mkdir()
        (self.www / "debian").symlink_to(self.archive.root)
        for number in range(packages):
            self.archive.add_bytes(f"p{number}", os.urandom(size))
        self.archive.publish()

    def change(self, count=CHANGED):
        self.number += 1
        for number in range(count):
            self.archive.add_bytes(f"p{number}", os.urandom(self.size), version=str(self.number + 1))
        self.archive.publish()


class Mirror:
    """One system with a folder of its own. `tree` is what a web server would show."""
    version = ""

    def __init__(self, folder, vendor, url):
        folder.mkdir(parents=True)
        self.folder, self.vendor, self.url = folder, vendor, url
        self.set_up()

    def set_up(self):
        pass

    def end(self):
        pass

    def server_cpu(self):
        return 0.0

    def timed(self):
        """(seconds, CPU seconds, exit status) of bringing it up to date."""
        cpu, server, began = resource.getrusage(resource.RUSAGE_CHILDREN), self.server_cpu(), time.monotonic()
        status = self.update()
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
        return seconds, used + self.server_cpu() - server, status

    def run(self, *command, **environment):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                              env={**os.environ, "HOME": str(self.folder), "LC_ALL": "C", **environment})
        self.said = done.stdout + done.stderr
        return done.returncode


class Aptward(Mirror):
    def set_up(self):
        class Upstream:
            url = self.url
        self.node = Node(self.folder / "node", self.vendor.archive, [Upstream])
        self.tree = self.folder / "tree"

    def update(self):
        return self.run(PROGRAM, "mirror", "test", "stable", "--export", self.tree, "--config", self.node.config)

    def server_cpu(self):
        return cpu_seconds(self.node.process.pid)

    def end(self):
        self.node.kill()


class Debmirror(Mirror):
    def set_up(self):
        self.files, Debmirror.version = unpack("debmirror")
        self.perl = ":".join(str(unpack(name)[0] / "usr/share/perl5") for name in
                                ("debmirror", "liblockfile-simple-perl", "liblog-agent-perl"))
        self.tree = self.folder / "tree"

    def update(self):
        host = self.url.split("/")[2]
        return self.run(self.files / "usr/bin/debmirror", "--method=http", f"--host={host}", "--root=debian",
                        "--dist=stable", "--section=main", "--arch=amd64", "--nosource", "--rsync-extra=none",
                        f"--keyring={self.vendor.archive.key.keyring}", self.tree, PERL5LIB=self.perl)


class AptMirror(Mirror):
    def set_up(self):
        self.files, AptMirror.version = unpack("apt-mirror")
        for part in ("mirror", "skel", "var"):
            (self.folder / "base" / part).mkdir(parents=True)
        self.config = self.folder / "mirror.list"
        self.config.write_text(f"set base_path {self.folder}/base\nset nthreads 20\nset _tilde 0\nset run_postmirror 0\n"
                               f"set defaultarch amd64\ndeb {self.url} stable main\nclean {self.url}\n")
        self.tree = self.folder / "base/mirror" / self.url.split("//")[1]

    def update(self):
        return self.run(self.files / "usr/bin/apt-mirror", self.config)


class CheckedAptMirror(AptMirror):
    """And what it leaves out: the hash of what it fetched, and one sync."""

    def set_up(self):
        super().set_up()
        self.known = set()

    def update(self):
        if status := super().update():
            return status
        there = set(self.tree.rglob("*.deb"))
        names = self.folder / "names"
        names.write_text("\0".join(map(str, there - self.known)))
        self.known = there
        return self.run("xargs", "-0", "-a", names, "sha256sum") or self.run("sync", "-f", self.tree)


class Aptly(Mirror):
    def set_up(self):
        self.files, Aptly.version = unpack("aptly")
        self.config, self.tree, self.count = self.folder / "aptly.conf", self.folder / "aptly/public", 0
        self.config.write_text(json.dumps({"rootDir": f"{self.folder}/aptly", "architectures": ["amd64"]}))
        self.keyring = f"-keyring={self.vendor.archive.key.keyring}"
        assert self.aptly("mirror", "create", self.keyring, "m", self.url, "stable", "main") == 0, self.said

    def aptly(self, *words):
        return self.run(self.files / "usr/bin/aptly", f"-config={self.config}", *words)

    def update(self):
        self.count += 1
        publish = ["publish", "snapshot", "-skip-signing", "-distribution=stable", "s1"] if self.count == 1 else \
            ["publish", "switch", "-skip-signing", "stable", f"s{self.count}"]
        return self.aptly("mirror", "update", self.keyring, "m") or \
            self.aptly("snapshot", "create", f"s{self.count}", "from", "mirror", "m") or self.aptly(*publish)


class Floor(Mirror):
    """Not a mirror: what any of them has to do."""

    def set_up(self):
        self.tree = self.folder / "tree"
        self.known = set()

    def update(self):
        self.tree.mkdir(exist_ok=True)
        fresh = {path for _, path in self.vendor.archive.packages.values()} - self.known
        self.known |= fresh
        urls = self.folder / "urls"
        urls.write_text("".join(f'url = "{self.url}/pool/{path.name}"\noutput = "{self.tree}/{path.name}"\n'
                                for path in fresh))
        names = self.folder / "names"
        names.write_text("\0".join(f"{self.tree}/{path.name}" for path in fresh))
        return self.run("curl", "-sS", "--parallel", "--parallel-max", "24", "-K", urls) or \
            self.run("xargs", "-0", "-a", names, "sha256sum") or self.run("sync", "-f", self.tree)


PEERS = {"debmirror": Debmirror, "apt-mirror": AptMirror, "aptly": Aptly}
SYSTEMS = {"Aptward": Aptward, **PEERS, "floor": Floor}
TIMED = {**SYSTEMS, "apt-mirror-and-check": CheckedAptMirror}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def wrong_in(tree, archive):
    """How many of the archive's current packages are not there, or not right, wherever they lie."""
    there = {path.name: path for path in tree.rglob("*.deb")}
    return sum(path.name not in there or sha256(there[path.name].read_bytes()) != sha256(path.read_bytes())
               for _, path in archive.packages.values())


def look(tree):
    """What a client finds that reads the tree now, as apt does: by-hash where it is. None: all fits."""
    suite = tree / "dists/stable"
    release = next((suite / name for name in ("InRelease", "Release") if (suite / name).is_file()), None)
    if release is None:
        return "no release"
    text = release.read_text()
    for packed in ("xz", "gz"):
        listed = re.search(rf"^ ([0-9a-f]{{64}}) +\d+ main/binary-amd64/Packages\.{packed}$", text, re.M)
        if listed:
            break
    else:
        return "the release is cut"
    digest, folder = listed[1], suite / "main/binary-amd64"
    index = folder / "by-hash/SHA256" / digest
    index = index if index.is_file() else folder / f"Packages.{packed}"
    content = index.read_bytes() if index.is_file() else b""
    if sha256(content) != digest:
        return "release and index do not fit"
    plain = (lzma if packed == "xz" else gzip).decompress(content)
    for path in re.findall(r"^Filename: (\S*/p\d\d?_\S+)$", plain.decode(), re.M):
        if not (tree / path).is_file():
            return "a listed package is not there"
    return None


class Poller:
    """Looks as often as it can while the `with` lasts."""

    def __init__(self, tree):
        self.tree, self.looks, self.wrong, self.must_stop = tree, 0, 0, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.poll)
        self.thread.start()
        return self

    def poll(self):
        while not self.must_stop.is_set():
            try:
                found = look(self.tree)
            except (OSError, UnicodeDecodeError):
                found = "a file vanished or is torn"
            self.looks += 1
            self.wrong += found is not None

    def __exit__(self, *_):
        self.must_stop.set()
        self.thread.join()


def polled(system, folder):
    """(looks, inconsistent ones) of a reader while four updates of 100 packages run."""
    vendor = Vendor(folder / "polled-vendor", packages=400, size=20_000)
    nginx = Nginx(folder / "polled-nginx", vendor.www, log=folder / "polled-log", address=ADDRESS, port=80)
    mirror = system(folder / "polled", vendor, f"http://{ADDRESS}/debian")
    looks = wrong = 0
    try:
        assert mirror.update() == 0, mirror.said
        for _ in range(POLLED_UPDATES):
            vendor.change()
            with Poller(mirror.tree) as poller:
                assert mirror.update() == 0, mirror.said
            looks, wrong = looks + poller.looks, wrong + poller.wrong
    finally:
        mirror.end()
        nginx.stop()
        for part in ("polled-vendor", "polled-nginx", "polled"):
            shutil.rmtree(folder / part)
    return looks, wrong


def spoilt(system, folder):
    """(exit status, packages that are missing or wrong) after a run in which one request in a hundred is spoilt."""
    vendor = Vendor(folder / "spoilt-vendor", packages=1000, size=8_000)
    chance = random.Random(11)
    origin = PortEighty(vendor.www, ADDRESS)
    origin.fault = lambda path: chance.choice(KINDS) if "/pool/" in path and chance.random() < 0.01 else None
    mirror = system(folder / "spoilt", vendor, f"http://{ADDRESS}/debian")
    try:
        return mirror.update(), wrong_in(mirror.tree, vendor.archive)
    finally:
        mirror.end()
        origin.close()
        for part in ("spoilt-vendor", "spoilt"):
            shutil.rmtree(folder / part)


def mirrors(folder):
    folder = pathlib.Path(folder)
    vendor = Vendor(folder / "vendor")
    nginx = Nginx(folder / "nginx", vendor.www, log=folder / "log", address=ADDRESS, port=80)
    url, count = f"http://{ADDRESS}/debian", rounds_of(5)
    running, numbers = {}, itertools.count()

    def full(name):
        def once():
            if name in running:
                running[name].end()
            # A new folder each time, and none removed before the end: ext4 passes over inodes that were freed
            # lately one by one, and whoever comes after a removal pays for it.
            running[name] = TIMED[name](folder / f"{name}{next(numbers)}", vendor, url)
            return measured(name)
        return once

    def measured(name):
        seconds, cpu, status = running[name].timed()
        assert status == 0, (name, running[name].said[-2000:])
        if name != "floor":
            assert wrong_in(running[name].tree, vendor.archive) == 0, name
        return seconds, cpu
    rows = []
    try:
        found = interleave(count, {name: full(name) for name in TIMED})
        rows += rows_of("all of 2,000 packages, 256 MB", found)
        found = {name: [] for name in TIMED}
        for _ in range(count):
            vendor.change()
            for name, (result,) in interleave(1, {name: lambda name=name: measured(name) for name in TIMED}).items():
                found[name].append(result)
        rows += rows_of("100 changed packages", found)
    finally:
        for mirror in running.values():
            mirror.end()
        nginx.stop()
    looks = {name: polled(system, folder) for name, system in SYSTEMS.items() if name != "floor"}
    rows.append(row("inconsistent looks of a polling reader", "%", POLLED_UPDATES,
                    {name: 100 * wrong / seen for name, (seen, wrong) in looks.items()},
                    looks={name: seen for name, (seen, _) in looks.items()}))
    left = {name: spoilt(system, folder) for name, system in SYSTEMS.items() if name != "floor"}
    rows.append(row("packages missing or wrong after 1 % of spoilt requests", "packages", 1,
                    {name: wrong for name, (_, wrong) in left.items()},
                    exit_status={name: status for name, (status, _) in left.items()}))
    return {"rows": rows, "versions": {name: peer.version for name, peer in PEERS.items()}}


def rows_of(what, found):
    return [compare(f"mirror job: {what}", "s", {name: [seconds for seconds, _ in each] for name, each in found.items()}),
            compare(f"mirror job: {what}, CPU", "s", {name: [cpu for _, cpu in each] for name, each in found.items()})]
