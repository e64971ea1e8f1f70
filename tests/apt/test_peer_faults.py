# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that a vendor and clients have, between nodes: none of them harms a client or multiplies requests."""
import concurrent.futures
import gzip
import http.client
import http.server
import os
import socket
import struct
import threading
import time

import pytest

from coherence import assert_coherent
from forger import BASE
from load import Crowd, Probe
from node import is_sanitized, until
from peering import file_path, held, linked, peers, pool, two
from test_bad_clients import freed_memory_is_free  # noqa: F401, a fixture for all
from test_flights import learn

pytestmark = pytest.mark.smoke

NEAR = 'distance = "near"\n'
DEEP = os.environ.get("APTWARD_DEEP") == "1"
PAYLOAD = 200_000
PACKAGES = [f"p{number}" for number in range(10)]


class Relay:
    """Stands before a node as another one sees it, and spoils the files that it gives. `fault(handler, content)` has
    what to send of each."""

    def __init__(self, node):
        self.fault, self.files, self.over = None, 0, threading.Event()
        host, port = node.address.rsplit(":", 1)
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                behind = http.client.HTTPConnection(host, int(port), timeout=60)
                try:
                    behind.request("GET", self.path, headers=dict(self.headers))
                    answer = behind.getresponse()
                    content = answer.read()
                except OSError:  # the node is gone
                    self.close_connection = True
                    return
                is_file = self.path.startswith((f"{BASE}/pool/", f"{BASE}/index/"))
                relay.files += is_file
                if is_file and relay.fault is not None:
                    self.close_connection = True
                    relay.fault(self, content)
                    return
                self.send_response(answer.status)
                for name in ("ETag", "Content-Type"):
                    if answer.getheader(name):
                        self.send_header(name, answer.getheader(name))
                if answer.status != 304:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def begin(self, handler, length):
        handler.send_response(200)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def reset(relay, handler, content):
    relay.begin(handler, len(content))
    handler.wfile.write(content[:len(content) // 2])
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RDWR)


def stall(relay, handler, content):
    relay.begin(handler, len(content))
    handler.wfile.write(content[:len(content) // 2])
    relay.over.wait(60)


def trickle(relay, handler, content):
    relay.begin(handler, len(content))
    for byte in content:
        handler.wfile.write(bytes([byte]))
        if relay.over.wait(0.05):
            return


def silent(relay, handler, content):
    relay.over.wait(60)


def failing(relay, handler, content):
    handler.send_error(503)


def longer(relay, handler, content):
    relay.begin(handler, len(content) + 1000)
    handler.wfile.write(content)


def shorter(relay, handler, content):
    relay.begin(handler, len(content) - 1000)
    handler.wfile.write(content[:-1000])


def gzipped(relay, handler, content):
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    content = gzip.compress(content)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def no_http(relay, handler, content):
    handler.wfile.write(b"\x00\xff what is this\r\n\r\n" * 100)


@pytest.mark.parametrize("fault", [reset, stall, trickle, silent, failing, longer, shorter, gzipped, no_http])
def test_R15_C6_a_neighbour_whose_files_do_not_come_costs_little_and_multiplies_nothing(scene, fault):
    archive = scene.archive()
    for name in PACKAGES:
        archive.add(name, payload_bytes=PAYLOAD)
    archive.publish()
    origin = scene.origin(archive)
    first = scene.node(archive, origin)
    learn(first)
    for name in PACKAGES:
        held(first, name)
    relay = scene.keep(Relay(first))
    node = scene.node(archive, origin, tail=peers(relay, extra=NEAR))
    until("they are linked", lambda: linked(node))
    learn(node)
    origin.requests.clear()
    relay.files = 0
    relay.fault = lambda handler, content: fault(relay, handler, content)
    for name in PACKAGES:
        started = time.monotonic()
        assert node.get(pool(name)).content == archive.packages[name][1].read_bytes()
        assert time.monotonic() - started < 5
    assert relay.files >= 1, "it is asked"
    asked = sum("/pool/" in path for path, _ in origin.requests)
    assert asked <= 1.2 * len(PACKAGES) and relay.files <= 1.2 * len(PACKAGES)
    (peer,) = node.status()["peers"]
    assert sum(peer["source"]["faults"].values()) >= 1, "it is told"
    relay.over.set()
    relay.fault = None
    assert node.scrub() == 0
    until("it is asked again", lambda: node.status()["peers"][0]["source"]["health"] != "down", seconds=60)


def test_R16_two_nodes_serve_what_either_holds_for_as_long_as_every_upstream_is_gone(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first = scene.node(archive, origin)
    second = scene.node(archive, origin, tail=peers(first, extra=NEAR))
    until("they are linked", lambda: linked(second))
    for node in (first, second):
        learn(node)
    held(first)
    origin.die()
    apt = scene.apt(second)
    assert apt.update().returncode == 0
    assert apt.download("foo").returncode == 0
    assert second.get(pool("bar")).status == 503, "what nobody holds is told to be wanting, not to be gone"
    origin.revive()
    until("it recovers by itself", lambda: second.get(pool("bar")).status == 200, seconds=60)


@pytest.mark.alone
def test_R17_a_crowd_at_each_of_two_nodes_costs_the_vendor_one_copy(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=3_000_000)
    archive.publish()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    third = scene.node(archive, origin, tail=peers(first, second, extra=NEAR))
    until("all are linked", lambda: all(peer["state"] == "linked" for peer in third.status()["peers"]))
    for node in (first, second, third):
        learn(node)
    content = held(first, "large")
    origin.sent = 0
    crowd = 250 if DEEP else 60
    with concurrent.futures.ThreadPoolExecutor(2 * crowd) as pool_of_clients:
        answers = list(pool_of_clients.map(
            lambda number: (second, third)[number % 2].get(pool("large")).content == content, range(2 * crowd)))
    assert all(answers)
    assert origin.sent < 0.1 * len(content), "they took it from the one that holds it"
    assert_coherent(third)


@pytest.mark.alone
def test_R19_other_nodes_that_read_slowly_and_wait_for_news_are_limited_and_clients_do_not_notice(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=3_000_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    learn(node)
    large, small = held(node, "large"), held(node)
    before = node.resident_bytes()
    count = 500 if DEEP else 150
    asked = f"GET {file_path('pool', 'pool/large_1_all.deb', large)} HTTP/1.1\r\nHost: n\r\n\r\n".encode()
    waits = f"GET {BASE}/heads?wait=25 HTTP/1.1\r\nHost: n\r\nIf-None-Match: \"1\"\r\n\r\n".encode()
    with Probe(node, pool(), small) as beside, \
            Crowd(node, count, asked, bytes_read=1, pause=0.2) as readers, \
            Crowd(node, count // 3, f"GET {BASE}/node?nonce=".encode(), trickle=b"0", pause=0.3), \
            Crowd(node, count // 3, waits, pause=0.3):
        until("they read", lambda: readers.received > 3 * count, seconds=60)
        assert node.get(file_path("pool", "pool/foo_1_all.deb", small)).content == small, "a good node beside them"
        grown = node.resident_bytes() - before
    print(f"{count} slow nodes: {grown / 1e6:.1f} MB")
    assert grown < 8_000_000 + 2 * count * 65_536 * (2 if is_sanitized() else 1)
    assert not beside.wrong, beside.wrong[:5]
    assert beside.p99() < (0.5 if not is_sanitized() else 2.0), beside.p99()
    until("their descriptors are free again", lambda: node.descriptors() < 80)


def test_R20_clients_of_two_nodes_see_no_mixture_while_releases_change_and_travel(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    for node in (first, second):
        learn(node)
    is_over = threading.Event()

    def switch():
        version = 1
        while not is_over.wait(0.1):
            version += 1
            archive.add("foo", version=str(version))
            archive.publish()
    switching = threading.Thread(target=switch)
    switching.start()
    try:
        apts = [scene.apt(node) for node in (first, second) for _ in range(25 if DEEP else 6)]

        def update(apt):
            ends = [apt.update() for _ in range(4)]
            return [end for end in ends if end.returncode != 0]
        with concurrent.futures.ThreadPoolExecutor(len(apts)) as clients:
            failed = [end for ends in clients.map(update, apts) for end in ends]
    finally:
        is_over.set()
        switching.join()
    assert not failed, failed[0]
    for node in (first, second):
        assert node.scrub() == 0
