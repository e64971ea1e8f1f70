# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that give each other what they hold, and nodes that should not be believed."""
import json
import pathlib
import shutil
import subprocess

import pytest

from forger import BASE, Forger
from node import PROGRAM, Node, until
from peering import file_path, held, linked, peer_command, peers, pool, two
from test_flights import learn
from test_listeners import reload

pytestmark = pytest.mark.smoke


class Liar(Forger):
    """Gives wrong bytes of the right size for every file."""

    def answer(self, path):
        if path.startswith(("pool/", "index/")):
            return b"x" * int(path.split("/")[3])
        return super().answer(path)


@pytest.fixture
def liar(scene):
    return scene.keep(Liar(scene.folder / "liar"))


def test_a_package_comes_from_the_neighbour_that_holds_it_when_all_sources_are_dead(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    for node in (first, second):
        learn(node)
    content = held(first)
    origin.die()
    assert second.get(pool()).content == content
    given = json.loads(first.admin("/api/v1/peers"))["given"]
    assert given["answers"] >= 1 and given["bytes"] >= len(content)
    (peer,) = second.status()["peers"]
    assert peer["source"]["bytes"] >= len(content)
    until("the delivery is recorded", lambda: peer["url"] in {
        one["source"] for one in json.loads(second.admin("/api/v1/deliveries?limit=10"))["deliveries"]})


def test_a_near_neighbour_is_asked_before_the_internet(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    for node in (first, second):
        learn(node)
    held(first, "bar")
    origin.requests.clear()
    assert second.get(pool("bar")).status == 200
    assert not [path for path, _ in origin.requests if "bar" in path]


def test_a_real_client_installs_by_way_of_a_neighbour(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    apt = scene.apt(first)
    apt.update(), apt.install("foo")
    learn(second)
    origin.die()
    apt = scene.apt(second)
    apt.update()
    assert apt.install("foo").returncode == 0


def test_what_no_upstream_has_is_told_although_a_neighbour_is_silent(scene):
    archive = scene.archive()
    archive.publish(extra={"main/i18n/Translation-en.xz": b"a translation"})
    for path in archive.root.rglob("Translation-en.xz"):
        path.unlink()
    shutil.rmtree(archive.root / "dists/stable/main/i18n/by-hash")
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    learn(second)
    first.kill()
    answer = second.get("/test/dists/stable/main/i18n/Translation-en.xz")
    assert answer.status == 404 and b"index.absent" in answer.content


def test_that_a_neighbour_lacks_a_file_says_nothing(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    learn(second)
    assert second.get(pool("bar")).status == 200
    (archive.root / "pool/foo_1_all.deb").unlink()
    assert second.get(pool()).status == 503
    assert second.counter("source.missing") == 1, "the origin's 404, and none of a neighbour"


def test_A1_C1_a_neighbour_that_lies_is_charged_and_the_upstream_gives_the_file(scene, liar):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=peers(liar))
    until("it is linked", lambda: linked(node))
    learn(node)
    assert node.get(pool()).content == (archive.root / "pool/foo_1_all.deb").read_bytes()
    (peer,) = node.status()["peers"]
    assert peer["source"]["faults"].get("wrong-bytes"), peer
    assert "source.wrong-bytes" in node.event_codes()
    asked = len(liar.asked)
    assert node.get(pool("bar")).status == 200
    assert not [path for path in liar.asked[asked:] if "bar" in path], "it is not asked again for now"


def test_what_was_learned_of_a_peer_stays_over_a_restart(scene, liar):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=peers(liar))
    until("it is linked", lambda: linked(node))
    learn(node)
    assert node.get(pool()).status == 200
    node.stop()
    node.start()
    until("it is linked again", lambda: linked(node))
    (peer,) = node.status()["peers"]
    assert peer["source"]["health"] == "down" and "wrong-bytes" in peer["source"]["last_fault"]
    asked = len(liar.asked)
    assert node.get(pool("bar")).status == 200
    assert not [path for path in liar.asked[asked:] if "bar" in path]


def test_A1_a_large_file_is_not_streamed_from_a_neighbour_that_nobody_knows(scene, liar):
    archive = scene.archive()
    deb = archive.add("large", payload_bytes=5_000_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive), tail=peers(liar))
    until("it is linked", lambda: linked(node))
    assert node.get("/test/dists/stable/InRelease").status == 200
    assert node.get(pool("large")).content == deb.read_bytes(), "no client was cut"
    assert not [path for path in liar.asked if "large" in path]


def test_archives_behind_passwords_are_neither_asked_for_nor_given(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.passwords = ["user:password"]
    secret = scene.folder / "secret"
    secret.write_text("password\n")
    keys = {"user": "user", "password-file": str(secret)}
    first = scene.node(archive, origin, **keys)
    second = scene.node(archive, origin, tail=peers(first), **keys)
    until("they are linked", lambda: linked(second))
    for node in (first, second):
        learn(node)
    content = first.get(pool()).content
    until("it is held", lambda: first.get(pool()).headers["Cache-Status"] == "aptward; hit")
    origin.die()
    assert second.get(pool()).status == 503
    assert json.loads(first.admin("/api/v1/peers"))["given"]["not_held"] == 0, "nor did it ask"
    assert first.get(file_path("pool", "pool/foo_1_all.deb", content)).status == 404


def test_only_what_a_release_names_is_given_and_only_if_it_is_held(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    learn(node)
    content = (archive.root / "pool/foo_1_all.deb").read_bytes()
    asked = len(origin.requests)
    refused = node.get(file_path("pool", "pool/foo_1_all.deb", content))
    assert refused.status == 404 and b"peer.not-held" in refused.content
    assert len(origin.requests) == asked, "nothing is fetched for another node"
    assert node.get(pool()).status == 200
    until("it is held", lambda: node.get(file_path("pool", "pool/foo_1_all.deb", content)).content == content)
    assert node.get(file_path("pool", "pool/bar_1_all.deb", content)).status == 404, "another name"
    index = node.get("/test/dists/stable/main/binary-amd64/Packages.xz").content
    assert node.get(file_path("index", "main/binary-amd64/Packages.xz", index)).content == index
    assert node.get(file_path("index", "main/binary-amd64/Packages.gz", index)).status == 404


@pytest.mark.parametrize("path, status, code", [
    (f"{BASE}/node", 400, "peer.malformed"),
    (f"{BASE}/node?nonce=xyz", 400, "peer.malformed"),
    (f"{BASE}/pool/md5/00/1/x", 400, "peer.malformed"),
    (f"{BASE}/pool/sha256/{'0' * 64}/01/x", 400, "peer.malformed"),
    (f"{BASE}/pool/sha256/{'A' * 64}/1/x", 400, "peer.malformed"),
    (f"{BASE}/pool/sha256/{'a' * 64}/1/", 400, "peer.malformed"),
    (f"{BASE}/everything", 400, "peer.malformed"),
    (f"{BASE}/heads", 400, "peer.malformed"),
    (f"{BASE}/heads?wait=26", 400, "peer.malformed"),
    (f"{BASE}/release/abc/InRelease", 400, "peer.malformed"),
    (f"{BASE}/release/{chr(97) * 64}/Packages", 400, "peer.malformed"),
    ("/.well-known/aptward/v2/node", 404, "peer.protocol"),
])
def test_what_is_no_request_of_a_node_is_refused_in_one_sentence(scene, path, status, code):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    answer = node.get(path)
    assert answer.status == status and answer.content.startswith(code.encode() + b": "), answer.content


def test_a_frozen_node_gives_nothing_of_later(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    learn(node)
    before, at = node.get("/test/dists/stable/InRelease").content, archive.when.strftime("%Y%m%dT%H%M%SZ")
    archive.add("later")
    archive.publish()
    learn(node)
    until("the later one is shown", lambda: node.get("/test/dists/stable/InRelease").content != before)
    later = node.get(pool("later")).content
    asked = file_path("pool", "pool/later_1_all.deb", later)
    until("it is held", lambda: node.get(asked).content == later)
    assert node.command("freeze", "test", "--at", at).returncode == 0
    assert node.get(asked).status == 404


def test_a_late_ring_does_not_come_before_its_turn_as_a_node(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive),
                      tail='[[ring]]\nname = "late"\nclients = ["127.0.0.1"]\nafter = "24h"\n')
    learn(node)
    answer = node.get(f"{BASE}/node?nonce={'0' * 32}")
    assert answer.status == 403 and b"peer.ring" in answer.content


def test_nobody_is_told_anything_where_the_configuration_says_so(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), top=['peers-may-ask = "nobody"'])
    answer = node.get(f"{BASE}/node?nonce={'0' * 32}")
    assert answer.status == 403 and b"peer.not-allowed" in answer.content


def test_peers_are_listed_and_pinged(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    listed = peer_command(second, "list")
    assert listed.returncode == 0 and f"{first.proxy}  linked" in listed.stdout, listed
    assert "1 of 1 peers are asked." in second.command("doctor").stdout
    first.kill()
    pinged = peer_command(second, "ping")
    assert f"{first.proxy} is not asked (unreachable)" in second.command("doctor").stdout
    assert pinged.returncode == 1 and f"{first.proxy}  unreachable" in pinged.stdout, pinged
    assert "peer.unreachable" in second.event_codes()
    assert peer_command(second, "ping", "http://x.example:3142").returncode == 2
    alone = peer_command(scene.node(archive, origin), "list")
    assert alone.returncode == 0 and "it has no peers" in alone.stdout
    second.kill()
    assert peer_command(second, "list").returncode == 3


def test_another_identity_than_the_configured_one_is_not_asked(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, third = scene.node(archive, origin), scene.node(archive, origin)
    identity = json.loads(third.admin("/api/v1/peers"))["identity"]
    node = scene.node(archive, origin, tail=peers(first, extra=f'identity = "{identity}"\n'))
    pinged = peer_command(node, "ping")
    assert pinged.returncode == 1 and "mismatch" in pinged.stdout and identity in pinged.stdout
    learn(node), learn(first)
    content = first.get(pool()).content
    assert node.get(pool()).content == content
    assert json.loads(first.admin("/api/v1/peers"))["given"]["answers"] == 0
    right = scene.node(archive, origin, tail=peers(third, extra=f'identity = "{identity}"\n'))
    assert peer_command(right, "ping").returncode == 0


def test_the_node_itself_a_copy_and_a_second_name_are_told_apart(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first = scene.node(archive, origin)
    copied = scene.folder / "copied"
    (copied / "state").mkdir(parents=True)
    shutil.copy(first.folder / "state/identity", copied / "state/identity")
    port = first.address.rsplit(":", 1)[1]
    tail = peers(first) + f'[[peer]]\nurl = "http://127.0.0.2:{port}"\n'
    second = Node(copied, archive, [origin], tail=peers(first))
    scene.nodes.append(second)
    pinged = peer_command(second, "ping")
    assert pinged.returncode == 1 and "cloned" in pinged.stdout and "state folder was copied" in pinged.stdout
    first.stop()
    first.config.write_text(first.config.read_text().replace('"127.0.0.1:0"', f'"0.0.0.0:{port}"'))
    first.start()
    third = scene.node(archive, origin, tail=tail)
    states = {peer["url"]: peer["state"] for peer in json.loads(peer_command(third, "ping", "--json").stdout)["peers"]}
    assert sorted(states.values()) == ["duplicate", "linked"], states


def test_something_else_at_the_address_of_a_peer_is_named(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, tail=peers(origin))
    pinged = peer_command(node, "ping")
    assert pinged.returncode == 1 and "no-node" in pinged.stdout, pinged


@pytest.mark.parametrize("lines, said", [
    ("[[peer]]\n", "where the other node answers clients is missing"),
    ('[[peer]]\nurl = "ftp://b.example"\n', "http"),
    ('[[peer]]\nurl = "http://b.example:3142"\n' * 2, "named twice"),
    ('[[peer]]\nurl = "http://127.0.0.1:3142"\n', "this node itself"),
    ('[[peer]]\nurl = "http://b.example:3142"\nidentity = "me"\n', "is no identity"),
    ('[[peer]]\nurl = "http://b.example:3142"\nca = "/none"\n', "/none"),
    ('[[peer]]\nurl = "http://b.example:3142"\ndistance = "here"\n', "accepted are: measured, near, far"),
    ('peer-rate = "fast"\n', "is no size"),
    ('peer-quiet = ["22-6"]\n', "are no hours of the day"),
    ('peers-may-ask = "friends"\n', "accepted are: clients, local, nobody"),
    ("".join(f'[[peer]]\nurl = "http://b{n}.example:3142"\n' for n in range(33)), "33 peers are more than the 32"),
])
def test_mistakes_in_peers_are_named(tmp_path, lines, said):
    config = tmp_path / "aptward.toml"
    config.write_text(lines)
    checked = subprocess.run([PROGRAM, "config", "check", "--config", config], capture_output=True, text=True)
    assert checked.returncode != 0 and said in checked.stdout + checked.stderr, checked


def test_what_was_learned_of_a_peer_stays_over_a_reload(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    before = json.loads(second.admin("/api/v1/peers"))["peers"][0]["since"]
    text = pathlib.Path(second.config).read_text()
    pathlib.Path(second.config).write_text(text + '[[peer]]\nurl = "http://127.0.0.3:9"\n')
    reload(second)
    kept, fresh = json.loads(second.admin("/api/v1/peers"))["peers"]
    assert (kept["state"], kept["since"]) == ("linked", before) and fresh["url"].endswith(":9")


def test_peers_are_added_and_removed_over_restarts(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = scene.node(archive, origin), scene.node(archive, origin)
    identity = json.loads(first.admin("/api/v1/peers"))["identity"]
    added = peer_command(second, "add", first.proxy + "/", "--identity", identity)
    assert added.returncode == 0 and f"{first.proxy} is asked from now on" in added.stdout, added
    until("they are linked", lambda: linked(second))
    again = peer_command(second, "add", first.proxy)
    assert again.returncode == 1 and "is a peer already" in again.stderr
    second.kill()
    second.start()
    until("they are linked again", lambda: linked(second))
    learn(first), learn(second)
    content = held(first)
    origin.die()
    assert second.get(pool()).content == content
    removed = peer_command(second, "remove", first.proxy)
    assert removed.returncode == 0 and "is asked no more" in removed.stdout
    assert second.get(pool("bar")).status == 503
    second.kill()
    second.start()
    assert second.status()["peers"] == []
    assert peer_command(second, "remove", first.proxy).returncode == 1


def test_mistakes_in_orders_about_peers_are_one_sentence(scene):
    archive = scene.archive()
    first, second = two(scene, archive, scene.origin(archive))
    for words, said in [(("add", second.proxy), "is this node itself"), (("add", "b.example"), "http"),
                        (("add", "http://b.example", "--identity", "me"), "is no identity"),
                        (("remove", "http://b.example"), "has no peer"),
                        (("remove", first.proxy), "take its [[peer]] out")]:
        done = peer_command(second, *words)
        assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1, (words, done)
    assert [peer["url"] for peer in second.status()["peers"]] == [first.proxy]
    peer = second.post("/api/v1/peers", b"{}")
    assert peer.status in (404, 405), "clients do not order"


def test_R22_a_node_that_asks_for_more_than_its_share_is_refused_and_told_and_clients_are_not(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=300_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive), top=['peer-rate = "20k"'])
    learn(node)
    content = held(node, "large")  # at once, within the budget of ten seconds
    asked = file_path("pool", "pool/large_1_all.deb", content)
    refused = node.get(asked)
    assert refused.status == 429 and refused.content.startswith(b"peer.greedy")
    assert "peer.greedy" in node.event_codes() and node.counter("peer.greedy") == 1
    assert node.get(asked).status == 429 and node.counter("peer.greedy") == 1, "told once"
    assert node.get(pool("large")).content == content


def test_a_neighbour_that_has_given_its_share_is_no_fault(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=300_000)
    archive.publish()
    origin = scene.origin(archive)
    first = scene.node(archive, origin, top=['peer-rate = "20k"'])
    second = scene.node(archive, origin, tail=peers(first))
    until("they are linked", lambda: linked(second))
    for node in (first, second):
        learn(node)
    held(first, "large")
    assert second.get(pool("large")).status == 200
    (peer,) = second.status()["peers"]
    assert peer["source"]["faults"] == {} and peer["state"] == "linked"
