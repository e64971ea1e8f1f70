# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of the package on one machine: installed, used as its unit runs it, removed, purged.
Run by in_throw_away_root, as root, where nothing outlives it: with --booted under a systemd that
runs the unit, else without any, with the unit's restrictions made by sandbox.py.
"""
import contextlib
import http.client
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "apt"))
import sandbox
from archive import Archive, Key
from client import AptRoot
from origin import Origin

CONFIG = pathlib.Path("/etc/aptward/aptward.toml")
STATE = pathlib.Path("/var/lib/aptward")
NOTIFY = "/run/notify"
MOST_EXPOSURE = "20"  # Tenths: systemd calls under 2.0 "OK".


def run(*command, status=0, **options):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120, **options)
    assert done.returncode == status, f"{command}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


def step(text):
    print(f"package: {text}", flush=True)


def traces():
    """Every path that speaks of the package, where packages put things; man-db's cache is its own."""
    found = run("find", "/etc", "/usr", "/var", "/run", "/opt", "-path", "/var/cache/man", "-prune",
                "-o", "-name", "*aptward*", "-print")
    return set(found.splitlines())


def unit(name):
    (path,) = [path for path in run("dpkg", "-L", "aptward").splitlines() if path.endswith(name)]
    return path


class Service:
    """The unit's process, and what it reports to its service manager."""

    def __init__(self, sockets=()):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        pathlib.Path(NOTIFY).unlink(missing_ok=True)
        self.manager.bind(NOTIFY)
        os.chmod(NOTIFY, 0o777)
        self.pid = sandbox.start(unit("aptward.service"), {"NOTIFY_SOCKET": NOTIFY}, sockets)

    def expect(self, report):
        readable, deadline = [], time.monotonic() + 60
        while not readable:
            assert time.monotonic() < deadline, f"no {report} within a minute"
            readable, _, _ = select.select([self.manager], [], [], 0.2)
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            assert ended == 0, f"the node ended with status {status}"
        said = self.manager.recv(4096).decode()
        assert said == report, f"the node reported {said}, not {report}"

    def stop(self):
        started = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        _, status = os.waitpid(self.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        assert time.monotonic() - started < 15, "stopping takes longer than TimeoutStopSec allows"
        self.manager.close()


class BootedService:
    """The same in the hands of systemd, which waits for the reports itself."""

    def __init__(self, sockets=()):
        run("systemctl", "start", "aptward.service")
        self.pid = int(run("systemctl", "show", "--property=MainPID", "--value", "aptward.service"))

    def expect(self, report):
        if report == "READY=1":
            until_active()

    def stop(self):
        run("systemctl", "stop", "aptward.service")
        assert run("systemctl", "show", "--property=Result", "--value",
                   "aptward.service").strip() == "success"


def until_active():
    deadline = time.monotonic() + 60
    while run("systemctl", "show", "--property=ActiveState", "--value", "aptward.service").strip() != "active":
        assert time.monotonic() < deadline, "the service is not active within a minute"


IS_BOOTED = "--booted" in sys.argv
start_service = BootedService if IS_BOOTED else Service


def who_answers():
    connection = http.client.HTTPConnection("127.0.0.1", 3142, timeout=30)
    connection.request("GET", "/.well-known/aptward")
    return json.loads(connection.getresponse().read())["program"]


@contextlib.contextmanager
def held_port():
    """The port in the service manager's hands; gives the sockets to hand on."""
    if IS_BOOTED:
        run("systemctl", "start", "aptward.socket")
        yield []
        run("systemctl", "stop", "aptward.socket")
        return
    with socket.create_server(("127.0.0.1", 3142)) as listening:
        yield [listening]


def install(package):
    run("dpkg", "-i", package)
    assert pathlib.Path("/run/aptward").exists() == IS_BOOTED, "started exactly where systemd runs"
    for path in run("dpkg", "-L", "aptward").splitlines():
        assert pathlib.Path(path).exists(), path
    assert run("getent", "passwd", "aptward").strip().endswith("/nologin")
    said = run("systemd-analyze", "verify", unit("aptward.service"), unit("aptward.socket"))
    assert not [line for line in said.splitlines() if "aptward" in line], said
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager",
               f"--threshold={MOST_EXPOSURE}", unit("aptward.service"))
    step(said.strip().splitlines()[-1].lstrip("→ "))
    assert "aptward.toml" in run("man", "-w", "aptward.toml")


# What a program may not do under the unit: proves that the sandbox is one.
PROBE = """
import errno, os, pathlib, socket
def refusal(action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"
found = [refusal(socket.socket, socket.AF_PACKET, socket.SOCK_RAW),
         refusal(socket.socket, socket.AF_INET, socket.SOCK_STREAM),
         refusal(open, "/var/probe", "w"), refusal(open, "/var/lib/aptward/probe", "w"),
         refusal(os.chroot, "/tmp"), refusal(os.setuid, 0)]
wanted = ["EAFNOSUPPORT", "allowed", "EROFS", "allowed", "EPERM", "EPERM"]
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
found += [status["CapBnd"].strip(), status["NoNewPrivs"].strip()]
wanted += ["0" * 16, "1"]
os.unlink("/var/lib/aptward/probe")
assert found == wanted, (found, wanted)
"""


def probe_the_sandbox():
    child = sandbox.start(unit("aptward.service"), {}, command=["/usr/bin/python3", "-c", PROBE])
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status


def serve_without_configuration():
    """The packaged file as it stands; no source of this machine can be reached from here."""
    service = start_service()
    service.expect("READY=1")
    assert who_answers() == "aptward"
    said = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "aptward", "status")
    assert said.strip(), "status says nothing"
    service.stop()
    step("with no configuration: ready, answers clients and any user's status, stops at once")


def serve_an_archive(folder):
    """Signatures are proven by gpgv inside the unit's own confinement; a name with two addresses,
    one of them dead, is resolved without netlink."""
    folder.mkdir()
    archive = Archive(folder / "archive", Key(folder / "key", "vendor"))
    archive.add("foo")
    archive.publish()
    origin = Origin(archive.root, "127.0.0.2")
    with open("/etc/hosts", "a") as hosts:
        hosts.write("127.0.0.2 mirror.example\n127.0.0.3 mirror.example\n")
    keyring = pathlib.Path("/etc/aptward/vendor.gpg")
    keyring.write_bytes(archive.key.keyring.read_bytes())
    CONFIG.write_text('[[archive]]\nid = "test"\nkeyrings = ["/etc/aptward/vendor.gpg"]\n'
                      f'upstreams = ["http://mirror.example:{origin.port}"]\n'
                      'hosts = ["archive.example"]\nfreshness = "0s"\n')
    with held_port() as sockets:
        client = socket.create_connection(("127.0.0.1", 3142), timeout=60)
        client.sendall(b"GET /.well-known/aptward HTTP/1.1\r\nHost: node\r\n\r\n")
        service = start_service(sockets)  # As systemd: the first client is there before the node.
        assert b'"aptward"' in client.recv(4096)
        service.expect("READY=1")
        apt = AptRoot(folder / "apt", "deb [KEY] http://archive.example stable main", archive.key,
                      "http://127.0.0.1:3142")
        outcome = apt.update()
        assert outcome.returncode == 0, outcome
        outcome = apt.install("foo")
        assert outcome.returncode == 0, outcome
        status = json.loads(run("aptward", "status", "--json"))
        assert status["archives"][0]["suites"][0]["generation"], status
        step("under the unit's restrictions, on an inherited socket: apt updates and installs")
        os.kill(service.pid, signal.SIGHUP)
        service.expect("RELOADING=1")
        service.expect("READY=1")
        origin.close()
        service.stop()
    run("runuser", "-u", "aptward", "--", "aptward", "scrub")
    keyring.unlink()
    step("reloads, stops, and what it holds is whole")


def run_autopkgtest():
    """What Debian's own test of the installed package says."""
    CONFIG.write_text(CONFIG.read_text().split("[[archive]]")[0])
    run("systemctl", "start", "aptward.service")
    run("/mnt/source/debian/tests/installed")
    run("systemctl", "stop", "aptward.service", "aptward.socket")
    step("the package's autopkgtest passes")


def remove(before):
    run("dpkg", "-r", "aptward")
    assert not pathlib.Path("/usr/bin/aptward").exists()
    assert STATE.exists() and CONFIG.exists(), "removing is not purging"
    run("dpkg", "-P", "aptward")
    if not IS_BOOTED:  # Else systemd has done it as the unit stopped.
        subprocess.run(["rm", "-rf", "/run/aptward"], check=True)
    left = traces() - before
    assert not left, f"left after purging: {left}"
    step("removed and purged: nothing is left but the locked account")


def main(package):
    # A new network namespace has a loopback device that is down.
    run("ip", "link", "set", "lo", "up")
    before = traces()
    install(package)
    if IS_BOOTED:
        run("systemctl", "stop", "aptward.service")
    else:
        probe_the_sandbox()
    serve_without_configuration()
    serve_an_archive(pathlib.Path("/tmp/archive"))
    if IS_BOOTED:
        run_autopkgtest()
    remove(before)


if __name__ == "__main__":
    main(sys.argv[1])
