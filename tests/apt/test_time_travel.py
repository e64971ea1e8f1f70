# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots and freezes: an archive as it was."""
import copy
import datetime
import gzip
import json
import shutil
import signal
import subprocess

import pytest

from client import AptRoot
from node import until
from rich import desktop

pytestmark = pytest.mark.smoke


def stamp(when):
    return when.strftime("%Y%m%dT%H%M%SZ")


def apt_at(scene, node, moment, suite="stable"):
    """A client whose sources name a moment."""
    return AptRoot(scene.folder / f"apt{next(scene.numbers)}",
                   f"deb [KEY] {node.proxy}/snapshot/{moment}/test {suite} main", scene.key)


def versions(apt, name="foo"):
    """What a fresh look of this client gets: the version of a package that it can download."""
    apt.clean()
    updated = apt.update()
    assert updated.returncode == 0, updated
    got = apt.download(name)
    assert got.returncode == 0, got
    return [file.name.split("_")[1] for file in sorted((apt.folder / "downloads").iterdir())]


def published(node):
    """What the archive has now is published, whatever clients get: a mirror job looks at the sources."""
    before = node.suite()["generation"]
    assert node.command("mirror", "test", "stable").returncode == 0
    assert node.suite()["generation"] != before


@pytest.fixture
def story(scene):
    """An archive with two generations that a client went through, foo 1 and foo 2."""
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, hosts=["archive.example", "archive.ubuntu.com/ubuntu"])
    apt = scene.apt(node)
    first = archive.when
    assert versions(apt) == ["1"]
    archive.add("foo", "2")
    archive.publish()
    assert versions(apt) == ["2"]
    return archive, origin, node, apt, first


def test_a_moment_gives_the_release_and_the_packages_of_then(scene, story):
    archive, origin, node, apt, first = story
    origin.die()
    later = first + datetime.timedelta(seconds=30)
    assert versions(apt_at(scene, node, stamp(first))) == ["1"]
    assert versions(apt_at(scene, node, stamp(later))) == ["1"]
    assert versions(apt_at(scene, node, stamp(archive.when))) == ["2"]
    assert versions(apt_at(scene, node, stamp(datetime.datetime.utcnow()))) == ["2"]
    assert versions(apt) == ["2"], "now is as it was"
    said = node.get(f"/snapshot/{stamp(later)}/test/dists/stable/InRelease")
    assert said.getheader("Aptward-Snapshot") == stamp(first)


def test_the_vendors_snapshot_services_are_answered_from_what_is_held(story):
    archive, origin, node, _, first = story
    origin.die()
    for url in ("http://snapshot.ubuntu.com/ubuntu/{}/dists/stable/InRelease",
                "http://127.0.0.1:{port}/HTTPS/snapshot.ubuntu.com/ubuntu/{}/dists/stable/InRelease"):
        url = url.replace("{port}", node.address.rsplit(":", 1)[1])
        old = node.get(url.format(stamp(first)))
        assert old.status == 200 and old.getheader("Aptward-Snapshot") == stamp(first)
        assert old.content != node.get(url.format(stamp(archive.when))).content
    other = node.get(f"http://snapshot.debian.org/archive/debian/{stamp(first)}/dists/stable/InRelease")
    assert other.status == 403, "no archive here is Debian's"


@pytest.mark.parametrize("moment, code", [
    ("29990101T000000Z", "snapshot.future"),
    ("20261301T000000Z", "snapshot.unknown"), ("yesterday", "snapshot.unknown")])
def test_a_moment_that_cannot_be_is_refused_in_a_sentence(story, moment, code):
    node = story[2]
    answer = node.get(f"/snapshot/{moment}/test/dists/stable/InRelease")
    assert answer.status == 404 and answer.content.decode().startswith(code + ": "), answer.content
    assert len(answer.content.splitlines()) == 1


def test_what_was_before_this_node_is_not_known_to_be_absent(story):
    answer = story[2].get("/snapshot/20010101T000000Z/test/dists/stable/InRelease")
    assert answer.status == 503 and answer.content.startswith(b"snapshot.before-first: ")
    assert answer.getheader("Retry-After") is None, "it stays unknown"


def test_a_snapshot_of_an_archive_that_is_not_here_names_those_that_are(story):
    answer = story[2].get(f"/snapshot/{stamp(story[4])}/other/dists/stable/InRelease")
    assert answer.status == 404 and b"archive.unknown" in answer.content and b"/test" in answer.content


def test_names_and_pins_last_until_they_are_dropped(scene, story):
    archive, origin, node, _, first = story
    named = node.command("snapshot", "name", "test", stamp(first), "before-upgrade")
    assert named.returncode == 0, named.stderr
    assert "; 1 of 1 indexes and 1 of 2 files that they name are held" in named.stdout
    same = node.command("snapshot", "name", "test", stamp(first), "before-upgrade")
    assert same.returncode == 0, "nothing new"
    taken = node.command("snapshot", "name", "test", stamp(archive.when), "before-upgrade")
    assert taken.returncode == 1 and f"already, of {stamp(first)}" in taken.stderr, taken
    assert len(taken.stderr.splitlines()) == 1
    assert node.command("snapshot", "pin", "test", stamp(archive.when)).returncode == 0
    node.kill()
    node.start()
    origin.die()
    assert versions(apt_at(scene, node, "before-upgrade")) == ["1"]
    (listed,) = json.loads(node.command("snapshot", "list", "--json").stdout)
    assert {one["name"] for one in listed["snapshots"]} == {"before-upgrade", stamp(archive.when)}
    assert [one["stamp"] for one in listed["generations"]] == [stamp(first), stamp(archive.when)]
    text = node.command("snapshot", "list", "test").stdout
    assert "kept as before-upgrade" in text and stamp(archive.when) in text
    frozen = node.command("freeze", "test", "--at", "before-upgrade")
    assert frozen.returncode == 0 and f"frozen to {stamp(first)}" in frozen.stdout, frozen
    assert node.command("thaw", "test").returncode == 0
    assert node.command("snapshot", "drop", "test", "before-upgrade").returncode == 0
    again = node.command("snapshot", "drop", "test", "before-upgrade")
    assert again.returncode == 1 and "no snapshot before-upgrade" in again.stderr
    answer = node.get("/snapshot/before-upgrade/test/dists/stable/InRelease")
    assert answer.status == 404 and b"snapshot.unknown" in answer.content


def test_a_pin_is_dropped_by_any_form_of_its_moment(story):
    archive, node, first = story[0], story[2], story[4]
    kept = lambda: [one["name"] for one in json.loads(node.command("snapshot", "list", "--json").stdout)[0]["snapshots"]]
    for moment in ("0s", first.strftime("%Y-%m-%dT%H:%M:%SZ")):
        assert node.command("snapshot", "pin", "test", moment).returncode == 0
    pinned = kept()
    dropped = node.command("snapshot", "drop", "test", "0s")  # a moment later, of the same state
    assert dropped.returncode == 0, dropped
    assert kept() == [stamp(first)] != pinned
    assert node.command("snapshot", "drop", "test", first.strftime("%Y-%m-%d %H:%M:%S")).returncode == 0
    assert kept() == []


@pytest.mark.parametrize("words, status, said", [
    (("snapshot", "name", "test", "20010101T000000Z", "early"), 1, "before the first"),
    (("snapshot", "name", "test", "0s", "1st"), 1, "no name for a snapshot"),
    (("snapshot", "pin", "test", "noon"), 2, "is no time"),
    (("snapshot", "pin", "test", "2026-02-31"), 2, "is no time"),
    (("snapshot", "pin", "test", "2026-02-31T10:00:00Z"), 2, "is no time"),
    (("snapshot", "pin", "test", "20010101"), 1, "before the first"),
    *((words, 2, 'there is no archive "none"; aptward status shows which there are') for words in (
        ("snapshot", "pin", "none", "0s"), ("snapshot", "name", "none", "0s", "x"), ("snapshot", "drop", "none", "x"),
        ("snapshot", "list", "none"), ("snapshot", "diff", "none", "0s"), ("freeze", "none"), ("thaw", "none"),
        ("mirror", "none"), ("drill", "none"), ("export", "none", "--to", "/nonexistent/x"),
        ("bundle", "create", "none", "--output", "/nonexistent/x"))),
    (("freeze", "test", "--at", "early"), 1, "no snapshot early"),
    (("freeze", "test", "--at", "2026-02-31"), 2, "is no time"),
    (("snapshot", "drop", "test", "0s"), 1, "has no pin of the state at"),
    (("freeze", "test", "--at", "20010101T000000Z"), 1, "before the first"),
    (("freeze", "test", "--at", "2999-01-01"), 1, "still to come"),
    (("thaw", "test"), 1, "is not frozen")])
def test_an_impossible_order_changes_nothing(story, words, status, said):
    node = story[2]
    before = node.command("snapshot", "list", "--json").stdout
    done = node.command(*words)
    assert done.returncode == status and said in done.stderr, done
    assert len(done.stderr.splitlines()) == 1
    assert node.command("snapshot", "list", "--json").stdout == before
    assert node.status()["archives"][0]["frozen"] is None


def test_all_suites_are_those_of_one_instant(scene):
    archive = scene.archive()
    security = copy.copy(archive)
    security.suite, security.packages = "stable-security", {}
    security.add("sec")
    security.publish(later=30)
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    plain, secure = scene.apt(node), scene.apt(node, suite="stable-security main")
    first = security.when
    assert versions(plain) == ["1"] and versions(secure, "sec") == ["1"]
    archive.add("foo", "2")
    archive.publish(later=60)  # 30 s after the first of security
    security.add("sec", "2")
    security.publish(later=60)
    assert versions(plain) == ["2"] and versions(secure, "sec") == ["2"]
    origin.die()
    for moment, foo, sec in ((first, "1", "1"), (archive.when, "2", "1"), (security.when, "2", "2")):
        assert versions(apt_at(scene, node, stamp(moment))) == [foo]
        assert versions(apt_at(scene, node, stamp(moment), "stable-security"), "sec") == [sec]
    early = node.get(f"/snapshot/{stamp(first - datetime.timedelta(seconds=1))}/test/dists/stable-security/InRelease")
    assert early.status == 503 and b"snapshot.unknown-suite" in early.content, "nobody knows what it had"
    package = node.get(f"/snapshot/{stamp(first - datetime.timedelta(seconds=1))}/test/pool/sec_1_all.deb")
    assert package.status == 503 and b"pool.unknown" in package.content


def test_tables_of_the_past_are_built_again_from_what_is_held(scene, story):
    _, origin, node, _, first = story
    node.stop()
    for table in (node.folder / "state/tables").iterdir():
        table.unlink()
    node.start()
    origin.die()
    assert versions(apt_at(scene, node, stamp(first))) == ["1"]


def test_the_status_of_a_frozen_archive_is_of_what_clients_get(scene, story):
    _, origin, node, _, first = story
    newest = node.suite()["generation"]
    assert node.command("doctor").returncode == 0
    assert node.command("freeze", "test", "--at", stamp(first)).returncode == 0
    given = node.get("/test/dists/stable/InRelease").getheader("Aptward-Generation")
    assert not newest.startswith(given)
    frozen = node.status()["archives"][0]["frozen"]
    assert frozen["suites"]["stable"]["generation"].startswith(given) and frozen["not_had"] == {}
    assert frozen["suites"]["stable"]["signed_by"] == [scene.key.fingerprint]
    (row,) = [line for line in node.command("status").stdout.splitlines() if line.startswith("test ") and "stable" in line]
    assert row.split()[2] == given[:12] and f"FROZEN, the newest is {newest[:12]}" in row
    doctor = node.command("doctor")
    assert doctor.returncode == 1 and f"it is frozen to {stamp(first)}" in doctor.stdout
    assert node.command("thaw", "test").returncode == 0
    assert node.command("doctor").returncode == 0


def test_what_the_past_does_not_have_is_absent_there(story):
    archive, origin, node, _, first = story
    origin.die()
    new = archive.packages["foo"][1].name
    answer = node.get(f"/snapshot/{stamp(first)}/test/pool/{new}")
    assert answer.status == 404 and b"pool.absent" in answer.content
    assert node.get(f"/snapshot/{stamp(archive.when)}/test/pool/{new}").status == 200


def test_a_revoked_key_takes_the_past_that_it_signed_with_it(scene, story):
    _, _, node, _, first = story
    path = f"/snapshot/{stamp(first)}/test/dists/stable/InRelease"
    assert node.get(path).status == 200
    assert node.command("keys", "revoke", "test", scene.key.fingerprint).returncode == 0
    answer = node.get(path)
    assert answer.status == 503 and b"snapshot.lost" in answer.content, answer.content


def test_an_approved_key_brings_the_past_back(scene, story):
    archive, _, node, _, first = story
    path, key = f"/snapshot/{stamp(first)}/test/dists/stable/InRelease", scene.key.fingerprint
    assert node.command("freeze", "test").returncode == 0
    assert node.command("keys", "revoke", "test", key).returncode == 0
    assert node.get(path).status == node.get("/test/dists/stable/InRelease").status == 503
    assert node.command("keys", "approve", "test", key).returncode == 0
    assert node.get(path).status == 200
    frozen = node.get("/test/dists/stable/InRelease")
    assert frozen.status == 200
    node.kill()
    node.start()
    assert node.get("/test/dists/stable/InRelease").content == frozen.content, "the same state after a restart"


def test_what_a_freeze_holds_back_leaves_by_no_bundle_and_no_export(scene, story):
    _, _, node, _, first = story
    out = scene.folder / "out"
    commands = [("bundle", "create", "test", "--allow-missing", "--output", out / "x.bundle"),
                ("export", "test", "--to", out / "tree"),
                ("mirror", "test", "--export", out / "mirrored")]
    out.mkdir()
    assert node.command("freeze", "test", "--at", stamp(first)).returncode == 0
    jobs = node.admin("/api/v1/jobs")
    for command in commands:
        refused = node.command(*map(str, command))
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1, refused
        assert f"test is frozen to {stamp(first)}" in refused.stderr and "--despite-freeze" in refused.stderr
    assert list(out.iterdir()) == [] and node.admin("/api/v1/jobs") == jobs
    for command in commands:
        done = node.command(*map(str, command), "--despite-freeze")
        assert "frozen" not in done.stderr, done
    assert sorted(path.name for path in out.iterdir()) == ["mirrored", "tree", "x.bundle"]


def test_a_freeze_gives_everybody_the_state_of_then_and_says_so(scene, story):
    archive, origin, node, updated, first = story
    done = node.command("freeze", "test", "--at", stamp(first))
    assert done.returncode == 0 and "1 client is known to hold newer lists" in done.stdout, done
    status = node.status()["archives"][0]["frozen"]
    assert status["stamp"] == stamp(first) and status["clients_with_newer_lists"] == ["127.0.0.1"]
    table = node.command("status").stdout
    assert "FROZEN: test to " + stamp(first) in table and "127.0.0.1" in table
    fresh = scene.apt(node)
    assert versions(fresh) == ["1"]
    archive.add("foo", "3")
    archive.publish()
    published(node)
    assert versions(fresh) == ["1"], "what comes meanwhile waits"
    for path in ("dists/stable/InRelease", "pool/foo_1_all.deb", "pool/none_1_all.deb"):
        assert node.get("/test/" + path).getheader("Aptward-Frozen") == stamp(first)
    asked_for = node.get(f"/snapshot/{stamp(first)}/test/dists/stable/InRelease")
    assert asked_for.status == 200 and asked_for.getheader("Aptward-Frozen") == stamp(first)
    node.stop()
    node.start()
    until("the record says who has newer lists", lambda: node.status()["archives"][0]["frozen"]
          ["clients_with_newer_lists"] == ["127.0.0.1"])
    fresh = scene.apt(node)
    assert versions(fresh) == ["1"], "also after a restart"
    assert node.command("thaw", "test").returncode == 0
    until("the newest", lambda: versions(fresh) == ["3"])
    assert node.get("/test/dists/stable/InRelease").getheader("Aptward-Frozen") is None
    assert {"archive.frozen", "archive.thawed"} <= node.event_codes()


def test_a_client_with_newer_lists_gets_nothing_new_and_recovers_by_purging_them(scene, story):
    archive, _, node, updated, first = story
    assert node.command("freeze", "test", "--at", stamp(first)).returncode == 0
    for file in (updated.folder / "downloads").iterdir():
        file.unlink()
    again = updated.update()
    assert again.returncode == 0, "apt keeps its newer list and says nothing"
    refused = updated.download("foo")
    assert refused.returncode != 0 and "403" in refused.output, refused
    answer = node.get("/test/pool/" + archive.packages["foo"][1].name)
    assert answer.status == 403 and answer.content.startswith(b"freeze.later: ")
    assert node.status()["archives"][0]["frozen"]["clients_with_newer_lists"] == ["127.0.0.1"]
    assert versions(updated) == ["1"], "with its lists purged"
    assert node.status()["archives"][0]["frozen"]["clients_with_newer_lists"] == []


def test_a_freeze_of_now_keeps_out_what_comes_later(scene, story):
    archive, _, node, apt, _ = story
    assert node.command("freeze", "test").returncode == 0
    archive.add("foo", "3")
    archive.publish()
    published(node)
    assert versions(apt) == ["2"]
    later = node.get(f"/snapshot/{stamp(datetime.datetime.utcnow())}/test/dists/stable/InRelease")
    old = node.get("/test/dists/stable/InRelease")
    assert later.content == old.content, "nor by way of a snapshot"
    node.kill()
    node.start()
    apt = scene.apt(node)
    assert versions(apt) == ["2"], "nor after a crash"
    assert node.command("thaw", "test").returncode == 0
    until("the newest", lambda: versions(apt) == ["3"])


def changelog_deb(archive, name, version, entries):
    """A package with a changelog, as Debian's have one."""
    root = archive.folder / f"{name}-{version}-changelog"
    doc = root / "usr/share/doc" / name
    doc.mkdir(parents=True)
    text = "".join(f"{name} ({number}) stable; urgency=low\n\n  * {what}\n\n -- T <t@archive.example>  "
                   "Thu, 01 Jan 2026 00:00:00 +0000\n\n" for number, what in entries)
    (doc / "changelog.Debian.gz").write_bytes(gzip.compress(text.encode()))
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@archive.example>\n"
        f"Description: {name}\n")
    target = archive.root / "pool" / f"{name}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "-Zxz", "--root-owner-group", "-b", root, target], check=True, capture_output=True)
    archive.packages[name] = (version, target)


def test_a_diff_names_what_changed_and_why(scene):
    archive = scene.archive()
    changelog_deb(archive, "tool", "1", [("1", "Begin.")])
    archive.publish()
    first = archive.when
    node = scene.node(archive, scene.origin(archive))
    apt = scene.apt(node)
    assert versions(apt, "tool") == ["1"]
    changelog_deb(archive, "tool", "2", [("2", "Close a hole."), ("1", "Begin.")])
    del archive.packages["bar"]
    archive.add("new")
    archive.publish()
    assert versions(apt, "tool") == ["2"]
    done = node.command("snapshot", "diff", "test", stamp(first))
    assert done.returncode == 0, done
    assert "removed    bar 1 (all)" in done.stdout and "added      new 1 (all)" in done.stdout
    assert "upgraded   tool 1 -> 2 (all)" in done.stdout
    assert "Close a hole." in done.stdout and "Begin." not in done.stdout
    back = json.loads(node.command("snapshot", "diff", "test", stamp(archive.when), stamp(first), "--json").stdout)
    (suite,) = back["suites"]
    assert {(change["change"], change["package"]) for change in suite["changes"]} == {
        ("added", "bar"), ("removed", "new"), ("downgraded", "tool")}
    same = node.command("snapshot", "diff", "test", "0s")
    assert same.returncode == 0 and "stable: 0 changes" in same.stdout
    wrong = node.command("snapshot", "diff", "test", "20010101T000000Z")
    assert wrong.returncode == 1 and "before the first" in wrong.stderr


def diff(node, *moments):
    """The one suite of it; its changes as "added foo"."""
    done = node.command("snapshot", "diff", "test", *map(stamp, moments), "--json")
    assert done.returncode == 0, done
    (suite,) = json.loads(done.stdout)["suites"]
    return suite, [f"{change['change']} {change['package']}" for change in suite["changes"]]


def test_a_diff_compares_what_is_held_of_both_moments_and_names_the_rest(scene):
    archive = desktop(scene.folder / "archive", scene.key)
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node, "stable main").update().returncode == 0
    first = archive.when
    archive.add_deb("later", component="main")
    archive.add_deb("free", component="contrib")
    archive.publish()
    until("the new one", lambda: scene.apt(node, "stable main contrib").update().returncode == 0
          and "added later" in diff(node, first)[1])
    suite, changes = diff(node, first)
    assert changes == ["added later"], "nobody knows what contrib listed at first"
    assert suite["unread"] == ["contrib/binary-all/Packages"] and suite["lost"] == ""
    text = node.command("snapshot", "diff", "test", stamp(first)).stdout
    assert "contrib/binary-all/Packages is not held of both: what it lists is not compared" in text


def test_a_diff_needs_no_tables_and_a_pin_says_what_it_does_not_know(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    apt = scene.apt(node)
    first = archive.when
    assert versions(apt) == ["1"]
    for version in range(2, 9):  # more than are kept at hand
        archive.add("foo", str(version))
        archive.publish()
        assert versions(apt) == [str(version)]
    expected = diff(node, first)[1]
    assert expected == ["upgraded foo"]
    node.stop()
    for table in (node.folder / "state/tables").iterdir():
        table.unlink()
    node.start()
    assert diff(node, first)[1] == expected
    pinned = node.command("snapshot", "pin", "test", stamp(first))
    assert pinned.returncode == 0
    assert "which files stable needs is not known: its indexes have not been read" in pinned.stdout, pinned
    (listed,) = json.loads(node.command("snapshot", "list", "--json").stdout)
    node.stop()
    for file in (node.folder / "state/releases").rglob(listed["generations"][0]["release"] + "*"):
        file.unlink() if file.is_file() else shutil.rmtree(file)
    node.start()
    suite, changes = diff(node, first)
    assert changes == [] and f"what it was at {stamp(first)} is not to be had" in suite["lost"]
    assert "stable: not compared: " in node.command("snapshot", "diff", "test", stamp(first)).stdout


def test_a_detached_release_of_then_that_nobody_had_is_not_called_absent(story):
    _, _, node, _, first = story
    for name in ("Release", "Release.gpg"):
        answer = node.get(f"/snapshot/{stamp(first)}/test/dists/stable/{name}")
        assert answer.status == 503 and answer.content.startswith(b"release.not-held: "), answer.content


def test_a_suite_that_the_configuration_leaves_out_is_in_no_snapshot(story):
    _, _, node, _, first = story
    node.stop()
    node.config.write_text(node.config.read_text() + 'suites = ["other"]\n')
    node.start()
    answer = node.get(f"/snapshot/{stamp(first)}/test/dists/stable/InRelease")
    assert answer.status == 404 and answer.content.startswith(b"suite.not-configured: "), answer.content


def test_an_order_that_was_taken_outlives_a_reload_at_the_same_moment(story):
    """Orders while the configuration is read are taken or refused, and never lost."""
    _, _, node, _, _ = story
    reloads = 0
    for verb, is_frozen in [("freeze", True), ("thaw", False)] * 6:
        node.process.send_signal(signal.SIGHUP)
        reloads += 1
        done = until("it is taken", lambda: (said := node.command(verb, "test")).returncode == 0 and said)
        assert done.stderr == ""
        until("the reload is over", lambda: node.log_text().count("config.reloaded") == reloads)
        assert (node.status()["archives"][0]["frozen"] is not None) == is_frozen, verb
