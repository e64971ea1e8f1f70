# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real node makes of a state folder that was lost, exchanged or restored, of a disk without inodes or
gone read-only, and of a gpgv that is not well."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from coherence import assert_coherent, generation, wrong_blobs
from node import Node, until

pytestmark = pytest.mark.smoke
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def blob_of(node, content):
    name = hashlib.sha256(content).hexdigest()
    return node.folder / "state/blobs/sha256" / name[:2] / name


def held(scene, archive, node, *names):
    """The blobs of these packages, once they are there."""
    assert scene.apt(node).update().returncode == 0
    blobs = []
    for name in names:
        content = archive.packages[name][1].read_bytes()
        assert node.get(f"/test/pool/{archive.packages[name][1].name}").content == content
        blobs.append(blob_of(node, content))
        until("held", blobs[-1].exists)
    return blobs


def exchanged(foo, bar, _):
    aside = foo.with_name("aside")
    foo.rename(aside)
    bar.rename(foo)
    aside.rename(bar)


def a_link_to_a_file_elsewhere(foo, _, secret):
    foo.unlink()
    foo.symlink_to(secret)


def a_folder(foo, _, secret):
    foo.unlink()
    foo.mkdir()


def not_to_be_read(foo, _, secret):
    foo.chmod(0)


@pytest.mark.parametrize("spoil", [exchanged, a_link_to_a_file_elsewhere, a_folder, not_to_be_read])
def test_R8_I4_what_stands_in_place_of_a_blob_is_not_served_and_the_right_one_comes_back(scene, spoil):
    archive = scene.archive()
    for name in ("foo", "bar"):
        archive.add(name, version="2", payload_bytes=3000)  # of one size
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    foo, bar = held(scene, archive, node, "foo", "bar")
    contents = {name: archive.packages[name][1].read_bytes() for name in ("foo", "bar")}
    secret = scene.folder / "secret"
    secret.write_bytes(os.urandom(len(contents["foo"])))
    node.stop()
    spoil(foo, bar, secret)
    if spoil is not_to_be_read:  # root could all the same
        node.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search",
                       "--inh-caps=-dac_override,-dac_read_search"]
    node.start()
    assert node.scrub() == 1, "it is noticed"
    for name, blob in (("foo", foo), ("bar", bar)):
        assert node.get(f"/test/pool/{name}_2_all.deb").content == contents[name]
        until("held again", lambda: blob.is_file() and not blob.is_symlink() and blob.read_bytes() == contents[name])
    assert node.scrub() == 0 and wrong_blobs(node) == []


def lost(database):
    database.unlink()


def cut(database):
    os.truncate(database, database.stat().st_size // 2)


def zeroed(database):
    database.write_bytes(bytes(database.stat().st_size))


def rotten(database):
    """A bit of every page."""
    content = bytearray(database.read_bytes())
    for at in range(100, len(content), 4096):
        content[at] ^= 1
    database.write_bytes(content)


@pytest.mark.parametrize("spoil", [lost, cut, zeroed, rotten])
def test_R9_I3_without_its_database_a_node_serves_the_same_and_takes_nothing_older(scene, spoil):
    archive = scene.archive()
    older = archive.copy(scene.folder / "older")
    older.publish()
    archive.add("foo", version="2")
    archive.publish(later=600)
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    held(scene, archive, node, "foo", "bar")
    before = generation(node)
    node.kill()  # its log of writes is there, and goes
    database = node.folder / "state/aptward.db"
    for file in database.parent.glob("aptward.db-*"):
        file.unlink()
    spoil(database)
    origin.die()
    node.start()
    assert node.start_seconds < 2
    assert generation(node) == before
    assert node.get("/test/pool/foo_2_all.deb").status == 200
    origin.root = older.root
    origin.revive()
    until("the older one is refused", lambda: node.get("/test/dists/stable/InRelease").status == 200 and
          node.counter("release.rollback"))
    assert generation(node) == before and node.scrub() == 0


def test_R10_a_restored_backup_catches_up_and_takes_nothing_older_than_itself(scene):
    archive = scene.archive()
    oldest = archive.copy(scene.folder / "oldest")
    archive.add("foo", version="2")
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    held(scene, archive, node, "foo")
    backed_up = generation(node)
    node.stop()
    shutil.copytree(node.folder / "state", scene.folder / "backup", symlinks=True)
    node.start()
    archive.add("foo", version="3")
    archive.publish()
    held(scene, archive, node, "foo")
    newest = generation(node)
    assert newest != backed_up
    node.stop()
    shutil.rmtree(node.folder / "state")
    shutil.copytree(scene.folder / "backup", node.folder / "state", symlinks=True)
    origin.die()
    node.start()
    assert generation(node) == backed_up and node.get("/test/pool/foo_2_all.deb").status == 200
    origin.root = oldest.root
    origin.revive()
    until("the older one is refused", lambda: node.get("/test/dists/stable/InRelease").status == 200 and
          node.counter("release.rollback"))
    assert generation(node) == backed_up
    origin.root = archive.root
    until("it has caught up", lambda: generation(node) == newest)
    assert_coherent(node)
    assert node.scrub() == 0


@needs_root
def test_R4_I6_without_inodes_the_held_is_served_and_the_new_is_passed_on(scene):
    archive = scene.archive()
    archive.add("new", payload_bytes=200_000)
    archive.publish()
    state = scene.folder / "node-full/state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=1000", "tmpfs", state], check=True)
    try:
        node = Node(scene.folder / "node-full", archive, [scene.origin(archive)])
        scene.nodes.append(node)
        held(scene, archive, node, "foo")
        ballast = state / "ballast"
        ballast.mkdir()
        with pytest.raises(OSError):
            for number in range(1000):
                (ballast / str(number)).touch()
        assert node.get("/test/pool/foo_1_all.deb").status == 200
        content = archive.packages["new"][1].read_bytes()
        assert node.get("/test/pool/new_1_all.deb").content == content
        until("it is told", lambda: node.counter("store.full"))
        assert node.process.poll() is None
        shutil.rmtree(ballast)
        assert node.get("/test/pool/new_1_all.deb").content == content
        until("it is kept now", blob_of(node, content).exists)
        assert node.scrub() == 0
        node.kill()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


@needs_root
def test_R4_I6_on_a_disk_gone_read_only_the_held_is_served_and_the_new_is_passed_on(scene):
    archive = scene.archive()
    archive.add("new", payload_bytes=200_000)
    archive.publish()
    # As the kernel does with an ext4 that has errors: the file system itself, under open files.
    image, state = scene.folder / "image", scene.folder / "node-ro/state"
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    state.mkdir(parents=True)
    subprocess.run(["mount", "-o", "loop", image, state], check=True)
    try:
        node = Node(scene.folder / "node-ro", archive, [scene.origin(archive)])
        scene.nodes.append(node)
        held(scene, archive, node, "foo")
        subprocess.run(["mount", "-o", "remount,abort", state], capture_output=True)
        until("it is read-only", lambda: not is_writable(state))
        assert node.get("/test/pool/foo_1_all.deb").status == 200
        content = archive.packages["new"][1].read_bytes()
        assert node.get("/test/pool/new_1_all.deb").content == content
        assert node.get("/test/dists/stable/InRelease").status == 200
        until("it is told", lambda: node.counter("store.failed"))
        assert not node.counter("store.full")
        assert node.process.poll() is None
        node.kill()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def is_writable(folder):
    try:
        (folder / "probe").touch()
        return True
    except OSError:
        return False


def nothing_new_is_believed_until(archive, node, before, prefix):
    """It is started again with that one."""
    archive.add("foo", version="2")
    archive.publish()
    started = time.monotonic()
    assert generation(node) == before
    assert time.monotonic() - started < 10, "clients do not wait for it"
    until("it is told", lambda: node.counter("release.engine"), 60)
    assert generation(node) == before and node.get("/test/pool/foo_1_all.deb").status == 200
    node.stop()
    node.prefix = prefix
    node.start()
    until("the new release is taken", lambda: generation(node) != before)
    assert node.get("/test/pool/foo_2_all.deb").status == 200


AS_A_USER = ["setpriv", "--reuid=64999", "--regid=64999", "--clear-groups",
             "--inh-caps=+dac_override,+fowner", "--ambient-caps=+dac_override,+fowner"]


def tasks_of(pid):
    """Threads of a process and of those that it has started."""
    folder = pathlib.Path(f"/proc/{pid}/task")
    children = (folder / str(pid) / "children").read_text().split()
    return len(list(folder.iterdir())) + sum(tasks_of(int(child)) for child in children)


@needs_root
def test_R13_without_a_process_for_gpgv_the_held_is_served_and_nothing_new_is_believed(scene):
    archive = scene.archive()
    # A user of its own, because root has no limit; what only root may write is this test's.
    node = scene.node(archive, scene.origin(archive), prefix=AS_A_USER)
    held(scene, archive, node, "foo")
    before = generation(node)
    count = tasks_of(node.process.pid)
    node.stop()
    node.prefix = ["prlimit", f"--nproc={count}", *AS_A_USER]
    node.start()
    assert generation(node) == before
    nothing_new_is_believed_until(archive, node, before, AS_A_USER)


ENGINES = {"missing": None, "hanging": "int main(void) { for (;;) ; }",
           "crashing": "int main(void) { __builtin_trap(); }", "silent": "int main(void) { return 0; }"}


@needs_root
@pytest.mark.parametrize("engine", ENGINES)
def test_R13_with_a_gpgv_that_is_not_well_the_held_is_served_and_nothing_new_is_believed(scene, engine):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    held(scene, archive, node, "foo")
    before = generation(node)
    node.stop()
    program = scene.folder / "engine"
    if ENGINES[engine]:
        subprocess.run(["cc", "-static", "-O0", "-x", "c", "-o", program, "-"], input=ENGINES[engine], text=True,
                       check=True)
    else:
        program.touch(mode=0o644)  # nothing that can be run
    node.prefix = ["unshare", "--mount", "sh", "-ec", 'mount --bind "$0" /usr/bin/gpgv; exec "$@"', str(program)]
    node.start()
    nothing_new_is_believed_until(archive, node, before, [])
