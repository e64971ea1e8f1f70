# SPDX-License-Identifier: GPL-3.0-or-later
"""From the start of the process to ready, with 10^6 blobs and an archive of the size of Debian main adopted;
after a stop, and after kill -9. The page cache is warm."""
import os
import random
import statistics
import time

from adoption import LargeOrigin, wait_published
from rounds import rounds_of, row

BLOBS = 1_000_000


def make_blobs(state):
    """Names in the layout of docs/formats/store.md, links to one file for each folder (a million inodes take ten
    minutes to remove again). A start that looked at each of them would need as many calls; one that read them
    would find all of them damaged."""
    source = random.Random(1)
    for folder in range(256):
        path = state / f"blobs/sha256/{folder:02x}"
        file = path / "some"
        file.write_text("some bytes\n")
        file.chmod(0o444)
        opened = os.open(path, os.O_RDONLY)
        for _ in range(-(-BLOBS // 256)):
            os.link("some", f"{folder:02x}{source.getrandbits(248):062x}", src_dir_fd=opened, dst_dir_fd=opened)
        os.close(opened)
        file.unlink()


def seconds_to_ready(node):
    """And to the first answer, which is the held release."""
    started = time.monotonic()
    node.start()
    ready = time.monotonic() - started
    assert node.get("/test/dists/stable/InRelease").status == 200
    return ready, time.monotonic() - started


def start(folder):
    origin = LargeOrigin(folder / "origin")
    node = origin.node(folder / "node", freshness="1h")
    try:
        wait_published(node, 1)
        node.stop()
        make_blobs(node.folder / "state")
        results = {"a stop": [], "kill -9": []}
        for _ in range(rounds_of(5)):
            for after, each in results.items():
                each.append(seconds_to_ready(node))
                node.kill() if after == "a stop" else node.stop()  # for the next one
        count = sum(len(names) for _, _, names in os.walk(node.folder / "state/blobs/sha256"))
        assert count >= BLOBS
    finally:
        node.process.poll() is None and node.kill()
        origin.nginx.stop()
    rows = [row(f"{what} after {after}, 10^6 blobs", "s", len(each),
                {"Aptward": statistics.median(pair[number] for pair in each)})
            for after, each in results.items() for number, what in enumerate(("ready", "first answer"))]
    return {"rows": rows, "blobs": count}
