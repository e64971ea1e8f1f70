# SPDX-License-Identifier: GPL-3.0-or-later
"""What setup tells an apt that knows snapshots (2.7.1 and later): that it asks nodes for them too."""
import re
import subprocess

import pytest

from client import AptRoot
from test_client import CONF, Machine
from test_time_travel import stamp, versions

pytestmark = pytest.mark.smoke

VERSION = re.match(r"apt (\d+)\.(\d+)\.(\d+)", subprocess.run(["apt-get", "--version"], text=True,
                                                              capture_output=True).stdout)
HAS_SNAPSHOTS = tuple(map(int, VERSION.groups())) >= (2, 7, 1)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


class Snapshots:
    """What apt makes of a source, by its own rules (SnapshotServer() in debmetaindex.cc)."""

    def __init__(self, machine):
        said = subprocess.run(["apt-config", "-c", machine.root / CONF, "dump"], text=True, check=True,
                              capture_output=True).stdout
        self.known = dict(re.findall(r'^Acquire::Snapshots::URI::(\S+) "(.*)";$', said, re.M))

    def uri(self, moment, host, path, origin="", label="", field=""):
        server = self.known.get(f"Override::Label::{label}") or self.known.get(f"Override::Origin::{origin}") \
            or field or self.known.get(f"Label::{label}") or self.known.get(f"Origin::{origin}")
        while not server and host:
            server = self.known.get(f"Host::{host}")
            dot = host.find(".", 1)
            host = host[dot:] if dot > 0 else ""
        return server and server.replace("@SNAPSHOTID@", moment).replace("@PATH@", path.strip("/"))


def two_generations(scene, **keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, **keys)
    apt = scene.apt(node)
    first = archive.when
    assert versions(apt) == ["1"]
    archive.add("foo", "2")
    archive.publish()
    assert versions(apt) == ["2"]
    return origin, node, first


def test_an_apt_with_snapshots_asks_nodes_for_those_of_the_vendors(scene, machine):
    origin, node, first = two_generations(
        scene, hosts=["archive.example", "archive.ubuntu.com/ubuntu", "deb.debian.org/debian"])
    machine.setup("--node", node.proxy)
    snapshots, moment = Snapshots(machine), stamp(first)
    asked = [("archive.ubuntu.com", "ubuntu", "Ubuntu", "Ubuntu", ""),
             ("mirror.example", "u", "Ubuntu", "Ubuntu", "https://snapshot.ubuntu.com/ubuntu/@SNAPSHOTID@/"),
             ("de.archive.ubuntu.com", "ubuntu", "", "", ""),
             ("security.ubuntu.com", "ubuntu", "", "", ""),
             ("deb.debian.org", "debian", "Debian", "Debian", ""),
             ("deb.debian.org", "debian", "Debian Backports", "Debian Backports", "")]
    origin.die()
    for host, path, origin_field, label, field in asked:
        uri = snapshots.uri(moment, host, path, origin_field, label, field)
        answer = node.get(uri + "dists/stable/InRelease")
        assert answer.status == 200, (uri, answer.content)
        assert answer.getheader("Aptward-Snapshot") == moment, uri
    # Debian's security suites say that they are Debian's as well, and live elsewhere.
    assert snapshots.uri(moment, "deb.debian.org", "debian-security", "Debian", "Debian-Security") \
        == f"http://snapshot.debian.org/archive/debian-security/{moment}/"
    assert machine.client("undo").returncode == 0 and not (machine.root / CONF).exists()


def test_sources_without_a_snapshot_service_have_the_nodes(scene, machine):
    origin, node, first = two_generations(scene, hosts=["archive.example", "vendor.example/some/apt"])
    vendors = machine.file("etc/apt/sources.list", "deb https://vendor.example/some/apt stable main\n"
                           f"deb {node.proxy}/test stable main\ndeb http://elsewhere.example/x stable main\n")
    said = machine.setup("--node", node.proxy)
    assert "elsewhere.example has no snapshots for apt: the node" in said
    snapshots, moment = Snapshots(machine), stamp(first)
    address = node.address.rsplit(":", 1)[0]
    assert "Host::elsewhere.example" not in snapshots.known
    for uri in (snapshots.uri(moment, "vendor.example", "some/apt"), snapshots.uri(moment, address, "test")):
        apt = AptRoot(scene.folder / f"apt{next(scene.numbers)}", f"deb [KEY] {uri} stable main", scene.key)
        assert versions(apt) == ["1"], uri
    # A node that does not know the place says so; without a node nobody knows, and setup says that.
    assert node.get(f"/snapshot/{moment}/vendor.example/other/dists/stable/InRelease").status == 404
    node.stop()
    assert "run setup again when one does" in machine.setup("--node", node.proxy)
    assert vendors.read_text().startswith("deb https://vendor.example")


@pytest.mark.skipif(not HAS_SNAPSHOTS, reason="this apt knows no snapshots")
def test_apt_goes_back_by_its_own_option(scene, machine):
    origin, node, first = two_generations(scene, hosts=["archive.example", "vendor.example/some/apt"])
    machine.file("etc/apt/sources.list", "deb http://vendor.example/some/apt stable main\n")
    machine.setup("--node", node.proxy)
    apt = AptRoot(scene.folder / "apt-new", "deb [KEY] http://vendor.example/some/apt stable main", scene.key,
                  node.proxy)
    text = (machine.root / CONF).read_text()
    (apt.folder / "etc/apt.conf.d/30aptward").write_text(re.sub(".*Proxy-Auto-Detect.*", "", text))
    origin.die()
    assert versions(apt) == ["2"]
    for option in ("-S", "--snapshot="):
        apt.clean()
        moment = option + stamp(first)
        updated = apt.run("apt-get", "update", "-q", "--error-on=any", moment)
        assert updated.returncode == 0 and "/snapshot/" in updated.output, updated
        assert apt.run("apt-get", "download", "-q", "foo", moment).returncode == 0
        assert [file.name for file in (apt.folder / "downloads").iterdir()] == ["foo_1_all.deb"]
