# SPDX-License-Identifier: GPL-3.0-or-later
"""Client, node and sources on hosts of their own, one of which falls silent: no reset, no ICMP, nothing.
On the loopback a dead host always answers; here its packets are gone."""
import fcntl
import re
import struct
import termios

import pytest

from network import Network, RemoteApt, RemoteOrigin, is_possible
from node import Node, until

pytestmark = [pytest.mark.smoke, pytest.mark.alone,
              pytest.mark.skipif(not is_possible(), reason="network namespaces need root and iproute2")]


class Lan:
    """A client, a node and two sources; `routed`: as if the sources stood behind a router."""

    def __init__(self, scene, network, archive, routed=True):
        self.scene, self.network, self.archive = scene, network, archive
        self.sources = [RemoteOrigin(archive.root, network[name]) for name in ("first", "second")]
        scene.origins.extend(self.sources)
        for source in self.sources if routed else ():
            network["node"].know(source.host)

    def node(self):
        host = self.network["node"]
        node = Node(self.scene.folder / f"node{next(self.scene.numbers)}", self.archive, self.sources,
                    prefix=host.prefix, listen=f"{host.address}:0")
        self.scene.nodes.append(node)
        return node

    def apt(self, node):
        return RemoteApt(self.network["client"], self.scene.folder / f"apt{next(self.scene.numbers)}",
                         "deb [KEY] http://archive.example stable main", self.scene.key, node.proxy)

    def look(self, node, package, other):
        """What a new client's update and download of `package` take, and then the next one's of `other`."""
        first, apt = self.update(node)
        get = download(apt, package)
        warm, apt = self.update(node)
        then = download(apt, other)
        print(f"first {first:.2f} s, download {get:.2f} s, warm {warm:.2f} s, download {then:.2f} s")
        assert first < 5 and get < 5
        return warm, then

    def update(self, node):
        """A new client's first update, as it has to work; its seconds and the client."""
        apt = self.apt(node)
        outcome = apt.update()
        assert outcome.returncode == 0, outcome
        return outcome.seconds, apt


@pytest.fixture
def network(scene):
    network = Network("client", "node", "first", "second")
    yield network
    network.close()


def download(apt, name):
    outcome = apt.download(name)
    assert outcome.returncode == 0, outcome
    return outcome.seconds


@pytest.mark.parametrize("end", ["silent", "unplugged"])
def test_C6_R15_A10_a_source_whose_packets_are_gone_costs_a_cold_node_under_five_seconds(scene, network, end):
    archive = scene.archive()
    lan = Lan(scene, network, archive, routed=end == "silent")
    healthy, _ = lan.update(lan.node())
    assert all(source.requests for source in lan.sources), "a node asks both"
    for source in lan.sources:
        source.requests.clear()
    gone, left = lan.sources
    gone.host.silence() if end == "silent" else gone.host.unplug()
    node = lan.node()
    warm, then = lan.look(node, "foo", "bar")
    assert gone.requests == [] and left.requests
    assert warm < healthy + 1 and then < healthy + 1, "it is remembered"
    assert node.scrub() == 0


@pytest.mark.parametrize("end", ["silent", "unplugged"])
def test_C6_R15_A10_a_source_that_falls_silent_beneath_open_connections_costs_under_five_seconds(
        scene, network, end):
    archive = scene.archive()
    lan = Lan(scene, network, archive, routed=end == "silent")
    node = lan.node()
    healthy, _ = lan.update(node)
    favourite = max(lan.sources, key=lambda source: len(source.requests))
    (left,) = set(lan.sources) - {favourite}
    favourite.host.silence() if end == "silent" else favourite.host.unplug()
    asked = len(favourite.requests)
    archive.add("baz")
    archive.publish()
    warm, then = lan.look(node, "baz", "foo")
    assert len(favourite.requests) == asked and left.requests
    assert warm < healthy + 1 and then < healthy + 1, "it is remembered"
    assert node.scrub() == 0


def all_arrived(connection):
    """Whether the other end has acknowledged everything that was sent."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0] == 0


def test_C6_R15_A10_a_link_that_falls_silent_in_the_middle_of_a_file_is_resumed_on_another_by_range(scene, network):
    archive = scene.archive()
    deb = archive.add("large", payload_bytes=20_000_000)
    archive.publish()
    half = 10_000_000
    lan = Lan(scene, network, archive)
    silent = []  # the source that was asked first

    def send(source, client, content):
        if len(content) > half and not silent:
            silent.append(source)
            client.sendall(content[:half])
            until("half of it is there", lambda: all_arrived(client))
            source.host.silence()
            content = content[half:]
        RemoteOrigin.send(source, client, content)
    for source in lan.sources:
        source.send = lambda client, content, source=source: send(source, client, content)
    node = lan.node()
    _, apt = lan.update(node)
    seconds = download(apt, "large")
    print(f"resumed: {seconds:.2f} s")
    assert (apt.folder / "downloads" / deb.name).read_bytes() == deb.read_bytes()
    assert seconds < 5
    (other,) = set(lan.sources) - set(silent)
    ranges = [headers.get("range", "") for path, headers in other.requests if "large" in path]
    assert ranges, "nobody else was asked"
    starts = [int(found[1]) for found in (re.fullmatch(r"bytes=(\d+)-", span) for span in ranges) if found]
    assert len(starts) == len(ranges), f"what was there was fetched again: {ranges}"
    assert all(half // 2 < start <= half for start in starts), starts
    assert node.scrub() == 0
