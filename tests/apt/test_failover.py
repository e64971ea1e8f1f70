# SPDX-License-Identifier: GPL-3.0-or-later
"""A dead, stalled or lying source costs seconds, never minutes, and is remembered.

APTWARD_SECONDS names a file that gets what each case took, one JSON text a line (./dev bench failover)."""
import json
import os
import shutil
import time

import pytest

from node import is_sanitized, until

pytestmark = [pytest.mark.smoke, pytest.mark.alone]

FAULTS = {"stall": ("stall",), "trickle": ("trickle", 1), "503": ("status", 503),
          "403": ("status", 403), "404": ("status", 404), "lie": ("tamper", "middle"),
          "portal": ("html",), "truncate": ("truncate", 10)}


def note_seconds(**case):
    if "APTWARD_SECONDS" in os.environ:
        with open(os.environ["APTWARD_SECONDS"], "a") as file:
            file.write(json.dumps({name: round(value, 2) if isinstance(value, float) else value
                                   for name, value in case.items()}) + "\n")


@pytest.mark.parametrize("fault", [*FAULTS, "refuse", "stale"])
def test_C6_R15_A10_A11_one_bad_source_costs_under_five_seconds(scene, fault):
    archive = scene.archive()
    old = scene.folder / "old"
    shutil.copytree(archive.root, old)
    archive.add("baz")
    archive.publish()
    bad, good = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    if fault == "refuse":
        bad.die()
    elif fault == "stale":
        bad.root = old
    else:
        bad.always(*FAULTS[fault])
    node = scene.node(archive, bad, good)
    apt = scene.apt(node)
    cold = apt.update()
    assert cold.returncode == 0 and cold.seconds < 5, cold
    get = apt.download("baz")
    assert get.returncode == 0 and get.seconds < 5, get
    warm = scene.apt(node).update()
    note_seconds(fault=fault, cold=cold.seconds, download=get.seconds, warm=warm.seconds)
    print(f"{fault}: cold {cold.seconds:.2f} s, download {get.seconds:.2f} s, warm {warm.seconds:.2f} s")
    assert warm.returncode == 0 and warm.seconds < (2.5 if is_sanitized() else 1), warm
    assert node.scrub() == 0


def test_R16_with_all_sources_dead_the_held_is_served_and_recovery_is_automatic(scene):
    archive = scene.archive()
    origins = [scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")]
    node = scene.node(archive, *origins)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    assert apt.download("foo").returncode == 0
    for origin in origins:
        origin.die()
    apt.clean()
    dead = apt.update()
    assert dead.returncode == 0 and dead.seconds < 5, dead
    assert apt.download("foo").returncode == 0
    answer = node.get("/test/dists/stable/InRelease")
    assert answer.status == 200 and "Age" in answer.headers and "Cache-Status" in answer.headers
    missing = node.get("/test/pool/bar_1_all.deb")
    assert missing.status == 503 and missing.content and missing.headers["Retry-After"]
    for origin in origins:
        origin.revive()
    until("bar is to be had again", lambda: node.get("/test/pool/bar_1_all.deb").status == 200)


def test_a_stall_in_the_middle_of_a_file_is_resumed_elsewhere_by_range(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=6_000_000)
    archive.publish()
    bad, good = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    node = scene.node(archive, bad, good)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    for origin in (bad, good):
        origin.requests.clear()
    bad.always("truncate", 3_000_000, only="large")
    good.always("truncate", 5_000_000, only="never")
    got = apt.download("large")
    assert got.returncode == 0 and got.seconds < 5, got
    ranges = [headers.get("range") for origin in (bad, good) for path, headers in origin.requests
              if "large" in path]
    assert len(ranges) == 1 or any(span for span in ranges)


def test_R16_with_all_sources_stalled_what_is_held_comes_within_a_second_or_at_once(scene):
    archive = scene.archive()
    origins = [scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")]
    node = scene.node(archive, *origins)
    apt = scene.apt(node)
    assert apt.update().returncode == 0 and apt.download("foo").returncode == 0
    for origin in origins:
        origin.always("stall")
    for path, limit_s in (("dists/stable/InRelease", 2.5), ("dists/stable/main/binary-amd64/Packages.xz", 1),
                          ("pool/foo_1_all.deb", 1)):
        started = time.monotonic()
        answer = node.get(f"/test/{path}")
        assert answer.status == 200 and time.monotonic() - started < limit_s, path
