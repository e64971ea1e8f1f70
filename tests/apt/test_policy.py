# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier decisions and other sources may not do to a suite that has to be proven."""
import datetime
import http.client
import json
import shutil
import signal
import time

import pytest

from archive import Archive
from node import Node, until

pytestmark = pytest.mark.smoke
INRELEASE = "/test/dists/stable/InRelease"
PACKAGES = "/test/dists/stable/main/binary-amd64/Packages.xz"
FOO = "/test/pool/foo_1_all.deb"


def learn(node, archive="test"):
    for path in (INRELEASE, PACKAGES):
        assert node.get(path.replace("/test/", f"/{archive}/")).status == 200


def events(node, code):
    return [event for event in json.loads(node.admin("/api/v1/events?limit=500")) if event["code"] == code]


def is_served(node, archive):
    return node.get(INRELEASE).content == (archive.suite_folder / "InRelease").read_bytes()


@pytest.fixture
def forged(scene, other_key):
    archive = Archive(scene.folder / "forged", other_key)
    archive.add("foo", payload_bytes=777)
    archive.publish(date=datetime.datetime(2030, 1, 1))
    return archive


def test_A1_what_was_only_observed_is_never_served_as_proven(scene, forged):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, verify="observe")
    learn(node)
    origin.root = forged.root
    until("observed", lambda: is_served(node, forged))
    origin.root = archive.root
    node.config.write_text(node.config.read_text().replace('"observe"', '"enforce"'))
    node.process.send_signal(signal.SIGHUP)
    until("refused, because what is served is not proven", lambda: "config.refused" in node.log_text())
    node.stop()
    node.start()
    until("the genuine one is served", lambda: is_served(node, archive))
    assert (node.get(FOO).status, node.get(FOO).content) == (200, (archive.root / "pool/foo_1_all.deb").read_bytes())
    archive.add("newer")
    archive.publish()
    until("and the next one", lambda: is_served(node, archive))
    assert node.status()["archives"][0]["suites"][0]["signed_by"]


def test_V16_a_made_up_suite_brings_no_key_into_a_pinned_archive(scene, key, other_key, monkeypatch):
    archive = scene.archive()
    origin = scene.origin(archive)
    root = scene.folder / "machine"
    for folder in ("etc/apt/trusted.gpg.d", "etc/apt/sources.list.d", "etc/apt/apt.conf.d", "var/lib/apt/lists/partial",
                   "var/lib/dpkg"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text("")
    shutil.copy(key.keyring, root / "etc/apt/trusted.gpg.d/vendor.gpg")
    shutil.copy(other_key.keyring, root / "etc/apt/trusted.gpg.d/other.gpg")
    (root / "etc/apt/sources.list").write_text(f"deb {origin.url} stable main\n")
    (scene.folder / "apt.conf").write_text(f'Dir "{root}/";\nDir::State::status "{root}/var/lib/dpkg/status";\n')

    class Zero(Node):
        def __init__(self, folder):
            self.folder, self.prefix, self.environment = folder, [], {"APT_CONFIG": str(scene.folder / "apt.conf")}
            folder.mkdir()
            self.config = folder / "aptward.toml"
            self.config.write_text(f'state = "{folder}/state"\nlisten = ["127.0.0.1:0"]\n'
                                   f'admin = "unix:{folder}/admin"\n')
            self.start()
    node = Zero(scene.folder / "zero")
    scene.nodes.append(node)
    name = node.status()["archives"][0]["id"]
    learn(node, name)
    pinned = node.status()["archives"][0]["approved_keys"]
    assert len(pinned) == 1
    evil = Archive(scene.folder / "evil", other_key, suite="evil")
    evil.add("foo")
    evil.publish()
    shutil.copytree(evil.root / "dists/evil", archive.root / "dists/evil")
    answer = node.get(f"/{name}/dists/evil/InRelease")
    assert answer.status == 503 and b"release.unapproved-key" in answer.content
    assert node.status()["archives"][0]["approved_keys"] == pinned


def twin_of(archive, key, folder):
    """The same files under another text of the same date."""
    shutil.copytree(archive.root, folder)
    release = folder / "dists/stable/InRelease"
    text = key.gpg("--decrypt", stdin=release.read_bytes())
    release.write_bytes(key.inline(text.replace(b"Label: Test\n", b"Label: Test\nDescription: another\n")))
    return folder


def test_A12_two_texts_of_one_date_from_two_sources_are_never_both_published(scene, key):
    archive = scene.archive()
    first, second = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    node = scene.node(archive, first, second, freshness="5m")
    learn(node)
    archive.add("new")
    archive.publish()
    second.root = twin_of(archive, key, scene.folder / "twin")
    node.stop()
    node.start()
    until("one of them is published", lambda: node.get(INRELEASE).status == 200 and
          node.get("/test/pool/new_1_all.deb").status == 200)
    until("the other one is told", lambda: events(node, "release.equivocation"))
    published = {event["evidence"] for event in events(node, "release.published")}
    assert len(published) == 2, "the first generation, and one of the two"


def test_A8_V27_an_approved_older_release_is_served_and_newer_ones_after_it(scene):
    archive = scene.archive()
    old = scene.folder / "old"
    shutil.copytree(archive.root, old)
    archive.publish(later=3600)
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    learn(node)
    origin.root = old
    until("refused", lambda: node.get(INRELEASE).status == 200 and events(node, "release.rollback"))
    wanted = events(node, "release.rollback")[0]["evidence"]
    done = node.command("approve", "test", "stable", wanted)
    assert done.returncode == 0, done.stderr
    until("it is served", lambda: node.get(INRELEASE).status == 200 and node.suite()["generation"] == wanted)
    node.stop()
    node.start()
    assert node.get(INRELEASE).status == 200 and node.suite()["generation"] == wanted
    # An approval counts once: a source that lags behind brings the old one back never again.
    archive.add("newer")
    archive.publish()
    origin.root = archive.root
    until("the next one", lambda: is_served(node, archive))
    origin.root = old
    assert is_served(node, archive)
    until("refused again", lambda: len(events(node, "release.rollback")) > 1 and is_served(node, archive))


def test_a_source_that_answers_after_a_reload_harms_nothing(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    (archive.suite_folder / "Release").write_bytes(b"Origin: x\n")
    answered = []

    def slow(path):
        if "Release" not in path:
            return None
        time.sleep(6.5)
        answered.append(path)
        return ("status", 404) if "InRelease" in path else None
    origin.fault = slow
    node = scene.node(archive, origin)
    assert node.get(INRELEASE).status == 503
    node.config.write_text(node.config.read_text().replace('"archive.example"', '"archive.example", "b.example"'))
    node.process.send_signal(signal.SIGHUP)
    until("reloaded", lambda: "config.reloaded" in node.log_text())
    assert answered == ["/dists/stable/InRelease"], "the archive of before is still being answered"
    until("it was answered", lambda: "/dists/stable/Release" in answered)
    origin.heal()
    until("it serves", lambda: is_served(node, archive))
    node.stop()


def test_A9_a_reload_changes_no_client_s_generation(scene):
    archive = scene.archive(by_hash=False)
    node = scene.node(archive, scene.origin(archive))
    learn(node)
    assert node.get(INRELEASE).status == 200
    packages = (archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes()
    node.config.write_text(node.config.read_text().replace('"archive.example"', '"archive.example", "b.example"'))
    node.process.send_signal(signal.SIGHUP)
    until("reloaded", lambda: "config.reloaded" in node.log_text())
    archive.add("new")
    archive.publish()
    other = http.client.HTTPConnection(node.address, timeout=20, source_address=("127.0.0.9", 0))

    def is_switched():
        other.request("GET", INRELEASE)
        return other.getresponse().read() == (archive.suite_folder / "InRelease").read_bytes()
    until("another client has the next generation", is_switched)
    assert node.get(PACKAGES).content == packages
