# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirror jobs: whole and chosen suites, again and again, over kills and bad sources."""
import itertools
import json
import os
import signal
import subprocess
import threading

import pytest

from coherence import assert_coherent, blobs_of, generation, sha256, wrong_blobs
from node import PROGRAM, until
from rich import RichArchive, desktop

pytestmark = pytest.mark.smoke


def large(scene, count=60, size=20_000):
    archive = scene.archive()
    for number in range(count):
        archive.add_bytes(f"p{number}", os.urandom(size))
    archive.publish()
    return archive


def mirror(node, *options, status=0):
    """Runs it to the end; gives what it found."""
    done = node.command("mirror", "test", *options, "--json")
    assert done.returncode == status, done.stdout[-500:] + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[-1] if status == 0 else (lines[-1]["result"], done.stderr)


def pool_requests(origin):
    return [path for path, _ in origin.requests if "/pool/" in path or path.startswith("/pool")]


def pool_digests(archive):
    return {sha256(path.read_bytes()) for path in archive.root.glob("pool/**/*") if path.is_file()}


def test_a_whole_suite_is_held_and_then_only_what_is_new(scene):
    archive = large(scene)
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    found = mirror(node, "stable")
    assert found["files"] == found["fetched"] == 62 and found["missing"] == 0
    assert pool_digests(archive) <= blobs_of(node) and wrong_blobs(node) == []
    assert len(pool_requests(origin)) == 62
    assert mirror(node, "stable")["fetched"] == 0
    for number in range(5):
        archive.add_bytes(f"p{number}", os.urandom(20_000), version="2")
    archive.publish()
    again = mirror(node)  # the suite is known now
    assert again["fetched"] == 5 and again["files"] == 62
    assert len(pool_requests(origin)) == 67
    # Everything is there when the sources are not, to a client that never came before.
    origin.die()
    date, pool = generation(node)
    assert all(node.get(f"/test/{path}").status == 200 for path in pool) and len(pool) == 62
    assert scene.apt(node).update().returncode == 0
    assert "job.done" in node.event_codes()


def test_later_releases_are_shown_with_what_was_mirrored(scene):
    archive = desktop(scene.folder / "archive", scene.key)
    node = scene.node(archive, scene.origin(archive))
    mirror(node, "stable", "--architectures", "arm64", "--components", "contrib")
    (now,) = [suite for suite in node.status()["archives"][0]["suites"] if suite["suite"] == "stable"]
    before = now["indexes"]
    archive.add_deb("later", architecture="arm64", component="contrib")
    archive.publish()
    assert node.get("/test/dists/stable/InRelease").status == 200
    after = until("the next release", lambda: (suite := node.suite())["generation"] != now["generation"] and suite)
    assert after["indexes"] == before > 0
    assert node.get("/test/pool/contrib/l/later/later_1_arm64.deb").status == 200


def test_components_architectures_sources_and_udebs_are_chosen(scene):
    archive = desktop(scene.folder / "archive", scene.key)
    names = {}
    for path in archive.root.glob("pool/**/*"):
        if path.is_file():
            names[sha256(path.read_bytes())] = path.name

    def held(*options):
        node = scene.node(archive, scene.origin(archive))
        mirror(node, "stable", *options)
        return {names[digest] for digest in blobs_of(node) if digest in names}
    sources = {"foo_1.dsc", "foo_1.tar.xz"}
    amd64 = {"foo_1_all.deb", "native_1_amd64.deb"}
    assert held() == amd64 | {"native_1_arm64.deb", "extra_1_all.deb"}
    assert held("--architectures", "amd64", "--components", "main") == amd64
    assert held("--components", "main", "--sources") == amd64 | {"native_1_arm64.deb"} | sources
    assert held("--components", "main/debian-installer") == {"disk-detect_1_amd64.udeb"}
    node = scene.node(archive, scene.origin(archive), suites=["stable"], components=["contrib"],
                      architectures=["amd64"])
    mirror(node)
    assert {names[digest] for digest in blobs_of(node) if digest in names} >= {"extra_1_all.deb"}


def test_packages_come_with_what_they_need(scene):
    archive = RichArchive(scene.folder / "archive", scene.key, mixes_all=True)
    archive.add_deb("app", Depends="lib (>= 1) | other, mta", Recommends="docs", Section="net")
    archive.add_deb("lib", **{"Pre-Depends": "base:any"})
    archive.add_deb("base")
    archive.add_deb("other")
    archive.add_deb("exim", Provides="mta (= 1)")
    archive.add_deb("postfix", Provides="mta")
    archive.add_deb("docs", Source="docs-source (3)")
    archive.add_deb("unrelated", Section="contrib/games")
    archive.add_source("docs-source", version="3")
    archive.add_source("unrelated")
    archive.publish()
    names = {sha256(path.read_bytes()): path.name.split("_")[0] + ("" if path.suffix == ".deb" else "+")
             for path in archive.root.glob("pool/**/*") if path.is_file()}

    def held(*options):
        node = scene.node(archive, scene.origin(archive))
        mirror(node, "stable", *options)
        return {names[digest] for digest in blobs_of(node) if digest in names}
    needed = {"app", "lib", "base", "other", "exim", "postfix"}
    assert held("--packages", "app") == needed | {"docs"}
    assert held("--packages", "app", "--no-recommends") == needed
    assert held("--packages", "docs", "--sources") == {"docs", "docs-source+"}
    assert held("--sections", "games,net") == {"unrelated", "app"}
    names_file = scene.folder / "names"
    names_file.write_text("# for the lab\nlib  # and its base\n\nunrelated\n")
    assert held("--list", str(names_file), "--sections", "net") == {"lib", "base", "unrelated", "app"}


def test_C7_a_mirror_job_goes_on_after_kill_9(scene):
    archive = large(scene, count=40, size=200_000)
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    number = json.loads(node.command("mirror", "test", "stable", "--rate", "2M", "--no-wait", "--json").stdout)["id"]
    job = lambda: json.loads(node.admin(f"/api/v1/jobs/{number}"))
    until("some are held", lambda: len(blobs_of(node)) > 10)
    node.kill()
    assert wrong_blobs(node) == []
    before = len(blobs_of(node))
    assert before < 40
    origin.requests.clear()
    node.start()
    done = until("its end", lambda: (now := job())["state"] == "done" and now, 60)
    assert pool_digests(archive) <= blobs_of(node) and wrong_blobs(node) == []
    assert len(pool_requests(origin)) <= 42 - before + 2, "what was held was not fetched again"
    assert done["done"] == done["total"] and {"job.interrupted", "job.resumed"} <= node.event_codes()


def test_a_mirror_job_is_cancelled_and_stopped(scene):
    archive = large(scene, count=20, size=200_000)
    node = scene.node(archive, scene.origin(archive))
    number = json.loads(node.command("mirror", "test", "stable", "--rate", "500k", "--no-wait", "--json").stdout)["id"]
    job = lambda: json.loads(node.admin(f"/api/v1/jobs/{number}"))
    running = until("progress", lambda: (now := job())["done"] > 0 and now)
    assert running["total"] > running["done"] and running["unit"] == "bytes"
    # A scrub does not wait for it.
    assert node.scrub() == 0 and job()["state"] == "running"
    assert node.command("jobs", "cancel", str(number)).returncode == 0
    until("the end", lambda: job()["state"] == "cancelled")
    node.command("mirror", "test", "stable", "--rate", "500k", "--no-wait")
    node.stop()


def test_with_one_request_in_a_hundred_spoilt_it_still_ends_right(scene):
    archive = large(scene, count=300, size=8_000)
    origins = [scene.origin(archive), scene.origin(archive, "127.0.0.3")]
    kinds = [("status", 503), ("tamper", "middle"), ("truncate", 100), ("longer",), ("html",), ("status", 404)]
    asked, spoilt = itertools.count(1), []

    def fault(path):
        """Of every hundred packages that are asked for one, whichever source it is asked at."""
        if not path.endswith(".deb") or next(asked) % 100 != 50:
            return None
        spoilt.append(path)
        return kinds[len(spoilt) % len(kinds)]
    for origin in origins:
        origin.fault = fault
    node = scene.node(archive, *origins)
    found = mirror(node, "stable")
    assert found["missing"] == 0 and len(spoilt) >= 3
    assert pool_digests(archive) <= blobs_of(node) and wrong_blobs(node) == []


def test_what_no_source_has_is_named_and_the_rest_is_held(scene):
    archive = large(scene)
    (archive.root / "pool/p7_1_all.deb").rename(scene.folder / "away.deb")
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    result, told = mirror(node, "stable", status=1)
    assert "1 of the files could not be had" in told and "pool/p7_1_all.deb" in told
    assert [entry["path"] for entry in result["missing_files"]] == ["pool/p7_1_all.deb"]
    assert len(blobs_of(node)) == 62  # with the index
    (scene.folder / "away.deb").rename(archive.root / "pool/p7_1_all.deb")
    assert mirror(node, "stable")["fetched"] == 1
    # When all are gone it does not try thousands of files in vain.
    archive.add_bytes("p7", b"new", version="2")
    archive.publish()
    origin.always("status", 503, only="/pool/")
    assert mirror(node, "stable", status=1)[0]["missing"] == 1


@pytest.mark.parametrize("fault, why", [
    ("stranger", "release.unknown-key"), ("dead", ""), ("no index", "an index is not to be had")])
def test_a_suite_that_could_not_be_refreshed_fails_the_job_and_what_it_names_is_held(scene, other_key, fault, why):
    archive = large(scene, count=3)
    origin, spare = scene.origin(archive), scene.origin(archive.copy(scene.folder / "old"), "127.0.0.3")
    node = scene.node(archive, origin, spare)
    mirror(node, "stable", "--packages", "p0")
    before = node.suite()["generation"]
    day = archive.when.strftime("%Y-%m-%d")
    archive.add_bytes("p9", os.urandom(100))
    archive.publish()
    spare.always("status", 404, only="/dists/")
    if fault == "dead":
        origin.always("status", 503, only="/dists/")
    elif fault == "no index":
        origin.fault = lambda path: ("status", 503) if "by-hash" in path or "Packages" in path else None
    else:
        (archive.suite_folder / "InRelease").write_bytes(other_key.inline(archive.text()))
    result, told = mirror(node, "stable", status=1)
    assert f"stable could not be refreshed, and the release that is held is of {day}: " in told and why in told, told
    assert "what it names is held" in told and len(told.splitlines()) == 1
    assert result["missing"] == 0 and result["files"] == result["fetched"] + 1 == 5, result
    (named,) = result["not_refreshed"]
    assert named["suite"] == "stable" and why in named["why"] and node.suite()["generation"] == before


def test_one_source_of_several_refreshes_a_suite(scene, other_key):
    archive = large(scene, count=3)
    bad = archive.copy(scene.folder / "bad")
    node = scene.node(archive, scene.origin(bad), scene.origin(archive, "127.0.0.3"))
    mirror(node, "stable")
    (bad.suite_folder / "InRelease").write_bytes(other_key.inline(bad.text()))
    assert mirror(node, "stable")["not_refreshed"] == []


@pytest.mark.parametrize("options, status, said", [
    (["nowhere", "stable"], 2, 'no archive "nowhere"'),
    (["test", "unstabel"], 1, 'no source of test has a suite "unstabel"'),
    (["test", "../stable"], 1, 'is no name of a suite'),
    (["test"], 1, "name a suite"),
    (["test", "stable", "--components", "mian"], 1, 'no component "mian"; it has: main'),
    (["test", "stable", "--architectures", "riscv"], 1, 'no architecture "riscv"; it has: amd64'),
    (["test", "stable", "--packages", "foo,nosuch"], 1, 'the package "nosuch"'),
    (["test", "stable", "--sections", "nets"], 1, 'the section "nets"'),
    (["test", "stable", "--rate", "fast"], 2, "write 50M"),
    (["test", "stable", "--list", "/does/not/exist"], 2, "there is no file /does/not/exist"),
])
def test_mistakes_are_one_sentence_and_nothing_is_fetched(scene, options, status, said):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    done = node.command("mirror", *options, "--no-json")
    assert done.returncode == status and said in done.stderr, done.stderr
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert pool_requests(origin) == []


def test_a_job_in_another_form_is_refused(scene):
    from test_jobs import post
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    for more in ('"archive": 3', '"archive": "test", "suites": "stable"', '"archive": "test", "packages": [""]',
                 '"archive": "test", "rate": -1', '"archive": "test", "sources": 1', '"rate": 1'):
        assert post(node, "/api/v1/jobs", '{"kind": "mirror", %s}' % more).status == 400, more
    assert post(node, "/api/v1/jobs", '{"kind": "mirror", "archive": "none"}').status == 404


def test_clients_see_whole_releases_while_a_job_runs(scene):
    archive = large(scene, count=30, size=100_000)
    node = scene.node(archive, scene.origin(archive))
    number = json.loads(node.command("mirror", "test", "stable", "--rate", "1M", "--no-wait", "--json").stdout)["id"]
    job = lambda: json.loads(node.admin(f"/api/v1/jobs/{number}"))
    until("it fetches", lambda: job()["done"] > 0)
    archive.add_bytes("p1", b"in the middle of it", version="2")
    archive.publish()
    while job()["state"] in ("queued", "running"):
        assert_coherent(node)
    assert job()["state"] == "done"
    assert sha256(b"in the middle of it") in blobs_of(node), "the newer release was mirrored as well"


@pytest.mark.parametrize("where", ["InRelease", "by-hash", "/p30"])
def test_a_mirror_job_goes_on_when_the_configuration_is_read_again(scene, where):
    archive = large(scene)
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    gate = threading.Event()
    asked = threading.Event()

    def fault(path):
        if where in path or asked.is_set():
            asked.set()
            gate.wait(20)
    origin.fault = fault
    with subprocess.Popen([PROGRAM, "mirror", "test", "stable", "--json", "--config", node.config],
                          stdout=subprocess.PIPE, text=True) as running:
        assert asked.wait(20)
        reloaded = node.log_text().count("config.reloaded")
        node.config.write_text(node.config.read_text().replace('freshness = "0s"', 'freshness = "1h"'))
        node.process.send_signal(signal.SIGHUP)
        until("it is read again", lambda: node.log_text().count("config.reloaded") > reloaded)
        gate.set()
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 0, output
    found = json.loads(output.splitlines()[-1])
    assert found["missing"] == 0 and pool_digests(archive) <= blobs_of(node)
    assert len(pool_requests(origin)) == 62, "what came before is not fetched again"
