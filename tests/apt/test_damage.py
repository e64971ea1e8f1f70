# SPDX-License-Identifier: GPL-3.0-or-later
"""Held files that a disk damaged, or that another archive lists otherwise: fetched again, never lost."""
import email.utils
import hashlib
import json
import lzma
import os
import re
import sqlite3

import pytest

from archive import Archive
from node import Node, until
from shim import Shim

pytestmark = pytest.mark.smoke


def blob_of(node, content):
    name = hashlib.sha256(content).hexdigest()
    return node.folder / "state/blobs/sha256" / name[:2] / name


def test_R7_I4_an_index_whose_held_file_rotted_is_fetched_again(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    content = (archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes()
    blob = blob_of(node, content)
    until("held", blob.exists)
    node.stop()
    blob.chmod(0o644)
    blob.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    for table in (node.folder / "state/tables").iterdir():
        table.unlink()
    node.start()

    def is_served():
        node.get("/test/dists/stable/InRelease")
        return node.get("/test/pool/foo_1_all.deb").status == 200
    until("the index is right again", is_served)
    assert blob.read_bytes() == content and node.scrub() == 0


def test_R8_I4_a_cut_index_does_not_hold_up_the_next_release(scene):
    archive = scene.archive()
    text = os.urandom(3000)
    packed = lzma.compress(text)
    archive.extra = {"main/i18n/Translation-en": text, "main/i18n/Translation-en.xz": packed}
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    assert node.get("/test/dists/stable/main/i18n/Translation-en.xz").content == packed
    blob = blob_of(node, packed)
    until("held", blob.exists)
    node.stop()
    os.truncate(blob, 100)
    node.start()
    archive.add("new")
    archive.publish(later=600)

    def is_served():
        node.get("/test/dists/stable/InRelease")
        return node.get("/test/pool/new_1_all.deb").status == 200
    until("the new release is served", is_served)
    assert blob.read_bytes() == packed and node.scrub() == 0


def test_R8_the_hash_of_a_held_file_listed_elsewhere_with_another_size_costs_nothing(scene, other_key):
    archive = scene.archive()
    content = archive.packages["foo"][1].read_bytes()
    other = Archive(scene.folder / "other", other_key)
    other.add("foo")
    right = other._stanza
    other._stanza = lambda name, item: re.sub(
        "Size: .*", f"Size: {len(content) + 1}",
        re.sub("SHA256: .*", f"SHA256: {hashlib.sha256(content).hexdigest()}", right(name, item)))
    other.publish()
    origin, liar = scene.origin(archive, "127.0.0.2"), scene.origin(other, "127.0.0.3")
    node = scene.node(archive, origin, tail=(
        f'[[archive]]\nid = "other"\nkeyrings = ["{other_key.keyring}"]\nfreshness = "0s"\n'
        f'upstreams = ["{liar.url}"]\nhosts = ["other.example"]\n'))
    for name in ("test", "other"):
        assert node.get(f"/{name}/dists/stable/InRelease").status == 200
        assert node.get(f"/{name}/dists/stable/main/binary-amd64/Packages.xz").status == 200
    assert node.get("/test/pool/foo_1_all.deb").content == content
    blob = blob_of(node, content)
    until("held", blob.exists)
    origin.die()
    assert node.get("/other/pool/foo_1_all.deb").status == 503
    assert blob.exists() and not list((node.folder / "state/damaged").iterdir())
    node.stop()
    node.start()
    assert node.get("/test/pool/foo_1_all.deb").content == content


def scrub(node):
    done = node.command("scrub", "--json")
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def is_recorded(node, package):
    return package.name in node.admin(f"/api/v1/deliveries?path={package.name}")


@pytest.fixture
def used(scene):
    """A node whose client has taken a package, with the delivery on record."""
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.download("foo").returncode == 0
    package = archive.packages["foo"][1]
    blob = blob_of(node, package.read_bytes())
    until("it is held, and on record", lambda: blob.exists() and is_recorded(node, package))
    return archive, origin, node, package, blob


def test_R7_R26_what_a_scrub_finds_damaged_it_gets_again_from_a_source(scene, used):
    archive, origin, node, package, blob = used
    held = [blob, blob_of(node, (archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes())]
    until("both are held", lambda: all(blob.exists() for blob in held))
    for blob in held:
        blob.chmod(0o644)
        with open(blob, "r+b") as file:
            file.write(b"rotten")
    status, result = scrub(node)
    assert status == 1 and len(result["damaged"]) == 2
    assert {"store.damaged", "store.repaired"} <= node.event_codes()
    origin.die()
    assert scrub(node)[0] == 0, "all is right again"
    fresh = scene.apt(node)
    assert fresh.update().returncode == 0 and fresh.download("foo").returncode == 0
    assert node.get(f"/test/pool/{package.name}").content == package.read_bytes()


def test_R7_what_no_source_has_any_more_is_told_and_stays_away(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.download("foo").returncode == 0
    blob = blob_of(node, archive.packages["foo"][1].read_bytes())
    until("it is held", blob.exists)
    blob.chmod(0o644)
    blob.write_bytes(b"x" * blob.stat().st_size)
    origin.die()
    assert scrub(node)[0] == 1
    assert "store.unrepaired" in node.event_codes()
    assert node.get(f"/test/pool/{archive.packages['foo'][1].name}").status == 503


def test_R8_an_index_that_is_gone_is_fetched_before_somebody_needs_it(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode == 0
    blob = blob_of(node, (archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes())
    until("it is held", blob.exists)
    blob.unlink()
    done = node.command("scrub")
    assert done.returncode == 0 and "1 missing; 1 fetched again" in done.stdout, done
    origin.die()
    assert scene.apt(node).update().returncode == 0


def test_R7_I4_what_only_a_named_moment_has_is_got_again_as_well(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.download("foo").returncode == 0
    package, stamp = archive.packages["foo"][1], archive.when.strftime("%Y%m%dT%H%M%SZ")
    assert node.command("snapshot", "name", "test", stamp, "good").returncode == 0
    for number in range(6):  # more than are at hand
        archive.add("foo", str(number + 2))
        archive.publish()
        until("the next", lambda: node.get(f"/test/pool/foo_{number + 2}_all.deb").status == 200)
    blob = blob_of(node, package.read_bytes())
    blob.chmod(0o644)
    blob.write_bytes(b"rotten")
    assert scrub(node)[0] == 1 and "store.repaired" in node.event_codes()
    assert blob.read_bytes() == package.read_bytes()


def test_R8_a_scrub_writes_the_signed_files_of_what_is_served_again(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    (file,) = (node.folder / "state/releases").glob("*/InRelease")
    right = file.read_bytes()
    file.write_bytes(right[:-50] + b"x" + right[-49:])  # of the signature: the text has its id still
    mended = node.command("scrub")
    assert mended.returncode == 0 and "signed files of 1 releases were damaged" in mended.stdout, mended
    assert file.read_bytes() == right
    assert "release.damaged" in node.event_codes()
    file.write_bytes(b"rotten")
    stuck = node.command("gc", "--to", "1G")
    assert stuck.returncode == 1 and "nothing goes" in stuck.stderr and "aptward scrub" in stuck.stderr, stuck
    assert node.command("scrub").returncode == 0
    assert node.command("gc", "--to", "1G").returncode == 0


@pytest.mark.parametrize("kind", ["frozen", "published", "everything"])
def test_R7_R8_R9_what_rots_of_the_journal_comes_back_from_the_database(scene, kind):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    first = node.get("/test/dists/stable/InRelease").content
    old = Archive.copy(archive, scene.folder / "old")
    archive.add("new")
    archive.publish(later=600)
    until("the newer release", lambda: node.get("/test/dists/stable/InRelease").content != first)
    newest = node.get("/test/dists/stable/InRelease").content
    if kind == "frozen":
        release = [line for line in first.decode().splitlines() if line.startswith("Date: ")][0]
        moment = email.utils.parsedate_to_datetime(release[6:].replace("UTC", "+0000"))
        frozen = node.command("freeze", "test", "--at", moment.strftime("%Y%m%dT%H%M%SZ"))
        assert frozen.returncode == 0, frozen.stderr
        assert node.get("/test/dists/stable/InRelease").content == first
    served = node.get("/test/dists/stable/InRelease").content
    node.stop()
    journal = node.folder / "state/journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    if kind == "everything":
        journal.unlink()
    else:
        at = max(i for i, line in enumerate(lines) if b'"kind":"%s"' % kind.encode() in line)
        lines[at] = bytes([lines[at][0] ^ 1]) + lines[at][1:]
        journal.write_bytes(b"".join(lines))
    origin.root = old.root  # a mirror that is behind: without the floor it would be believed
    node.start()
    answer = node.get("/test/dists/stable/InRelease")
    assert answer.content == served and served == (first if kind == "frozen" else newest)
    assert (answer.getheader("Aptward-Frozen") is not None) == (kind == "frozen")
    until("it is told", lambda: node.counter("journal.mended"))
    assert not node.counter("journal.damaged")


def test_R7_what_rots_of_the_journal_in_both_places_is_told_until_somebody_decides(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert node.get("/test/dists/stable/InRelease").status == 200
    assert node.command("snapshot", "name", "test", "0s", "good").returncode == 0
    assert node.command("doctor").returncode == 0
    node.stop()
    journal = node.folder / "state/journal"
    journal.write_bytes(journal.read_bytes().replace(b'"snapshot"', b'"snapshut"'))
    with sqlite3.connect(node.folder / "state/aptward.db") as database:
        database.execute("DELETE FROM journal_lines")
    database.close()
    node.start()
    doctor = node.command("doctor")
    assert doctor.returncode == 1 and "1 lines of the journal are damaged" in doctor.stdout
    assert "lines of the journal are damaged" in node.command("status").stdout
    assert node.counter("journal.damaged")
    assert str(journal) in doctor.stdout, "which file to mend"
    node.stop()
    journal.write_bytes(b"".join(line for line in journal.read_bytes().splitlines(keepends=True)
                                 if b'"snapshut"' not in line))
    node.start()
    assert node.command("doctor").returncode == 0 and not node.counter("journal.damaged")


def rot(blob):
    blob.chmod(0o644)
    blob.write_bytes(b"x" * blob.stat().st_size)


def test_R7_I4_what_no_source_gave_is_looked_for_at_every_scrub_until_it_is_there(used):
    archive, origin, node, package, blob = used
    rot(blob)
    origin.die()
    status, result = scrub(node)
    assert status == 1 and (len(result["damaged"]), result["mended"], result["unmended"]) == (1, 0, 1), result
    assert package.name in result["unmended_files"][0]["name"] and result["unmended_files"][0]["why"]
    again = node.command("scrub", "--now")
    assert again.returncode == 1 and "1 missing" in again.stdout and "1 could not be fetched" in again.stdout, again
    assert package.name in again.stdout
    doctor = node.command("doctor")
    assert doctor.returncode == 1 and package.name in doctor.stdout and "aptward scrub" in doctor.stdout, doctor
    assert package.name in node.command("status").stdout
    assert node.status()["unmended"]["count"] == 1
    origin.revive()
    status, result = scrub(node)
    assert status == 0 and (result["missing"], result["mended"], result["unmended"]) == (1, 1, 0), result
    assert blob.read_bytes() == package.read_bytes()
    assert package.name not in node.command("doctor").stdout and node.status()["unmended"]["count"] == 0
    blob.unlink()  # as if it had gone since: what was made good once is no damage any more
    for segment in (node.folder / "state/deliveries").iterdir():
        segment.unlink()
    assert scrub(node)[1]["missing"] == 0


def test_R8_I4_a_package_that_is_in_use_and_gone_is_fetched_again(used):
    archive, origin, node, package, blob = used
    blob.unlink()
    status, result = scrub(node)
    assert status == 0 and (result["damaged"], result["missing"], result["mended"]) == ([], 1, 1), result
    assert blob.read_bytes() == package.read_bytes()
    assert not blob_of(node, archive.packages["bar"][1].read_bytes()).exists(), "nobody has used it"
    blob.unlink()
    origin.die()
    status, result = scrub(node)
    assert status == 1 and result["unmended"] == 1, result


def test_R8_I4_what_a_pin_holds_and_is_gone_is_fetched_again(used):
    archive, origin, node, package, blob = used
    stamp = archive.when.strftime("%Y%m%dT%H%M%SZ")
    assert node.command("snapshot", "pin", "test", stamp).returncode == 0
    archive.add("foo", "2")
    archive.publish()
    until("the next", lambda: node.get("/test/pool/foo_2_all.deb").status == 200)
    blob.unlink()
    status, result = scrub(node)
    assert status == 0 and result["mended"] == 1 and blob.exists(), result
    assert node.command("snapshot", "drop", "test", stamp).returncode == 0
    blob.unlink()
    assert scrub(node)[1]["missing"] == 0 and not blob.exists(), "only an earlier release names it"


def test_R7_I4_a_node_looks_again_by_itself_for_what_no_source_gave(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    shim = Shim(scene.folder, scene.folder / "node-shim/state")
    node = Node(scene.folder / "node-shim", archive, [origin], environment=shim.environment,
                top=['deliveries-kept = "0"'])  # what was set aside is enough to know
    scene.nodes.append(node)
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.download("foo").returncode == 0
    blob = blob_of(node, archive.packages["foo"][1].read_bytes())
    until("it is held", blob.exists)
    rot(blob)
    origin.die()
    assert scrub(node)[0] == 1
    origin.revive()
    shim.clock_offset_s = 3700
    until("it is there again", blob.exists, 40)
    until("and that is known", lambda: node.status()["unmended"]["count"] == 0)
