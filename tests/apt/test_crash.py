# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kill and a full disk leave: no torn generation, no wrong blob, nothing held lost.

APTWARD_KILLS says how many seeded kills (10 in CI, 200 in the deep run); a failing seed is named.
"""
import os
import random
import subprocess
import threading

import pytest

from node import until

pytestmark = pytest.mark.smoke


@pytest.mark.alone
def test_C7_kill_9_at_seeded_moments_loses_nothing_and_tears_nothing(scene):
    archive = scene.archive()
    for number in range(6):
        archive.add(f"p{number}", payload_bytes=300_000)
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode == 0
    held = set()
    for seed in range(int(os.environ.get("APTWARD_KILLS", "10"))):
        chance = random.Random(seed)
        archive.add("foo", version=str(seed + 2))
        archive.publish()
        wanted = [f"/test/pool/p{chance.randrange(6)}_1_all.deb", f"/test/pool/foo_{seed + 2}_all.deb"]

        def ask():
            for path in ["/test/dists/stable/InRelease", *wanted]:
                try:
                    if node.get(path).status == 200 and path.endswith(".deb"):
                        held.add(path)
                except OSError:
                    return

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(chance.random() * 0.12)
        # What no current or recent generation lists any more is not served any more.
        recent = [f"/foo_{seed + 2 - back}_" for back in range(3)]
        before = {path for path in held if path[10:].startswith("/p") or any(name in path for name in recent)}
        node.kill()
        asking.join()
        node.start()
        assert node.start_seconds < 2, f"seed {seed}: restart took {node.start_seconds:.1f} s"
        assert node.scrub() == 0, f"seed {seed}"
        answer = node.get("/test/dists/stable/InRelease")
        assert answer.status == 200, f"seed {seed}"
        origin.requests.clear()
        for path in sorted(before):
            assert node.get(path).content == (archive.root / path[6:]).read_bytes(), f"seed {seed}"
        # An answer may be sent before its bytes are synced; what the answer before it left is held.
        assert sum(path.endswith(".deb") for path, _ in origin.requests) <= 2, f"seed {seed}"
    fresh = scene.apt(node)
    assert fresh.update().returncode == 0 and fresh.download("foo").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_R4_with_a_full_disk_the_held_is_served_and_the_new_is_passed_on(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=9_000_000)
    archive.publish()
    state = scene.folder / "node-full/state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", state], check=True)
    try:
        from node import Node
        node = Node(scene.folder / "node-full", archive, [scene.origin(archive)])
        scene.nodes.append(node)
        apt = scene.apt(node)
        assert apt.update().returncode == 0 and apt.download("foo").returncode == 0
        with open(state / "ballast", "wb", buffering=0) as ballast, pytest.raises(OSError):
            while True:
                ballast.write(b"x" * 65536)
        assert node.get("/test/pool/foo_1_all.deb").status == 200
        content = (archive.root / "pool/large_1_all.deb").read_bytes()
        assert node.get("/test/pool/large_1_all.deb").content == content
        until("the event", lambda: node.counter("store.full") or node.counter("store.failed"))
        assert node.get("/test/dists/stable/InRelease").status == 200
        (state / "ballast").unlink()
        assert apt.download("bar").returncode == 0 and node.scrub() == 0
        node.kill()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


@pytest.mark.parametrize("damage", ["bits", "cut", "gone"])
def test_R7_R8_I4_a_damaged_blob_is_never_served_after_a_scrub_and_is_healed(scene, damage):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.download("foo").returncode == 0
    content = (archive.root / "pool/foo_1_all.deb").read_bytes()
    import hashlib
    name = hashlib.sha256(content).hexdigest()
    blob = node.folder / "state/blobs/sha256" / name[:2] / name
    until("held", blob.exists)
    node.stop()
    node.start()  # what fetched it is over: no answer comes from there
    if damage == "bits":
        blob.chmod(0o644)
        blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert node.scrub() == 1
    elif damage == "cut":
        os.truncate(blob, 10)
    else:
        blob.unlink()
    assert node.get("/test/pool/foo_1_all.deb").content == content
    until("held again", lambda: blob.exists() and blob.stat().st_size == len(content))
    assert node.scrub() == 0
