# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes on hosts of one local network, each with its own client, and the vendor behind one line."""
import concurrent.futures

from network import Network, RemoteApt, RemoteOrigin
from node import Node, until

PORT = 3142


class Neighbourhood:
    """`count` nodes that name each other as near; nothing is on its way yet."""

    def __init__(self, scene, archive, count, rate="20mbit", is_near=True, **keys):
        self.scene, self.archive, self.is_near = scene, archive, is_near
        self.network = scene.keep(Network("vendor", *(f"n{number}" for number in range(count))))
        self.vendor = RemoteOrigin(archive.root, self.network["vendor"])
        scene.origins.append(self.vendor)
        for host in self.network.hosts.values():
            host.know_all(self.network.hosts.values())
        self.hosts = [self.network[f"n{number}"] for number in range(count)]
        self.nodes = [self.node(host, **keys) for host in self.hosts]
        self.pace(rate)

    def pace(self, rate):
        """What the vendor sends goes over a line of this rate, its queue included."""
        self.network["vendor"].run("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate,
                                   "burst", "32k", "latency", "400ms")

    def url(self, host):
        return f"http://{host.address}:{PORT}"

    def node(self, host, others=None, **keys):
        if others is None:
            others = [other for other in self.hosts if other is not host and self.is_near]
        tail = "".join(f'[[peer]]\nurl = "{self.url(other)}"\ndistance = "near"\n' for other in others)
        node = Node(self.scene.folder / f"node{next(self.scene.numbers)}", self.archive, [self.vendor],
                    prefix=host.prefix, listen=f"{host.address}:{PORT}", tail=tail, **keys)
        node.host = host
        self.scene.nodes.append(node)
        return node

    def meet(self, nodes=None):
        nodes = nodes or self.nodes
        for node in nodes:
            until("all are linked", lambda: sum(peer["state"] == "linked" for peer in node.status()["peers"])
                  >= len(nodes) - 1, seconds=60)

    def part(self, some):
        """No packet passes between these hosts and the other ones; the vendor is there for both."""
        others = [host for host in self.hosts if host not in some]
        for host in some:
            host.lose(others)
        for host in others:
            host.lose(some)

    def join(self):
        for host in self.hosts:
            host.know_all(self.hosts)

    def apt(self, node):
        return RemoteApt(node.host, self.scene.folder / f"apt{next(self.scene.numbers)}",
                         "deb [KEY] http://archive.example stable main", self.scene.key, node.proxy)


def stocked(archive, packages, payload):
    """The names of so many more packages that it publishes."""
    names = [f"p{number}" for number in range(packages)]
    for name in names:
        archive.add(name, payload_bytes=payload)
    archive.publish()
    return names


def copy_of(archive, names):
    """Bytes of one copy of what a client needs: the lists, and the packages."""
    lists = archive.suite_folder / "main/binary-amd64/Packages.xz"
    return lists.stat().st_size + sum(archive.packages[name][1].stat().st_size for name in names)


def install(apt, names):
    """As on a machine that has none of them: the lists, then all packages."""
    updated = apt.update()
    assert updated.returncode == 0, updated
    done = apt.run("apt-get", "install", "-q", "-y", "--download-only", *names)
    assert done.returncode == 0, done
    return updated.seconds + done.seconds


def install_on_all(apts, names, meanwhile=lambda: None):
    """At once; `meanwhile` is called when all have begun."""
    with concurrent.futures.ThreadPoolExecutor(len(apts)) as pool:
        installs = [pool.submit(install, apt, names) for apt in apts]
        meanwhile()
        for done in installs:
            done.result()


def check_files(apts, archive, names):
    wanted = {name: archive.packages[name][1].read_bytes() for name in names}
    for apt in apts:
        assert wanted == {file.name.split("_")[0]: file.read_bytes()
                          for file in (apt.folder / "cache/archives").glob("*.deb")}
