# SPDX-License-Identifier: GPL-3.0-or-later
"""What other nodes ask for comes after what this node's own clients ask for."""
import pathlib
import re
import shutil
import threading
import time
from http.client import HTTPConnection

import pytest

import network
from coherence import blobs_of, sha256
from forger import BASE
from node import Node, until
from peering import file_path, held, pool
from test_flights import learn
from test_listeners import listener
from tls import Authority, TlsConnection

pytestmark = pytest.mark.smoke

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
needs_namespaces = pytest.mark.skipif(not network.is_possible(), reason="needs root, ip and bridge")


class Greedy:
    """So many other nodes that ask for one thing again and again, from now on."""

    def __init__(self, node, path, count):
        self.node, self.path, self.answers = node, path, 0
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        while not self.is_over.is_set():
            assert self.node.get(self.path).status == 200
            self.answers += 1

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


@needs_strace
def test_a_disk_that_is_slow_for_other_nodes_keeps_no_client_waiting(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=1_000_000)
    archive.publish()
    trace = scene.folder / "trace"
    delay_s = 0.6
    node = Node(scene.folder / "node-slow", archive, [scene.origin(archive)], top=["loops = 1"],
                prefix=["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", str(trace), "-e", "trace=sendfile,setsockopt",
                        "-e", f"inject=sendfile:delay_enter={int(delay_s * 1e6)}"])
    scene.nodes.append(node)
    learn(node)
    large, _ = held(node, "large"), held(node)
    client = pool()
    assert node.get(client).status == node.get(client).status == 200
    greedy = Greedy(node, file_path("pool", "pool/large_1_all.deb", large), 4)
    until("they are given it", lambda: greedy.answers >= 4, seconds=60)
    waits = []
    for _ in range(40):
        began = time.monotonic()
        assert node.get(client).status == 200
        waits.append(time.monotonic() - began)
    before = greedy.answers
    until("they still are", lambda: greedy.answers > before, seconds=60)
    greedy.end()
    assert max(waits) < delay_s / 2, "a client waited for what another node asked for"
    assert "SO_PRIORITY, [2]" in trace.read_text()


def test_one_thread_steps_back_for_the_others(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    niceness = [int(stat.read_text().rsplit(")", 1)[1].split()[16])
                for stat in pathlib.Path(f"/proc/{node.process.pid}/task").glob("*/stat")]
    of_all = min(niceness)
    assert niceness.count(min(19, of_all + 10)) == 1 and niceness.count(of_all) > 1


def answers_of(stream, count):
    """The bodies of so many answers."""
    bodies = []
    for _ in range(count):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += stream.read(1)
        (length,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        bodies.append(stream.read(int(length.split(b":")[1])))
    return bodies


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_one_connection_may_ask_as_a_client_and_as_a_node(scene, is_encrypted):
    """Requests that were sent at once are answered in their order, whichever loop answers them."""
    authority = Authority(scene.folder / "authority")
    archive = scene.archive()
    archive.add("large", payload_bytes=3_000_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive),
                      tail=listener(address="127.0.0.1:0", certificates=[authority.issue("node.example")]))
    learn(node)
    large, small = held(node, "large"), held(node)
    as_client, as_node = pool(), file_path("pool", "pool/large_1_all.deb", large)
    order = [as_client, as_node, as_node, as_client, as_node, as_client] * 3
    request = b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in order)
    client = TlsConnection(node.listeners[0], authority) if is_encrypted else HTTPConnection(node.address, timeout=20)
    client.connect()
    client.sock.sendall(request)
    bodies = answers_of(client.sock.makefile("rb"), len(order))
    assert bodies == [small if path == as_client else large for path in order]
    until("this one is counted, and the one that asks", lambda: node.status()["connections"] == 2)
    client.close()
    client.sock = None
    until("it is counted out", lambda: node.status()["connections"] == 1)


def test_what_other_nodes_wait_for_leaves_places_for_what_clients_want(scene):
    """A source that does not answer for many of them does not keep the next client waiting."""
    archive = scene.archive()
    names = [f"p{number}" for number in range(64)]
    for name in [*names, "wanted"]:
        archive.add(name)
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    learn(node)
    held(node)  # and so the index is read
    go_on, waiting = threading.Event(), set()

    def wait(path):
        if re.search(r"/p\d", path):
            waiting.add(path)
            go_on.wait(20)
    origin.fault = wait
    asking = [threading.Thread(target=node.raw, args=(
        f"GET {file_path('pool', f'pool/{name}_1_all.deb', archive.packages[name][1].read_bytes())} HTTP/1.1\r\n"
        "Host: x\r\nAptward-Fetch: 1\r\n\r\n".encode(),), daemon=True) for name in names]
    for thread in asking:
        thread.start()
    try:
        until("as many as may be are fetched for them", lambda: len(waiting) == 32)
        began = time.monotonic()
        assert node.get(pool("wanted")).status == 200
        assert time.monotonic() - began < 3 and len(waiting) == 32
        # The end of any flight begins what waits: that one's is not what is shown.
        until("it is over", lambda: sha256(archive.packages["wanted"][1].read_bytes()) in blobs_of(node))
        for _ in range(3):
            node.status()  # of its sources, which the thread that ends flights tells
        (late, *_) = [name for name in names if pool(name).removeprefix("/test") not in waiting]
        threading.Thread(target=node.get, args=(pool(late),), daemon=True).start()
        until("what waits for others is fetched when it is wanted here", lambda: len(waiting) == 33, seconds=4)
    finally:
        go_on.set()
    for thread in asking:
        thread.join()


@needs_namespaces
def test_in_quiet_hours_other_networks_are_given_no_files(scene):
    archive = scene.archive()
    there = scene.keep(network.Network("vendor", "node", "other"))
    vendor, host, other = there["vendor"], there["node"], there["other"]
    for number, member in enumerate((host, other), 1):
        member.ip("address", "add", f"11.0.0.{number}/24", "dev", "eth0")  # no private address
    origin = network.RemoteOrigin(archive.root, vendor)
    scene.origins.append(origin)
    node = Node(scene.folder / "node-quiet", archive, [origin], prefix=host.prefix, listen="0.0.0.0:3142",
                top=['peer-quiet = ["00:00-24:00"]'])
    scene.nodes.append(node)

    def ask(path, by="11.0.0.1"):
        node.address = f"{by}:3142"
        return other.call(lambda: node.get(path))
    assert ask("/test/dists/stable/InRelease").status == 200
    content = ask(pool()).content
    asked = file_path("pool", "pool/foo_1_all.deb", content)
    until("it is held and given here", lambda: ask(asked, by="10.0.0.2").content == content)
    refused = ask(asked)
    assert refused.status == 429 and refused.content.startswith(b"peer.quiet: ")
    assert ask(f"{BASE}/heads?wait=0").status == 200, "releases travel at any hour"
    assert ask(pool()).content == content, "clients are no nodes"
