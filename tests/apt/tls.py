# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of the tests' own authority, and a proxy that resolves names for apt."""
import http.client
import pathlib
import socket
import ssl
import subprocess
import threading


class Authority:
    def __init__(self, folder, name="test authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.certificate, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        self.openssl(self.certificate, self.key, f"/CN={name}", "basicConstraints=critical,CA:TRUE")

    def openssl(self, certificate, key, subject, extension, *more):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "30", "-keyout", key, "-out", certificate, "-subj", subject,
             "-addext", extension, *more], check=True, capture_output=True)

    def issue(self, name, *alternatives, file=None):
        """A PEM file with certificate and key for `name`."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        names = ",".join(alternatives or (f"DNS:{name}",))
        self.openssl(certificate, key, f"/CN={name}", f"subjectAltName={names}",
                     "-CA", self.certificate, "-CAkey", self.key)
        both = file or self.folder / f"{name}.pem"
        both.write_text(certificate.read_text() + key.read_text())
        return both


class NameProxy:
    """CONNECT to any name leads to `target`: real apt can ask for names that nobody resolves."""

    def __init__(self, target):
        self.target = target.rsplit(":", 1)
        self.names = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self.join, args=(client,), daemon=True).start()

    def join(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.names.append(head.split()[1].decode())
        node = socket.create_connection((self.target[0], int(self.target[1])))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=self.carry, args=(node, client), daemon=True).start()
        self.carry(client, node)

    @staticmethod
    def carry(source, sink):
        try:
            while (part := source.recv(65536)):
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class TlsConnection(http.client.HTTPConnection):
    """To a node's listener, asking for a name that need not resolve."""

    def __init__(self, address, authority, name="node.example", client=None, checks_name=True):
        super().__init__(address, timeout=20)
        self.name = name
        self.tls = ssl.create_default_context(cafile=authority.certificate)
        self.tls.check_hostname = checks_name
        self.tls.set_alpn_protocols(["http/1.1"])
        if client:
            self.tls.load_cert_chain(client)

    def connect(self):
        super().connect()
        self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.name)

    def get(self, path, method="GET", body=None, **headers):
        self.request(method, path, body=body, headers=headers)
        answer = self.getresponse()
        answer.content = answer.read()
        return answer

    def serial(self):
        return self.sock.getpeercert()["serialNumber"]
