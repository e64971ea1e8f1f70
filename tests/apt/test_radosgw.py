# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes with a bucket of Ceph's radosgw in common."""
import os
import pathlib

import pytest

from bucket import BucketClient
from ceph import Ceph, is_installed
from coherence import blob_files, wrong_blobs
from node import until
from peering import pool
from test_blob_service import content_of, credentials, is_in, key_of, service_of, shared, uploaded
from test_flights import learn
from test_listeners import reload

pytestmark = [pytest.mark.s3, pytest.mark.skipif(not is_installed(), reason="radosgw, ceph-mon, ceph-osd and "
                                                                            "ceph-common are not installed")]


@pytest.fixture(scope="module")
def ceph(tmp_path_factory):
    ceph = Ceph(tmp_path_factory.mktemp("ceph"))
    try:
        yield ceph.start()
    finally:
        ceph.stop()


@pytest.fixture
def bucket(ceph, request):
    """As the tests of the stand-in have it."""
    bucket = BucketClient(ceph.url, f"test-{os.urandom(4).hex()}", ceph.access_key, ceph.secret_key)
    bucket.url, bucket.name = ceph.url, bucket.bucket
    bucket.make()
    return bucket


@pytest.fixture
def keys(ceph, scene):
    return credentials(scene.folder, ceph.access_key, ceph.secret_key)


def two(scene, bucket, keys, *origins, archive, **more):
    nodes = [shared(scene, bucket, keys, archive, *origins, **more) for _ in range(2)]
    for node in nodes:
        learn(node)
    return nodes


def test_radosgw_takes_what_one_node_fetched_and_gives_it_to_the_other(scene, bucket, keys):
    archive = scene.archive()
    archive.add("large", payload_bytes=6_000_000)
    archive.publish()
    origin = scene.origin(archive)
    first, second = two(scene, bucket, keys, origin, archive=archive)
    for name in ("foo", "bar", "large"):
        assert first.get(pool(name)).content == content_of(archive, name)
    wanted = {key_of(content_of(archive, name)) for name in ("foo", "bar", "large")}
    until("all is uploaded", lambda: wanted <= set(bucket.keys()), 40)
    uploaded(first)
    for key in bucket.keys():
        if key.startswith("sha256/"):
            assert key_of(bucket.get(key)) == key
    origin.die()
    apt = scene.apt(second)
    apt.update()
    assert apt.install("foo").returncode == 0
    for name in ("bar", "large"):
        assert second.get(pool(name)).content == content_of(archive, name)
    assert not wrong_blobs(second)


def test_radosgw_with_a_prefix_and_odd_names(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive), prefix="site-1/a.b_c")
    learn(node)
    content = content_of(archive)
    assert node.get(pool()).content == content
    until("it is uploaded", lambda: bucket.get("site-1/a.b_c/" + key_of(content)) == content, 40)


@pytest.mark.parametrize("part", ["access", "secret"])
def test_radosgw_denies_wrong_credentials_and_clients_notice_nothing(scene, ceph, bucket, part):
    archive = scene.archive()
    wrong = {"access": ceph.access_key, "secret": ceph.secret_key, part: "WRONG"}
    node = shared(scene, bucket, credentials(scene.folder, **wrong), archive, scene.origin(archive))
    learn(node)
    assert node.get(pool()).content == content_of(archive)
    is_in(node, "denied")
    assert f"{part} key" in service_of(node)["why"]
    credentials(scene.folder, ceph.access_key, ceph.secret_key)
    reload(node)
    is_in(node, "good")
    until("it is uploaded", lambda: bucket.get(key_of(content_of(archive))) is not None, 40)


def test_nothing_is_lost_when_radosgws_bucket_vanishes_and_comes_back(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = shared(scene, bucket, keys, archive, origin)
    learn(node)
    assert node.get(pool()).status == 200
    until("it is uploaded", lambda: bucket.get(key_of(content_of(archive))) is not None, 40)
    uploaded(node)
    held = set(blob_files(node))
    bucket.remove()
    assert node.get(pool("bar")).content == content_of(archive, "bar")
    is_in(node, "no-bucket")
    assert held <= set(blob_files(node))
    origin.die()
    assert node.get(pool()).content == content_of(archive)
    bucket.make()
    reload(node)
    is_in(node, "good")
    for name in ("foo", "bar"):
        until("it is uploaded anew", lambda: bucket.get(key_of(content_of(archive, name))) is not None, 40)


def test_what_no_node_needs_is_deleted_in_radosgws_bucket_and_nothing_else(scene, bucket, keys):
    archive, other = scene.archive(), scene.archive()
    other.add("quux")
    other.publish()
    first = shared(scene, bucket, keys, archive, scene.origin(archive), **{"delete-after": "8s", "prefix": "a/b"})
    second = shared(scene, bucket, keys, other, scene.origin(other), **{"delete-after": "8s", "prefix": "a/b"})
    for node, names in ((first, ("foo", "bar")), (second, ("quux",))):
        learn(node)
        for name in names:
            assert node.get(pool(name)).status == 200
        until("all counts as being there", lambda: service_of(node)["unsettled"] == 0 and
              service_of(node)["known"] > len(names), 60)
    stray = "a/b/" + key_of(b"nobody needs this")
    foreign = key_of(b"nobody needs this")  # below no prefix of ours
    for key in (stray, foreign):
        assert bucket.ask("PUT", key, b"nobody needs this").status == 200
    before = {key for key in bucket.keys() if "sha256/" in key}
    until("it is deleted", lambda: bucket.get(stray) is None, 90)
    for node in (first, second):
        looked = service_of(node)["deleting"]["looked_at"]
        until("it looks once more", lambda: service_of(node)["deleting"]["looked_at"] > looked + 1, 60)
        assert service_of(node)["deleting"]["leases"] == 2 and service_of(node)["deleting"]["why"] == ""
    assert {key for key in bucket.keys() if "sha256/" in key} == before - {stray}


def test_what_went_from_radosgws_bucket_singly_is_put_again(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    content = content_of(archive)
    assert node.get(pool()).content == content
    uploaded(node)
    until("it counts as being there", lambda: service_of(node)["unsettled"] == 0 and service_of(node)["known"] > 1, 40)
    assert bucket.ask("DELETE", key_of(content)).status == 204
    reload(node)
    until("it is put again", lambda: bucket.get(key_of(content)) == content, 40)


def test_R15_radosgw_is_killed_in_the_middle(scene, tmp_path):
    ceph = scene.keep(Ceph(tmp_path / "ceph"))
    ceph.close = ceph.stop
    ceph.start()
    bucket = BucketClient(ceph.url, "aptward", ceph.access_key, ceph.secret_key)
    bucket.url, bucket.name = ceph.url, "aptward"
    bucket.make()
    archive = scene.archive()
    archive.add("large", payload_bytes=30_000_000)
    archive.publish()
    file = credentials(scene.folder, ceph.access_key, ceph.secret_key)
    node = shared(scene, bucket, file, archive, scene.origin(archive), **{"upload-rate": "2M"})
    learn(node)
    uploaded(node)
    content = content_of(archive, "large")
    assert node.get(pool("large")).content == content
    until("its upload has begun", lambda: service_of(node)["waiting"] == 0)
    ceph.processes[-1].kill()
    ceph.processes.pop().wait()
    is_in(node, "unreachable")
    assert node.get(pool("bar")).content == content_of(archive, "bar")
    assert bucket_log_is_clean(node)
    ceph.spawn("radosgw", "-n", "client.rgw")
    is_in(node, "good")
    until("it is uploaded whole", lambda: bucket.get(key_of(content)) == content, 90)


def bucket_log_is_clean(node):
    return "ERROR" not in pathlib.Path(node.folder / "log").read_text()
