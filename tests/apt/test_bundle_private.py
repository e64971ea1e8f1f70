# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle of several archives, of which some are private where it is imported: whose its bytes are."""
import hashlib
import os

import pytest

from archive import Archive
from forge import Bundle
from node import until
from test_bundle import create, dead_node, do_import
from test_private import FOO, PACKAGES, basic

pytestmark = pytest.mark.smoke

INDEXES = ("dists/stable/InRelease", "dists/stable/main/binary-amd64/Packages.xz")
ORDERS = pytest.mark.parametrize("public", ["other", "zebra"], ids=["public-first", "private-first"])


def second(scene, shared, own=None):
    """Another archive that lists these bytes as its foo, and has a bar of its own."""
    archive = Archive(scene.folder / "second", scene.key)
    archive.add_bytes("foo", shared)
    archive.add_bytes("bar", own or os.urandom(3000))
    archive.publish()
    return archive


def table(archive, name, url):
    return f"""
        [[archive]]
        id = "{name}"
        keyrings = ["{archive.key.keyring}"]
        upstreams = ["{url}"]
        """


def fill(node, name, archive, **headers):
    for path in (*INDEXES, *(f"pool/{deb.name}" for _, deb in archive.packages.values())):
        node.get(f"/{name}/{path}", **headers)


def bundle_of(scene, maker, name, *arguments):
    file = scene.folder / f"{name}.bundle"
    until("all is held", lambda: maker.command("bundle", "create", name, "--output", file, *arguments).returncode == 0)
    return file


def both(scene, maker, public, *arguments):
    """One bundle of both archives."""
    identity = maker.folder / "state/identity"
    merged = Bundle(bundle_of(scene, maker, "test", "--packages", "foo,bar"), identity)
    merged.take(Bundle(bundle_of(scene, maker, public, "--packages", "foo,bar", *arguments), identity))
    return merged.write(scene.folder / "both.bundle")


def far_node(scene, archive, other, public):
    return dead_node(scene, archive, private=True, tail=table(other, public, "http://127.0.0.9:9"))


def marks(node):
    return {path.name for path in (node.folder / "state/private").rglob("SHA256-*")}


def mark_of(content):
    return "SHA256-" + hashlib.sha256(content).hexdigest()


def pool(archive, name):
    return (archive.root / f"pool/{name}_1_all.deb").read_bytes()


def makes(scene, public):
    """An archive, another one with the same foo, and a node for which neither is private."""
    archive = scene.archive()
    other = second(scene, pool(archive, "foo"))
    maker = scene.node(archive, scene.origin(archive), tail=table(other, public, scene.origin(other, "127.0.0.4").url))
    fill(maker, "test", archive)
    fill(maker, public, other)
    return archive, other, maker


def gives_all(node, public, other):
    for path in INDEXES:
        assert node.get(f"/{public}/{path}").status == 200
    for name in ("foo", "bar"):
        assert node.get(f"/{public}/pool/{name}_1_all.deb").content == pool(other, name)


@ORDERS
@pytest.mark.parametrize("way", ["imported", "served"])
def test_what_a_public_archive_of_the_bundle_names_is_nobody_s_own(scene, public, way):
    archive, other, maker = makes(scene, public)
    file = both(scene, maker, public)
    far = far_node(scene, archive, other, public)
    if way == "imported":
        done = do_import(far, file)
        assert done.returncode == 0 and "left out" not in done.stdout, done
    else:
        far.stop()
        far.arguments = ["--bundle", str(file)]
        far.start()
        until("it is taken in", lambda: "bundle.imported" in far.event_codes())
    gives_all(far, public, other)
    assert mark_of(pool(archive, "bar")) in marks(far)
    assert {mark_of(pool(other, "foo")), mark_of(pool(other, "bar"))}.isdisjoint(marks(far))
    packages = (archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes()
    assert mark_of(packages) in marks(far)


def test_a_bundle_of_a_public_archive_takes_the_mark_off(scene):
    archive, other, maker = makes(scene, "other")
    far = far_node(scene, archive, other, "other")
    assert do_import(far, bundle_of(scene, maker, "test")).returncode == 0
    assert mark_of(pool(archive, "foo")) in marks(far)
    assert do_import(far, bundle_of(scene, maker, "other")).returncode == 0
    gives_all(far, "other", other)
    assert marks(far) >= {mark_of(pool(archive, "bar"))} and mark_of(pool(archive, "foo")) not in marks(far)
    # And it stays off when the private one comes again, and after a restart.
    assert do_import(far, scene.folder / "test.bundle").returncode == 0
    far.kill()
    far.start()
    gives_all(far, "other", other)


@ORDERS
@pytest.mark.parametrize("way", ["imported", "served"])
def test_who_lists_the_digest_of_a_private_file_has_it_by_no_bundle(scene, public, way):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.passwords = {"bearer:token-a"}
    other = second(scene, pool(archive, "foo"))
    elsewhere = scene.origin(other, "127.0.0.4")
    elsewhere.always("status", 503, only="foo_1_all.deb")
    maker = scene.node(archive, origin, private=True, tail=table(other, public, elsewhere.url))
    fill(maker, "test", archive, **basic("bearer:token-a"))
    fill(maker, public, other)
    file = both(scene, maker, public, "--allow-missing")
    far = far_node(scene, archive, other, public)
    if way == "imported":
        assert do_import(far, file).returncode == 0
    else:
        far.stop()
        far.arguments = ["--bundle", str(file)]
        far.start()
        until("it is taken in", lambda: "bundle.imported" in far.event_codes())
    assert far.get(f"/{public}/pool/bar_1_all.deb").status == 200
    assert far.get(f"/{public}/pool/foo_1_all.deb").status == 503
    assert mark_of(pool(archive, "foo")) in marks(far)
    foo = next(member for member in Bundle(file, maker.folder / "state/identity").manifest["members"]
               if member.get("path") == "pool/foo_1_all.deb")
    assert foo["archives"] == ["test"]
