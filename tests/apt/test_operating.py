# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sysadmin sees and does."""
import json
import os
import signal
import socket
import subprocess

import pytest

from archive import Key
from node import PROGRAM, until

pytestmark = pytest.mark.smoke


def test_status_doctor_and_events_say_what_is(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode == 0
    table = node.command("status")
    assert table.returncode == 0 and "stable" in table.stdout and "\033[" not in table.stdout
    assert json.loads(node.command("status", "--json").stdout)["archives"][0]["id"] == "test"
    fine = node.command("doctor")
    assert fine.returncode == 0 and "1 of 1 suites served" in fine.stdout, fine.stdout
    origin.die()
    scene.apt(node).update()
    sick = until("a finding", lambda: (found := node.command("doctor")).returncode == 1 and found)
    assert "refused" in sick.stdout and "what is held" in sick.stdout
    assert "release.published" in node.command("events").stdout
    node.stop()
    assert node.command("doctor").returncode == 3


def test_V28_an_approval_lets_a_refused_release_in(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    archive.publish(Origin="Renamed")
    apt.update()
    events = json.loads(node.command("events", "--json").stdout)
    (refused,) = {event["evidence"] for event in events if event["code"] == "release.identity-changed"}
    done = node.command("approve", "test", "stable", refused)
    assert done.returncode == 0, done.stderr
    apt.update()
    until("the approved release", lambda: node.suite()["generation"] == refused)


def test_mistakes_in_the_configuration_are_named_all_at_once(scene):
    file = scene.folder / "wrong.toml"
    file.write_text('listen = "x"\nstate = "relative"\nfreshnes = 1\n[[archive]]\nid = "A B"\n'
                    'keyrings = ["/none.gpg"]\nupstreams = ["ftp://x"]\nverify = "maybe"\n')
    check = subprocess.run([PROGRAM, "config", "check", "--config", file], capture_output=True, text=True)
    assert check.returncode == 2
    for word in (":1: listen", ":2: state", ":3: freshnes", ":5: archive.id", "archive.keyrings",
                 "archive.upstreams", "accepted are: enforce, observe, unverified"):
        assert word in check.stderr, (word, check.stderr)
    file.write_text("state = \n")
    broken = subprocess.run([PROGRAM, "config", "check", "--config", file], capture_output=True, text=True)
    assert broken.returncode == 2 and f"{file}:1" in broken.stderr


@pytest.mark.parametrize("folder", ["/proc/none/state", "/proc", "{folder}/file/state"])
def test_a_state_folder_that_cannot_be_written_is_told_with_what_to_do(scene, folder):
    (scene.folder / "file").write_text("no folder")
    state = folder.format(folder=scene.folder)
    started = subprocess.run([PROGRAM, "serve", "--state", state], capture_output=True, text=True, timeout=60)
    assert started.returncode == 2 and len(started.stderr.splitlines()) == 1, started.stderr
    assert state in started.stderr and "--state" in started.stderr, started.stderr


def test_a_reload_is_taken_whole_or_refused_whole(scene, other_key):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    good = node.config.read_text()
    node.config.write_text(good.replace(str(archive.key.keyring), str(other_key.keyring)))
    node.process.send_signal(signal.SIGHUP)
    until("refused", lambda: "config.refused" in node.log_text())
    assert scene.apt(node).update().returncode == 0
    node.config.write_text(good + 'threshold = 1\n')
    node.process.send_signal(signal.SIGHUP)
    until("taken", lambda: "config.reloaded" in node.log_text())
    assert scene.apt(node).update().returncode == 0
    node.stop()


def test_the_admin_port_is_written_to_by_root_and_the_node_only(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    from node import UnixConnection
    connection = UnixConnection(f"{node.folder}/admin")
    connection.request("POST", "/api/v1/nothing", body="{}")
    assert connection.getresponse().status == 404
    assert node.admin("/readyz") == "ready\n"


def test_V16_a_new_key_is_proposed_and_counts_after_one_command(scene, other_key):
    archive = scene.archive()
    keyring = scene.folder / "keyring.gpg"
    keyring.write_bytes(archive.key.keyring.read_bytes())
    node = scene.node(archive, scene.origin(archive), keyrings=[str(keyring)])
    apt = scene.apt(node)
    assert apt.update().returncode == 0
    # The vendor announces a key, and a package upgrade puts it into the keyring file.
    keyring.write_bytes(archive.key.keyring.read_bytes() + other_key.keyring.read_bytes())
    until("proposed", lambda: "keys.proposed" in node.event_codes())
    listed = node.command("keys")
    assert listed.returncode == 0 and "PROPOSED" in listed.stdout and "stranger@" in listed.stdout
    assert node.command("doctor").returncode == 1
    # Alone, the new key is worth nothing, also after a restart.
    archive.key, vendor = other_key, archive.key
    archive.publish()
    before = node.suite()["generation"]
    scene.apt(node).update()
    until("refused", lambda: "release.unapproved-key" in node.event_codes())
    node.kill()
    node.start()
    scene.apt(node).update()
    assert node.suite()["generation"] == before
    assert node.command("keys", "approve", "test", "0" * 40).returncode == 1
    done = node.command("keys", "approve", "test")
    assert done.returncode == 0, done.stderr
    until("accepted", lambda: scene.apt(node).update() and node.suite()["generation"] != before)
    # Back under the old key alone: both count now.
    archive.key = vendor
    archive.publish()
    latest = node.suite()["generation"]
    until("accepted", lambda: scene.apt(node).update() and node.suite()["generation"] != latest)


def test_V17_a_threshold_above_the_signers_seen_is_refused(scene, other_key):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert scene.apt(node).update().returncode == 0
    node.stop()
    both = scene.folder / "both.gpg"
    both.write_bytes(archive.key.keyring.read_bytes() + other_key.keyring.read_bytes())
    good = node.config.read_text()
    node.config.write_text(good.replace(str(archive.key.keyring), str(both)) + "threshold = 2\n")
    refused = subprocess.run([PROGRAM, "serve", "--config", node.config], capture_output=True, text=True)
    assert refused.returncode == 2 and "above the 1 keys that signed" in refused.stderr, refused.stderr
    node.config.write_text(good + "threshold = 2\n")
    impossible = node.command("config", "check")
    assert impossible.returncode == 2 and "only 1 are configured" in impossible.stderr
    node.config.write_text(good)
    node.start()
    assert scene.apt(node).update().returncode == 0


def test_a_reload_that_is_refused_starts_no_archive(scene, other_key):
    archive = scene.archive()
    both = json.dumps([str(archive.key.keyring), str(other_key.keyring)])
    other = scene.origin(archive, "127.0.0.3")
    tail = f'[[archive]]\nid = "b"\nkeyrings = {both}\nupstreams = ["{other.url}"]\n'
    node = scene.node(archive, scene.origin(archive), tail=tail)
    assert node.get("/b/dists/stable/InRelease").status == 200
    text = node.config.read_text()
    node.config.write_text(text.replace(tail, ""))
    node.process.send_signal(signal.SIGHUP)
    until("b is gone", lambda: len(node.status()["archives"]) == 1)
    # "test" would have a key to propose, and "b" cannot be: nothing of either may begin.
    node.config.write_text(text.replace(f'keyrings = ["{archive.key.keyring}"]', f"keyrings = {both}", 1)
                           + "threshold = 2\n")
    node.process.send_signal(signal.SIGHUP)
    until("refused", lambda: "above the 1 keys that signed" in node.log_text())
    assert "keys.proposed" not in node.event_codes()


def test_a_key_whose_user_id_is_no_utf8_is_shown_all_the_same(scene, tmp_path):
    archive = scene.archive()
    latin = Key(tmp_path / "latin", "latin")
    keyring = scene.folder / "keyring.gpg"
    keyring.write_bytes(archive.key.keyring.read_bytes())
    node = scene.node(archive, scene.origin(archive), keyrings=[str(keyring)])
    assert node.get("/test/dists/stable/InRelease").status == 200
    keyring.write_bytes(archive.key.keyring.read_bytes()
                        + latin.keyring.read_bytes().replace(b"latin@", b"l\xe4tin@"))
    until("proposed", lambda: node.status()["archives"][0]["proposed_keys"])
    for command in ("status", "keys"):
        assert node.command(command).returncode == 0


def run(*arguments, **environment):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


def test_a_scrub_of_no_state_says_so_and_makes_none(scene):
    file = scene.folder / "none.toml"
    state = scene.folder / "nothing"
    file.write_text(f'state = "{state}"\nadmin = "unix:{scene.folder}/none"\n[[archive]]\nid = "a"\n'
                    'verify = "unverified"\nupstreams = ["http://x.example/"]\n')
    done = run("scrub", "--config", file)
    assert done.returncode == 3 and f"no state at {state}" in done.stderr, done.stderr
    assert not state.exists()


def test_every_command_finds_a_node_by_its_address_alone(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    assert node.get("/test/dists/stable/InRelease").status == 200
    admin, state = f"unix:{node.folder}/admin", str(node.folder / "state")
    deb = str(next(archive.root.rglob("foo*.deb")))
    for words in (["status"], ["doctor"], ["events"], ["keys"], ["jobs"], ["config", "suggest"],
                  ["scrub"]):
        options = ["--state", state] if words[0] in ("doctor", "scrub") else []
        done = run(*words, "--admin", admin, *options)
        assert done.returncode in (0, 1) and "no node" not in done.stderr, (words, done)
        by_environment = run(*words, APTWARD_ADMIN=admin, APTWARD_STATE=state)
        assert by_environment.returncode == done.returncode, (words, by_environment)
    until("recorded", lambda: run("deliveries", "--state", state, "--admin", admin).returncode == 0)
    assert run("keys", "approve", "test", "--admin", admin).returncode == 1
    assert "1 archives" not in run("verify", deb, "--admin", admin, "--state", state).stderr


def test_an_archive_under_observe_never_looks_proven_when_it_is_not(scene, other_key):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), verify="observe", keyrings=[str(other_key.keyring)])
    assert node.get("/test/dists/stable/InRelease").status == 200
    (row,) = [line for line in node.command("status").stdout.splitlines() if "test" in line and "stable" in line]
    assert "NOT PROVEN (observe): release." in row and "release.unverified" not in row, row


def test_a_refused_release_is_no_dead_source(scene, other_key):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), keyrings=[str(other_key.keyring)])
    assert node.get("/test/dists/stable/InRelease").status == 503
    doctor = node.command("doctor")
    assert doctor.returncode == 1 and "add an upstream" not in doctor.stdout, doctor.stdout
    assert "what it shows is refused" in doctor.stdout and "is down" not in doctor.stdout


@pytest.mark.parametrize("options, words", [
    (["frobnicate"], ['no command "frobnicate"; there are: completion, serve, status', "keys"]),
    (["keys", "frobnicate"], ["frobnicate"]),
    (["client", "frobnicate"], ['no command "frobnicate"', "setup"]),
    (["serve", "--listen", "192.0.2.1:3142"], ["no interface of this machine", "0.0.0.0:PORT"]),
    (["serve", "--listen", "127.0.0.1:0", "--admin", "unix:/etc/passwd"], ["/etc/passwd", "no socket", "unix:/run"]),
    (["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:{taken}"], ["is in use by", "admin = "]),
    (["serve", "--listen", "127.0.0.1:{taken}"], ["is in use by", "listen = "]),
])
def test_what_is_wrong_is_said_with_what_to_do(scene, options, words):
    archive = scene.archive()
    file = scene.folder / "aptward.toml"
    file.write_text(f'[[archive]]\nid = "a"\nkeyrings = ["{archive.key.keyring}"]\n'
                    'upstreams = ["http://127.0.0.2:1/"]\n')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = [option.format(taken=taken.getsockname()[1]) for option in options]
        if options[0] == "serve":
            options += ["--config", file, "--state", scene.folder / "state"]
            if "--admin" not in options:
                options += ["--admin", f"unix:{scene.folder}/admin"]
        done = run(*options)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr, (word, done.stderr)


def test_what_was_learned_of_a_source_survives_a_restart(scene, other_key):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), keyrings=[str(other_key.keyring)])
    assert node.get("/test/dists/stable/InRelease").status == 503

    def source():
        return node.status()["archives"][0]["sources"][0]

    before = until("a liar", lambda: (found := source())["health"] == "down" and found)
    node.stop()
    node.start()
    after = source()
    assert after["health"] == "down" and after["last_fault"] == before["last_fault"], after
    assert abs(after["last_fault_at"] - before["last_fault_at"]) <= 1
