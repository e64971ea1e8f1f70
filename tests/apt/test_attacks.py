# SPDX-License-Identifier: GPL-3.0-or-later
"""The attacks of docs/claims.md. Each is followed by the same checks: what the client got (C1),
nothing unproven kept (C2), success after the origin is healed without anybody's help (C3), an event
(C4) and a counter (C5), and the same after kill -9 (C7)."""
import datetime
import json
import shutil

import pytest

from node import until

pytestmark = pytest.mark.smoke


def survives(scene, archive, origin, node, apt, code, package="foo"):
    """C2 to C5 and C7 after an attack; then the healed origin must just work."""
    assert node.scrub() == 0
    assert any(code in known for known in node.event_codes()), node.event_codes()
    assert any(node.counter(known) > 0 for known in node.event_codes() if code in known)
    node.kill()
    node.start()
    assert node.scrub() == 0
    origin.heal()
    fresh = scene.apt(node)
    healed = fresh.update()
    assert healed.returncode == 0, healed
    assert fresh.download(package).returncode == 0


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_A1_C1_C2_C3_C4_C5_C7_a_tampered_deb_is_never_served_or_kept(scene, where):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    origin.always("tamper", where, only=".deb")
    assert apt.download("foo").returncode != 0
    assert node.get("/test/pool/foo_1_all.deb").status == 503
    assert not list((apt.folder / "downloads").iterdir())
    survives(scene, archive, origin, node, apt, "wrong-bytes")


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


def test_A2_a_truncated_file_is_never_kept(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    for cut in (0, 1, 700):
        origin.always("truncate", cut, only=".deb")
        assert apt.download("foo").returncode != 0
    survives(scene, archive, origin, node, apt, "truncated")


def test_A3_another_package_under_the_name_is_refused(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    origin.always("swap", archive.packages["bar"][1], only="foo_")
    assert apt.download("foo").returncode != 0
    survives(scene, archive, origin, node, apt, "source.wrong-")


@pytest.mark.parametrize("only", ["InRelease", "by-hash", ".deb"])
def test_A4_endless_answers_are_cut_at_the_limit(scene, only):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    if only == ".deb":
        assert apt.update().returncode == 0
    origin.always("endless", only=only)
    origin.sent = 0
    apt.update()
    apt.download("foo")
    assert origin.sent < 45_000_000  # a few tries of an InRelease of at most 10 MB each
    assert node.scrub() == 0
    origin.heal()
    fresh = scene.apt(node)
    assert fresh.update().returncode == 0 and fresh.download("foo").returncode == 0


def test_A5_an_edited_index_is_refused(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.always("tamper", "middle", only="Packages")
    fault = origin.fault
    origin.fault = lambda path: ("tamper", "middle") if "by-hash" in path else fault(path)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode != 0
    survives(scene, archive, origin, node, apt, "wrong-bytes")


def test_A6_V27_an_older_release_is_refused_also_after_a_restart(scene):
    archive = scene.archive()
    old = scene.folder / "old"
    shutil.copytree(archive.root, old)
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    held = node.suite()["generation"]
    origin.root = old
    for _ in range(2):
        assert scene.apt(node).update().returncode == 0
        assert node.suite()["generation"] == held
        node.kill()
        node.start()
    node.get("/test/dists/stable/InRelease")
    origin.root = archive.root
    survives(scene, archive, origin, node, apt, "release.rollback")


def test_A7_a_frozen_source_beside_a_fresh_one_is_named(scene):
    archive = scene.archive()
    old = scene.folder / "old"
    shutil.copytree(archive.root, old)
    archive.publish()
    frozen, fresh = scene.origin(old, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    node = scene.node(archive, frozen, fresh)
    assert scene.apt(node).update().returncode == 0
    assert node.suite()["date"] == int(archive.when.replace(tzinfo=datetime.timezone.utc).timestamp())
    assert {"release.freeze_suspected", "release.rollback"} & node.event_codes()


def test_A8_V25_a_release_of_the_future_never_becomes_the_floor(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    now = archive.when
    archive.publish(date=datetime.datetime(2037, 1, 1))
    assert apt.update().returncode != 0
    archive.publish(date=now)
    survives(scene, archive, origin, node, apt, "release.not-yet-valid")


def test_V26_an_expired_release_is_refused(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    archive.publish(**{"Valid-Until": "Sat, 01 Jan 2022 00:00:00 UTC"})
    assert apt.update().returncode != 0
    archive.publish()
    survives(scene, archive, origin, node, apt, "release.expired")


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


def test_A12_V16_V17_a_strangers_key_is_refused(scene, other_key):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    vendor, archive.key = archive.key, other_key
    archive.publish()
    assert apt.update().returncode != 0
    archive.key = vendor
    archive.publish()
    survives(scene, archive, origin, node, apt, "release.unknown-key")


@pytest.mark.parametrize("status", [403, 500])
def test_A15_V11_only_a_404_leads_to_the_detached_form(scene, status):
    archive = scene.archive(forms=("inline", "detached"))
    origin = scene.origin(archive)
    origin.always("status", status, only="InRelease")
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode != 0
    assert not any(path.endswith("/Release") for path, _ in origin.requests)


def test_A15_a_release_without_signature_is_refused(scene):
    archive = scene.archive(forms=("detached",))
    (archive.suite_folder / "Release.gpg").unlink()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode != 0
    archive.publish()
    survives(scene, archive, origin, node, apt, "release.unsigned")


@pytest.mark.parametrize("wrap", [lambda text: b"Date: now\n" + text, lambda text: text + b"\nSuite: x\n",
                                  lambda text: text + text])
def test_A16_text_around_the_signed_message_is_refused(scene, wrap):
    archive = scene.archive()
    file = archive.suite_folder / "InRelease"
    file.write_bytes(wrap(file.read_bytes()))
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode != 0
    archive.publish()
    survives(scene, archive, origin, node, apt, "release.")


def test_A17_V39_success_of_another_source_does_not_excuse_a_bad_signature(scene, other_key):
    archive = scene.archive()
    forged = scene.archive()
    forged.key = other_key
    forged.publish()
    bad, good = scene.origin(forged, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    node = scene.node(archive, bad, good)
    assert scene.apt(node).update().returncode == 0
    assert node.get("/test/dists/stable/InRelease").content == \
        (archive.suite_folder / "InRelease").read_bytes()


@pytest.mark.parametrize("location", ["http://127.0.0.9:1/%0aX", "file:///etc/passwd",
                                      "http://user@archive.example/", "http://127.0.0.9:22/"])
def test_A18_V38_evil_redirects_are_not_followed(scene, location):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.always("redirect", location)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode != 0
    origin.heal()
    assert scene.apt(node).update().returncode == 0


def test_A20_a_captive_portal_is_never_kept(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.always("html")
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode != 0
    survives(scene, archive, origin, node, apt, "release.portal")


def test_A21_an_unasked_304_is_no_answer(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.always("unasked304")
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode != 0
    origin.heal()
    assert scene.apt(node).update().returncode == 0


def test_A22_V29_another_suites_release_is_refused(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    archive.publish(Suite="sid", Codename="sid")
    assert apt.update().returncode != 0
    archive.publish()
    survives(scene, archive, origin, node, apt, "release.wrong-suite")


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
