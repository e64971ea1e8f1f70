# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxy requests for hosts that no archive claims."""
import re

import pytest

from client import AptRoot
from node import until

pytestmark = pytest.mark.smoke


def unclaimed(scene, setting):
    archive = scene.archive()
    claimed = scene.origin(archive, "127.0.0.2")
    stranger = scene.origin(archive, "127.0.0.3")
    node = scene.node(archive, claimed)
    node.stop()
    node.config.write_text(f'unknown-hosts = "{setting}"\nconnect-hosts = ["127.0.0.3:{stranger.port}"]\n'
                           + node.config.read_text())
    node.start()
    client = AptRoot(scene.folder / "apt-unclaimed", f"deb [KEY] {stranger.url}/ stable main",
                     archive.key, node.proxy)
    return archive, stranger, node, client


def test_unknown_hosts_are_refused_with_the_stanza_and_counted(scene):
    archive, stranger, node, client = unclaimed(scene, "refuse")
    assert client.update().returncode != 0 and not stranger.requests
    suggested = node.command("config", "suggest")
    assert suggested.returncode == 0 and stranger.url in suggested.stdout, suggested
    assert "asked for by 1 clients" in suggested.stdout


@pytest.mark.parametrize("setting", ["pass", "observe-setup"])
def test_passed_hosts_reach_the_client_unproven_and_are_not_kept(scene, setting):
    archive, stranger, node, client = unclaimed(scene, setting)
    assert client.update().returncode == 0
    got = client.download("foo")
    assert got.returncode == 0, got
    answer = node.raw(f"GET {stranger.url}/pool/foo_1_all.deb HTTP/1.1\r\nHost: x\r\n"
                      "Connection: close\r\n\r\n".encode())
    assert b"Aptward-Proof: none" in answer and answer.endswith((archive.root / "pool/foo_1_all.deb").read_bytes())
    assert not [file for file in (node.folder / "state/blobs").rglob("*") if file.is_file()]
    assert stranger.url in node.command("config", "suggest").stdout
    node.stop()
    node.start()
    assert stranger.url in node.command("config", "suggest").stdout, "counts survive a restart"


def test_A19_passing_reaches_no_private_address_and_no_other_port(scene):
    archive, stranger, node, client = unclaimed(scene, "pass")
    other = scene.origin(archive, "127.0.0.4")
    for url, code in ((other.url, b"host.port"), ("http://127.0.0.1", b"503")):
        answer = node.raw(f"GET {url}/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert code in answer, answer
    assert not other.requests


def test_the_week_of_observing_ends_by_itself(scene):
    archive, stranger, node, client = unclaimed(scene, "observe-setup")
    assert client.update().returncode == 0
    node.stop()
    import sqlite3
    state = sqlite3.connect(node.folder / "state/aptward.db")
    (since,) = state.execute("SELECT value FROM facts WHERE key = 'observe-setup.since'").fetchone()
    state.execute("UPDATE facts SET value = ? WHERE key = 'observe-setup.since'", (str(int(since) - 8 * 86400),))
    state.commit()
    state.close()
    node.start()
    answer = node.raw(f"GET {stranger.url}/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert b" 403 " in answer.splitlines()[0] and b"week of observe-setup is over" in answer
