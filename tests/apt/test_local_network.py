# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that nobody named to each other: mDNS on one switch, each host with a real avahi-daemon."""
import json
import signal
import socket
import threading
import time

import pytest

import responder
from neighbourhood import Neighbourhood, stocked
from network import Network, RemoteApt, RemoteOrigin, is_possible
from node import Node, until
from responder import Responder
from test_listeners import reload
from test_one_line import copies_of_an_install

pytestmark = [pytest.mark.smoke,
              pytest.mark.skipif(not is_possible(), reason="network namespaces need root and iproute2"),
              pytest.mark.skipif(not responder.is_installed(),
                                 reason="needs avahi-daemon, avahi-utils and dbus-daemon")]
PORT = 3142
LOCAL = 'discovery = "local"'


class Street:
    """Hosts a, b, ... on one switch, with the vendor; each has a responder, which does not run yet."""

    def __init__(self, scene, names, ipv6=False):
        self.scene, self.names = scene, names
        self.network = scene.keep(Network("vendor", *names))
        self.archive = scene.archive()
        self.vendor = RemoteOrigin(self.archive.root, self.network["vendor"])
        scene.origins.append(self.vendor)
        self.responders = {name: scene.keep(Responder(self.network[name], name, ipv6)) for name in names}

    def start(self, *names):
        for name in names or self.names:
            self.responders[name].start()

    def node(self, name, top=(LOCAL,), listen="0.0.0.0", **keys):
        host = self.network[name]
        node = Node(self.scene.folder / f"node-{name}", self.archive, [self.vendor], prefix=host.prefix,
                    environment=self.responders[name].environment, listen=f"{listen}:{PORT}", top=top, **keys)
        node.address = f"{host.address}:{PORT}"
        node.host = host
        self.scene.nodes.append(node)
        return node

    def url(self, name):
        return f"http://{self.network[name].address}:{PORT}"

    def apt(self, node):
        return RemoteApt(node.host, self.scene.folder / "apt", "deb [KEY] http://archive.example stable main",
                         self.scene.key, f"http://{node.address}")

    def get(self, node, path):
        """As a client on the node's own host."""
        return node.host.call(lambda: node.get(path))


@pytest.fixture
def street(scene):
    return lambda *names, **options: Street(scene, names, **options)


def peers_of(node):
    return {peer["url"]: peer for peer in json.loads(node.admin("/api/v1/peers"))["peers"]}


def discovery_of(node):
    return node.status()["discovery"]


def find_each_other(street, *nodes):
    for node in nodes:
        others = {f"http://{other.address}" for other in nodes if other is not node}
        until("they found each other", lambda: {url for url, peer in peers_of(node).items()
                                                if peer["state"] == "linked"} >= others, seconds=60)


class Listener:
    """Remembers the first line of each who connects at a port of a host, and answers nothing; `is_patient`: nor
    does it end the connection."""

    def __init__(self, host, address, port, is_patient=False):
        self.lines, self.clients, self.is_patient = [], [], is_patient
        self.socket = host.call(lambda: socket.create_server((address, port)))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.lines.append(client.makefile().readline())
            if self.is_patient:
                self.clients.append(client)
            else:
                client.close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        for one in (self.socket, *self.clients):
            one.close()


def test_nodes_that_nobody_named_find_each_other_and_what_one_holds_the_other_gives(scene, street):
    here = street("a", "b", "c")
    here.start()
    nodes = [here.node(name) for name in here.names]
    find_each_other(here, *nodes)
    first, second, third = nodes
    learn_all(here, first)
    content = here.get(first, "/test/pool/foo_1_all.deb").content
    until("the release travels", lambda: here.get(second, "/test/dists/stable/InRelease").status == 200)
    here.vendor.die()
    apt = here.apt(second)
    updated = apt.update()
    assert updated.returncode == 0, updated
    done = apt.run("apt-get", "install", "-q", "-y", "--download-only", "foo")
    assert done.returncode == 0, done
    (package,) = (apt.folder / "cache/archives").glob("foo*.deb")
    assert package.read_bytes() == content

    listed = second.command("peer", "list")
    assert listed.returncode == 0, listed
    assert f'{here.url("a")}  linked' in listed.stdout and 'found on eth0: "aptward on a"' in listed.stdout, listed
    assert 'told of this one as "aptward on b"' in listed.stdout
    one = peers_of(second)[here.url("a")]
    assert (one["from"], one["found_as"], one["found_on"], one["near"]) == ("found", "aptward on a", "eth0", True)
    assert here.url("b") not in peers_of(second), "a node is no peer of its own"
    assert "peer.found" in second.event_codes()
    doctor = second.command("doctor")
    assert "2 of 2 peers are asked." in doctor.stdout and "discovery" not in doctor.stdout, doctor
    refused = second.command("peer", "remove", here.url("a"))
    assert refused.returncode == 1 and 'discovery = "off"' in refused.stderr, refused

    # What squid-deb-proxy-client runs to find a proxy.
    until("the proxy is found", lambda: ("aptward on a", here.network["a"].address, PORT) in
          here.responders["c"].browse("_apt_proxy._tcp"))
    text = here.responders["c"].run("avahi-browse", "-kprtf", "_aptward._tcp").stdout
    assert '"v=1"' in text and '"id=' in text

    # One that ends is given up; nothing that it told is remembered over a restart.
    first.stop()
    until("it is gone", lambda: second.command("peer", "ping") and here.url("a") not in peers_of(second), seconds=60)
    until("it is told", lambda: "peer.gone" in second.event_codes())
    assert second.command("peer", "list").returncode == 0


def test_a_node_that_is_named_and_found_is_one_peer(street):
    here = street("a", "b")
    here.start()
    first = here.node("a")
    second = here.node("b", tail=f'[[peer]]\nurl = "{here.url("a")}"\n')
    find_each_other(here, first, second)
    assert peers_of(first)[here.url("b")]["from"] == "found"
    until("it looks around", lambda: discovery_of(second)["announced_as"])
    assert [peer["from"] for peer in peers_of(second).values()] == ["configuration"]
    # By another address of its own it is the same node, and one peer.
    here.network["a"].ip("address", "add", "10.0.0.77/24", "dev", "eth0")
    other = f"http://10.0.0.77:{PORT}"
    second.config.write_text(second.config.read_text().replace(here.url("a"), other))
    reload(second)
    until("it is linked by that", lambda: peers_of(second)[other]["state"] == "linked")
    until("one is left", lambda: list(peers_of(second)) == [other])
    assert first.command("peer", "add", here.url("b")).returncode == 0
    assert [peer["from"] for peer in peers_of(first).values()] == ["order"]
    assert first.command("peer", "remove", here.url("b")).returncode == 0
    until("it is found again", lambda: [peer["from"] for peer in peers_of(first).values()] == ["found"])


def test_A19_C1_who_answers_mdns_makes_a_node_look_at_no_other_place(scene, street):
    here = street("a", "stranger")
    here.start()
    host, stranger = here.network["a"], here.network["stranger"]
    host.ip("address", "add", "192.0.2.7/24", "dev", "eth0")
    stranger.ip("address", "add", "192.0.2.8/24", "dev", "eth0")
    never = [scene.keep(Listener(*place)) for place in [
        (host, "127.0.0.1", 4001), (stranger, stranger.address, 25), (stranger, "192.0.2.8", 4003)]]
    once = scene.keep(Listener(stranger, stranger.address, 4004))
    talker = here.responders["stranger"]
    for name, address in (("loop", "127.0.0.1"), ("public", "192.0.2.8"), ("private", stranger.address)):
        talker.publish("-a", "-R", f"{name}.local", address)
    talker.publish("-s", "-H", "loop.local", "to itself", "_aptward._tcp", "4001")
    talker.publish("-s", "-H", "private.local", "to mail", "_aptward._tcp", "25")
    talker.publish("-s", "-H", "public.local", "to others", "_aptward._tcp", "4003")
    talker.publish("-s", "-H", "private.local", "no node \x1b[2J", "_aptward._tcp", "4004")
    until("all are announced", lambda: len(here.responders["a"].browse("_aptward._tcp")) >= 4, seconds=60)
    node = here.node("a")
    until("it looked at the only one that it may", lambda: once.lines, seconds=60)
    until("and let go of it", lambda: not peers_of(node), seconds=60)
    looks = len(once.lines)
    time.sleep(5)
    assert len(once.lines) == looks <= 3, "and leaves it alone"
    assert [listener.lines for listener in never] == [[], [], []]
    assert not {code for code in node.event_codes() if code.startswith("peer.")}, "strangers are no news"
    assert learned(here, node)


def test_A23_a_stranger_is_asked_for_nothing_but_who_it_is(scene, street):
    here = street("a", "stranger")
    here.start()
    stranger = here.network["stranger"]
    listener = scene.keep(Listener(stranger, stranger.address, 4004, is_patient=True))
    here.responders["stranger"].publish("-s", "a friend", "_aptward._tcp", "4004")
    node = here.node("a")
    until("it is looked at", lambda: listener.lines, seconds=60)
    assert [peer["state"] for peer in peers_of(node).values()] == ["untried"]
    learn_all(here, node)
    assert len(peers_of(node)) == 1 and node.command("doctor").returncode == 0
    assert all("/.well-known/aptward/v1/node?nonce=" in line for line in listener.lines), listener.lines


def learn_all(here, node):
    for path in ("dists/stable/InRelease", "dists/stable/main/binary-amd64/Packages.xz", "pool/foo_1_all.deb"):
        assert here.get(node, f"/test/{path}").status == 200


def learned(here, node):
    return here.get(node, "/test/dists/stable/InRelease").status == 200


def test_R18_a_daemon_that_is_stopped_in_the_middle_takes_no_peer_away(street):
    here = street("a", "b", "c")
    here.start()
    first, second = here.node("a"), here.node("b")
    find_each_other(here, first, second)
    here.responders["b"].stop()
    until("it says so", lambda: "discovery.lost" in second.event_codes())
    doctor = second.command("doctor")
    assert "ok  discovery: nodes on the local network are not found" in doctor.stdout, doctor
    second.command("peer", "ping")
    assert peers_of(second)[here.url("a")]["state"] == "linked" and learned(here, second)
    third = here.node("c")
    find_each_other(here, first, third)
    assert here.url("c") not in peers_of(second)
    here.responders["b"].start()
    until("it is back", lambda: "discovery.back" in second.event_codes(), seconds=60)
    find_each_other(here, second, third)
    until("it is announced again", lambda: discovery_of(second)["announced_as"] == "aptward on b")


def test_without_a_daemon_a_node_serves_and_finds_the_others_when_there_is_one(street):
    here = street("a", "b")
    here.start("a")
    first, second = here.node("a"), here.node("b")
    until("it knows", lambda: discovery_of(second)["state"] == "absent")
    assert learned(here, second)
    doctor = second.command("doctor")
    assert doctor.returncode == 0 and "ok  discovery: " in doctor.stdout, doctor
    listed = second.command("peer", "list")
    assert listed.returncode == 0 and "avahi-daemon does not answer" in listed.stdout, listed
    assert not {code for code in second.event_codes() if code.startswith("discovery")}, "nothing has changed"
    here.start("b")
    find_each_other(here, first, second)


def test_a_daemon_that_hangs_keeps_no_node_from_serving_or_stopping(street):
    here = street("a")
    here.start()
    here.responders["a"].daemon.send_signal(signal.SIGSTOP)
    node = here.node("a")
    try:
        assert learned(here, node)
        assert node.command("peer", "list").returncode == 0
        started = time.monotonic()
        node.stop()
        assert time.monotonic() - started < 8
    finally:
        here.responders["a"].daemon.send_signal(signal.SIGCONT)


def test_who_wants_no_discovery_neither_looks_nor_is_found_from_the_reload_on(street):
    here = street("a", "b")
    here.start()
    first = here.node("a")
    second = here.node("b", top=['discovery = "off"'])
    until("one is announced", lambda: discovery_of(first)["announced_as"])
    assert discovery_of(second)["state"] == "off"
    assert [name for name, _, _ in here.responders["b"].browse("_aptward._tcp")] == ["aptward on a"]
    text = second.config.read_text()
    second.config.write_text(text.replace('discovery = "off"', LOCAL))
    reload(second)
    find_each_other(here, first, second)
    second.config.write_text(text)
    reload(second)
    until("it has no peers", lambda: not peers_of(second))
    until("nor is it one", lambda: [name for name, _, _ in here.responders["a"].browse("_aptward._tcp")]
          == ["aptward on a"], seconds=30)
    assert 'discovery = "off"' in second.command("peer", "list").stdout


def test_only_what_other_machines_reach_is_announced(street):
    here = street("a", "b", "c")
    here.start()
    alone = here.node("a", listen="127.0.0.1")
    silent = here.node("b", top=[LOCAL, 'peers-may-ask = "nobody"'])
    here.node("c")
    until("it is found", lambda: here.url("c") in peers_of(alone), seconds=60)
    until("it is announced", lambda: discovery_of(silent)["announced_as"], seconds=60)
    assert discovery_of(alone)["announced_as"] == ""
    assert "no listener that other machines reach" in alone.command("peer", "list").stdout
    browse = here.responders["c"].browse
    assert [name for name, _, _ in browse("_aptward._tcp")] == ["aptward on c"]
    assert [name for name, _, _ in browse("_apt_proxy._tcp")] == ["aptward on b", "aptward on c"]


def test_nodes_find_each_other_over_ipv6_alone(street):
    here = street("a", "b", ipv6=True)
    for number, name in enumerate(here.names, 1):
        here.network[name].ip("address", "add", f"fd00::{number}/64", "dev", "eth0", "nodad")
    here.start()
    nodes = [here.node(name, listen=f"[fd00::{number}]") for number, name in enumerate(here.names, 1)]
    for node, other in zip(nodes, ("fd00::2", "fd00::1")):
        until("it is linked", lambda: (peer := peers_of(node).get(f"http://[{other}]:{PORT}"))
              and peer["state"] == "linked", seconds=60)


class FoundNeighbourhood(Neighbourhood):
    """The same, and nobody names anybody."""

    def node(self, host, others=None, **keys):
        answering = self.scene.keep(Responder(host, f"n{host.address.rsplit('.', 1)[1]}"))
        answering.start()
        return super().node(host, [], top=[LOCAL], environment=answering.environment, **keys)


@pytest.mark.alone
def test_what_eight_found_nodes_want_at_once_costs_the_vendor_one_copy(scene):
    archive = scene.archive()
    names = stocked(archive, 40, 60_000)
    street = FoundNeighbourhood(scene, archive, 8)
    street.meet()
    assert copies_of_an_install(street, names, street.nodes) < 1.1
