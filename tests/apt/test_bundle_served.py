# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle that is served from its file: nothing of its packages is copied before somebody asks for it."""
import hashlib
import json
import os

import pytest

from node import until
from test_bundle import create, dead_node, held_files, make_bundle, stock
from test_jobs import rot

pytestmark = pytest.mark.smoke


def serving(scene, archive, file, **keys):
    """A node without a network that was started with a bundle."""
    node = dead_node(scene, archive, **keys)
    node.stop()
    node.arguments = ["--bundle", str(file)]
    node.start()
    until("its releases are taken in", lambda: "bundle.imported" in node.event_codes())
    return node


def result(node):
    (job,) = json.loads(node.admin("/api/v1/jobs"))
    return job["result"]


def name_of(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_only_what_is_asked_for_takes_room(scene):
    archive, maker = stock(scene)
    file = make_bundle(scene, maker)
    node = serving(scene, archive, file)
    facts = result(node)
    assert (facts["shelved"], facts["unproven"]) == (6, 0) and facts["stored"] == len(held_files(node)) < 6
    client = scene.apt(node)
    assert client.update().returncode == 0
    assert client.run("apt-get", "install", "-q", "-y", "--download-only", "pear").returncode == 0
    for name in ("apple", "pear", "tree"):
        deb = client.folder / f"cache/archives/{name}_1_all.deb"
        assert deb.read_bytes() == (archive.root / "pool" / deb.name).read_bytes()
    wanted = {name_of(archive.root / f"pool/{name}_1_all.deb") for name in ("apple", "pear", "tree")}
    until("they are held", lambda: wanted <= set(held_files(node)))
    assert name_of(archive.root / "pool/foo_1_all.deb") not in held_files(node)
    until("the record says where it came from", lambda: "bundle:x.bundle" in node.command(
        "deliveries", "--path", "pool/pear_1_all.deb", "--json").stdout)
    # Without the bundle there is what was asked for, and no more.
    node.stop()
    node.arguments = ()
    node.start()
    assert node.get("/test/pool/pear_1_all.deb").status == 200
    assert node.get("/test/pool/foo_1_all.deb").status == 503


def test_a_bundle_that_is_removed_after_the_start_is_served_on(scene):
    archive, maker = stock(scene)
    file = make_bundle(scene, maker)
    node = serving(scene, archive, file)
    file.unlink()
    answer = node.get("/test/pool/apple_1_all.deb")
    assert answer.content == (archive.root / "pool/apple_1_all.deb").read_bytes()


@pytest.mark.parametrize("size", [400_000, 9_000_000], ids=["stored-first", "passed-on"])
def test_a_bundle_that_changes_after_the_start_gives_no_wrong_bytes(scene, size):
    archive, maker = stock(scene)
    content = os.urandom(size)
    archive.add_bytes("big", content)
    archive.publish()
    assert scene.apt(maker).update().returncode == 0
    assert maker.get("/test/pool/big_1_all.deb").status == 200
    file = scene.folder / "x.bundle"
    until("all is held", lambda: create(maker, file, "--packages", "big,foo").returncode == 0)
    node = serving(scene, archive, file)
    # Noise cannot be packed: its bytes stand in the file as they are.
    inside = file.read_bytes()
    at = inside.index(content[-1000:])
    with open(file, "r+b") as changed:
        changed.seek(at + 500)
        changed.write(bytes([content[-500] ^ 1]))
    answer = node.get("/test/pool/big_1_all.deb")
    assert answer.status == 503 or answer.content is None
    assert hashlib.sha256(content).hexdigest() not in held_files(node) and node.scrub() == 0
    assert "source.wrong-bytes" in node.event_codes()
    # Right again, and so is the answer, once the flight that was lied to has given up.
    with open(file, "r+b") as changed:
        changed.seek(at)
        changed.write(content[-1000:])
    until("it is right", lambda: node.get("/test/pool/big_1_all.deb").content == content)
    # Cut short: what is not there any more is not called absent.
    with open(file, "r+b") as changed:
        changed.truncate(10)
    assert node.get("/test/pool/foo_1_all.deb").status == 503


def test_what_rots_in_the_store_is_had_from_the_bundle_again(scene):
    archive, maker = stock(scene)
    node = serving(scene, archive, make_bundle(scene, maker))
    deb = archive.root / "pool/apple_1_all.deb"
    assert node.get("/test/pool/apple_1_all.deb").status == 200
    until("it is held", lambda: name_of(deb) in held_files(node))
    rot(node, deb)
    assert node.scrub() == 1 and "store.repaired" in node.event_codes()
    assert node.get("/test/pool/apple_1_all.deb").content == deb.read_bytes() and node.scrub() == 0


def test_a_private_archive_takes_all_of_it_in(scene):
    archive, maker = stock(scene)
    file = make_bundle(scene, maker)
    origin = scene.origin(archive)
    origin.passwords = {"bearer:token"}
    node = scene.node(archive, origin, private=True)
    node.stop()
    node.arguments = ["--bundle", str(file)]
    node.start()
    until("it is taken in", lambda: "bundle.imported" in node.event_codes())
    assert result(node)["shelved"] == 0
    marked = {path.name.split("-")[-1] for path in (node.folder / "state/private/test").iterdir()}
    assert marked == set(held_files(node)) and len(marked) > 5
    assert node.get("/test/pool/foo_1_all.deb").status == 401


def test_a_bundle_in_pieces_and_of_sha512_only_is_served(scene):
    archive = scene.archive(hashes=("SHA512",))
    archive.add("big", payload_bytes=1_500_000)
    archive.publish()
    maker = scene.node(archive, scene.origin(archive))
    assert scene.apt(maker).update().returncode == 0
    for name in ("foo", "big"):
        assert maker.get(f"/test/pool/{name}_1_all.deb").status == 200
    file = scene.folder / "x.bundle"
    until("all is held", lambda: create(maker, file, "--packages", "foo,big", "--split", "1M").returncode == 0)
    node = serving(scene, archive, file)
    client = scene.apt(node)
    assert client.update().returncode == 0 and client.download("foo", "big").returncode == 0
    assert (client.folder / "downloads/big_1_all.deb").read_bytes() == \
        (archive.root / "pool/big_1_all.deb").read_bytes()
