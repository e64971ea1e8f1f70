#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attacks of tests/apt/attacks.py against apt alone, apt through apt-cacher-ng, and apt through Aptward.

Every case is played by real apt in private roots against a misbehaving origin: a client during the
attack, another one after the origin is healed. Writes docs/evidence/attacks.json, from which
tools/make_figures.py makes docs/attacks.md. With rows as arguments ("A7", or "A7 frozen" for one case):
only these, nothing written.

apt-cacher-ng is taken from the distribution, unpacked and run privately: own configuration, cache
and port, never the system's service.
"""
import json
import pathlib
import sys
import tempfile
import time
import types

from beside import LIMIT, Client, LowOrigin, measured_at, root

sys.path.remove(str(pathlib.Path(__file__).parent))  # this file has the name of the one it takes them from
import attacks  # noqa: E402
import hostile as how  # noqa: E402
from archive import Archive, Key  # noqa: E402
from node import Node  # noqa: E402
from peers import CacherNg, unpack  # noqa: E402

PATIENCE = 35  # seconds in which the next client may succeed; apt-cacher-ng asks again after 27
SYSTEMS = ("apt alone", "apt-cacher-ng", "Aptward", "Aptward, 2 sources")


def dies(stage, origin):
    origin.die()


CASES = [attack for attack in attacks.ATTACKS if attacks.is_compared(attack)] + [
    attacks.Attack("outage", "held", "the origin is dead; another client had the package", dies,
                   prepare=how.nothing),
    attacks.Attack("outage", "not held", "the origin is dead; nobody had the package", dies, package=True),
]


class Stage(attacks.Cast):
    """One case with one system: archive, origins, what stands between, clients."""

    def __init__(self, folder, attack, system, model, keys, tools):
        self.enter(model.copy(folder / "archive"), folder, keys)
        self.attack, self.between, self.proxy, self.clients = attack, None, None, 0
        self.ring = folder / "ring.gpg"
        self.ring.write_bytes(b"".join(keys[name].keyring.read_bytes() for name in ("vendor", *attack.keys)))
        self.origins = []
        self.origin = self.neighbour("127.0.0.2", self.archive)
        # Who has one source only has the one that is hostile first.
        self.hostile = [self.origin] + ([self.neighbour("127.0.0.3", self.archive)] if attack.third else [])
        if attack.prepare:
            attack.prepare(self, self.origin)
        if system == "apt-cacher-ng":
            self.between = CacherNg(folder / "acng", tools)
            self.proxy = self.between.url
        elif system.startswith("Aptward"):
            good = [self.neighbour("127.0.0.4", self.archive)] if "2" in system else []
            # It asks for every client, as the others do: what it does not ask for cannot be attacked.
            self.between = Node(folder / "node", self.archive, self.hostile + good, freshness="0s", hosts=None,
                                keyrings=[str(self.ring)], tail=self.tables())
            self.proxy = self.between.proxy
        self.known = None
        if self.neighbours or attack.package or attack.prepare:
            self.known = self.client(self.neighbours[0][1] if self.neighbours else self.origin)
            self.works(self.known.update())
        if attack.prepare:
            self.works(self.known.download("foo"))

    @staticmethod
    def works(outcome):
        assert outcome and outcome.returncode == 0, outcome

    def neighbour(self, address, archive):
        self.origins.append(LowOrigin(archive.root, address))
        return self.origins[-1]

    def client(self, origin=None):
        self.clients += 1
        return Client(self.folder / f"client{self.clients}",
                      f"deb [KEY] {(origin or self.origin).url} stable main",
                      types.SimpleNamespace(keyring=self.ring), self.proxy)

    def ask(self):
        client = self.known if self.attack.package else self.client()
        client.ends = None
        said = attacks.ask(self, client, self.attack.package)
        return "older" if said == "right" and not self.is_newest(client) else said

    def is_newest(self, client):
        newest = attacks.identity(self.archive.text().decode())
        return all(attacks.identity(file.read_text()) == newest
                   for file in (client.folder / "state/lists").glob("*Release"))

    def heal(self):
        if self.attack.row == "outage":
            self.origin.revive()
        for origin in self.hostile:
            origin.root = self.archive.root
            origin.heal()
        if len(self.signed) > 1:
            self.go_on()

    def close(self):
        if self.between:
            self.between.stop()
        for origin in self.origins:
            origin.close()


def play(attack, system, model, keys, tools):
    with tempfile.TemporaryDirectory(prefix="aptward-compare-") as name:
        stage = Stage(pathlib.Path(name), attack, system, model, keys, tools)
        try:
            stage.begin()
            started = time.monotonic()
            client = stage.ask()
            seconds = time.monotonic() - started
            taken = stage.origin.sent
            stage.heal()
            healed = time.monotonic()
            while not (works := attacks.ask(stage, stage.client()) == "right") and \
                    time.monotonic() - healed < PATIENCE:
                pass
            healing = round(time.monotonic() - healed)
        finally:
            stage.close()
    result = {"client": client, "seconds": round(seconds, 1),
              "next": ("works" if healing < 10 else f"works after {healing} s") if works else "fails"}
    if attack.row == "A4":
        result["megabytes_taken"] = round(taken / 1e6)
    return result


def make_model(folder, key, forms):
    model = Archive(folder / "-".join(forms), key, by_hash=False, forms=forms)
    model.add("foo", payload_bytes=60_000)
    model.add("bar", payload_bytes=30_000)
    model.publish()
    return model


def main(wanted):
    with tempfile.TemporaryDirectory(prefix="aptward-compare-") as name:
        folder = pathlib.Path(name)
        tools, cacher_version = unpack("apt-cacher-ng")
        keys = attacks.make_keys(folder, Key(folder / "key", "vendor"))
        models = {forms: make_model(folder, keys["vendor"], forms) for forms in {one.forms for one in CASES}}
        cases = []
        for attack in CASES:
            if wanted and attack.row not in wanted and f"{attack.row} {attack.name}" not in wanted:
                continue
            results = {}
            for system in SYSTEMS:
                results[system] = play(attack, system, models[attack.forms], keys, tools)
                print(f"{attack.row + ' ' + attack.name:28} {system:20} {results[system]}", flush=True)
            cases.append({"id": attack.row, "what": attack.what, "results": results})
    if wanted:
        return
    evidence = {**measured_at(), "limit_seconds": LIMIT, "patience_seconds": PATIENCE, "apt-cacher-ng": cacher_version,
                "systems": SYSTEMS, "cases": cases}
    target = root / "docs/evidence/attacks.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(evidence, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
