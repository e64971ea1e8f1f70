# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that come from other nodes, and nodes that show what should not be believed."""
import datetime
import json
import threading
import time

import pytest

from archive import Archive
from forger import BASE, Forger, PeerKey, release_id
from node import until
from peering import (asked_for, faults, file_path, forged, head, held, linked, peer_command, peers, pool, release,
                     tell_and_wait, two)
from test_flights import learn
from test_listeners import reload

pytestmark = pytest.mark.smoke


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
    fresh = held(first, "fresh")
    assert fresh == (archive.root / "pool/fresh_1_all.deb").read_bytes()
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
    node = scene.node(archive, scene.origin(archive))
    tag = {"If-None-Match": node.get(f"{BASE}/heads?wait=0").headers["ETag"]}
    answers = []
    until("the one before is gone", lambda: node.status()["connections"] == 1)  # that one asks
    waiting = threading.Thread(target=lambda: answers.append(node.get(f"{BASE}/heads?wait=25", **tag).status))
    waiting.start()
    until("it waits", lambda: node.status()["connections"] == 2)
    started = time.monotonic()
    node.stop()
    waiting.join()
    assert time.monotonic() - started < 4 and answers == [304]


@pytest.fixture
def forger(scene):
    return scene.keep(Forger(scene.folder / "forger"))


def test_A6_an_old_release_under_a_new_date_takes_nothing_back(scene, forger):
    archive, node = forged(scene, forger)
    old = release(node)
    archive.add("newer")
    archive.publish()
    until("the newer one is shown", lambda: release(node) != old)
    before = release(node)
    scene.origins[0].die()
    later = archive.when + datetime.timedelta(hours=1)
    forger.files[f"release/{release_id(old)}/InRelease"] = old
    forger.files[f"release/{2:064x}/InRelease"] = b"<html>"
    forger.tell(head(release_id(old), later), head(2, later))
    until("both were looked at", lambda: "peer.ignored" in node.event_codes())
    assert asked_for(forger, release_id(old))
    assert release(node) == before and node.suite()["generation"] == release_id(before)


def test_another_release_of_the_same_moment_is_told_and_kept(scene, forger):
    archive, node = forged(scene, forger)
    before = release(node)
    scene.origins[0].die()
    archive.add("other")
    archive.publish(later=0)
    other = (archive.suite_folder / "InRelease").read_bytes()
    assert other != before
    forger.files[f"release/{release_id(other)}/InRelease"] = other
    forger.tell(head(release_id(other), archive.when))
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


def test_what_was_refused_is_not_asked_for_again_and_again(scene, forger, other_key):
    archive, node = forged(scene, forger)
    stranger = Archive(scene.folder / "stranger", other_key)
    later, ids = archive.when + datetime.timedelta(hours=1), []
    for name in ("one", "two"):
        stranger.add(name)
        stranger.publish(date=later)
        content = (stranger.suite_folder / "InRelease").read_bytes()
        ids.append(release_id(content))
        forger.files[f"release/{ids[-1]}/InRelease"] = content
    forger.tell(head(ids[0], later))
    until("it was refused", lambda: "peer.release-refused" in node.event_codes())
    forger.tell(head(ids[0], later), head(ids[1], later))
    until("the next one is asked for", lambda: asked_for(forger, ids[1]))
    assert len(asked_for(forger, ids[0])) == 1


def test_who_tells_of_a_release_and_gives_another_is_ignored_for_a_while(scene, forger, other_key):
    archive, node = forged(scene, forger)
    later = archive.when + datetime.timedelta(hours=1)
    forger.files[f"release/{1:064x}/InRelease"] = release(node)
    forger.tell(head(1, later))
    until("it is charged", lambda: faults(node).get("untrusted"))
    tell_and_wait(forger, head(2, later))
    assert not asked_for(forger, f"{2:064x}")
    assert "peer.ignored" in node.event_codes()


def test_one_that_spoils_a_release_keeps_nobody_from_getting_it_elsewhere(scene, forger):
    archive = scene.archive()
    origin = scene.origin(archive)
    first = scene.node(archive, origin)
    node = scene.node(archive, origin, tail=peers(forger, first))
    until("both are linked", lambda: all(peer["state"] == "linked" for peer in node.status()["peers"]))
    learn(first), learn(node)
    origin.always("status", 503)
    archive.add("fresh")
    archive.publish()
    newest = (archive.suite_folder / "InRelease").read_bytes()
    forger.files[f"release/{release_id(newest)}/InRelease"] = b"<html>"
    forger.tell(head(release_id(newest), archive.when))
    until("it was spoilt", lambda: "peer.release-refused" in node.event_codes())
    origin.heal()
    until("the first has it", lambda: release(first) == newest)
    origin.always("status", 503)
    until("the other has it from there", lambda: release(node) == newest, seconds=10)


def test_who_passes_the_question_on_takes_nobodys_place(scene, forger):
    """Its note is the honest node's: the honest one is asked all the same."""
    archive = scene.archive()
    origin = scene.origin(archive)
    honest = scene.node(archive, origin)
    forger.answer = lambda path: honest.get(f"{BASE}/{path}").content if path.startswith("node?") else None
    node = scene.node(archive, origin, tail=peers(forger, honest))
    until("both were looked at", lambda: {peer["state"] for peer in node.status()["peers"]} <= {"linked", "duplicate"})
    learn(honest), learn(node)
    content = held(honest)
    origin.die()
    assert node.get(pool()).content == content


def test_nobody_takes_all_places_of_those_who_wait_for_news(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    tag = {"If-None-Match": node.get(f"{BASE}/heads?wait=0").headers["ETag"]}
    statuses = []
    waiting = [threading.Thread(target=lambda: statuses.append(node.get(f"{BASE}/heads?wait=25", **tag).status))
               for _ in range(6)]
    for thread in waiting:
        thread.start()
    until("two are sent away", lambda: statuses == [429, 429])
    learn(node)
    for thread in waiting:
        thread.join(10)
    assert sorted(statuses) == [200] * 4 + [429] * 2


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
    tell_and_wait(forger, head(1, archive.when + datetime.timedelta(hours=1)))
    assert not [path for path in forger.asked if path.split("/")[4].split("?")[0] not in ("node", "heads")]
    assert b"head " not in node.get(f"{BASE}/heads?wait=0").content


def test_A7_sources_that_lag_behind_what_a_neighbour_has_are_named(scene, forger):
    archive, node = forged(scene, forger)
    (origin,) = scene.origins
    stale = archive.copy(scene.folder / "stale")
    origin.root = stale.root
    archive.add("fresh")
    archive.publish()
    newest = (archive.suite_folder / "InRelease").read_bytes()
    index = (archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes()
    forger.files[f"release/{release_id(newest)}/InRelease"] = newest
    forger.files[file_path("index", "main/binary-amd64/Packages.xz", index)[len(BASE) + 1:]] = index
    forger.tell(head(release_id(newest), archive.when))
    until("it has the newest", lambda: release(node) == newest)
    until("the source is named", lambda: release(node) and "release.freeze_suspected" in node.event_codes())
    told = [entry for entry in json.loads(node.admin("/api/v1/events?limit=100"))
            if entry["code"] == "release.freeze_suspected"]
    assert told[0]["source"] == origin.url and forger.url in told[0]["message"]
    assert release(node) == newest


def test_R22_who_tells_two_things_under_one_number_is_told_and_ignored(scene, forger):
    archive, node = forged(scene, forger)
    tell_and_wait(forger)
    forger.number -= 1  # once more
    forger.tell(head(7, archive.when))
    until("it is told", lambda: "peer.ignored" in node.event_codes())
    (told,) = [entry for entry in json.loads(node.admin("/api/v1/events?limit=100")) if entry["code"] == "peer.forked"]
    kept = node.folder / "state/refused" / told["evidence"]
    until("both are kept", lambda: (kept / "InRelease").exists())
    assert (kept / "InRelease").read_text().count(f"node {forger.key.text}") == 2
    assert not asked_for(forger, "release/")
    assert "are not looked at for another" in peer_command(node, "list").stdout


def test_A24_that_the_others_agree_on_another_time_is_told(scene):
    archive = scene.archive()
    others = [scene.keep(Forger(scene.folder / name)) for name in ("one", "two")]
    node = scene.node(archive, scene.origin(archive), tail=peers(*others))
    until("both are linked", lambda: all(peer["state"] == "linked" for peer in node.status()["peers"]))
    assert "node.clock" not in node.event_codes()
    others[0].seconds_ahead = 3600
    assert peer_command(node, "ping").returncode == 0
    assert "peer.clock" in node.event_codes() and "node.clock" not in node.event_codes(), "one may be wrong"
    others[1].seconds_ahead = 3605
    assert peer_command(node, "ping").returncode == 0
    assert "node.clock" in node.event_codes()
