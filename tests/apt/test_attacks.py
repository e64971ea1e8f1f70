# SPDX-License-Identifier: GPL-3.0-or-later
"""What attacks do beyond the checks that test_attack_matrix.py makes after each of them."""
import json
import os
import shutil

import pytest

from node import until

pytestmark = pytest.mark.smoke


def test_A1_a_large_tampered_deb_is_cut_before_its_end(scene):
    archive = scene.archive()
    deb = archive.add("large", payload_bytes=8_000_000)
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    origin.always("tamper", "first", only="large")
    answer = node.get("/test/pool/large_1_all.deb")
    assert answer.content is None or answer.status == 503
    origin.heal()
    again = node.get("/test/pool/large_1_all.deb", Range="bytes=100-")
    assert again.status == 200 and again.content == deb.read_bytes()


def test_V26_an_expired_release_is_refused(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    archive.publish(**{"Valid-Until": "Sat, 01 Jan 2022 00:00:00 UTC"})
    assert apt.update().returncode != 0
    assert node.counter("release.expired") > 0
    archive.publish()
    assert scene.apt(node).update().returncode == 0


def test_A9_R20_a_client_keeps_its_generation_while_the_archive_switches(scene):
    archive = scene.archive(by_hash=False)
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    for number in range(2, 12):
        assert apt.update().returncode == 0
        archive.add("foo", version=str(number))
        archive.publish()
    assert apt.update().returncode == 0
    assert apt.download("foo=11").returncode == 0


@pytest.mark.parametrize("status", [403, 500])
def test_A15_V11_only_a_404_leads_to_the_detached_form(scene, status):
    archive = scene.archive(forms=("inline", "detached"))
    origin = scene.origin(archive)
    origin.always("status", status, only="InRelease")
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode != 0
    assert not any(path.endswith("/Release") for path, _ in origin.requests)


def test_V28_a_changed_origin_needs_an_approval(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    held = node.suite()["generation"]
    archive.publish(Origin="Somebody Else")
    assert apt.update().returncode == 0
    assert node.suite()["generation"] == held
    assert "release.identity-changed" in node.event_codes()


def test_A17_V39_the_same_text_under_a_foreign_signature_is_judged_by_itself(scene, other_key):
    archive = scene.archive()
    foreign = scene.folder / "foreign"
    shutil.copytree(archive.root, foreign)
    good, bad = scene.origin(archive, "127.0.0.2"), scene.origin(foreign, "127.0.0.3")
    signed = archive.suite_folder / "InRelease"
    (foreign / "dists/stable/InRelease").write_bytes(
        other_key.inline(scene.key.gpg("--decrypt", stdin=signed.read_bytes())))
    bad.always("status", 503)  # so that the good signature is known when the same text comes with the other
    node = scene.node(archive, good, bad)
    assert scene.apt(node).update().returncode == 0
    bad.heal()

    def is_refused():
        assert node.get("/test/dists/stable/InRelease").content == signed.read_bytes()
        return "release.unknown-key" in node.event_codes()
    until("refused", is_refused)
    events = json.loads(node.admin("/api/v1/events?limit=5000"))
    assert {event["source"] for event in events if event["code"] == "release.unknown-key"} == {bad.url}


def test_A19_V38_a_redirect_to_another_private_host_is_not_followed(scene):
    archive = scene.archive()
    origin, inside = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode == 0
    path = "/pool/foo_1_all.deb"
    origin.always("redirect", inside.url + path, only=".deb")
    assert node.get("/test" + path).status == 503
    assert inside.requests == []
    assert "source.redirect" in node.event_codes()
    # Within the source's own host it may lead anywhere.
    origin.fault = lambda asked: ("redirect", f"{origin.url}/pool/bar_1_all.deb") if "foo_1" in asked else None
    shutil.copy(archive.root / "pool/foo_1_all.deb", archive.root / "pool/bar_1_all.deb")
    until("followed", lambda: node.get("/test" + path).status == 200)


def test_A21_C3_what_was_refused_is_not_kept_by_a_304(scene):
    archive = scene.archive()
    release = archive.suite_folder / "InRelease"
    good, moment = release.read_bytes(), release.stat().st_mtime
    release.write_bytes(good.replace(b"Label: Test", b"Label: Evil"))
    os.utime(release, (moment, moment))
    node = scene.node(archive, scene.origin(archive))
    assert node.get("/test/dists/stable/InRelease").status == 503
    # The same file as it should be, and so of the same time: the origin answers 304 to that.
    release.write_bytes(good)
    os.utime(release, (moment, moment))
    until("it is served", lambda: node.get("/test/dists/stable/InRelease").content == good)
