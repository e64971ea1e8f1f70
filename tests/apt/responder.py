# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine answers mDNS with: a D-Bus and an avahi-daemon of its own on each host of a network.

Both are Debian's. The bus listens on a path; the daemon has a /run of its own, since its pid file and its
socket have fixed places there, and the network of its host."""
import os
import shutil
import subprocess
import tempfile

from node import until

TOOLS = ("dbus-daemon", "avahi-daemon", "avahi-browse", "avahi-publish", "unshare")
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""
DAEMON = """[server]
host-name={name}
allow-interfaces=eth0
use-ipv6={ipv6}
[wide-area]
enable-wide-area=no
"""


def is_installed():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return all(shutil.which(tool, path=path) for tool in TOOLS)


class Responder:
    """`name` is that of the machine: NAME.local. Nothing runs before start()."""

    def __init__(self, host, name, ipv6=False):
        self.host, self.name = host, name
        self.folder = tempfile.mkdtemp(prefix="bus")  # a socket's path is short
        self.bus = self.daemon = None
        self.path = f"{self.folder}/bus"
        self.environment = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.path}"}
        self.publishers = []
        with open(f"{self.folder}/bus.conf", "w") as file:
            file.write(BUS.format(path=self.path))
        with open(f"{self.folder}/avahi.conf", "w") as file:
            file.write(DAEMON.format(name=name, ipv6="yes" if ipv6 else "no"))

    def command(self, *words):
        return [*self.host.prefix, "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                *(f"{key}={value}" for key, value in self.environment.items()), *words]

    def run(self, *words, **options):
        return subprocess.run(self.command(*words), capture_output=True, text=True, **{"timeout": 60, **options})

    def begin(self, *words):
        log = open(f"{self.folder}/log", "ab")
        return subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start_bus(self):
        self.bus = self.begin("dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork", "--nopidfile")
        until("the bus is there", lambda: os.path.exists(self.path) or self.bus.poll() is not None)
        assert self.bus.poll() is None, self.log_text()

    def start(self):
        if self.bus is None:
            self.start_bus()
        self.daemon = self.begin(
            "unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec avahi-daemon -f "$0" '
            "--no-drop-root --no-chroot", f"{self.folder}/avahi.conf")
        until("it answers", lambda: self.daemon.poll() is not None or self.answers(), seconds=60)
        assert self.daemon.poll() is None, self.log_text()

    def answers(self):
        done = self.run("avahi-resolve", "-4", "-n", f"{self.name}.local")
        return done.returncode == 0 and self.host.address in done.stdout

    def stop(self):
        """The daemon alone."""
        self.end(self.daemon)
        self.daemon = None

    def log_text(self):
        with open(f"{self.folder}/log") as file:
            return file.read()

    def browse(self, service):
        """(name, address, port) of all that is announced, as squid-deb-proxy-client asks for it."""
        try:
            done = self.run("avahi-browse", "-kprtf", service, timeout=20)
        except subprocess.TimeoutExpired:  # it waits for ever for the address of a service that went meanwhile
            done = self.run("avahi-browse", "-kprtf", service)
        assert done.returncode == 0, done
        lines = [line.split(";") for line in done.stdout.splitlines() if line.startswith("=")]
        return sorted((line[3].replace(r"\032", " "), line[7], int(line[8])) for line in lines)

    def publish(self, *words):
        self.publishers.append(self.begin("avahi-publish", *words))

    @staticmethod
    def end(process):
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self):
        for process in (*self.publishers, self.daemon, self.bus):
            self.end(process)
        shutil.rmtree(self.folder, ignore_errors=True)
