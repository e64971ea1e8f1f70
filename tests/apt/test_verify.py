# SPDX-License-Identifier: GPL-3.0-or-later
"""`aptward verify`: any file against what the node holds as proof, with and without the node."""
import json
import shutil
import subprocess

import pytest

from node import until

pytestmark = pytest.mark.smoke


@pytest.fixture
def held(scene):
    """A node that has adopted an archive, and a folder for copies of files."""
    archive = scene.archive()
    archive.add("g++", version="2~rc1+b2")
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    until("the index is read", lambda: node.suite()["pool_files"])
    copies = scene.folder / "copies"
    copies.mkdir()
    return scene, archive, node, copies


def each_way(node):
    """The same question to the running node, past it, and when it is gone."""
    yield ()
    yield ("--offline",)
    node.stop()
    before = snapshot(node)
    yield ()
    assert snapshot(node) == before  # reading changed nothing


def snapshot(node):
    state = node.folder / "state"
    return {str(path.relative_to(state)): path.stat().st_mtime_ns for path in state.rglob("*")}


def test_a_package_is_proven_wherever_it_lies_and_whatever_its_name(held):
    scene, archive, node, copies = held
    copy = copies / "renamed.bin"
    shutil.copy(archive.packages["foo"][1], copy)
    for way in each_way(node):
        said = node.command("verify", *way, str(copy))
        assert said.returncode == 0, said
        assert said.stdout.startswith(f"{copy}: proven: pool/foo_1_all.deb in test stable main, release of ")
        assert "signed by " in said.stdout


def test_other_bytes_for_a_listed_version_are_called_wrong(held):
    scene, archive, node, copies = held
    root = copies / "root"
    subprocess.run(["dpkg-deb", "-R", archive.packages["g++"][1], root], check=True)
    (root / "evil").write_text("x")
    evil = copies / "innocent.deb"
    subprocess.run(["dpkg-deb", "-Zxz", "--root-owner-group", "-b", root, evil], check=True,
                   capture_output=True)
    for way in each_way(node):
        said = node.command("verify", *way, str(evil))
        assert said.returncode == 1, said
        assert "wrong: test stable main lists other bytes for g++ 2~rc1+b2: pool/g++_" in said.stdout


def test_unknown_bytes_are_not_proven_and_what_cannot_be_read_is_neither(held):
    scene, archive, node, copies = held
    stray = copies / "stray.deb"
    stray.write_bytes(b"!<arch>\nnot a package")
    said = node.command("verify", str(stray))
    assert said.returncode == 1
    assert "not proven: no held release names these bytes (and it is not a sound .deb: " in said.stdout
    gone = node.command("verify", str(copies / "gone"), str(stray))
    assert gone.returncode == 3 and "gone: unreadable: " in gone.stdout and "stray.deb" in gone.stdout
    assert node.command("verify", "--archive", "other", str(stray)).returncode == 2
    assert node.command("verify").returncode == 2


def test_an_index_is_proven_packed(held):
    scene, archive, node, copies = held
    for way in each_way(node):
        said = node.command("verify", *way, "--json",
                            str(archive.suite_folder / "main/binary-amd64/Packages.xz"))
        (finding,) = json.loads(said.stdout)
        assert said.returncode == 0 and finding["verdict"] == "proven"
        assert finding["proven"][0]["path"] == "main/binary-amd64/Packages.xz"


def test_a_release_is_known_and_verified_afresh(held):
    scene, archive, node, copies = held
    first = copies / "archive.example_dists_stable_InRelease"
    shutil.copy(archive.suite_folder / "InRelease", first)
    said = node.command("verify", str(first))
    assert said.returncode == 0 and "proven: the current release of test stable, dated" in said.stdout, said
    archive.add("foo", version="2")
    archive.publish()
    assert scene.apt(node).update().returncode == 0
    for way in each_way(node):
        said = node.command("verify", *way, str(first), str(archive.suite_folder / "InRelease"))
        assert said.returncode == 0, said
        older, newer = said.stdout.splitlines()
        assert "proven: the recent release of test stable" in older
        assert "proven: the current release of test stable" in newer


def test_V8_a_release_with_other_signatures_or_text_is_not_proven(held, other_key):
    scene, archive, node, copies = held
    text = (archive.suite_folder / "InRelease").read_text()
    signed = scene.key.gpg("--decrypt", stdin=text.encode())
    cases = {"foreign": other_key.inline(signed).decode(),
             "edited": text.replace("Origin: Test", "Origin: Evil"),
             "wrapped": text + "\nSuite: evil\n"}
    for name, content in cases.items():
        file = copies / f"{name}_InRelease"
        file.write_text(content)
        said = node.command("verify", str(file))
        assert said.returncode == 1 and ": not proven: " in said.stdout, said
    detached = copies / "Release"
    detached.write_bytes(signed)
    assert "its signature Release.gpg is not beside it" in node.command("verify", str(detached)).stdout
    (copies / "Release.gpg").write_bytes(scene.key.detached(signed))
    said = node.command("verify", str(detached))
    assert said.returncode == 0 and "proven: the current release" in said.stdout, said
    (copies / "Release.gpg").write_bytes(other_key.detached(signed))
    assert node.command("verify", str(detached)).returncode == 1


def test_a_signed_release_that_was_never_accepted_is_told_apart(held):
    scene, archive, node, copies = held
    archive.publish()
    said = node.command("verify", str(archive.suite_folder / "InRelease"))
    assert said.returncode == 1 and "signed it for test, but this node has never accepted it" in said.stdout


def test_an_unverified_archive_proves_nothing(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), verify="unverified", keyrings=None)
    assert node.get("/test/dists/stable/InRelease").status == 200
    assert node.get("/test/dists/stable/main/binary-amd64/Packages.xz").status == 200
    assert node.get("/test/pool/foo_1_all.deb").status == 200
    said = node.command("verify", str(archive.packages["foo"][1]))
    assert said.returncode == 1 and "lists it, but that archive is not verified" in said.stdout, said


def test_the_proof_endpoint_wants_a_digest(held):
    scene, archive, node, copies = held
    assert node.admin("/api/v1/proof").startswith("request.malformed")
    assert node.admin("/api/v1/proof?sha256=12").startswith("request.malformed")
    assert json.loads(node.admin("/api/v1/proof?sha256=" + "0" * 64)) == \
        {"proven": [], "other_bytes": [], "refused": []}
