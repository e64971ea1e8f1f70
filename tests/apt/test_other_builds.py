# SPDX-License-Identifier: GPL-3.0-or-later
"""State folders of other builds of the node: what a newer one wrote is refused or left alone and read round,
what an older one wrote is taken over; the build that wrote it starts on it again and misses nothing."""
import json
import shutil
import sqlite3
import struct
import subprocess

import pytest

from archive import Archive
from coherence import assert_coherent, generation, sha256
from node import PROGRAM, until
from test_stock import Machine

pytestmark = pytest.mark.smoke


def files_of(state):
    return {file.relative_to(state).as_posix(): file.read_bytes() for file in state.rglob("*")
            if file.is_file() and file.name != "lock"}


def used(scene):
    """A node that was used and is stopped: with a release, deliveries, events, a job, a machine's report."""
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert Machine(scene, node).report().returncode == 0
    assert_coherent(node)
    assert node.scrub() == 0
    return archive, origin, stopped(node)


def stopped(node):
    node.stop()
    return node, node.folder / "state"


def with_database(state, *statements):
    database = sqlite3.connect(state / "aptward.db")
    found = [database.execute(statement).fetchall() for statement in statements]
    database.commit()
    database.close()
    return found


def test_R24_a_database_of_a_newer_build_is_refused_and_left_for_that_build(scene):
    archive, origin, (node, state) = used(scene)
    events = "SELECT * FROM events ORDER BY number"
    (before,) = with_database(state, events)
    assert before
    # As a newer build may leave it: a column more, and its version.
    with_database(state, "ALTER TABLE jobs ADD COLUMN priority INTEGER", "PRAGMA user_version = 2")
    newer = files_of(state)
    # One that starts all the same is ended by the time limit.
    refused = subprocess.run([PROGRAM, "serve", "--config", node.config], capture_output=True, text=True, timeout=20)
    (line,) = refused.stderr.splitlines()
    assert refused.returncode == 2 and "newer aptward (version 2, this one knows 1)" in line, refused
    assert str(state / "aptward.db") in line
    assert files_of(state) == newer, "not even its version was changed"
    # The build that knows it starts on it: here this one, once it is its own again.
    with_database(state, "ALTER TABLE jobs DROP COLUMN priority", "PRAGMA user_version = 1")
    origin.die()
    node.start()
    assert_coherent(node)
    assert [job["kind"] for job in json.loads(node.command("jobs", "--json").stdout)] == ["scrub"]
    assert "web1" in node.command("stock", "machines").stdout
    node.stop()
    assert with_database(state, events)[0][:len(before)] == before


def test_R24_files_of_a_newer_build_are_read_round_and_stay_for_it(scene):
    archive, origin, (node, state) = used(scene)
    date, _ = stopped_generation(node)
    tables = list((state / "tables").iterdir())
    (segment, *_), (report,) = (list((state / folder).iterdir()) for folder in ("deliveries", "machines"))
    assert tables
    for table in tables:
        assert table.read_bytes().startswith(b"AAPTWTB2")
        body = b"AAPTWTB3" + table.read_bytes()[8:-32]
        replace(table, body + bytes.fromhex(sha256(body)))
    replace(segment, segment.read_bytes()[:8] + struct.pack("<I", 2) + segment.read_bytes()[12:])
    replace(report, json.dumps({**json.loads(report.read_text()), "format": 2}).encode())
    shutil.copytree(state / "machines", state / "of-the-future")
    entry = '{"archive":"test","kind":"of-the-future","suite":"stable"}'
    with open(state / "journal", "a") as journal:
        journal.write(f"{sha256(entry.encode())[:16]} {entry}\n")
    newer = files_of(state)
    origin.die()
    node.start()
    assert generation(node)[0] == date
    assert_coherent(node)
    told = until("its own deliveries are recorded", lambda: (
        now := node.command("deliveries", "--json")) and json.loads(now.stdout)["deliveries"] and now)
    found = json.loads(told.stdout)
    assert found["foreign_bytes"] == segment.stat().st_size and found["damaged_bytes"] == 0
    assert "of another version" in node.command("deliveries").stderr
    assert node.scrub() == 0
    node.stop()
    now = files_of(state)
    assert now["journal"].startswith(newer["journal"])
    # Tables are made of the indexes by whoever reads them; what cannot be made again stays as it is.
    rebuilt = {name for name in newer if name.startswith("tables/")} | {"journal", "aptward.db", "format"}
    assert {name: now.get(name) for name in newer if name not in rebuilt} == {
        name: content for name, content in newer.items() if name not in rebuilt}


def test_R24_a_report_of_a_newer_build_is_named_and_may_be_forgotten(scene):
    archive, origin, (node, state) = used(scene)
    report = state / "machines/web1.json"
    replace(report, json.dumps({**json.loads(report.read_text()), "format": 2}).encode())
    node.start()
    assert Machine(scene, node, name="web2").report().returncode == 0
    one = node.command("stock", "--machine", "web1")
    assert one.returncode != 0 and "report of format 1" in one.stderr and len(one.stderr.splitlines()) == 1, one
    everything = node.command("stock")
    assert "web1" in everything.stdout and "report of format 1" in everything.stdout, everything
    assert "web2" in everything.stdout, "one report hides no other"
    assert report.exists()
    assert node.command("stock", "forget", "web1").returncode == 0 and not report.exists()
    assert node.command("stock", "forget", "web1").returncode == 1
    assert "web1" not in node.command("stock").stdout


def test_R24_the_state_of_an_older_build_is_taken_over_with_all_that_it_decided(scene):
    archive, origin, (node, state) = used(scene)
    old = Archive.copy(archive, scene.folder / "old")
    archive.add("foo", version="2")
    archive.publish()
    node.start()
    assert_coherent(node)
    date, _ = generation(node)
    node.stop()
    # As the first build left it: fewer tables, a release with its floor alone, no version anywhere.
    with_database(state, "DROP TABLE jobs", "DROP TABLE source_faults", "PRAGMA user_version = 0")
    entries = [json.loads(line.split(" ", 1)[1]) for line in (state / "journal").read_text().splitlines()]
    for entry in entries:
        if entry["kind"] == "published":
            del entry["date"], entry["published"]
    lines = [json.dumps(entry, separators=(",", ":")) for entry in entries]
    (state / "journal").write_text("".join(f"{sha256(line.encode())[:16]} {line}\n" for line in lines))
    for table in (state / "tables").iterdir():
        replace(table, b"AAPTWTB1" + table.read_bytes()[8:])
    for folder in ("deliveries", "machines", "refused", "damaged", "private"):
        shutil.rmtree(state / folder, ignore_errors=True)
    (state / "format").unlink()
    before = files_of(state)
    kept = scene.folder / "kept"
    shutil.copytree(state, kept)
    (events,) = with_database(state, "SELECT * FROM events ORDER BY number")
    # Its source offers the release before: what the older build had decided still counts.
    shutil.rmtree(archive.root)
    shutil.copytree(old.root, archive.root)
    node.start()
    assert generation(node)[0] == date
    until("the older release is refused", lambda: node.counter("release.rollback"))
    assert node.get("/test/pool/foo_2_all.deb").status == 200
    assert node.scrub() == 0
    node.stop()
    assert (state / "format").read_text() == "1\n"
    now = files_of(state)
    assert now["journal"].startswith(before["journal"])
    assert {name for name in before if name.startswith(("blobs/", "releases/"))} <= set(now)
    assert with_database(state, "SELECT * FROM events ORDER BY number")[0][:len(events)] == events
    # And what was put by before the upgrade starts as it did.
    shutil.rmtree(state)
    shutil.copytree(kept, state)
    node.start()
    assert generation(node)[0] == date


def stopped_generation(node):
    node.start()
    try:
        return generation(node)
    finally:
        node.stop()


def replace(file, content):
    """Under the same name, whatever its mode, with the same time."""
    mode = file.stat().st_mode
    file.unlink()
    file.write_bytes(content)
    file.chmod(mode & 0o777)
