# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever asks for many moments holds up nobody who asks for now."""
import threading

import pytest

from coherence import sha256
from node import until
from test_time_travel import stamp, versions

pytestmark = pytest.mark.smoke


def test_tables_of_many_moments_do_not_hold_up_a_new_release(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    moments, old = [], []
    for number in range(1, 11):
        if number > 1:
            archive.add("foo", str(number))
            archive.publish()
        assert versions(apt) == [str(number)]
        moments.append(archive.when)
        old.append(sha256((archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes()))
    node.stop()
    # Of the first ones neither tables nor indexes are held, and the source begins to give them for ever.
    for table in (node.folder / "state/tables").iterdir():
        table.unlink()
    for digest in old[:5]:
        (node.folder / f"state/blobs/sha256/{digest[:2]}/{digest}").unlink()
    origin.fault = lambda path: ("stall",) if any(digest in path for digest in old[:5]) else None
    node.start()
    apt = scene.apt(node)
    assert versions(apt) == ["10"]
    asking = [threading.Thread(target=node.get, args=(f"/snapshot/{stamp(moment)}/test/pool/foo_0_all.deb",),
                               daemon=True) for moment in moments[:5]]
    for thread in asking:
        thread.start()
    until("the old indexes are asked for", lambda: any(old[0] in str(path) or old[4] in str(path)
                                                       for path in origin.requests), 10)
    archive.add("foo", "11")
    archive.publish()
    before = node.suite()["generation"]
    node.get("/test/dists/stable/InRelease")
    until("the new release is published", lambda: node.suite()["generation"] != before, 4)
    for thread in asking:
        thread.join(20)
