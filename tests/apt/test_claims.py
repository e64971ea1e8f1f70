# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification rules that show only with a whole node: by-hash, pdiffs, evidence."""
import gzip
import hashlib
import http.client
import json
import re

import pytest

from node import until

pytestmark = pytest.mark.smoke

INDEXES = "/test/dists/stable/main/binary-amd64"


def by_hash(content, kind="SHA256"):
    return f"{INDEXES}/by-hash/{kind}/{hashlib.new(kind, content).hexdigest()}"


def index_of(archive):
    return (archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes()


def test_V33_indexes_of_earlier_generations_stay_by_hash_and_no_others(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    indexes = []
    for number in range(2, 6):
        archive.add("foo", version=str(number))
        archive.publish()
        assert scene.apt(node).update().returncode == 0
        indexes.append(index_of(archive))
    # The mirrors have forgotten them; the node must not, also not over a restart.
    for twin in archive.suite_folder.rglob("by-hash/*/*"):
        twin.unlink()
    for _ in range(2):
        for content in indexes:
            answer = node.get(by_hash(content))
            assert answer.status == 200 and answer.content == content
        assert node.get(f"{INDEXES}/Packages.xz").content == indexes[-1]
        node.kill()
        node.start()
    # A source may offer any bytes by their hash: only what an accepted release lists is served.
    stray = b"nobody signed this"
    place = archive.suite_folder / "main/binary-amd64/by-hash/SHA256"
    (place / hashlib.sha256(stray).hexdigest()).write_bytes(stray)
    answer = node.get(by_hash(stray))
    assert answer.status == 404 and answer.content.startswith(b"index.unlisted")
    # In another folder than the release's own, a listed hash is unlisted too.
    elsewhere = by_hash(indexes[-1]).replace("binary-amd64", "source")
    assert node.get(elsewhere).status == 404
    assert node.scrub() == 0


def absent(node):
    return int(re.search(r"^aptward_not_found_total (\d+)", node.admin("/metrics"), re.M)[1])


def test_V35_pdiffs_are_absent_by_every_name_and_apt_goes_on(scene):
    archive = scene.archive()
    folder = "main/binary-amd64/Packages.diff/"
    patch = gzip.compress(b"1c\nPackage: evil\n.\n")
    index = b"SHA256-Current: " + hashlib.sha256(b"x").hexdigest().encode() + b" 1\n"
    extra = {folder + "Index": index, folder + "T-1-F-2.gz": patch}
    archive.publish(extra=extra)
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    archive.add("foo", version="2")
    archive.publish(extra=extra)
    # apt has an older index now, so it looks for patches first, and takes the whole one instead.
    before = absent(node)
    updated = apt.update()
    assert updated.returncode == 0, updated
    assert absent(node) > before
    assert apt.download("foo=2").returncode == 0
    for content, name in ((index, "Index"), (patch, "T-1-F-2.gz")):
        digest = hashlib.sha256(content).hexdigest()
        for path in (name, f"by-hash/SHA256/{digest}", f"by-hash/SHA256/{digest.upper()}"):
            answer = node.get(f"/test/dists/stable/{folder}{path}")
            assert answer.status == 404, (path, answer.content)
    assert not any("Packages.diff" in path for path, _ in origin.requests)


def evidence_of(node, code):
    events = json.loads(node.command("events", "--json").stdout)
    return [event for event in events if event["code"] == code]


def test_V42_a_refusal_names_code_source_and_kept_evidence(scene, other_key):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode == 0
    vendor, archive.key = archive.key, other_key
    archive.publish()
    forged = (archive.suite_folder / "InRelease").read_bytes()
    scene.apt(node).update()
    (event,) = evidence_of(node, "release.unknown-key")
    assert event["source"] == origin.url and event["archive"] == "test" and event["suite"] == "stable"
    kept = node.folder / "state/refused" / event["evidence"]
    assert (kept / "InRelease").read_bytes() == forged
    description = json.loads((kept / "refused.json").read_text())
    assert description["source"] == origin.url and description["code"] == "release.unknown-key"
    # What is no release at all is kept as well, named by its own hash.
    origin.always("html")
    scene.apt(node).update()
    (portal,) = evidence_of(node, "release.portal")
    page = (node.folder / "state/refused" / portal["evidence"] / "InRelease").read_bytes()
    assert b"log in" in page and hashlib.sha256(page).hexdigest() == portal["evidence"]
    # The same again is counted, not kept again; and what it refused, verify knows.
    origin.heal()
    before = kept.stat().st_mtime_ns
    scene.apt(node).update()
    assert kept.stat().st_mtime_ns == before
    file = scene.folder / "InRelease"
    file.write_bytes(forged)
    said = node.command("verify", str(file))
    assert said.returncode == 1 and "release.unknown-key" in said.stdout and origin.url in said.stdout


def test_V42_wrong_bytes_name_the_digest_that_was_signed(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode == 0
    origin.always("tamper", "middle", only="foo_1")
    assert node.get("/test/pool/foo_1_all.deb").status == 503
    signed = hashlib.sha256(archive.packages["foo"][1].read_bytes()).hexdigest()
    assert {event["evidence"] for event in evidence_of(node, "source.wrong-bytes")} == {signed}


def test_V42_observed_refusals_keep_evidence_too(scene, other_key):
    archive = scene.archive()
    archive.key = other_key
    archive.publish()
    forged = (archive.suite_folder / "InRelease").read_bytes()
    archive.key = scene.key
    origin = scene.origin(archive)
    node = scene.node(archive, origin, verify="observe")
    assert node.get("/test/dists/stable/InRelease").content == forged
    (event,) = evidence_of(node, "observed.release.unknown-key")
    assert event["source"] == origin.url
    assert (node.folder / "state/refused" / event["evidence"] / "InRelease").read_bytes() == forged


def test_V10_the_files_of_a_suite_are_of_one_release_or_not_offered(scene):
    archive = scene.archive(forms=("inline", "detached"))
    node = scene.node(archive, scene.origin(archive), freshness="1h")
    inrelease = archive.suite_folder / "InRelease"
    old = inrelease.read_bytes()
    assert node.get("/test/dists/stable/InRelease").content == old
    archive.publish()
    inrelease.write_bytes(old)  # a mirror in the middle of its update
    for name in ("Release", "Release.gpg"):
        answer = node.get(f"/test/dists/stable/{name}")
        assert answer.status == 404 and answer.content.startswith(b"release.other-form"), name
    archive.publish()
    again = scene.node(archive, scene.origin(archive), freshness="1h")
    for name in ("InRelease", "Release", "Release.gpg"):
        assert again.get(f"/test/dists/stable/{name}").content == (archive.suite_folder / name).read_bytes()


def test_V31_signed_files_are_served_byte_for_byte(scene):
    archive = scene.archive(forms=("inline", "detached"))
    archive.publish(Components="updates/main", Snapshots="https://snapshot.example/@SNAPSHOTID@/",
                    Changelogs="https://changelogs.example/@CHANGEPATH@_changelog",
                    **{"No-Support-for-Architecture-all": "Packages", "X-Odd": "  kept\tas it is"})
    node = scene.node(archive, scene.origin(archive))
    for name in ("InRelease", "Release", "Release.gpg"):
        assert node.get(f"/test/dists/stable/{name}").content == (archive.suite_folder / name).read_bytes()


def test_V32_an_index_that_unpacks_to_something_else_is_never_read(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    before = node.suite()["generation"]
    archive.add("evil")
    archive.publish()
    # The packed files are as listed, the text in them is not: as long, and of another hash.
    text = gzip.decompress((archive.suite_folder / "main/binary-amd64/Packages.gz").read_bytes())
    archive.publish(extra={"main/binary-amd64/Packages": text.replace(b"Version: 1", b"Version: 2")})
    apt.update()
    until("held", lambda: "does not unpack" in node.suite()["held"])
    assert node.suite()["generation"] == before
    assert node.get("/test/pool/evil_1_all.deb").status == 404
    archive.publish()
    until("published", lambda: apt.update().returncode == 0 and node.suite()["generation"] != before)
    assert node.get("/test/pool/evil_1_all.deb").status == 200


def get_as(node, client, path):
    connection = http.client.HTTPConnection(node.address, timeout=30, source_address=(client, 0))
    connection.request("GET", path)
    return connection.getresponse().read()


def test_A9_V34_each_client_gets_the_indexes_of_the_release_it_was_given(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    release = "/test/dists/stable/InRelease"
    shown = {}
    for client in ("127.0.0.11", "127.0.0.12", "127.0.0.13"):
        archive.add(f"for-{client.replace('.', '-')}")
        archive.publish()
        assert get_as(node, client, release) == (archive.suite_folder / "InRelease").read_bytes()
        shown[client] = index_of(archive)
    assert len(set(shown.values())) == 3
    for client, index in shown.items():
        assert get_as(node, client, f"{INDEXES}/Packages.xz") == index, client
