# SPDX-License-Identifier: GPL-3.0-or-later
"""Who got this? The delivery record, asked by command and API, and what a kill leaves of it."""
import hashlib
import json
import socket
import struct
import time

import pytest

from node import until

pytestmark = pytest.mark.smoke


def ask(node, *arguments):
    asked = node.command("deliveries", "--json", *arguments)
    assert asked.returncode in (0, 1), asked.stderr
    return json.loads(asked.stdout)["deliveries"]


def recorded(node, count, *arguments):
    return until(f"{count} deliveries", lambda: len(found := ask(node, *arguments)) >= count and found)


def test_who_got_foo(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.download("foo").returncode == 0
    content = (archive.root / "pool/foo_1_all.deb").read_bytes()
    name = hashlib.sha256(content).hexdigest()
    (first,) = recorded(node, 1, "--digest", name)
    assert first["client"] == "127.0.0.1" and first["archive"] == "test"
    assert first["path"] == "pool/foo_1_all.deb" and first["digest"] == name
    assert first["source"].startswith(origin.url) and first["status"] == 200
    assert first["bytes"] == len(content) and first["complete"]
    assert abs(first["time"] - time.time()) < 60
    assert node.get("/test/pool/foo_1_all.deb", Range="bytes=0-9").status == 206
    second = recorded(node, 2, "--path", "foo_1_all.deb", "--client", "127.0.0.1")[1]
    assert second["source"] == "held" and second["status"] == 206 and second["bytes"] == 10
    # The release by its id, and each index by the generation that proved it.
    generation = node.suite()["generation"]
    releases = ask(node, "--digest", generation)
    assert {found["path"] for found in releases} == {"dists/stable/InRelease"}
    indexes = [found for found in ask(node) if "/Packages" in found["path"]]
    assert indexes and {found["generation"] for found in indexes} == {generation}
    # What nobody got.
    assert ask(node, "--path", "bar_1_all.deb") == []
    assert node.command("deliveries", "--path", "bar_1_all.deb").returncode == 1
    assert ask(node, "--until", "1h") == [] and len(ask(node, "--since", "1h", "--limit", "1")) == 1
    assert node.command("deliveries", "--since", "yesterday").returncode == 2
    over_api = json.loads(node.admin(f"/api/v1/deliveries?digest={name[:16]}&limit=1"))
    assert len(over_api["deliveries"]) == 1 and over_api["has_older"]
    # The record is read from its files: no node is needed.
    node.stop()
    table = node.command("deliveries", "--path", "pool/foo_1_all.deb")
    assert table.returncode == 0 and table.stdout.count("127.0.0.1") == 2, table.stdout


def test_an_unchanged_answer_is_recorded_and_head_and_refusals_are_not(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    whole = node.get("/test/dists/stable/InRelease")
    again = node.get("/test/dists/stable/InRelease", **{"If-None-Match": whole.headers["ETag"]})
    assert again.status == 304
    assert node.get("/test/dists/other/InRelease").status in (404, 503)
    assert node.raw(b"HEAD /test/dists/stable/InRelease HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200")
    node.stop()
    assert [(found["status"], found["bytes"] > 0) for found in ask(node)] == [(200, True), (304, False)]


def test_a_client_that_leaves_is_recorded_as_cut_with_what_it_was_sent(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=30_000_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    assert node.get("/test/pool/large_1_all.deb").status == 200
    host, port = node.address.rsplit(":", 1)
    client = socket.create_connection((host, int(port)))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.sendall(b"GET /test/pool/large_1_all.deb HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(client.recv(1000)) > 0
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    whole, cut = recorded(node, 2, "--path", "large_1_all.deb")
    assert whole["complete"] and whole["bytes"] > 30_000_000
    assert not cut["complete"] and cut["bytes"] < whole["bytes"]


def test_after_kill_9_at_most_the_last_second_is_missing_and_nothing_is_torn(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    asked = 0
    for _ in range(2):
        times = []
        while not times or time.time() < times[0] + 3:
            assert node.get("/test/pool/foo_1_all.deb").status == 200
            times.append(time.time())
        asked += len(times)
        killed = time.time()
        node.kill()
        kept = ask(node, "--path", "foo_1_all.deb", "--limit", "100000")
        now = [found for found in kept if found["time"] >= times[0] - 0.1]
        # A second between flushes, and a second that a busy machine may add to it.
        assert len(now) >= sum(moment < killed - 2 for moment in times) > 0
        assert len(kept) <= asked
        report = json.loads(node.command("deliveries", "--json").stdout)
        assert report["damaged_bytes"] == 0 and report["unreadable"] == 0 and report["lost"] == 0
        node.start()
    node.get("/test/pool/foo_1_all.deb")
    node.stop()
    after = ask(node, "--path", "foo_1_all.deb", "--limit", "100000")
    assert len(after) == len(kept) + 1


def test_a_torn_end_is_dropped_and_the_rest_is_read(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    before = recorded(node, 2)
    node.get("/test/pool/foo_1_all.deb")
    recorded(node, len(before) + 1)
    node.stop()
    (segment,) = (node.folder / "state/deliveries").iterdir()
    segment.write_bytes(segment.read_bytes()[:-5])
    assert ask(node) == before
    node.start()
    node.get("/test/pool/foo_1_all.deb")
    recorded(node, len(before) + 1)


def test_turned_off_nothing_is_recorded(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    node.stop()
    (node.folder / "state/deliveries").rmdir()
    node.config.write_text('deliveries-kept = "0"\n' + node.config.read_text())
    node.start()
    assert scene.apt(node).update().returncode == 0
    node.stop()
    assert not (node.folder / "state/deliveries").exists()
    assert node.command("deliveries").returncode == 3
