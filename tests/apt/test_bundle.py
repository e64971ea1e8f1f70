# SPDX-License-Identifier: GPL-3.0-or-later
"""One file that carries what a node holds to where no network leads."""
import base64
import hashlib
import json
import os
import pathlib
import subprocess

import pytest

from forge import Bundle
from node import PROGRAM, Node, until

pytestmark = pytest.mark.smoke


def aptward(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)


def stock(scene):
    """An archive, and a node that holds all of it: pear needs a fruit and a tree, apple is a fruit, and who
    likes plums should try pears."""
    archive = scene.archive()
    archive.add("apple", payload_bytes=400_000, Provides="fruit (= 2)")
    archive.add("tree", payload_bytes=5000, **{"Multi-Arch": "allowed"})
    archive.add("pear", Depends="nothing | fruit (>= 1), tree:any")
    archive.add("plum", Recommends="pear")
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    for version, path in archive.packages.values():
        assert node.get(f"/test/pool/{path.name}").status == 200
    blobs = node.folder / "state/blobs/sha256"
    until("all is held", lambda: sum(path.is_file() for path in blobs.rglob("*")) >= 7)
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
    assert packages_in(facts) == [f"{name}_1_all.deb" for name in ("apple", "bar", "foo", "pear", "plum", "tree")]
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
    file = scene.folder / "plum.bundle"
    assert create(node, file, "--packages", "plum").returncode == 0
    assert packages_in(inspect(file)[1]) == ["apple_1_all.deb", "pear_1_all.deb", "plum_1_all.deb", "tree_1_all.deb"]
    file = scene.folder / "plum-alone.bundle"
    assert create(node, file, "--packages", "plum", "--no-recommends").returncode == 0
    assert packages_in(inspect(file)[1]) == ["plum_1_all.deb"]
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
    made = create(node, file, "--packages", "pear,tree,nonsense", "--allow-missing")
    assert made.returncode == 0 and "for test stable: pear; signed" in made.stdout, made.stdout
    assert "pool/tree_1_all.deb" in made.stdout and "  nonsense: " in made.stdout
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
    (["nowhere", "stable"], 'there is no archive "nowhere"; aptward status shows which there are'),
    (["test", "unstable"], "nothing of the suite unstable of test is held; there is: stable"),
    (["test", "unstable", "--packages", "foo"], "nothing of the suite unstable of test is held"),
    (["nowhere", "--packages", "foo"], 'there is no archive "nowhere"'),
    (["test", "--split", "much"], "no size"),
    (["test", "--list", "/nonexistent"], "there is no file /nonexistent"),
    (["test", "--state", "/nonexistent"], "no state at /nonexistent"),
    ([], "name what the bundle is for"),
    (["test", "--machine", "web1"], "name what the bundle is for"),
    (["--machine", "web1", "--packages", "foo"], "name one, and no machine"),
    (["--machine", "web1"], "no machine has reported"),
    (["--stock-list", "webs"], "webs"),
])
def test_what_cannot_be_bundled_is_told_in_one_sentence(scene, arguments, sentence):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    refused = node.command("bundle", "create", "--output", str(scene.folder / "x.bundle"), *arguments)
    assert refused.returncode == 2 and sentence in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert list(scene.folder.glob("*.bundle*")) == []


@pytest.mark.parametrize("output, arguments, status, sentence", [
    ("x.bundle", ["--packages", "nonsense"], 1, "1 of what was asked for is not held (nonsense: no index that is read names nonsense)"),
    ("x.bundle", ["--list", "empty"], 2, "names no package"),
    ("nowhere/x.bundle", [], 2, "there is no folder"),
    ("empty/x.bundle", [], 2, "there is no folder"),
    ("folder", [], 1, "is there already"),
    ("/sys/x.bundle", [], 1, "/sys/x.bundle cannot be written: "),
])
def test_what_cannot_be_written_is_told_in_one_sentence(scene, output, arguments, status, sentence):
    _, node = stock(scene)
    (scene.folder / "empty").write_text("# nothing\n\n")
    (scene.folder / "folder").mkdir()
    before = sorted(scene.folder.rglob("*"))
    arguments = [str(scene.folder / word) if word == "empty" else word for word in arguments]
    refused = create(node, scene.folder / output, *arguments)
    assert refused.returncode == status and sentence in refused.stderr, refused
    assert refused.stderr.count("\n") == 1
    # The node's own files come and go.
    assert [path for path in sorted(scene.folder.rglob("*")) if "state" not in path.parts] == \
        [path for path in before if "state" not in path.parts]


def held_files(node):
    return sorted(path.name for path in (node.folder / "state/blobs").rglob("*") if path.is_file())


def dead_node(scene, archive, **keys):
    """A node whose only source is dead, and that holds nothing."""
    origin = scene.origin(archive)
    origin.die()
    return scene.node(archive, origin, **keys)


def do_import(node, file, *arguments):
    return node.command("bundle", "import", str(file), *arguments)


def make_bundle(scene, node, *arguments):
    file = scene.folder / "x.bundle"
    made = create(node, file, *arguments)
    assert made.returncode == 0, made.stderr
    return file


def test_a_node_without_a_network_serves_what_a_bundle_carries(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node, "--packages", "pear")
    far = dead_node(scene, archive)
    client = scene.apt(far)
    assert client.update().returncode != 0
    done = do_import(far, file)
    assert done.returncode == 0, done.stderr
    assert "stable: published; " in done.stdout
    assert far.suite()["generation"] == node.suite()["generation"]
    assert client.update().returncode == 0
    installed = client.run("apt-get", "install", "-q", "-y", "--download-only", "pear", "apple")
    assert installed.returncode == 0, installed
    for name in ("pear", "apple"):
        deb = client.folder / f"cache/archives/{name}_1_all.deb"
        assert deb.read_bytes() == (archive.root / "pool" / deb.name).read_bytes()
    # What it did not carry is not known to be absent.
    assert far.get("/test/pool/bar_1_all.deb").status == 503
    assert {"release.published", "bundle.imported"} <= far.event_codes()
    # It is all there after a restart, and a second time nothing is left to do.
    far.stop()
    far.start()
    assert scene.apt(far).update().returncode == 0
    again = do_import(far, file, "--json")
    assert again.returncode == 0
    result = json.loads(again.stdout.splitlines()[-1])
    assert (result["stored"], result["unproven"]) == (0, 0)
    assert [release["outcome"] for release in result["releases"]] == ["known"]
    assert far.scrub() == 0


def test_an_older_bundle_takes_nothing_back_and_still_gives_what_is_proven(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node)
    archive.add("foo", version="2")
    archive.publish()
    far = scene.node(archive, scene.origin(archive))
    assert scene.apt(far).update().returncode == 0
    newer = far.suite()["generation"]
    done = do_import(far, file)
    assert done.returncode == 0, done.stderr
    assert "stable: older; " in done.stdout and "1 left out" not in done.stdout
    assert far.suite()["generation"] == newer and far.event_codes().isdisjoint({"release.rollback"})
    for origin in scene.origins:
        origin.die()
    # The same in both releases: proven by the newer one. What only the older one names is not kept.
    assert far.get("/test/pool/bar_1_all.deb").status == 200
    old = hashlib.sha256((archive.root / "pool/foo_1_all.deb").read_bytes()).hexdigest()
    assert old not in held_files(far)


def test_a_release_that_the_policy_refuses_brings_nothing(scene, other_key):
    archive, node = stock(scene)
    file = make_bundle(scene, node)
    far = dead_node(scene, archive, keyrings=[str(other_key.keyring)])
    done = do_import(far, file)
    assert done.returncode == 1
    assert "stable: refused (release.unknown-key:" in done.stdout
    assert held_files(far) == [] and far.get("/test/dists/stable/InRelease").status == 503
    assert "release.unknown-key" in far.event_codes()
    assert len(list((far.folder / "state/refused").iterdir())) == 1


def truncated(file, _):
    file.write_bytes(file.read_bytes()[:-1000])
    return "is no whole bundle"


def tampered(file, _):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return ""


def longer(file, _):
    file.write_bytes(file.read_bytes() + b"more")
    return "is no whole bundle"


def something_else(file, _):
    file.write_bytes(b"hello")
    return "is no whole bundle"


def from_the_future(file, identity):
    bundle = Bundle(file, identity)
    bundle.note["created"] = int(bundle.note["created"]) + 3600
    bundle.write(file)
    return "from the future"


def of_a_newer_version(file, identity):
    bundle = Bundle(file, identity)
    bundle.version = "aptward-bundle/v9"
    bundle.write(file)
    return "another version"


def for_another_archive(file, identity):
    bundle = Bundle(file, identity)
    bundle.manifest["releases"][0]["archive"] = "elsewhere"
    bundle.write(file)
    return "it is for another archive: elsewhere; this node has test"


def with_too_many_members(file, identity):
    bundle = Bundle(file, identity)
    bundle.manifest["members"] = [{"name": "", "sha256": "", "size": 0}] * 200_001
    bundle.write(file)
    return "more than 200000 members"


def with_a_name_that_leads_away(file, identity):
    bundle = Bundle(file, identity)
    bundle.add("../../../../tmp/evil", b"evil")
    bundle.write(file)
    return "no bundle has"


def with_a_member_of_another_hash(file, identity):
    bundle = Bundle(file, identity)
    name = next(name for name in bundle.members if name.startswith("blobs/"))
    content = bundle.members[name]
    bundle.members[name] = content[:-1] + bytes([content[-1] ^ 1])
    bundle.write(file)
    return "is not what its manifest says"


def with_a_member_that_it_does_not_name(file, identity):
    bundle = Bundle(file, identity)
    bundle.members["blobs/sha256/" + "0" * 64] = b"more"
    bundle.write(file)
    return "another size than its manifest says"


@pytest.mark.parametrize("spoil", [
    truncated, tampered, longer, something_else, from_the_future, of_a_newer_version, for_another_archive,
    with_too_many_members, with_a_name_that_leads_away, with_a_member_of_another_hash,
    with_a_member_that_it_does_not_name])
def test_a_bad_bundle_is_told_in_one_sentence_and_changes_nothing(scene, spoil):
    archive, node = stock(scene)
    file = make_bundle(scene, node)
    sentence = spoil(file, node.folder / "state/identity")
    far = dead_node(scene, archive)
    refused = do_import(far, file)
    assert refused.returncode == 1 and sentence in refused.stderr, refused.stderr
    assert refused.stderr.count("\n") == 1 and "nothing was imported" in refused.stderr
    assert held_files(far) == [] and list((far.folder / "state/releases").iterdir()) == []
    assert {"release.published", "bundle.imported"}.isdisjoint(far.event_codes())
    if spoil != for_another_archive:
        looked = aptward("bundle", "inspect", file)
        assert looked.returncode == 1 and looked.stderr.count("\n") == 1


def test_a_bundle_that_is_forged_well_brings_only_what_the_vendor_signed(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node)
    forged = Bundle(file, node.folder / "state/identity")
    evil = b"evil"
    forged.add("blobs/sha256/" + hashlib.sha256(evil).hexdigest(), evil, "pool/foo_1_all.deb")
    forged.write(file)
    far = dead_node(scene, archive)
    done = do_import(far, file)
    assert done.returncode == 0 and "1 left out" in done.stdout, done.stdout + done.stderr
    assert hashlib.sha256(evil).hexdigest() not in held_files(far)
    assert far.get("/test/pool/foo_1_all.deb").content == (archive.root / "pool/foo_1_all.deb").read_bytes()


def test_the_signer_can_be_demanded(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node)
    signer = inspect(file)[1]["signer"]
    far = dead_node(scene, archive)
    stranger = create(far, scene.folder / "none.bundle")
    assert stranger.returncode == 2
    refused = do_import(far, file, "--signed-by", signer[:-4] + "AAA=")
    assert refused.returncode == 1 and held_files(far) == []
    assert do_import(far, file, "--signed-by", signer).returncode == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount")
def test_a_bundle_that_the_disk_cannot_hold_is_too_large(scene):
    archive, node = stock(scene)
    archive.add("huge", payload_bytes=12_000_000)
    archive.publish()
    assert scene.apt(node).update().returncode == 0
    assert node.get("/test/pool/huge_1_all.deb").status == 200
    file = scene.folder / "huge.bundle"
    until("it is held", lambda: create(node, file, "--packages", "huge").returncode == 0)
    state = scene.folder / "small/state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", state], check=True)
    try:
        origin = scene.origin(archive)
        origin.die()
        far = Node(scene.folder / "small", archive, [origin])
        scene.nodes.append(far)
        refused = do_import(far, file)
        assert refused.returncode == 1 and "it is too large: no room for 12" in refused.stderr
        assert held_files(far) == []
        far.stop()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def test_a_bundle_that_the_quota_would_take_away_again_is_too_large(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node)
    far = dead_node(scene, archive, top=['quota = "100k"'])
    refused = do_import(far, file)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1, refused
    assert "it is too large: no room for 52" in refused.stderr and "the quota lets 90" in refused.stderr
    assert held_files(far) == [] and "release.published" not in far.event_codes()
    # What is served from the file takes no room.
    far.stop()
    far.arguments = ["--bundle", str(file)]
    far.start()
    until("it is taken in", lambda: "bundle.imported" in far.event_codes())
    # What is held counts once, and only while it is needed.
    larger = dead_node(scene, archive, top=['quota = "650k"'])
    assert do_import(larger, file).returncode == do_import(larger, file).returncode == 0
    archive.add("apple", version="2", payload_bytes=400_000)
    archive.publish()
    maker = scene.node(archive, scene.origin(archive))
    assert scene.apt(maker).update().returncode == 0
    assert maker.get("/test/pool/apple_2_all.deb").status == 200
    newer = scene.folder / "newer.bundle"
    until("it is held", lambda: create(maker, newer, "--packages", "apple").returncode == 0)
    refused = do_import(larger, newer)
    assert refused.returncode == 1 and "of them are held and needed" in refused.stderr


def test_an_import_is_a_job_of_the_running_node(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node)
    far = dead_node(scene, archive)
    started = do_import(far, file, "--no-wait", "--json")
    number = json.loads(started.stdout)["id"]
    done = until("its end", lambda: (now := json.loads(far.admin(f"/api/v1/jobs/{number}")))["state"] == "done"
                 and now)
    assert done["kind"] == "bundle-import" and done["done"] == done["total"] > 400_000
    assert done["who"] == f"uid {os.getuid()}" and done["result"]["stored"] > 5
    assert do_import(far, "/nonexistent").returncode == 2
    far.stop()
    refused = do_import(far, file)
    assert refused.returncode == 3 and "start it" in refused.stderr


def test_a_node_starts_with_a_bundle(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node, "--packages", "pear")
    far = dead_node(scene, archive)
    far.stop()
    far.arguments = ["--bundle", str(file)]
    far.start()
    client = scene.apt(far)
    until("it is taken in", lambda: "bundle.imported" in far.event_codes())
    assert client.update().returncode == 0 and client.download("pear").returncode == 0
    far.stop()
    truncated(file, None)
    refused = subprocess.run([PROGRAM, "serve", "--config", far.config, "--bundle", file],
                             capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "is no whole bundle" in refused.stderr


def test_a_bundle_of_an_archive_that_lists_sha512_only(scene):
    archive = scene.archive(hashes=("SHA512",))
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    assert node.get("/test/pool/foo_1_all.deb").status == 200
    file = scene.folder / "x.bundle"
    until("all is held", lambda: create(node, file, "--packages", "foo").returncode == 0)
    far = dead_node(scene, archive)
    done = do_import(far, file)
    assert done.returncode == 0, done.stderr
    client = scene.apt(far)
    assert client.update().returncode == 0 and client.download("foo").returncode == 0


def test_an_import_does_not_wait_for_a_scrub(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node)
    number = json.loads(node.command("scrub", "--rate", "50k", "--no-wait", "--json").stdout)["id"]

    def scrub():
        return json.loads(node.admin(f"/api/v1/jobs/{number}"))

    until("some of it is done", lambda: scrub()["state"] == "running" and scrub()["done"] > 0)
    assert do_import(node, file).returncode == 0
    assert scrub()["state"] == "running"


def test_what_a_private_archive_takes_in_stays_private(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node)
    origin = scene.origin(archive)
    origin.passwords = {"bearer:token"}
    far = scene.node(archive, origin, private=True)
    done = do_import(far, file)
    assert done.returncode == 0, done.stderr
    marked = {path.name.split("-")[-1] for path in (far.folder / "state/private/test").iterdir()}
    assert marked == set(held_files(far)) and marked
    assert far.get("/test/pool/foo_1_all.deb").status == 401
    token = {"Authorization": "Basic " + base64.b64encode(b"bearer:token").decode()}
    served = far.get("/test/pool/foo_1_all.deb", **token)
    assert served.status == 200 and served.headers["Cache-Status"] == "aptward; hit"


def test_a_node_that_is_killed_while_it_imports_has_lost_nothing(scene):
    archive = scene.archive()
    for number in range(300):
        archive.add_bytes(f"p{number}", os.urandom(20_000))
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    for number in range(300):
        assert node.get(f"/test/pool/p{number}_1_all.deb").status == 200
    names = ",".join(f"p{number}" for number in range(300))
    file = scene.folder / "x.bundle"
    until("all is held", lambda: create(node, file, "--packages", names).returncode == 0)
    far = dead_node(scene, archive)
    assert do_import(far, file, "--no-wait").returncode == 0
    until("some of it is there", lambda: len(held_files(far)) > 10)
    far.kill()
    far.start()
    assert far.scrub() == 0 and scene.apt(far).update().returncode == 0
    done = do_import(far, file)
    assert done.returncode == 0 and "stable: known; " in done.stdout, done.stderr
    assert far.get("/test/pool/p299_1_all.deb").status == 200 and far.scrub() == 0
