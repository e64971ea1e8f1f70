# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that runs apt: setup, the program that apt asks, undo."""
import json
import os
import pwd
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from client import AptRoot
from node import PROGRAM

pytestmark = pytest.mark.smoke

DETECT = "usr/local/lib/aptward-proxy-detect"
CONF = "etc/apt/apt.conf.d/30aptward"
FOLDER = "var/lib/aptward-client"
ALIVE = b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"program":"aptward"}\n'


class Machine:
    """A private root with apt's configuration in it."""

    def __init__(self, root):
        self.root = root
        for folder in ("etc/apt/apt.conf.d", "etc/apt/sources.list.d", "usr/local/lib", "var/lib"):
            (root / folder).mkdir(parents=True)

    def file(self, path, text, mode=0o644):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def client(self, verb, *arguments):
        return subprocess.run([PROGRAM, "client", verb, "--root", self.root, *arguments],
                              capture_output=True, text=True, timeout=60)

    def setup(self, *arguments):
        done = self.client("setup", *arguments)
        assert done.returncode == 0, done.stderr
        if os.geteuid() == 0 and "--dry-run" not in arguments:
            # Setup gives the memory to the user of apt's methods; here that is the test's own.
            assert (self.root / FOLDER / "dead").stat().st_uid == pwd.getpwnam("_apt").pw_uid
            os.chown(self.root / FOLDER / "dead", 0, 0)
        return done.stdout

    def everything(self):
        return {str(path.relative_to(self.root)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode),
                                                   path.stat().st_uid)
                for path in sorted(self.root.rglob("*")) if path.is_file()}

    def detect(self, uri="http://archive.example/x"):
        """What apt would get, and after how many seconds. The script's own memory is in the root."""
        script = (self.root / DETECT).read_text()
        here = self.root / "detect"
        here.write_text(script.replace("/var/lib/aptward-client", str(self.root / FOLDER)))
        started = time.monotonic()
        done = subprocess.run(["/bin/sh", here, uri], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0 and done.stderr == ""
        here.unlink()
        return done.stdout.rstrip("\n"), time.monotonic() - started

    def forget(self):
        for file in (self.root / FOLDER / "dead").iterdir():
            file.unlink()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


class Listener:
    """Something on a port that is or is not a node: `talk` gets each client."""

    def __init__(self, talk, backlog=50):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(backlog)
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.talk, self.clients = talk, []
        if talk:
            threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        try:
            client.recv(65536)
            self.talk(client)
        except OSError:
            pass


def says(content):
    def talk(client):
        client.sendall(content)
        client.close()
    return talk


def stalls(client):
    pass  # the connection stays open, and silent


def floods(client):
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        client.sendall(b"x" * 65536)


def trickles(client):
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        client.sendall(b"x")
        threading.Event().wait(0.05)


def refusing():
    held = socket.socket()  # bound, never listening: nobody else gets the port
    held.bind(("127.0.0.1", 0))
    return held, "http://127.0.0.1:%d" % held.getsockname()[1]


def black_hole():
    """A port whose queue is full: the kernel drops further SYNs, as a black hole does."""
    listener = Listener(None, backlog=0)
    fill = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.socket.getsockname())
        fill.append(client)
    return (listener, fill), listener.url


def fastest(machine, count=3):
    """The fastest of some tries: what the script takes, not what a busy machine adds."""
    results = []
    for _ in range(count):
        machine.forget()
        results.append(machine.detect())
    assert len({answer for answer, _ in results}) == 1, results
    return min(results, key=lambda result: result[1])


@pytest.mark.parametrize("kind", ["stalled", "flooding", "trickling", "another", "refused", "black-holed",
                                  "nameless", "liar", "empty"])
@pytest.mark.alone
def test_a_dead_node_costs_less_than_a_second_and_then_nothing(machine, kind):
    keep = None
    talks = {"stalled": stalls, "flooding": floods, "trickling": trickles, "another": says(b"hello"),
             "liar": says(b'HTTP/1.1 404 Not Found\r\n\r\n{"program":"aptward"}'), "empty": says(b"")}
    if kind in talks:
        keep = Listener(talks[kind])
        url = keep.url
    else:
        keep, url = {"refused": refusing, "black-holed": black_hole,
                     "nameless": lambda: (None, "http://node.invalid:3142")}[kind]()
    machine.setup("--node", url, "--node", url.replace("127.0.0.1", "127.0.0.3"))
    answer, seconds = fastest(machine)
    assert answer == "DIRECT" and seconds < 1
    assert any((machine.root / FOLDER / "dead").iterdir())
    answer, seconds = min((machine.detect() for _ in range(3)), key=lambda result: result[1])
    assert answer == "DIRECT" and seconds < 0.3


@pytest.mark.alone
def test_the_first_node_that_answers_is_taken(machine):
    keep, hole = black_hole()
    first, second = Listener(says(ALIVE)), Listener(says(ALIVE))
    machine.setup("--node", hole, "--node", first.url, "--node", second.url)
    answer, seconds = fastest(machine)
    assert answer == first.url and seconds < 1
    answer, seconds = min((machine.detect() for _ in range(3)), key=lambda result: result[1])
    assert answer == first.url and seconds < 0.3, "the dead one is remembered"
    machine.forget()
    machine.setup("--node", second.url, "--node", first.url)
    assert fastest(machine)[0] == second.url
    assert machine.detect(second.url + "/debian/dists")[0] == "DIRECT", "a source that names the node"


def test_a_memory_that_others_could_write_is_not_believed(machine):
    node = Listener(says(ALIVE))
    machine.setup("--node", node.url)
    place = machine.root / FOLDER / "dead" / node.url[len("http://"):]
    for wrong in (str(int(time.time()) + 1000), "99", "x" * 100, ""):
        place.write_text(wrong + "\n")
        assert machine.detect()[0] == node.url
    place.write_text(f"{int(time.time())}\n")
    assert machine.detect()[0] == "DIRECT"
    elsewhere = machine.root / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    assert machine.detect()[0] == node.url
    place.unlink()
    node.socket.shutdown(socket.SHUT_RDWR)
    place.parent.chmod(0o777)
    assert machine.detect()[0] == "DIRECT" and not place.exists()


def apt_of(machine, scene, origin):
    """A private apt that has what setup wrote, at the place where it is in the test."""
    apt = AptRoot(scene.folder / "apt", f"deb [KEY] {origin.url} stable main", scene.key)
    text = (machine.root / CONF).read_text().replace(f"/{DETECT}", f"{scene.folder}/detect")
    (apt.folder / "etc/apt.conf.d/30aptward").write_text(text + 'Debug::Acquire::http "true";\n')
    script = (machine.root / DETECT).read_text()
    (scene.folder / "detect").write_text(
        script.replace("/var/lib/aptward-client", str(machine.root / FOLDER)))
    (scene.folder / "detect").chmod(0o755)
    return apt


@pytest.mark.alone
def test_a_node_that_dies_never_stops_apt(scene, machine):
    archive = scene.archive()
    origin = scene.origin(archive)
    nodes = [scene.node(archive, origin, hosts=[origin.url]) for _ in range(2)]
    machine.setup("--node", nodes[0].proxy, "--node", nodes[1].proxy)
    apt = apt_of(machine, scene, origin)

    def update(expected):
        outcome = apt.update()
        assert outcome.returncode == 0, outcome
        assert f"returned: '{expected}'" in outcome.output, outcome
        assert outcome.output.count("Using auto proxy detect command") == 1, "once for each host"
        return outcome.seconds

    update(nodes[0].proxy)
    status = machine.client("status")
    assert status.returncode == 0 and f"apt uses {nodes[0].proxy} now" in status.stdout
    facts = json.loads(machine.client("status", "--json").stdout)
    assert facts["used"] and facts["chosen"] == nodes[0].proxy and facts["stronger"] == []
    assert [node["url"] for node in facts["nodes"] if node["alive"]][:1] == [nodes[0].proxy], facts
    nodes[0].kill()
    update(nodes[1].proxy)
    nodes[1].process.send_signal(signal.SIGSTOP)  # alive for the kernel, dead for us
    try:
        with_dead_nodes = update("DIRECT")
        status = machine.client("status")
        assert status.returncode == 1 and "connection refused" in status.stdout
        assert "it does not answer" in status.stdout and "DIRECT" in status.stdout
    finally:
        nodes[1].process.send_signal(signal.SIGCONT)
    assert with_dead_nodes - update("DIRECT") < 1.0, "the second time they are remembered"
    assert apt.install("foo").returncode == 0


ONE_LINE = """\
# deb https://archive.example stable main
deb [signed-by=/k.gpg arch=amd64]  https://archive.example\tstable main # https://archive.example
deb-src https://archive.example/ stable main
deb https://private.example stable main
deb https://elsewhere.example/x stable main
deb http://archive.example stable main"""
DEB822 = """\
Types: deb
URIs: https://archive.example
# not https://archive.example
 https://archive.example/
Suites: stable
Components: main

Types: deb
Enabled: no
URIs: https://archive.example
Suites: stable
Components: main

Types: deb
URIs: mirror+file:///etc/apt/mirrors/test.list
Suites: stable
Components: main
"""


def test_https_and_mirror_sources_are_rewritten_and_come_back_byte_for_byte(scene, machine):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    machine.file("etc/apt/sources.list", ONE_LINE, 0o640)
    machine.file("etc/apt/sources.list.d/test.sources", DEB822)
    machine.file("etc/apt/sources.list.d/test.sources.bak", DEB822)
    machine.file("etc/apt/mirrors/test.list", "https://elsewhere.example/x\nhttps://archive.example priority:1\n")
    machine.file("etc/apt/auth.conf.d/private.conf", "machine https://private.example login a password b\n")
    machine.file(CONF, f'Acquire::http::Proxy "{node.proxy}";\n')
    before = machine.everything()

    dry = machine.setup("--node", node.address, "--rewrite-https", "--dry-run")
    assert machine.everything() == before
    for line in ("--- /etc/apt/sources.list\n+++ /etc/apt/sources.list\n@@ -1,6 +1,6 @@\n",
                 "-deb-src https://archive.example/ stable main\n",
                 "+deb-src http://archive.example/ stable main\n",
                 f"--- /dev/null\n+++ /{DETECT}\n@@ -0,0 +1,",
                 f'-Acquire::http::Proxy "{node.proxy}";\n',
                 "\\ No newline at end of file\n"):
        assert line in dry, dry
    applied = subprocess.run(["patch", "-p1", "--dry-run", "-d", machine.root], input=dry, text=True,
                             capture_output=True)
    assert applied.returncode == 0, applied.stdout + applied.stderr

    said = machine.setup("--node", node.address, "--rewrite-https")
    assert "sources.list:4: https://private.example stays: it needs a password" in said
    assert "sources.list:5: https://elsewhere.example/x stays: the node" in said
    one_line, deb822 = ((machine.root / "etc/apt" / name).read_text()
                        for name in ("sources.list", "sources.list.d/test.sources"))
    lines = ONE_LINE.split("\n")
    lines[1] = lines[1].replace("https", "http", 1)
    lines[2] = lines[2].replace("https", "http")
    assert one_line == "\n".join(lines)
    parts = DEB822.split("\n")
    parts[1], parts[3], parts[14] = "URIs: http://archive.example", " http://archive.example/", \
        "URIs: http://archive.example"
    assert deb822 == "\n".join(parts)
    after = machine.everything()
    assert after["etc/apt/sources.list"][1] == 0o640
    for _ in range(2):
        assert "nothing was changed" in machine.setup("--node", node.address, "--rewrite-https")
        assert machine.everything() == after

    assert machine.client("undo").returncode == 0
    assert machine.everything() == before and not (machine.root / FOLDER).exists()
    assert "nothing to undo" in machine.client("undo").stdout


def test_an_edit_since_setup_is_not_lost(scene, machine):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    source = machine.file("etc/apt/sources.list", "deb https://archive.example stable main\n")
    machine.setup("--node", node.address, "--rewrite-https")
    source.write_text("# mine\ndeb https://archive.example stable main\n")
    assert "was edited since" in machine.setup("--rewrite-https")
    undone = machine.client("undo")
    assert undone.returncode == 1 and "original-" in undone.stderr
    assert source.read_text().startswith("# mine") and not (machine.root / CONF).exists()
    source.write_text("deb https://archive.example stable main\n")
    assert machine.client("undo").returncode == 0 and not (machine.root / FOLDER).exists()


def test_nothing_is_rewritten_that_no_node_vouches_for(machine):
    held, url = refusing()
    machine.file("etc/apt/sources.list", "deb https://archive.example stable main\n")
    before = machine.everything()
    done = machine.client("setup", "--node", url, "--rewrite-https")
    assert done.returncode == 3 and "no node answers" in done.stderr
    assert machine.everything() == before


def test_other_proxy_settings_are_named_with_file_and_line(machine):
    node = Listener(says(ALIVE))
    machine.file("etc/apt/apt.conf.d/01acng", '// mine\nAcquire { http { Proxy "http://127.0.0.1:3142"; }; };\n')
    machine.file("etc/apt/apt.conf.d/90host", 'Acquire::http::Proxy::archive.example "DIRECT";\n')
    said = machine.setup("--node", node.url)
    assert '/etc/apt/apt.conf.d/01acng:2: Acquire::http::Proxy "http://127.0.0.1:3142" is no longer' in said
    assert "/etc/apt/apt.conf.d/90host:1: " in said and "still holds for that host" in said
    machine.client("undo")
    machine.file("etc/apt/apt.conf.d/auto-apt-proxy.conf",
                 'Acquire::http::Proxy-Auto-Detect "/usr/bin/auto-apt-proxy";\n')
    before = machine.everything()
    refused = machine.client("setup", "--node", node.url)
    assert refused.returncode == 1 and "auto-apt-proxy.conf:1: " in refused.stderr
    assert "apt-get remove auto-apt-proxy" in refused.stderr and machine.everything() == before


def test_wrong_nodes_are_refused_and_change_nothing(machine):
    for wrong in ("", "https://node.example:3142", "http://node.example:0", "http://a'b:3142", "a b",
                  "http://node.example:3142/debian", "http://[::1", "http://user@node.example", "$(x)"):
        done = machine.client("setup", "--node", wrong)
        assert done.returncode == 2 and "write \"http://node.example:3142\"" in done.stderr, wrong
    assert machine.everything() == {}
    status = machine.client("status")
    assert status.returncode == 1 and "not set up" in status.stderr


def test_setup_under_a_strict_umask_leaves_files_that_apt_can_read(machine):
    node = Listener(says(ALIVE))
    old = os.umask(0o077)
    try:
        machine.setup("--node", node.url)
    finally:
        os.umask(old)
    assert stat.S_IMODE((machine.root / DETECT).stat().st_mode) == 0o755
    assert stat.S_IMODE((machine.root / CONF).stat().st_mode) == 0o644
    assert stat.S_IMODE((machine.root / FOLDER).stat().st_mode) == 0o755
