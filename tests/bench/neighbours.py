# SPDX-License-Identifier: GPL-3.0-or-later
"""From 1 to 32 nodes behind one line, each with a client that installs the same 300 packages at the same time:
what crosses the line, and how long the last client waits. Nodes in namespaces of their own on one machine."""
import concurrent.futures
import shutil
import time

from archive import Archive, Key
from conftest import Scene
from neighbourhood import Neighbourhood, files_of, install

COUNTS, APART = (1, 2, 4, 8, 16, 32), 4
PACKAGES, BYTES, RATE = 300, 150_000, "20mbit"


def stocked(scene, packages, payload):
    archive = Archive(scene.folder / "archive", scene.key)
    names = [f"p{number}" for number in range(packages)]
    for name in names:
        archive.add(name, payload_bytes=payload)
    archive.publish()
    return archive, names


def run(scene, archive, names, count, is_near):
    """Copies that the vendor gave, and seconds until the last client had everything."""
    street = Neighbourhood(scene, archive, count, rate=RATE, is_near=is_near)
    if is_near:
        street.meet()
    apts = [street.apt(node) for node in street.nodes]
    lists = archive.suite_folder / "main/binary-amd64/Packages.xz"
    copy = lists.stat().st_size + sum(archive.packages[name][1].stat().st_size for name in names)
    before, started = street.vendor.sent, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda apt: install(apt, names), apts))
    took, sent = time.monotonic() - started, street.vendor.sent - before
    for apt in apts:
        assert files_of(apt) == {name: archive.packages[name][1].read_bytes() for name in names}
        shutil.rmtree(apt.folder)
    scene.end()
    found = {"nodes": count, "near": is_near, "copies": round(sent / copy, 3), "seconds": round(took, 1)}
    print(found, flush=True)
    return found


def neighbours(folder, counts=COUNTS):
    scene = Scene(folder, Key(folder / "key", "vendor"))
    try:
        archive, names = stocked(scene, PACKAGES, BYTES)
        rows = [run(scene, archive, names, count, True) for count in counts]
        rows.append(run(scene, archive, names, APART, False))
    finally:
        scene.end()
    return {"packages": PACKAGES, "bytes": BYTES, "rate": RATE, "rows": rows}
