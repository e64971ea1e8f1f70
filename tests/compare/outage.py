#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorded outage, replayed against one upstream that four ways lead to: apt alone, apt-cacher-ng, nginx with
a stale cache, Aptward.

While it is down, clients that have nothing come by each way and want the packages that were fetched by that way
before. In each moment of service the vendor publishes twice: two new packages and an update of one that was fetched
before. A client by each way takes one of the new ones, and nobody the others. In the next silence all are wanted.
Aptward has a list of everything (a [[stock-list]] of "*"), and its defaults. Writes docs/evidence/outage.json, from
which tools/make_figures.py makes docs/outage.md. The file that APTWARD_OUTAGE names has the recorded minutes
(docs/decisions/0022-drills.md). With a number as argument: how many times as fast it goes; nothing is written.

The speed is of the outage, not of the programs: what one of them does after a minute, it does after a minute.
"""
import json
import os
import pathlib
import sys
import tempfile
import threading
import time

from beside import LIMIT, Client, LowOrigin, measured_at, root

from archive import Archive, Key
from node import Node
from peers import CacherNg, NginxCache, unpack, version_of

SPEED = 60
KNOWN = [f"known{number}" for number in range(10)]
UPDATED = [f"updated{number}" for number in range(14)]  # each once
STOCK = """[[stock-list]]
name = "everything"
packages = ["*"]
suites = ["test/stable"]
"""
ROUNDS = 5  # fresh clients of a way in one silence
SYSTEMS = ("apt alone", "apt-cacher-ng", "nginx, stale cache", "Aptward")
WANTED = {
    "down": "down: a fresh client, packages that were fetched before",
    "updated": "down: a client with lists of its own from before, the same packages",
    "taken": "down: a fresh client, what was new in the last moment of service and somebody took",
    "update": "down: a fresh client, an update of then that nobody took",
    "untaken": "down: a fresh client, what was new then and nobody took",
    "up": "up: a fresh client, packages that were fetched before",
}


class Way:
    """One system: the proxy or the address that its clients are given, and what they got."""

    def __init__(self, name, folder, archive, origin, tools):
        self.name, self.folder, self.archive, self.between = name, folder, archive, None
        self.uri, self.proxy, self.clients = origin.url, None, 0
        folder.mkdir()
        if name == "apt-cacher-ng":
            self.between = CacherNg(folder / "acng", tools)
            self.proxy = self.between.url
        elif name.startswith("nginx"):
            self.between = NginxCache(folder / "nginx", origin.url, "1s")
            self.uri = self.between.url
        elif name == "Aptward":
            self.between = Node(folder / "node", archive, [origin], freshness="1s", hosts=None,
                                top=['stock-budget = "5G"'], tail=STOCK)
            self.proxy = self.between.proxy
        self.got = {what: {"got": 0, "of": 0} for what in WANTED}
        self.taker = self.client()  # takes what is new, as long as there is service
        self.early = self.client()  # never updates again
        for client in (self.taker, self.early):
            assert self.gets(client, KNOWN + UPDATED) == len(KNOWN + UPDATED), name

    def client(self):
        self.clients += 1
        return Client(self.folder / f"client{self.clients}", f"deb [KEY] {self.uri} stable main", self.archive.key,
                      self.proxy)

    def gets(self, client, names, updates=True):
        """How many of these it has in the end, to the byte. One that hangs is ended."""
        client.ends = None
        outcome = client.update() if updates else None
        if updates and outcome is None:
            return 0
        for name in names:
            if client.download(name) is None:
                break
        return sum(self.has(client, name) for name in names)

    def has(self, client, name):
        deb = self.archive.packages[name][1]
        file = client.folder / "downloads" / deb.name
        return file.exists() and file.read_bytes() == deb.read_bytes()

    def tally(self, what, client, names, updates=True):
        if not names:
            return
        self.got[what]["got"] += self.gets(client, names, updates)
        self.got[what]["of"] += len(names)

    def silence(self, begun, seconds, taken, updated, untaken):
        for number in range(ROUNDS):
            wait_until(begun + seconds * (number + 0.5) / ROUNDS)
            self.tally("down", self.client(), KNOWN)
            for file in (self.early.folder / "downloads").iterdir():
                file.unlink()
            self.tally("updated", self.early, KNOWN, updates=False)
        self.tally("taken", self.client(), taken)
        self.tally("update", self.client(), updated)
        self.tally("untaken", self.client(), untaken)

    def service(self, begun, seconds, published):
        """`published`: the names to take so far; it grows."""
        self.tally("up", self.client(), KNOWN)
        while True:
            is_last = time.monotonic() > begun + seconds
            missing = [name for name in published if not self.has(self.taker, name)]
            if missing:
                self.gets(self.taker, missing)
            elif is_last:
                return
            if is_last:
                return
            wait_until(min(time.monotonic() + 0.5, begun + seconds))

    def close(self):
        if self.between:
            self.between.stop()


def wait_until(moment):
    threading.Event().wait(max(0.0, moment - time.monotonic()))


def together(calls):
    """Runs them side by side; what one raises is raised."""
    failures = []

    def run(call):
        try:
            call()
        except Exception as failure:
            failures.append(failure)
    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Upstream:
    """The vendor and its server. A silence is a closed port or an error by turns."""

    def __init__(self, archive, origin):
        self.archive, self.origin, self.number, self.is_dead = archive, origin, 0, False

    def goes_down(self, number):
        self.is_dead = number % 2 == 0
        if self.is_dead:
            self.origin.die()
        else:
            self.origin.always("status", 503)

    def comes_back(self):
        if self.is_dead:
            self.origin.revive()
        self.origin.heal()

    def publish(self, taken, updated, untaken):
        updated.append(UPDATED[self.number])
        self.archive.add(updated[-1], "2", payload_bytes=20_000)
        self.number += 1
        for names, kind in ((taken, "taken"), (untaken, "untaken")):
            self.archive.add(f"{kind}{self.number}")
            names.append(f"{kind}{self.number}")
        self.archive.publish()


def play(trace, speed, upstream, ways):
    taken, updated, untaken = [], [], []
    down, up = trace["down_minutes"], trace["assumed_up_minutes"]
    for number, minutes in enumerate(down):
        upstream.goes_down(number)
        begun, seconds = time.monotonic(), minutes * 60 / speed
        together([lambda way=way: way.silence(begun, seconds, taken, updated, untaken) for way in ways])
        print(f"silence {number + 1} of {len(down)}, {seconds:.1f} s: "
              f"{({way.name: way.got['down']['got'] for way in ways})}", flush=True)
        if number == len(up):
            return
        taken, updated, untaken = [], [], []
        upstream.publish(taken, updated, untaken)
        upstream.comes_back()
        begun, seconds = time.monotonic(), up[number] * 60 / speed
        later = threading.Thread(target=lambda: (wait_until(begun + seconds / 2),
                                                 upstream.publish(taken, updated, untaken)))
        later.start()
        together([lambda way=way: way.service(begun, seconds, taken) for way in ways])
        later.join()


def main(arguments):
    if "APTWARD_OUTAGE" not in os.environ:
        sys.exit("APTWARD_OUTAGE names no recorded outage: set it to a file such as `aptward drill --trace` takes")
    recorded = json.loads(pathlib.Path(os.environ["APTWARD_OUTAGE"]).read_text())
    trace, speed = recorded["replay"], float(arguments[0]) if arguments else SPEED
    down, up = sum(trace["down_minutes"]), sum(trace["assumed_up_minutes"])
    with tempfile.TemporaryDirectory(prefix="aptward-outage-") as name:
        folder = pathlib.Path(name)
        tools, cacher_version = unpack("apt-cacher-ng")
        archive = Archive(folder / "archive", Key(folder / "key", "vendor"))
        for package in KNOWN + UPDATED:
            archive.add(package, payload_bytes=20_000)
        archive.publish()
        origin = LowOrigin(archive.root, "127.0.0.2")
        ways = []
        try:
            for number, system in enumerate(SYSTEMS):
                ways.append(Way(system, folder / f"way{number}", archive, origin, tools))
            play(trace, speed, Upstream(archive, origin), ways)
        finally:
            for way in ways:
                way.close()
            origin.close()
    rows = [{"what": what, "got": {way.name: way.got[kind] for way in ways}} for kind, what in WANTED.items()]
    for row in rows:
        print(row)
    if arguments:
        return
    evidence = {**measured_at(), "limit_seconds": LIMIT, "apt-cacher-ng": cacher_version,
                "nginx": version_of("nginx"), "trace": recorded["name"], "minutes_down": down, "minutes_up": up,
                "silences": len(trace["down_minutes"]), "speed": speed, "systems": SYSTEMS, "rows": rows}
    (root / "docs/evidence/outage.json").write_text(json.dumps(evidence, indent=1) + "\n")
    ours = ways[SYSTEMS.index("Aptward")].got
    lacking = [what for what in WANTED if ours[what]["got"] != ours[what]["of"]]
    if lacking:
        sys.exit(f"Aptward's clients lacked something: {', '.join(WANTED[what] for what in lacking)}")


if __name__ == "__main__":
    main(sys.argv[1:])
