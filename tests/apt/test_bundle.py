# SPDX-License-Identifier: GPL-3.0-or-later
"""One file that carries what a node holds to where no network leads."""
import hashlib
import json
import pathlib
import subprocess

import pytest

from node import PROGRAM, until

pytestmark = pytest.mark.smoke


def aptward(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)


def stock(scene):
    """An archive, and a node that holds all of it: pear needs a fruit and a tree, apple is a fruit."""
    archive = scene.archive()
    archive.add("apple", payload_bytes=400_000, Provides="fruit")
    archive.add("tree", payload_bytes=5000)
    archive.add("pear", Depends="nothing | fruit (>= 1), tree:any")
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    for version, path in archive.packages.values():
        assert node.get(f"/test/pool/{path.name}").status == 200
    blobs = node.folder / "state/blobs/sha256"
    until("all is held", lambda: sum(path.is_file() for path in blobs.rglob("*")) >= 6)
    return archive, node


def create(node, file, *arguments):
    return node.command("bundle", "create", "test", "stable", "--output", str(file), *arguments)


def inspect(file, *arguments):
    done = aptward("bundle", "inspect", file, "--json", *arguments)
    return done.returncode, json.loads(done.stdout)


def packages_in(facts):
    return sorted(pathlib.Path(member["path"]).name for member in facts["members"]
                  if member["path"].startswith("pool/"))


def test_a_bundle_has_what_the_node_holds_and_says_so(scene):
    archive, node = stock(scene)
    file = scene.folder / "all.bundle"
    made = create(node, file)
    assert made.returncode == 0, made.stderr
    status, facts = inspect(file)
    assert (status, facts["whole"], facts["missing"]) == (0, True, [])
    assert packages_in(facts) == [f"{name}_1_all.deb" for name in ("apple", "bar", "foo", "pear", "tree")]
    (release,) = facts["releases"]
    assert release["archive"] == "test" and release["suite"] == "stable"
    assert release["id"] == node.suite()["generation"]
    # Twice the same, but for the time and what follows from it; never in the place of another file.
    assert create(node, file).returncode == 1
    again = scene.folder / "again.bundle"
    assert create(node, again).returncode == 0
    assert inspect(again)[1]["members"] == facts["members"]
    assert inspect(again)[1]["signer"] == facts["signer"] and facts["signer"] in made.stdout
    assert inspect(file, "--signed-by", facts["signer"])[0] == 0
    other = facts["signer"].replace("+", "x+", 1)
    assert aptward("bundle", "inspect", file, "--signed-by", other).returncode == 1
    # Anybody can look into it, with nothing of ours.
    subprocess.run(f"zstd -q -d < {file} | tar x", shell=True, check=True, cwd=scene.folder)
    signed = scene.folder / "releases" / release["id"] / "InRelease"
    assert signed.read_bytes() == (archive.suite_folder / "InRelease").read_bytes()
    deb = (archive.root / "pool/pear_1_all.deb").read_bytes()
    assert (scene.folder / "blobs/sha256" / hashlib.sha256(deb).hexdigest()).read_bytes() == deb


def test_a_bundle_for_a_few_packages_has_what_they_need(scene):
    archive, node = stock(scene)
    file = scene.folder / "pear.bundle"
    assert create(node, file, "--packages", "pear").returncode == 0
    assert packages_in(inspect(file)[1]) == ["apple_1_all.deb", "pear_1_all.deb", "tree_1_all.deb"]
    wanted = scene.folder / "selections"
    wanted.write_text("tree:all\tinstall\nfoo\tdeinstall\n\n# bar\n")
    file = scene.folder / "list.bundle"
    assert create(node, file, "--list", str(wanted)).returncode == 0
    assert packages_in(inspect(file)[1]) == ["tree_1_all.deb"]


def test_what_is_not_held_is_named_and_nothing_is_written(scene):
    archive, node = stock(scene)
    deb = (archive.root / "pool/tree_1_all.deb").read_bytes()
    name = hashlib.sha256(deb).hexdigest()
    (node.folder / "state/blobs/sha256" / name[:2] / name).unlink()
    file = scene.folder / "pear.bundle"
    refused = create(node, file, "--packages", "pear,nonsense")
    assert refused.returncode == 1 and "2 of what was asked for" in refused.stderr
    assert "pool/tree_1_all.deb" in refused.stderr and "nonsense" in refused.stderr
    assert list(scene.folder.glob("*.bundle*")) == []
    assert create(node, file, "--packages", "pear,nonsense", "--allow-missing").returncode == 0
    status, facts = inspect(file)
    assert status == 0 and len(facts["missing"]) == 2
    assert packages_in(facts) == ["apple_1_all.deb", "pear_1_all.deb"]


def test_a_bundle_is_split_for_media_and_read_from_its_pieces(scene):
    archive = scene.archive()
    for number in range(4):
        archive.add(f"p{number}", payload_bytes=700_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    for number in range(4):
        assert node.get(f"/test/pool/p{number}_1_all.deb").status == 200
    file = scene.folder / "big.bundle"
    until("all is held", lambda: create(node, file, "--split", "1M", "--packages",
                                        "p0,p1,p2,p3").returncode == 0)
    pieces = sorted(scene.folder.glob("big.bundle*"))
    assert [piece.name for piece in pieces] == [f"big.bundle.00{n}" for n in (1, 2, 3)]
    assert [piece.stat().st_size for piece in pieces[:-1]] == [1_000_000] * 2
    assert inspect(file) == inspect(pieces[0]) and inspect(file)[0] == 0
    assert aptward("bundle", "inspect", pieces[1]).returncode == 1
    pieces[2].unlink()
    assert inspect(file)[0] == 1 and "2 pieces" in inspect(file)[1]["reason"]
    pieces[0].unlink()
    assert aptward("bundle", "inspect", file).returncode == 2


@pytest.mark.parametrize("arguments, sentence", [
    (["nowhere", "stable"], "nothing of an archive nowhere is held; there is: test"),
    (["test", "unstable"], "nothing of the suite unstable of test is held; there is: stable"),
    (["test", "--split", "much"], "no size"),
    (["test", "--list", "/nonexistent"], "there is no file /nonexistent"),
    (["test", "--state", "/nonexistent"], "no state at /nonexistent"),
])
def test_what_cannot_be_bundled_is_told_in_one_sentence(scene, arguments, sentence):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    refused = node.command("bundle", "create", "--output", str(scene.folder / "x.bundle"), *arguments)
    assert refused.returncode == 2 and sentence in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert list(scene.folder.glob("*.bundle*")) == []
