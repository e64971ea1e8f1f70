# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes with a bucket of an S3-compatible service in common, and services that are not as they should be."""
import hashlib
import json
import os
import subprocess

import pytest

from bucket import ACCESS, SECRET, Bucket
from coherence import blob_files, grow_old, wrong_blobs
from node import PROGRAM, Node, until
from peering import pool
from test_flights import learn
from test_listeners import reload
from test_private import basic

pytestmark = pytest.mark.smoke


def key_of(content):
    name = hashlib.sha256(content).hexdigest()
    return f"sha256/{name[:2]}/{name}"


def credentials(folder, access=ACCESS, secret=SECRET, mode=0o600, name="credentials"):
    file = folder / name
    file.write_text(f"{access}\n{secret}\n")
    file.chmod(mode)
    return file


def table(service, file, **keys):
    values = {"url": service.url, "bucket": service.name, "credentials-file": str(file), **keys}
    return "\n[[blob-service]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def service_of(node):
    return node.status()["blob_service"]


def is_in(node, state):
    return until(f"the service is {state}", lambda: service_of(node)["state"] == state, 40)


def uploaded(node):
    """Everything that may be uploaded is."""
    until("it is looked at", lambda: service_of(node)["state"] == "good", 40)
    until("what is held is looked at", lambda: service_of(node)["looked_at"] > 0 or
          not service_of(node)["upload"], 40)
    until("nothing waits", lambda: service_of(node)["waiting"] == 0, 40)


@pytest.fixture
def bucket(scene):
    return scene.keep(Bucket())


@pytest.fixture
def keys(scene):
    return credentials(scene.folder)


def shared(scene, bucket, keys, archive, *origins, **more):
    return scene.node(archive, *origins, tail=table(bucket, keys, **more))


def content_of(archive, name="foo"):
    return archive.packages[name][1].read_bytes()


def test_what_one_node_fetched_the_other_has_from_the_bucket_when_all_sources_are_dead(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = (shared(scene, bucket, keys, archive, origin) for _ in range(2))
    for node in (first, second):
        learn(node)
    content = content_of(archive)
    assert first.get(pool()).content == content
    until("it is uploaded", lambda: bucket.objects.get(key_of(content)) == content)
    origin.die()
    assert second.get(pool()).content == content
    assert service_of(second)["source"]["bytes"] >= len(content)
    until("the delivery is recorded", lambda: f"{bucket.url}/{bucket.name}" in {
        one["source"] for one in json.loads(second.admin("/api/v1/deliveries?limit=10"))["deliveries"]})


def test_the_bucket_is_asked_before_the_internet_and_what_it_lacks_comes_from_there(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = shared(scene, bucket, keys, archive, origin)
    learn(node)
    is_in(node, "good")
    bucket.objects[key_of(content_of(archive))] = content_of(archive)
    origin.requests.clear()
    assert node.get(pool()).content == content_of(archive)
    assert not [path for path, _ in origin.requests if "foo" in path]
    assert node.get(pool("bar")).content == content_of(archive, "bar")
    assert key_of(content_of(archive, "bar")) in bucket.asked("GET")
    assert node.get("/test/pool/none_1_all.deb").status == 404


def test_a_real_client_installs_by_way_of_the_bucket(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    first, second = (shared(scene, bucket, keys, archive, origin) for _ in range(2))
    apt = scene.apt(first)
    assert apt.update().returncode == 0 and apt.install("foo").returncode == 0
    until("it is uploaded", lambda: key_of(content_of(archive)) in bucket.objects)
    learn(second)
    origin.die()
    apt = scene.apt(second)
    apt.update()
    assert apt.install("foo").returncode == 0


def test_only_what_is_held_here_counts_as_a_hit(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = shared(scene, bucket, keys, archive, origin)
    learn(node)
    is_in(node, "good")
    bucket.objects[key_of(content_of(archive))] = content_of(archive)

    def hits():
        text = node.admin("/metrics")
        return [int(line.split()[1]) for name in ("hits", "misses") for line in text.splitlines()
                if line.startswith(f"aptward_{name}_total")]

    before = hits()
    assert node.get(pool()).status == 200
    assert hits() == [before[0], before[1] + 1]
    assert node.get(pool()).status == 200
    assert hits() == [before[0] + 1, before[1] + 1]


def test_A1_wrong_bytes_of_the_bucket_reach_nobody(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = shared(scene, bucket, keys, archive, origin)
    learn(node)
    is_in(node, "good")
    content = content_of(archive)
    bucket.objects[key_of(content)] = b"x" * len(content)
    assert node.get(pool()).content == content
    until("it is told", lambda: "source.wrong-bytes" in node.event_codes())
    assert not wrong_blobs(node)
    assert node.get("/test/dists/stable/InRelease").status == 200


def is_left_alone(node, bucket):
    is_in(node, "good")
    node.stop(), node.start()  # with another look at everything held
    uploaded(node)
    assert not bucket.blobs() and not bucket.asked("GET", "sha256/") and not bucket.asked("HEAD", "sha256/")


def test_what_a_private_archive_holds_is_neither_asked_for_nor_uploaded(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.passwords = {"bearer:token-a"}
    node = scene.node(archive, origin, private=True, tail=table(bucket, keys))
    for path in ("/test/dists/stable/InRelease", "/test/dists/stable/main/binary-amd64/Packages.xz", pool()):
        assert node.get(path, **basic("bearer:token-a")).status == 200
    is_left_alone(node, bucket)


def test_what_needs_the_nodes_own_password_is_neither_asked_for_nor_uploaded(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.passwords = {"node:password"}
    (scene.folder / "password").write_text("password\n")
    node = scene.node(archive, origin, user="node", tail=table(bucket, keys),
                      **{"password-file": str(scene.folder / "password")})
    learn(node)
    assert node.get(pool()).status == 200
    is_left_alone(node, bucket)


def test_what_nobody_proved_is_neither_asked_for_nor_uploaded(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, verify="unverified", keyrings=None, tail=table(bucket, keys))
    learn(node)
    assert node.get(pool()).status == 200
    is_left_alone(node, bucket)


def test_R2_what_was_not_uploaded_when_the_node_was_killed_is_uploaded_later(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    bucket.fault = lambda method, key: "stall" if method == "PUT" and key.startswith("sha256/") else None
    node = shared(scene, bucket, keys, archive, origin)
    learn(node)
    content = content_of(archive)
    assert node.get(pool()).content == content
    until("it is held", lambda: has_blob(node, content))
    until("an upload is on its way", lambda: bucket.asked("PUT", "sha256/"))
    node.kill()
    assert not bucket.blobs()
    bucket.fault = lambda method, key: None
    node.start()
    until("it is uploaded", lambda: bucket.objects.get(key_of(content)) == content, 40)
    uploaded(node)
    assert all(key == key_of(content) for key, content in bucket.blobs().items())
    # And what is known to be there is not asked for again.
    until("all counts as being there", lambda: service_of(node)["unsettled"] == 0, 40)
    node.stop()
    bucket.requests.clear()
    node.start()
    uploaded(node)
    assert not bucket.asked("PUT", "sha256/") and not bucket.asked("HEAD", "sha256/")


def test_what_another_node_has_uploaded_is_not_uploaded_again(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    first = shared(scene, bucket, keys, archive, origin)
    learn(first)
    assert first.get(pool()).status == 200
    until("it is uploaded", lambda: key_of(content_of(archive)) in bucket.objects)
    uploaded(first)
    before = len(bucket.asked("PUT", "sha256/"))
    second = shared(scene, bucket, keys, archive, origin)
    learn(second)
    assert second.get(pool()).status == 200
    until("it is known", lambda: service_of(second)["known"] == service_of(first)["known"])
    assert len(bucket.asked("PUT", "sha256/")) == before


def test_a_node_may_only_read(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive), upload=False)
    learn(node)
    assert node.get(pool()).status == 200
    is_in(node, "good")
    bucket.objects[key_of(content_of(archive, "bar"))] = content_of(archive, "bar")
    assert node.get(pool("bar")).status == 200
    assert not bucket.asked("PUT") and not bucket.asked("HEAD")


@pytest.mark.parametrize("access, secret, what", [(ACCESS, "another", "secret key"), ("ANOTHER", SECRET, "access key")])
def test_wrong_credentials_are_told_once_and_clients_notice_nothing(scene, bucket, access, secret, what):
    archive = scene.archive()
    file = credentials(scene.folder, access, secret)
    node = shared(scene, bucket, file, archive, scene.origin(archive))
    learn(node)
    assert node.get(pool()).content == content_of(archive)
    is_in(node, "denied")
    assert what in service_of(node)["why"]
    assert secret not in node.admin("/api/v1/status") and secret not in node.log_text()
    assert node.counter("s3.denied") == 1
    bucket.requests.clear()
    assert node.get(pool("bar")).content == content_of(archive, "bar")
    assert not bucket.asked("GET", "sha256/"), "it is left alone"
    status = node.command("status")
    assert "blob service: " in status.stdout and "denied" in status.stdout and secret not in status.stdout
    doctor = node.command("doctor")
    assert doctor.returncode == 1 and what in doctor.stdout and secret not in doctor.stdout
    credentials(scene.folder)
    reload(node)
    is_in(node, "good")
    until("it is uploaded", lambda: len(bucket.blobs()) >= 2)
    until("it is told", lambda: "s3.back" in node.event_codes())


def test_a_service_that_is_not_as_it_should_be_is_not_asked(scene, bucket, keys):
    """Also where it has refused no file yet, which would be held against it anyway."""
    archive = scene.archive()
    bucket.denies = lambda method, key: key == "aptward-bucket"
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    is_in(node, "denied")
    learn(node)
    assert node.get(pool()).content == content_of(archive)
    assert not bucket.asked("GET", "sha256/")


def test_a_clock_that_differs_is_named(scene, bucket, keys):
    archive = scene.archive()
    now = bucket.now
    bucket.now = lambda: now() + 3600
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    is_in(node, "denied")
    assert "clock" in service_of(node)["why"]


@pytest.mark.parametrize("fault", [(503, "SlowDown"), (500, "InternalError"), "hang up", "cut"])
def test_R15_a_service_that_fails_costs_clients_nothing_and_comes_back(scene, bucket, keys, fault):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = shared(scene, bucket, keys, archive, origin)
    learn(node)
    uploaded(node)
    bucket.fault = lambda method, key: fault
    assert node.get(pool()).content == content_of(archive)
    is_in(node, "unreachable")
    assert node.get(pool("bar")).content == content_of(archive, "bar")
    until("it is told", lambda: "s3.unreachable" in node.event_codes())
    bucket.fault = lambda method, key: None
    is_in(node, "good")
    until("all is uploaded", lambda: {key_of(content_of(archive, name)) for name in ("foo", "bar")} <=
          set(bucket.objects), 40)


def test_R16_a_service_that_is_silent_costs_a_client_less_than_two_seconds(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    uploaded(node)
    bucket.fault = lambda method, key: "stall"
    began = os.times().elapsed
    assert node.get(pool()).content == content_of(archive)
    assert os.times().elapsed - began < 2


def test_a_slow_service_is_asked_after_faster_sources(scene, bucket, keys):
    archive = scene.archive()
    archive.add("baz"), archive.add("qux")
    archive.publish()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    uploaded(node)
    bucket.fault = lambda method, key: 0.4 if method == "GET" else None
    for name in ("foo", "bar", "baz"):
        bucket.objects[key_of(content_of(archive, name))] = content_of(archive, name)
        assert node.get(pool(name)).content == content_of(archive, name)
    bucket.requests.clear()
    assert node.get(pool("qux")).content == content_of(archive, "qux")
    assert key_of(content_of(archive, "qux")) not in bucket.asked("GET")


def test_nothing_is_lost_when_the_bucket_vanishes_in_the_middle(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = shared(scene, bucket, keys, archive, origin)
    learn(node)
    assert node.get(pool()).status == 200
    uploaded(node)
    held = sorted(blob_files(node))
    bucket.is_there = False
    bucket.objects.clear()
    assert node.get(pool("bar")).content == content_of(archive, "bar")
    is_in(node, "no-bucket")
    assert "make the bucket" in service_of(node)["why"]
    assert service_of(node)["known"] == 0
    assert set(held) <= set(blob_files(node))
    origin.die()
    for name in ("foo", "bar"):
        assert node.get(pool(name)).content == content_of(archive, name)
    bucket.is_there = True
    reload(node)
    is_in(node, "good")
    until("all is uploaded anew", lambda: {key_of(content_of(archive, name)) for name in ("foo", "bar")} <=
          set(bucket.objects), 40)


def test_a_bucket_that_was_emptied_meanwhile_is_filled_again(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    assert node.get(pool()).status == 200
    until("it is uploaded", lambda: key_of(content_of(archive)) in bucket.objects)
    uploaded(node)
    node.stop()
    bucket.objects.clear()
    node.start()
    until("it is uploaded anew", lambda: key_of(content_of(archive)) in bucket.objects, 40)


def test_a_service_that_forgets_what_it_took_is_not_believed(scene, bucket, keys):
    archive = scene.archive()
    bucket.fault = lambda method, key: "forget" if key.startswith("sha256/") else None
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    assert node.get(pool()).status == 200
    until("it is told", lambda: "s3.unreachable" in node.event_codes())
    assert service_of(node)["known"] == 0


def test_a_service_that_is_full_goes_on_giving(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    uploaded(node)
    bucket.fault = lambda method, key: (403, "QuotaExceeded") if method == "PUT" else None
    assert node.get(pool()).status == 200
    is_in(node, "full")
    bucket.objects[key_of(content_of(archive, "bar"))] = content_of(archive, "bar")
    before = service_of(node)["source"]["bytes"]
    assert node.get(pool("bar")).status == 200
    assert service_of(node)["source"]["bytes"] > before
    assert node.counter("s3.full") == 1


def test_R7_bytes_that_are_damaged_here_are_not_uploaded(scene, bucket, keys):
    archive = scene.archive()
    bucket.fault = lambda method, key: (503, "SlowDown") if method == "PUT" and key.startswith("sha256/") else None
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    content = content_of(archive)
    assert node.get(pool()).content == content
    until("it was tried", lambda: bucket.asked("PUT", "sha256/"))
    node.stop()
    name = hashlib.sha256(content).hexdigest()
    blob = node.folder / "state/blobs/sha256" / name[:2] / name
    blob.chmod(0o644)
    blob.write_bytes(b"x" * len(content))
    blob.chmod(0o444)
    bucket.fault = lambda method, key: None
    node.start()
    until("it is told", lambda: "s3.refused" in node.event_codes(), 40)
    assert key_of(content) not in bucket.objects
    until("it is set aside", lambda: not blob.exists())
    assert node.get(pool()).content == content
    until("the right ones are uploaded", lambda: bucket.objects.get(key_of(content)) == content)


def test_something_else_at_the_address_is_no_service(scene, bucket, keys):
    archive = scene.archive()
    bucket.objects["aptward-bucket"] = b"<html>Please log in</html>"
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    is_in(node, "unreachable")
    assert "is this an S3 service" in service_of(node)["why"]


def test_a_service_behind_tls_shows_a_certificate_of_the_authority_that_is_named(scene, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    made = scene.tls_origin(archive, "127.0.0.1")
    bucket = scene.keep(Bucket(tls=made.tls))
    node = shared(scene, bucket, keys, archive, origin, ca=str(made.ca))
    learn(node)
    assert node.get(pool()).status == 200
    until("it is uploaded", lambda: key_of(content_of(archive)) in bucket.objects)
    stranger = shared(scene, bucket, keys, archive, origin)
    is_in(stranger, "unreachable")
    assert "certificate" in service_of(stranger)["why"]


def check(scene, text):
    file = scene.folder / "checked.toml"
    file.write_text('[[archive]]\nid = "x"\nverify = "unverified"\nupstreams = ["http://archive.example/x"]\n' + text)
    return subprocess.run([PROGRAM, "config", "check", "--config", file], capture_output=True, text=True)


def test_mistakes_in_the_configuration_are_named_without_the_secret(scene, bucket):
    file = credentials(scene.folder, mode=0o640)
    done = check(scene, table(bucket, file))
    assert done.returncode == 2 and "chmod 600" in done.stderr and SECRET not in done.stderr
    file.chmod(0o600)
    assert check(scene, table(bucket, file)).returncode == 0
    file.write_text(f"{SECRET}\n")
    done = check(scene, table(bucket, file))
    assert done.returncode == 2 and "first line" in done.stderr and SECRET not in done.stderr
    credentials(scene.folder)
    for keys, word in (({"bucket": "B a"}, "no name of a bucket"), ({"url": "s3://x"}, "http:// or https://"),
                       ({"prefix": "../x"}, "prefix"), ({"region": "a b"}, "region"),
                       ({"credentials-file": "/nowhere"}, "credentials-file"), ({"secret": "x"}, "no such key")):
        done = check(scene, table(bucket, file, **keys))
        assert done.returncode == 2 and word in done.stderr, done.stderr
    assert "one blob service" in check(scene, table(bucket, file) + table(bucket, file)).stderr


FIFTEEN_DAYS = 15 * 24 * 3600  # longer than hot-for
NAMES = [f"part{number}" for number in range(12)]


def test_two_nodes_have_a_stock_in_common_that_is_larger_than_either_disk(scene, bucket, keys):
    archive = scene.archive()
    for name in NAMES:
        archive.add(name, payload_bytes=100_000)
    archive.publish()
    origin = scene.origin(archive)
    nodes = [shared(scene, bucket, keys, archive, origin) for _ in range(2)]
    for node, names in zip(nodes, (NAMES[:6], NAMES[6:])):
        learn(node)
        for name in names:
            assert node.get(pool(name)).content == content_of(archive, name)
    until("all is uploaded", lambda: {key_of(content_of(archive, name)) for name in NAMES} <= set(bucket.objects), 40)
    origin.die()
    for node in nodes:
        uploaded(node)
        for name in NAMES:  # all of it is larger than what may stay
            assert node.get(pool(name)).content == content_of(archive, name)
            until("it is held", lambda: has_blob(node, content_of(archive, name)))
        uploaded(node)
        until("all is known", lambda: service_of(node)["known"] >= len(NAMES))
        grow_old(node, FIFTEEN_DAYS)
        done = node.command("gc", "--to", "500k")
        assert done.returncode == 0, done
        assert sum(os.stat(file).st_size for file in blob_files(node)) <= 500_000
    for node in nodes:
        for name in NAMES:
            assert node.get(pool(name)).content == content_of(archive, name)


def has_blob(node, content):
    name = hashlib.sha256(content).hexdigest()
    return (node.folder / "state/blobs/sha256" / name[:2] / name).exists()


@pytest.mark.parametrize("why", ["not uploaded", "the service is gone"])
def test_what_clients_use_stays_where_the_bucket_may_not_give_it(scene, bucket, keys, why):
    archive = scene.archive()
    for name in NAMES:
        archive.add(name, payload_bytes=100_000)
    archive.publish()
    node = shared(scene, bucket, keys, archive, scene.origin(archive), upload=why != "not uploaded")
    learn(node)
    for name in NAMES:
        assert node.get(pool(name)).status == 200
    uploaded(node)
    if why != "not uploaded":
        until("all is known", lambda: service_of(node)["known"] >= len(NAMES))
        bucket.die()
        is_in(node, "unreachable")
    grow_old(node, 2 * 3600)
    done = node.command("gc", "--to", "500k")
    assert done.returncode != 0 and "what clients use" in done.stdout + done.stderr, done
    assert all(has_blob(node, content_of(archive, name)) for name in NAMES)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_R4_a_full_disk_gives_up_what_the_bucket_has(scene, bucket, keys):
    archive = scene.archive()
    for name in NAMES:
        archive.add(name, payload_bytes=1_000_000)
    archive.publish()
    origin = scene.origin(archive)
    state = scene.folder / "node-full/state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", state], check=True)
    try:
        node = Node(scene.folder / "node-full", archive, [origin], tail=table(bucket, keys))
        scene.nodes.append(node)
        learn(node)
        for name in NAMES:
            content = content_of(archive, name)
            # What finds no room is passed on, until room is made.
            until("it is kept and uploaded", lambda: node.get(pool(name)).content == content and
                  key_of(content) in bucket.objects, 60)
            uploaded(node)
            grow_old(node, FIFTEEN_DAYS)
        assert " disk.low: " in node.log_text(), "the full disk takes no event"
        origin.die()
        for name in NAMES:
            assert node.get(pool(name)).content == content_of(archive, name)
        assert not wrong_blobs(node)
        node.kill()
    finally:
        subprocess.run(["umount", "-l", state], check=True)
