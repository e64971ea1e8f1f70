# SPDX-License-Identifier: GPL-3.0-or-later
"""What near nodes fetch for each other, what they say they hold, and those that say so and do not."""
import json
import os
import socket
import threading
import time

import pytest

from forger import BASE, Forger, all_of
from node import until
from peering import asked_for, file_path, held, linked, peer_command, peers, pool, turn, two
from test_flights import learn

pytestmark = pytest.mark.smoke

NEAR = 'distance = "near"\n'
PACKAGES = [f"p{number}" for number in range(24)]


def stocked(scene, archive=None):
    archive = archive or scene.archive()
    for name in PACKAGES:
        archive.add(name)
    archive.publish()
    return archive, scene.origin(archive)


def content_of(archive, name):
    return archive.packages[name][1].read_bytes()


def identity(node):
    return json.loads(node.admin("/api/v1/peers"))["identity"]


def led_by(archive, key, other):
    """The packages that the node with this key fetches for both."""
    return [name for name in PACKAGES
            if turn(content_of(archive, name), key) > turn(content_of(archive, name), other)]


def given(node):
    return json.loads(node.admin("/api/v1/peers"))["given"]


def asked_of(origin, name):
    return sum(f"/{name}_" in path for path, _ in origin.requests)


def test_of_two_near_nodes_one_fetches_for_both(scene):
    archive, origin = stocked(scene)
    first = scene.node(archive, origin)
    second = scene.node(archive, origin, tail=peers(first, extra=NEAR))
    until("they are linked", lambda: linked(second))
    for node in (first, second):
        learn(node)
    leads = led_by(archive, identity(first), identity(second))
    for name in PACKAGES:
        assert second.get(pool(name)).content == content_of(archive, name)
    until("the last one is counted", lambda: given(first)["fetched"] >= len(leads))
    assert given(first)["fetched"] == len(leads), "and nothing else"
    for name in PACKAGES:
        assert first.get(pool(name)).content == content_of(archive, name)
    assert all(asked_of(origin, name) == 1 for name in leads)


def test_what_nobody_lists_is_fetched_for_nobody(scene):
    archive, origin = stocked(scene)
    node = scene.node(archive, origin)
    learn(node)
    secret = archive.root / "pool/secret_1_all.deb"
    secret.write_bytes(b"not listed")
    origin.requests.clear()
    for kind, path in [("pool", "pool/secret_1_all.deb"), ("index", "main/binary-amd64/Packages.xz")]:
        asked = node.get(file_path(kind, path, b"not listed"), **{"Aptward-Fetch": "1"})
        assert asked.status == 404 and asked.content.startswith(b"peer.not-held")
    assert origin.requests == []


def able_to_fetch(scene):
    """A node that knows of a package, and how another one asks for that."""
    archive, origin = stocked(scene)
    node = scene.node(archive, origin)
    learn(node)
    held(node)  # and so its index is read
    content = content_of(archive, "p0")
    return origin, node, content, file_path("pool", "pool/p0_1_all.deb", content)


def test_a_node_without_the_header_is_given_what_is_held_and_nothing_is_fetched(scene):
    origin, node, content, asked = able_to_fetch(scene)
    assert node.get(asked).status == 404
    fetched = node.raw(f"GET {asked} HTTP/1.1\r\nHost: x\r\nAptward-Fetch: 1\r\n\r\n".encode())
    assert fetched.endswith(b"\r\n\r\n" + content)
    assert asked_of(origin, "p0") == 1


def test_what_was_fetched_for_another_node_is_recorded_by_its_name(scene):
    archive, origin = stocked(scene)
    content = archive.add_bytes("100%", b"no package" * 1000).read_bytes()
    archive.publish()
    node = scene.node(archive, origin)
    learn(node)
    held(node)  # and so its index is read
    asked = file_path("pool", "pool/100%25_1_all.deb", content)
    assert node.raw(f"GET {asked} HTTP/1.1\r\nHost: x\r\nAptward-Fetch: 1\r\n\r\n".encode()).endswith(content)
    until("it is recorded", lambda: "pool/100%_1_all.deb" in {
        one["path"] for one in json.loads(node.admin("/api/v1/deliveries?limit=10"))["deliveries"]})


def test_a_node_that_fetches_tells_that_it_does(scene):
    origin, node, content, asked = able_to_fetch(scene)
    go_on = threading.Event()

    def wait(path):
        if "/p0_" in path:
            go_on.wait(20)
    origin.fault = wait
    sign = b"HTTP/1.1 102 Processing\r\nAptward-Progress: 0\r\n\r\n"
    host, port = node.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(f"GET {asked} HTTP/1.1\r\nHost: x\r\nAptward-Fetch: 1\r\n\r\n".encode())
        answer = client.makefile("rb")
        assert answer.read(len(sign)) == sign
        go_on.set()
        status = next(line for line in answer if line.startswith(b"HTTP/1.1") and b"102" not in line)
        assert b" 200 " in status


class Delegate(Forger):
    """Near, and the first to be asked for half of all; `mode` says what comes of it."""
    mode, number, sets = "refuse", 1, b""

    def __init__(self, folder):
        super().__init__(folder)
        self.over = threading.Event()

    def close(self):
        self.over.set()
        super().close()

    def behave(self, handler, path):
        if path.startswith("have?"):
            self.give(handler, self.sets)
            return True
        if not path.startswith("pool/") or self.mode == "refuse":
            return False
        if self.mode == "silent":
            self.over.wait(20)
        if self.mode == "signs":
            while not self.over.wait(0.2):
                handler.wfile.write(b"HTTP/1.1 102 Processing\r\nAptward-Progress: 1\r\n\r\n")
        if self.mode == "one sign":
            handler.wfile.write(b"HTTP/1.1 102 Processing\r\nAptward-Progress: 1\r\n\r\n")
            self.over.wait(20)
        if self.mode == "asks back" and "Aptward-Fetch" not in handler.headers:
            return False
        if self.mode == "asks back":
            request = f"GET {handler.path} HTTP/1.1\r\nHost: x\r\nAptward-Fetch: 1\r\nConnection: close\r\n\r\n"
            self.give(handler, self.node.raw(request.encode())[-int(path.split("/")[3]):])
        if self.mode == "slow refusal":
            self.over.wait(0.4)
            return False
        if self.mode == "gives":
            self.give(handler, (self.archive.root / path.split("/", 4)[4]).read_bytes())
        if self.mode == "lies":
            self.give(handler, b"x" * int(path.split("/")[3]))
        return True

    def give(self, handler, content):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def fetched(self, names):
        return [name for name in names if any(f"/{name}_" in path for path in self.asked)]


@pytest.fixture
def delegate(scene):
    return scene.keep(Delegate(scene.folder / "delegate"))


def beside(scene, delegate):
    archive, origin = stocked(scene)
    node = scene.node(archive, origin, tail=peers(delegate, extra=NEAR))
    until("it is linked", lambda: linked(node))
    learn(node)
    return archive, origin, node, led_by(archive, delegate.key.text, identity(node))


def faults(node):
    (peer,) = node.status()["peers"]
    return peer["source"]["faults"]


def took(node, archive, name):
    started = time.monotonic()
    assert node.get(pool(name)).content == content_of(archive, name)
    return time.monotonic() - started


def test_a_node_that_knows_neither_sets_nor_fetching_gives_what_it_holds(scene, delegate):
    """As one of before they were."""
    archive, origin, node, leads = beside(scene, delegate)
    held(node)  # and so its index is read
    took(node, archive, leads[0])
    assert asked_of(origin, leads[0]) == 1 and faults(node) == {}
    for name in PACKAGES:
        content = content_of(archive, name)
        delegate.files[file_path("pool", f"pool/{name}_1_all.deb", content)[len(BASE) + 1:]] = content
    origin.die()
    for name in PACKAGES:
        assert took(node, archive, name) < 2


def test_R22_A23_C3_C4_C6_a_delegate_that_says_nothing_costs_a_second_until_it_speaks_again(scene, delegate):
    archive, origin, node, leads = beside(scene, delegate)
    delegate.mode = "silent"
    assert took(node, archive, leads[0]) < 5
    for name in leads[1:4]:
        took(node, archive, name)
    assert faults(node)["stalled"] >= 1 and "source.stalled" in node.event_codes()
    delegate.mode, delegate.archive = "gives", archive
    delegate.over.set()

    def is_asked_again():
        name = f"later{len(archive.packages)}"
        archive.add(name)
        archive.publish()
        learn(node)
        until("it is there", lambda: node.get(pool(name)).status == 200)
        return node.status()["peers"][0]["source"]["bytes"] > 0
    until("it is asked again", is_asked_again, seconds=60)


def test_R22_A23_C4_C6_a_delegate_that_only_says_it_works_on_it_is_not_waited_for_long(scene, delegate):
    archive, origin, node, leads = beside(scene, delegate)
    delegate.mode = "signs"
    assert took(node, archive, leads[0]) < 9, "before the client is told to ask again"
    assert faults(node)["slow"] == 1 and "source.slow" in node.event_codes()
    assert node.get(pool(leads[0])).status == 200


def test_R22_a_delegate_that_only_says_it_works_delays_no_larger_file_either(scene, delegate):
    archive, origin, node, leads = beside(scene, delegate)
    delegate.mode = "signs"
    while True:  # one that it leads, just too small to be passed on before it is proven
        content = os.urandom(4_000_000)
        if turn(content, delegate.key.text) > turn(content, identity(node)):
            break
    archive.add_bytes("large", content)
    archive.publish()
    learn(node)
    started = time.monotonic()
    assert node.get(pool("large")).content == content
    assert time.monotonic() - started < 9


def test_R22_a_promise_does_not_hold_an_absence_back(scene, delegate):
    archive, origin, node, leads = beside(scene, delegate)
    held(node)  # and so its index is read
    delegate.mode = "one sign"
    archive.packages[leads[0]][1].unlink()
    started = time.monotonic()
    assert node.get(pool(leads[0])).content.startswith(b"pool.missing"), "not only slow"
    assert time.monotonic() - started < 4


def test_R22_A23_C1_C2_C5_C6_C7_a_delegate_that_lies_is_charged_and_the_upstream_gives_the_file(scene, delegate):
    archive, origin, node, leads = beside(scene, delegate)
    delegate.mode = "lies"
    assert took(node, archive, leads[0]) < 5
    assert faults(node)["wrong-bytes"] == 1 and node.counter("source.wrong-bytes") == 1
    delegate.asked.clear()
    for name in leads[1:]:
        took(node, archive, name)
    assert delegate.fetched(leads) == [], "it is asked last for a while"
    node.kill()
    node.start()
    for name in PACKAGES:
        assert node.get(pool(name)).content == content_of(archive, name)
    assert node.scrub() == 0, "nothing wrong was kept"


def test_R22_A23_C4_a_delegate_that_takes_long_to_refuse_is_left_alone_for_a_while(scene, delegate):
    archive, origin, node, leads = beside(scene, delegate)
    delegate.mode = "slow refusal"
    for name in leads:
        took(node, archive, name)
    assert len(delegate.fetched(leads)) == 3
    assert "peer.unreliable" in node.event_codes()


def test_two_nodes_that_ask_each_other_do_not_wait_for_each_other(scene, delegate):
    """Their views of who is there may differ for a moment: then each leaves it to the other one."""
    archive, origin, node, leads = beside(scene, delegate)
    delegate.mode, delegate.node = "asks back", node
    held(node)
    for name in leads[:4]:
        took(node, archive, name)
        assert asked_of(origin, name) == 1
    assert not node.event_codes() & {"fetch.hedged", "source.stalled", "source.wrong-bytes"}
    assert faults(node) == {}


def tell_sets(delegate, sets, number=1):
    delegate.sets = sets
    delegate.tell(f"have {number}")


def test_R22_A23_C4_who_claims_to_hold_everything_is_not_believed_for_long(scene, delegate):
    archive, origin, node, leads = beside(scene, delegate)
    until("it knows its own", lambda: len(node.get(BASE + "/have?after=0").content) > 32)
    tell_sets(delegate, all_of(archive))
    until("its sets are heard", lambda: asked_for(delegate, "have?after=0"))
    delegate.tell("have 2")
    until("they are known", lambda: asked_for(delegate, "have?after=1"))
    others = [name for name in PACKAGES if name not in leads]
    for name in others[:3]:
        took(node, archive, name)
    assert delegate.fetched(others) == others[:3]
    until("it is told", lambda: "peer.unreliable" in node.event_codes())
    origin.requests.clear()
    took(node, archive, others[3])
    assert asked_of(origin, others[3]) == 1 and not delegate.fetched(others[3:])
    shown = peer_command(node, "list").stdout
    assert "is asked last for another" in shown and "it does not give what it says it has" in shown


@pytest.mark.parametrize("sets", [b"", b"APTWHAV1", b"x" * 1000, b"x" * (2 << 20)],
                         ids=["empty", "cut", "other", "long"])
def test_R22_A23_C6_sets_in_no_known_form_are_told_and_change_nothing(scene, delegate, sets):
    archive, origin, node, leads = beside(scene, delegate)
    tell_sets(delegate, sets)
    until("they are heard", lambda: any("have?" in path for path in delegate.asked))
    for name in PACKAGES[:6]:
        took(node, archive, name)
    if len(sets) < 1 << 20:
        until("it is told", lambda: "peer.malformed" in node.event_codes())


def test_who_holds_it_is_asked_and_not_those_who_do_not(scene):
    archive = scene.archive()
    others = [f"other{number}" for number in range(600)]
    for name in others:
        archive.add_bytes(name, name.encode() * 100)
    archive, origin = stocked(scene, archive)
    first, second = two(scene, archive, origin)
    for node in (first, second):
        learn(node)
    names = PACKAGES[:4]
    for name in names:
        held(first, name)

    def asks_for_nothing_in_vain():
        """Of so many, some are not left to the first one, which would be asked whether it holds them."""
        lacking = given(first)["not_held"]
        for _ in range(12):
            took(second, archive, others.pop())
        return given(first)["not_held"] == lacking
    until("the sets are known", asks_for_nothing_in_vain)
    origin.die()
    for name in names:
        assert took(second, archive, name) < 2
    assert given(first)["answers"] >= len(names)


def test_what_is_behind_a_password_is_in_no_set(scene):
    archive, origin = stocked(scene)
    secret = scene.folder / "secret"
    secret.write_text("password\n")
    origin.passwords = ["user:password"]
    closed = scene.node(archive, origin, user="user", **{"password-file": str(secret)})
    origin.passwords = None
    node = scene.node(archive, origin)
    for one in (closed, node):
        learn(one)
        assert one.get(pool()).status == 200
        one.get(BASE + "/heads?wait=0")
    until("a set is told", lambda: len(node.get(BASE + "/have?after=0").content) > 32)
    assert len(closed.get(BASE + "/have?after=0").content) == 18, "no index, no file"
