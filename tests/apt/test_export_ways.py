# SPDX-License-Identifier: GPL-3.0-or-later
"""How an export shares bytes with the store: on file systems that have reflinks, only hard links, or neither
between the two. The kernel is asked what is shared, not the program alone."""
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import pytest

from coherence import sha256
from node import Node
from test_export import export, files_below
from test_mirror import large, mirror

pytestmark = pytest.mark.smoke
FS_IOC_FIEMAP, FIEMAP_FLAG_SYNC, FIEMAP_EXTENT_SHARED = 0xC020660B, 1, 0x2000  # linux/fiemap.h
FIEMAP, FIEMAP_EXTENT, MOST_EXTENTS = struct.Struct("=QQIIII"), struct.Struct("=QQQ2QI3I"), 100


@pytest.fixture
def subvolumes(scene):
    """Two of one btrfs: between them no hard link is possible, and every reflink."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("btrfs-progs is not installed")
    image, top = scene.folder / "btrfs.img", scene.folder / "btrfs"
    with open(image, "wb") as file:
        file.truncate(128 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    top.mkdir()
    mounted = subprocess.run(["mount", "-o", "loop", image, top], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this kernel mounts no btrfs: {mounted.stderr.strip()}")
    try:
        for name in ("node", "export"):
            subprocess.run(["btrfs", "-q", "subvolume", "create", top / name], check=True)
        yield top / "node", top / "export"
        for node in scene.nodes:
            node.stop()
    finally:
        subprocess.run(["umount", "-l", top], check=True)


@pytest.fixture
def in_memory(scene):
    """A folder on a tmpfs, which has hard links and no reflinks."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        if os.stat(folder).st_dev == os.stat(scene.folder).st_dev:
            pytest.skip("the tests' own folder is on /dev/shm")
        yield pathlib.Path(folder)
        for node in scene.nodes:
            node.stop()


def extents(path):
    """Where the file lies on the disk: (place, length, whether others have it as well)."""
    request = bytearray(FIEMAP.size + MOST_EXTENTS * FIEMAP_EXTENT.size)
    FIEMAP.pack_into(request, 0, 0, 2**64 - 1, FIEMAP_FLAG_SYNC, 0, MOST_EXTENTS, 0)
    with open(path, "rb") as file:
        fcntl.ioctl(file, FS_IOC_FIEMAP, request)
    count = FIEMAP.unpack_from(request)[3]
    assert count < MOST_EXTENTS
    found = [FIEMAP_EXTENT.unpack_from(request, FIEMAP.size + i * FIEMAP_EXTENT.size) for i in range(count)]
    return [(physical, length, bool(flags & FIEMAP_EXTENT_SHARED))
            for _, physical, length, _, _, flags, *_ in found]


def mirrored(scene, folder):
    """A node in this folder that holds all of an archive of ten packages that are larger than a block."""
    archive = large(scene, count=10)
    node = Node(folder, archive, [scene.origin(archive)])
    scene.nodes.append(node)
    mirror(node, "stable")
    return archive, node


def blob_of(node, content):
    name = sha256(content)
    return node.folder / "state/blobs/sha256" / name[:2] / name


def assert_right(archive, folder):
    """Every file of the archive's pool, and the release, byte for byte."""
    pool = {path.relative_to(archive.root).as_posix() for path in archive.root.glob("pool/*")}
    assert {path for path in files_below(folder) if path.startswith("pool")} == pool and len(pool) == 12
    for path in (*pool, "dists/stable/InRelease", "dists/stable/main/binary-amd64/Packages.xz"):
        assert (folder / path).read_bytes() == (archive.root / path).read_bytes(), path


def pairs(archive, node, folder):
    """The exported packages that are larger than a block, each with the blob of the same bytes."""
    for number in range(10):
        exported = folder / f"pool/p{number}_1_all.deb"
        yield exported, blob_of(node, (archive.root / f"pool/p{number}_1_all.deb").read_bytes())


def test_where_reflinks_are_possible_the_export_shares_the_stores_extents(scene, subvolumes):
    folder = subvolumes[1] / "mirror"
    archive, node = mirrored(scene, subvolumes[0])
    with pytest.raises(OSError, match="cross-device"):
        os.link(next(node.folder.glob("state/blobs/sha256/*/*")), subvolumes[1] / "link")
    done = node.command("export", "test", "--to", str(folder))
    assert done.returncode == 0 and " placed as reflinks, 0 removed" in done.stdout, done
    assert_right(archive, folder)
    for exported, blob in pairs(archive, node, folder):
        assert extents(exported) == extents(blob) and all(shared for *_, shared in extents(exported))
    again = export(node, folder)
    assert (again["way"], again["placed"]) == ("reflinks", 0)
    # Whoever edits the folder does not edit the store; the next export puts it right.
    edited = folder / "pool/p3_1_all.deb"
    with open(edited, "r+b") as file:
        file.write(b"changed in place")
    assert node.scrub() == 0
    assert export(node, folder)["placed"] == 1
    assert_right(archive, folder)


def test_where_only_hard_links_are_possible_the_export_has_the_stores_own_files(scene, in_memory):
    folder = in_memory / "export"
    archive, node = mirrored(scene, in_memory / "node")
    first = export(node, folder)
    assert first["way"] == "hard links" and first["placed"] > 12
    assert_right(archive, folder)
    assert all(os.path.samefile(exported, blob) for exported, blob in pairs(archive, node, folder))
    assert export(node, folder)["placed"] == 0


def test_where_neither_is_possible_the_export_has_copies(scene, in_memory):
    folder = in_memory / "export"
    archive, node = mirrored(scene, scene.folder / "node")
    with pytest.raises(OSError, match="cross-device"):
        os.link(next(node.folder.glob("state/blobs/sha256/*/*")), in_memory / "link")
    first = export(node, folder)
    assert first["way"] == "copies" and first["placed"] > 12
    assert_right(archive, folder)
    assert all(blob.stat().st_nlink == 1 for _, blob in pairs(archive, node, folder))
    again = export(node, folder)
    assert again["placed"] == 0
