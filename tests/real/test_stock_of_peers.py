# SPDX-License-Identifier: GPL-3.0-or-later
"""What the real apt-cacher-ng, apt-mirror, debmirror and aptly have gathered is taken in, and a client installs
from it with every source dead.

They come from the archive that this machine's apt is configured for, and are unpacked below build/peers, not
installed; nothing else is asked of that archive. apt-mirror works only from port 80: this wants root."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "apt"), str(TESTS / "bench")]
from archive import Archive, Key  # noqa: E402
from client import AptRoot  # noqa: E402
from mirrors import Aptly, AptMirror, Debmirror, PortEighty  # noqa: E402
from node import Node  # noqa: E402
from peers import CacherNg, unpack  # noqa: E402

ADDRESS = "127.0.0.8"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs port 80, so root")


class Vendor:
    def __init__(self, folder):
        folder.mkdir()
        self.archive = Archive(folder / "archive", Key(folder / "key", "vendor"), forms=("inline", "detached"))
        self.archive.add("apple", payload_bytes=300_000)
        self.archive.add("pear", Depends="apple")
        self.archive.publish()
        (folder / "www").mkdir()
        (folder / "www/debian").symlink_to(self.archive.root)
        self.origin = PortEighty(folder / "www", ADDRESS)
        self.url = f"http://{ADDRESS}/debian"


@pytest.fixture
def vendor(tmp_path):
    try:
        for package in ("apt-cacher-ng", "apt-mirror", "debmirror", "aptly"):
            unpack(package)
    except subprocess.CalledProcessError as failed:
        pytest.skip(f"the programs are not to be had: {failed.stderr or failed}")
    vendor = Vendor(tmp_path / "vendor")
    yield vendor
    vendor.origin.close()


def client_of(folder, vendor, proxy):
    return AptRoot(folder, f"deb [KEY] {vendor.url} stable main", vendor.archive.key, proxy)


def gather_by_cacher_ng(folder, vendor):
    peer = CacherNg(folder / "acng", unpack("apt-cacher-ng")[0])
    try:
        client = client_of(folder / "client", vendor, peer.url)
        assert client.update().returncode == 0
        for name in ("apple", "pear"):
            assert client.download(name).returncode == 0
    finally:
        peer.stop()
    return folder / "acng/cache"


def gather_by(program, root):
    def gather(folder, vendor):
        peer = program(folder / "peer", vendor, vendor.url)
        assert peer.update() == 0, peer.said
        return folder / "peer" / root
    return gather


@pytest.mark.parametrize("gather", [
    pytest.param(gather_by_cacher_ng, id="apt-cacher-ng"),
    pytest.param(gather_by(AptMirror, "base"), id="apt-mirror"),
    pytest.param(gather_by(Debmirror, "tree"), id="debmirror"),
    pytest.param(gather_by(Aptly, "aptly"), id="aptly"),
])
def test_a_client_installs_what_it_has_gathered(tmp_path, vendor, gather, request):
    is_aptly = request.node.callspec.id == "aptly"
    folder = gather(tmp_path, vendor)
    node = Node(tmp_path / "node", vendor.archive, [vendor], hosts=[f"{ADDRESS}/debian"])
    try:
        if is_aptly:  # keeps no signature of the vendor's: the node has the release from the vendor itself
            assert client_of(tmp_path / "before", vendor, node.proxy).update().returncode == 0
        vendor.origin.die()
        client = client_of(tmp_path / "after", vendor, node.proxy)
        if not is_aptly:
            assert client.update().returncode != 0
        done = node.command("import", "stock", str(folder), "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        facts = json.loads(done.stdout.splitlines()[-1])
        print(facts)
        assert facts["differing"] == facts["unreadable"] == 0 and facts["stored"] > 0
        assert client.update().returncode == 0
        got = client.run("apt-get", "install", "-q", "-y", "--download-only", "pear")
        assert got.returncode == 0, got
        for name in ("apple", "pear"):
            deb = client.folder / f"cache/archives/{name}_1_all.deb"
            assert deb.read_bytes() == (vendor.archive.root / "pool" / deb.name).read_bytes()
        assert node.scrub() == 0
    finally:
        node.kill()
