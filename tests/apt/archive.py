# SPDX-License-Identifier: GPL-3.0-or-later
"""A signed archive on disk, made with gpg and dpkg-deb, in as many generations as a test wants."""
import copy
import datetime
import gzip
import hashlib
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import textwrap

DATE = "%a, %d %b %Y %H:%M:%S UTC"


class Key:
    """A signing key in a home of its own. With `made`, a date, it was made then, ends a day later and
    signs as if it were still that day."""

    def __init__(self, folder, name, kind="ed25519", made=None):
        self.home = pathlib.Path(folder)
        self.home.mkdir(mode=0o700)
        self.name = f"{name}@archive.example"
        self.options = ["--faked-system-time", made + "T000000!"] if made else []
        self.gpg("--quick-generate-key", self.name, kind, "sign", "1d" if made else "never")
        self.keyring = self.home / "keyring.gpg"
        self.keyring.write_bytes(self.gpg("--export"))

    @property
    def fingerprint(self):
        lines = self.gpg("--with-colons", "--list-keys").decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))

    def revoke(self):
        """The keyring says that it is revoked; it goes on signing all the same."""
        twin = copy.copy(self)
        twin.home = self.home.with_name(self.home.name + "-twin")
        shutil.copytree(self.home, twin.home, ignore=shutil.ignore_patterns("S.*"))
        (revocation,) = (twin.home / "openpgp-revocs.d").glob("*.rev")
        twin.gpg("--import", stdin=revocation.read_bytes().replace(b":-----BEGIN", b"-----BEGIN"))
        self.keyring.write_bytes(twin.gpg("--export"))

    def gpg(self, *arguments, stdin=b""):
        return subprocess.run(
            ["gpg", *self.options, "--homedir", str(self.home), "--batch", "--yes", "--quiet",
             "--pinentry-mode", "loopback", "--passphrase", "", *arguments],
            input=stdin, capture_output=True, check=True).stdout

    def inline(self, text):
        return self.gpg("--clearsign", "--digest-algo", "SHA512", stdin=text)

    def detached(self, text):
        return self.gpg("--armor", "--detach-sign", "--digest-algo", "SHA512", stdin=text)


def make_deb(folder, name, version, payload_bytes, architecture="all", kind="deb", **fields):
    root = folder / f"{name}-{version}-{architecture}-root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "usr/share/aptward-test").mkdir(parents=True)
    (root / "usr/share/aptward-test" / name).write_bytes(os.urandom(payload_bytes))
    more = "".join(f"{field}: {value}\n" for field, value in fields.items())
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{more}"
        f"Maintainer: Test <test@archive.example>\nDescription: {name}\n")
    deb = folder / f"{name}_{version}_{architecture}.{kind}"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "-b", root, deb],
                   check=True, capture_output=True)
    return deb


class Archive:
    """`root` is what a web server shows. Every publish() is a new generation."""

    def __init__(self, folder, key, suite="stable", by_hash=True, flat=False, forms=("inline",),
                 hashes=("SHA256",)):
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "www"
        (self.root / "pool").mkdir(parents=True)
        self.key, self.suite, self.by_hash = key, suite, by_hash
        self.flat = "flat" if flat is True else flat  # or the folder of the flat repository
        self.forms, self.hashes = forms, hashes
        self.packages = {}
        self.fields = {}  # of the control files, by package, beside the usual ones
        self.extra = {}  # further files that the release lists, by path below the suite
        self.when = datetime.datetime.utcnow().replace(microsecond=0) - datetime.timedelta(days=1)

    def copy(self, folder):
        """The same in another folder: what it publishes from now on is its own."""
        twin = copy.copy(self)
        twin.folder, twin.root = pathlib.Path(folder), pathlib.Path(folder) / "www"
        shutil.copytree(self.root, twin.root)
        twin.packages = {name: (version, twin.root / path.relative_to(self.root))
                         for name, (version, path) in self.packages.items()}
        twin.extra, twin.fields = dict(self.extra), dict(self.fields)
        return twin

    def text(self):
        """What the InRelease says below its signature's header."""
        signed = (self.suite_folder / "InRelease").read_bytes()
        return re.search(rb"\n\n(.*\n)-----BEGIN PGP SIGNATURE", signed, re.S)[1]

    @property
    def suite_folder(self):
        return self.root / self.flat if self.flat else self.root / "dists" / self.suite

    def add(self, name, version="1", payload_bytes=2000, **fields):
        deb = make_deb(self.folder, name, version, payload_bytes, **fields)
        target = (self.root / self.flat if self.flat else self.root / "pool") / deb.name
        target.parent.mkdir(parents=True, exist_ok=True)
        deb.rename(target)
        self.packages[name] = (version, target)
        self.fields[name] = fields
        return target

    def add_bytes(self, name, content, version="1"):
        """A pool file of exactly these bytes: enough for whoever does not install it."""
        target = self.root / "pool" / f"{name}_{version}_all.deb"
        target.write_bytes(content)
        self.packages[name] = (version, target)
        return target

    def publish(self, later=60, date=None, extra=None, **fields):
        """`extra` maps further names below the suite to their content: listed and published."""
        self.when = date or self.when + datetime.timedelta(seconds=later)
        directory = "" if self.flat else "main/binary-amd64/"
        text = self.index()
        listed = {directory + "Packages": text,
                  directory + "Packages.xz": lzma.compress(text),
                  directory + "Packages.gz": gzip.compress(text), **self.extra, **(extra or {})}
        self.place(listed)
        self.sign(self.release_text(listed, **fields))

    def index(self):
        return "".join(self._stanza(*item) for item in sorted(self.packages.items())).encode()

    def place(self, listed):
        """Writes what a release lists below the suite, under its names and by-hash."""
        for path, content in listed.items():
            if path.endswith("Packages"):
                continue  # listed, not published, as on real mirrors
            file = self.suite_folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            for kind in self.hashes if self.by_hash else ():
                twin = file.parent / "by-hash" / kind / hashlib.new(kind, content).hexdigest()
                twin.parent.mkdir(parents=True, exist_ok=True)
                twin.write_bytes(content)

    def _stanza(self, name, item):
        version, path = item
        more = "".join(f"{field}: {value}\n" for field, value in self.fields.get(name, {}).items())
        content = path.read_bytes()
        place = "./" + path.relative_to(self.root).as_posix() if self.flat else \
            path.relative_to(self.root).as_posix()
        return textwrap.dedent(f"""\
            Package: {name}
            Version: {version}
            Architecture: all
            Maintainer: Test <test@archive.example>
            Filename: {place}
            Size: {len(content)}
            SHA256: {hashlib.sha256(content).hexdigest()}
            Description: {name}
            """) + more + "\n"

    def release_text(self, listed, **fields):
        values = {"Origin": "Test", "Label": "Test", "Suite": self.suite, "Codename": self.suite,
                  "Date": self.when.strftime(DATE), "Architectures": "all amd64",
                  "Components": "main", "Acquire-By-Hash": "yes" if self.by_hash else None}
        values.update(fields)
        text = "".join(f"{name}: {value}\n" for name, value in values.items() if value)
        for kind in self.hashes:
            text += f"{kind}:\n" + "".join(
                f" {hashlib.new(kind, content).hexdigest()} {len(content)} {path}\n"
                for path, content in sorted(listed.items()))
        return text.encode()

    def sign(self, text):
        self.suite_folder.mkdir(parents=True, exist_ok=True)
        if "inline" in self.forms:
            (self.suite_folder / "InRelease").write_bytes(self.key.inline(text))
        if "detached" in self.forms:
            (self.suite_folder / "Release").write_bytes(text)
            (self.suite_folder / "Release.gpg").write_bytes(self.key.detached(text))
        # As on mirrors, the time of the files is the vendor's; two releases never share one.
        moment = self.when.replace(tzinfo=datetime.timezone.utc).timestamp()
        for file in self.suite_folder.glob("*Release*"):
            os.utime(file, (moment, moment))
