# SPDX-License-Identifier: GPL-3.0-or-later
"""A node beside a real apt-cacher-ng, as docs/client.md says how to go over and back.

apt-cacher-ng comes from the archive that this machine's apt is configured for, and is unpacked below
build/peers, not installed; nothing else is asked of that archive. Skipped, and says why, without it."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "apt"), str(TESTS / "bench")]
from archive import Archive, Key  # noqa: E402
from client import AptRoot  # noqa: E402
from node import PROGRAM, Node  # noqa: E402
from origin import Origin  # noqa: E402
from peers import CacherNg, low_port, unpack  # noqa: E402

DETECT, MEMORY = "usr/local/lib/aptward-proxy-detect", "var/lib/aptward-client"
RELEASE = "dists/stable/InRelease"


class LowOrigin(Origin):
    """apt-cacher-ng cannot use ports above 32767."""

    def listen(self, port=0):
        super().listen(port or low_port(self.address))


class ImportedNode(Node):
    def __init__(self, folder, text):
        self.folder, self.prefix, self.environment = folder, [], {}
        folder.mkdir()
        self.config = folder / "aptward.toml"
        self.config.write_text(f'state = "{folder}/state"\nadmin = "unix:{folder}/admin"\n{text}')
        self.start()


class Machine:
    """A client in a root of its own, whose administrator named apt-cacher-ng as the proxy."""

    def __init__(self, folder, key, proxy):
        self.root = folder / "machine"
        for part in ("etc/apt/apt.conf.d", "etc/apt/sources.list.d", "usr/local/lib", "var/lib"):
            (self.root / part).mkdir(parents=True)
        (self.root / "etc/apt/apt.conf.d/01acng").write_text(f'Acquire::http::Proxy "{proxy}";\n')
        self.apt = AptRoot(folder / "apt", "deb [KEY] http://archive.example stable main", key,
                           more='#clear Acquire::http::Proxy;\nDebug::Acquire::http "true";\n')

    def client(self, *arguments):
        done = subprocess.run([PROGRAM, "client", arguments[0], "--root", self.root, *arguments[1:]],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        if os.geteuid() == 0 and (self.root / MEMORY / "dead").exists():
            os.chown(self.root / MEMORY / "dead", 0, 0)  # the test's apt runs as the test does
        return done.stdout

    def use(self):
        """apt with the machine's configuration: a new client's update and download; what it was told."""
        self.apt.clean()
        parts = self.apt.folder / "etc/apt.conf.d"
        for file in parts.iterdir():
            file.unlink()
        script = self.apt.folder / "detect"
        for file in (self.root / "etc/apt/apt.conf.d").iterdir():
            (parts / file.name).write_text(file.read_text().replace(f"/{DETECT}", str(script)))
        if (self.root / DETECT).exists():
            script.write_text((self.root / DETECT).read_text().replace(f"/{MEMORY}", str(self.root / MEMORY)))
            script.chmod(0o755)
        said = ""
        for outcome in (self.apt.update(), self.apt.download("foo")):
            assert outcome.returncode == 0, outcome
            said += outcome.output
        return said


def everything(folder):
    return {str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else None)
            for path in sorted(folder.rglob("*")) if not path.is_socket()}


def tunnelled(proxy, url):
    return subprocess.run(["curl", "-sS", "--max-time", "20", "--noproxy", "", "--proxytunnel", "-x", proxy, url],
                          capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def tools():
    try:
        return unpack("apt-cacher-ng")[0]
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"skipped: apt-cacher-ng is not to be had from this machine's apt sources ({error})")


@pytest.fixture
def beside(tmp_path, tools):
    key = Key(tmp_path / "vendor", "vendor")
    archive = Archive(tmp_path / "archive", key)
    archive.add("foo")
    archive.publish()
    origin = LowOrigin(archive.root, "127.0.0.2")
    private = LowOrigin(archive.root, "127.0.0.3")
    acng = CacherNg(
        tmp_path / "acng", tools, rules=["Remap-test: archive.example ; file:backends_test",
                                         f"PassThroughPattern: ^127\\.0\\.0\\.3:{private.port}$"],
        lists={"backends_test": f"{origin.url}/\n"})
    yield tmp_path, key, archive, origin, private, acng
    acng.stop()
    origin.close()
    private.close()


def imported(acng_folder, tools, key):
    """What is printed, and the same as its administrator completes it: with the vendor's keys."""
    (library,) = tools.rglob("libsupacng.so")
    done = subprocess.run([PROGRAM, "import", "apt-cacher-ng", acng_folder / "conf", "--support", library.parent],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    block = re.search(r"(?m)^# \[\[archive\]\]\n(?:# .+\n)+", done.stdout)
    complete = done.stdout.replace(block[0], re.sub("(?m)^# ", "", block[0])).replace(
        "/usr/share/keyrings/KEYRING.gpg", str(key.keyring))
    return done.stdout, complete


def test_going_over_from_a_running_apt_cacher_ng_and_back(beside, tools):
    folder, key, archive, origin, private, acng = beside
    machine = Machine(folder, key, acng.url)
    release = (archive.suite_folder / "InRelease").read_bytes()
    assert "Apt-Cacher NG" in machine.use()
    assert tunnelled(acng.url, f"{private.url}/{RELEASE}") == release
    conf, client = everything(folder / "acng/conf"), everything(machine.root)
    held = everything(folder / "acng/cache")

    # Its port is its own: a node that is told to take it says who has it, and what to do.
    taken = subprocess.run(
        [PROGRAM, "serve", "--state", folder / "taken", "--admin", f"unix:{folder}/taken.admin",
         "--listen", f"127.0.0.1:{acng.port}"], capture_output=True, text=True, timeout=60)
    assert taken.returncode == 2
    assert f"in use by apt-cacher-ng (process {acng.pid})" in taken.stderr, taken.stderr
    assert len(taken.stderr.splitlines()) == 1 and "aptward import apt-cacher-ng" in taken.stderr

    text, complete = imported(folder / "acng", tools, key)
    assert f'listen = ["127.0.0.1:{acng.port + 1}"]' in text
    node = ImportedNode(folder / "node", complete.replace(f"127.0.0.1:{acng.port + 1}", "127.0.0.1:0"))
    try:
        machine.client("setup", "--node", node.proxy)
        origin.requests.clear()
        said = machine.use()
        assert "Apt-Cacher NG" not in said and f"returned: '{node.proxy}'" in said, said
        assert any(path.endswith("InRelease") for path, _ in origin.requests), "its backend is the node's source"
        assert node.suite()["generation"]
        assert tunnelled(node.proxy, f"{private.url}/{RELEASE}") == release
        # They share nothing, and whoever still uses the other one may go on.
        assert everything(folder / "acng/conf") == conf and everything(folder / "acng/cache") == held
        direct = AptRoot(folder / "other", "deb [KEY] http://archive.example stable main", key, acng.url)
        assert direct.update().returncode == 0 and direct.download("foo").returncode == 0
        machine.client("undo")
        assert everything(machine.root) == client
        node.stop()
    finally:
        node.process.poll() is None and node.kill()
    assert everything(folder / "acng/conf") == conf
    assert acng.process.poll() is None and "Apt-Cacher NG" in machine.use()
