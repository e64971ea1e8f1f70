# SPDX-License-Identifier: GPL-3.0-or-later
"""Rings: some clients get a release only when others have run it for a while."""
import copy
import datetime
import http.client
import json
import shutil
import threading
import time

import pytest

from coherence import grow_old, least
from node import Node, until
from shim import Shim

pytestmark = pytest.mark.smoke

EARLY, LATE = "127.0.0.1", "127.0.0.9"


def ring(after, clients=(LATE,), name="late", more=""):
    return (f'[[ring]]\nname = "{name}"\nclients = {json.dumps(list(clients))}\nafter = "{after}"\n{more}\n')


def get(node, path, address):
    host, port = node.address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=20, source_address=(address, 0))
    connection.request("GET", "/test/" + path)
    answer = connection.getresponse()
    answer.content = answer.read()
    return answer


def generation(node, address, suite="stable"):
    return get(node, f"dists/{suite}/InRelease", address).getheader("Aptward-Generation")


@pytest.fixture
def story(scene):
    """A node whose late ring waits for an hour, and an archive that moved on meanwhile."""
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, tail=ring("1h"))
    first = generation(node, EARLY)
    assert generation(node, LATE) == first, "who has nothing yet gets what there is"
    old = dict(index=(archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes(),
               package=archive.packages["foo"][1])
    assert get(node, "dists/stable/main/binary-amd64/Packages.xz", EARLY).content == old["index"]
    archive.add("foo", "2")
    archive.publish()
    until("the new one", lambda: generation(node, EARLY) != first)
    return archive, origin, node, first, old


def test_a_ring_stays_behind_and_whole(story):
    archive, origin, node, first, old = story
    assert generation(node, LATE) == first
    assert get(node, "dists/stable/main/binary-amd64/Packages.xz", LATE).content == old["index"]
    assert get(node, "dists/stable/main/binary-amd64/Packages.xz", EARLY).content != old["index"]
    assert get(node, f"pool/{old['package'].name}", LATE).status == 200
    node.kill()
    node.start()
    origin.die()
    assert generation(node, LATE) == first and generation(node, EARLY) != first, "also after a crash"
    assert get(node, "dists/stable/main/binary-amd64/Packages.xz", LATE).content == old["index"]


def test_a_ring_never_sees_a_release_in_the_moment_of_its_publishing(scene):
    """A client that got it once would keep it, as apt keeps the newer list."""
    archive = scene.archive()
    origin = scene.origin(archive)
    nodes = [scene.node(archive, origin, tail=ring("1h")) for _ in range(10)]
    first = generation(nodes[0], EARLY)
    assert all(generation(node, LATE) == first for node in nodes)
    archive.add("foo", "2")
    archive.publish()
    seen, stopping = set(), threading.Event()

    def look(node):
        while not stopping.is_set():
            seen.add(generation(node, LATE))
    for node in nodes:
        threads = [threading.Thread(target=look, args=(node,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        until("the new one", lambda: generation(node, EARLY) != first)
        stopping.set()
        for thread in threads:
            thread.join()
        stopping.clear()
    assert seen == {first}


def test_a_ring_gets_a_release_when_its_time_has_come(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=ring("2s") + ring("1h", ["127.0.0.8"], "last"))
    first = generation(node, EARLY)
    archive.add("foo", "2")
    archive.publish()
    until("the new one", lambda: generation(node, EARLY) != first)
    until("the ring moves", lambda: generation(node, LATE) == generation(node, EARLY))
    assert generation(node, "127.0.0.8") == first, "a ring is behind the one before it"


def test_a_client_is_coherent_while_its_ring_moves(scene):
    """To a release that is not current any more, which only the ring has."""
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=ring("6s", ["127.0.0.8/29"]))
    index = "dists/stable/main/binary-amd64/Packages.xz"
    names, contents, began = [], [], time.monotonic()
    for version in range(1, 4):
        if version > 1:
            archive.add("foo", str(version))
            archive.publish()
            until("the new one", lambda: generation(node, EARLY) != names[-1])
        names.append(generation(node, EARLY))
        contents.append(get(node, index, EARLY).content)
        if version == 2:  # the ring has this one for so long, before it comes to the third
            until("some time is over", lambda: time.monotonic() - began > 3)
    reader, looker = "127.0.0.10", "127.0.0.15"
    assert generation(node, reader) == names[0], "of the network's clients too"
    until("the ring moves", lambda: generation(node, looker) == names[1])
    assert get(node, index, reader).content == contents[0], "it has the release before"
    assert get(node, index, looker).content == contents[1]
    assert generation(node, reader) == names[1]
    assert get(node, index, reader).content == contents[1]


def test_a_ring_keeps_what_it_has_when_the_next_cannot_be_read(scene):
    """apt would keep the newest for ever, before its time."""
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=ring("4s"))
    names = [generation(node, EARLY)]
    began = time.monotonic()
    while len(names) < 8 or time.monotonic() - began < 2.5:  # more than are kept at hand
        newest_since = time.monotonic()
        archive.add("foo", str(len(names) + 1))
        archive.publish()
        until("the new one", lambda: generation(node, EARLY) != names[-1])
        names.append(generation(node, EARLY))
        get(node, "dists/stable/main/binary-amd64/Packages.xz", EARLY)
    shown = generation(node, LATE)
    for name in names[names.index(shown) + 1:-1]:
        for file in (node.folder / "state/releases").rglob(name + "*"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    until("the newest has come of age", lambda: generation(node, LATE) == names[-1])
    assert time.monotonic() - newest_since > 3, "it was published in a second that had begun"
    assert "ring.lost" in node.event_codes()


def test_security_suites_overrule_unless_they_shall_not(scene):
    archive = scene.archive()
    archive.suite = "stable-security"
    archive.publish()
    for more, is_behind in (("", False), ("security-at-once = false", True)):
        node = scene.node(archive, scene.origin(archive), tail=ring("1h", more=more))
        first = generation(node, EARLY, "stable-security")
        assert generation(node, LATE, "stable-security") == first
        archive.publish()
        until("the new one", lambda: generation(node, EARLY, "stable-security") != first)
        assert (generation(node, LATE, "stable-security") == first) == is_behind


def test_a_revoked_key_ends_what_a_ring_has_as_well(scene, story):
    _, _, node, first, _ = story
    assert generation(node, LATE) == first
    assert node.command("keys", "revoke", "test", scene.key.fingerprint).returncode == 0
    for address in (EARLY, LATE):
        assert get(node, "dists/stable/InRelease", address).status == 503, address
    assert node.command("keys", "approve", "test", scene.key.fingerprint).returncode == 0
    until("it counts again", lambda: generation(node, LATE) == first)


def test_a_collection_leaves_a_ring_its_indexes(story):
    archive, origin, node, first, old = story
    node.stop()
    grow_old(node)
    node.start()  # with nothing in memory
    assert node.command("gc", "--to", str(least(node))).returncode == 0
    origin.die()
    assert get(node, "dists/stable/main/binary-amd64/Packages.xz", LATE).content == old["index"]


def test_a_collection_leaves_what_a_ring_comes_to_next(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    shim = Shim(scene.folder, scene.folder / "node-shim/state")
    node = Node(scene.folder / "node-shim", archive, [origin], environment=shim.environment, tail=ring("1h"))
    scene.nodes.append(node)
    path, seen = "dists/stable/main/binary-amd64/Packages.xz", []
    for number in range(3):
        if number > 0:
            archive.add("foo", str(number + 1))
            archive.publish()
            shim.clock_offset_s += 1000
            until("the next", lambda: generation(node, EARLY) != seen[-1][0])
        seen.append((generation(node, EARLY), get(node, path, EARLY).content))
        assert generation(node, LATE) == seen[0][0]
    grow_old(node)
    assert node.command("gc", "--to", str(least(node))).returncode == 0
    origin.die()
    shim.clock_offset_s = 4700  # the second has been here for an hour
    node.stop()
    node.start()
    assert generation(node, LATE) == seen[1][0]
    assert get(node, path, LATE).content == seen[1][1]


def test_a_freeze_is_for_all_rings(story):
    archive, _, node, first, _ = story
    at = (archive.when - datetime.timedelta(seconds=60)).strftime("%Y%m%dT%H%M%SZ")
    assert node.command("freeze", "test", "--at", at).returncode == 0
    assert generation(node, EARLY) == generation(node, LATE) == first


def test_a_ring_that_is_far_behind_has_its_packages_still(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=ring("1h"))
    first = generation(node, EARLY)
    assert get(node, "dists/stable/main/binary-amd64/Packages.xz", EARLY).status == 200
    old = archive.packages["foo"][1]
    assert get(node, f"pool/{old.name}", EARLY).status == 200
    for version in range(2, 9):  # more than are kept at hand
        archive.add("foo", str(version))
        before = generation(node, EARLY)
        archive.publish()
        until("the new one", lambda: generation(node, EARLY) != before)
        get(node, "dists/stable/main/binary-amd64/Packages.xz", EARLY)
    assert generation(node, LATE) == first
    assert get(node, f"pool/{old.name}", LATE).status == 200


@pytest.mark.parametrize("text, said", [
    ('[[ring]]\nname = "x"\nafter = "1h"\n', "ring.clients"),
    ('[[ring]]\nname = "x"\nclients = ["10.0.0.0/8"]\n', "ring.after"),
    ('[[ring]]\nclients = ["10.0.0.0/8"]\nafter = "1h"\n', "ring.name"),
    ('[[ring]]\nname = "x"\nclients = ["10.0.0.0/99"]\nafter = "1h"\n', "ring.clients"),
    ('[[ring]]\nname = "x"\nclients = ["10.0.0.0/8"]\nafter = "1h"\nsize = 1\n', "ring.size"),
    ('[ring]\nname = "x"\n', "[[ring]]")])
def test_a_ring_that_cannot_be_is_named(scene, text, said):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    node.config.write_text(node.config.read_text() + text)
    check = node.command("config", "check")
    assert check.returncode == 2 and said in check.stderr, check


def test_the_status_says_what_a_ring_has(story):
    archive, _, node, first, _ = story
    (late,) = node.status()["archives"][0]["rings"]
    assert late["ring"] == "late" and late["behind"]["stable"]["generation"].startswith(first)
    table = node.command("status").stdout
    assert f"ring late of test: stable has {first[:12]}" in table and "the rest as everybody" in table
