# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for without its index having been read, and names that somebody made up."""
import gzip
import hashlib
import http.client
import lzma
import os
import socket
import time

import pytest

from node import is_sanitized, until

pytestmark = pytest.mark.smoke
INRELEASE, RELEASE = "/test/dists/stable/InRelease", "/test/dists/stable/Release"
PACKAGES = "/test/dists/stable/main/binary-amd64/Packages.xz"
FOO = "/test/pool/foo_1_all.deb"


def stanza(archive, name, architecture="all"):
    """A package in pool/ that only the stanza given back names."""
    file = archive.root / "pool" / f"{name}_1_{architecture}.deb"
    file.write_bytes(os.urandom(3000))
    return archive._stanza(name, ("1", file)).encode()


def component(text, name="universe", architecture="amd64"):
    folder = f"{name}/binary-{architecture}"
    return {f"{folder}/Packages": text, f"{folder}/Packages.xz": lzma.compress(text)}


def test_a_package_is_served_whose_index_no_client_has_fetched(scene):
    archive = scene.archive()
    archive.extra = component(stanza(archive, "uni")) | component(stanza(archive, "arm", "arm64"), "main", "arm64")
    archive.publish(Components="main universe")
    node = scene.node(archive, scene.origin(archive))
    # A client whose lists are current asks for the release only: 304, and no index.
    assert node.get(INRELEASE).status == 200
    for name in ("foo_1_all", "uni_1_all", "arm_1_arm64"):
        answer = node.get(f"/test/pool/{name}.deb")
        assert answer.status == 200, (name, answer.content)
        assert answer.content == (archive.root / f"pool/{name}.deb").read_bytes()


def test_absence_is_said_only_when_every_index_that_may_list_it_was_read(scene):
    archive = scene.archive()
    archive.extra = component(stanza(archive, "uni"))
    archive.publish(Components="main universe")
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    origin.fault = lambda path: ("status", 503) if "universe" in path else None
    assert node.get(INRELEASE).status == 200
    assert node.get(PACKAGES).status == 200
    answer = node.get("/test/pool/uni_1_all.deb")
    assert answer.status == 503 and answer.content.startswith(b"pool.unknown")
    assert node.get("/test/pool/nothing_1_all.deb").status == 503
    origin.heal()
    node.stop()
    node.start()
    assert node.get("/test/pool/nothing_1_all.deb").status == 404
    assert node.get("/test/pool/uni_1_all.deb").status == 200


@pytest.mark.alone
def test_a_slow_reader_of_another_index_delays_no_absence(scene):
    archive = scene.archive()
    archive.publish(extra={"main/Contents-amd64.gz": os.urandom(12 << 20)})
    node = scene.node(archive, scene.origin(archive), freshness="5m")
    assert (node.get(INRELEASE).status, node.get(PACKAGES).status) == (200, 200)
    until("its absence is known", lambda: node.get("/test/pool/nothing_1_all.deb").status == 404)
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = node.address.rsplit(":", 1)
        reader.connect((host, int(port)))
        reader.sendall(b"GET /test/dists/stable/main/Contents-amd64.gz HTTP/1.1\r\nHost: n\r\n\r\n")
        assert reader.recv(1000)
        started = time.monotonic()
        assert node.get("/test/pool/nothing_1_all.deb").status == 404
        assert time.monotonic() - started < 3, "nobody waits for a reader of Contents"


def test_suites_that_nobody_has_keep_no_real_one_out(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    client = http.client.HTTPConnection(node.address, timeout=30)
    for number in range(510):
        client.request("GET", f"/test/dists/junk{number}/InRelease")
        answer = client.getresponse()
        answer.read()
        assert answer.status == 404, number
    assert node.get(INRELEASE).status == 200
    asked = len(origin.requests)
    for _ in range(5):
        assert node.get("/test/dists/junk509/InRelease").status == 404
    assert len(origin.requests) == asked, "an absent suite is not asked for at every request"


def test_a_made_up_suite_never_hides_the_pool(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), freshness="5m")
    assert (node.get(INRELEASE).status, node.get(PACKAGES).status) == (200, 200)
    until("adopted", lambda: node.get(FOO).status == 200)
    assert node.get("/test/pool/InRelease").status == 404
    for table in (node.folder / "state/tables").glob("*.table"):
        os.truncate(table, 40)
    assert node.get("/test/pool/bar_1_all.deb").status == 503
    until("mended", lambda: node.get("/test/pool/bar_1_all.deb").status == 200)
    assert node.get(FOO).status == 200


def test_V33_by_hash_answers_every_listed_algorithm_also_without_a_source(scene):
    archive = scene.archive(hashes=("SHA256", "SHA512"))
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert (node.get(INRELEASE).status, node.get(PACKAGES).status) == (200, 200)
    archive.add("new")
    archive.publish()
    until("published", lambda: node.get(INRELEASE).content == (archive.suite_folder / "InRelease").read_bytes())
    content = (archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes()
    origin.die()
    for kind in ("SHA256", "SHA512"):
        answer = node.get(f"/test/dists/stable/main/binary-amd64/by-hash/{kind}/"
                          f"{hashlib.new(kind, content).hexdigest()}")
        assert answer.status == 200 and answer.content == content, kind


def test_a_release_waits_for_a_withheld_translation_and_not_for_ever(scene):
    archive = scene.archive()

    def translate(text):
        archive.extra = {"main/i18n/Translation-eo": text, "main/i18n/Translation-eo.xz": lzma.compress(text)}
        archive.publish()
    translate(b"one" * 300)
    origin = scene.origin(archive)
    node = scene.node(archive, origin, **{"optional-wait": "2s"})
    assert (node.get(INRELEASE).status, node.get(PACKAGES).status) == (200, 200)
    assert node.get("/test/dists/stable/main/i18n/Translation-eo.xz").status == 200
    before = (archive.suite_folder / "InRelease").read_bytes()
    until("it is remembered", lambda: b"Translation-eo" in
          b"".join(file.read_bytes() for file in (node.folder / "state").glob("journal*") if file.is_file()))
    translate(b"two" * 300)
    origin.fault = lambda path: ("status", 403) if "i18n" in path else None
    assert node.get(INRELEASE).content == before, "it is held at first"
    until("published without it", lambda: node.get(INRELEASE).content ==
          (archive.suite_folder / "InRelease").read_bytes())
    assert "release.incomplete" in node.event_codes()
    assert node.get("/test/dists/stable/main/i18n/Translation-eo.xz").status == 503


def test_clients_of_two_minds_about_a_compression_fill_no_journal(scene):
    archive = scene.archive()
    text = b"one" * 300
    archive.publish(extra={"main/i18n/Translation-en": text, "main/i18n/Translation-en.xz": lzma.compress(text),
                           "main/i18n/Translation-en.gz": gzip.compress(text)})
    node = scene.node(archive, scene.origin(archive), freshness="5m")
    assert node.get(INRELEASE).status == 200
    forms = [f"/test/dists/stable/main/i18n/Translation-en.{form}" for form in ("xz", "gz")]

    def noted():
        return b"".join(file.read_bytes() for file in (node.folder / "state").glob("journal*")).count(b"Translation-en")
    for form in forms:
        assert node.get(form).status == 200
    until("both forms are written down", lambda: noted() >= 2)
    for _ in range(30):
        assert [node.get(form).status for form in forms] == [200, 200]
    # Whatever comes later is written behind what these left.
    assert node.get(PACKAGES).status == 200
    until("the next one is written", lambda: b"Packages" in
          b"".join(file.read_bytes() for file in (node.folder / "state").glob("journal*")))
    assert noted() == 2


def test_A9_a_detached_signature_is_of_the_release_that_the_client_has(scene):
    archive = scene.archive(forms=("inline", "detached"))
    node = scene.node(archive, scene.origin(archive))
    release, signature = (archive.suite_folder / name for name in ("Release", "Release.gpg"))
    assert node.get(RELEASE).content == release.read_bytes()
    generation, before = node.suite()["generation"], signature.read_bytes()
    archive.add("new")
    archive.publish()
    assert node.get(f"{RELEASE}.gpg").content == before
    until("the switch came in between", lambda: node.suite()["generation"] != generation)
    assert node.get(f"{RELEASE}.gpg").content == before
    assert node.get(RELEASE).content == release.read_bytes() != b""
    assert node.get(f"{RELEASE}.gpg").content == signature.read_bytes() != before


def test_a_missing_detached_form_is_asked_for_once_in_a_while(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, freshness="1h")
    assert node.get(INRELEASE).status == 200
    asked = len(origin.requests)
    for _ in range(20):
        assert node.get(RELEASE).status == 404
    assert len(origin.requests) - asked <= 2


@pytest.mark.skipif(is_sanitized(), reason="a sanitizer's shadow needs the address space")
def test_R11_a_moment_without_memory_freezes_no_suite(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    node.stop()
    node.prefix = ["prlimit", "--as=3500000000"]
    node.start()
    assert (node.get(INRELEASE).status, node.get(PACKAGES).status) == (200, 200)
    until("adopted", lambda: node.get(FOO).status == 200)
    honest = archive.release_text

    def huge(listed, **fields):
        lines = honest(listed, **fields).split(b"\n")
        return b"\n".join(b" ".join([*line.split(b" ")[:2], b"4294967296", line.split(b" ")[3]])
                          if line.endswith(b" main/binary-amd64/Packages") else line for line in lines)
    archive.release_text = huge
    archive.add("one")
    archive.publish()
    until("it is held", lambda: node.get(INRELEASE).status == 200 and "release.held" in node.event_codes())
    archive.release_text = honest
    archive.add("two")
    archive.publish()
    until("the next release is published", lambda: node.get(INRELEASE).content ==
          (archive.suite_folder / "InRelease").read_bytes())
