# SPDX-License-Identifier: GPL-3.0-or-later
"""One archive of files of known sizes, a warm node and nginx in front of it."""
import os
import pathlib
import socket
import ssl
import sys

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "tests/apt"))
os.environ.setdefault("APTWARD_BIN", str(root / "build/release/aptward"))
from archive import Archive, Key  # noqa: E402
from client import AptRoot  # noqa: E402
from node import Node  # noqa: E402
from peers import Approx, CacherNg, Nginx, unpack  # noqa: E402
from rounds import SERVER_CORE  # noqa: E402
from tls import Authority  # noqa: E402

SIZES = {"10 kB": 10_000, "50 kB": 50_000, "200 kB": 200_000, "1 MB": 1_000_000, "20 MB": 20_000_000}


class Stage:
    """Everything on it ends with the `with`."""

    def __init__(self, folder, sizes=SIZES):
        self.folder = folder
        self.archive = Archive(folder / "archive", Key(folder / "key", "bench"))
        self.files = {name: self.add_file(size) for name, size in SIZES.items() if name in sizes}
        self.archive.publish()
        self.certificate = Authority(folder / "authority").issue("node.example")
        self.running = []
        self.nginx = self.add(Nginx(folder / "nginx", self.archive.root, self.certificate, prefix=SERVER_CORE))

    def add_file(self, size):
        """Exactly so many bytes: dpkg-deb's archives of small packages are 20 kB larger than their content."""
        file = self.archive.root / f"pool/p{size}_1_all.deb"
        file.write_bytes(os.urandom(size))
        self.archive.packages[f"p{size}"] = ("1", file)
        return file.relative_to(self.archive.root)

    def add(self, server):
        self.running.append(server)
        return server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in reversed(self.running):
            server.stop()

    def node(self, name="node", origin=None, prefix=(), top=(), **keys):
        """A node that a client has been updated through; the files that it serves are held."""
        keys.setdefault("freshness", "1h")
        node = self.add(Node(self.folder / name, self.archive, [origin or self.nginx], prefix=prefix, top=top,
                             tail=f'[[listener]]\naddress = "127.0.0.1:0"\ncertificates = ["{self.certificate}"]\n',
                             **keys))
        node.tls_url = f"https://{node.listeners[0]}"
        apt = AptRoot(self.folder / f"apt-{name}", "deb [KEY] http://archive.example stable main",
                      self.archive.key, node.proxy)
        update = apt.update()
        assert update.returncode == 0, update
        for place in self.files.values():
            answer = node.get(f"/test/{place}")
            assert answer.status == 200 and len(answer.content) == (self.archive.root / place).stat().st_size
        return node

    def one_core_node(self):
        """The node as the serving sections want it: one serving thread on the servers' core, as nginx."""
        return self.node(prefix=SERVER_CORE, top=["loops = 1"])

    def cacher(self):
        tools, self.cacher_version = unpack("apt-cacher-ng")
        return self.add(CacherNg(self.folder / "cacher", tools, SERVER_CORE))

    def approx(self):
        tools, self.approx_version = unpack("approx")
        return self.add(Approx(self.folder / "approx", tools, self.nginx.url, SERVER_CORE))


def cipher_of(url):
    """What a TLS listener agrees upon with this machine's OpenSSL."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, port = url.removeprefix("https://").split(":")
    with context.wrap_socket(socket.create_connection((host, int(port)))) as client:
        return client.cipher()[:2]
