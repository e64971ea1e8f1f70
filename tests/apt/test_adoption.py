# SPDX-License-Identifier: GPL-3.0-or-later
"""From a new release to its tables: which form of an index is taken, and what happens when it lies."""
import datetime
import errno
import gzip
import hashlib
import lzma
import random

import pytest

from node import Node, until
from shim import Shim

INDEX = "main/binary-amd64/Packages"
smoke = pytest.mark.smoke


class Large:
    """Generations whose Packages is large enough for a shortcut: apt's form is xz, gz unpacks faster."""

    def __init__(self, scene):
        self.archive, self.random, self.number = scene.archive(), random.Random(1), 0

    def publish(self, forms=("xz", "gz"), gz_text=None):
        """`gz_text`: what the gz unpacks to instead; signed all the same."""
        self.number += 1
        text = "".join(self.archive._stanza(*item) for item in sorted(self.archive.packages.items()))
        for i in range(12_000):
            text += (f"Package: large-{i}\nVersion: {self.number}\nArchitecture: amd64\n"
                     f"Filename: pool/l/large-{i}_{self.number}.deb\nSize: {1000 + i}\n"
                     f"SHA256: {self.random.randbytes(32).hex()}\n\n")
        plain = text.encode()
        packed = {"xz": lzma.compress(plain, preset=0),
                  "gz": gzip.compress(plain if gz_text is None else gz_text, mtime=0)}
        self.packed = {form: packed[form] for form in forms}
        listed = {INDEX: plain, **{f"{INDEX}.{form}": packed[form] for form in forms}}
        for form in ("xz", "gz"):
            file = self.archive.suite_folder / f"{INDEX}.{form}"
            file.unlink(missing_ok=True)
            if form in forms:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(packed[form])
                twin = file.parent / "by-hash/SHA256" / self.hash(form)
                twin.write_bytes(packed[form])
        self.archive.when += datetime.timedelta(seconds=60)
        self.archive.sign(self.archive.release_text(listed))

    def hash(self, form):
        return hashlib.sha256(self.packed[form]).hexdigest()

    def withdraw(self, form):
        (self.archive.suite_folder / f"{INDEX}.{form}").unlink()
        (self.archive.suite_folder / "main/binary-amd64/by-hash/SHA256" / self.hash(form)).unlink()

    def is_of(self, form, path):
        return path.endswith(f"{INDEX}.{form}") or path.endswith(self.hash(form))

    def name(self):
        return f"/test/pool/l/large-7_{self.number}.deb"


@pytest.fixture
def served(scene):
    """An archive of which a client uses Packages.xz, and the next generation of it on its way."""
    large = Large(scene)
    large.publish()
    origin = scene.origin(large.archive)
    node = scene.node(large.archive, origin)
    outcome = scene.apt(node).update()
    assert outcome.returncode == 0, outcome
    until("the first table", lambda: node.suite()["pool_files"] > 12_000)
    return large, origin, node


def adopts(large, node):
    """The newest generation becomes visible, with the names that it and nothing else has."""
    def is_visible():
        node.get("/test/dists/stable/InRelease")
        return b"in a verified index" in node.get(large.name()).content

    until("the new generation", is_visible)  # proven, though no source has the file


def blob(node, digest):
    return (node.folder / "state/blobs/sha256" / digest[:2] / digest).exists()


def asked_for(origin, large, form):
    return any(large.is_of(form, path) for path, _ in origin.requests)


@smoke
def test_the_quicker_form_is_read_and_the_clients_form_is_kept(served):
    large, origin, node = served
    for _ in range(5):  # only where the source is quick, which a busy machine may hide
        large.publish()
        adopts(large, node)
        if asked_for(origin, large, "gz"):
            break
    assert asked_for(origin, large, "gz") and asked_for(origin, large, "xz")
    assert blob(node, large.hash("xz")) and not blob(node, large.hash("gz"))
    # A client that asks for it gets it all the same, and then it is kept.
    assert node.get(f"/test/dists/stable/{INDEX}.gz").content == large.packed["gz"]
    until("it is kept", lambda: blob(node, large.hash("gz")))
    assert not node.event_codes() & {"release.held", "index.refused"}
    told = [line for line in node.log_text().splitlines() if " index.shortcut: " in line]
    assert all("not complete in time" in line for line in told), told


@smoke
@pytest.mark.parametrize("kind", ["missing", "tampered", "swapped", "stalled"])
def test_a_quicker_form_that_is_not_to_be_had_costs_nothing_but_time(served, kind):
    """V32: what is listed as gz and not there, or not what was signed, is not believed."""
    large, origin, node = served
    large.publish()
    evil = large.archive.folder / "evil.gz"
    evil.write_bytes(gzip.compress(b"Package: evil\nFilename: pool/l/evil.deb\nSize: 1\nSHA256: "
                                   + b"0" * 64 + b"\n\n"))
    if kind == "missing":
        large.withdraw("gz")
    mode = {"missing": None, "tampered": ("tamper", "middle"), "swapped": ("swap", evil),
            "stalled": ("stall",)}[kind]
    origin.fault = lambda path: mode if large.is_of("gz", path) else None
    adopts(large, node)
    assert node.get("/test/pool/l/evil.deb").status == 404
    assert not blob(node, large.hash("gz"))
    if asked_for(origin, large, "gz"):
        assert "index.shortcut" in node.event_codes()
        if kind != "stalled":
            code = {"missing": "source.missing", "tampered": "source.wrong-bytes", "swapped": "source.wrong-size"}[kind]
            assert code in node.event_codes()
    assert "release.held" not in node.event_codes()


@smoke
def test_a_signed_quicker_form_of_another_text_is_not_believed(served):
    """V32: both forms are held to the one text that the release lists."""
    large, origin, node = served
    evil = b"Package: evil\nFilename: pool/l/evil.deb\nSize: 1\nSHA256: " + b"0" * 64 + b"\n\n"
    large.publish(gz_text=evil + b"Comment: " + bytes(large.random.choices(b"abcdef", k=600_000)))
    adopts(large, node)
    assert node.get("/test/pool/l/evil.deb").status == 404
    if asked_for(origin, large, "gz"):
        assert "index.shortcut" in node.event_codes()


def test_an_archive_with_xz_alone(served):
    large, origin, node = served
    large.publish(forms=("xz",))
    adopts(large, node)
    assert blob(node, large.hash("xz"))
    assert not node.event_codes() & {"index.shortcut", "release.held"}


def test_R3_an_unreadable_table_is_an_answer_and_is_built_again(scene):
    """A failing disk below a table: 503 with a code, never the end of the node, and no 404."""
    archive = scene.archive()
    shim = Shim(scene.folder, scene.folder / "node-shim/state")
    node = Node(scene.folder / "node-shim", archive, [scene.origin(archive)], freshness="1h",
                environment=shim.environment)
    scene.nodes.append(node)
    assert node.get("/test/dists/stable/main/binary-amd64/Packages.xz").status == 200
    until("the table", lambda: node.get("/test/pool/foo_1_all.deb").status == 200)
    shim.arm(1, errno.EIO, stays=1, reads=1, only="pread")
    answer = node.get("/test/pool/bar_1_all.deb")
    assert answer.status == 503 and b"table.unreadable" in answer.content, answer.content
    shim.disarm()
    until("it is built again", lambda: node.get("/test/pool/bar_1_all.deb").status == 200)
    assert "table.unreadable" in node.event_codes()
    assert node.get("/test/pool/absent_1_all.deb").status == 404
