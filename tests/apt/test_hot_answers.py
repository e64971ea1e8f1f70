# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for again and again is answered without a look-up: it must stay as right as the first time.
One loop, so that every request finds what the ones before it left hot."""
import http.client
import json
import os
import pathlib
import re
import signal

import pytest

from node import until

pytestmark = pytest.mark.smoke
SMALL, LARGE = 2_000, 200_000  # in memory, and as an open file


@pytest.fixture(params=[SMALL, LARGE], ids=["in-memory", "as-a-file"])
def hot(scene, request):
    """A node that holds foo and has answered for it from what it holds, and the path."""
    archive = scene.archive()
    archive.add_bytes("foo", os.urandom(request.param))
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, top=["loops = 1"])
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    path = "/test/pool/foo_1_all.deb"
    content = (archive.root / "pool/foo_1_all.deb").read_bytes()
    until("it is held", lambda: node.get(path).headers["Cache-Status"] == "aptward; hit")
    assert node.get(path).content == content
    return scene, archive, origin, node, apt, path, content


def totals(node):
    metrics = node.admin("/metrics")
    return {name: int(re.search(rf"^aptward_{name}_total (\d+)", metrics, re.M)[1])
            for name in ("requests", "hits", "sent_bytes")}


def blob_of(node, size):
    (found,) = [file for file in (node.folder / "state/blobs").rglob("*")
                if file.is_file() and file.stat().st_size == size]
    return found


def test_a_name_that_a_new_release_gives_other_bytes_is_never_answered_from_before(hot):
    _, archive, _, node, apt, path, content = hot
    archive.add_bytes("foo", os.urandom(len(content)))
    archive.publish()
    changed = (archive.root / "pool/foo_1_all.deb").read_bytes()
    assert changed != content
    assert apt.update().returncode == 0
    assert node.get(path).content == changed
    assert node.get(path).content == changed


def test_a_client_that_the_rules_shut_out_gets_nothing_hot(hot):
    _, _, _, node, _, path, content = hot
    node.config.write_text('clients = ["192.0.2.0/24"]\n' + node.config.read_text())
    node.process.send_signal(signal.SIGHUP)
    until("reloaded", lambda: "config.reloaded" in node.log_text())
    assert node.get(path).status == 403
    node.config.write_text(node.config.read_text().replace("192.0.2.0/24", "127.0.0.1"))
    node.process.send_signal(signal.SIGHUP)
    until("reloaded again", lambda: node.log_text().count("config.reloaded") == 2)
    for _ in range(3):
        assert node.get(path).content == content
    stranger = http.client.HTTPConnection(node.address, timeout=30, source_address=("127.0.0.9", 0))
    stranger.request("GET", path)
    assert stranger.getresponse().status == 403


def test_V37_conditions_ranges_and_methods_count_as_before(hot):
    _, _, _, node, _, path, content = hot
    first = node.get(path)
    assert node.get(path, **{"If-None-Match": first.headers["ETag"]}).status == 304
    assert node.get(path, **{"If-Modified-Since": first.headers["Last-Modified"]}).status == 304
    part = node.get(path, Range="bytes=10-19")
    assert (part.status, part.content) == (206, content[10:20])
    head = node.raw(b"HEAD %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
    assert head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"\r\n\r\n")
    old = node.raw(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
    assert old.endswith(content) and b"Connection: close" in old
    post = node.raw(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx" % path.encode())
    assert post.startswith(b"HTTP/1.1 405 ")
    # The one that was made ready says what the first one said.
    again = node.get(path)
    same = set(first.headers.keys()) - {"Date", "Age"}
    assert {name: again.headers[name] for name in same} == {name: first.headers[name] for name in same}


def test_every_hot_answer_is_counted_and_recorded(hot):
    _, _, _, node, _, path, content = hot
    before = totals(node)
    request = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()
    assert node.raw(request * 10).count(content) == 10
    grown = {"requests": 10, "hits": 10, "sent_bytes": 10 * len(content)}
    until("they are counted", lambda: grown == {
        name: value - before[name] for name, value in totals(node).items()})

    def recorded():
        asked = node.command("deliveries", "--json", "--path", "foo_1_all.deb")
        return [(found["source"], found["bytes"], found["complete"], found["status"])
                for found in json.loads(asked.stdout)["deliveries"]]
    # And the two from before.
    until("each is recorded", lambda: recorded().count(("held", len(content), True, 200)) == 12)


@pytest.mark.parametrize("hot", [LARGE], indirect=True)  # what is in memory does not ask the disk
def test_R7_a_hot_file_that_is_cut_or_removed_is_fetched_again(hot):
    _, _, _, node, _, path, content = hot
    file = blob_of(node, len(content))
    os.chmod(file, 0o644)
    os.truncate(file, len(content) - 1000)

    def is_whole():
        try:
            answer = node.get(path)
        except (http.client.HTTPException, OSError):
            return False  # cut: the flight that stored the file was not over, and had it open
        assert answer.status != 200 or answer.content == content
        return answer.status == 200
    until("it is whole again", is_whole)
    until("it is held again", lambda: node.get(path).headers["Cache-Status"] == "aptward; hit")
    pathlib.Path(blob_of(node, len(content))).unlink()
    until("it is whole once more", lambda: node.get(path).content == content)
