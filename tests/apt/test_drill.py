# SPDX-License-Identifier: GPL-3.0-or-later
"""An outage is played against a running node; what it knew of its sources is the same afterwards."""
import json
import signal
import subprocess

import pytest

import peering
from node import PROGRAM, UnixConnection, until
from peering import learn, peer_command

pytestmark = pytest.mark.smoke

SCENARIOS = ["refuse-first", "stall-first", "trickle-first", "lie-first", "all-gone"]


@pytest.fixture
def scene_of_two(scene):
    """Two sources; the node holds foo and bar, and of six more packages nothing."""
    archive = scene.archive()
    for number in range(6):
        archive.add(f"new{number}", payload_bytes=1000)
    archive.publish()
    origins = [scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")]
    origins[1].always("late", 0.1)  # so that the other one stays the first
    node = scene.node(archive, *origins)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    assert apt.download("foo", "bar").returncode == 0
    until("both are held", lambda: stock(node)["held"] == 2)
    return archive, origins, node


def stock(node):
    return json.loads(node.admin("/api/v1/drill?archive=test"))


def post(node, path, body):
    connection = UnixConnection(f"{node.folder}/admin")
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def start(node, **order):
    return post(node, "/api/v1/drill", {"archive": "test", "fault": "refuse", "seconds": 60, **order})


def drill(node, *arguments):
    """Exit status, the scenarios by name, and the last line."""
    done = node.command("drill", "--json", *arguments)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {line.get("scenario"): line for line in lines}, lines[-1], done.stderr


def learned(node):
    (archive,) = node.status()["archives"]
    return {source["url"]: {key: source[key] for key in ("health", "failures_in_a_row", "faults", "last_fault",
                                                         "last_fault_at")}
            for source in archive["sources"]}


def test_every_scenario_leaves_clients_working_and_the_sources_as_they_were(scene_of_two):
    _, origins, node = scene_of_two
    before = learned(node)
    status, rows, last, _ = drill(node)
    assert status == 0, rows
    assert [name for name in rows if name] == SCENARIOS
    for name in SCENARIOS:
        assert rows[name]["updated"] and rows[name]["held"] == {"got": 2, "of": 2}, rows[name]
        assert rows[name]["transfers"] > 0, "nobody met it"
        expected = 0 if name == "all-gone" else 1
        assert rows[name]["not_held"] == {"got": expected, "of": expected}, rows[name]
        assert rows[name]["why"] == rows[name]["not_held_why"] == [], "nothing to complain of"
    assert last["would_be_missed"] == [] and last["listed"] == 8
    assert learned(node) == before
    assert node.status()["drill"] is None
    assert node.event_codes() >= {"drill.started", "drill.ended", "source.wrong-bytes", "source.refused"}
    assert node.scrub() == 0


def test_the_table_says_what_works_and_who_would_miss_what(scene_of_two):
    archive, origins, node = scene_of_two
    archive.add("foo", "2")
    archive.publish()
    assert node.get("/test/dists/stable/InRelease").status == 200
    until("the deliveries are recorded", lambda: stock(node)["would_be_missed"])
    done = node.command("drill", "test", "--scenario", "all-gone")
    assert done.returncode == 0, done
    assert "all-gone        ok       1 of 1" in done.stdout and "Each row: " in done.stdout
    assert "1 of 8 packages of test are held." in done.stdout
    assert "foo 2, for 127.0.0.1" in done.stdout and "would not have in their newest version: 1." in done.stdout


def test_while_a_drill_runs_everybody_is_told_and_a_second_one_is_refused(scene_of_two):
    _, origins, node = scene_of_two
    before = learned(node)
    status, text = start(node, sources="all")
    assert status == 200 and len(json.loads(text)["sources"]) == 2
    assert start(node)[0] == 409
    busy = node.command("drill", "test")
    assert busy.returncode == 1 and "a drill runs already" in busy.stderr and len(busy.stderr.splitlines()) == 1
    assert "DRILL: refuse of test" in node.command("status").stdout
    doctor = node.command("doctor")
    assert doctor.returncode == 1 and "!!  drill: a drill by" in doctor.stdout
    asked = [len(origin.requests) for origin in origins]
    assert node.get("/test/dists/stable/InRelease").status == 200, "held"
    assert node.get("/test/pool/new5_1_all.deb").status == 503, "not held"
    assert [len(origin.requests) for origin in origins] == asked, "nobody was asked"
    assert learned(node) != before
    assert post(node, "/api/v1/drill/end", {"number": 99})[0] == 404
    assert post(node, "/api/v1/drill/end", {})[0] == 200
    assert learned(node) == before
    assert node.get("/test/pool/new5_1_all.deb").status == 200
    assert post(node, "/api/v1/drill/end", {})[0] == 404


@pytest.mark.parametrize("order, why", [
    ({"fault": "explode"}, "refuse, stall, trickle or lie"), ({"seconds": 0}, "from 1 to 3600"),
    ({"seconds": 99999}, "from 1 to 3600"), ({"sources": ["http://else.example"]}, "is no source of test"),
    ({"sources": []}, "no source of test is meant"), ({"sources": 7}, "a list of URLs")])
def test_an_order_that_makes_no_sense_changes_nothing(scene_of_two, order, why):
    _, _, node = scene_of_two
    status, text = start(node, **order)
    assert status == 400 and why in text
    assert node.status()["drill"] is None


def test_the_node_ends_a_drill_whose_command_was_killed(scene_of_two):
    _, origins, node = scene_of_two
    before = learned(node)
    command = subprocess.Popen([PROGRAM, "drill", "test", "--scenario", "stall-first", "--seconds", "3",
                                "--config", node.config], stdout=subprocess.DEVNULL)
    until("it runs", lambda: node.status()["drill"])
    command.kill()
    command.wait()
    until("the node has ended it", lambda: node.status()["drill"] is None)
    assert learned(node) == before
    assert drill(node, "--scenario", "all-gone")[0] == 0


def test_a_command_that_is_told_to_stop_ends_its_drill(scene_of_two):
    _, origins, node = scene_of_two
    trace = write_trace(node.folder, [60], [])
    command = subprocess.Popen([PROGRAM, "drill", "test", "--trace", trace, "--speed", "60", "--config", node.config],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until("it runs", lambda: node.status()["drill"])
    command.send_signal(signal.SIGTERM)
    assert command.wait(20) == 3
    assert command.stderr.read() == "aptward: interrupted: the drill is ended\n"
    assert node.status()["drill"] is None


@pytest.mark.parametrize("ended", ["killed", "stopped"])
def test_a_node_that_ends_during_a_drill_has_learned_nothing(scene_of_two, ended):
    _, origins, node = scene_of_two
    node.stop()  # what it knows is saved
    node.start()
    before = learned(node)
    assert start(node, fault="lie", sources="all")[0] == 200
    assert node.get("/test/pool/new1_1_all.deb").status in (502, 503)
    assert any(source["faults"].get("wrong-bytes") for source in learned(node).values())
    node.kill() if ended == "killed" else node.stop()
    node.start()
    assert node.status()["drill"] is None
    assert {url: source["last_fault"] for url, source in learned(node).items()} == {
        url: source["last_fault"] for url, source in before.items()}
    assert node.get("/test/pool/new1_1_all.deb").status == 200


def test_a_lie_about_a_release_is_refused_leaves_no_evidence_and_is_over_with_the_drill(scene_of_two):
    archive, origins, node = scene_of_two
    served = node.suite()["generation"]
    assert start(node, fault="lie", sources="all")[0] == 200
    archive.publish()
    answer = node.get("/test/dists/stable/InRelease")
    assert answer.status == 200
    until("the lie was seen", lambda: any(code.startswith("release.") for code in
                                          node.event_codes() - {"release.published"}))
    assert node.suite()["generation"] == served
    assert not list((node.folder / "state/refused").rglob("*.json")), "a drill's own lie is no evidence"
    assert post(node, "/api/v1/drill/end", {})[0] == 200
    until("the new release is there by itself", lambda: node.suite()["generation"] != served)


def test_no_lies_where_nobody_would_notice(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), verify="unverified", keyrings=None)
    status, text = start(node, fault="lie")
    assert status == 400 and "is not verified" in text


def test_a_reload_ends_a_drill(scene_of_two):
    _, origins, node = scene_of_two
    assert start(node)[0] == 200
    node.config.write_text(node.config.read_text().replace('freshness = "0s"', 'freshness = "1s"'))
    node.process.send_signal(signal.SIGHUP)
    until("the drill is over", lambda: node.status()["drill"] is None)
    assert node.get("/test/pool/new2_1_all.deb").status == 200


def write_trace(folder, down, up, **more):
    file = folder / "trace.json"
    file.write_text(json.dumps({"name": "short", "replay": {"down_minutes": down, "assumed_up_minutes": up}, **more}))
    return file


def test_a_recorded_outage_is_replayed_and_what_came_between_is_there_afterwards(scene_of_two):
    archive, origins, node = scene_of_two
    trace = write_trace(scene_of_two[2].folder, [1, 1, 1], [1, 1])
    command = subprocess.Popen([PROGRAM, "drill", "test", "--trace", trace, "--speed", "60", "--json",
                                "--config", node.config], stdout=subprocess.PIPE, text=True)
    first = json.loads(command.stdout.readline())
    assert first["phase"] == "down"
    archive.add("foo", "2")
    archive.publish()  # upstream moves on in the silence
    lines = [first, *map(json.loads, command.stdout.read().splitlines())]
    assert command.wait(60) == 0, lines
    assert [line["phase"] for line in lines[:-1]] == ["down", "up", "down", "up", "down"]
    end = lines[-1]
    assert end["down"]["good"] == end["down"]["clients"] >= 3, end
    assert end["news"]["packages"]["got"] == end["news"]["packages"]["of"] >= 2, end
    assert abs(end["down_share"] - 0.6) < 0.01
    assert node.status()["drill"] is None


def test_a_replay_in_which_nothing_was_new_says_so(scene_of_two):
    _, _, node = scene_of_two
    for number in range(6):
        assert node.get(f"/test/pool/new{number}_1_all.deb").status == 200
    until("all is held", lambda: stock(node)["held"] == 8)
    done = node.command("drill", "test", "--trace", str(write_trace(node.folder, [1, 1], [1])), "--speed", "100000")
    assert done.returncode == 0 and "nothing was new" in done.stdout, done


def test_chosen_sources_are_disturbed(scene_of_two):
    _, origins, node = scene_of_two
    met = {}
    for origin in origins:
        status, rows, _, _ = drill(node, "test", "--scenario", "lie-first", "--source", origin.url)
        assert status == 0 and rows["lie-first"]["updated"], rows
        met[origin] = rows["lie-first"]["transfers"]
    assert met[origins[0]] > 0 and met[origins[1]] == 0, "the other one is slower, and nobody needed it"
    both = [word for origin in origins for word in ("--source", origin.url)]
    _, rows, _, _ = drill(node, "test", "--scenario", "refuse-first", *both)
    row = rows["refuse-first"]
    assert row["updated"] and row["held"]["got"] == row["held"]["of"] >= 2
    assert row["not_held"]["of"] == 0, "no source is left"
    wrong = node.command("drill", "test", "--source", "http://else.example")
    assert wrong.returncode == 1 and "is no source of test" in wrong.stderr and len(wrong.stderr.splitlines()) == 1


def test_a_drill_that_no_transfer_met_says_so(scene_of_two):
    _, origins, node = scene_of_two
    status, text = post(node, "/api/v1/drill", {"archive": "test", "fault": "lie", "sources": [origins[1].url]})
    assert status == 200, text
    assert node.get("/test/pool/foo_1_all.deb").status == 200, "held"
    assert json.loads(post(node, "/api/v1/drill/end", {})[1]) == {"transfers": 0}


@pytest.mark.parametrize("text, why", [
    ("", "no JSON object"), ("[]", "no JSON object"), ('{"replay": 1}', 'no object "replay"'),
    ('{"replay": {"down_minutes": [], "assumed_up_minutes": []}}', "is empty"),
    ('{"replay": {"down_minutes": [1, 2], "assumed_up_minutes": []}}', "one follows the other"),
    ('{"replay": {"down_minutes": [-1], "assumed_up_minutes": []}}', "no whole number of minutes"),
    ('{"replay": {"down_minutes": [1e99], "assumed_up_minutes": []}}', "no whole number of minutes")])
def test_a_bad_trace_is_refused_in_one_sentence(scene, text, why):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    file = scene.folder / "trace.json"
    file.write_text(text)
    done = node.command("drill", "--trace", str(file))
    assert done.returncode == 2 and why in done.stderr and len(done.stderr.splitlines()) == 1, done
    assert node.command("drill", "--trace", str(scene.folder / "none")).returncode == 2
    assert "drill.started" not in node.event_codes()


def test_without_a_node_or_an_archive_it_says_so(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    unknown = node.command("drill", "else")
    assert unknown.returncode == 2 and 'there is no archive "else"' in unknown.stderr
    nothing = node.command("drill", "test")
    assert nothing.returncode == 1 and "no index of packages of test is held yet" in nothing.stderr
    node.stop()
    gone = node.command("drill")
    assert gone.returncode == 3 and "no node answers" in gone.stderr and len(gone.stderr.splitlines()) == 1


@pytest.fixture
def neighbours(scene):
    """Of two nodes that know each other the second holds bar, and the first foo."""
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = peering.two(scene, archive, origin)
    learn(second)
    learn(first)
    assert second.get(peering.pool("bar")).status == 200
    assert first.get(peering.pool("foo")).status == 200
    assert peer_command(first, "add", second.proxy).returncode == 0
    until("they are linked", lambda: peering.linked(first))
    return first, second


def test_what_another_node_has_is_had_while_the_vendor_is_gone(neighbours):
    first, _ = neighbours
    status, rows, _, _ = drill(first, "--scenario", "all-gone")
    assert status == 0 and rows["all-gone"]["not_held"] == {"got": 1, "of": 1}, rows


def test_a_node_drilled_alone_gets_nothing_from_another_one_until_it_is_over(neighbours):
    first, _ = neighbours
    status, rows, _, _ = drill(first, "--scenario", "all-gone", "--alone")
    assert status == 0 and rows["all-gone"]["not_held"] == {"got": 0, "of": 0}, rows
    answer, text = start(first, alone=True)
    assert answer == 200 and json.loads(text)["alone"] and not json.loads(text)["others"], text
    assert first.get(peering.pool("bar")).status == 503
    post(first, "/api/v1/drill/end", {})
    assert first.get(peering.pool("bar")).status == 200
