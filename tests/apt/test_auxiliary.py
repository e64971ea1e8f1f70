# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of an archive that no index names: proven by what stands beside them, or marked unproven."""
import concurrent.futures
import hashlib
import http.client
import os
import threading
import time

import pytest

from coherence import blobs_of, sha256
from node import until

pytestmark = pytest.mark.smoke

UPGRADER = "dists/stable/main/dist-upgrader-all/current"
IMAGES = "dists/stable/main/installer-amd64/current/images"


def write(archive, path, content):
    file = archive.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return content


def with_upgrader(archive, key=None, content=None):
    tarball = write(archive, f"{UPGRADER}/stable.tar.gz", content or os.urandom(200_000))
    write(archive, f"{UPGRADER}/stable.tar.gz.gpg", (key or archive.key).detached(tarball))
    write(archive, f"{UPGRADER}/ReleaseAnnouncement", b"news\n")
    return tarball


def with_installer(archive, listed=True, size=300_000):
    kernel = write(archive, f"{IMAGES}/netboot/linux", os.urandom(size))
    sums = f"{hashlib.sha256(kernel).hexdigest()}  ./netboot/linux\n".encode()
    if listed:
        archive.extra["main/installer-amd64/current/images/SHA256SUMS"] = sums
        archive.publish()
    else:
        write(archive, f"{IMAGES}/SHA256SUMS", sums)
    return kernel


def until_held(node, *contents):
    """A client may have its answer before the bytes are synced."""
    until("it is held", lambda: {sha256(content) for content in contents} <= blobs_of(node))


def test_a_dist_upgrader_is_verified_and_kept_with_its_signature(scene):
    archive = scene.archive()
    tarball = with_upgrader(archive)
    origin = scene.origin(archive)
    node = scene.node(archive, origin, freshness="5m")
    answer = node.get(f"/test/{UPGRADER}/stable.tar.gz")
    assert answer.status == 200 and answer.content == tarball
    assert "Aptward-Proof" not in answer.headers
    signature = (archive.root / UPGRADER / "stable.tar.gz.gpg").read_bytes()
    assert node.get(f"/test/{UPGRADER}/stable.tar.gz.gpg").content == signature
    origin.die()
    again = node.get(f"/test/{UPGRADER}/stable.tar.gz")
    assert again.status == 200 and again.content == tarball
    assert node.get(f"/test/{UPGRADER}/stable.tar.gz.gpg").content == signature


def test_a_dist_upgrader_of_a_stranger_is_refused(scene, other_key):
    archive = scene.archive()
    with_upgrader(archive, other_key)
    node = scene.node(archive, scene.origin(archive))
    for name in ("stable.tar.gz", "stable.tar.gz.gpg"):
        answer = node.get(f"/test/{UPGRADER}/{name}")
        assert answer.status == 503 and b"file.unknown-key" in answer.content
    assert "file.unknown-key" in node.event_codes()
    tarball = with_upgrader(archive)
    assert node.get(f"/test/{UPGRADER}/stable.tar.gz").content == tarball


def test_a_changed_dist_upgrader_is_taken_from_an_honest_source(scene):
    archive = scene.archive()
    tarball = with_upgrader(archive)
    bad, good = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    bad.always("tamper", "middle", only="stable.tar.gz")
    fault = bad.fault
    bad.fault = lambda path: None if path.endswith(".gpg") else fault(path)
    node = scene.node(archive, bad, good)
    assert node.get(f"/test/{UPGRADER}/stable.tar.gz").content == tarball


def test_a_dist_upgrader_without_signature_never_passes_unproven(scene):
    archive = scene.archive()
    with_upgrader(archive)
    (archive.root / UPGRADER / "stable.tar.gz.gpg").unlink()
    node = scene.node(archive, scene.origin(archive))
    answer = node.get(f"/test/{UPGRADER}/stable.tar.gz")
    assert answer.status == 404 and answer.content.startswith(b"auxiliary.unsigned")


def test_an_older_dist_upgrader_does_not_replace_a_newer_one(scene):
    archive = scene.archive()
    old = with_upgrader(archive)
    old_signature = (archive.root / UPGRADER / "stable.tar.gz.gpg").read_bytes()
    node = scene.node(archive, scene.origin(archive))
    signed = (archive.root / UPGRADER / "stable.tar.gz.gpg").stat().st_mtime
    until("signatures have a later second", lambda: time.time() > signed + 1.1)
    new = with_upgrader(archive)
    assert node.get(f"/test/{UPGRADER}/stable.tar.gz").content == new
    write(archive, f"{UPGRADER}/stable.tar.gz", old)
    write(archive, f"{UPGRADER}/stable.tar.gz.gpg", old_signature)
    assert node.get(f"/test/{UPGRADER}/stable.tar.gz").content == new
    node.kill()
    node.start()
    assert node.get(f"/test/{UPGRADER}/stable.tar.gz").status == 503
    assert "file.rollback" in node.event_codes()


@pytest.mark.parametrize("listed", [True, False])
def test_installer_images_are_proven_by_sha256sums(scene, listed):
    archive = scene.archive()
    kernel = with_installer(archive, listed)
    if not listed:  # Ubuntu: SHA256SUMS carries its own signature
        sums = (archive.root / IMAGES / "SHA256SUMS").read_bytes()
        write(archive, f"{IMAGES}/SHA256SUMS.gpg", archive.key.detached(sums))
    bad, good = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    bad.always("tamper", "middle", only="netboot/linux")
    node = scene.node(archive, bad, good)
    answer = node.get(f"/test/{IMAGES}/netboot/linux")
    assert answer.status == 200 and answer.content == kernel
    assert node.get(f"/test/{IMAGES}/SHA256SUMS").status == 200
    assert node.get(f"/test/{IMAGES}/netboot/other").status == 404
    until_held(node, kernel, (archive.root / IMAGES / "SHA256SUMS").read_bytes())
    for origin in (bad, good):
        origin.die()
    assert node.get(f"/test/{IMAGES}/netboot/linux").content == kernel
    assert node.scrub() == 0


def test_a_source_with_another_image_of_another_size_is_outvoted(scene):
    archive = scene.archive()
    kernel = with_installer(archive)
    origins = [scene.origin(archive, f"127.0.0.{number}") for number in (2, 3, 4)]
    origins[0].always("swap", archive.packages["bar"][1], only="netboot/linux")
    node = scene.node(archive, *origins)
    assert node.get(f"/test/{IMAGES}/netboot/linux").content == kernel
    part = node.get(f"/test/{IMAGES}/netboot/linux", Range="bytes=1000-")
    assert part.status == 206 and part.content == kernel[1000:]


def test_without_proof_installer_images_are_not_served(scene):
    archive = scene.archive()
    with_installer(archive, listed=False)
    node = scene.node(archive, scene.origin(archive))
    assert node.get(f"/test/{IMAGES}/netboot/linux").status == 404


def test_listed_patterns_pass_unproven_marked_and_uncounted_as_proven(scene):
    archive = scene.archive()
    content = write(archive, "meta-release-lts", b"Dist: stable\n")
    with_upgrader(archive)
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    answer = node.get("/test/meta-release-lts")
    assert answer.status == 200 and answer.content == content
    assert answer.headers["Aptward-Proof"].startswith("none;")
    assert answer.headers["Last-Modified"] and answer.headers["Content-Length"] == str(len(content))
    assert "ETag" not in answer.headers
    assert node.get(f"/test/{UPGRADER}/ReleaseAnnouncement").content == b"news\n"
    assert "aptward_unproven_total 2" in node.admin("/metrics")
    assert node.status()["unproven"]["count"] == 2
    origin.die()
    gone = node.get("/test/meta-release-lts")
    assert gone.status == 503 and gone.headers["Retry-After"]  # not kept
    assert b"unproven: 2" in node.command("status").stdout.encode()


def test_everything_else_stays_proven_or_refused(scene):
    archive = scene.archive()
    write(archive, "secret/thing", b"x")
    write(archive, "meta-release", b"x")
    node = scene.node(archive, scene.origin(archive), auxiliary=["changelogs/"])
    for path in ("secret/thing", "meta-release", "dists/stable/main/stray"):
        assert node.get(f"/test/{path}").status in (404, 503)


def test_an_absent_auxiliary_file_is_404_and_a_head_has_no_body(scene):
    archive = scene.archive()
    write(archive, "project/trace/host", b"x" * 100)
    node = scene.node(archive, scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3"))
    assert node.get("/test/project/trace/other").status == 404
    answer = node.raw(b"HEAD /test/project/trace/host HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 100" in answer and answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("fault", [("stall",), ("status", 503), ("truncate", 0), ("refuse",)])
def test_an_unproven_file_comes_from_another_source_before_its_first_byte(scene, fault):
    archive = scene.archive()
    content = write(archive, "project/large", os.urandom(3_000_000))
    bad, good = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    if fault == ("refuse",):
        bad.die()
    else:
        bad.always(*fault)
    node = scene.node(archive, bad, good)
    assert node.get("/test/project/large").content == content


def test_an_unproven_file_cut_in_the_middle_is_cut_for_the_client(scene):
    archive = scene.archive()
    write(archive, "project/large", os.urandom(3_000_000))
    origin = scene.origin(archive)
    is_begun = threading.Event()

    def cut(client, mode, path):
        client.sendall(origin.head(200, 3_000_000) + bytes(1_000_000))
        is_begun.wait(20)  # before its head has an answer, the client would get a clear error instead
        return False
    origin.misbehave = cut
    origin.always("cut", only="large")
    node = scene.node(archive, origin)
    client = http.client.HTTPConnection(node.address, timeout=30)
    client.request("GET", "/test/project/large")
    answer = client.getresponse()
    assert answer.status == 200
    is_begun.set()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()


def test_an_unproven_file_without_length_gets_one(scene):
    archive = scene.archive()
    write(archive, "project/large", os.urandom(100))
    origin = scene.origin(archive)
    origin.always("chunked")
    node = scene.node(archive, origin)
    answer = node.get("/test/project/large")
    assert answer.headers["Content-Length"] == "100" and len(answer.content) == 100


def test_wrong_patterns_are_named_with_their_line(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    node.config.write_text(node.config.read_text() + 'auxiliary = ["*", "pool/", "doc/"]\n')
    checked = node.command("config", "check")
    assert checked.returncode == 2
    assert checked.stdout.count("archive.auxiliary:") + checked.stderr.count("archive.auxiliary:") == 2


def seconds_for(node, path):
    started = time.monotonic()
    return node.get(path), time.monotonic() - started


@pytest.mark.alone
def test_with_stalled_sources_the_held_comes_at_once_and_errors_come_in_time(scene):
    archive = scene.archive()
    tarball, kernel = with_upgrader(archive), with_installer(archive)
    write(archive, f"{IMAGES}/netboot/other", b"x")
    origins = [scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")]
    node = scene.node(archive, *origins)
    assert node.get(f"/test/{UPGRADER}/stable.tar.gz").status == 200
    assert node.get(f"/test/{IMAGES}/netboot/linux").status == 200
    until_held(node, tarball, kernel)
    for origin in origins:
        origin.always("stall")
    for path, content in ((f"{UPGRADER}/stable.tar.gz", tarball), (f"{IMAGES}/netboot/linux", kernel)):
        answer, seconds = seconds_for(node, f"/test/{path}")
        assert answer.status == 200 and answer.content == content and seconds < 2.5, seconds
    fresh = scene.node(archive, *origins)
    paths = (f"{UPGRADER}/stable.tar.gz", f"{IMAGES}/netboot/linux", "meta-release",
             f"{UPGRADER}/ReleaseAnnouncement")
    with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
        answers = pool.map(lambda path: seconds_for(fresh, f"/test/{path}"), paths)
    for path, (answer, seconds) in zip(paths, answers):
        assert answer.status == 503 and answer.headers["Retry-After"] and seconds < 11, (path, seconds)


def test_A1_V8_a_signature_of_text_proves_no_file(scene):
    """gpgv hashes 19,994 bytes of a line of text and no CR at its end: what stands behind is not signed."""
    archive = scene.archive()
    signed = (archive.suite_folder / "InRelease").read_text()
    end = signed.index("-----BEGIN PGP SIGNATURE-----")
    lines = signed[signed.index("\n\n") + 2:end].rstrip("\n").split("\n")
    lines[0] += "\r" * 20_000 + "PAYLOAD THAT NOBODY SIGNED"
    folder = archive.root / UPGRADER
    folder.mkdir(parents=True)
    (folder / "stable.tar.gz").write_text("\n".join(lines), newline="")
    (folder / "stable.tar.gz.gpg").write_text(signed[end:])
    node = scene.node(archive, scene.origin(archive))
    assert node.get("/test/dists/stable/InRelease").status == 200
    answer = node.get(f"/test/{UPGRADER}/stable.tar.gz")
    assert answer.status == 503 and b"NOBODY" not in answer.content
    assert "file.text-signature" in node.event_codes()


@pytest.mark.parametrize("lie", ["smaller", "larger"])
def test_A1_a_faster_source_with_an_image_of_another_size_does_not_win(scene, lie):
    archive = scene.archive()
    kernel = with_installer(archive)
    bad, good = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    wrong = scene.folder / "wrong"
    wrong.write_bytes(os.urandom(100_000 if lie == "smaller" else 500_000))
    bad.always("swap", wrong, only="netboot/linux")
    good.fault = lambda path: time.sleep(0.05) if "netboot/linux" in path else None
    node = scene.node(archive, bad, good)
    answer = node.get(f"/test/{IMAGES}/netboot/linux")
    assert answer.status == 200 and answer.content == kernel
    until("charged", lambda: faults_of(node, bad).get("wrong-size"))
    assert not faults_of(node, good).get("wrong-size")


def test_A4_an_image_of_any_size_is_not_taken(scene):
    archive = scene.archive()
    kernel = with_installer(archive)
    bad, good = scene.origin(archive, "127.0.0.2"), scene.origin(archive, "127.0.0.3")
    bad.misbehave = lambda client, mode, path: client.sendall(bad.head(200, 1 << 50) + b"x" * 100_000)
    bad.always("huge", only="netboot/linux")
    good.always("status", 404, only="netboot/linux")
    node = scene.node(archive, bad, good)
    answer = node.get(f"/test/{IMAGES}/netboot/linux")
    assert answer.status == 503 and answer.content.startswith(b"auxiliary.missing: ")
    until("charged", lambda: faults_of(node, bad).get("protocol"))
    good.heal()
    assert node.get(f"/test/{IMAGES}/netboot/linux").content == kernel


def faults_of(node, origin):
    (archive,) = node.status()["archives"]
    return {source["url"]: source["faults"] for source in archive["sources"]}[origin.url]


def test_a_frozen_archive_gives_the_installer_of_then(scene):
    archive = scene.archive()
    old = with_installer(archive)
    node = scene.node(archive, scene.origin(archive))
    assert node.get(f"/test/{IMAGES}/netboot/linux").content == old
    sums = node.get(f"/test/{IMAGES}/SHA256SUMS").content
    until_held(node, old, sums)
    assert node.command("freeze", "test").returncode == 0
    new = with_installer(archive)
    before = node.suite()["generation"]
    assert node.command("mirror", "test", "stable").returncode == 0
    assert node.suite()["generation"] != before, "the later release is published behind the freeze"
    assert node.get(f"/test/{IMAGES}/SHA256SUMS").content == sums
    assert node.get(f"/test/{IMAGES}/netboot/linux").content == old
    assert node.command("thaw", "test").returncode == 0
    assert node.get(f"/test/{IMAGES}/netboot/linux").content == new
