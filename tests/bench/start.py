# SPDX-License-Identifier: GPL-3.0-or-later
"""From the start of the process to ready, with 10^6 blobs and an archive of the size of Debian main adopted;
after a stop, and after kill -9. The page cache is warm."""
import hashlib
import os
import statistics
import time

from adoption import LargeOrigin, wait_published
from rounds import rounds_of, significant

BLOBS = 1_000_000
LINKS = 60_000  # of one file; ext4 allows 65,000


def make_blobs(state):
    """Names in the layout of docs/formats/store.md, links to a few files (a million inodes take ten minutes to
    remove again). A start that looked at each of them would cost as many calls; one that read them would find
    all of them damaged."""
    folders = [os.open(state / f"blobs/sha256/{number:02x}", os.O_RDONLY) for number in range(256)]
    for number in range(BLOBS):
        if number % LINKS == 0:
            file = state / f"blobs/sha256/some{number}"
            file.write_text("some bytes\n")
            file.chmod(0o444)
        digest = hashlib.sha256(b"%d" % number)
        os.link(file, digest.hexdigest(), dst_dir_fd=folders[digest.digest()[0]])
        if number % LINKS == LINKS - 1 or number == BLOBS - 1:
            file.unlink()
    for folder in folders:
        os.close(folder)


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
    rows = [{"measure": f"{what} after {after}, 10^6 blobs", "unit": "s", "rounds": len(each), "ratios": {},
             "values": {"Aptward": significant(statistics.median(pair[number] for pair in each), 3)}}
            for after, each in results.items() for number, what in enumerate(("ready", "first answer"))]
    print(rows, flush=True)
    return {"rows": rows, "blobs": count}
