# SPDX-License-Identifier: GPL-3.0-or-later
"""Ceph's S3 service on loopback: one monitor, one storage daemon that keeps everything in memory, one radosgw.
An implementation that owes nothing to ours: what it takes was signed as everybody signs."""

import os
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "monmaptool")
START_LIMIT = 120


def is_installed():
    return all(shutil.which(program) for program in PROGRAMS)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ceph:
    access_key, secret_key = "ACCESSOFTESTS", "secret/of+tests"

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes = []
        self.configuration = self.folder / "ceph.conf"
        self.fsid, monitor = str(uuid.uuid4()), free_port()
        self.monitor = f"v1:127.0.0.1:{monitor}"
        self.configuration.write_text(f"""[global]
fsid = {self.fsid}
mon host = [{self.monitor}]
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
public network = 127.0.0.0/8
ms bind msgr2 = false
run dir = {self.folder}
log file = {self.folder}/$name.log
admin socket = {self.folder}/$name.asok
crash dir = {self.folder}
osd objectstore = memstore
memstore device bytes = 2147483648
osd data = {self.folder}/osd
mon data = {self.folder}/mon
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon osd min in ratio = 0
osd class update on start = false
osd crush update on start = false
rgw rados pool pg num min = 4
rgw frontends = beast endpoint=127.0.0.1:{self.port}
rgw data = {self.folder}/rgw
""")

    def run(self, *command, timeout=60):
        done = subprocess.run([*command, "--conf", self.configuration], capture_output=True, text=True,
                              timeout=timeout)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def spawn(self, *command):
        log = (self.folder / f"{command[0]}.out").open("w")
        self.processes.append(subprocess.Popen([*map(str, command), "-f", "--conf", str(self.configuration)],
                                               stdout=log, stderr=log))

    def start(self):
        for name in ("mon", "osd", "rgw"):
            (self.folder / name).mkdir()
        monmap = self.folder / "monmap"
        subprocess.run(["monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", f"[{self.monitor}]", monmap],
                       check=True, capture_output=True)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monmap))
        self.spawn("ceph-mon", "-i", "a")
        number, osd = "0", str(uuid.uuid4())
        assert self.run("ceph", "osd", "new", osd, number).strip() == number
        self.run("ceph-osd", "-i", number, "--mkfs", "--osd-uuid", osd)
        self.run("ceph", "osd", "crush", "add", f"osd.{number}", "1.0", "root=default")
        self.spawn("ceph-osd", "-i", number)
        # Before radosgw: both would make the pools and the zone.
        self.run("radosgw-admin", "user", "create", "--uid", "tests", "--display-name", "Tests",
                 "--access-key", self.access_key, "--secret-key", self.secret_key, timeout=START_LIMIT)
        self.spawn("radosgw", "-n", "client.rgw")
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.1)
        raise AssertionError("radosgw does not listen: " + (self.folder / "radosgw.out").read_text())

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.processes = []
