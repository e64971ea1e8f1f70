# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that delete in the bucket that they have in common, and never what one of them needs."""
import hashlib
import json
import time

import pytest

from bucket import Bucket
from coherence import grow_old
from node import until
from peering import pool
from test_blob_service import bucket, keys  # noqa: F401, fixtures
from test_blob_service import FIFTEEN_DAYS, content_of, credentials, has_blob, is_in, key_of, service_of, shared, table, uploaded
from test_flights import learn
from test_listeners import reload

pytestmark = pytest.mark.smoke

AFTER = "6s"  # a node that says so looks every second, and what a lease names settles within 8 s
STRAY = b"nobody needs this"


def deleting(node):
    return service_of(node)["deleting"]


def put_stray(bucket, content=STRAY):
    bucket.objects[key_of(content)] = content
    bucket.modified[key_of(content)] = bucket.now() - 1000
    return key_of(content)


def lease_key(node):
    return "leases/" + service_of(node)["lease"]["name"]


def is_leased(node):
    until("its lease has settled", lambda: service_of(node)["lease"]["settled"], 60)


def all_known(node, archive, *names):
    """What the node fetched is in the bucket, and counts as being there."""
    uploaded(node)
    until("it counts as being there", lambda: service_of(node)["unsettled"] == 0 and
          service_of(node)["known"] >= len(names), 60)


def looks(node, times=3):
    """It has looked at everything so many times more."""
    for _ in range(times):
        before = deleting(node)["looked_at"]
        until("it looks", lambda: deleting(node)["looked_at"] > before, 30)


def is_gone(bucket, key):
    until("it is deleted", lambda: key not in bucket.objects, 60)


def two_archives(scene):
    first, second = scene.archive(), scene.archive()
    second.add("quux"), second.add("other")
    second.publish()
    return first, second


def test_what_no_node_needs_is_deleted_and_nothing_else(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    nodes = [shared(scene, bucket, keys, archive, origin, **{"delete-after": AFTER}) for _ in range(2)]
    for node, name in zip(nodes, ("foo", "bar")):
        learn(node)
        assert node.get(pool(name)).content == content_of(archive, name)
    wanted = {key_of(content_of(archive, name)) for name in ("foo", "bar")}
    until("both are uploaded", lambda: wanted <= set(bucket.objects), 40)
    stray = put_stray(bucket)
    bucket.objects["sha256/ab/of somebody else"] = bucket.objects["mine/too"] = b"x"
    before = set(bucket.blobs())
    is_gone(bucket, stray)
    for node in nodes:
        looks(node)
    assert set(bucket.blobs()) == before - {stray}
    assert "mine/too" in bucket.objects
    assert set(bucket.asked("DELETE")) == {stray}
    until("it is told", lambda: any("s3.deleted" in node.event_codes() for node in nodes))
    assert any(deleting(node)["deleted"] == {"files": 1, "bytes": len(STRAY)} for node in nodes)
    assert any("were deleted, unneeded for 6 s" in node.command("status").stdout for node in nodes)
    # And each has what the other one fetched, when all sources are dead.
    for node in nodes:
        all_known(node, archive, "foo", "bar")
    origin.die()
    for node in nodes:
        for name in ("foo", "bar"):
            assert node.get(pool(name)).content == content_of(archive, name)


def test_what_a_node_that_is_away_needs_stays(scene, bucket, keys):
    mine, theirs = two_archives(scene)
    other = shared(scene, bucket, keys, theirs, scene.origin(theirs))
    learn(other)
    assert other.get(pool("quux")).status == 200
    all_known(other, theirs, "quux")
    is_leased(other)
    needed = set(bucket.blobs())
    other.stop()
    node = shared(scene, bucket, keys, mine, scene.origin(mine), **{"delete-after": AFTER})
    learn(node)
    stray = put_stray(bucket)
    is_gone(bucket, stray)
    looks(node)
    assert needed <= set(bucket.objects)
    assert deleting(node)["leases"] == 2
    # A lease that a list does not show any more still counts.
    bucket.hidden = {key for key in bucket.objects if key.startswith("leases/")}
    stray = put_stray(bucket, b"another one")
    is_gone(bucket, stray)
    looks(node)
    assert needed <= set(bucket.objects) and deleting(node)["leases"] == 2


def test_a_node_whose_lease_is_over_uploads_again_what_it_holds(scene, bucket, keys):
    mine, theirs = two_archives(scene)
    other = shared(scene, bucket, keys, theirs, scene.origin(theirs))
    learn(other)
    assert other.get(pool("quux")).status == 200
    all_known(other, theirs, "quux")
    key = lease_key(other)
    other.stop()
    node = shared(scene, bucket, keys, mine, scene.origin(mine), **{"delete-after": AFTER})
    learn(node)
    looks(node)
    bucket.objects[key] = b"aptward-lease/v1\nnode gone\nvalid 1\nnames 0\n\n"
    bucket.modified[key] = bucket.now()
    content = content_of(theirs, "quux")
    is_gone(bucket, key_of(content))
    until("it is told", lambda: deleting(node)["expired_leases"] == 1)
    other.start()
    until("it is uploaded again", lambda: key_of(content) in bucket.objects, 60)
    is_leased(other)
    looks(node)
    assert key_of(content) in bucket.objects and lease_key(other) != key
    assert "s3.lease-shared" in other.event_codes()


def test_what_is_uploaded_counts_only_when_its_lease_has_been_there_for_long_enough(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = shared(scene, bucket, keys, archive, origin, **{"delete-after": AFTER})
    learn(node)
    looks(node)  # the notice is there
    assert bucket.objects["aptward-deletes"] == b"aptward-deletes/v1\nwithin 2\n"
    second = shared(scene, bucket, keys, archive, origin)
    learn(second)
    content = content_of(archive)
    assert second.get(pool()).content == content
    until("it is there", lambda: key_of(content) in bucket.objects)
    until("it is seen there", lambda: service_of(second)["unsettled"] > 0, 20)
    seen = [key for key in bucket.asked("HEAD", "sha256/") if key == key_of(content)]
    state = service_of(second)
    assert state["known"] == 0 and not state["lease"]["settled"]
    is_leased(second)
    until("it counts", lambda: service_of(second)["unsettled"] == 0 and service_of(second)["known"] > 0, 30)
    assert len([key for key in bucket.asked("HEAD", "sha256/") if key == key_of(content)]) > len(seen)


def test_law5_what_went_before_its_lease_settled_is_found_out(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = shared(scene, bucket, keys, archive, origin, **{"delete-after": "100d"})
    learn(node)
    is_in(node, "good")
    until("it is told that somebody deletes", lambda: "aptward-deletes" in bucket.objects, 30)
    bucket.objects["aptward-deletes"] = b"aptward-deletes/v1\nwithin 3\n"
    second = shared(scene, bucket, keys, archive, origin)
    learn(second)
    content = content_of(archive)
    assert second.get(pool()).content == content
    until("it is there", lambda: key_of(content) in bucket.objects, 20)
    uploaded(second)
    assert service_of(second)["unsettled"] > 0
    del bucket.objects[key_of(content)]  # a deleter that had read the leases before
    is_leased(second)
    until("it is put there again", lambda: bucket.objects.get(key_of(content)) == content, 40)


@pytest.mark.parametrize("lease", [b"", b"<html>", b"aptward-lease/v1\nnode x\nvalid 60\nnames 5\n\nxyz",
                                   b"x" * 70_000_000], ids=["empty", "foreign", "cut", "too large"])
def test_nothing_is_deleted_beside_a_lease_that_cannot_be_read(scene, bucket, keys, lease):
    archive = scene.archive()
    bucket.objects["leases/0123456789abcdef"] = lease
    bucket.modified["leases/0123456789abcdef"] = bucket.now()
    stray = put_stray(bucket)
    node = shared(scene, bucket, keys, archive, scene.origin(archive), **{"delete-after": AFTER})
    learn(node)
    until("it is told", lambda: "s3.not-deleting" in node.event_codes(), 40)
    assert "leases/0123456789abcdef" in deleting(node)["why"]
    until("the notice is old enough", lambda: bucket.now() - bucket.modified.get("aptward-deletes", 1e12) > 12, 40)
    assert stray in bucket.objects and not bucket.asked("DELETE")
    del bucket.objects["leases/0123456789abcdef"]
    reload(node)
    is_gone(bucket, stray)
    assert service_of(node)["state"] == "good"


def test_a_dry_run_tells_what_would_go_and_deletes_nothing(scene, bucket, keys):
    archive = scene.archive()
    stray = put_stray(bucket)
    node = shared(scene, bucket, keys, archive, scene.origin(archive),
                  **{"delete-after": AFTER, "delete-dry-run": True})
    learn(node)
    until("it is due", lambda: deleting(node)["due"] == {"files": 1, "bytes": len(STRAY)}, 40)
    until("it is told", lambda: "s3.would-delete" in node.event_codes())
    looks(node)
    assert stray in bucket.objects and not bucket.asked("DELETE") and "aptward-deletes" not in bucket.objects
    assert "1 files (17 B) would be deleted, unneeded for 6 s" in node.command("status").stdout
    name = hashlib.sha256(STRAY).hexdigest()
    assert f"{name} 17 " in (node.folder / "state/blob-service.unneeded").read_text()


def test_by_default_nothing_is_listed_or_deleted(scene, bucket, keys):
    archive = scene.archive()
    stray = put_stray(bucket)
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    assert node.get(pool()).status == 200
    all_known(node, archive, "foo")
    assert stray in bucket.objects and not bucket.asked("DELETE")
    assert "" not in bucket.asked("GET"), "no list was asked for"


@pytest.mark.parametrize("method, denied, word", [("DELETE", "sha256/", "s3:DeleteObject"), ("GET", "?", "s3:ListBucket")])
def test_keys_that_may_not_delete_or_list_are_told_and_all_else_goes_on(scene, bucket, keys, method, denied, word):
    archive = scene.archive()
    bucket.denies = lambda how, what: how == method and what.startswith(denied)
    stray = put_stray(bucket)
    node = shared(scene, bucket, keys, archive, scene.origin(archive), **{"delete-after": AFTER})
    learn(node)
    assert node.get(pool()).status == 200
    until("it is told", lambda: "s3.not-deleting" in node.event_codes(), 60)
    assert word in deleting(node)["why"] and stray in bucket.objects
    all_known(node, archive, "foo")
    assert service_of(node)["state"] == "good" and node.counter("s3.denied") == 0
    assert "nothing is deleted now" in node.command("status").stdout


def test_a_list_that_shows_what_is_gone_does_no_harm(scene, bucket, keys):
    archive = scene.archive()
    stray = put_stray(bucket)
    bucket.ghosts = {stray: STRAY}
    bucket.hidden = {key_of(content_of(archive))}
    node = shared(scene, bucket, keys, archive, scene.origin(archive), **{"delete-after": AFTER})
    learn(node)
    assert node.get(pool()).status == 200
    is_gone(bucket, stray)
    all_known(node, archive, "foo")
    looks(node)
    assert service_of(node)["state"] == "good"
    assert bucket.asked("PUT").count(key_of(content_of(archive))) == 1, "what a list hides is not put again"


def test_what_a_node_gave_up_for_the_bucket_is_there_while_others_delete(scene, bucket, keys):
    """Two nodes that delete, of two archives; each disk gives up what the bucket has."""
    archives = two_archives(scene)
    origins = [scene.origin(archive) for archive in archives]
    nodes = [shared(scene, bucket, keys, archive, origin, **{"delete-after": AFTER})
             for archive, origin in zip(archives, origins)]
    names = (("foo", "bar"), ("quux", "other"))
    for node, archive, wanted in zip(nodes, archives, names):
        learn(node)
        for name in wanted:
            assert node.get(pool(name)).content == content_of(archive, name)
    for node, archive, wanted in zip(nodes, archives, names):
        all_known(node, archive, *wanted)
        grow_old(node, FIFTEEN_DAYS)
        assert node.command("gc", "--to", "1k").returncode in (0, 1)
        assert not any(has_blob(node, content_of(archive, name)) for name in wanted)
    stray = put_stray(bucket)
    is_gone(bucket, stray)
    for node in nodes:
        looks(node)
    for origin in origins:
        origin.die()
    for node, archive, wanted in zip(nodes, archives, names):
        for name in wanted:
            assert node.get(pool(name)).content == content_of(archive, name)


def test_what_went_singly_is_put_again(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    contents = {name: content_of(archive, name) for name in ("foo", "bar")}
    for name, content in contents.items():
        assert node.get(pool(name)).content == content
    all_known(node, archive, "foo", "bar")
    for content in contents.values():
        del bucket.objects[key_of(content)]  # a lifecycle rule
    # Given up here as well, and fetched from elsewhere: what is held again is looked at.
    grow_old(node, FIFTEEN_DAYS)
    node.command("gc", "--to", "1k")
    assert not has_blob(node, contents["foo"])
    assert node.get(pool()).content == contents["foo"]
    until("it is put again", lambda: bucket.objects.get(key_of(contents["foo"])) == contents["foo"], 40)


def test_what_is_held_is_looked_at_in_the_bucket_from_time_to_time(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    content = content_of(archive)
    assert node.get(pool()).content == content
    all_known(node, archive, "foo")
    del bucket.objects[key_of(content)]
    reload(node)  # or a turn later
    until("it is put again", lambda: bucket.objects.get(key_of(content)) == content, 40)


def test_what_is_spoilt_in_the_bucket_is_put_again(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    is_in(node, "good")
    content = content_of(archive)
    bucket.objects[key_of(content)] = b"x" * len(content)
    assert node.get(pool()).content == content
    until("it is put again", lambda: bucket.objects.get(key_of(content)) == content, 40)


@pytest.mark.parametrize("fault", [(413, "EntityTooLarge"), "cut"])
def test_a_file_that_is_never_taken_is_left_alone(scene, bucket, keys, fault):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    uploaded(node)
    bad = key_of(content_of(archive))
    bucket.fault = lambda method, key: fault if method == "PUT" and key == bad else None
    assert node.get(pool()).status == 200
    until("it is told", lambda: "s3.left-alone" in node.event_codes(), 40)
    assert node.get(pool("bar")).status == 200
    until("others are uploaded", lambda: key_of(content_of(archive, "bar")) in bucket.objects, 40)
    uploaded(node)
    tries = bucket.asked("PUT").count(bad)
    state = service_of(node)
    assert state["state"] == "good" and state["left_alone"] == 1 and tries == 3
    assert node.counter("s3.unreachable") == 0 and node.counter("s3.left-alone") == 1
    assert "it never takes 1 files" in node.command("status").stdout
    bucket.fault = lambda method, key: None
    reload(node)
    until("a reload tries it again", lambda: bad in bucket.objects, 40)


def test_a_service_that_goes_while_an_upload_hangs_is_found_out(scene, bucket, keys):
    archive = scene.archive()
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    uploaded(node)
    hung = key_of(content_of(archive))
    bucket.fault = lambda method, key: "stall" if key == hung and method == "PUT" else None
    assert node.get(pool()).status == 200
    until("the upload hangs", lambda: hung in bucket.asked("PUT"))
    began = time.monotonic()
    bucket.fault = lambda method, key: "stall" if key == hung and method == "PUT" else (503, "SlowDown")
    reload(node)
    is_in(node, "unreachable")
    assert time.monotonic() - began < 15, "a look does not wait for the upload"


def test_keys_without_a_right_to_list_are_told_403_of_what_is_not_there(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    bucket.is_silent_of_absence = True
    bucket.denies = lambda method, key: key == "?"
    nodes = [shared(scene, bucket, keys, archive, origin) for _ in range(2)]
    for node, name in zip(nodes, ("foo", "bar")):
        learn(node)
        is_in(node, "good")
        assert node.get(pool(name)).content == content_of(archive, name)
    for node in nodes:
        uploaded(node)
    until("both are there", lambda: {key_of(content_of(archive, name)) for name in ("foo", "bar")} <=
          set(bucket.objects), 40)
    origin.die()
    assert nodes[1].get(pool("foo")).content == content_of(archive, "foo")
    assert all(node.counter("s3.denied") == 0 for node in nodes)
    assert service_of(nodes[1])["source"]["health"] != "down"


def test_a_node_that_may_not_read_the_id_does_not_make_a_new_one_each_time(scene, bucket, keys):
    archive = scene.archive()
    bucket.objects["aptward-bucket"] = b"0" * 32
    bucket.denies = lambda method, key: key == "aptward-bucket"
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    is_in(node, "denied")
    assert bucket.asked("PUT").count("aptward-bucket") <= 1
    assert bucket.objects["aptward-bucket"] == b"0" * 32


def test_a_lease_that_somebody_else_has_written_is_left_to_him_and_told(scene, bucket, keys):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = shared(scene, bucket, keys, archive, origin)
    learn(node)
    is_leased(node)
    first = lease_key(node)
    node.stop()
    bucket.modified[first] = bucket.now() + 5  # a node with a copy of its state has written it since
    node.start()
    until("it has another one", lambda: lease_key(node) != first, 40)
    is_leased(node)
    assert {first, lease_key(node)} <= set(bucket.objects)
    until("it is told", lambda: "s3.lease-shared" in node.event_codes())


def somebody_deletes(bucket):
    bucket.objects["aptward-deletes"] = b"aptward-deletes/v1\nwithin 1\n"
    bucket.modified["aptward-deletes"] = bucket.now()


def test_a_lease_that_cannot_be_looked_at_is_not_taken_for_gone(scene, bucket, keys):
    archive = scene.archive()
    somebody_deletes(bucket)
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    assert node.get(pool()).status == 200
    all_known(node, archive, "foo")
    is_leased(node)
    key, known, put = lease_key(node), service_of(node)["known"], bucket.asked("PUT", "leases/")
    bucket.fault = lambda method, key: (503, "SlowDown") if method == "HEAD" and "leases/" in key else None
    reload(node)
    until("it is told", lambda: "s3.lease-failed" in node.event_codes(), 30)
    assert service_of(node)["known"] == known and bucket.asked("PUT", "leases/") == put
    bucket.fault = lambda method, key: None
    reload(node)
    is_leased(node)
    assert service_of(node)["known"] == known and lease_key(node) == key
    assert "s3.lease-shared" not in node.event_codes()


def test_law5_R2_what_a_lost_lease_left_is_forgotten_before_a_new_one_is_put(scene, bucket, keys):
    archive = scene.archive()
    somebody_deletes(bucket)
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    content = content_of(archive)
    assert node.get(pool()).content == content
    all_known(node, archive, "foo")
    is_leased(node)
    key = lease_key(node)
    node.stop()
    del bucket.objects[key], bucket.objects[key_of(content)]
    bucket.requests.clear()
    # Neither whether somebody deletes can be read, nor is its new lease taken.
    bucket.fault = lambda method, key: ((503, "SlowDown") if (method, key) == ("GET", "aptward-deletes") or
                                        method == "PUT" and "leases/" in key else None)
    node.start()
    until("a lease is put", lambda: bucket.asked("PUT", "leases/"), 40)
    node.kill()
    state = (node.folder / "state/blob-service.uploaded").read_bytes()
    assert len(state) == 33, "nothing of the bucket is believed any more"
    bucket.fault = lambda method, key: None
    node.start()
    until("it is put again", lambda: bucket.objects.get(key_of(content)) == content, 60)


def test_nothing_is_deleted_beside_a_notice_of_a_later_version(scene, bucket, keys):
    archive = scene.archive()
    stray, notice = put_stray(bucket), b"aptward-deletes/v2\nwithin 9\n"
    bucket.objects["aptward-deletes"] = notice
    bucket.modified["aptward-deletes"] = bucket.now() - 1000
    node = shared(scene, bucket, keys, archive, scene.origin(archive), **{"delete-after": AFTER})
    learn(node)
    until("it is told", lambda: "s3.not-deleting" in node.event_codes(), 40)
    assert "aptward-deletes cannot be read" in deleting(node)["why"]
    assert stray in bucket.objects and bucket.objects["aptward-deletes"] == notice
    assert "aptward-deletes" not in bucket.asked("PUT") and not bucket.asked("DELETE")


@pytest.mark.parametrize("method", ["PUT", "HEAD"])
def test_law5_what_was_under_way_to_another_bucket_is_not_believed_of_this_one(scene, bucket, keys, method):
    archive = scene.archive()
    other = scene.keep(Bucket())
    node = shared(scene, bucket, keys, archive, scene.origin(archive))
    learn(node)
    uploaded(node)
    is_leased(node)
    content = content_of(archive)
    key = key_of(content)
    bucket.fault = lambda how, what: 6.0 if (how, what) == (method, key) else None
    assert node.get(pool()).content == content
    until("it is under way", lambda: key in bucket.asked(method), 40)
    config = node.config.read_text()
    assert bucket.url in config
    node.config.write_text(config.replace(bucket.url, other.url))
    reload(node)
    until("the other one has it", lambda: other.objects.get(key) == content, 60)
    all_known(node, archive, "foo")


def test_metrics_say_what_was_deleted(scene, bucket, keys):
    archive = scene.archive()
    stray = put_stray(bucket)
    node = shared(scene, bucket, keys, archive, scene.origin(archive), **{"delete-after": AFTER})
    learn(node)
    is_gone(bucket, stray)
    until("it is counted", lambda: "aptward_blob_service_deleted_total 1" in node.admin("/metrics"), 30)
    assert json.loads(node.admin("/api/v1/status"))["blob_service"]["deleting"]["deleted"]["files"] == 1


def test_deleting_wants_a_lease(scene, bucket, keys):
    import test_blob_service
    done = test_blob_service.check(scene, table(bucket, keys, upload=False, **{"delete-after": "30d"}))
    assert done.returncode == 2 and "deletes nothing" in done.stderr
