# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive of the shape and size of Debian main amd64: 64,000 packages, 50 MB of Packages, 9 MB as xz.

The text is made up, the same every time; its fields, their lengths and how well it packs follow bookworm's.
Packing takes half a minute, so the packed files are kept below build/bench.
"""
import gzip
import hashlib
import lzma
import pathlib
import random
import subprocess

from archive import Archive

PACKAGES = 64_000
REAL = "/var/lib/apt/lists/*_dists_*_main_binary-amd64_Packages*"


def made_words(source, count):
    return ["".join(source.choice("bcdfghklmnprstvwz") + source.choice("aeiou")
                    for _ in range(source.randint(1, 4))) + source.choice(("", "n", "s", "r", "x"))
            for _ in range(count)]


class Shape:
    """What one package may be made of. Common words are much more frequent than rare ones (Zipf)."""

    def __init__(self):
        self.source = random.Random(20240501)
        self.words = made_words(self.source, 30_000)
        self.people = [f"{a.title()} {b.title()} <{a}@{c}.example>" for a, b, c in
                       zip(*(made_words(self.source, 1200) for _ in range(3)))]
        self.teams = [f"{word.title()} Team <{word}-devel@lists.example>" for word in made_words(self.source, 60)]
        self.sections = ["libs", "libdevel", "python", "perl", "doc", "utils", "net", "science", "games", "x11"]
        self.tags = [f"{a}::{b}" for a, b in zip(made_words(self.source, 400), made_words(self.source, 400))]
        # A relation names mostly the same version of the same few libraries.
        self.known = [self.name() + self.source.choice(("", f" (>= {self.source.randint(0, 9)}.{number % 30})"))
                      for number in range(6_000)]

    def rank(self, count):
        return int(count ** self.source.random()) - 1

    def phrase(self, least, most):
        return " ".join(self.words[self.rank(len(self.words))] for _ in range(self.source.randint(least, most)))

    def name(self):
        stem = self.words[self.source.randrange(len(self.words))] + self.source.choice(("", "-", "-")) + \
            self.words[self.rank(len(self.words))]
        return self.source.choice(("lib", "python3-", "golang-", "", "", "")) + stem.replace("--", "-")

    def digits(self, bits):
        return f"{self.source.getrandbits(bits):0{bits // 4}x}"

    def relations(self, most):
        return ", ".join(self.known[self.rank(len(self.known))] for _ in range(1 + self.rank(most)))

    def source_package(self, number):
        """The binary packages of one source: they share most of what they say."""
        source = self.source
        stem, about = f"{self.name()}{number}", self.phrase(3, 8)
        version = f"{source.randint(0, 9)}.{source.randint(0, 30)}.{source.randint(0, 9)}-{source.randint(1, 9)}"
        maintainer = source.choice(self.teams) if source.random() < 0.6 else source.choice(self.people)
        needs = self.relations(18)
        homepage = f"https://{self.phrase(1, 1)}.example/{stem}/"
        for part in ("", "-dev", "-doc", "-common", "-tools")[:1 + self.rank(6)]:
            name = stem + part
            fields = [("Package", name)]
            if part:
                fields.append(("Source", stem))
            fields += [("Version", version), ("Installed-Size", source.randint(20, 90_000)),
                       ("Maintainer", maintainer), ("Architecture", source.choice(("amd64", "all")))]
            if source.random() < 0.88:
                fields.append(("Depends", f"{needs}, {self.relations(4)}"))
            for field, chance, most in (("Recommends", 0.16, 8), ("Suggests", 0.18, 6), ("Provides", 0.15, 20),
                                        ("Replaces", 0.09, 6), ("Breaks", 0.08, 6)):
                if source.random() < chance:
                    fields.append((field, self.relations(most)))
            fields.append(("Description", f"{about} {self.phrase(1, 4)}"))
            if source.random() < 0.93:
                fields.append(("Homepage", homepage))
            fields.append(("Description-md5", self.digits(128)))
            if source.random() < 0.48:
                fields.append(("Tag", ", ".join(self.tags[self.rank(len(self.tags))]
                                                for _ in range(source.randint(1, 5)))))
            if source.random() < 0.36:
                fields.append(("Multi-Arch", source.choice(("same", "foreign"))))
            folder = stem[:4] if stem.startswith("lib") else stem[0]
            fields += [("Section", source.choice(self.sections)), ("Priority", "optional"),
                       ("Filename", f"pool/main/{folder}/{stem}/{name}_{version}_amd64.deb"),
                       ("Size", source.randint(2_000, 9_000_000)), ("MD5sum", self.digits(128)),
                       ("SHA256", self.digits(256))]
            yield "".join(f"{field}: {value}\n" for field, value in fields)


def made_text():
    shape, stanzas = Shape(), []
    while len(stanzas) < PACKAGES:
        stanzas += shape.source_package(len(stanzas))
    return "\n".join(sorted(stanzas[:PACKAGES])).encode() + b"\n"


def real_text():
    """The largest of what this machine's own apt holds; asks nobody for it."""
    folder, pattern = REAL.rsplit("/", 1)
    lists = sorted(pathlib.Path(folder).glob(pattern), key=lambda file: file.stat().st_size)
    assert lists, f"no {REAL}: run apt-get update first"
    return subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", lists[-1]], check=True, capture_output=True).stdout


def changed(text):
    """The next generation: one package in a hundred has a new version."""
    stanzas = text.split(b"\n\n")
    for number in range(0, len(stanzas), 100):
        stanzas[number] = stanzas[number].replace(b"\nVersion: ", b"\nVersion: 9:", 1)
    return b"\n\n".join(stanzas)


def packed(text, cache):
    """Text, xz and gz of it; the packed ones are made once."""
    cache.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(text).hexdigest()[:16]
    for suffix, pack in (("xz", lambda: lzma.compress(text, preset=6)),
                         ("gz", lambda: gzip.compress(text, 9, mtime=0))):
        file = cache / f"{name}.{suffix}"
        if not file.exists():
            print(f"packing {len(text) // 1_000_000} MB as {suffix}, once", flush=True)
            partial = file.with_suffix(".partial")
            partial.write_bytes(pack())
            partial.rename(file)
    return text, cache / f"{name}.xz", cache / f"{name}.gz"


def publish(folder, key, text, xz, gz, later, has_gz):
    """One generation as a folder of its own, below which its web root is."""
    archive = Archive(folder, key)
    archive.when = archive.when.replace(minute=0, second=later)
    directory = "main/binary-amd64/"
    listed = {directory + "Packages": text, directory + "Packages.xz": xz.read_bytes()}
    if has_gz:
        listed[directory + "Packages.gz"] = gz.read_bytes()
    archive.place(listed)
    archive.sign(archive.release_text(listed))
    return archive
