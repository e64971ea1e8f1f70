# SPDX-License-Identifier: GPL-3.0-or-later
"""What other programs have gathered is taken in by its hashes, with no network."""
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from archive import Archive
from node import until
from test_bundle import dead_node, held_files

pytestmark = pytest.mark.smoke


def vendor(scene, **options):
    archive = scene.archive(**options)
    archive.add("apple", payload_bytes=400_000)
    archive.add("pear", Depends="apple")
    archive.publish()
    return archive


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target)
    return target


def mirror_tree(scene, archive):
    """As apt-mirror and debmirror leave it: the host's folders, and what the host shows below them."""
    root = scene.folder / "mirror"
    copy(archive.root, root / "mirror/archive.example")
    (root / "mirror/archive.example/index.html").write_text("not listed")
    return root


def cacher_ng(scene, archive):
    """As apt-cacher-ng leaves it: a folder that its rules name, and a head beside each file."""
    root = scene.folder / "apt-cacher-ng"
    below = copy(archive.root, root / "debrep")
    for file in [path for path in below.rglob("*") if path.is_file()]:
        file.with_name(file.name + ".head").write_text(f"HTTP/1.1 200 OK\r\nContent-Length: {file.stat().st_size}\r\n")
    (root / "_xstore").mkdir()
    return root


def aptly_pool(scene, archive):
    """As aptly leaves it: a pool by MD5, and published trees of links to it under a signature of its own."""
    root = scene.folder / "aptly"
    for _, deb in archive.packages.values():
        name = hashlib.md5(deb.read_bytes()).hexdigest()
        held = root / "pool" / name[:2] / name[2:4] / f"{name[4:]}_{deb.name}"
        held.parent.mkdir(parents=True)
        shutil.copy(deb, held)
        shown = root / "public/pool/main" / deb.name
        shown.parent.mkdir(parents=True, exist_ok=True)
        os.link(held, shown)
    copy(archive.root / "dists", root / "public/dists")
    return root


def debs_only(scene, archive):
    """As apt leaves it: packages, and nothing that says what they are."""
    root = scene.folder / "archives"
    root.mkdir()
    for _, deb in archive.packages.values():
        shutil.copy(deb, root / deb.name.replace("_1_", "_1%3a1_"))
    (root / "lock").write_text("")
    (root / "partial").mkdir()
    return root


def do_import(node, folder, *arguments):
    return node.command("import", "stock", str(folder), *arguments)


def facts_of(done):
    return json.loads(done.stdout.splitlines()[-1])


def installs(scene, archive, node, *names):
    client = scene.apt(node)
    assert client.update().returncode == 0
    got = client.run("apt-get", "install", "-q", "-y", "--download-only", *names)
    assert got.returncode == 0, got
    for name in names:
        deb = client.folder / f"cache/archives/{name}_1_all.deb"
        assert deb.read_bytes() == (archive.root / "pool" / deb.name).read_bytes()


@pytest.mark.parametrize("lay", [mirror_tree, cacher_ng, aptly_pool])
def test_a_client_installs_what_another_program_had_gathered(scene, lay):
    archive = vendor(scene)
    folder = lay(scene, archive)
    node = dead_node(scene, archive)
    assert scene.apt(node).update().returncode != 0
    done = do_import(node, folder, "--json")
    assert done.returncode == 0, done.stderr
    facts = facts_of(done)
    assert [release["outcome"] for release in facts["releases"]] == ["published"]
    assert facts["stored"] == 4 + 2 and facts["differing"] == facts["unreadable"] == 0
    earlier = 2  # indexes of the generation before, by hash
    assert facts["unnamed"] == earlier + {mirror_tree: 1, cacher_ng: facts["files"] // 2, aptly_pool: 0}[lay]
    installs(scene, archive, node, "pear", "apple")
    assert {"release.published", "stock.imported"} <= node.event_codes()
    assert node.scrub() == 0
    # It is all there after a restart, and the second time nothing is left to do.
    node.stop()
    node.start()
    again = facts_of(do_import(node, folder, "--json"))
    assert (again["stored"], again["bytes"]) == (0, 0) and again["held"] >= facts["held"] + facts["stored"] - 1
    installs(scene, archive, node, "pear", "apple")


def test_packages_alone_are_taken_in_for_what_is_served(scene):
    archive = vendor(scene)
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    for origin in scene.origins:
        origin.die()
    done = do_import(node, debs_only(scene, archive))
    assert done.returncode == 0, done.stderr
    assert len(held_files(node)) == 4 + 1
    for name in ("apple", "pear", "foo", "bar"):
        answer = node.get(f"/test/pool/{name}_1_all.deb")
        assert answer.headers["Cache-Status"] == "aptward; hit"
        assert answer.content == (archive.root / f"pool/{name}_1_all.deb").read_bytes()


def test_an_older_mirror_gives_what_has_not_changed(scene):
    archive = vendor(scene)
    folder = mirror_tree(scene, archive)
    archive.add("pear", version="2", Depends="apple")
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    newer = node.suite()["generation"]
    facts = facts_of(do_import(node, folder, "--json"))
    assert [release["outcome"] for release in facts["releases"]] == ["older"]
    assert node.suite()["generation"] == newer and "release.rollback" not in node.event_codes()
    held = held_files(node)
    assert hashlib.sha256((archive.root / "pool/apple_1_all.deb").read_bytes()).hexdigest() in held
    assert hashlib.sha256((archive.root / "pool/pear_1_all.deb").read_bytes()).hexdigest() not in held


def test_indexes_are_read_of_a_release_that_came_from_a_source(scene):
    archive = vendor(scene)
    folder = mirror_tree(scene, archive)
    shutil.rmtree(folder / "mirror/archive.example/pool")
    (folder / "mirror/archive.example/dists/stable/InRelease").unlink()
    for _, deb in archive.packages.values():
        shutil.copy(deb, folder)
    origin = scene.origin(archive)
    origin.fault = lambda path: ("status", 503) if "InRelease" not in path else None
    node = scene.node(archive, origin)
    until("the release is shown", lambda: node.get("/test/dists/stable/InRelease").status == 200)
    origin.die()
    assert do_import(node, folder).returncode == 0
    installs(scene, archive, node, "pear", "apple")


def test_what_was_damaged_on_the_way_is_told_and_not_taken(scene):
    archive = vendor(scene)
    folder = mirror_tree(scene, archive)
    pool = folder / "mirror/archive.example/pool"
    content = (pool / "apple_1_all.deb").read_bytes()
    (pool / "apple_1_all.deb").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (pool / "pear_1_all.deb").write_bytes((pool / "pear_1_all.deb").read_bytes()[:-7])
    node = dead_node(scene, archive)
    done = do_import(node, folder, "--json")
    assert done.returncode == 0, done.stderr
    facts = facts_of(done)
    assert facts["differing"] == 2 and facts["stored"] == 2 + 2
    assert sorted(pathlib.Path(path).name for path in facts["differing_files"]) == \
        ["apple_1_all.deb", "pear_1_all.deb"]
    assert node.get("/test/pool/apple_1_all.deb").status == 503 and node.scrub() == 0


def test_what_the_vendor_did_not_sign_brings_nothing(scene, other_key):
    archive = vendor(scene)
    folder = mirror_tree(scene, archive)
    node = dead_node(scene, archive, keyrings=[str(other_key.keyring)])
    done = do_import(node, folder, "--json")
    assert done.returncode == 1
    (release,) = facts_of(done)["releases"]
    assert (release["outcome"], release["code"]) == ("refused", "release.unknown-key")
    assert held_files(node) == [] and list((node.folder / "state/releases").iterdir()) == []
    assert node.get("/test/dists/stable/InRelease").status == 503


def rubbish(folder):
    folder.mkdir()
    (folder / "again").symlink_to(folder)
    (folder / "round").symlink_to("round")
    (folder / "out").symlink_to("/etc")
    (folder / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
    (folder / "two\nlines").write_text("x")
    (folder / os.fsdecode(b"\xff\xfe")).write_text("x")
    (folder / "empty").write_text("")
    with open(folder / "sparse", "wb") as file:
        file.truncate(1 << 40)
    (folder / "noise").write_bytes(os.urandom(100_000))
    dists = folder / "dists"
    for suite, text in (("a", b"no release"), ("b", b"-----BEGIN PGP SIGNED MESSAGE-----\n"),
                        ("stable", os.urandom(5000)), ("c", b"\0" * 20_000_000)):
        (dists / suite).mkdir(parents=True)
        (dists / suite / "InRelease").write_bytes(text)
    deep = folder
    for _ in range(70):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")


def test_rubbish_is_counted_and_changes_nothing(scene):
    archive = vendor(scene)
    folder = scene.folder / "rubbish"
    rubbish(folder)
    node = dead_node(scene, archive)
    done = do_import(node, folder, "--json")
    assert done.returncode == 1, done.stderr
    facts = facts_of(done)
    assert (facts["stored"], facts["held"], facts["symlinks"], facts["others"]) == (0, 0, 4, 2)
    assert facts["unnamed"] == 5 and facts["unreadable"] == 1
    assert {release["outcome"] for release in facts["releases"]} == {"refused"}
    assert held_files(node) == [] and list((node.folder / "state/releases").iterdir()) == []
    assert {"release.published", "release.malformed"}.isdisjoint(node.event_codes())
    # Beside it, what is right is taken all the same.
    copy(archive.root, folder / "archive.example")
    assert do_import(node, folder).returncode == 0
    installs(scene, archive, node, "pear", "apple")


@pytest.mark.parametrize("is_signed", [False, True], ids=["malformed", "of-another-key"])
def test_no_number_of_other_releases_hides_the_right_one(scene, other_key, is_signed):
    archive = vendor(scene)
    folder = mirror_tree(scene, archive)
    elsewhere = Archive(scene.folder / "elsewhere", other_key)
    elsewhere.publish()
    text = (elsewhere.suite_folder / "InRelease").read_bytes() if is_signed else b"no release"
    for number in range(260):
        rubbish = folder / f"0/{number}/dists/stable"
        rubbish.mkdir(parents=True)
        (rubbish / "InRelease").write_bytes(text)
    node = dead_node(scene, archive)
    done = do_import(node, folder, "--json")
    assert done.returncode == 0, done.stderr
    outcomes = [release["outcome"] for release in facts_of(done)["releases"]]
    assert outcomes.count("published") == 1 and outcomes.count("refused") > 0
    installs(scene, archive, node, "pear")


@pytest.mark.parametrize("arguments, sentence", [
    (["/nonexistent"], "there is no folder /nonexistent"),
    (["/etc/passwd"], "/etc/passwd is no folder"),
    (["/", "--archive", "nowhere"], "there is no archive"),
])
def test_a_mistake_is_told_in_one_sentence(scene, arguments, sentence):
    node = dead_node(scene, vendor(scene))
    refused = do_import(node, *arguments)
    assert refused.returncode == 2 and sentence in refused.stderr
    assert refused.stderr.count("\n") == 1 and held_files(node) == []


def test_a_file_that_is_written_while_it_is_read_gives_no_wrong_bytes(scene):
    archive = vendor(scene)
    big = archive.add_bytes("big", os.urandom(30_000_000))
    archive.publish()
    folder = mirror_tree(scene, archive)
    copied = folder / "mirror/archive.example/pool" / big.name
    node = dead_node(scene, archive)
    started = do_import(node, folder, "--no-wait", "--json")
    number = json.loads(started.stdout)["id"]
    with open(copied, "r+b") as file:  # something writes to it all the time
        def over():
            for at in range(0, 30_000_000, 4096):
                os.pwrite(file.fileno(), b"wrong", at)
            return json.loads(node.admin(f"/api/v1/jobs/{number}"))["state"] == "done"
        until("the import is over", over)
    assert node.scrub() == 0
    answer = node.get(f"/test/pool/{big.name}")
    assert answer.status == 503 or answer.content == big.read_bytes()


def test_an_import_that_was_interrupted_goes_on(scene):
    archive = scene.archive()
    for number in range(400):
        archive.add_bytes(f"p{number}", os.urandom(30_000))
    archive.publish()
    folder = mirror_tree(scene, archive)
    node = dead_node(scene, archive)
    number = json.loads(do_import(node, folder, "--no-wait", "--json").stdout)["id"]
    until("some of it is there", lambda: len(held_files(node)) > 10)
    node.kill()
    node.start()
    until("it went on to its end",
          lambda: json.loads(node.admin(f"/api/v1/jobs/{number}"))["state"] == "done")
    assert node.scrub() == 0
    again = facts_of(do_import(node, folder, "--json"))
    assert again["stored"] == 0 and again["held"] >= 400
    assert node.get("/test/pool/p399_1_all.deb").status == 200


def test_an_import_is_cancelled(scene):
    archive = scene.archive()
    for number in range(60):
        archive.add_bytes(f"p{number}", os.urandom(2_000_000))
    archive.publish()
    folder = mirror_tree(scene, archive)
    node = dead_node(scene, archive)
    number = json.loads(do_import(node, folder, "--no-wait", "--json").stdout)["id"]
    assert node.command("jobs", "cancel", str(number)).returncode == 0
    until("it ends", lambda: json.loads(node.admin(f"/api/v1/jobs/{number}"))["state"] == "cancelled")
    assert node.scrub() == 0


def test_what_a_private_archive_takes_in_stays_private(scene):
    archive = vendor(scene)
    folder = mirror_tree(scene, archive)
    origin = scene.origin(archive)
    origin.passwords = {"bearer:token"}
    node = scene.node(archive, origin, private=True)
    assert do_import(node, folder).returncode == 0
    marked = {path.name.split("-")[-1] for path in (node.folder / "state/private/test").iterdir()}
    assert marked == set(held_files(node)) and marked
    assert node.get("/test/pool/foo_1_all.deb").status == 401


def test_a_release_that_two_archives_would_take_is_not_guessed_about(scene):
    archive = vendor(scene)
    folder = copy(archive.root, scene.folder / "somewhere")
    origin = scene.origin(archive)
    origin.die()
    node = scene.node(archive, origin, tail=f'[[archive]]\nid = "twin"\nkeyrings = ["{archive.key.keyring}"]\n'
                                            f'upstreams = ["{origin.url}/twin"]\nhosts = ["twin.example"]\n')
    done = do_import(node, folder, "--json")
    (release,) = facts_of(done)["releases"]
    assert done.returncode == 1 and release["code"] == "release.ambiguous" and held_files(node) == []
    done = do_import(node, folder, "--archive", "twin", "--json")
    assert done.returncode == 0
    assert [release["archive"] for release in facts_of(done)["releases"]] == ["twin"]
    assert node.get("/twin/pool/foo_1_all.deb").status == 200


def test_an_archive_that_lists_sha512_only(scene):
    archive = vendor(scene, hashes=("SHA512",))
    node = dead_node(scene, archive)
    done = do_import(node, mirror_tree(scene, archive))
    assert done.returncode == 0, done.stderr
    installs(scene, archive, node, "pear", "apple")


@pytest.mark.parametrize("part", ["dists/stable/", "dists/./stable", "dists"])
def test_a_part_of_a_mirror_is_known_by_where_it_lies(scene, part):
    archive = vendor(scene)
    folder = mirror_tree(scene, archive) / "mirror/archive.example"
    node = dead_node(scene, archive)
    done = do_import(node, f"{folder}/{part}", "--json")
    assert done.returncode == 0, done.stderr
    assert [release["suite"] for release in facts_of(done)["releases"]] == ["stable"]
    assert do_import(node, folder / "pool").returncode == 0
    installs(scene, archive, node, "pear", "apple")


def test_what_the_quota_would_take_away_again_stays_outside(scene):
    archive = vendor(scene)
    node = dead_node(scene, archive, top=['quota = "100k"'])
    done = do_import(node, mirror_tree(scene, archive))
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert "no room for 4" in done.stderr and "the quota lets 90" in done.stderr
    assert hashlib.sha256((archive.root / "pool/apple_1_all.deb").read_bytes()).hexdigest() not in held_files(node)


def test_a_flat_repository_is_known_by_its_host(scene):
    archive = Archive(scene.folder / "flat", scene.key, flat=True)
    archive.add("foo")
    archive.publish()
    folder = mirror_tree(scene, archive)
    node = dead_node(scene, archive)
    done = do_import(node, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert node.get("/test/flat/foo_1_all.deb").status == 200
