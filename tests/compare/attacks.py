#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same attacks against apt alone, apt through apt-cacher-ng, and apt through Aptward.

Every case is played by real apt in private roots against a misbehaving origin: a client during the
attack, another one after the origin is healed. Writes docs/evidence/attacks.json, from which
tools/make_figures.py makes docs/attacks.md. With names as arguments: only these cases, nothing written.

apt-cacher-ng is taken from the distribution, unpacked and run privately: own configuration, cache
and port, never the system's service.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(root / "tests/apt"), str(root / "tests/bench")]
os.environ.setdefault("APTWARD_BIN", str(root / "build/release/aptward"))
from archive import Archive, Key  # noqa: E402
from client import AptRoot  # noqa: E402
from node import Node  # noqa: E402
from origin import Origin  # noqa: E402
from peers import CacherNg, low_port, unpack  # noqa: E402

PATIENCE = 35  # seconds in which the next client may succeed; apt-cacher-ng asks again after 27
LIMIT = 40  # seconds for one client; longer counts as hanging
SYSTEMS = ("apt alone", "apt-cacher-ng", "Aptward", "Aptward, 2 sources")


class LowOrigin(Origin):
    def listen(self, port=0):
        super().listen(port or low_port(self.address))


class Client(AptRoot):
    def run(self, *command):
        """None when it hangs; then it is ended with its methods."""
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=self.folder / "downloads", text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"APT_CONFIG": str(self.folder / "apt.conf"), "PATH": os.environ["PATH"], "LC_ALL": "C"})
        try:
            self.output = process.communicate(timeout=max(1, self.ends - started))[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None
        return process.returncode

    def update(self):
        self.ends = time.monotonic() + LIMIT
        return self.run("apt-get", "update", "-q", "--error-on=any")

    def get(self, name):
        return self.run("apt-get", "download", "-q", name)


class Stage:
    """One case with one system: archive, origin, what stands between, clients."""

    def __init__(self, folder, key, system, tools):
        self.folder, self.key, self.system = folder, key, system
        self.archive = Archive(folder / "archive", key, by_hash=False)
        self.archive.add("foo", payload_bytes=60_000)
        self.archive.add("bar", payload_bytes=30_000)
        self.archive.publish()
        self.origin = LowOrigin(self.archive.root, "127.0.0.2")
        self.second = None
        self.between, self.proxy, self.clients = None, None, 0
        if system == "apt-cacher-ng":
            self.between = CacherNg(folder / "acng", tools)
            self.proxy = self.between.url
        elif system.startswith("Aptward"):
            origins = [self.origin]
            if "2" in system:
                self.second = LowOrigin(self.archive.root, "127.0.0.3")
                origins.append(self.second)
            self.between = Node(folder / "node", self.archive, origins, freshness=None, hosts=None)
            self.proxy = self.between.proxy

    def client(self):
        self.clients += 1
        return Client(self.folder / f"client{self.clients}", f"deb [KEY] {self.origin.url} stable main",
                      self.key, self.proxy)

    def healthy_client(self, download=()):
        client = self.client()
        assert client.update() == 0, client.output
        for name in download:
            assert client.get(name) == 0, client.output
        return client

    def close(self):
        if self.between:
            self.between.stop()
        for origin in (self.origin, self.second):
            origin and origin.close()

    # What a client got
    def package(self, client, name="foo", version="1"):
        status = client.get(f"{name}={version}")
        if status is None:
            return "hangs"
        files = list((client.folder / "downloads").glob(f"{name}_*.deb"))
        if status != 0 or not files:
            return "refused"
        right = (self.archive.root / "pool" / files[0].name).read_bytes()
        return "right" if files[0].read_bytes() == right else "wrong"

    def update(self, client):
        status = client.update()
        return "hangs" if status is None else "right" if status == 0 else "refused"

    def both(self, client, version="1"):
        said = self.update(client)
        return self.package(client, version=version) if said == "right" else said

    def suite_of(self, client):
        """The Suite and the Date of the release that apt took."""
        text = "".join(file.read_text() for file in (client.folder / "state/lists").glob("*Release"))
        date = re.search(r"^Date: (.*)$", text, re.M)
        suite = re.search(r"^Suite: (.*)$", text, re.M)
        return suite and suite[1], date and date[1]


def attack_deb(*mode):
    def play(stage):
        client = stage.healthy_client()
        stage.origin.always(*mode, only="foo_")
        return lambda: (client.__setattr__("ends", time.monotonic() + LIMIT), stage.package(client))[1]
    return play


def attack_all(*mode, only=""):
    def play(stage):
        stage.origin.always(*mode, only=only)
        return lambda: stage.both(stage.client())
    return play


def swapped(stage):
    client = stage.healthy_client()
    stage.origin.always("swap", stage.archive.packages["bar"][1], only="foo_")
    return lambda: (client.__setattr__("ends", time.monotonic() + LIMIT), stage.package(client))[1]


def rollback(stage):
    old = stage.folder / "old"
    shutil.copytree(stage.archive.root, old)
    stage.archive.add("foo", version="2")
    stage.archive.publish()
    newest = stage.suite_of(stage.healthy_client())
    stage.origin.root = old

    def look():
        client = stage.client()
        said = stage.update(client)
        return said if said != "right" or stage.suite_of(client) == newest else "wrong"
    return look


def mixture(stage):
    old = stage.folder / "old"
    stage.healthy_client()
    shutil.copytree(stage.archive.root, old)
    stage.archive.add("foo", version="2")
    stage.archive.publish()
    stage.origin.fault = lambda path: ("root", old) if "Packages" in path else None

    def look():
        client = stage.client()
        said = stage.update(client)
        if said != "right":
            return said
        # A whole generation, whichever: its package can be had.
        return "right" if "right" in (stage.package(client, version="2"),
                                      stage.package(client, version="1")) else "refused"
    return look


def downgrade(stage):
    release = stage.archive.suite_folder
    text = subprocess.run(["gpg", "--homedir", stage.key.home, "--batch", "--quiet", "--decrypt",
                           release / "InRelease"], capture_output=True, check=True).stdout
    evil = stage.folder / "evil"
    shutil.copytree(stage.archive.root, evil)
    (evil / "dists/stable/InRelease").unlink()
    (evil / "dists/stable/Release").write_bytes(text.replace(b"Label: Test", b"Label: Evil"))
    stage.origin.root = evil

    def look():
        client = stage.client()
        said = stage.update(client)
        return "wrong" if said == "right" and stage.second is None else said
    return look


def cross_suite(stage):
    evil = stage.folder / "evil"
    stage.archive.publish(Suite="sid", Codename="sid")
    shutil.copytree(stage.archive.root, evil)
    stage.archive.publish()
    stage.origin.root = evil

    def look():
        client = stage.client()
        said = stage.update(client)
        return "wrong" if said == "right" and stage.suite_of(client)[0] != "stable" else said
    return look


def outage(name):
    def play(stage):
        stage.healthy_client(download=["foo"])
        stage.origin.die()

        def look():
            client = stage.client()
            said = stage.update(client)
            return stage.package(client, name) if said == "right" else said
        return look
    return play


# id, what happens, how it is played
CASES = {
    "A1": ("one byte of a package is changed", attack_deb("tamper", "middle")),
    "A2": ("a package ends early", attack_deb("truncate", 10_000)),
    "A3": ("another package comes under the name", swapped),
    "A4": ("the InRelease never ends", attack_all("endless", only="InRelease")),
    "A6": ("an older release, for a client that has none", rollback),
    "A9": ("a new release with old indexes", mixture),
    "A11 stall": ("no answer at all", attack_all("stall")),
    "A11 trickle": ("one byte a second", attack_all("trickle", 1)),
    "A15": ("no InRelease, and a Release without signature", downgrade),
    "A20": ("a login page for every file", attack_all("html")),
    "A22": ("another suite's release, well signed", cross_suite),
    "outage, held": ("the origin is dead; another client had the package", outage("foo")),
    "outage, not held": ("the origin is dead; nobody had the package", outage("bar")),
}


def next_client_works(stage):
    """A fresh client, and whichever version the release that it got offers."""
    versions = ["1"] if stage.archive.packages["foo"][0] == "1" else ["2", "1"]
    client = stage.client()
    return stage.update(client) == "right" and \
        any(stage.package(client, version=version) == "right" for version in versions)


def play(case, system, key, tools):
    _, prepare = CASES[case]
    with tempfile.TemporaryDirectory(prefix="aptward-compare-") as name:
        stage = Stage(pathlib.Path(name), key, system, tools)
        try:
            look = prepare(stage)
            stage.origin.sent = 0
            started = time.monotonic()
            client = look()
            seconds = time.monotonic() - started
            taken = stage.origin.sent
            if case.startswith("outage"):
                stage.origin.revive()
            stage.origin.root = stage.archive.root
            stage.origin.heal()
            healed = time.monotonic()
            while (works := next_client_works(stage)) is False and time.monotonic() - healed < PATIENCE:
                pass
            healing = round(time.monotonic() - healed)
        finally:
            stage.close()
    result = {"client": client, "seconds": round(seconds, 1),
              "next": ("works" if healing < 10 else f"works after {healing} s") if works else "fails"}
    if case == "A4":
        result["megabytes_taken"] = round(taken / 1e6)
    return result


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout.strip()


def main(wanted):
    # APTWARD_COMMIT: what APTWARD_BIN was built from, when that is not the checkout.
    commit = os.environ.get("APTWARD_COMMIT") or output_of("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    with tempfile.TemporaryDirectory(prefix="aptward-compare-") as name:
        folder = pathlib.Path(name)
        tools, cacher_version = unpack("apt-cacher-ng")
        key = Key(folder / "key", "vendor")
        cases = []
        for case, (what, _) in CASES.items():
            if wanted and case not in wanted:
                continue
            results = {}
            for system in SYSTEMS:
                results[system] = play(case, system, key, tools)
                print(f"{case:16} {system:20} {results[system]}", flush=True)
            cases.append({"id": case, "what": what, "results": results})
    if wanted:
        return
    evidence = {"commit": commit,
                "program": pathlib.Path(os.environ["APTWARD_BIN"]).parent.name, "kernel": os.uname().release,
                "cores": os.cpu_count(), "limit_seconds": LIMIT, "patience_seconds": PATIENCE,
                "apt": output_of("apt-get", "--version").split()[1], "apt-cacher-ng": cacher_version,
                "systems": SYSTEMS, "cases": cases}
    target = root / "docs/evidence/attacks.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(evidence, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
