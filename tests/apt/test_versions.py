# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of other versions: later ones, as they may be, and earlier ones, as they were built then."""
import datetime
import json
import os
import pathlib

import pytest

from forger import BASE, Forger, release_id
from node import Node, until
from peering import file_path, forged, held, linked, peer_command, peers, pool, release
from test_flights import learn

pytestmark = pytest.mark.smoke

# Programs of earlier versions, as `./dev deep versions` builds them.
OLD = [pathlib.Path(path) for path in os.environ.get("APTWARD_OLD", "").split(":") if path]
old_versions = pytest.mark.parametrize(
    "old", OLD or [pytest.param(None, marks=pytest.mark.skip(reason="earlier versions are built by ./dev deep"))],
    ids=lambda path: path.parent.name if path else "none")


class Later(Forger):
    """It speaks a further protocol, and says more in each of its notes than is known today."""
    protocols = "1 2 3"

    def answer(self, path):
        note = super().answer(path)
        if path.startswith("node?"):
            text = note.decode().split("\n\n— ")[0] + "\nfeatures releases files dreams\nanything else entirely\n"
            return self.key.note(text.replace("protocols 1\n", f"protocols {self.protocols}\n"))
        if path.startswith("heads?"):
            text = note.decode().split("\n\n— ")[0] + "\n"
            lines = [line + " and more of it" if line.startswith("head ") else line for line in text.splitlines()]
            return self.key.note("\n".join([*lines, "tails 7 of them"]) + "\n")
        return note


@pytest.fixture
def later(scene):
    return scene.keep(Later(scene.folder / "later"))


def test_a_later_version_that_still_speaks_this_one_is_a_peer(scene, later):
    archive, node = forged(scene, later)
    held(node)  # and so its index is read
    content = archive.packages["bar"][1].read_bytes()
    later.files[file_path("pool", "pool/bar_1_all.deb", content)[len(BASE) + 1:]] = content
    scene.origins[0].die()
    assert node.get(pool("bar")).content == content


def test_a_release_that_a_later_version_tells_of_is_taken(scene, later):
    archive, node = forged(scene, later)
    archive.add("fresh")
    archive.publish(date=archive.when + datetime.timedelta(hours=1))
    newest = (archive.suite_folder / "InRelease").read_bytes()
    scene.origins[0].always("status", 503, only="InRelease")
    name = release_id(newest)
    later.files[f"release/{name}/InRelease"] = newest
    later.tell(f"head {name} {int(archive.when.timestamp())} i stable test")
    until("it has it", lambda: release(node) == newest, seconds=20)


def test_a_version_that_speaks_another_protocol_alone_is_named_and_left_alone_until_it_does(scene, later):
    archive = scene.archive()
    origin = scene.origin(archive)
    later.protocols = "2 3"
    node = scene.node(archive, origin, tail=peers(later))
    pinged = peer_command(node, "ping")
    assert pinged.returncode == 1 and "incompatible" in pinged.stdout, pinged
    learn(node)
    assert held(node)
    assert not [path for path in later.asked if "/pool/" in path or "/index/" in path]
    later.protocols = "1 2"
    assert peer_command(node, "ping").returncode == 0
    assert linked(node)


class OldNode(Node):
    """Of a version that does not know what a node of this one is configured with here."""

    def __init__(self, program, *arguments, **keys):
        self.program = program
        super().__init__(*arguments, **keys)

    def start(self):
        lines = self.config.read_text().splitlines()
        self.config.write_text("\n".join(line for line in lines if not line.startswith("discovery")) + "\n")
        super().start()


def old_node(scene, old, archive, *origins, **keys):
    node = OldNode(old, scene.folder / f"node{next(scene.numbers)}", archive, origins, **keys)
    scene.nodes.append(node)
    return node


@old_versions
def test_an_earlier_and_this_version_give_each_other_files_and_releases(scene, old):
    archive = scene.archive()
    origin = scene.origin(archive)
    before = old_node(scene, old, archive, origin)
    now = scene.node(archive, origin, tail=peers(before, extra='distance = "near"\n'))
    assert before.command("peer", "add", now.proxy).returncode == 0
    for node in (before, now):
        until("they are linked", lambda: linked(node))
        learn(node)
    foo, bar = held(before, "foo"), held(now, "bar")
    origin.requests.clear()
    assert now.get(pool("foo")).content == foo and before.get(pool("bar")).content == bar
    for teller, other in ((before, now), (now, before)):
        archive.publish()
        newest = (archive.suite_folder / "InRelease").read_bytes()
        answers = iter([None])  # the vendor answers one request for it, and no other
        origin.fault = lambda path: next(answers, ("status", 503)) if path.endswith("/InRelease") else None
        until("one has it", lambda: release(teller) == newest, seconds=20)
        until("so has the other", lambda: release(other) == newest, seconds=20)
    origin.die()
    apt = scene.apt(now)
    assert apt.update().returncode == 0 and apt.download("foo", "bar").returncode == 0


@old_versions
def test_a_state_folder_of_an_earlier_version_is_taken_over_with_its_peers(scene, old):
    archive = scene.archive()
    origin = scene.origin(archive)
    other = scene.node(archive, origin)
    node = old_node(scene, old, archive, origin)
    assert node.command("peer", "add", other.proxy).returncode == 0
    until("they are linked", lambda: linked(node))
    learn(node), learn(other)
    foo = held(node, "foo")
    identity = json.loads(node.admin("/api/v1/peers"))["identity"]
    node.stop()
    node.program = Node.program
    node.start()
    assert json.loads(node.admin("/api/v1/peers"))["identity"] == identity
    until("they are linked", lambda: linked(node))
    origin.die()
    assert node.get(pool("foo")).content == foo and scene.apt(node).update().returncode == 0
