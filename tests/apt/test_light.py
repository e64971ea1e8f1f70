# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines without a node: each a small peer, with the files of its own apt."""
import concurrent.futures
import json
import os
import shutil

import pytest

import responder
from neighbourhood import PORT, Neighbourhood, check_files, stocked
from network import RemoteApt, is_possible
from node import Node, until
from peering import file_path, linked, peers, pool
from test_flights import learn
from test_local_network import Street, find_each_other
from test_one_line import copies_of_an_install

namespaces = pytest.mark.skipif(not is_possible(), reason="network namespaces need root and iproute2")
pytestmark = [pytest.mark.smoke]


def kept_by(folder):
    return [f'apt-archives = "{folder}/archives"', f'apt-lists = "{folder}/lists"']


def put(archive, folder, name="foo"):
    """As apt leaves a package behind: renamed into its place."""
    package = archive.packages[name][1]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(package, folder / "fresh")
    (folder / "fresh").rename(folder / package.name)
    return package.read_bytes()


def files_of_apt(node):
    return node.status()["apt_cache"]["files"]


@pytest.fixture
def keeper(scene):
    """A node that learned its archive, and has a package in apt's folder alone."""
    archive = scene.archive()
    origin = scene.origin(archive)
    folder = scene.folder / "kept"
    content = put(archive, folder / "archives")
    node = scene.node(archive, origin, top=kept_by(folder))
    learn(node)
    until("it was read", lambda: files_of_apt(node) == 1)
    return archive, origin, folder, node, content


def test_what_apt_keeps_here_another_node_gets_when_the_vendor_is_gone(scene, keeper):
    archive, origin, folder, node, content = keeper
    second = scene.node(archive, origin, tail=peers(node))
    until("it is linked", lambda: linked(second))
    learn(second)
    origin.die()
    assert second.get(pool()).content == content
    assert second.get(pool("bar")).status == 503, "which nobody has"
    given = json.loads(node.admin("/api/v1/peers"))["given"]
    assert given["answers"] >= 1
    # For its own clients as well, and only then it is in the store.
    assert not list((node.folder / "state/blobs").rglob(file_path("pool", "x", content).split("/")[-3]))
    assert node.get(pool()).content == content


def test_apts_lists_are_given_as_the_release_lists_them(keeper):
    archive, origin, folder, node, content = keeper
    index = "main/binary-amd64/Packages.gz"  # which this node has not fetched
    text = (archive.suite_folder / index).read_bytes()
    asked = file_path("index", index, text)
    assert node.get(asked).status == 404
    (folder / "lists").mkdir()
    (folder / "lists/fresh").write_bytes(text)
    (folder / "lists/fresh").rename(folder / "lists/archive.example_dists_stable_main_binary-amd64_Packages.gz")
    until("it is given", lambda: node.get(asked).content == text)


def test_what_went_came_or_changed_below_apt_is_never_given_for_what_was_there(keeper):
    archive, origin, folder, node, content = keeper
    place = folder / "archives/foo_1_all.deb"
    asked = file_path("pool", "pool/foo_1_all.deb", content)
    assert node.get(asked).content == content
    status = place.stat()
    with open(place, "r+b") as file:  # in place, the same size and time: only its hash tells
        file.write(bytes([content[0] ^ 1]))
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    answer = node.get(asked)
    assert answer.status == 404 and b"peer.not-held" in answer.content
    put(archive, folder / "archives")
    until("it is right again", lambda: node.get(asked).status == 200, seconds=120)
    place.unlink()
    assert node.get(asked).status == 404
    until("it is gone", lambda: files_of_apt(node) == 0)
    bar = put(archive, folder / "archives", "bar")
    until("it came", lambda: node.get(file_path("pool", "pool/bar_1_all.deb", bar)).content == bar)


def test_law7_what_apt_has_thrown_away_is_no_absence(keeper):
    archive, origin, folder, node, content = keeper
    origin.die()
    (folder / "archives/foo_1_all.deb").unlink()
    assert node.get(pool()).status == 503, "the vendor has not said so"


def test_law1_what_apt_got_with_a_password_is_given_to_nobody(scene):
    archive = scene.archive()
    folder = scene.folder / "kept"
    content = put(archive, folder / "archives")
    secret = scene.folder / "password"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    node = scene.node(archive, scene.origin(archive), top=kept_by(folder), user="customer",
                      **{"password-file": str(secret)})
    learn(node)
    until("it was read", lambda: files_of_apt(node) == 1)
    answer = node.get(file_path("pool", "pool/foo_1_all.deb", content))
    assert answer.status == 404 and b"peer.not-held" in answer.content


def test_unfinished_downloads_of_apt_are_not_looked_at(scene, keeper):
    archive, origin, folder, node, content = keeper
    put(archive, folder / "archives/partial", "bar")
    put(archive, folder / "archives", "bar")
    until("one came", lambda: files_of_apt(node) == 2)
    (folder / "archives/bar_1_all.deb").unlink()
    until("and went", lambda: files_of_apt(node) == 1)


class Room(Neighbourhood):
    """Light machines on one switch: each its own client, and nobody else's."""

    def node(self, host, others=None, **keys):
        apt = RemoteApt(host, self.scene.folder / f"apt-{host.address}",
                        "deb [KEY] http://archive.example stable main", self.scene.key,
                        f"http://127.0.0.1:{PORT}")
        tail = "".join(f'[[peer]]\nurl = "{self.url(other)}"\ndistance = "near"\n'
                       for other in self.hosts if other is not host)
        top = ['profile = "light"', f'apt-archives = "{apt.folder}/cache/archives"',
               f'apt-lists = "{apt.folder}/state/lists"']
        node = Node(self.scene.folder / f"node{next(self.scene.numbers)}", self.archive, [self.vendor],
                    prefix=host.prefix, listen=f"0.0.0.0:{PORT}", tail=tail, top=top, **keys)
        node.host, node.apt = host, apt
        self.scene.nodes.append(node)
        return node

    def apt(self, node):
        return node.apt


def fetch(apt, name):
    done = apt.run("apt-get", "install", "-q", "-y", "--download-only", name)
    assert done.returncode == 0, done
    return done.seconds


def room_of(scene, count, packages=0, payload=60_000, rate="20mbit"):
    archive = scene.archive()
    names = stocked(archive, packages, payload) if packages else []
    room = Room(scene, archive, count, rate=rate)
    room.meet()
    return room, names


@namespaces
def test_in_a_room_of_laptops_the_one_that_has_a_package_gives_it_when_the_vendor_is_gone(scene):
    room, _ = room_of(scene, 3)
    for node in room.nodes:
        assert node.apt.update().returncode == 0
    first, *others = room.nodes
    until("its list was read", lambda: files_of_apt(first) == 1)
    content = put(room.archive, first.apt.folder / "cache/archives")
    until("it was read", lambda: files_of_apt(first) == 2)
    room.vendor.die()
    for node in others:
        assert fetch(node.apt, "foo") < 5
        assert (node.apt.folder / "cache/archives/foo_1_all.deb").read_bytes() == content


@namespaces
def test_a_laptop_answers_its_neighbours_as_nodes_and_not_as_clients(scene):
    room, _ = room_of(scene, 2)
    first, second = room.nodes
    assert first.apt.update().returncode == 0
    address = f"http://{first.host.address}:{PORT}"

    def ask(path, *options):
        return second.host.run("curl", "-s", "--noproxy", "*", "-w", "%{http_code}", *options, address + path)
    for path in ("/test/dists/stable/InRelease", "/.well-known/aptward", "/"):
        assert "client.not-allowed" in ask(path)
    for path in ("dists/stable/InRelease", ".well-known/aptward/v1/node"):
        assert "client.not-allowed" in second.host.run("curl", "-s", "-x", address, f"http://archive.example/{path}")
    assert ask("/.well-known/aptward/v1/node?nonce=" + "0" * 32).endswith("200")


@namespaces
@pytest.mark.alone
def test_a_room_of_laptops_costs_the_vendor_one_copy(scene):
    room, names = room_of(scene, 6, packages=30)
    assert copies_of_an_install(room, names, room.nodes) < 1.1


@namespaces
@pytest.mark.alone
def test_R18_a_lid_that_closes_in_the_middle_of_a_file_stops_nobody(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=12_000_000)
    archive.publish()
    room = Room(scene, archive, 3)
    room.meet()
    for node in room.nodes:
        assert node.apt.update().returncode == 0
        until("its list was read", lambda: files_of_apt(node) == 1)
    room.vendor.die()
    client, *givers = room.nodes
    for node in givers:
        content = put(archive, node.apt.folder / "cache/archives", "large")
        until("it was read", lambda: files_of_apt(node) == 2)
        node.host.run("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", "30mbit", "burst", "32k",
                      "latency", "400ms")

    def sent(node):
        (link,) = json.loads(node.host.ip("-s", "-j", "link", "show", "eth0"))
        return link["stats64"]["tx"]["bytes"]
    before = {node: sent(node) for node in givers}

    def close_the_lid():
        giver = until("a part has come", lambda: next((node for node in givers if sent(node) - before[node]
                                                       > len(content) / 5), None), seconds=30)
        giver.host.silence()
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        lid = beside.submit(close_the_lid)
        seconds = fetch(client.apt, "large")
        lid.result()
    assert seconds < 30, "what apt waits for a byte"
    check_files([client.apt], archive, ["large"])


@namespaces
@pytest.mark.skipif(not responder.is_installed(), reason="needs avahi-daemon, avahi-utils and dbus-daemon")
def test_laptops_find_each_other_and_are_no_proxy_for_anybody(scene):
    here = Street(scene, ("a", "b"))
    here.start()
    nodes = [here.node(name, top=['discovery = "local"', 'profile = "light"', 'apt-archives = ""', 'apt-lists = ""'])
             for name in here.names]
    find_each_other(here, *nodes)
    browse = here.responders["a"].browse
    assert len(browse("_aptward._tcp")) == 2 and not browse("_apt_proxy._tcp")
