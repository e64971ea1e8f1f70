# SPDX-License-Identifier: GPL-3.0-or-later
"""A key that signed what is served, and should not have it said for it any more."""
import json

import pytest

from node import until

pytestmark = pytest.mark.smoke

RELEASE = "/test/dists/stable/InRelease"
PACKAGES = "/test/dists/stable/main/binary-amd64/Packages.xz"


def test_V16_a_revoked_key_ends_what_it_signed_until_another_signs_or_it_is_approved(scene, other_key):
    archive = scene.archive()
    vendor, key = archive.key, archive.key.fingerprint
    both = scene.folder / "both.gpg"
    both.write_bytes(vendor.keyring.read_bytes() + other_key.keyring.read_bytes())
    node = scene.node(archive, scene.origin(archive), keyrings=[str(both)])
    assert scene.apt(node).update().returncode == 0
    pool = "/test/" + str(next(archive.root.rglob("foo*.deb")).relative_to(archive.root))
    assert node.get(pool).status == 200
    unknown = node.command("keys", "revoke", "test", "0" * 40)
    assert unknown.returncode == 1 and key in unknown.stderr
    revoked = node.command("keys", "revoke", "test", key.lower())
    assert revoked.returncode == 0, revoked.stderr

    def is_withdrawn():
        for path in (RELEASE, PACKAGES, pool):
            answer = node.get(path)
            assert answer.status == 503, (path, answer.status, answer.content)
        assert b"revoked" in node.get(PACKAGES).content
        assert "REVOKED" in node.command("keys").stdout
        assert "keys.revoked" in node.command("status").stdout
        doctor = node.command("doctor")
        assert doctor.returncode == 1 and f"keys approve test" in doctor.stdout, doctor.stdout

    is_withdrawn()
    node.kill()
    node.start()
    is_withdrawn()
    assert "keys.revoked" in node.event_codes()
    # The other key carries the next release.
    archive.key = other_key
    archive.publish()
    until("served again", lambda: node.get(RELEASE).status == 200)
    assert node.get(PACKAGES).status == 200
    archive.key = vendor
    archive.publish()
    before = node.suite()["generation"]
    node.get(RELEASE)
    assert node.suite()["generation"] == before
    assert node.command("keys", "approve", "test").returncode == 1, "a revocation is taken back by name"
    assert node.command("keys", "approve", "test", key).returncode == 0
    until("the vendor's", lambda: node.get(RELEASE).status == 200 and node.suite()["generation"] != before)


def test_V16_a_signer_that_left_its_keyring_is_named_everywhere(scene, other_key):
    archive = scene.archive()
    key = archive.key.fingerprint
    keyring = scene.folder / "keyring.gpg"
    keyring.write_bytes(archive.key.keyring.read_bytes())
    node = scene.node(archive, scene.origin(archive), keyrings=[str(keyring)])
    assert scene.apt(node).update().returncode == 0
    node.stop()
    keyring.write_bytes(other_key.keyring.read_bytes())
    node.start()
    assert node.get(RELEASE).status == 200, "what was accepted goes on being served"
    assert node.suite()["signers_not_in_keyring"] == [key]
    assert "SIGNER NOT IN THE KEYRING" in node.command("status").stdout
    assert "NOT IN THE KEYRING" in node.command("keys").stdout
    doctor = node.command("doctor")
    assert doctor.returncode == 1 and f"aptward keys revoke test {key}" in doctor.stdout
    assert node.command("keys", "revoke", "test", key).returncode == 0
    refused = node.get(RELEASE)
    assert refused.status == 503 and b"revoked" in refused.content
    assert json.loads(node.command("keys", "--json").stdout)[0]["revoked"] == [key]
