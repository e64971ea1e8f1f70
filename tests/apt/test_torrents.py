# SPDX-License-Identifier: GPL-3.0-or-later
"""What many want at once, published as a torrent."""
import hashlib
import json
import os

import libtorrent
import pytest

from forger import BASE
from node import until
from peering import held, pool, two
from test_flights import learn
from test_private import basic

pytestmark = pytest.mark.smoke


def publish(node, *words):
    """The result of the job; it has to work."""
    done = node.command("swarm", "publish", "test", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def torrents(node):
    return json.loads(node.admin("/api/v1/torrents"))


def listed(name):
    return f"pool/{name}_1_all.deb"


@pytest.fixture
def image(scene):
    """A node that holds a large package, and has published it."""
    archive = scene.archive()
    archive.add("image", payload_bytes=3_000_000)
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    learn(node)
    return archive, origin, node, held(node, "image")


def test_a_file_is_published_and_given_in_ranges(image):
    _, origin, node, content = image
    origin.die()
    told = publish(node, listed("image"))
    name, hash_of_it = hashlib.sha256(content).hexdigest(), told["info_hash"]
    assert told["magnet"] == f"magnet:?xt=urn:btmh:1220{hash_of_it}"
    assert told["files"] == 1 and told["bytes"] == len(content)
    torrent = node.get(f"{BASE}/swarm/{hash_of_it}.torrent")
    assert torrent.status == 200
    info = torrent.content[len(b"d4:info"):torrent.content.index(b"12:piece layers")]
    assert hashlib.sha256(info).hexdigest() == hash_of_it
    assert name.encode() in info
    seed = f"{BASE}/swarm/{hash_of_it}/{name}"
    assert node.get(seed).content == content
    part = node.get(seed, Range="bytes=65536-131071")
    assert part.status == 206 and part.content == content[65536:131072]
    until("it is told", lambda: "swarm.published" in node.event_codes())
    for other in (f"{BASE}/swarm/{'0' * 64}.torrent", f"{BASE}/swarm/{'0' * 64}/{name}",
                  f"{BASE}/swarm/{hash_of_it}/{'0' * 64}", f"{BASE}/swarm/{hash_of_it}/aptward/{name}"):
        answer = node.get(other)
        assert answer.status == 404 and answer.content.startswith(b"peer.not-held: "), other
    astray = node.get(f"{BASE}/swarm/{hash_of_it}/../../../etc/passwd")
    assert astray.status in (400, 404) and b"root:" not in astray.content


def test_two_nodes_make_the_same_torrent_of_a_suite(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = two(scene, archive, origin)
    for node in (first, second):
        learn(node)
        for name in ("foo", "bar"):
            held(node, name)
    told = [publish(node, "--suite", "stable") for node in (first, second)]
    assert told[0] == told[1] and told[0]["files"] == 2
    hash_of_it = told[0]["info_hash"]
    content = first.get(pool()).content
    name = hashlib.sha256(content).hexdigest()
    for node in (first, second):
        assert node.get(f"{BASE}/swarm/{hash_of_it}/aptward/{name}").content == content
    # Peers are told in the signed note.
    until("the other node's is known", lambda: torrents(second)["by_peers"] == [
        {"info_hash": hash_of_it, "url": first.proxy}])
    assert f"{hash_of_it} is published by {first.proxy}" in second.command("swarm", "list").stdout


def test_it_is_published_over_a_restart_until_it_is_stopped(image):
    _, _, node, content = image
    told = publish(node, listed("image"))
    node.stop()
    node.start()
    (own,) = torrents(node)["published"]
    assert own["info_hash"] == told["info_hash"] and own["what"] == listed("image")
    assert told["magnet"] in node.command("swarm", "list").stdout
    learn(node)
    seed = f"{BASE}/swarm/{told['info_hash']}/{hashlib.sha256(content).hexdigest()}"
    assert node.get(seed).content == content
    stopped = node.command("swarm", "stop", told["magnet"])
    assert stopped.returncode == 0 and "published no more" in stopped.stdout
    assert torrents(node)["published"] == [] and node.get(seed).status == 404
    again = node.command("swarm", "stop", told["magnet"])
    assert again.returncode == 1 and "publishes no torrent" in again.stderr
    nonsense = node.command("swarm", "stop", "magnet:?xt=urn:btih:1")
    assert nonsense.returncode == 1 and "64 hexadecimal digits" in nonsense.stderr


def test_nothing_of_a_private_archive_is_published(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.passwords = {"bearer:token-a"}
    node = scene.node(archive, origin, private=True)
    for path in ("/test/dists/stable/InRelease", "/test/dists/stable/main/binary-amd64/Packages.xz", pool()):
        assert node.get(path, **basic("bearer:token-a")).status == 200
    until("held", lambda: "hit" in node.get(pool(), **basic("bearer:token-a")).headers["Cache-Status"])
    done = node.command("swarm", "publish", "test", listed("foo"))
    assert done.returncode == 1 and "it is private" in done.stderr
    assert torrents(node)["published"] == []


def test_what_was_published_is_not_given_once_its_archive_is_private(image):
    _, _, node, content = image
    told = publish(node, listed("image"))
    seed = f"{BASE}/swarm/{told['info_hash']}/{hashlib.sha256(content).hexdigest()}"
    assert node.get(seed).status == 200
    node.stop()
    node.config.write_text(node.config.read_text().replace('id = "test"', 'id = "test"\nprivate = true'))
    node.start()
    answer = node.get(seed)
    assert answer.status == 404 and answer.content != content
    assert node.get(f"{BASE}/swarm/{told['info_hash']}.torrent").status == 404, "nor what is in it"
    assert told["info_hash"] not in node.get(f"{BASE}/heads?wait=0").content.decode(), "nor that it is"


@pytest.mark.parametrize("words, why", [
    (("test", "pool/nothing_1_all.deb"), "no current index of test lists"),
    (("test", "pool/bar_1_all.deb"), "is not held here"),
    (("test", "--suite", "other"), "test gives no release of other"),
    (("other", "pool/foo_1_all.deb"), "other"),
    (("test", "../etc/passwd"), "as an index lists it"),
])
def test_what_cannot_be_published_is_refused_in_a_sentence(image, words, why):
    _, _, node, _ = image
    done = node.command("swarm", "publish", *words)
    assert done.returncode in (1, 2) and why in done.stderr, done.stderr
    assert torrents(node)["published"] == []


def test_a_damaged_file_is_not_published(image):
    _, _, node, content = image
    name = hashlib.sha256(content).hexdigest()
    blob = node.folder / f"state/blobs/sha256/{name[:2]}/{name}"
    os.chmod(blob, 0o644)
    with open(blob, "r+b") as file:
        file.seek(1_000_000)
        file.write(b"spoilt")
    done = node.command("swarm", "publish", "test", listed("image"))
    assert done.returncode == 1 and "damaged on the disk" in done.stderr
    assert torrents(node)["published"] == []


def fetched_by_libtorrent(node, info_hash, folder):
    """What a client of BitTorrent has when it got the torrent and its files from the node alone."""
    folder = folder / "fetched"
    info = libtorrent.torrent_info(node.get(f"{BASE}/swarm/{info_hash}.torrent").content)
    assert info.info_hashes().v2.to_bytes().hex() == info_hash
    session = libtorrent.session({"listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False,
                                  "enable_upnp": False, "enable_natpmp": False, "ssrf_mitigation": True})
    parameters = libtorrent.add_torrent_params()
    parameters.ti, parameters.save_path = info, str(folder)
    parameters.url_seeds = [f"{node.proxy}{BASE}/swarm/{info_hash}/"]
    handle = session.add_torrent(parameters)
    until("libtorrent has it", lambda: handle.status().is_seeding, 40)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_libtorrent_fetches_a_file_from_the_node_as_a_web_seed(image, tmp_path):
    _, _, node, content = image
    told = publish(node, listed("image"))
    name = hashlib.sha256(content).hexdigest()
    assert fetched_by_libtorrent(node, told["info_hash"], tmp_path) == {name: content}


def test_libtorrent_fetches_a_suite_from_the_node_as_a_web_seed(image, tmp_path):
    _, _, node, content = image
    contents = [content, held(node, "foo"), held(node, "bar")]
    told = publish(node, "--suite", "stable")
    assert fetched_by_libtorrent(node, told["info_hash"], tmp_path) == {
        f"aptward/{hashlib.sha256(one).hexdigest()}": one for one in contents}
