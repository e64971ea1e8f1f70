# SPDX-License-Identifier: GPL-3.0-or-later
"""The outage of 30 April 2026 as it was recorded, a hundred minutes a second: too long for CI."""
import json
import os
import subprocess

import pytest

from node import PROGRAM

TRACE = os.environ.get("APTWARD_OUTAGE")

pytestmark = pytest.mark.skipif(TRACE is None, reason="APTWARD_OUTAGE names no recorded outage")


def test_R16_the_recorded_outage_leaves_every_fresh_client_with_all_that_is_held(scene, record_property):
    archive = scene.archive()
    known = [f"known{number}" for number in range(20)]
    for name in known:
        archive.add(name, payload_bytes=3000)
    archive.publish()
    # Nothing but the ends of silences tells the node that there is something new.
    node = scene.node(archive, scene.origin(archive), scene.origin(archive, "127.0.0.3"), freshness="1h")
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.download(*known).returncode == 0
    command = subprocess.Popen([PROGRAM, "drill", "test", "--trace", TRACE, "--speed", "6000", "--packages", "0",
                                "--json", "--config", node.config], stdout=subprocess.PIPE, text=True)
    silences = 0
    for line in command.stdout:
        seen = json.loads(line)
        if seen.get("phase") == "down":  # upstream moves on in every silence
            silences += 1
            archive.add(f"new{silences}")
            archive.publish()
    assert command.wait() == 0, seen
    assert silences == 8 and seen["down"]["good"] == seen["down"]["clients"] >= 8, seen
    assert seen["down"]["packages"]["got"] == seen["down"]["packages"]["of"] >= 8 * len(known), seen
    assert seen["news"]["packages"]["got"] == seen["news"]["packages"]["of"] >= 7, seen
    record_property("fresh clients while down", seen["down"]["clients"])
    record_property("packages that they got", seen["down"]["packages"]["got"])
