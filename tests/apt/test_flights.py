# SPDX-License-Identifier: GPL-3.0-or-later
"""One file on its way from several sources, some of which change their behaviour in the middle."""
import json
import lzma
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from archive import Archive
from node import Node, until
from origin import Origin

pytestmark = pytest.mark.smoke


class Odd(Origin):
    """`before_head` seconds pass before each answer. A mode may be a function(client, content)."""
    before_head = 0

    def head(self, status, length, extra=""):
        self.stopping.wait(self.before_head)
        return super().head(status, length, extra)

    def misbehave(self, client, mode, path):
        if not callable(mode[0]):
            return super().misbehave(client, mode, path)
        return mode[0](client, (self.root / path.lstrip("/")).read_bytes())

    def asked_for(self, name):
        return [headers.get("range") for path, headers in self.requests if name in path]


def odd_origins(scene, archive, count):
    origins = [Odd(archive.root, f"127.0.0.{number + 2}") for number in range(count)]
    scene.origins.extend(origins)
    return origins


def learn(node, name="test"):
    assert node.get(f"/{name}/dists/stable/InRelease").status == 200
    assert node.get(f"/{name}/dists/stable/main/binary-amd64/Packages.xz").status == 200


def test_C6_R15_A1_a_lead_that_lies_while_a_rescue_runs_does_not_spoil_the_rescue(scene):
    archive = scene.archive()
    deb = archive.add("large", payload_bytes=3_000_000)
    archive.publish()
    liar, honest = odd_origins(scene, archive, 2)
    honest.before_head = 0.25
    node = scene.node(archive, liar, honest)
    learn(node)

    def lie(client, content):
        """Slow until another source was asked as well, then everything at once, with a wrong end."""
        client.sendall(liar.head(200, len(content)))
        done, deadline = 0, time.monotonic() + 20
        while not honest.asked_for("large") and time.monotonic() < deadline:
            client.sendall(content[done:done + 2000])
            done += 2000
            liar.stopping.wait(0.05)
        client.sendall(content[done:-1] + bytes([content[-1] ^ 1]))
        return True
    liar.fault = lambda path: (lie,) if "large" in path else None
    answer = node.get("/test/pool/large_1_all.deb")
    assert answer.status == 200 and answer.content == deb.read_bytes()
    assert liar.asked_for("large") and "bytes=" in honest.asked_for("large")[0], "the scene is as told"
    (status,) = node.status()["archives"]
    faults = {source["url"]: source["faults"] for source in status["sources"]}
    assert faults[liar.url].get("wrong-bytes") and not any(faults[honest.url].values()), faults


@pytest.mark.alone
@pytest.mark.parametrize("trickles", [False, True])
def test_C6_R15_A10_A11_a_silent_rescue_does_not_keep_the_third_source_from_being_asked(scene, trickles):
    archive = scene.archive()
    deb = archive.add("large", payload_bytes=3_000_000)
    archive.publish()
    origins = odd_origins(scene, archive, 3)
    asked = []  # in the order in which they were: what the first two get is no good

    def begin_only(client, content):
        client.sendall(asked[0].head(200, len(content)) + content[:1000])
        for byte in content[1000:]:
            if asked[0].stopping.wait(1 if trickles else 60):
                return False
            client.sendall(bytes([byte]))
        return False

    def silent(client, content):
        asked[0].stopping.wait(60)
        return False

    def fault(origin, path):
        if "large" not in path:
            return None
        if origin not in asked:
            asked.append(origin)
        return [(begin_only,), (silent,), None][asked.index(origin)]
    node = scene.node(archive, *origins)
    learn(node)
    for origin in origins:
        origin.fault = lambda path, origin=origin: fault(origin, path)
    started = time.monotonic()
    answer = node.get("/test/pool/large_1_all.deb")
    assert answer.status == 200 and answer.content == deb.read_bytes()
    assert time.monotonic() - started < 7 and len(asked) == 3


def other_archive(scene, key, *packages, **keys):
    """An archive under another key, and the lines of the configuration for it."""
    archive = Archive(scene.folder / "other", key)
    archive.add("own")
    for name, file in packages:
        shutil.copy(file, archive.root / "pool" / file.name)
        archive.packages[name] = ("1", archive.root / "pool" / file.name)
    archive.publish()
    (origin,) = odd_origins(scene, archive, 1)
    values = {"id": "other", "keyrings": [str(key.keyring)], "freshness": "0s", "hosts": ["other.example"],
              "upstreams": [origin.url], **keys}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    return origin, "[[archive]]\n" + lines


def two_archives(scene, other_key, **keys):
    """A package that both list, an origin of each, and a node that has read the indexes of both."""
    archive = scene.archive()
    deb = archive.packages["foo"][1]
    other, tail = other_archive(scene, other_key, ("foo", deb), **keys)
    origin = Odd(archive.root, "127.0.0.3")
    scene.origins.append(origin)
    node = scene.node(archive, origin, tail=tail)
    learn(node)
    learn(node, "other")
    return deb, origin, other, node


@pytest.mark.alone
def test_C6_R15_A10_a_silent_source_of_another_archive_does_not_keep_a_file_from_its_own_clients(scene, other_key):
    deb, origin, silent, node = two_archives(scene, other_key)
    silent.always("stall", only="foo_1")
    answers = {}

    def get(name):
        answers[name] = node.get(f"/{name}/pool/foo_1_all.deb")
    first = threading.Thread(target=get, args=("other",))
    first.start()
    until("the silent source was asked", lambda: silent.asked_for("foo_1"))
    started = time.monotonic()
    get("test")
    assert answers["test"].content == deb.read_bytes() and time.monotonic() - started < 5
    first.join()
    assert answers["other"].content == deb.read_bytes(), "and they are right for these clients too"
    assert len(origin.asked_for("foo_1")) == 1, "one fetch, however many ask"


def test_credentials_of_one_archive_are_not_used_for_the_clients_of_another(scene, other_key):
    (scene.folder / "secret").write_text("secret\n")
    (scene.folder / "secret").chmod(0o600)
    deb, origin, private, node = two_archives(scene, other_key, user="user",
                                              **{"password-file": str(scene.folder / "secret")})
    origin.always("stall", only="foo_1")
    assert node.get("/test/pool/foo_1_all.deb").status == 503
    assert private.asked_for("foo_1") == []
    assert node.get("/other/pool/foo_1_all.deb").content == deb.read_bytes()
    assert len(private.asked_for("foo_1")) == 1
    assert all("authorization" not in headers for _, headers in origin.requests)


def test_R11_aborted_requests_do_not_pile_up_connections(scene):
    archive = scene.archive()
    for number in range(300):
        archive.add_bytes(f"p{number}", b"%d" % number * 1000)
    archive.publish()
    (origin,) = odd_origins(scene, archive, 1)
    node = scene.node(archive, origin)
    learn(node)
    before, descriptors = origin.connections, node.descriptors()
    origin.always("stall", only="pool/p")
    host, port = node.address.rsplit(":", 1)
    for number in range(300):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /test/pool/p%d_1_all.deb HTTP/1.1\r\nHost: n\r\n\r\n" % number)
    until("they are asked for", lambda: len(origin.asked_for("pool/p")) >= 64)
    assert origin.connections - before <= 70
    # Nor do they keep the next release from the clients.
    archive.add("next")
    archive.publish()
    started = time.monotonic()
    until("the next release", lambda: b"Package: next" in newest_packages(node))
    assert time.monotonic() - started < 5
    assert len(origin.open) <= 75
    until("all has ended", lambda: node.descriptors() < descriptors + 20, seconds=40)
    assert len(origin.asked_for("pool/p")) < 200, "what nobody waits for any more is not asked for"


def newest_packages(node):
    node.get("/test/dists/stable/InRelease")
    answer = node.get("/test/dists/stable/main/binary-amd64/Packages.xz")
    return lzma.decompress(answer.content) if answer.status == 200 else b""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_R4_R11_on_a_full_disk_all_files_on_their_way_share_one_limit_of_memory(scene):
    archive = scene.archive()
    for number in range(3):
        archive.add_bytes(f"huge{number}", b"%d" % number * 1_000_000)
    right = archive._stanza
    archive._stanza = lambda name, item: re.sub(
        "Size: 1000000", f"Size: {200 << 20}", right(name, item))
    archive.publish()
    (origin,) = odd_origins(scene, archive, 1)

    def begin_only(client, content):
        client.sendall(origin.head(200, 200 << 20) + content)
        origin.stopping.wait(60)
        return False
    state = scene.folder / "full/state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", state], check=True)
    clients = []
    try:
        node = Node(scene.folder / "full", archive, [origin])
        scene.nodes.append(node)
        learn(node)
        until("its index is read", lambda: node.suite()["indexes"] == 1)
        with open(state / "ballast", "wb", buffering=0) as ballast, pytest.raises(OSError):
            while True:
                ballast.write(b"x" * 65536)
                ballast.flush()
        origin.fault = lambda path: (begin_only,) if "huge" in path else None
        host, port = node.address.rsplit(":", 1)

        def ask(number):
            client = socket.create_connection((host, int(port)), timeout=20)
            client.sendall(b"GET /test/pool/huge%d_1_all.deb HTTP/1.1\r\nHost: n\r\n\r\n" % number)
            clients.append(client)
            return client.recv(100_000)
        assert b" 200 " in ask(0)[:20] and b" 200 " in ask(1)[:20]
        refused = ask(2)
        assert b" 503 " in refused[:20] and b"\r\n\r\nstore.full: " in refused, refused
        for client in clients:
            client.close()
        until("there is room again", lambda: b" 200 " in ask(2)[:20], seconds=60)
        node.kill()
    finally:
        for client in clients:
            client.close()
        subprocess.run(["umount", "-l", state], check=True)


def test_R15_A1_a_liar_is_not_asked_first_again_because_its_documents_are_right(scene):
    archive = scene.archive()
    for number in range(4):
        archive.add(f"p{number}", payload_bytes=5000)
    archive.publish()
    liar, honest = odd_origins(scene, archive, 2)
    honest.before_head = 0.06
    liar.always("tamper", "last", only=".deb")
    node = scene.node(archive, liar, honest)
    learn(node)
    for number in range(4):
        assert node.get(f"/test/pool/p{number}_1_all.deb").status == 200
        asked = len(liar.requests)
        node.get("/test/dists/stable/InRelease")
        until("its document came", lambda: len(liar.requests) > asked)
        assert node.get("/test/dists/stable/InRelease").status == 200
    assert len(liar.asked_for(".deb")) <= 2, "once, and as a rescue where the honest one was late"


@pytest.mark.parametrize("name, fault", [("by-hash", "wrong-bytes"), ("Packages.xz", "mixed")])
def test_A1_A6_a_name_that_says_the_hash_can_only_lie_another_may_be_of_a_later_release(scene, name, fault):
    archive = scene.archive(by_hash=name == "by-hash")
    bad, good = odd_origins(scene, archive, 2)
    good.before_head = 0.06
    bad.always("tamper", "last", only=name)
    node = scene.node(archive, bad, good)
    learn(node)
    until("charged", lambda: f"source.{fault}" in node.event_codes())
    other = {"wrong-bytes": "mixed", "mixed": "wrong-bytes"}[fault]
    assert f"source.{other}" not in node.event_codes()


@pytest.mark.parametrize("coding, is_taken", [("chunked", True), ("identity, chunked", True),
                                              ("gzip, chunked", False), ("chunked, chunked", False)])
def test_A4_R15_only_plain_chunks_are_taken_and_others_are_no_lie(scene, coding, is_taken):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.always("chunked", coding, only="InRelease")
    node = scene.node(archive, origin)
    answer = node.get("/test/dists/stable/InRelease")
    assert answer.status == (200 if is_taken else 503), answer.content
    assert ("source.protocol" in node.event_codes()) == (not is_taken)
    assert "release.portal" not in node.event_codes()


def test_one_connection_does_for_files_that_come_one_after_the_other(scene):
    archive = scene.archive(by_hash=False)
    for number in range(40):
        archive.add_bytes(f"p{number}", b"%d" % number * (5 if number % 2 else 50_000))
    archive.publish()
    (origin,) = odd_origins(scene, archive, 1)
    node = scene.node(archive, origin)
    learn(node)
    (archive.root / "pool/p7_1_all.deb").unlink()
    before = origin.connections
    for number in range(40):
        assert node.get(f"/test/pool/p{number}_1_all.deb").status == (503 if number == 7 else 200)
    assert origin.connections == before, "an answer that came whole, and a 404, leave theirs open"
