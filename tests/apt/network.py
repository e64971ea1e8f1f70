# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in network namespaces of their own, joined by a switch whose ports can be made silent.

The namespaces have no names: each lives as long as a process that waits in it, which ends with this one
however that ends; the kernel then removes all that was in them."""
import concurrent.futures
import ctypes
import os
import shutil
import subprocess

from client import AptRoot
from origin import Origin

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def is_possible():
    if os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("ip", "bridge", "nsenter")):
        return False
    made = subprocess.run(["unshare", "--net", "ip", "link", "add", "type", "bridge"], capture_output=True)
    return made.returncode == 0


class Namespace:
    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.keeper.stdout.readline()  # it is in it now
        self.path = f"/proc/{self.keeper.pid}/ns/net"
        self.prefix = ["nsenter", f"--net={self.path}"]
        self.ip("link", "set", "lo", "up")

    def run(self, *command, **options):
        return subprocess.run([*self.prefix, *command], check=True, capture_output=True, text=True,
                              **options).stdout

    def ip(self, *words):
        return self.run("ip", *words)

    def call(self, function):
        """In a thread of this namespace: the sockets and threads that it makes belong to it."""
        def inside():
            with open(self.path) as handle:
                if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return function()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(inside).result()

    def close(self):
        self.keeper.stdin.close()
        self.keeper.wait()
        self.keeper.stdout.close()


class Host(Namespace):
    """On the switch, by its address."""

    def __init__(self, switch, number):
        super().__init__()
        self.switch, self.port = switch, f"port{number}"
        self.address, self.mac = f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}"
        switch.ip("link", "add", self.port, "type", "veth", "peer", "name", "eth0", "address", self.mac,
                  "netns", str(self.keeper.pid))
        switch.ip("link", "set", self.port, "master", "bridge", "up")
        self.ip("address", "add", f"{self.address}/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")

    def know(self, other):
        """As if a router stood between: that the other one is gone is not noticed by ARP."""
        self.ip("neighbour", "replace", other.address, "lladdr", other.mac, "nud", "permanent", "dev", "eth0")

    def know_all(self, others):
        """So that many hosts do not overflow the kernel's one table of neighbours, which holds 1024."""
        lines = "".join(f"neighbour replace {other.address} lladdr {other.mac} nud permanent dev eth0\n"
                        for other in others if other is not self)
        self.run("ip", "-batch", "-", input=lines)

    def lose(self, others):
        """Packets to these hosts reach nobody, and nobody is told; until it knows them again."""
        self.run("ip", "-batch", "-", input="".join(
            f"neighbour replace {other.address} lladdr 02:00:00:00:ff:ff nud permanent dev eth0\n" for other in others))

    def silence(self):
        """The switch drops every packet from and to it; nobody is told."""
        self.switch.run("bridge", "link", "set", "dev", self.port, "state", "disabled")

    def unplug(self):
        self.switch.ip("link", "set", self.port, "down")


class Network:
    def __init__(self, *names):
        self.members, self.hosts = [], {}
        try:
            switch = self.add(Namespace())
            switch.ip("link", "add", "bridge", "type", "bridge", "stp_state", "0", "forward_delay", "0")
            switch.ip("link", "set", "bridge", "up")
            for number, name in enumerate(names, 1):
                self.hosts[name] = self.add(Host(switch, number))
        except BaseException:
            self.close()
            raise

    def add(self, member):
        self.members.append(member)
        return member

    def __getitem__(self, name):
        return self.hosts[name]

    def close(self):
        for member in reversed(self.members):
            member.close()


class RemoteOrigin(Origin):
    """An origin on a host."""

    def __init__(self, root, host):
        self.host = host
        super().__init__(root, host.address)

    def listen(self, port=0):
        self.host.call(lambda: super(RemoteOrigin, self).listen(port))


class RemoteApt(AptRoot):
    """apt on a host."""

    def __init__(self, host, *arguments):
        self.host = host
        super().__init__(*arguments)

    def run(self, *command):
        return super().run(*self.host.prefix, *command)
