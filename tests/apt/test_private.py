# SPDX-License-Identifier: GPL-3.0-or-later
"""Private archives: the upstream decides whom they are for, and a cached byte goes to nobody else."""
import base64

import pytest

from archive import Archive
from node import until

pytestmark = pytest.mark.smoke

FOO = "/test/pool/foo_1_all.deb"
PACKAGES = "/test/dists/stable/main/binary-amd64/Packages.xz"


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.fixture
def private(scene):
    archive = scene.archive()
    origin = scene.origin(archive, "127.0.0.2")
    origin.passwords = {"bearer:token-a", "bearer:token-b"}
    mirror = scene.origin(archive, "127.0.0.3")
    node = scene.node(archive, origin, mirror, private=True)
    return scene, archive, origin, mirror, node


def test_a_private_archive_serves_those_whom_its_upstream_accepts(private):
    scene, archive, origin, mirror, node = private
    apt = scene.apt(node)
    (apt.folder / "etc/auth.conf").write_text("machine http://archive.example login bearer password token-a\n")
    first = apt.update()
    assert first.returncode == 0, first
    got = apt.download("foo")
    assert got.returncode == 0, got
    until("held", lambda: node.get(FOO, **basic("bearer:token-a")).headers["Cache-Status"] == "aptward; hit")
    for nobody in ({}, basic("bearer:wrong"), basic("no-colon"), {"Authorization": "Bearer token-a"}):
        answer = node.get(FOO, **nobody)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic")
        assert answer.content != (archive.root / "pool/foo_1_all.deb").read_bytes()
    second = node.get(FOO, **basic("bearer:token-b"))
    assert second.status == 200 and second.content == (archive.root / "pool/foo_1_all.deb").read_bytes()


def test_credentials_go_to_the_first_upstream_only_and_into_no_log(private):
    scene, archive, origin, mirror, node = private
    assert node.get("/test/dists/stable/InRelease", **basic("bearer:token-a")).status == 200
    assert node.get("/test/dists/stable/main/binary-amd64/Packages.xz", **basic("bearer:token-a")).status == 200
    assert node.get(FOO, **basic("bearer:token-a")).status == 200
    assert mirror.requests and not any("authorization" in headers for _, headers in mirror.requests)
    node.stop()
    secret = [b"token-a", base64.b64encode(b"bearer:token-a")]
    for file in [node.folder / "log", *(node.folder / "state").rglob("*")]:
        if file.is_file():
            assert not any(text in file.read_bytes() for text in secret), file


def test_in_an_outage_those_accepted_before_are_served_and_others_are_not(private):
    scene, archive, origin, mirror, node = private
    node.config.write_text(node.config.read_text() + 'credentials-kept = "0s"\n')
    node.stop()
    node.start()
    for path in ("/test/dists/stable/InRelease", PACKAGES, FOO):
        assert node.get(path, **basic("bearer:token-a")).status == 200
    for path in (PACKAGES, FOO):  # the answer may come before its bytes are synced
        until("held", lambda: node.get(path, **basic("bearer:token-a")).headers["Cache-Status"] == "aptward; hit")
    origin.passwords.discard("bearer:token-a")
    assert node.get(FOO, **basic("bearer:token-a")).status == 401
    origin.passwords.add("bearer:token-b")
    assert node.get(FOO, **basic("bearer:token-b")).status == 200
    origin.die()
    mirror.die()
    node.stop()  # a kill may come before the word of a moment ago is written
    node.start()
    assert node.get(FOO, **basic("bearer:token-b")).status == 200, "accepted before the outage"
    unknown = node.get(FOO, **basic("bearer:token-c"))
    assert unknown.status == 503 and unknown.content.startswith(b"private.unavailable")


def test_public_metadata_says_nothing_about_who_may_have_packages(private):
    """As ESM: everybody may have the indexes, and packages need an account."""
    scene, archive, origin, mirror, node = private
    letting_in = origin.answer

    def answer(client, stream):
        origin.passwords = None if b" /dists/" in stream.peek() else {"bearer:token-a"}
        return letting_in(client, stream)
    origin.answer = answer
    package = (archive.root / "pool/foo_1_all.deb").read_bytes()
    for credentials in ("bearer:token-a", "x:junk"):
        for path in ("InRelease", "main/binary-amd64/Packages.xz"):
            assert node.get(f"/test/dists/stable/{path}", **basic(credentials)).status == 200
    good = node.get(FOO, **basic("bearer:token-a"))
    assert good.status == 200 and good.content == package
    bad = node.get(FOO, **basic("x:junk"))
    assert bad.status == 401 and bad.content.startswith(b"private.refused")
    assert node.get(FOO, **basic("bearer:token-a")).content == package


def test_another_archive_that_lists_its_digest_does_not_have_its_bytes(private):
    scene, archive, origin, mirror, node = private
    foo = (archive.root / "pool/foo_1_all.deb").read_bytes()
    # Somebody else's archive says that a file with this digest is theirs, and has no such file.
    other = Archive(scene.folder / "other", scene.key)
    other.add_bytes("foo", foo)
    other.publish()
    elsewhere = scene.origin(other, "127.0.0.4")
    elsewhere.always("status", 503, only=".deb")
    mirror.passwords = origin.passwords
    node.stop()
    node.config.write_text(node.config.read_text() + f"""
        [[archive]]
        id = "other"
        keyrings = ["{other.key.keyring}"]
        upstreams = ["{elsewhere.url}"]
        """)
    node.start()
    for path in ("dists/stable/InRelease", "dists/stable/main/binary-amd64/Packages.xz"):
        assert node.get(f"/test/{path}", **basic("bearer:token-a")).status == 200
        assert node.get(f"/other/{path}").status == 200
    until("held", lambda: node.get(FOO, **basic("bearer:token-a")).headers["Cache-Status"] == "aptward; hit")
    for _ in range(2):
        assert node.get("/other/pool/foo_1_all.deb").status == 503
        node.kill()
        node.start()
    # Nor do the bytes go out in a bundle of that archive.
    bundled = node.command("bundle", "create", "other", "--packages", "foo", "--output", scene.folder / "x.bundle")
    assert bundled.returncode == 1 and "pool/foo_1_all.deb" in bundled.stderr, bundled
    # Its own source has it now: then it is no secret.
    elsewhere.heal()
    until("given", lambda: node.get("/other/pool/foo_1_all.deb").content == foo)
    until("held", lambda: node.get("/other/pool/foo_1_all.deb").headers["Cache-Status"] == "aptward; hit")
    assert node.get(FOO, **basic("bearer:token-a")).status == 200


def test_a_mark_whose_bytes_are_gone_is_no_obstacle_for_a_plain_user(scene):
    """Root may write to any file: the node of this test has none of root's rights."""
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.passwords = {"bearer:token-a"}
    node = scene.node(archive, origin, private=True, prefix=["setpriv", "--bounding-set=-all", "--inh-caps=-all"])
    known = basic("bearer:token-a")
    for path in ("dists/stable/InRelease", "dists/stable/main/binary-amd64/Packages.xz"):
        assert node.get(f"/test/{path}", **known).status == 200
    for _ in range(2):
        until("held", lambda: node.get(FOO, **known).headers["Cache-Status"] == "aptward; hit")
        node.stop()
        for blob in (node.folder / "state/blobs").rglob("*/*/*"):
            if blob.read_bytes() == (archive.root / "pool/foo_1_all.deb").read_bytes():
                blob.unlink()
        node.start()  # and the credentials for what is cold come with the next client


def test_a_signed_file_that_came_for_a_password_is_its_archive_s_own(scene):
    content = b"secret" * 1000
    archive = scene.archive()
    folder = archive.root / "dists/stable/main/dist-upgrader-all/current"
    folder.mkdir(parents=True)
    (folder / "stable.tar.gz").write_bytes(content)
    (folder / "stable.tar.gz.gpg").write_bytes(scene.key.detached(content))
    origin = scene.origin(archive)
    origin.passwords = {"node:password"}
    (scene.folder / "secret").write_text("password\n")
    other = Archive(scene.folder / "other", scene.key)
    other.add_bytes("foo", content)
    other.publish()
    elsewhere = scene.origin(other, "127.0.0.4")
    elsewhere.always("status", 503, only=".deb")
    node = scene.node(archive, origin, user="node", tail=f"""
        [[archive]]
        id = "other"
        keyrings = ["{other.key.keyring}"]
        upstreams = ["{elsewhere.url}"]
        """, **{"password-file": str(scene.folder / "secret")})
    assert node.get("/test/dists/stable/InRelease").status == 200
    assert node.get("/test/dists/stable/main/dist-upgrader-all/current/stable.tar.gz").content == content
    for path in ("dists/stable/InRelease", "dists/stable/main/binary-amd64/Packages.xz"):
        assert node.get(f"/other/{path}").status == 200
    assert node.get("/other/pool/foo_1_all.deb").status == 503
