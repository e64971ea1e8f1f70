# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that give each other what they hold, and nodes that should not be believed."""
import datetime
import hashlib
import json
import pathlib
import shutil
import subprocess
import threading
import time

import pytest

from archive import Archive
from forger import BASE, Forger, PeerKey
from node import PROGRAM, Node, until
from test_flights import learn
from test_listeners import reload

pytestmark = pytest.mark.smoke

def peers(*nodes, extra=""):
    return "".join(f'[[peer]]\nurl = "{getattr(node, "url", None) or node.proxy}"\n{extra}' for node in nodes)


def linked(node):
    (peer,) = json.loads(node.admin("/api/v1/peers"))["peers"]
    return peer["state"] == "linked"


def two(scene, archive, *origins, **keys):
    """The first holds what its clients asked for; the second asks it."""
    first = scene.node(archive, *origins)
    second = scene.node(archive, *origins, tail=peers(first), **keys)
    until("they are linked", lambda: linked(second))
    return first, second


def pool(name="foo"):
    return f"/test/pool/{name}_1_all.deb"


def file_path(kind, path, content):
    return f"{BASE}/{kind}/sha256/{hashlib.sha256(content).hexdigest()}/{len(content)}/{path}"


def peer_command(node, *words):
    return node.command("peer", *words)


class Liar(Forger):
    """Gives wrong bytes of the right size for every file."""

    def answer(self, path):
        if path.startswith(("pool/", "index/")):
            return b"x" * int(path.split("/")[3])
        return super().answer(path)


@pytest.fixture
def liar(scene):
    made = Liar(scene.folder / "liar")
    yield made
    made.close()


def test_a_package_comes_from_the_neighbour_that_holds_it_when_all_sources_are_dead(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    for node in (first, second):
        learn(node)
    content = first.get(pool()).content
    until("it is held", lambda: first.get(file_path("pool", "pool/foo_1_all.deb", content)).status == 200)
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
    content = first.get(pool("bar")).content
    until("it is held", lambda: first.get(file_path("pool", "pool/bar_1_all.deb", content)).status == 200)
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
    ('peers-may-ask = "friends"\n', "accepted are: clients, nobody"),
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


def release(node):
    return node.get("/test/dists/stable/InRelease").content


def test_a_newer_release_comes_from_a_neighbour_when_the_vendor_is_gone(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    third = scene.node(archive, origin, tail=peers(second))
    until("it is linked", lambda: linked(third))
    for node in (first, second, third):
        learn(node)
    archive.add("fresh")
    archive.publish()
    # Of the vendor's answers only the first node's come.
    origin.always("status", 503)
    reachable = scene.origin(archive, "127.0.0.3")
    first.config.write_text(first.config.read_text().replace(origin.url, reachable.url))
    reload(first)
    newest = (archive.suite_folder / "InRelease").read_bytes()
    until("the first has it", lambda: release(first) == newest)
    until("the others have it", lambda: release(second) == newest and release(third) == newest, seconds=10)
    assert {"peer.release", "release.published"} <= second.event_codes()
    fresh = first.get(pool("fresh")).content
    assert fresh == (archive.root / "pool/fresh_1_all.deb").read_bytes()
    until("it is held", lambda: first.get(file_path("pool", "pool/fresh_1_all.deb", fresh)).status == 200)
    assert second.get(pool("fresh")).content == fresh


def test_a_client_asks_for_a_suite_for_the_first_time_when_the_vendor_is_gone(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first = scene.node(archive, origin)
    apt = scene.apt(first)
    apt.update(), apt.install("foo")
    origin.die()
    second = scene.node(archive, origin, tail=peers(first))
    until("they are linked", lambda: linked(second))
    apt = scene.apt(second)
    until("apt updates", lambda: apt.update().returncode == 0)
    assert apt.install("foo").returncode == 0


def test_what_a_neighbour_shows_is_judged_as_what_a_source_shows(scene, other_key):
    """Signed by nobody who counts: told, and nothing of it is served."""
    archive = scene.archive()
    origin = scene.origin(archive)
    stranger = Archive(scene.folder / "stranger", other_key)
    stranger.add("evil")
    stranger.publish(date=archive.when + datetime.timedelta(hours=1))
    wrong_origin = scene.origin(stranger)
    wrong = scene.node(stranger, wrong_origin)
    learn(wrong)
    node = scene.node(archive, origin, tail=peers(wrong))
    until("it is linked", lambda: linked(node))
    learn(node)
    before = release(node)
    until("it was looked at", lambda: "peer.release-refused" in node.event_codes())
    assert release(node) == before
    assert node.suite()["verdict"]["code"] in ("release.accepted", "release.unchanged"), node.suite()
    (peer,) = node.status()["peers"]
    assert peer["source"]["faults"] == {}, "another node may have another policy"


def test_suites_that_nobody_here_asked_for_are_not_taken(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    learn(first)
    until("it was told", lambda: second.status()["peers"][0]["releases"] == 1)
    assert peer_command(second, "ping").returncode == 0
    assert second.status()["archives"][0]["suites"] == []
    assert json.loads(first.admin("/api/v1/peers"))["given"]["answers"] == 0, "nor asked for"


def test_news_are_waited_for_and_told_at_once(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    before = node.get(f"{BASE}/heads?wait=0")
    assert before.status == 200 and b"head " not in before.content
    tag = {"If-None-Match": before.headers["ETag"]}
    assert node.get(f"{BASE}/heads?wait=0", **tag).status == 304
    told = []
    waiting = threading.Thread(target=lambda: told.append(node.get(f"{BASE}/heads?wait=25", **tag)))
    waiting.start()
    learn(node)
    waiting.join(10)
    (after,) = told
    assert after.status == 200
    head = after.content.decode().split("head ")[1].split()
    assert node.get(f"{BASE}/release/{head[0]}/InRelease").content == release(node)
    assert head[3:5] == ["stable", "test"]
    assert node.get(f"{BASE}/release/{'0' * 64}/InRelease").status == 404
    assert node.get(f"{BASE}/release/{head[0]}/Release.gpg").status == 404


def test_a_node_stops_at_once_although_others_wait_for_news(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    until("it waits", lambda: first.status()["connections"] > 0)
    started = time.monotonic()
    first.stop()
    assert time.monotonic() - started < 4


@pytest.fixture
def forger(scene):
    made = Forger(scene.folder / "forger")
    yield made
    made.close()


def forged(scene, forger):
    """A node that learned all of its archive, and the forger as its neighbour."""
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, tail=peers(forger))
    until("it is linked", lambda: linked(node))
    learn(node)
    return archive, node


def head(number, date, suite="stable"):
    return f"head {number:064x} {int(date.timestamp())} i {suite} test"


def faults(node):
    (peer,) = node.status()["peers"]
    return peer["source"]["faults"]


def test_A6_an_old_release_under_a_new_date_takes_nothing_back(scene, forger):
    archive, node = forged(scene, forger)
    old = release(node)
    archive.add("newer")
    archive.publish()
    until("the newer one is shown", lambda: release(node) != old)
    before = release(node)
    forger.files[f"release/{1:064x}/InRelease"] = old
    forger.tell(head(1, archive.when + datetime.timedelta(hours=1)))
    until("it was asked for", lambda: any("release/" in path for path in forger.asked))
    assert release(node) == before and faults(node) == {}


def test_another_release_of_the_same_moment_is_told_and_kept(scene, forger):
    archive, node = forged(scene, forger)
    before = release(node)
    scene.origins[0].die()
    archive.add("other")
    archive.publish(later=0)
    other = (archive.suite_folder / "InRelease").read_bytes()
    assert other != before
    forger.files[f"release/{1:064x}/InRelease"] = other
    forger.tell(head(1, archive.when))
    until("it is told", lambda: "release.equivocation" in node.event_codes())
    assert release(node) == before and faults(node) == {}
    (kept,) = [entry for entry in json.loads(node.admin("/api/v1/events?limit=100"))
               if entry["code"] == "release.equivocation"]
    assert kept["source"] == forger.url and kept["evidence"]
    assert (node.folder / "state/refused" / kept["evidence"]).exists()


def test_A20_what_is_no_release_at_all_is_charged(scene, forger):
    archive, node = forged(scene, forger)
    before = release(node)
    forger.files[f"release/{1:064x}/InRelease"] = b"<html>please log in</html>"
    forger.tell(head(1, archive.when + datetime.timedelta(hours=1)))
    until("it is charged", lambda: faults(node).get("untrusted"))
    assert release(node) == before and "peer.release-refused" in node.event_codes()


def test_what_was_refused_is_not_asked_for_again_and_again(scene, forger):
    archive, node = forged(scene, forger)
    forger.files[f"release/{1:064x}/InRelease"] = b"-----BEGIN PGP SIGNED MESSAGE-----"
    later = archive.when + datetime.timedelta(hours=1)
    forger.tell(head(1, later))
    until("it was refused", lambda: "peer.release-refused" in node.event_codes())
    forger.tell(head(1, later), head(2, later))
    until("the next one is asked for", lambda: any(f"{2:064x}" in path for path in forger.asked))
    assert len([path for path in forger.asked if f"{1:064x}" in path]) == 1


@pytest.mark.parametrize("wrong", ["too many", "too long", "no form", "another key"])
def test_news_in_no_known_form_are_told_and_change_nothing(scene, forger, wrong):
    archive, node = forged(scene, forger)
    before = release(node)
    later = archive.when + datetime.timedelta(hours=1)
    if wrong == "another key":
        forger.heads_key = PeerKey(scene.folder / "other-forger")
    forger.tell(*{"too many": [head(number, later) for number in range(201)],
                  "too long": [head(number, later, "s" * 200) for number in range(1000)],
                  "no form": ["head 1 2 3"], "another key": [head(1, later)]}[wrong])
    until("it is told", lambda: {"peer.malformed", "source.protocol"} & node.event_codes())
    assert not [path for path in forger.asked if "release/" in path]
    assert release(node) == before


def test_an_archive_that_is_only_observed_neither_gives_nor_takes(scene, forger):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), verify="observe", tail=peers(forger))
    until("it is linked", lambda: linked(node))
    learn(node)
    assert node.get(pool()).status == 200
    forger.tell(head(1, archive.when + datetime.timedelta(hours=1)))
    until("it was told, and asks for more", lambda: len([path for path in forger.asked if "heads" in path]) > 1)
    assert not [path for path in forger.asked if "release/" in path]
    assert b"head " not in node.get(f"{BASE}/heads?wait=0").content


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
    content = first.get(pool()).content
    until("it is held", lambda: first.get(file_path("pool", "pool/foo_1_all.deb", content)).status == 200)
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
