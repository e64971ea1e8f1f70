# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job: real apt through a real node."""
import concurrent.futures

import pytest

from node import until

pytestmark = pytest.mark.smoke


def works(outcome):
    assert outcome.returncode == 0, outcome
    return outcome


def test_update_and_install_through_the_proxy(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    apt = scene.apt(node)
    works(apt.update())
    works(apt.install("foo"))
    assert (apt.folder / "target/usr/share/aptward-test/foo").exists()
    assert works(apt.update()).output.startswith("Hit:1")
    node.stop()


def test_mapped_prefix_serves_the_same(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    answer = node.get("/test/dists/stable/InRelease")
    assert answer.content == (archive.suite_folder / "InRelease").read_bytes()
    assert answer.headers["Aptward-Generation"] and answer.headers["Content-Length"]


@pytest.mark.parametrize("options", [{"by_hash": False}, {"forms": ("detached",)},
                                     {"hashes": ("SHA512",)}, {"hashes": ("SHA256", "SHA512")}])
def test_archives_of_other_shapes_work(scene, options):
    archive = scene.archive(**options)
    apt = scene.apt(scene.node(archive, scene.origin(archive)))
    works(apt.update())
    works(apt.download("foo", "bar"))


def test_flat_repository_works(scene):
    archive = scene.archive(flat=True, suite="flat/")
    apt = scene.apt(scene.node(archive, scene.origin(archive)), suite="flat/")
    works(apt.update())
    works(apt.download("foo"))


def test_names_with_plus_and_tilde_meet_both_spellings(scene):
    archive = scene.archive()
    archive.add("g++", version="1~rc1+b2")
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    apt = scene.apt(node)
    works(apt.update())
    works(apt.download("g++"))
    plain = node.get("/test/pool/g++_1~rc1+b2_all.deb")
    encoded = node.get("/test/pool/g%2b%2b_1%7Erc1%2Bb2_all.deb")
    assert plain.status == encoded.status == 200 and plain.content == encoded.content


def test_by_hash_is_synthesised_for_a_source_without_it(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.always("status", 404, only="by-hash")
    apt = scene.apt(scene.node(archive, origin))
    works(apt.update())


def test_V37_ranges_and_conditions_are_exact(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    works(scene.apt(node).update())
    path = "/test/pool/foo_1_all.deb"
    whole = node.get(path)
    date = whole.headers["Last-Modified"]
    part = node.get(path, Range="bytes=100-", **{"If-Range": date})
    assert part.status == 206 and part.content == whole.content[100:]
    size = len(whole.content)
    assert part.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    other = node.get(path, Range="bytes=100-", **{"If-Range": "Sat, 01 Jan 2000 00:00:00 GMT"})
    assert other.status == 200 and other.content == whole.content
    beyond = node.get(path, Range=f"bytes={size}-", **{"If-Range": date})
    assert beyond.status == 416 and beyond.headers["Content-Range"] == f"bytes */{size}"
    assert node.get(path, **{"If-Modified-Since": date}).status == 304


def test_V36_unlisted_paths_are_404_and_ignorance_is_503(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    unknown = node.get("/test/pool/nothing.deb")
    assert unknown.status == 503 and unknown.content and unknown.headers["Retry-After"]
    # A release is known now, but its index is not to be had: that is ignorance still.
    origin.always("status", 503, only="binary-")
    assert node.get("/test/dists/stable/InRelease").status == 200
    assert node.get("/test/pool/nothing.deb").status == 503
    origin.heal()
    works(scene.apt(node).update())
    (archive.root / "pool/stray.deb").write_bytes(b"not in any index")
    stray = node.get("/test/pool/stray.deb")
    assert stray.status == 404 and stray.content.startswith(b"pool.absent")


def test_V34_a_release_is_held_until_its_indexes_are_there(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    works(apt.update())
    before = node.suite()["generation"]
    archive.add("foo", version="2")
    archive.publish()
    origin.always("status", 503, only="Packages.xz")
    fault = origin.fault
    origin.fault = lambda path: ("status", 503) if "by-hash" in path else fault(path)
    works(apt.update())
    until("held", lambda: node.suite()["held"])
    assert node.suite()["generation"] == before
    origin.heal()
    until("published", lambda: apt.update().returncode == 0 and node.suite()["generation"] != before)
    works(apt.download("foo=2"))


def test_forty_parallel_requests_for_a_new_release_agree(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    works(scene.apt(node).update())
    archive.publish()
    wanted = (archive.suite_folder / "InRelease").read_bytes()
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: node.get("/test/dists/stable/InRelease"), range(40)))
    assert {answer.status for answer in answers} == {200}
    assert {answer.content for answer in answers} == {wanted}


@pytest.mark.alone
def test_R17_many_clients_of_one_cold_file_cost_one_body(scene):
    archive = scene.archive()
    archive.add("large", payload_bytes=50_000_000)
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    works(scene.apt(node).update())
    path = "/test/pool/large_1_all.deb"
    content = (archive.root / "pool/large_1_all.deb").read_bytes()
    origin.sent = origin.connections = 0
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: node.get(path).content == content, range(64)))
    assert all(answers)
    assert origin.sent <= 1.05 * len(content) and origin.connections <= 2


def test_R25_a_second_node_on_the_same_state_is_refused(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    import subprocess
    from node import PROGRAM
    second = subprocess.run([PROGRAM, "serve", "--config", node.config], capture_output=True, text=True)
    assert second.returncode == 2 and "in use by another node" in second.stderr


def test_unknown_hosts_are_refused_with_the_lines_to_add(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    answer = node.raw(b"GET http://elsewhere.example/debian/x HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n")
    assert b" 403 " in answer.splitlines()[0] and b"[[archive]]" in answer


def test_A19_connect_reaches_no_private_address(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    for target, code in ((f"127.0.0.2:{origin.port}", b"connect.not-allowed"),
                         ("127.0.0.1:443", b"connect.private-address"),
                         ("169.254.169.254:443", b"connect.private-address")):
        answer = node.raw(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert b" 403 " in answer.splitlines()[0] and code in answer
