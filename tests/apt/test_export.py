# SPDX-License-Identifier: GPL-3.0-or-later
"""What is held as a plain folder: right for apt behind any web server, at any moment."""
import functools
import http.client
import http.server
import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

from client import AptRoot
from coherence import sha256
from node import PROGRAM, until
from rich import desktop
from test_mirror import large, mirror, pool_digests

pytestmark = pytest.mark.smoke


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass


class WebServer:
    """The plainest web server that there is."""

    def __init__(self, folder):
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = "127.0.0.1:%d" % self.server.server_port

    def get(self, path):
        connection = http.client.HTTPConnection(self.address, timeout=20)
        connection.request("GET", "/" + path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    servers = []

    def start(folder):
        servers.append(WebServer(folder))
        return servers[-1]
    yield start
    for server in servers:
        server.close()


def export(node, folder, *options, status=0):
    done = node.command("export", "test", *options, "--to", str(folder), "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def read_release(web):
    """As apt: InRelease, then the index by its hash, then every package. Gives the date."""
    status, release = web.get("dists/stable/InRelease")
    assert status == 200
    digest = re.search(rb"^ ([0-9a-f]{64}) +\d+ main/binary-amd64/Packages.xz$", release, re.M)[1].decode()
    status, index = web.get(f"dists/stable/main/binary-amd64/by-hash/SHA256/{digest}")
    assert status == 200 and sha256(index) == digest
    pool = re.findall(r"Filename: (\S+)\n(?:.+\n)*?SHA256: ([0-9a-f]{64})", lzma.decompress(index).decode())
    for path, digest in pool:
        status, content = web.get(path)
        assert status == 200 and sha256(content) == digest, (path, status)
    assert pool
    return re.search(rb"^Date: (.*)$", release, re.M)[1]


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")
            if path.is_file() and ".aptward" not in path.parts}


def test_apt_installs_from_an_exported_folder(scene, serve):
    archive = desktop(scene.folder / "archive", scene.key)
    node = scene.node(archive, scene.origin(archive))
    folder = scene.folder / "export"
    failing = node.command("mirror", "test", "stable", "--components", "mian", "--export", str(folder))
    assert failing.returncode == 1 and "; nothing was exported" in failing.stderr and not folder.exists()
    done = node.command("mirror", "test", "stable", "--components", "main", "--export", str(folder))
    assert done.returncode == 0 and "files" in done.stdout.splitlines()[-1], done.stderr
    node.stop()
    web = serve(folder)
    root = AptRoot(scene.folder / "apt", f"deb [KEY] http://{web.address} stable main", scene.key, None)
    updated = root.update()
    assert updated.returncode == 0, updated.stderr
    assert root.download("foo").returncode == 0
    assert {path for path in files_below(folder) if path.startswith("pool")} == {
        "pool/main/f/foo/foo_1_all.deb", "pool/main/n/native/native_1_amd64.deb",
        "pool/main/n/native/native_1_arm64.deb"}


def test_a_second_export_places_what_is_new_and_keeps_the_generation_before(scene):
    archive = large(scene, count=20)
    node = scene.node(archive, scene.origin(archive))
    folder = scene.folder / "export"
    mirror(node, "stable")
    first = export(node, folder)
    assert first["files"] == 22 and first["placed"] >= 24 and first["removed"] == 0
    before = files_below(folder)
    again = export(node, folder)
    assert again["placed"] == 0 == again["removed"] and files_below(folder) == before
    archive.add_bytes("p1", b"second", version="2")
    archive.publish()
    mirror(node, "stable")
    second = export(node, folder)
    pool = {path for path in files_below(folder) if path.startswith("pool")}
    assert second["removed"] == 0 and {"pool/p1_1_all.deb", "pool/p1_2_all.deb"} <= pool
    assert {path for path in before if "by-hash" in path} < files_below(folder)
    archive.add_bytes("p1", b"third", version="3")
    archive.publish()
    mirror(node, "stable")
    third = export(node, folder)
    after = files_below(folder)
    assert third["removed"] == 1 and "pool/p1_1_all.deb" not in after
    assert not {path for path in before if "by-hash" in path} & after
    # Less of the same release: the rest goes as if it were of the one before.
    export(node, folder, "--packages", "foo")
    archive.publish()
    mirror(node, "stable")
    assert export(node, folder, "--packages", "foo")["files"] == 1
    assert {path for path in files_below(folder) if path.startswith("pool")} == {"pool/foo_1_all.deb"}


def test_what_was_changed_in_the_folder_is_put_right(scene):
    archive = large(scene, count=5)
    node = scene.node(archive, scene.origin(archive))
    folder = scene.folder / "export"
    mirror(node, "stable")
    export(node, folder)
    (folder / "pool/p1_1_all.deb").unlink()
    (folder / "pool/p2_1_all.deb").unlink()
    (folder / "pool/p2_1_all.deb").write_bytes(b"wrong")
    shutil.rmtree(folder / "dists")
    assert export(node, folder)["placed"] >= 2
    for name in ("p1", "p2"):
        assert (folder / f"pool/{name}_1_all.deb").read_bytes() == \
            (archive.root / f"pool/{name}_1_all.deb").read_bytes()
    assert (folder / "dists/stable/InRelease").read_bytes() == (archive.suite_folder / "InRelease").read_bytes()


def test_a_polling_reader_never_sees_an_inconsistent_folder(scene, serve):
    archive = large(scene, count=15)
    node = scene.node(archive, scene.origin(archive))
    folder = scene.folder / "export"
    mirror(node, "stable", "--export", str(folder))
    web, seen, wrong, stop = serve(folder), set(), [], threading.Event()
    looked = 0

    def poll():
        nonlocal looked
        while not stop.is_set():
            try:
                seen.add(read_release(web))
            except AssertionError as failure:
                wrong.append(failure)
                return
            looked += 1
    reader = threading.Thread(target=poll)
    reader.start()
    for version in range(2, 8):
        archive.add_bytes("p1", os.urandom(30_000), version=str(version))
        archive.publish()
        count = looked
        mirror(node, "stable", "--export", str(folder))
        until("a look after it", lambda: looked > count + 1 or wrong)
    stop.set()
    reader.join()
    assert wrong == [] and len(seen) >= 6


def test_C7_an_export_that_is_killed_leaves_a_whole_folder(scene, serve):
    archive = large(scene, count=40)
    node = scene.node(archive, scene.origin(archive))
    folder = scene.folder / "export"
    mirror(node, "stable")
    export(node, folder)
    web = serve(folder)
    for version in range(2, 10):
        archive.add_bytes("p1", os.urandom(30_000), version=str(version))
        archive.publish()
        mirror(node, "stable")
        running = subprocess.Popen([PROGRAM, "export", "test", "--to", folder, "--config", node.config])
        try:
            running.wait(0.004 * version)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            running.wait()
        read_release(web)
    export(node, folder)
    archive.publish()
    mirror(node, "stable")
    export(node, folder)
    left = {sha256((folder / path).read_bytes()) for path in files_below(folder) if path.startswith("pool")}
    current = {sha256(path.read_bytes()) for _, path in archive.packages.values()}
    assert left == current, "what the killed ones left is gone"
    assert pool_digests(archive) >= left


def test_whatever_the_umask_everybody_can_read_what_is_exported(scene):
    archive = large(scene, count=3)
    node = scene.node(archive, scene.origin(archive), prefix=["sh", "-c", 'umask 0077; exec "$@"', "sh"])
    mirror(node, "stable")
    old = sha256((archive.root / "pool/p1_1_all.deb").read_bytes())
    blob = node.folder / "state/blobs/sha256" / old[:2] / old
    blob.chmod(0o400)  # as an earlier version left it
    folder = scene.folder / "for/everybody"

    def place():
        done = subprocess.run([PROGRAM, "export", "test", "--to", folder, "--config", node.config],
                              capture_output=True, text=True, umask=0o077)
        assert done.returncode == 0, done
        return [path for path in (folder.parent, *folder.parent.rglob("*")) if ".aptward" not in path.parts]

    placed = place()
    assert {path.stat().st_mode & 0o777 for path in placed if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in placed if path.is_file()} <= {0o444, 0o644}
    assert sha256((folder / "pool/p1_1_all.deb").read_bytes()) == old
    (folder / "pool/p1_1_all.deb").unlink()
    os.link(blob, folder / "pool/p1_1_all.deb")  # as an earlier version did
    place()
    assert (folder / "pool/p1_1_all.deb").stat().st_mode & 0o444 == 0o444


def test_mistakes_are_one_sentence(scene):
    archive = large(scene, count=3)
    node = scene.node(archive, scene.origin(archive))
    folder = scene.folder / "export"

    def refused(*options):
        done = node.command("export", *options)
        assert done.returncode in (1, 2) and len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr
    assert "nothing is held" in refused("test", "--to", str(folder))
    mirror(node, "stable")
    assert 'archive "other"' in refused("other", "--to", str(folder))
    assert "aptward mirror test testing" in refused("test", "testing", "--to", str(folder))
    assert 'the package "nosuch"' in refused("test", "--packages", "nosuch", "--to", str(folder))
    assert not folder.exists(), "nothing was changed"
    other = scene.folder / "other"
    other.mkdir()
    (other / "precious").write_text("mine")
    assert "name another folder" in refused("test", "--to", str(other))
    assert os.listdir(other) == ["precious"]
    export(node, folder)
    manifest = folder / ".aptward/manifest.json"
    content = manifest.read_text()
    manifest.write_text(content.replace("pool/p1_1_all.deb", "../other/precious"))
    assert "outside of the folder" in refused("test", "--to", str(folder))
    manifest.write_text(content.replace('"archive": "test"', '"archive": "debian"'))
    assert "is an export of debian" in refused("test", "--to", str(folder))
    # What is not held is named, and the rest is there.
    manifest.write_text(content)
    content = (archive.root / "pool/p2_1_all.deb").read_bytes()
    (node.folder / "state/blobs/sha256" / sha256(content)[:2] / sha256(content)).unlink()
    assert export(node, folder, status=1)["missing_files"] == ["pool/p2_1_all.deb"]
