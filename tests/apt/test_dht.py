# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that know nothing of each other meet in a DHT of their own: real aptward-swarm processes, each with its
node in a network namespace."""
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess

import pytest

from network import Network, RemoteApt, RemoteOrigin, is_possible
from node import PROGRAM, Node, until

SWARM = pathlib.Path(PROGRAM).with_name("aptward-swarm")
pytestmark = [pytest.mark.smoke,
              pytest.mark.skipif(not SWARM.exists(), reason="built without libtorrent-rasterbar")]
in_namespaces = pytest.mark.skipif(not is_possible(), reason="network namespaces need root and iproute2")
PORT, DHT_PORT = 3142, 6881


def swarm(**keys):
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"net": "closed", **keys}.items()]
    return "\n".join(["[[swarm]]", *lines, ""])


class Town:
    """Hosts on one network; on the first one a node that only keeps the DHT together."""

    def __init__(self, scene, *names):
        self.scene = scene
        self.network = scene.keep(Network("vendor", "first", *names))
        self.archive = scene.archive()
        self.vendor = RemoteOrigin(self.archive.root, self.network["vendor"])
        scene.origins.append(self.vendor)
        self.first = self.node("first", bootstrap=[], top=('peers-may-ask = "nobody"',))

    def node(self, name, tail="", bootstrap=None, **keys):
        host = self.network[name]
        if bootstrap is None:
            bootstrap = [f"{self.network['first'].address}:{DHT_PORT}"]
        node = Node(self.scene.folder / f"node-{name}", self.archive, [self.vendor], prefix=host.prefix,
                    listen=f"0.0.0.0:{PORT}", tail=swarm(bootstrap=bootstrap) + tail, **keys)
        node.address, node.host = f"{host.address}:{PORT}", host
        self.scene.nodes.append(node)
        return node

    def apt(self, node):
        return RemoteApt(node.host, self.scene.folder / f"apt{next(self.scene.numbers)}",
                         "deb [KEY] http://archive.example stable main", self.scene.key, f"http://{node.address}")


def told(node):
    return json.loads(node.admin("/api/v1/peers"))


def linked(node, other):
    return any(peer["url"] == f"http://{other.address}" and peer["state"] == "linked" for peer in told(node)["peers"])


def is_working(node):
    return node.status()["swarm"]["state"] == "working"


def update(apt):
    done = apt.update()
    return done.returncode == 0


@in_namespaces
def test_A19_A23_two_nodes_that_know_nothing_of_each_other_meet_in_a_dht_and_the_vendor_may_go(scene):
    town = Town(scene, "a", "b")
    town.archive.add("rare")
    town.archive.publish()
    first, second = town.node("a"), town.node("b")
    apt = town.apt(first)
    assert update(apt) and apt.run("apt-get", "install", "-q", "-y", "--download-only", "foo").returncode == 0
    other = town.apt(second)
    assert update(other)
    until("they have met", lambda: linked(first, second) and linked(second, first), seconds=60)
    town.vendor.die()
    installed = until("it comes from there", lambda: other.run(
        "apt-get", "install", "-q", "-y", "--download-only", "foo").returncode == 0, seconds=30)
    assert installed
    # Who may be anybody hears of no package that he does not say he has.
    before = told(first)["given"]["not_held"]
    assert other.run("apt-get", "install", "-q", "-y", "--download-only", "rare").returncode != 0
    assert told(first)["given"]["not_held"] == before
    found = next(peer for peer in told(second)["peers"] if peer["url"] == f"http://{first.address}")
    assert (found["from"], found["near"]) == ("dht", False)
    assert "peer.found" in second.event_codes()
    listed = second.command("peer", "list")
    assert listed.returncode == 0 and "found in the DHT" in listed.stdout, listed
    assert "nodes beyond it are found in the DHT" in listed.stdout, listed
    refused = second.command("peer", "remove", f"http://{first.address}")
    assert refused.returncode == 1 and "[[swarm]]" in refused.stderr, refused
    # Nobody is announced who is not to be asked.
    assert not any(town.network["first"].address in peer["url"] for node in (first, second)
                   for peer in told(node)["peers"])
    metrics = second.admin("/metrics")
    assert "aptward_swarm_up 1" in metrics and "aptward_swarm_restarts_total 0" in metrics


@in_namespaces
def test_a_head_pointer_is_followed_while_its_publisher_is_away(scene):
    town = Town(scene, "publisher", "holder", "follower")
    publisher, holder = town.node("publisher"), town.node("holder")
    for node in (publisher, holder):
        assert update(town.apt(node))
    identity = told(publisher)["identity"]
    until("its pointer is kept", lambda: told(publisher)["dht"]["pointer_kept_by"] > 0, seconds=60)
    until("they have met", lambda: linked(holder, publisher), seconds=60)
    town.vendor.die()
    publisher.stop()

    follower = town.node("follower", tail=f'[[peer]]\nidentity = "{identity}"\n', suites=["stable"])
    followed = until("the pointer is found", lambda: next(
        (one for one in told(follower)["dht"]["followed"] if one["number"] > 0), None), seconds=60)
    assert followed["addresses"] == [publisher.address]
    assert [head["suite"] for head in followed["heads"]] == ["stable"]
    until("who has that release is found", lambda: linked(follower, holder), seconds=60)
    apt = town.apt(follower)
    until("its clients get it", lambda: update(apt), seconds=30)
    listed = follower.command("peer", "list")
    assert f"follows {identity}: its pointer names 1 releases and 1 addresses" in listed.stdout, listed

    # It is remembered over a restart, also where nobody answers.
    town.first.stop(), holder.stop(), follower.stop()
    follower.start()
    follower.address = f"{follower.host.address}:{PORT}"
    again = until("it is remembered", lambda: next(
        (one for one in told(follower)["dht"]["followed"] if one["number"] > 0), None), seconds=30)
    assert (again["number"], again["seen"]) == (followed["number"], 0)
    publisher.start()
    publisher.address = f"{publisher.host.address}:{PORT}"
    until("it is asked where it was", lambda: linked(follower, publisher), seconds=60)


@in_namespaces
def test_who_is_named_by_its_identity_alone_is_found_and_its_newer_releases_are_taken(scene):
    town = Town(scene, "publisher", "follower")
    publisher = town.node("publisher")
    assert update(town.apt(publisher))
    identity = told(publisher)["identity"]
    follower = town.node("follower", tail=f'[[peer]]\nidentity = "{identity}"\n', suites=["stable"])
    until("it is found", lambda: linked(follower, publisher), seconds=60)
    (peer,) = told(follower)["peers"]
    assert (peer["from"], peer["found_on"], peer["identity"]) == ("configuration", "the DHT", identity)
    listed = follower.command("peer", "list")
    assert "named by its identity in the configuration, and found in the DHT" in listed.stdout, listed


def test_a_swarm_process_that_is_killed_is_started_again_and_the_node_serves_meanwhile(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=swarm(port=free_port()))
    until("it works", lambda: is_working(node))
    apt = scene.apt(node)
    before = node.status()["swarm"]["pid"]
    assert pathlib.Path(f"/proc/{before}/exe").resolve() == SWARM.resolve()
    os.kill(before, signal.SIGKILL)
    assert apt.update().returncode == 0
    after = until("it works again", lambda: is_working(node) and node.status()["swarm"]["pid"] != before
                  and node.status()["swarm"])
    assert after["restarts"] == 1
    until("it is told", lambda: {"swarm.ended", "swarm.back"} <= node.event_codes())
    assert apt.install("foo").returncode == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_swarm_process_ends_with_its_node(scene, how):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=swarm(port=free_port()))
    until("it works", lambda: is_working(node))
    pid = node.status()["swarm"]["pid"]
    if how == signal.SIGKILL:
        node.kill()
    else:
        node.stop()
    until("it is gone", lambda: not pathlib.Path(f"/proc/{pid}/root").exists())


def test_a_swarm_process_that_says_what_is_none_is_ended_and_the_node_serves(scene, tmp_path):
    program = tmp_path / "hostile"
    program.write_text("#!/bin/sh\nexec cat /dev/urandom >&3\n")
    program.chmod(0o755)
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=swarm(program=str(program)))
    until("it is told", lambda: "swarm.ended" in node.event_codes())
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.install("foo").returncode == 0
    doctor = node.command("doctor")
    assert "aptward-swarm ended, and is started again by itself" in doctor.stdout, doctor


def test_a_node_without_the_program_says_so_and_serves(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=swarm(program="/nonexistent"))
    until("it is told", lambda: "swarm.absent" in node.event_codes())
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.install("foo").returncode == 0
    assert "aptward-swarm is not installed" in node.command("doctor").stdout
    listed = node.command("peer", "list")
    assert listed.returncode == 0 and "aptward-swarm is not installed" in listed.stdout, listed
    assert "swarm" not in scene.node(archive, scene.origin(archive)).command("doctor").stdout, "nobody wants it"


@pytest.mark.parametrize("order", [b"", b"dance", b"lookup " + b"ab" * 20, b"start internet 70000"])
def test_what_is_no_order_ends_the_process(tmp_path, order):
    ours, theirs = socket.socketpair()
    program = subprocess.Popen([SWARM, tmp_path, str(os.getpid())], stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: os.dup2(theirs.fileno(), 3), close_fds=False)
    theirs.close()
    ours.sendall(struct.pack(">I", len(order)) + order)
    assert program.wait(20) == 1
    assert program.stderr.read().startswith("aptward-swarm: "), order
    program.stderr.close()
    ours.close()


def test_a_swarm_process_has_no_rights_and_is_not_for_people(tmp_path):
    alone = subprocess.run([SWARM], capture_output=True, text=True)
    assert alone.returncode == 2 and "started by aptward" in alone.stderr
    ours, theirs = socket.socketpair()
    program = subprocess.Popen([SWARM, tmp_path, str(os.getpid())],
                               preexec_fn=lambda: os.dup2(theirs.fileno(), 3), close_fds=False)
    theirs.close()
    order = b"start closed 0"
    ours.sendall(struct.pack(">I", len(order)) + order)
    assert ours.recv(100)[4:].startswith(b"ready 1 ")
    status = dict(line.split(":\t", 1) for line in
                  pathlib.Path(f"/proc/{program.pid}/status").read_text().splitlines() if ":\t" in line)
    assert (status["NoNewPrivs"], status["Seccomp"], status["CapEff"]) == ("1", "2", "0000000000000000")
    ours.close()
    assert program.wait(20) == 0


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
