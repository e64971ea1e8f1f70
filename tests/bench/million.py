# SPDX-License-Identifier: GPL-3.0-or-later
"""A scrub and collections of 10^6 held blobs: what they cost the clients that are served meanwhile, and memory.

The blobs are 3,008 bytes each, all different. An archive of eight indexes names them: two generations were published,
so that 600,000 are named by what is served, 200,000 by the earlier one only, and 200,000 by none. The node has one
core with one serving thread, as in the other sections, and the jobs share it; the load has the other core: requests
for 64 files at a fixed pace, each latency counted from the moment at which its request was due. Every round measures
the idle node before and after each job, so that the noise shows. The page cache is as making the blobs left it.
"""
import concurrent.futures
import contextlib
import gzip
import hashlib
import os
import shutil
import subprocess
import threading
import time

import paced
from archive import Archive, Key
from node import PROGRAM, Node, until
from peers import Nginx
from rounds import SERVER_CORE, compare, memory_of, rounds_of, row
from stage import root

BLOBS, PARTS, HOT = 1_000_000, 8, 64
NAMED, DROPPED = 800_000, 200_000  # by the first generation, and of these no more by the second
PACE, IDLE_SECONDS = 2_000, 8
DAYS = 24 * 3600


def content(number):
    return hashlib.sha256(b"%d" % number).digest() * 94


def digest(number):
    return hashlib.sha256(content(number)).hexdigest()


def digests(numbers):
    return [digest(number) for number in numbers]


def make_blobs(blobs, numbers):
    """In the layout of docs/formats/store.md, last used forty days ago."""
    used = time.time() - 40 * DAYS
    for number in numbers:
        name = digest(number)
        path = f"{blobs}/{name[:2]}/{name}"
        with contextlib.suppress(FileExistsError):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
            os.write(file, content(number))
            os.close(file)
            os.utime(path, (used, used))


def on_all_cores(work, *before):
    """Results of `work` for slices of the numbers, in order."""
    slices = [range(first, first + BLOBS // 16) for first in range(0, BLOBS, BLOBS // 16)]
    with concurrent.futures.ProcessPoolExecutor() as pool:
        return list(pool.map(work, *([each] * len(slices) for each in before), slices))


class Generations:
    """Two of one archive, of which a symbolic link shows one, and nginx."""

    def __init__(self, folder, names):
        folder.mkdir()
        key, part, gone = Key(folder / "key", "million"), NAMED // PARTS, DROPPED // PARTS
        self.old, self.new = (
            self.publish(folder / name, key, later, [names[first + skipped:first + part]
                                                     for first in range(0, NAMED, part)], skipped)
            for name, later, skipped in (("old", 1, 0), ("new", 31, gone)))
        self.www = folder / "www"
        self.show(self.old)
        self.nginx = Nginx(folder / "nginx", self.www, log=folder / "log")
        self.url = self.nginx.url

    @staticmethod
    def publish(folder, key, later, parts, skipped):
        archive, listed = Archive(folder, key), {}
        archive.when = archive.when.replace(minute=0, second=later)
        for number, names in enumerate(parts):
            first = number * NAMED // PARTS + skipped
            text = "".join(f"Package: p{first + place}\nVersion: 1\nArchitecture: all\n"
                           f"Filename: pool/p{first + place}_1_all.deb\nSize: 3008\nSHA256: {name}\n\n"
                           for place, name in enumerate(names)).encode()
            base = f"c{number}/binary-amd64/Packages"
            listed |= {base: text, base + ".gz": gzip.compress(text, 1, mtime=0)}
        archive.place(listed)
        archive.sign(archive.release_text(listed, Components=" ".join(f"c{number}" for number in range(PARTS))))
        return archive

    def show(self, archive):
        link = self.www.with_name("link")
        link.symlink_to(archive.root)
        link.rename(self.www)

    def node(self, folder):
        """One that has adopted both."""
        node = Node(folder, self.old, [self], prefix=SERVER_CORE, top=["loops = 1"], suites=["stable"],
                    components=[f"c{number}" for number in range(PARTS)], architectures=["amd64"], freshness="0s")
        for count, archive in ((1, self.old), (2, self.new)):
            self.show(archive)
            until(f"{count} releases are published", lambda: node.get("/test/dists/stable/InRelease").status == 200
                  and node.counter("release.published") >= count, 120)
        return node


class Watch:
    """The load on a node, and its memory, while the `with` lasts."""

    def __init__(self, node, paths):
        self.node, self.paths, self.must_stop = node, paths, threading.Event()
        self.peak = {"resident": 0, "anonymous": 0}

    def __enter__(self):
        self.load = paced.Paced(self.node.address, self.paths, PACE)
        self.sampler = threading.Thread(target=self.sample)
        self.sampler.start()
        return self

    def sample(self):
        while not self.must_stop.wait(0.05):
            for kind, size in memory_of(self.node.process.pid).items():
                self.peak[kind] = max(self.peak[kind], size)

    def __exit__(self, *_):
        seen = self.load.end()
        self.must_stop.set()
        self.sampler.join()
        self.result = {**seen, **{kind: size / 1e6 for kind, size in self.peak.items()}}
        print("   ", {name: round(value, 3) for name, value in self.result.items()}, flush=True)


def idle(node, paths):
    with Watch(node, paths) as watch:
        time.sleep(IDLE_SECONDS)
    return watch.result


def during(node, paths, *words):
    """The same while a job runs that the command line starts, and waits for."""
    before = node.cpu_seconds()
    with Watch(node, paths) as watch:
        began = time.monotonic()
        done = subprocess.run([PROGRAM, *words, "--json", "--config", node.config], capture_output=True, text=True)
        seconds = time.monotonic() - began
    assert done.returncode == 0, done
    print(f"{' '.join(words)}: {seconds:.1f} s", done.stdout.strip().splitlines()[-1][:300], flush=True)
    return {**watch.result, "took": seconds, "cpu": node.cpu_seconds() - before}


def size_beside_blobs(state):
    return sum(file.lstat().st_size for file in state.rglob("*") if file.is_file() and "blobs" not in file.parts)


def million(folder):
    paced.build()
    names = [name for part in on_all_cores(digests) for name in part]
    origin = Generations(folder / "origin", names)
    node = origin.node(folder / "node")
    node.stop()
    state = node.folder / "state"
    on_all_cores(make_blobs, str(state / "blobs/sha256"))
    os.sync()
    node.start()
    paths = [f"/test/pool/p{NAMED - 1 - number}_1_all.deb" for number in range(HOT)]
    assert all(node.get(path).content == content(NAMED - 1 - number) for number, path in enumerate(paths))
    jobs = {"a scrub": lambda _: ["scrub"], "a dry collection": lambda _: ["gc", "--dry-run", "--to", "1G"],
            "a collection": lambda number: ["gc", "--to", f"{2200 - 1600 * number // count}M"]}
    count = rounds_of(3)
    found = {name: {"before": [], "during": [], "after": []} for name in jobs}
    try:
        for number in range(count):
            quiet = idle(node, paths)
            for name, words in jobs.items():
                found[name]["before"].append(quiet)
                found[name]["during"].append(during(node, paths, *words(number)))
                quiet = idle(node, paths)
                found[name]["after"].append(quiet)
        left = sum(len(names) for _, _, names in os.walk(state / "blobs/sha256"))
        beside = size_beside_blobs(state)
    finally:
        node.kill()
        origin.nginx.stop()
        for part in (state / "blobs/sha256").iterdir():
            shutil.rmtree(part)
    rows = []
    for name, each in found.items():
        p99 = {when: [result["p99_ms"] for result in results] for when, results in each.items()}
        rows.append(compare(f"p99 of hits during {name} of 10^6 blobs", "ms",
                            {"Aptward": p99["during"], "idle": p99["before"]},
                            seconds=[result["took"] for result in each["during"]],
                            cpu_seconds=[result["cpu"] for result in each["during"]],
                            p50_ms=[result["p50_ms"] for result in each["during"]],
                            most_ms=[result["most_ms"] for result in each["during"]]))
        rows.append(compare(f"p99 of hits after {name}, idle again", "ms",
                            {"Aptward": p99["after"], "idle": p99["before"]}))
        for kind in ("resident", "anonymous"):
            rows.append(row(f"memory during {name} of 10^6 blobs, {kind}", "MB", count,
                            {"Aptward": max(result[kind] for result in each["during"]),
                             "idle": max(result[kind] for result in each["before"])}))
    return {"rows": rows, "blobs": BLOBS, "blobs_left": left, "state_beside_blobs_bytes": beside, "pace": PACE}
