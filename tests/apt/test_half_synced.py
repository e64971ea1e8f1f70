# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror in the middle of a sync shows a new release and still has the old indexes."""
import os
import shutil

import pytest

from node import until

pytestmark = pytest.mark.smoke


def half_synced(scene, **options):
    """An archive whose new release nobody can complete yet, and a whole copy of the one before."""
    archive = scene.archive(**options)
    whole = scene.folder / "whole"
    shutil.copytree(archive.root, whole)
    archive.add("baz")
    archive.publish()
    shutil.rmtree(archive.suite_folder / "main")
    shutil.copytree(whole / "dists/stable/main", archive.suite_folder / "main")
    return archive, whole


@pytest.mark.parametrize("by_hash", [True, False])
def test_A9_V34_a_node_that_knows_nothing_shows_the_whole_mirror_s_release(scene, by_hash):
    archive, whole = half_synced(scene, by_hash=by_hash)
    half, other = scene.origin(archive, "127.0.0.2"), scene.origin(whole, "127.0.0.3")
    node = scene.node(archive, half, other)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    assert apt.download("foo").returncode == 0
    assert "release.held" in node.event_codes()
    # The sync is over: the next client has what it brought.
    archive.publish()
    late = scene.apt(node)
    assert late.update().returncode == 0
    assert late.download("baz").returncode == 0


def test_A9_alone_a_half_synced_mirror_is_waited_for(scene):
    archive, _ = half_synced(scene)
    node = scene.node(archive, scene.origin(archive))
    answer = node.get("/test/dists/stable/InRelease")
    assert (answer.status, b"held" in answer.content) == (503, True), answer.content
    archive.publish()
    assert scene.apt(node).update().returncode == 0


def test_A9_status_says_what_is_held_while_another_mirror_shows_what_is_served(scene):
    archive = scene.archive()
    half, other = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    node = scene.node(archive, half, other)
    assert scene.apt(node).update().returncode == 0
    whole = scene.folder / "whole"
    shutil.copytree(archive.root, whole)
    other.root = whole
    archive.add("baz")
    archive.publish()
    shutil.rmtree(archive.suite_folder / "main")
    shutil.copytree(whole / "dists/stable/main", archive.suite_folder / "main")
    served = (whole / "dists/stable/InRelease").read_bytes()
    for _ in range(2):
        assert node.get("/test/dists/stable/InRelease").content == served
    until("held", lambda: "is held" in node.suite()["held"])
    assert node.get("/test/dists/stable/InRelease").content == served
    assert "is held" in node.suite()["held"]


def test_A9_V34_another_index_of_the_same_size_tells_a_half_synced_mirror_as_well(scene):
    """One source has nothing under the index's name, the other one bytes of another release."""
    archive = scene.archive(by_hash=False)
    archive.add_bytes("probe", os.urandom(200))
    archive.publish()
    whole = scene.folder / "whole"
    shutil.copytree(archive.root, whole)
    index = "dists/stable/main/binary-amd64/Packages.xz"
    for _ in range(300):  # packed, the same text with other hashes is a little longer or shorter
        archive.add_bytes("probe", os.urandom(200))
        archive.publish()
        if (archive.root / index).stat().st_size == (whole / index).stat().st_size:
            break
    assert (archive.root / index).stat().st_size == (whole / index).stat().st_size
    half, other = scene.origin(archive, "127.0.0.2"), scene.origin(whole, "127.0.0.3")
    half.always("status", 404, only="/binary-amd64/")
    node = scene.node(archive, half, other)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    assert apt.download("foo").returncode == 0
    assert {"release.held", "source.mixed"} <= node.event_codes()
