# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives with everything that real ones have: sources, architectures, udebs, Contents, DEP-11,
command-not-found, translations, installers. Made by hand, because the odd forms are the point."""
import gzip
import hashlib
import lzma
import os
import subprocess

from archive import Archive, make_deb


def stanza(fields):
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"


class RichArchive(Archive):
    """`components` may hold prefixes ("updates/main") and "main/debian-installer"."""

    def __init__(self, folder, key, suite="stable", components=("main",), architectures=("amd64",),
                 listed_components=None, mixes_all=False, **options):
        super().__init__(folder, key, suite=suite, **options)
        self.components, self.architectures = components, architectures
        self.listed_components = listed_components or components
        self.mixes_all = mixes_all  # architecture all stands in binary-amd64, not in binary-all
        self.debs, self.sources = [], []

    def add_deb(self, name, version="1", architecture="all", component="main", kind="deb", **fields):
        deb = make_deb(self.folder, name, version, 1500, architecture, kind, **fields)
        target = self.root / "pool" / component / name[0] / name / deb.name
        target.parent.mkdir(parents=True, exist_ok=True)
        deb.rename(target)
        self.debs.append((component, architecture, kind, name, version, target, fields))
        return target

    def add_source(self, name, version="1", component="main"):
        """A native source package, built by dpkg-source."""
        tree = self.folder / f"{name}-{version}"
        (tree / "debian/source").mkdir(parents=True)
        (tree / "debian/source/format").write_text("3.0 (native)\n")
        (tree / "debian/control").write_text(
            f"Source: {name}\nMaintainer: Test <test@archive.example>\n\nPackage: {name}\n"
            f"Architecture: all\nDescription: {name}\n")
        (tree / "debian/changelog").write_text(
            f"{name} ({version}) stable; urgency=low\n\n  * A change.\n\n"
            " -- Test <test@archive.example>  Mon, 01 Jan 2024 00:00:00 +0000\n")
        (tree / "program").write_bytes(os.urandom(500))
        place = self.root / "pool" / component / name[0] / name
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-source", "-b", tree], cwd=place, check=True, capture_output=True)
        self.sources.append((component, name, version, place))

    def packages_text(self, component, architecture):
        udebs = component.endswith("/debian-installer")
        wanted = {architecture}
        if self.mixes_all and architecture != "all":
            wanted.add("all")
        text = ""
        for of, arch, kind, name, version, file, fields in self.debs:
            is_here = of == component.removesuffix("/debian-installer") and arch in wanted
            if not is_here or (kind == "udeb") != udebs:
                continue
            content = file.read_bytes()
            text += stanza({
                "Package": name, "Version": version, "Architecture": arch, **fields,
                "Maintainer": "Test <test@archive.example>",
                "Filename": file.relative_to(self.root).as_posix(), "Size": len(content),
                **self.sums(content), "Description": name,
                "Description-md5": hashlib.md5(name.encode() + b"\n").hexdigest()})
        return text

    def sums(self, content):
        return {kind: hashlib.new(kind, content).hexdigest() for kind in self.hashes}

    def sources_text(self, component):
        text = ""
        for of, name, version, place in self.sources:
            if of != component:
                continue
            files = sorted(place.glob(f"{name}_{version}.*"))
            field = "".join(f"\n {hashlib.sha256(file.read_bytes()).hexdigest()} "
                            f"{file.stat().st_size} {file.name}" for file in files)
            text += stanza({"Package": name, "Binary": name, "Version": version, "Architecture": "all",
                            "Format": "3.0 (native)", "Maintainer": "Test <test@archive.example>",
                            "Directory": place.relative_to(self.root).as_posix(),
                            "Checksums-Sha256": field})
        return text

    def plain_indexes(self):
        """Every index by its path below the suite, not compressed."""
        indexes = {}
        for component in self.components:
            architectures = self.architectures if self.mixes_all else (*self.architectures, "all")
            for architecture in architectures:
                folder = f"{component}/binary-{architecture}"
                indexes[f"{folder}/Packages"] = self.packages_text(component, architecture).encode()
                indexes[f"{folder}/Release"] = f"Component: {component}\n".encode()
                indexes[f"{component}/Contents-{architecture}"] = b"usr/bin/x  main/foo\n"
            if component.endswith("/debian-installer"):
                continue
            indexes[f"{component}/source/Sources"] = self.sources_text(component).encode()
            indexes[f"{component}/i18n/Translation-en"] = stanza(
                {"Package": "foo", "Description-md5": hashlib.md5(b"foo\n").hexdigest(),
                 "Description-en": "foo, at length"}).encode()
            for architecture in self.architectures:
                indexes[f"{component}/dep11/Components-{architecture}.yml"] = b"---\nFile: DEP-11\n"
                indexes[f"{component}/cnf/Commands-{architecture}"] = b"suite: stable\nname: foo\n"
            indexes[f"{component}/dep11/icons-48x48.tar"] = os.urandom(700)
        return indexes

    def publish(self, later=60, date=None, **fields):
        import datetime
        self.when = date or self.when + datetime.timedelta(seconds=later)
        listed, published = dict(self.extra), dict(self.extra)
        for path, content in self.plain_indexes().items():
            listed[path] = content
            if path.endswith("/Release"):
                published[path] = content
                continue
            listed[path + ".gz"] = published[path + ".gz"] = gzip.compress(content, mtime=0)
            if "Packages" in path or "Sources" in path:
                listed[path + ".xz"] = published[path + ".xz"] = lzma.compress(content)
        for path, content in published.items():
            file = self.suite_folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            for kind in self.hashes if self.by_hash else ():
                twin = file.parent / "by-hash" / kind / hashlib.new(kind, content).hexdigest()
                twin.parent.mkdir(parents=True, exist_ok=True)
                twin.write_bytes(content)
        fields.setdefault("Components", " ".join(self.listed_components))
        fields.setdefault("Architectures", " ".join(
            self.architectures if self.mixes_all else ("all", *self.architectures)))
        self.sign(self.release_text(listed, **fields))


def desktop(folder, key, **options):
    """An archive as a desktop of two architectures with sources sees it."""
    archive = RichArchive(folder, key, components=("main", "contrib", "main/debian-installer"),
                          listed_components=("main", "contrib"),
                          architectures=("amd64", "arm64"), **options)
    archive.add_deb("foo")
    archive.add_deb("native", architecture="amd64")
    archive.add_deb("native", architecture="arm64")
    archive.add_deb("extra", component="contrib")
    archive.add_deb("disk-detect", architecture="amd64", kind="udeb", Section="debian-installer")
    archive.add_source("foo")
    archive.publish()
    return archive
