# SPDX-License-Identifier: GPL-3.0-or-later
"""How an origin becomes hostile: each gives a function (stage, origin), for attacks.py."""
import bz2
import datetime
import functools
import gzip
import lzma
import re
import subprocess

from archive import DATE


def nothing(stage, origin):
    pass


def every(*mode, only=""):
    return lambda stage, origin: origin.always(*mode, only=only)


def package(*mode):
    return every(*mode, only="foo_")


def index(*mode):
    return every(*mode, only="/binary-amd64/")


def cut(share, less=0):
    """Ends after this share of the package."""
    def begin(stage, origin):
        size = stage.archive.packages["foo"][1].stat().st_size
        origin.always("truncate", int(size * share) - less, only="foo_")
    return begin


def half_then(mode):
    def begin(stage, origin):
        size = stage.archive.packages["foo"][1].stat().st_size
        origin.always(mode, size // 2, only="foo_")
    return begin


def shows(spoil, is_signed=False):
    """The origin shows a copy of the archive that `spoil`(stage, copy) has changed."""
    def begin(stage, origin):
        fork = stage.fork(is_signed)
        spoil(stage, fork)
        origin.root = fork.root
    return begin


def published(**fields):
    """The vendor signed it; a field's value may be a function that gives it."""
    def spoil(stage, fork):
        fork.publish(**{name: value() if callable(value) else value for name, value in fields.items()})
    return shows(spoil, is_signed=True)


def signed_by(name):
    def spoil(stage, fork):
        fork.key = stage.keys[name]
        fork.publish()
    return shows(spoil)


def another_build(stage, origin):
    """Of the same name, version and size."""
    fork = stage.fork()
    fork.add("foo")
    origin.always("swap", fork.packages["foo"][1], only="foo_")


def other_package(stage, origin):
    origin.always("swap", stage.archive.packages["bar"][1], only="foo_")


def edited_index(stage, origin):
    """One more dependency, the release as it was."""
    text = stage.archive.index().replace(b"Architecture: all\n", b"Architecture: all\nDepends: bar\n")
    origin.fault = lambda path: ("swap", lzma.compress(text)) if "/binary-amd64/" in path else None


def update_with(name):
    """Keeps what there was as `name`, and publishes a newer one."""
    def prepare(stage, origin):
        setattr(stage, name, stage.fork(is_signed=True))
        stage.archive.add("foo", version="2")
        stage.archive.publish()
        stage.good.clear()
        stage.welcome(stage.archive)
    return prepare


def rolled_back(stage, origin):
    origin.root = stage.old.root


def frozen(stage, origin):
    """The last good one, for ever; a client of this source alone cannot know."""
    origin.root = stage.fork(is_signed=True).root
    stage.archive.add("foo", version="2")
    stage.archive.publish()
    stage.welcome(stage.archive)


def mixed(stage, origin):
    """A new release with the indexes of the one before."""
    old = stage.fork(is_signed=True)
    stage.archive.add("foo", version="2")
    stage.archive.publish()
    stage.welcome(stage.archive)
    origin.fault = lambda path: ("root", old.root) if "/binary-amd64/" in path else None


def pack(form, content):
    if form == "zst":
        return subprocess.run(["zstd", "-q"], input=content, capture_output=True, check=True).stdout
    return {"xz": lzma.compress, "gz": gzip.compress, "bz2": bz2.compress}[form](content)


@functools.cache
def bomb(form):
    """A gigabyte of zeros: in every form, whole streams may follow each other."""
    return pack(form, bytes(1 << 24)) * 64


def only(archive, ending, plain, packed):
    """Publishes one index, in one form besides the plain one; signed, whether they fit or not."""
    archive.when += datetime.timedelta(seconds=60)
    folder = archive.suite_folder / "main/binary-amd64"
    for file in folder.glob("Packages*"):
        file.unlink()
    listed = {"main/binary-amd64/Packages": plain, "main/binary-amd64/Packages." + ending: packed}
    archive.place(listed)
    archive.sign(archive.release_text(listed))


def used_form(form):
    """Clients use this form of the index from the beginning."""
    def prepare(stage, origin):
        only(stage.archive, form, stage.archive.index(), pack(form, stage.archive.index()))
        stage.good.clear()
        stage.welcome(stage.archive)
    return prepare


def bombed(form):
    """The vendor signed a newer release, whose index is a bomb."""
    def spoil(stage, fork):
        fork.add("baz")
        only(fork, form, fork.index(), bomb(form))
    return shows(spoil, is_signed=True)


def withheld(stage, origin):
    """The vendor signed it, and the source shows none of its indexes: 404, as in the middle of a sync."""
    fork = stage.fork(is_signed=True)
    fork.add("foo", version="2")
    fork.publish()
    origin.root = fork.root
    origin.always("status", 404, only="/binary-amd64/")


def indexed(text):
    """The vendor signed a newer release with this as its index."""
    return shows(lambda stage, fork: only(fork, "xz", text, pack("xz", text)), is_signed=True)


def says(change):
    """The vendor signed this text."""
    return shows(lambda stage, fork: fork.sign(change(fork.text())))


def rewritten(change):
    """The bytes of InRelease are changed; nobody signed that."""
    def spoil(stage, fork):
        file = fork.suite_folder / "InRelease"
        file.write_bytes(change(file.read_bytes()))
    return shows(spoil)


def md5_only(text):
    head, _, listed = text.partition(b"SHA256:\n")
    return head + b"MD5Sum:\n" + re.sub(rb"^ [0-9a-f]{32}([0-9a-f]{32})", rb" \1", listed, flags=re.M)


def unsigned(stage, fork):
    (fork.suite_folder / "InRelease").rename(fork.suite_folder / "Release")
    (fork.suite_folder / "Release").write_bytes(stage.archive.text().replace(b"Label: Test", b"Label: Evil"))
    (fork.suite_folder / "Release.gpg").unlink(missing_ok=True)


def forged(stage, fork):
    unsigned(stage, fork)
    text = (fork.suite_folder / "Release").read_bytes()
    (fork.suite_folder / "Release.gpg").write_bytes(stage.keys["stranger"].detached(text))


def redirected(location, only="foo_"):
    """Wherever the location says; OWN is the origin's own address."""
    return lambda stage, origin: origin.always("redirect", location.replace("OWN", origin.url), only=only)


def inside(stage, origin):
    """To where only the node can reach, though the right bytes are there."""
    inside = stage.neighbour("127.0.0.9", stage.archive)
    origin.always("redirect", inside.url + "/pool/foo_1_all.deb", only="foo_")


def next_port(stage, origin):
    """Whoever takes a port for nothing gives one archive's bytes to the clients of the other."""
    other = stage.fork(is_signed=True)
    other.add("foo")
    other.publish()
    stage.neighbours.append((other, stage.neighbour(origin.address, other)))


def validated(moment, tag="a"):
    """From the first answer on its validators lie, and whoever sends them back hears of no change."""
    return every("dated", moment, tag, only="InRelease")


def freezes_by_304(stage, origin):
    fault = origin.fault
    frozen(stage, origin)
    origin.fault = fault


def valid_for_a_day(now):
    return {"Valid-Until": (now + datetime.timedelta(days=1)).strftime(DATE)}


def clock(offset_s):
    """The node believes in another time, and the vendor goes on publishing for a day at a time."""
    def begin(stage, origin):
        stage.shim.clock_offset_s = offset_s
        now = datetime.datetime.utcnow().replace(microsecond=0)
        stage.archive.publish(date=now, **valid_for_a_day(now))
        stage.welcome(stage.archive)
    return begin
