# SPDX-License-Identifier: GPL-3.0-or-later
"""A node where apt-cacher-ng is or was."""
import gzip
import json
import os
import pathlib
import subprocess

import pytest

from node import PROGRAM

pytestmark = pytest.mark.smoke

CONF = """\
# as apt-cacher-ng writes it
CacheDir: /var/cache/apt-cacher-ng
Remap-debrep: file:deb_mirror*.gz /debian ; file:backends_debian # Debian
Remap-uburep: file:ubuntu_mirrors /ubuntu ; file:backends_ubuntu
Remap-fedora: file:fedora_mirrors
Remap-ppa: ppa.example/one ; http://ppa.example/one ;
   keyfile=Release
Port: 3142
ExThreshold: 4
PassThroughPattern: ^private\\.example:8443$
PassThroughPattern: .*
"""


@pytest.fixture
def acng(tmp_path):
    conf, support = tmp_path / "etc", tmp_path / "lib"
    conf.mkdir(), support.mkdir()
    (conf / "acng.conf").write_text(CONF)
    (conf / "security.conf").write_text("AdminAuth: admin:secret\n")
    (conf / "backends_ubuntu.default").write_text("http://archive.ubuntu.com/ubuntu/\n")
    (support / "deb_mirrors.gz").write_bytes(gzip.compress(b"http://deb.debian.org/debian/\n"))
    (support / "ubuntu_mirrors").write_text("http://de.archive.ubuntu.com/ubuntu/\n")
    return conf, support


def imported(acng, *arguments):
    done = subprocess.run([PROGRAM, "import", "apt-cacher-ng", acng[0], "--support", acng[1], *arguments],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "secret" not in done.stdout, done.stderr
    return done.stdout


def test_the_rules_of_apt_cacher_ng_become_a_configuration(acng, tmp_path):
    text = imported(acng)
    for line in ('listen = ["0.0.0.0:3143"]', 'connect-hosts = ["private.example:8443"]',
                 "# PassThroughPattern: .*: only whole names", "# Remap-ppa: keyfile=Release has no",
                 "# Remap-fedora: file:fedora_mirrors is not there", "# ExThreshold: 4: "):
        assert line in text, text
    facts = {archive["id"]: archive for archive in json.loads(imported(acng, "--json"))["archives"]}
    assert facts["debian"]["hosts"] == ["deb.debian.org/debian"]
    assert facts["ubuntu"]["upstreams"] == ["http://archive.ubuntu.com/ubuntu"]
    assert facts["ubuntu"]["hosts"] == ["de.archive.ubuntu.com/ubuntu"]
    file = tmp_path / "aptward.toml"
    file.write_text(text)
    check = subprocess.run([PROGRAM, "config", "check", "--config", file], capture_output=True, text=True)
    assert check.returncode == 0 or "apt sources" in check.stderr, check.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = subprocess.run([PROGRAM, "import", "apt-cacher-ng", empty], capture_output=True, text=True)
    assert nothing.returncode == 2 and "no *.conf" in nothing.stderr


def test_what_the_installed_apt_cacher_ng_says_is_accepted_as_it_is(tmp_path):
    folder = pathlib.Path(os.environ.get("ACNG_CONF", "/etc/apt-cacher-ng"))
    support = pathlib.Path(os.environ.get("ACNG_LIB", "/usr/lib/apt-cacher-ng"))
    if not (folder / "acng.conf").exists():
        pytest.skip("apt-cacher-ng is not installed")
    file = tmp_path / "aptward.toml"
    file.write_text(imported((folder, support)))
    check = subprocess.run([PROGRAM, "config", "check", "--config", file], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr
    ids = {archive["id"] for archive in json.loads(imported((folder, support), "--json"))["archives"]}
    assert {"debian", "ubuntu", "debian-security"} <= ids


LISTEN = """
import socket, sys
open("/proc/self/comm", "w").write("apt-cacher-ng")
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_a_port_in_use_is_said_with_who_holds_it_and_what_to_do(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    with subprocess.Popen(["/usr/bin/python3", "-c", LISTEN], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as other:
        port = other.stdout.readline().strip()
        second = subprocess.run(
            [PROGRAM, "serve", "--config", node.config, "--state", scene.folder / "second",
             "--admin", f"unix:{scene.folder}/second.admin", "--listen", f"127.0.0.1:{port}"],
            capture_output=True, text=True, timeout=60)
        other.stdin.close()
    assert second.returncode == 2
    assert f"in use by apt-cacher-ng (process {other.pid})" in second.stderr, second.stderr
    assert 'listen = ["127.0.0.1:3143"]' in second.stderr
    assert "aptward import apt-cacher-ng" in second.stderr
