# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk is bounded: what goes, what stays, and nothing is lost that somebody needs."""
import hashlib
import json
import os
import re
import signal
import threading
import time

import pytest

from coherence import LONG_AGO, blob_files, grow_old, least, sha256
from node import Node, until
from shim import Shim

pytestmark = pytest.mark.smoke

def holds(node, package):
    name = hashlib.sha256(package.read_bytes()).hexdigest()
    return (node.folder / "state/blobs/sha256" / name[:2] / name).exists()


def pool_path(archive, package):
    return "/test/" + package.relative_to(archive.root).as_posix()


@pytest.fixture
def story(scene):
    """Three generations, and a client that took the package of each; all of it long ago."""
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    packages, dates = [], []
    for version in ("1", "2", "3"):
        if version != "1":
            archive.add("foo", version, payload_bytes=50_000)
            archive.publish()
        packages.append(archive.packages["foo"][1])
        dates.append(archive.when)
        assert apt.update().returncode == 0 and apt.download("foo").returncode == 0
    until("all are held", lambda: all(holds(node, package) for package in packages))
    grow_old(node)
    return archive, origin, node, packages, dates


def test_a_dry_run_says_what_would_go_and_why_and_changes_nothing(story):
    _, _, node, packages, _ = story
    before = sorted(blob_files(node))
    done = node.command("gc", "--dry-run", "--to", "80k")
    assert done.returncode == 0, done
    assert "pool/foo_1_all.deb of test stable: only earlier releases name it, last used 40 d ago" in done.stdout
    assert "would go" in done.stdout and "foo_3" not in done.stdout
    assert sorted(blob_files(node)) == before
    line = json.loads(node.command("gc", "--dry-run", "--to", "80k", "--json").stdout.splitlines()[-1])
    assert line["evicted"]["files"] == 0 and line["planned"]["files"] >= 2


def test_what_only_earlier_releases_need_goes_first_and_can_be_had_again(story):
    archive, origin, node, packages, _ = story
    done = node.command("gc", "--to", "80k")
    assert done.returncode == 0, done
    assert [holds(node, package) for package in packages] == [False, False, True]
    assert node.get(pool_path(archive, packages[0])).content == packages[0].read_bytes()
    origin.die()
    assert node.get(pool_path(archive, packages[0])).status == 200
    assert node.get(pool_path(archive, packages[1])).status == 503, "known, and nobody has it now"
    assert node.get(pool_path(archive, packages[2])).status == 200


def test_an_index_that_is_listed_by_sha512_alone_is_needed_under_that_name(scene):
    archive = scene.archive(hashes=("SHA512",))
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    until("the index is held", lambda: list((node.folder / "state/blobs/sha512").rglob("*/*")))
    grow_old(node)
    (named,) = list((node.folder / "state/blobs/sha512").rglob("*/*"))
    assert node.command("gc", "--to", str(least(node))).returncode == 0
    assert named.exists()
    origin.die()
    fresh = scene.apt(node)
    assert fresh.update().returncode == 0


def test_what_a_pin_a_name_or_a_freeze_needs_stays(story):
    archive, origin, node, packages, dates = story
    first, second = (date.strftime("%Y%m%dT%H%M%SZ") for date in dates[:2])
    assert node.command("snapshot", "name", "test", first, "good").returncode == 0
    assert node.command("freeze", "test", "--at", second).returncode == 0
    before = sorted(blob_files(node))
    small = node.command("gc", "--to", "1k")
    assert small.returncode == 1 and "raise the quota, or drop snapshots" in small.stderr, small
    assert re.search(r"1\.0 kB cannot be kept, so nothing went: \d\d kB of indexes, pins", small.stderr), small
    assert len(small.stderr.splitlines()) == 1 and sorted(blob_files(node)) == before
    assert node.command("gc", "--to", str(least(node))).returncode == 0
    assert [holds(node, package) for package in packages] == [True, True, False]
    origin.die()
    assert node.get(f"/snapshot/good/test/pool/{packages[0].name}").status == 200
    assert node.get(pool_path(archive, packages[1])).status == 200
    assert node.command("thaw", "test").returncode == 0
    assert node.command("snapshot", "drop", "test", "good").returncode == 0
    grow_old(node)
    assert node.command("gc", "--to", str(least(node))).returncode == 0
    assert not any(holds(node, package) for package in packages)
    assert node.get("/test/dists/stable/main/binary-amd64/Packages.xz").status == 200


def test_what_is_served_and_used_stays_for_a_while(story):
    archive, _, node, packages, _ = story
    grow_old(node, -LONG_AGO + 7200)  # two hours ago
    assert node.command("gc", "--to", str(least(node))).returncode == 0
    assert [holds(node, package) for package in packages] == [False, False, True], "hot for 14 days"


def test_what_was_used_within_the_hour_stays_whatever_it_is(story):
    archive, _, node, packages, _ = story
    assert node.get(pool_path(archive, packages[0])).status == 200
    assert node.command("gc", "--to", str(least(node))).returncode == 1
    assert [holds(node, package) for package in packages] == [True, False, False]


def test_nothing_goes_while_a_release_cannot_be_read(story):
    archive, _, node, packages, dates = story
    first = dates[0].strftime("%Y%m%dT%H%M%SZ")
    assert node.command("snapshot", "pin", "test", first).returncode == 0
    release = next(one["release"] for one in json.loads(
        node.command("snapshot", "list", "--json").stdout)[0]["generations"] if one["stamp"] == first)
    file = node.folder / "state/releases" / release / "InRelease"
    text = file.read_bytes()
    file.write_bytes(b"rotten")
    before = sorted(blob_files(node))
    done = node.command("gc", "--to", "1")
    assert done.returncode == 1 and "nothing goes, because" in done.stderr, done
    assert sorted(blob_files(node)) == before
    file.write_bytes(text)
    assert node.command("gc", "--to", str(least(node))).returncode == 0
    assert [holds(node, package) for package in packages] == [True, False, False]


def test_tables_that_are_missing_are_built_before_anything_goes(story):
    archive, origin, node, packages, dates = story
    first = dates[0].strftime("%Y%m%dT%H%M%SZ")
    assert node.command("snapshot", "pin", "test", first).returncode == 0
    node.stop()
    for table in (node.folder / "state/tables").iterdir():
        table.unlink()
    node.start()
    grow_old(node)
    assert node.command("gc", "--to", str(least(node))).returncode == 0
    assert [holds(node, package) for package in packages] == [True, False, False]


def test_a_quota_holds_by_itself(scene):
    archive = scene.archive()
    for number in range(10):
        archive.add(f"big{number}", payload_bytes=50_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive), top=['quota = "300k"', 'hot-for = "1d"'])
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    assert apt.download(*(f"big{number}" for number in range(10))).returncode == 0
    until("all are held", lambda: (held_bytes(node) or 0) > 500_000)
    node.stop()
    grow_old(node)
    node.start()
    until("the quota holds", lambda: (held_bytes(node) or 10**9) <= 270_000)
    assert apt.run("apt-get", "check").returncode == 0
    assert scene.apt(node).update().returncode == 0, "what is served needs its indexes"


def test_what_was_used_lately_stays_while_an_index_of_what_is_served_and_its_table_are_lost(story):
    archive, origin, node, packages, _ = story
    origin.die()
    node.stop()
    for table in (node.folder / "state/tables").iterdir():
        table.unlink()
    index = sha256((archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes())
    (node.folder / "state/blobs/sha256" / index[:2] / index).unlink()
    node.start()
    grow_old(node, -LONG_AGO + 7200)  # two hours ago
    done = node.command("gc", "--to", str(least(node)))
    assert done.returncode == 0 and "held in no form" in done.stdout and "aptward scrub" in done.stdout, done
    assert holds(node, packages[2]), "nobody knows that it is served"
    origin.revive()
    assert node.command("scrub").returncode == 0
    grow_old(node)
    assert node.command("gc", "--to", "80k").returncode == 0
    assert [holds(node, package) for package in packages] == [False, False, True]


def test_R14_a_quota_smaller_than_what_has_to_stay_takes_nothing(story):
    _, _, node, packages, dates = story
    for date in dates:
        assert node.command("snapshot", "pin", "test", date.strftime("%Y%m%dT%H%M%SZ")).returncode == 0
    node.stop()
    node.config.write_text('quota = "60k"\n' + node.config.read_text())
    node.start()
    before = sorted(blob_files(node))
    until("it is missed", lambda: "job.failed" in node.event_codes())
    done = node.command("gc")
    assert done.returncode == 1 and "60 kB cannot be kept, so nothing went" in done.stderr, done
    assert sorted(blob_files(node)) == before


def restart_with(node, line):
    node.stop()
    node.config.write_text(line + "\n" + node.config.read_text())
    node.start()


def test_R14_a_quota_that_cannot_hold_is_seen_wherever_an_operator_looks(story):
    _, _, node, packages, dates = story
    assert "quota" not in node.command("status").stdout and node.status()["quota"] is None
    stamps = [date.strftime("%Y%m%dT%H%M%SZ") for date in dates]
    for stamp in stamps[1:]:
        assert "quota" not in node.command("snapshot", "pin", "test", stamp).stdout
    restart_with(node, 'quota = "60k"')
    quota = until("it is counted", lambda: (now := node.status()["quota"]).get("over_bytes") and now)
    assert quota["bytes"] == 60_000 and quota["held_bytes"] == held_bytes(node), quota
    assert quota["kept_bytes"] > 50_000 and 0 < quota["over_bytes"] < quota["held_bytes"]
    status = node.command("status").stdout
    assert "of 60 kB" in status and "have to stay" in status, status
    doctor = node.command("doctor")
    assert doctor.returncode == 1 and "aptward snapshot drop" in doctor.stdout, doctor
    assert re.search(r"^aptward_quota_over_bytes [1-9]", node.admin("/metrics"), re.M)
    pinned = node.command("snapshot", "pin", "test", stamps[0])
    assert pinned.returncode == 0 and "the quota of 60 kB cannot hold" in pinned.stdout, pinned


def test_a_quota_that_holds_is_no_finding_and_says_what_is_held(story):
    _, _, node, _, dates = story
    restart_with(node, 'quota = "10M"')
    until("it is counted", lambda: "held_bytes" in node.status()["quota"])
    assert node.status()["quota"]["over_bytes"] == 0
    assert "of 10 MB held" in node.command("status").stdout
    assert re.search(r"^ok +quota: ", node.command("doctor").stdout, re.M)
    assert re.search(r"^aptward_quota_over_bytes 0", node.admin("/metrics"), re.M)
    assert "quota" not in node.command("snapshot", "pin", "test", dates[0].strftime("%Y%m%dT%H%M%SZ")).stdout


def test_another_quota_counts_without_a_restart(story):
    _, _, node, packages, _ = story
    restart_with(node, 'quota = "10M"')
    until("it is counted", lambda: "held_bytes" in node.status()["quota"])
    grow_old(node)
    node.config.write_text(node.config.read_text().replace('"10M"', '"90k"'))
    node.process.send_signal(signal.SIGHUP)
    until("the new one holds", lambda: [holds(node, package) for package in packages] == [False, False, True], 40)
    assert node.status()["quota"]["bytes"] == 90_000 and "config.kept" not in node.log_text()


@pytest.fixture
def missed(scene):
    """A node above its quota, because all that it holds is in use; and a clock to be set."""
    archive = scene.archive()
    for number in range(10):
        archive.add(f"big{number}", payload_bytes=50_000)
    archive.publish()
    shim = Shim(scene.folder, scene.folder / "node-shim/state")
    node = Node(scene.folder / "node-shim", archive, [scene.origin(archive)], environment=shim.environment,
                top=['quota = "300k"', 'hot-for = "10m"'])
    scene.nodes.append(node)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    assert apt.download(*(f"big{number}" for number in range(10))).returncode == 0
    until("it is missed", lambda: "job.failed" in node.event_codes(), 40)
    assert held_bytes(node) > 300_000, "all of it was in use"
    return node, shim


def held_bytes(node):
    """Nothing while it is at work."""
    try:
        return sum(file.stat().st_size for file in blob_files(node))
    except FileNotFoundError:
        return None


def is_kept(node):
    held = held_bytes(node)
    return held is not None and held <= 300_000


def test_R14_a_quota_that_could_not_be_kept_at_once_is_kept_an_hour_later(missed):
    node, shim = missed
    shim.clock_offset_s = 3700
    until("it is kept", lambda: is_kept(node), 40)


def test_R14_what_an_operator_collects_is_none_of_the_nodes_collections(missed):
    node, shim = missed
    assert node.command("gc", "--dry-run", "--to", "1G").returncode == 0
    shim.clock_offset_s = 3700
    until("it is kept", lambda: is_kept(node), 40)


def test_a_command_beside_the_node_leaves_what_it_looks_at_alone(story):
    _, _, node, packages, _ = story
    name = hashlib.sha256(b"another").hexdigest()
    candidate = node.folder / "state/blobs/evicting" / name
    candidate.write_bytes(b"another")
    made = node.command("bundle", "create", "test", "--output", node.folder / "x.bundle", "--allow-missing")
    assert made.returncode == 0, made
    assert candidate.exists(), "only who holds the state's lock puts it back"


def test_a_quota_is_a_size(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    node.config.write_text('quota = "much"\n' + node.config.read_text())
    check = node.command("config", "check")
    assert check.returncode == 2 and ':1: quota' in check.stderr and "200G" in check.stderr
    wrong = node.command("gc", "--to", "much")
    assert wrong.returncode == 2 and "is no size" in wrong.stderr


def test_R27_collecting_beside_readers_and_fillers_loses_nobodys_file(story):
    archive, origin, node, packages, _ = story
    stop, wrong = threading.Event(), []

    def read(package):
        while not stop.is_set():
            answer = node.get(pool_path(archive, package))
            if answer.status != 200 or answer.content != package.read_bytes():
                wrong.append((package.name, answer.status))

    def age():
        while not stop.is_set():
            for file in blob_files(node):
                try:
                    os.utime(file, (time.time() - LONG_AGO, time.time() - LONG_AGO))
                except FileNotFoundError:
                    pass

    threads = [threading.Thread(target=read, args=(package,)) for package in packages * 2]
    threads.append(threading.Thread(target=age))
    for thread in threads:
        thread.start()
    gone = 0
    for _ in range(15):
        done = node.command("gc", "--to", "80k", "--json")
        gone += sum(json.loads(line)["evicted"]["files"] for line in done.stdout.splitlines()
                    if '"evicted"' in line and '"over_bytes"' in line and '"result"' not in line)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and gone > 0, (wrong[:5], gone)


def test_R2_a_node_that_died_while_it_looked_at_a_file_has_it_still(story):
    archive, origin, node, packages, _ = story
    node.kill()
    name = hashlib.sha256(packages[2].read_bytes()).hexdigest()
    (node.folder / "state/blobs/evicting").mkdir(exist_ok=True)
    (node.folder / "state/blobs/sha256" / name[:2] / name).rename(node.folder / "state/blobs/evicting" / name)
    node.start()
    origin.die()
    assert node.get(pool_path(archive, packages[2])).status == 200
    assert not list((node.folder / "state/blobs/evicting").iterdir())
