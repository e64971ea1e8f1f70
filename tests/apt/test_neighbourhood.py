# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight nodes that know each other, and a vendor that is gone."""
import time

import pytest

from node import until
from peering import held, pool, release
from test_flights import learn

pytestmark = pytest.mark.smoke

COUNT = 8


@pytest.fixture
def eight(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    nodes = [scene.node(archive, origin) for _ in range(COUNT)]
    for node in nodes:
        for other in nodes:
            if other is not node:
                assert node.command("peer", "add", other.proxy).returncode == 0
    for node in nodes:
        learn(node)
        until("all are linked", lambda: all(peer["state"] == "linked" for peer in node.status()["peers"]))
    return archive, origin, nodes


def test_what_one_of_eight_holds_every_client_gets_when_the_vendor_is_gone(scene, eight):
    archive, origin, nodes = eight
    content = held(nodes[3])
    origin.die()
    for node in nodes:
        started = time.monotonic()
        assert node.get(pool()).content == content
        assert time.monotonic() - started < 2


def test_a_release_that_one_of_eight_saw_is_with_all_of_them_in_ten_seconds(scene, eight):
    archive, origin, nodes = eight
    archive.add("fresh")
    archive.publish()
    newest = (archive.suite_folder / "InRelease").read_bytes()
    answers = iter([None])  # the vendor answers one request for it, and no other

    def once(path):
        if not path.endswith("/InRelease"):
            return None
        return next(answers, ("status", 503))
    origin.fault = once
    started = time.monotonic()
    assert nodes[5].get("/test/dists/stable/InRelease").status == 200
    for node in nodes:
        until("it has the newest", lambda: release(node) == newest, seconds=10)
    assert time.monotonic() - started < 10


def test_half_of_eight_that_were_away_catch_up_when_they_are_back(scene, eight):
    archive, origin, nodes = eight
    for node in nodes[4:]:
        node.kill()
    archive.add("fresh")
    archive.publish()
    newest = (archive.suite_folder / "InRelease").read_bytes()
    until("the others have it", lambda: all(release(node) == newest for node in nodes[:4]))
    origin.die()
    for node in nodes[4:]:
        host, port = node.address.rsplit(":", 1)
        node.config.write_text(node.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        node.start()
    for node in nodes[4:]:
        until("it caught up", lambda: release(node) == newest, seconds=10)
