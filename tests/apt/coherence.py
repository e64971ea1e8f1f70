# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of a node after anything at all: one generation, whose every byte is right."""
import hashlib
import json
import lzma
import os
import re


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def blobs_of(node):
    """The names of what is held."""
    return {file.name for file in (node.folder / "state/blobs/sha256").glob("*/*")}


def wrong_blobs(node):
    """I1: a file under its final name has the right hash."""
    return [file for file in (node.folder / "state/blobs/sha256").glob("*/*")
            if sha256(file.read_bytes()) != file.name]


def generation(node, prefix="/test"):
    """Reads a whole generation as apt would; gives (date, {pool path: SHA-256}) or says what is torn."""
    release = node.get(f"{prefix}/dists/stable/InRelease")
    assert release.status == 200, (release.status, release.content)
    listed = dict((path, (digest, int(size))) for digest, size, path in re.findall(
        r"^ ([0-9a-f]{64}) +(\d+) (\S+)$", release.content.decode(), re.M))
    index = node.get(f"{prefix}/dists/stable/main/binary-amd64/Packages.xz")
    assert index.status == 200, (index.status, index.content)
    digest, size = listed["main/binary-amd64/Packages.xz"]
    assert (sha256(index.content), len(index.content)) == (digest, size), "torn generation"
    text = lzma.decompress(index.content).decode()
    pool = dict(re.findall(r"Filename: (\S+)\n(?:.+\n)*?SHA256: ([0-9a-f]{64})", text))
    return re.search(r"^Date: (.*)$", release.content.decode(), re.M)[1], pool


def assert_coherent(node, prefix="/test"):
    """The generation is whole, and each of its packages that can be had is right."""
    _, pool = generation(node, prefix)
    assert pool
    for path, digest in pool.items():
        answer = node.get(f"{prefix}/{path}")
        assert answer.status in (200, 503), (path, answer.status, answer.content)
        assert answer.status == 503 or sha256(answer.content) == digest, path


LONG_AGO = 40 * 86400


def blob_files(node):
    return [file for file in (node.folder / "state/blobs").rglob("*") if file.is_file()]


def grow_old(node, seconds=LONG_AGO):
    """As if nobody had used anything for so long."""
    for file in blob_files(node):
        status = file.stat()
        os.utime(file, ns=(status.st_atime_ns - seconds * 10**9, status.st_mtime_ns))


def least(node):
    """Bytes of what a collection never takes now: the smallest size that there is for it."""
    line = node.command("gc", "--dry-run", "--to", "1", "--json").stdout.splitlines()[-1]
    result = json.loads(line)
    return result["held"]["kept"]["bytes"] + result["hot"]["bytes"]
