# SPDX-License-Identifier: GPL-3.0-or-later
"""What real clients do with archives of every shape, through every way in."""
import gzip
import shutil
import subprocess

import pytest

from archive import Archive, Key
from client import AptRoot
from rich import RichArchive, desktop

WAYS = ("proxy", "mapped", "https-form", "https-through-proxy")
smoke = pytest.mark.smoke


def each(values, quick=None, several=False):
    """All values, of which the quick ones (else the first) belong to what CI runs; the rest is deep."""
    quick = quick or [next(iter(values))]
    return [pytest.param(*(value if several else [value]), marks=smoke if value in quick else ())
            for value in values]


# As apt-file, appstream and command-not-found configure apt.
TARGETS = '''
#clear Acquire::Languages;
Acquire::Languages { "en"; };
Acquire::IndexTargets::deb {
  Contents-deb { MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)"; ShortDescription "Contents";
                 Description "Contents"; };
  DEP-11 { MetaKey "$(COMPONENT)/dep11/Components-$(NATIVE_ARCHITECTURE).yml";
           ShortDescription "dep11"; Description "dep11"; };
  DEP-11-icons { MetaKey "$(COMPONENT)/dep11/icons-48x48.tar"; ShortDescription "icons";
                 Description "icons"; };
  CNF { MetaKey "$(COMPONENT)/cnf/Commands-$(NATIVE_ARCHITECTURE)"; ShortDescription "cnf";
        Description "cnf"; };
};
'''


def works(outcome):
    assert outcome.returncode == 0, outcome
    return outcome


def client(scene, node, suite, way="proxy", deb_src=False, more="", path="", key=None):
    """A private apt that comes in one of the ways."""
    uri = {"proxy": f"http://archive.example{path}", "mapped": f"{node.proxy}/test{path}",
           "https-form": f"{node.proxy}/HTTPS///archive.example{path}",
           "https-through-proxy": f"http://HTTPS///archive.example{path}"}[way]
    lines = [f"deb [KEY] {uri} {suite}"] + ([f"deb-src [KEY] {uri} {suite}"] if deb_src else [])
    proxy = node.proxy if "proxy" in way else None
    return AptRoot(scene.folder / f"apt{next(scene.numbers)}", "\n".join(lines), key or scene.key, proxy,
                   more)


def rich(scene, make=RichArchive, **options):
    return make(scene.folder / f"archive{next(scene.numbers)}", scene.key, **options)


@pytest.mark.parametrize("way", each(WAYS, ["proxy", "https-through-proxy"]))
def test_all_that_a_desktop_asks_for(scene, way):
    archive = rich(scene, desktop)
    node = scene.node(archive, scene.origin(archive))
    apt = client(scene, node, "stable main contrib", way, deb_src=True,
                 more=TARGETS + 'APT::Architectures { "amd64"; "arm64"; };\n')
    works(apt.update())
    lists = {file.name.split("_dists_stable_")[1] for file in (apt.folder / "state/lists").iterdir()
             if "_dists_stable_" in file.name}
    for index in ("main_binary-amd64_Packages", "main_binary-arm64_Packages", "main_binary-all_Packages",
                  "main_source_Sources", "main_i18n_Translation-en", "main_Contents-amd64",
                  "main_dep11_Components-amd64.yml", "main_dep11_icons-48x48.tar",
                  "main_cnf_Commands-amd64", "contrib_binary-all_Packages"):
        assert any(name.startswith(index) for name in lists), (index, lists)
    works(apt.download("foo", "native:amd64", "native:arm64", "extra"))
    works(apt.run("apt-get", "source", "-q", "--download-only", "foo"))
    names = {file.name for file in (apt.folder / "downloads").iterdir()}
    assert {"foo_1.dsc", "foo_1.tar.xz", "foo_1_all.deb", "native_1_arm64.deb"} <= names
    works(apt.install("foo"))
    assert node.scrub() == 0


@pytest.mark.parametrize("way, suite", each([(way, suite) for way in WAYS for suite in ("./", "flat/", "a/b/")],
                                            [("proxy", "./"), ("mapped", "a/b/")], several=True))
def test_flat_repositories_anywhere(scene, way, suite):
    folder = "" if suite == "./" else suite
    archive = scene.archive(flat=folder or "./", suite="x")
    apt = client(scene, scene.node(archive, scene.origin(archive)), suite, way)
    works(apt.update())
    works(apt.download("foo", "bar"))
    assert works(apt.update()).output.startswith("Hit:1")


@pytest.mark.parametrize("by_hash", [True, False])
@pytest.mark.parametrize("mixes_all", [True, False])
@pytest.mark.parametrize("hashes", each([("SHA512",), ("SHA256",), ("SHA256", "SHA512")]))
def test_architectures_and_hashes(scene, by_hash, mixes_all, hashes):
    archive = rich(scene, architectures=("amd64", "arm64"), mixes_all=mixes_all, by_hash=by_hash,
                   hashes=hashes)
    archive.add_deb("foo")
    archive.add_deb("native", architecture="arm64")
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    apt = client(scene, node, "stable main", more='APT::Architectures { "amd64"; "arm64"; };\n')
    works(apt.update())
    works(apt.download("foo", "native:arm64"))


@smoke
def test_no_support_for_architecture_all(scene):
    archive = rich(scene, mixes_all=True)
    archive.add_deb("foo")
    archive.publish(**{"Architectures": "all amd64",
                       "No-Support-for-Architecture-all": "Packages"})
    apt = client(scene, scene.node(archive, scene.origin(archive)), "stable main")
    works(apt.update())
    works(apt.download("foo"))


@smoke
def test_components_with_a_prefix(scene):
    archive = rich(scene, suite="stable/updates", components=("main",),
                   listed_components=("updates/main", "updates/contrib"))
    archive.add_deb("foo")
    archive.publish(Suite="stable", Codename="stable")
    apt = client(scene, scene.node(archive, scene.origin(archive)), "stable/updates main")
    works(apt.update())
    works(apt.download("foo"))


@smoke
def test_installer_components_and_debug_suites(scene):
    archive = rich(scene, desktop)
    node = scene.node(archive, scene.origin(archive))
    apt = client(scene, node, "stable main/debian-installer")
    works(apt.update())
    works(apt.download("disk-detect"))
    debug = rich(scene, suite="stable-debug")
    debug.add_deb("foo-dbgsym")
    debug.publish()
    apt = client(scene, scene.node(debug, scene.origin(debug, "127.0.0.3")), "stable-debug main")
    works(apt.update())
    works(apt.download("foo-dbgsym"))


ODD = {
    "no Codename": {"Codename": None}, "no Suite": {"Suite": None}, "no Origin": {"Origin": None, "Label": None},
    "neither Suite nor Codename": {"Suite": None, "Codename": None},
    "no Components": {"Components": None, "Architectures": None},
    "numeric zone": {"Date": "+0000"}, "padded hour": {"Date": "padded"}, "GMT": {"Date": "GMT"},
    "version and description": {"Version": "12.5", "Description": "An archive, with: colons"},
    "unknown fields": {"X-Vendor-Field": "yes", "Signed-Things": "1"},
}


@pytest.mark.parametrize("odd", each(ODD, ["neither Suite nor Codename", "padded hour", "no Components"]))
def test_third_party_releases_with_odd_fields(scene, odd):
    archive = rich(scene)
    archive.add_deb("foo")
    fields = dict(ODD[odd])
    hour = archive.when.replace(hour=7)
    if fields.get("Date") == "padded":
        fields["Date"] = hour.strftime("%a, %d %b %Y  7:%M:%S UTC")
    elif "Date" in fields:
        fields["Date"] = hour.strftime("%a, %d %b %Y %H:%M:%S ") + fields["Date"]
    archive.publish(**fields)
    apt = client(scene, scene.node(archive, scene.origin(archive)), "stable main")
    works(apt.update())
    works(apt.download("foo"))


@smoke
def test_lower_case_fields_and_dotted_names(scene):
    archive = rich(scene)
    archive.add_deb("foo")
    archive.publish()
    text = subprocess.run(["gpg", "--homedir", scene.key.home, "--batch", "--quiet", "--decrypt",
                           archive.suite_folder / "InRelease"], capture_output=True, check=True).stdout
    lines = []
    for line in text.decode().splitlines():
        name, colon, rest = line.partition(":")
        if colon and not line.startswith(" "):
            line = f"{name.lower() if name != 'SHA256' else name}:{rest}"
        elif line.startswith(" "):
            hexes, size, path = line.split()
            line = f" {hexes} {size} ./{path}" if path.endswith(".xz") else line
        lines.append(line)
    archive.sign(("\n".join(lines) + "\n").encode())
    node = scene.node(archive, scene.origin(archive))
    apt = client(scene, node, "stable main")
    works(apt.update())
    works(apt.download("foo"))


@smoke
def test_a_ppa_signed_by_a_weak_and_a_strong_key(scene, tmp_path):
    weak, strong = Key(tmp_path / "weak", "weak", "rsa1024"), Key(tmp_path / "strong", "strong", "rsa4096")
    strong.gpg("--import", stdin=weak.gpg("--export-secret-keys"))
    strong.keyring.write_bytes(strong.gpg("--export"))
    strong.inline = lambda text: strong.gpg("--clearsign", "--digest-algo", "SHA512", "-u", weak.name,
                                            "-u", strong.name, stdin=text)
    archive = rich(scene)
    archive.add_deb("foo")
    archive.key = strong
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    apt = client(scene, node, "stable main", key=strong)
    works(apt.update())
    works(apt.download("foo"))
    assert len(node.suite()["signed_by"]) == 1
    archive.key = weak
    archive.publish()
    other = scene.node(archive, scene.origin(archive, "127.0.0.3"))
    assert client(scene, other, "stable main", key=weak).update().returncode != 0
    assert "release.weak" in other.event_codes()


@pytest.mark.parametrize("template", each(["changelogs/@CHANGEPATH@_changelog",
                                           "changelogs/pool/@CHANGEPATH@/changelog"]))
def test_apt_get_changelog(scene, template):
    archive = rich(scene)
    archive.add_deb("foo")
    archive.publish(Changelogs=f"http://archive.example/{template}")
    file = archive.root / template.replace("@CHANGEPATH@", "main/f/foo/foo_1")
    file.parent.mkdir(parents=True)
    file.write_text("foo (1) stable; urgency=low\n\n  * The change that is looked for.\n")
    node = scene.node(archive, scene.origin(archive))
    apt = client(scene, node, "stable main")
    works(apt.update())
    shown = works(apt.run("apt-get", "changelog", "-q", "foo"))
    assert "The change that is looked for." in shown.output
    assert "aptward_unproven_total 1" in node.admin("/metrics")


OLD_AND_NEW = {
    "without by-hash": 'Acquire::By-Hash "no";\n',
    "forced by-hash": 'Acquire::By-Hash "force";\n',
    "no pipelining": 'Acquire::http::Pipeline-Depth "0";\n',
    "deep pipelining": 'Acquire::http::Pipeline-Depth "10";\n',
    "no keep-alive and no cache": 'Acquire::http::No-Cache "true";\nAcquire::http::No-Store "true";\n',
    "gz only": 'Acquire::CompressionTypes::Order { "gz"; };\n',
    "no ranges": 'Acquire::http::AllowRanges "false";\n',
    "a name of its own": 'Acquire::http::User-Agent "Debian APT-HTTP/1.3 (3.1.12) non-interactive";\n',
}


@pytest.mark.parametrize("kind, forms", each(
    [*((kind, ("inline",)) for kind in OLD_AND_NEW), ("without by-hash", ("detached",)),
     ("deep pipelining", ("inline", "detached"))],
    [("without by-hash", ("detached",)), ("gz only", ("inline",))], several=True))
def test_apt_of_other_versions_and_settings(scene, kind, forms):
    archive = rich(scene, desktop, forms=forms)
    node = scene.node(archive, scene.origin(archive))
    apt = client(scene, node, "stable main contrib", deb_src=True, more=OLD_AND_NEW[kind])
    works(apt.update())
    works(apt.download("foo", "native", "extra"))
    assert ("Hit:1" if "inline" in forms else "Hit:2") in works(apt.update()).output


@smoke
def test_an_apt_of_ten_years_ago_by_its_requests(scene):
    """apt 1.0: InRelease 404 (the vendor had none), Release, Release.gpg, canonical names, ranges."""
    archive = rich(scene, desktop, forms=("detached",), by_hash=False)
    node = scene.node(archive, scene.origin(archive))
    head = ("Host: archive.example\r\nUser-Agent: Debian APT-HTTP/1.3 (1.0.9)\r\n"
            "Cache-Control: max-age=0\r\n")

    def get(path, more=""):
        answer = node.raw(f"GET http://archive.example/{path} HTTP/1.1\r\n{head}{more}\r\n".encode())
        status, _, body = answer.partition(b"\r\n\r\n")
        return status.decode(), body
    status, _ = get("dists/stable/InRelease")
    assert " 404 " in status.splitlines()[0]
    status, release = get("dists/stable/Release")
    assert release == (archive.suite_folder / "Release").read_bytes()
    status, signature = get("dists/stable/Release.gpg")
    assert signature == (archive.suite_folder / "Release.gpg").read_bytes()
    status, packages = get("dists/stable/main/binary-amd64/Packages.gz")
    assert b"native" in gzip.decompress(packages)
    status, body = get("dists/stable/main/binary-amd64/Packages.bz2")
    assert " 404 " in status.splitlines()[0]
    status, deb = get("pool/main/n/native/native_1_amd64.deb")
    date = next(line for line in status.splitlines() if line.startswith("Last-Modified"))[15:]
    status, rest = get("pool/main/n/native/native_1_amd64.deb",
                       f"Range: bytes=200-\r\nIf-Range: {date}\r\n")
    assert " 206 " in status.splitlines()[0] and rest == deb[200:]


@smoke
def test_pipelined_requests_of_one_connection_are_answered_in_order(scene):
    archive = rich(scene, desktop)
    node = scene.node(archive, scene.origin(archive))
    works(client(scene, node, "stable main").update())
    files = [archive.root / "pool/main/n/native/native_1_amd64.deb",
             archive.suite_folder / "InRelease", archive.root / "pool/main/f/foo/foo_1_all.deb"] * 4
    requests = "".join(f"GET http://archive.example/{file.relative_to(archive.root)} HTTP/1.1\r\n"
                       f"Host: archive.example\r\nAccept: */*\r\n\r\n" for file in files)
    answer = node.raw(requests.encode())
    for file in files:
        at = answer.index(b"\r\n\r\n") + 4
        content = file.read_bytes()
        if file.suffix == ".deb" and answer[at:at + len(content)] != content:
            assert b" 404 " in answer[:at].splitlines()[0] or b" 503 " in answer[:at].splitlines()[0]
            raise AssertionError(answer[:at])
        answer = answer[at + len(content):]
    assert not answer


@pytest.mark.parametrize("way", each(["proxy", "mapped"]))
def test_debootstrap(scene, way):
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    archive = rich(scene, mixes_all=True)
    for name in ("base-files", "dpkg", "libc6"):
        archive.add_deb(name, architecture="amd64", Priority="required", Essential="yes")
    archive.add_deb("apt", architecture="amd64", Priority="important", Depends="libapt-pkg")
    archive.add_deb("libapt-pkg", architecture="amd64", Priority="optional")
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    target = scene.folder / "target"
    uri = "http://archive.example" if way == "proxy" else f"{node.proxy}/test"
    done = subprocess.run(
        ["debootstrap", "--download-only", "--variant=minbase", "--arch=amd64",
         f"--keyring={scene.key.keyring}", "stable", target, uri], text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **({"http_proxy": node.proxy} if way == "proxy" else {})},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)
    assert done.returncode == 0, done.stdout
    names = {file.name for file in (target / "var/cache/apt/archives").glob("*.deb")}
    assert names == {f"{name}_1_amd64.deb"
                     for name in ("base-files", "dpkg", "libc6", "apt", "libapt-pkg")}


@pytest.mark.parametrize("way", each(["proxy", "mapped"]))
def test_mmdebstrap(scene, way):
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    archive = rich(scene)
    archive.add_deb("foo")
    archive.add_deb("native", architecture="amd64", Depends="foo")
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    uri = "http://archive.example" if way == "proxy" else f"{node.proxy}/test"
    target = scene.folder / "target"
    done = subprocess.run(
        ["mmdebstrap", "--mode=root", "--variant=extract", "--architectures=amd64", "--include=native",
         f'--aptopt=Acquire::http::Proxy "{node.proxy if way == "proxy" else "DIRECT"}"',
         "--format=directory", "stable", target, f"deb [signed-by={scene.key.keyring}] {uri} stable main"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)
    assert done.returncode == 0, done.stdout
    assert (target / "usr/share/aptward-test/native").exists()
    assert (target / "usr/share/aptward-test/foo").exists()


@pytest.mark.parametrize("way", each(["proxy", "mapped"]))
def test_netboot_by_sha256sums(scene, way):
    import hashlib
    archive = rich(scene, desktop)
    images = "main/installer-amd64/current/images"
    sums = ""
    for name in ("netboot/netboot.tar.gz", "netboot/debian-installer/amd64/linux"):
        file = archive.suite_folder / images / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() * 1000)
        sums += f"{hashlib.sha256(file.read_bytes()).hexdigest()}  ./{name}\n"
    archive.extra[f"{images}/SHA256SUMS"] = sums.encode()
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    base = "http://archive.example" if way == "proxy" else f"{node.proxy}/test"
    env = {"PATH": "/usr/bin:/bin", **({"http_proxy": node.proxy} if way == "proxy" else {})}
    for path in ("SHA256SUMS", "netboot/netboot.tar.gz", "netboot/debian-installer/amd64/linux"):
        target = scene.folder / "fetched" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["curl", "-sSf", "-o", target, f"{base}/dists/stable/{images}/{path}"], env=env,
                       check=True, timeout=60)
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=scene.folder / "fetched", check=True)


@smoke
def test_the_requests_of_a_release_upgrade(scene):
    archive = rich(scene)
    archive.add_deb("foo")
    archive.publish()
    following = RichArchive.__new__(RichArchive)
    following.__dict__.update(archive.__dict__)
    following.suite, following.extra = "next", {}
    following.publish()
    folder = archive.root / "dists/next/main/dist-upgrader-all/current"
    folder.mkdir(parents=True)
    (folder / "next.tar.gz").write_bytes(gzip.compress(b"an upgrader"))
    (folder / "next.tar.gz.gpg").write_bytes(archive.key.detached((folder / "next.tar.gz").read_bytes()))
    (folder / "ReleaseAnnouncement").write_text("news\n")
    (archive.root / "meta-release-lts").write_text(
        "Dist: next\nSupported: 1\n"
        "UpgradeTool: http://archive.example/dists/next/main/dist-upgrader-all/current/next.tar.gz\n")
    node = scene.node(archive, scene.origin(archive), hosts=["archive.example", "changelogs.example"])

    def get(url):
        return subprocess.run(["curl", "-sSf", "-x", node.proxy, url], check=True, timeout=60,
                              capture_output=True).stdout
    meta = get("http://changelogs.example/meta-release-lts").decode()
    tool = meta.split("UpgradeTool: ")[1].strip()
    tarball, signature = get(tool), get(tool + ".gpg")
    (scene.folder / "tool").write_bytes(tarball)
    (scene.folder / "tool.gpg").write_bytes(signature)
    subprocess.run(["gpgv", "--keyring", scene.key.keyring, "tool.gpg", "tool"], cwd=scene.folder,
                   check=True, capture_output=True)
    assert get(tool.rsplit("/", 1)[0] + "/ReleaseAnnouncement") == b"news\n"
    works(client(scene, node, "stable main").update())
    upgraded = client(scene, node, "next main")
    works(upgraded.update())
    works(upgraded.download("foo"))


@pytest.mark.parametrize("way", each(["https-through-proxy", "https-form", "mapped"]))
def test_https_sources_behind_an_authority_of_ones_own(scene, way):
    archive = rich(scene, desktop)
    origin = scene.tls_origin(archive)
    node = scene.node(archive, origin, ca=str(origin.ca))
    apt = client(scene, node, "stable main", way, deb_src=True)
    works(apt.update())
    works(apt.download("foo"))


@smoke
def test_an_https_source_of_an_unknown_authority_is_refused(scene):
    archive = rich(scene, desktop)
    node = scene.node(archive, scene.tls_origin(archive))
    assert client(scene, node, "stable main").update().returncode != 0
    assert any("certificate" in source["last_fault"] for source in
               node.status()["archives"][0]["sources"])


def by_ftparchive(scene, folder, *names):
    """A flat repository exactly as people make them: dpkg-source, dpkg-deb, apt-ftparchive, gpg."""
    from archive import make_deb
    folder.mkdir(parents=True)
    for name, version in names:
        deb = make_deb(scene.folder, name, version.replace(":", "."), 800)
        deb.rename(folder / f"{name}_{version.replace(':', '%3a')}_all.deb")
    maker = RichArchive(scene.folder / f"archive{next(scene.numbers)}", scene.key)
    maker.add_source("foo")
    for file in maker.sources[0][3].iterdir():
        shutil.copy(file, folder)
    for kind in ("packages", "sources", "contents", "release"):
        text = subprocess.run(["apt-ftparchive", kind, "."], cwd=folder, check=True,
                              capture_output=True).stdout
        (folder / kind.capitalize()).write_bytes(text)
        if kind in ("packages", "sources"):
            (folder / f"{kind.capitalize()}.gz").write_bytes(gzip.compress(text))
    release = folder / "Release"
    (folder / "InRelease").write_bytes(scene.key.inline(release.read_bytes()))
    release.unlink()


@smoke
@pytest.mark.parametrize("suite", ["./", "/"])
def test_a_flat_repository_made_by_apt_ftparchive(scene, suite):
    archive = rich(scene)
    by_ftparchive(scene, archive.root / "repo", ("foo", "1"), ("bar", "1:2+b1~x"))
    node = scene.node(archive, scene.origin(archive))
    apt = client(scene, node, suite, path="/repo", deb_src=True)
    works(apt.update())
    works(apt.download("foo", "bar"))
    works(apt.run("apt-get", "source", "-q", "--download-only", "foo"))
    assert (apt.folder / "downloads/foo_1.tar.xz").exists()
    assert node.scrub() == 0


@smoke
def test_indexes_in_one_form_only(scene):
    """Small archives publish a plain Packages and nothing else."""
    archive = rich(scene)
    archive.add_deb("foo")
    archive.by_hash = False
    text = archive.packages_text("main", "all").encode()
    place = archive.suite_folder / "main/binary-amd64"
    place.mkdir(parents=True)
    (place / "Packages").write_bytes(text)
    archive.sign(archive.release_text({"main/binary-amd64/Packages": text}, Architectures="amd64"))
    apt = client(scene, scene.node(archive, scene.origin(archive)), "stable main")
    works(apt.update())
    works(apt.download("foo"))


@smoke
def test_a_host_is_the_same_in_all_its_spellings(scene):
    archive = rich(scene, desktop)
    node = scene.node(archive, scene.origin(archive))
    wanted = (archive.suite_folder / "InRelease").read_bytes()
    for target in ("http://ARCHIVE.example/dists/stable/InRelease",
                   "http://archive.example:80/dists/stable/InRelease",
                   "http://archive.example//dists/./stable/InRelease",
                   "/test/dists/stable/InRelease", "/test//dists/stable/InRelease"):
        answer = node.raw(f"GET {target} HTTP/1.1\r\nHost: archive.example\r\n\r\n".encode())
        assert answer.endswith(wanted), (target, answer[:300])


@smoke
@pytest.mark.parametrize("line", ["GET http://archive.example/{} HTTP/1.0\r\n\r\n",
                                  "GET /test/{} HTTP/1.0\r\nUser-Agent: GRUB\r\n\r\n",
                                  "GET /test/{} HTTP/1.0\r\nHost: node:3142\r\nConnection: close\r\n\r\n"])
def test_boot_loaders_and_old_tools_speak_http_1_0(scene, line):
    archive = rich(scene, desktop)
    node = scene.node(archive, scene.origin(archive))
    answer = node.raw(line.format("dists/stable/InRelease").encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0] and b"Content-Length" in head
    assert body == (archive.suite_folder / "InRelease").read_bytes()


@smoke
def test_sources_only(scene):
    archive = rich(scene, desktop)
    node = scene.node(archive, scene.origin(archive))
    apt = AptRoot(scene.folder / "srconly", "deb-src [KEY] http://archive.example stable main", scene.key,
                  node.proxy)
    works(apt.update())
    works(apt.run("apt-get", "source", "-q", "--download-only", "foo"))


@smoke
def test_an_upgrade_from_one_version_to_the_next_over_three_generations(scene):
    archive = rich(scene)
    archive.add_deb("foo")
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    late = client(scene, node, "stable main")
    works(late.update())
    for version in ("2", "3"):
        archive.debs.clear()
        archive.add_deb("foo", version=version)
        archive.publish()
        apt = client(scene, node, "stable main")
        works(apt.update())
        works(apt.download(f"foo={version}"))
    works(late.download("foo=1"))  # still in the pool, as on mirrors
