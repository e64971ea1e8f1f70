# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped alerts and the dashboard against the metrics of a real node."""
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

from archive import Key
from node import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "share/prometheus/aptward.rules.yml"
DASHBOARD = ROOT / "share/grafana/aptward.json"

smoke = pytest.mark.smoke


def promtool():
    found = os.environ.get("APTWARD_PROMTOOL") or shutil.which("promtool") or \
        shutil.which("promtool", path=ROOT / "build/promtool/usr/bin")
    if not found:
        pytest.skip("promtool is not there: `./dev promtool` unpacks it from Debian's prometheus")
    return found


@pytest.mark.parametrize("arguments", [("check", "rules", str(RULES)),
                                       ("test", "rules", str(ROOT / "tests/alerts/aptward_test.yml"))])
def test_the_alert_rules_are_sound_and_fire_as_they_say(arguments):
    done = subprocess.run([promtool(), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def named_metrics():
    texts = [RULES.read_text()] + [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"]
                                   for target in panel["targets"]]
    return {name for text in texts for name in re.findall(r"\baptward_\w+", text)}


def exported(node):
    """Name -> {labels -> value}."""
    found = {}
    for name, labels, value in re.findall(r"^(\w+)(\{.*\})? (\S+)$", node.admin("/metrics"), re.M):
        found.setdefault(name, {})[labels] = float(value)
    return found


def only(metrics, name, *labels):
    (value,) = [value for key, value in metrics.get(name, {}).items()
                if all(label in key for label in labels)]
    return value


@pytest.fixture
def ending_key(scene, tmp_path):
    """A vendor's key that ends in 20 days, and when."""
    key = Key(tmp_path / "ending", "ending")
    fingerprint = re.search(rb"fpr:+([0-9A-F]{40})", key.gpg("--list-keys", "--with-colons"))[1].decode()
    key.gpg("--quick-set-expire", fingerprint, "20d")
    key.keyring.write_bytes(key.gpg("--export"))
    ends = int(key.gpg("--list-keys", "--with-colons").decode().split("pub:")[1].split(":")[5])
    assert 19 * 86400 < ends - time.time() < 21 * 86400
    return key, fingerprint, ends


@smoke
def test_every_metric_of_the_rules_and_the_dashboard_is_exported(scene, ending_key):
    scene.key, fingerprint, ends = ending_key
    archive = scene.archive()
    valid = (archive.when + datetime.timedelta(days=7)).strftime("%a, %d %b %Y %H:%M:%S UTC")
    archive.publish(**{"Valid-Until": valid})
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode == 0
    archive.publish(Suite="sid", Codename="sid")  # one refusal, so that its counter is there
    scene.apt(node).update()
    metrics = exported(node)
    missing = named_metrics() - set(metrics)
    assert not missing
    assert only(metrics, "aptward_key_expiry_seconds", f'key="{fingerprint}"') == ends
    assert only(metrics, "aptward_refused_releases_total", 'code="release.wrong-suite"') >= 1
    assert only(metrics, "aptward_release_refused", 'suite="stable"') == 1
    space = os.statvfs(node.folder)
    assert only(metrics, "aptward_state_size_bytes") == space.f_blocks * space.f_frsize
    assert 0 < only(metrics, "aptward_state_free_bytes") < space.f_blocks * space.f_frsize


@smoke
def test_the_newest_seen_shows_a_suite_that_is_behind(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    until("the index is read", lambda: node.suite()["pool_files"])
    served = only(exported(node), "aptward_release_date_seconds")
    assert only(exported(node), "aptward_release_newest_seen_seconds") == served
    archive.add("foo", version="2")
    archive.publish(later=3600)
    origin.fault = lambda path: ("status", 503) if "by-hash" in path or "Packages" in path else None
    apt.update()
    until("held", lambda: node.suite()["held"])
    metrics = exported(node)
    assert only(metrics, "aptward_release_date_seconds") == served
    assert only(metrics, "aptward_release_newest_seen_seconds") == served + 3600
    assert only(metrics, "aptward_release_held") == 1
    # A date that nobody believed raises no alarm.
    origin.heal()
    archive.publish(date=datetime.datetime(2037, 1, 1))
    apt.update()
    assert only(exported(node), "aptward_release_newest_seen_seconds") == served + 3600
