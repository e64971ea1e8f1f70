# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work in the running node: started, watched, cancelled, and resumed after a kill."""
import hashlib
import json
import os
import time

import pytest

from node import Node, UnixConnection, until
from shim import Shim

pytestmark = pytest.mark.smoke


def post(node, path, body="{}"):
    connection = UnixConnection(f"{node.folder}/admin")
    connection.request("POST", path, body=body)
    answer = connection.getresponse()
    answer.content = answer.read().decode()
    return answer


def job(node, number):
    return json.loads(node.admin(f"/api/v1/jobs/{number}"))


def holding(scene, **keys):
    """A node that holds some megabytes."""
    archive = scene.archive()
    for number in range(8):
        archive.add(f"p{number}", payload_bytes=300_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive), **keys)
    assert scene.apt(node).update().returncode == 0
    for number in range(8):
        assert node.get(f"/test/pool/p{number}_1_all.deb").status == 200
    blobs = node.folder / "state/blobs/sha256"
    until("all is held", lambda: sum(path.is_file() for path in blobs.rglob("*")) >= 9)
    return archive, node


def rot(node, file):
    name = hashlib.sha256(file.read_bytes()).hexdigest()
    blob = node.folder / "state/blobs/sha256" / name[:2] / name
    blob.chmod(0o644)
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return name


def test_scrub_is_a_job_of_the_running_node_and_says_what_it_found(scene):
    archive, node = holding(scene)
    assert node.scrub() == 0
    name = rot(node, archive.root / "pool/p3_1_all.deb")
    found = node.command("scrub", "--json")
    assert found.returncode == 1
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert lines[-1]["damaged"] == [name] and lines[-2]["state"] == "done"
    clean, dirty = json.loads(node.command("jobs", "--json").stdout)
    assert clean["state"] == dirty["state"] == "done" and dirty["result"]["damaged"] == [name]
    assert dirty["done"] == dirty["total"] > 2_000_000
    assert "1 damaged" in node.command("jobs", "show", str(dirty["id"])).stdout
    events = json.loads(node.command("events", "--json").stdout)
    assert name in {event["evidence"] for event in events if event["code"] == "store.damaged"}
    told = [(event["code"], event["who"]) for event in events if event["code"].startswith("job.")]
    assert told == [("job.started", f"uid {os.getuid()}"), ("job.done", f"uid {os.getuid()}")] * 2
    assert node.get("/test/pool/p3_1_all.deb").content == (archive.root / "pool/p3_1_all.deb").read_bytes()
    until("healed", lambda: node.scrub() == 0)
    # Without a node it is done on the state folder.
    rot(node, archive.root / "pool/p4_1_all.deb")
    node.stop()
    assert node.scrub() == 1 and node.scrub() == 0
    assert node.command("jobs").returncode == 3


def test_a_job_is_cancelled(scene):
    _, node = holding(scene)
    started = node.command("scrub", "--rate", "100k", "--no-wait", "--json")
    number = json.loads(started.stdout)["id"]
    until("progress", lambda: job(node, number)["done"] > 0)
    running = job(node, number)
    assert running["state"] == "running" and running["total"] > running["done"]
    assert node.command("jobs", "cancel", str(number)).returncode == 0
    until("the end", lambda: job(node, number)["state"] == "cancelled")
    assert node.command("jobs", "cancel", str(number)).returncode == 1
    assert node.command("jobs", "cancel", "99").returncode == 1
    assert node.command("jobs", "show", "99").returncode == 1
    assert "job.cancelled" in node.event_codes()


def test_C7_a_job_goes_on_after_kill_9_from_where_it_was(scene):
    _, node = holding(scene)
    number = json.loads(node.command("scrub", "--rate", "400k", "--no-wait", "--json").stdout)["id"]
    # Progress is saved once a second; what is saved is what counts.
    until("some of it is done", lambda: job(node, number)["done"] > 900_000)
    node.kill()
    node.start()
    resumed = until("it runs again", lambda: (now := job(node, number))["state"] == "running" and now)
    assert resumed["done"] > 0 and resumed["who"] == f"uid {os.getuid()}"
    assert {"job.interrupted", "job.resumed"} <= node.event_codes()
    # A second scrub waits for the first.
    waiting = json.loads(post(node, "/api/v1/jobs", '{"kind": "scrub"}').content)["id"]
    assert job(node, waiting)["state"] == "queued"
    done = until("its end", lambda: (now := job(node, number))["state"] == "done" and now, 60)
    blobs = [path for path in (node.folder / "state/blobs/sha256").rglob("*") if path.is_file()]
    assert done["result"]["checked"] == len(blobs) and done["result"]["bytes"] == done["total"]
    until("the second", lambda: job(node, waiting)["state"] == "done")


def test_whoever_waits_for_a_job_is_answered_when_it_is_over(scene):
    archive = scene.archive()
    for number in range(8):
        archive.add(f"p{number}", payload_bytes=50_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive))
    started = node.command("mirror", "test", "stable", "--rate", "400k", "--no-wait", "--json")
    job = json.loads(started.stdout.splitlines()[-1])["id"]
    running = json.loads(node.admin(f"/api/v1/jobs/{job}?wait=1"))
    assert running["state"] == "running", "after a while it answers all the same"
    began = time.monotonic()
    over = json.loads(node.admin(f"/api/v1/jobs/{job}?wait=10000"))
    assert over["state"] == "done" and time.monotonic() - began < 9
    assert json.loads(node.admin(f"/api/v1/jobs/{job}?wait=10000"))["state"] == "done"
    assert time.monotonic() - began < 9, "one that is over is not waited for"


def test_R26_the_node_scrubs_by_itself_within_the_promised_time(scene):
    archive, node = holding(scene)
    node.stop()
    node.config.write_text('scrub-every = "1s"\nscrub-rate = "0"\n' + node.config.read_text())
    name = rot(node, archive.root / "pool/p5_1_all.deb")
    node.start()
    until("the event", lambda: "store.damaged" in node.event_codes())
    first = until("the node's own job", lambda: (now := job(node, 1))["state"] == "done" and now)
    assert first["who"] == "node" and first["result"]["damaged"] == [name]
    assert (node.folder / "state/damaged" / (name + ".replaced")).exists(), "to be looked at"
    assert node.get("/test/pool/p5_1_all.deb").content == (archive.root / "pool/p5_1_all.deb").read_bytes()


def test_R26_a_clock_that_was_ahead_once_does_not_end_the_nodes_scrubs(scene):
    archive = scene.archive()
    shim = Shim(scene.folder, scene.folder / "node-shim/state")
    shim.clock_offset_s = 30 * 86400
    node = Node(scene.folder / "node-shim", archive, [scene.origin(archive)], environment=shim.environment,
                top=['scrub-every = "1s"', 'scrub-rate = "0"'])
    scene.nodes.append(node)

    def done():
        return sum(one["state"] == "done" for one in json.loads(node.command("jobs", "--json").stdout))
    before = until("a scrub of then", done)
    node.stop()
    shim.clock_offset_s = 0
    node.start()
    until("a scrub of now", lambda: done() > before)


def test_impossible_jobs_are_refused_in_one_sentence(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    unknown = post(node, "/api/v1/jobs", '{"kind": "mine"}')
    assert unknown.status == 404 and "there are: bundle-import, gc, mirror, publish, repair, scrub" in unknown.content
    for body in ('{"kind": 3}', "[]", '{"kind": "bundle-import"}',
                 '{"kind": "bundle-import", "file": "relative"}',
                 '{"kind": "bundle-import", "file": "/x", "signed-by": [7]}',
                 '{"kind": "scrub", "rate": "fast"}', '{"kind": "scrub", "rate": -1}'):
        assert post(node, "/api/v1/jobs", body).status == 400
    assert post(node, "/api/v1/jobs/1/dance").status == 404
    assert node.command("scrub", "--rate", "fast").returncode == 2
