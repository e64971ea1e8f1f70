# SPDX-License-Identifier: GPL-3.0-or-later
"""From 1 to 32 nodes behind one line, each with a client that installs the same 300 packages at the same time:
what crosses the line, and how long the last client waits. Nodes in namespaces of their own on one machine."""
import shutil
import time

from archive import Archive, Key
from conftest import Scene
from neighbourhood import Neighbourhood, check_files, copy_of, install_on_all, stocked

COUNTS, APART = (1, 2, 4, 8, 16, 32), 4
PACKAGES, BYTES, RATE = 300, 150_000, "20mbit"


def run(scene, archive, names, count, is_near):
    """Copies that the vendor gave, and seconds until the last client had everything."""
    street = Neighbourhood(scene, archive, count, rate=RATE, is_near=is_near)
    if is_near:
        street.meet()
    apts = [street.apt(node) for node in street.nodes]
    before, started = street.vendor.sent, time.monotonic()
    install_on_all(apts, names)
    took, sent = time.monotonic() - started, street.vendor.sent - before
    check_files(apts, archive, names)
    for apt in apts:
        shutil.rmtree(apt.folder)
    scene.end()
    found = {"nodes": count, "near": is_near, "copies": round(sent / copy_of(archive, names), 3),
             "seconds": round(took, 1)}
    print(found, flush=True)
    return found


def neighbours(folder, counts=COUNTS):
    scene = Scene(folder, Key(folder / "key", "vendor"))
    try:
        archive = Archive(folder / "archive", scene.key)
        names = stocked(archive, PACKAGES, BYTES)
        rows = [run(scene, archive, names, count, True) for count in counts]
        rows.append(run(scene, archive, names, APART, False))
    finally:
        scene.end()
    return {"packages": PACKAGES, "bytes": BYTES, "rate": RATE, "rows": rows}
