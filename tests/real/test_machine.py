# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine made from the node by mmdebstrap goes up, back, and is made again where no network leads.

Its packages are Debian's own, from the archive that this machine's apt is configured for: fetched once,
through a node whose state stays below build/machine, and served from there afterwards, also with no network.
They are published once more by a vendor of the test's own, because an upgrade needs a second generation:
there some of them are repacked under a higher version, and what only the first one had is gone upstream.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "apt"), str(TESTS / "real")]
from archive import Archive, Key  # noqa: E402
from node import PROGRAM, Node, until  # noqa: E402
from origin import Origin  # noqa: E402
from test_real import PrivateApt, http_sources  # noqa: E402

ROOT = TESTS.parent
VENDOR = "http://archive.example"
MORE = ("ca-certificates", "hello")  # beside what every machine has
BUMPED = ("base-files", "bash", "ca-certificates", "debconf", "hello", "tar", "zlib1g")

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="a root of one's own needs root"),
              pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed")]


def done(*command, **more):
    """What it said, with both streams; whatever fails ends the test."""
    ended = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=900, **more)
    assert ended.returncode == 0, f"{command}:\n{ended.stdout[-6000:]}"
    return ended.stdout


def mmdebstrap(root, suite, uri, proxy, *options, prefix=()):
    done(*prefix, "mmdebstrap", "--mode=root", "--variant=apt", f"--include={','.join(MORE)}",
         f'--aptopt=Acquire::http::Proxy "{proxy}"', *options, suite, root, f"deb {uri} {suite} main")


def installed(root):
    """What `dpkg -l` of that machine says, to the letter."""
    return done("chroot", root, "env", "COLUMNS=250", "LC_ALL=C", "dpkg", "-l")


class Keeper:
    """A node for the machine's own apt sources that keeps its state between runs."""

    def __init__(self):
        folder = ROOT / "build/machine/keeper"
        folder.mkdir(parents=True, exist_ok=True)
        run_file = folder / "state/run.json"
        run_file.unlink(missing_ok=True)
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--state", folder / "state", "--admin", f"unix:{folder}/admin",
                 "--listen", "127.0.0.1:0"], stdout=log, stderr=log)
        until("the node is ready", lambda: run_file.exists() or self.process.poll() is not None, 60)
        assert self.process.poll() is None, (folder / "log").read_text()
        self.proxy = f"http://{json.loads(run_file.read_text())['listen'][0]}"

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0


@pytest.fixture
def real_debs(tmp_path):
    """The .debs of a machine that was made from the real archive, and what its `dpkg -l` says."""
    sources = sorted((suite.count("-"), uri, suite) for uri, suite, component, _ in http_sources()
                     if component == "main")
    if not sources:
        pytest.skip("skipped: this machine has no http:// apt source to take packages from")
    _, uri, suite = sources[0]
    keeper = Keeper()
    try:
        apt = PrivateApt(tmp_path / "keeper-apt", keeper.proxy)
        said = apt.run("apt-get", "update", "-q")
        if said.returncode != 0:
            pytest.skip(f"skipped: this machine's apt sources do not answer, and nothing is held: {said.stdout[-300:]}")
        root = tmp_path / "real-root"
        mmdebstrap(root, suite, uri, keeper.proxy)
        names = done("chroot", root, "dpkg-query", "-W", "-f", "${Package}=${Version}\n").split()
        downloaded = apt.run("apt-get", "download", "-q", *names)
        assert downloaded.returncode == 0, downloaded.stdout
    finally:
        keeper.stop()
    return sorted((apt.folder / "downloads").glob("*.deb")), installed(root)


class Vendor(Archive):
    """Real packages below pool/, listed as a vendor's own tools list them."""

    def index(self):
        return done("apt-ftparchive", "packages", "pool", cwd=self.root, env={**os.environ, "LC_ALL": "C"}).encode()

    def file_of(self, name):
        (deb,) = (self.root / "pool").glob(f"{name}_*.deb")
        return deb

    def bump(self, name, **fields):
        """The same package under a higher version; the earlier file is gone."""
        deb = self.file_of(name)
        tree = self.folder / f"{name}-tree"
        done("dpkg-deb", "-R", deb, tree)
        control = tree / "DEBIAN/control"
        text = re.sub(r"(?m)^Version: (.*)$", r"Version: \1+up1", control.read_text())
        for field, value in fields.items():
            text = re.sub(rf"(?m)^{field}: (.*)$", rf"{field}: \1, {value}", text)
        control.write_text(text)
        deb.unlink()
        done("dpkg-deb", "-Zxz", "-z1", "-b", tree, self.root / "pool")
        shutil.rmtree(tree)


class Machine:
    """A root of its own whose administrator has named a node."""

    def __init__(self, root, key, proxy):
        self.root = root
        shutil.copy(key.keyring, root / "usr/share/keyrings/vendor.gpg")
        (root / "etc/apt/apt.conf.d/30aptward").write_text(f'Acquire::http::Proxy "{proxy}";\n')
        (root / "etc/apt/apt.conf.d/90test").write_text('APT::Get::Assume-Yes "true";\n')
        self.uses(VENDOR)

    def uses(self, uri):
        (self.root / "etc/apt/sources.list").write_text(
            f"deb [signed-by=/usr/share/keyrings/vendor.gpg] {uri} stable main\n")

    def run(self, script):
        return done("chroot", self.root, "sh", "-ec", script,
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})


def documented_way_back():
    """The commands that docs/time-travel.md gives for one machine, as they stand there."""
    page = (ROOT / "docs/time-travel.md").read_text()
    block = re.search(r"\nTo take a machine back.*?\n\n((?:    [^\n]+\n)+)", page, re.S)
    return re.sub("(?m)^    ", "", block[1])


def bundle_of(node, folder, name, machine):
    """All that the machine needs, in a file of its own; from what dpkg itself says."""
    wanted = folder / f"{name}.selections"
    wanted.write_text(machine.run("dpkg --get-selections"))
    file = folder / f"{name}.bundle"
    made = node.command("bundle", "create", "test", "--list", str(wanted), "--no-recommends",
                        "--output", str(file))
    assert made.returncode == 0, made.stderr
    return file


def rebuilt_without_a_network(folder, vendor, origin, bundle):
    """`dpkg -l` of a machine that is made from nothing but the bundle, in a network namespace of its own."""
    alone = ("unshare", "--net", "sh", "-ec", 'ip link set lo up; exec "$@"', "sh")
    folder.mkdir()
    Node.arguments = ["--bundle", str(bundle)]
    try:
        node = Node(folder / "node", vendor, [origin], prefix=alone)
    finally:
        Node.arguments = ()
    try:
        until("it is taken in", lambda: "bundle.imported" in node.event_codes(), 60)
        inside = ("nsenter", f"--net=/proc/{node.process.pid}/ns/net")
        links = done(*inside, "ip", "-o", "link", "show", "up")
        assert len(links.splitlines()) == 1 and ": lo:" in links, "no way out"
        mmdebstrap(folder / "root", "stable", VENDOR, node.proxy, f"--keyring={vendor.key.keyring}", prefix=inside)
        node.stop()
    finally:
        node.process.poll() is None and node.kill()
    return installed(folder / "root")


def changed(before, after):
    """Names of packages whose lines differ in more than the width of a column."""
    lines = [{tuple(line.split()) for line in said.splitlines() if re.match("[a-z]{2} ", line)} for said in (before, after)]
    return {words[1].split(":")[0] for words in lines[0] ^ lines[1]}


def test_a_machine_goes_up_and_back_and_is_made_again_without_a_network(tmp_path, real_debs, record_property):
    debs, of_the_real_archive = real_debs
    vendor = Vendor(tmp_path / "vendor", Key(tmp_path / "key", "vendor"))
    for deb in debs:
        shutil.copy(deb, vendor.root / "pool" / deb.name.replace("%3a", ":"))
    vendor.publish()
    first = vendor.when.strftime("%Y%m%dT%H%M%SZ")
    origin = Origin(vendor.root, "127.0.0.2")
    node = Node(tmp_path / "node", vendor, [origin])
    try:
        root = tmp_path / "root"
        mmdebstrap(root, "stable", VENDOR, node.proxy, f"--keyring={vendor.key.keyring}")
        machine = Machine(root, vendor.key, node.proxy)
        before = installed(root)
        assert before == of_the_real_archive, "the same machine as from the real archive"
        first_bundle = bundle_of(node, tmp_path, "first", machine)

        vendor.add("news-of-hello")
        for name in BUMPED:
            vendor.bump(name, **({"Depends": "news-of-hello"} if name == "hello" else {}))
        vendor.publish()
        machine.run("apt-get update && apt-get dist-upgrade")
        after = installed(root)
        assert changed(before, after) == {*BUMPED, "news-of-hello"}
        second_bundle = bundle_of(node, tmp_path, "second", machine)

        origin.die()  # what was is here, and nowhere else
        machine.uses(f"{node.proxy}/snapshot/{first}/test")
        machine.run(documented_way_back())
        assert changed(before, installed(root)) == set()
        assert installed(root) == before, "back to the exact versions"
        machine.run('apt-get check; test -z "$(dpkg --audit)"')
        node.stop()
    finally:
        node.process.poll() is None and node.kill()
        origin.close()
    assert rebuilt_without_a_network(tmp_path / "again", vendor, origin, first_bundle) == before
    assert rebuilt_without_a_network(tmp_path / "newer", vendor, origin, second_bundle) == after
    record_property("packages of the machine, the same by dpkg -l", len(debs))
    record_property("packages changed by the upgrade and back again", len(changed(before, after)))
    record_property("MB of the bundle", round(first_bundle.stat().st_size / 1e6))
