# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle that is applied on a machine that has no node."""
import os
import pathlib
import subprocess

import pytest

from client import AptRoot
from node import PROGRAM
from test_bundle import make_bundle, stock, truncated

pytestmark = pytest.mark.smoke


def apply(scene, archive, file, *command, client):
    origin = scene.origin(archive)
    origin.die()
    config = scene.folder / "apply.toml"
    config.write_text(f'[[archive]]\nid = "test"\nkeyrings = ["{archive.key.keyring}"]\n'
                      f'upstreams = ["{origin.url}"]\nhosts = ["archive.example"]\n')
    rest = scene.folder / "rest"
    rest.mkdir(exist_ok=True)
    done = subprocess.run(
        [PROGRAM, "bundle", "apply", "--config", config, file, "--", *command], capture_output=True, text=True,
        timeout=100, env={**os.environ, "APT_CONFIG": str(client.folder / "apt.conf"), "TMPDIR": str(rest)})
    assert list(rest.iterdir()) == []
    return done


def test_a_machine_without_a_node_installs_from_a_bundle(scene):
    archive, node = stock(scene)
    file = make_bundle(scene, node, "--packages", "pear")
    # Its own configuration names no proxy, and another program would be asked for one.
    client = AptRoot(scene.folder / "machine", "deb [KEY] http://archive.example stable main", scene.key,
                     more='Acquire::http::Proxy-Auto-Detect "/bin/false";\n')
    install = ("apt-get", "install", "-q", "-y", "--download-only", "pear")
    done = apply(scene, archive, file, *install, client=client)
    assert done.returncode == 0, done.stdout + done.stderr
    debs = sorted(path.name for path in (client.folder / "cache/archives").glob("*.deb"))
    assert debs == ["apple_1_all.deb", "pear_1_all.deb", "tree_1_all.deb"]
    assert apply(scene, archive, file, "sh", "-c", "exit 7", client=client).returncode == 7
    assert apply(scene, archive, file, "nonsense", client=client).returncode == 3
    truncated(file, None)
    refused = apply(scene, archive, file, "touch", scene.folder / "was-run", client=client)
    assert refused.returncode == 1 and "is no whole bundle" in refused.stderr
    assert not (scene.folder / "was-run").exists()


@pytest.fixture
def alone(scene):
    """Applies a bundle on a machine without any configuration, whose sources are such lines; all are dead."""
    if pathlib.Path("/etc/aptward/aptward.toml").exists():
        pytest.skip("this machine has a configuration")
    rest = scene.folder / "rest"
    rest.mkdir()

    def run(file, *lines, key=scene.key):
        client = AptRoot(scene.folder / f"machine{next(scene.numbers)}", "\n".join(lines), key,
                         more='Acquire::http::Proxy-Auto-Detect "/bin/false";\n')
        done = subprocess.run(
            [PROGRAM, "bundle", "apply", file, "--", "apt-get", "install", "-q", "-y", "--download-only", "pear"],
            capture_output=True, text=True, timeout=100,
            env={**os.environ, "APT_CONFIG": str(client.folder / "apt.conf"), "TMPDIR": str(rest)})
        return done, sorted(path.name for path in (client.folder / "cache/archives").glob("*.deb"))
    return run


@pytest.fixture
def dead_host(scene):
    def make(address):
        origin = scene.origin(scene.folder, address)
        origin.die()
        return origin.url
    return make


def test_without_a_configuration_keys_and_suites_say_which_archive_is_meant(scene, alone, dead_host, other_key):
    archive, node = stock(scene)
    file = make_bundle(scene, node, "--packages", "pear")
    here, elsewhere = dead_host("127.0.0.8"), dead_host("127.0.0.9")
    # The node called it "test".
    done, debs = alone(file, f"deb [KEY] {here} stable main", f"deb [signed-by={other_key.keyring}] {elsewhere} stable main")
    assert debs == ["apple_1_all.deb", "pear_1_all.deb", "tree_1_all.deb"], done.stdout + done.stderr
    done, debs = alone(file, f"deb [KEY] {here} testing main")
    assert done.returncode in (1, 2) and debs == []
    assert "for another archive: test stable; this machine has 127.0.0.8" in done.stderr, done.stderr
    # Nothing weaker: these keys have not signed it.
    done, debs = alone(file, f"deb [KEY] {here} stable main", key=other_key)
    assert done.returncode == 1 and debs == [] and "release.unknown-key" in done.stdout, done


def test_of_two_sources_that_may_be_meant_none_is_guessed(scene, alone, dead_host):
    archive, node = stock(scene)
    file = make_bundle(scene, node, "--packages", "pear")
    first, second = (f"deb [KEY] {dead_host(address)} stable" for address in ("127.0.0.8", "127.0.0.9"))
    done, debs = alone(file, first + " main", second + " main")
    assert done.returncode == 1 and "may be of 127.0.0.8" in done.stderr and debs == [], done
    done, debs = alone(file, first + " contrib", second + " main")
    assert debs == ["apple_1_all.deb", "pear_1_all.deb", "tree_1_all.deb"], done.stdout + done.stderr
