# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments before this node: asked for at the vendor's snapshot hosts, and proven like all else."""
import copy
import datetime
import json
import shutil

import pytest

from archive import Archive
from node import until
from test_time_travel import apt_at, stamp, versions

pytestmark = pytest.mark.smoke

MOMENT = datetime.timedelta(seconds=30)  # after a release, before the next one


class Hosted:
    """A snapshot host: `show` puts the archive as it is now where a moment is asked for."""

    def __init__(self, scene, name):
        self.folder = scene.folder / name
        self.folder.mkdir()
        self.origin = scene.origin(self.folder, "127.0.0.3")
        self.url = self.origin.url + "/vendor/@SNAPSHOTID@/debian"

    def show(self, archive, moment):
        place = self.folder / "vendor" / stamp(moment) / "debian"
        place.parent.mkdir(parents=True)
        shutil.copytree(archive.root, place)
        return place


@pytest.fixture
def story(scene):
    """A vendor with three releases, of which the node sees the last; the host has all."""
    archive = scene.archive()
    host = Hosted(scene, "host")
    moments = []
    for version in ("1", "2", "3"):
        if version != "1":
            archive.packages["foo"][1].unlink()
            archive.add("foo", version)
            archive.publish()
        moments.append(archive.when + MOMENT)
        if version != "3":
            host.show(archive, moments[-1])
    origin = scene.origin(archive)
    node = scene.node(archive, origin, snapshots=[host.url])
    apt = scene.apt(node)
    assert versions(apt) == ["3"]
    return archive, origin, host, node, apt, moments


def asked(host):
    return [path for path in host.origin.requests if "InRelease" in str(path)]


def test_a_moment_before_this_node_comes_from_the_snapshot_host(scene, story):
    archive, origin, host, node, apt, moments = story
    assert asked(host) == [], "what is known here is asked of nobody"
    assert versions(apt_at(scene, node, stamp(moments[1]))) == ["2"]
    assert versions(apt_at(scene, node, stamp(moments[0]))) == ["1"]
    assert versions(apt_at(scene, node, stamp(moments[2]))) == ["3"]
    count = len(asked(host))
    between = stamp(moments[0] + datetime.timedelta(seconds=15))
    (listed,) = json.loads(node.command("snapshot", "list", "--json").stdout)
    assert [one["from_host"] for one in listed["generations"]] == [True, True, False]
    assert "release.from-host" in node.event_codes()
    # It is held now, and remembered; what is served is what it was.
    origin.die()
    host.origin.die()
    assert versions(apt_at(scene, node, stamp(moments[0]))) == ["1"]
    node.kill()
    node.start()
    assert versions(apt_at(scene, node, stamp(moments[1]))) == ["2"]
    assert versions(scene.apt(node)) == ["3"]
    # Between two that are known may have been a third: the one before does not stand for it.
    answer = node.get(f"/snapshot/{between}/test/dists/stable/InRelease")
    assert answer.status == 503 and answer.content.startswith(b"snapshot.lost: "), answer.content
    assert node.get(f"/snapshot/{between}/test/pool/foo_1_all.deb").status == 503, "nor its packages"
    compared = node.command("snapshot", "diff", "test", between)
    assert "stable: not compared: " in compared.stdout, compared
    assert len(asked(host)) == count
    host.origin.revive()


def test_files_of_the_past_come_from_the_snapshot_host_when_no_upstream_has_them(scene, story):
    archive, origin, host, node, apt, moments = story
    at = stamp(moments[1])
    assert node.get(f"/snapshot/{at}/test/dists/stable/InRelease").status == 200
    assert node.get(f"/snapshot/{at}/test/dists/stable/main/binary-amd64/Packages.xz").status == 200
    old = node.get(f"/snapshot/{at}/test/pool/foo_2_all.deb")
    assert old.status == 200
    assert old.content == (host.folder / f"vendor/{at}/debian/pool/foo_2_all.deb").read_bytes()
    assert node.get(f"/snapshot/{at}/test/pool/foo_1_all.deb").status == 404, "not of then"


@pytest.mark.parametrize("lie, code", [("later", "release.later"), ("unsigned", "release.unsigned"),
                                       ("other", "release.unknown-key"), ("expired", "release.expired"),
                                       ("older", "release.rollback"), ("identity", "release.identity-changed")])
def test_a_host_that_lies_is_charged_and_the_client_is_told(scene, story, other_key, lie, code):
    archive, origin, host, node, apt, moments = story
    moment = moments[1]
    place = host.folder / "vendor" / stamp(moment) / "debian"
    if lie == "later":
        shutil.rmtree(place)
        shutil.copytree(archive.root, place)
    elif lie == "unsigned":
        (place / "dists/stable/InRelease").rename(place / "dists/stable/Release")
    elif lie in ("other", "expired", "identity"):
        twin = Archive(scene.folder / "twin", other_key if lie == "other" else scene.key)
        twin.add("foo", "2")
        until_then = (moment - datetime.timedelta(seconds=10)).strftime("%a, %d %b %Y %H:%M:%S UTC")
        fields = {"expired": {"Valid-Until": until_then}, "identity": {"Origin": "Another"}}.get(lie, {})
        twin.publish(date=moment - datetime.timedelta(seconds=20), **fields)
        shutil.rmtree(place)
        shutil.copytree(twin.root, place)
    else:
        assert versions(apt_at(scene, node, stamp(moment))) == ["2"]
        moment = moments[1] + datetime.timedelta(seconds=5)
        shutil.copytree(host.folder / "vendor" / stamp(moments[0]), host.folder / "vendor" / stamp(moment))
    answer = node.get(f"/snapshot/{stamp(moment)}/test/dists/stable/InRelease")
    assert answer.status == 503, answer.content
    text = answer.content.decode()
    assert text.startswith(("snapshot.before-first: ", "snapshot.lost: ")) and host.origin.url in text
    until("the refusal is told", lambda: code in node.event_codes())
    sources = node.status()["archives"][0]["sources"]
    (charged,) = [one for one in sources if one["url"].startswith(host.origin.url)]
    assert charged["last_fault"], charged
    assert node.suite()["generation"] and versions(apt) == ["3"], "what is served goes on"


def test_a_host_that_is_down_or_slow_holds_nobody_up(scene, story):
    archive, origin, host, node, apt, moments = story
    path = f"/snapshot/{stamp(moments[0])}/test/dists/stable/InRelease"
    host.origin.die()
    down = node.get(path)
    assert down.status == 503 and host.origin.url.encode() in down.content, down.content
    assert versions(apt) == ["3"]
    host.origin.revive()
    # A moment of another time is asked for at once.
    assert versions(apt_at(scene, node, stamp(moments[1]))) == ["2"]


def test_a_pin_and_a_freeze_take_a_moment_from_the_host(scene, story):
    archive, origin, host, node, apt, moments = story
    kept = node.command("snapshot", "name", "test", stamp(moments[0]), "long-ago")
    assert kept.returncode == 0, kept.stderr
    assert versions(apt_at(scene, node, "long-ago")) == ["1"]
    frozen = node.command("freeze", "test", "--at", stamp(moments[1]))
    assert frozen.returncode == 0, frozen.stderr
    apt.clean()
    assert versions(apt) == ["2"]
    node.kill()
    node.start()
    apt = scene.apt(node)
    assert versions(apt) == ["2"]
    assert node.command("thaw", "test").returncode == 0
    assert versions(apt) == ["3"]


def test_a_freeze_needs_no_host_that_is_alive(scene, story):
    archive, origin, host, node, apt, moments = story
    assert versions(apt_at(scene, node, stamp(moments[0]))) == ["1"]
    other = scene.node(archive, origin, snapshots=[host.url], suites=["stable", "stable-backports"],
                       components=["main"], architectures=["amd64"])
    assert versions(scene.apt(other)) == ["3"]
    host.origin.die()
    # A suite that never was says nothing against it.
    assert other.command("snapshot", "pin", "test", "0s").returncode == 0
    for order in ((), ("--at", stamp(archive.when))):
        frozen = other.command("freeze", "test", *order)
        assert frozen.returncode == 0, frozen
        assert versions(scene.apt(other)) == ["3"]
        assert other.command("thaw", "test").returncode == 0
    # What stood a while before does not stand in for what nobody knows, nor after a restart.
    between = stamp(moments[0] + datetime.timedelta(seconds=15))
    assert node.command("snapshot", "pin", "test", between).returncode == 1
    frozen = node.command("freeze", "test", "--at", between)
    assert frozen.returncode == 0 and "not served meanwhile" in frozen.stdout, frozen
    assert host.origin.url in frozen.stdout
    for _ in range(2):
        assert node.get("/test/dists/stable/InRelease").status == 503
        node.stop()
        node.start()


def test_a_freeze_is_done_when_it_says_so_however_slow_the_hosts_are(scene):
    archive = scene.archive()
    security = copy.copy(archive)
    security.suite, security.packages = "stable-security", {}
    security.add("sec")
    security.publish()
    host = Hosted(scene, "host")
    moment = security.when + MOMENT
    host.show(archive, moment)
    for suite in (archive, security, archive, security):
        suite.publish()
    node = scene.node(archive, scene.origin(archive), snapshots=[host.url])
    for suite in ("stable", "stable-security"):
        assert scene.apt(node, suite=suite + " main").update().returncode == 0
    host.origin.always("late", 6)  # twice that is more than anybody waits
    frozen = node.command("freeze", "test", "--at", stamp(moment))
    assert frozen.returncode == 0 and "not served" not in frozen.stdout, frozen
    assert node.status()["archives"][0]["frozen"]["stamp"] == stamp(moment)
    assert len(asked(host)) == 2


@pytest.mark.parametrize("url, why", [
    ("http://host.example/debian", "@SNAPSHOTID@"), ("http://host.example/@SNAPSHOTID@x/debian", "@SNAPSHOTID@"),
    ("http://@SNAPSHOTID@/debian", "@SNAPSHOTID@"), ("ftp://host.example/@SNAPSHOTID@", "http://")])
def test_a_snapshot_host_that_cannot_be_is_a_mistake(scene, url, why):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    node.config.write_text(node.config.read_text() + f'snapshots = ["{url}"]\n')
    checked = node.command("config", "check")
    assert checked.returncode != 0 and why in checked.stderr + checked.stdout, checked
