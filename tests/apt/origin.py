# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on a loopback address that can misbehave in every way that mirrors do."""
import base64
import email.utils
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import faults


class Origin:
    """`fault` is a function path -> mode or None; a mode is (name, argument...)."""

    def __init__(self, root, address="127.0.0.1"):
        self.root = pathlib.Path(root)
        self.address, self.fault, self.requests = address, lambda path: None, []
        self.connections, self.sent, self.spoiling = 0, 0, 0
        self.passwords = None  # "user:password" texts that are let in; None: everybody
        self.stopping = threading.Event()
        self.listen()

    def listen(self, port=0):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((self.address, port))
        self.socket.listen(256)
        self.port = self.socket.getsockname()[1]
        self.open = set()
        threading.Thread(target=self.accept, args=(self.socket,), daemon=True).start()

    @property
    def url(self):
        return f"http://{self.address}:{self.port}"

    def always(self, *mode, only=""):
        self.fault = lambda path: mode if only in path else None

    def heal(self):
        self.fault = lambda path: None

    def die(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for client in list(self.open):
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def revive(self):
        self.listen(self.port)

    def close(self):
        self.stopping.set()
        try:
            self.die()
        except OSError:
            pass

    def accept(self, listening):
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            try:
                client = self.secure(client)
            except OSError:
                client.close()
                continue
            self.open.add(client)
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def secure(self, client):
        return client

    def talk(self, client):
        try:
            stream = client.makefile("rb")
            while self.answer(client, stream):
                pass
        except OSError:
            pass
        finally:
            self.open.discard(client)
            client.close()

    def send(self, client, content):
        client.sendall(content)
        self.sent += len(content)

    def head(self, status, length, extra=""):
        length_line = "" if length is None else f"Content-Length: {length}\r\n"
        return f"HTTP/1.1 {status} X\r\n{length_line}{extra}\r\n".encode()

    def answer(self, client, stream):
        line = stream.readline().decode()
        if not line:
            return False
        headers = {}
        while (header := stream.readline().decode().strip()):
            name, value = header.split(":", 1)
            headers[name.lower()] = value.strip()
        path = urllib.parse.unquote(line.split()[1])
        self.requests.append((path, headers))
        if self.passwords is not None:
            given = headers.get("authorization", "")[6:]
            if given not in [base64.b64encode(known.encode()).decode() for known in self.passwords]:
                client.sendall(self.head(401, 5, 'WWW-Authenticate: Basic realm="x"\r\n') + b"none\n")
                return True
        mode = self.fault(path)
        file = self.root / path.lstrip("/")
        if mode and mode[0] != "trickle" and (done := self.misbehave(client, mode, path)) is not None:
            return done
        if not file.is_file():
            client.sendall(self.head(404, 5) + b"none\n")
            return True
        content = file.read_bytes()
        if mode and mode[0] == "trickle":
            client.sendall(self.head(200, len(content)))
            for byte in content:
                client.sendall(bytes([byte]))
                if self.stopping.wait(1 / mode[1]):
                    return False
            return True
        modified = email.utils.formatdate(int(file.stat().st_mtime), usegmt=True)
        extra = f"Last-Modified: {modified}\r\n"
        if headers.get("if-modified-since") == modified:
            client.sendall(self.head(304, None, extra))
            return True
        span = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        if span and int(span[1]) < len(content):
            extra += f"Content-Range: bytes {span[1]}-{len(content) - 1}/{len(content)}\r\n"
            content = content[int(span[1]):]
            client.sendall(self.head(206, len(content), extra))
        else:
            client.sendall(self.head(200, len(content), extra))
        self.send(client, content)
        return True

    def misbehave(self, client, mode, path):
        """What the fault says (faults.py), or None: there is nothing to spoil."""
        kind, *arguments = mode
        file = self.root / path.lstrip("/")
        content = file.read_bytes() if file.is_file() else b""
        if kind in faults.OF_FILES and not content:
            return None
        self.spoiling += 1
        try:
            return (faults.ANY | faults.OF_FILES)[kind](self, client, path, content, *arguments)
        finally:
            self.spoiling -= 1


class TlsOrigin(Origin):
    """The same behind TLS, with a certificate of an authority made for it (`ca`)."""

    def __init__(self, root, folder, address="127.0.0.1"):
        folder.mkdir()
        self.ca = folder / "ca.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=Test", "-addext", f"subjectAltName=IP:{address}",
             "-keyout", folder / "key.pem", "-out", self.ca], check=True, capture_output=True)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.ca, folder / "key.pem")
        super().__init__(root, address)

    @property
    def url(self):
        return f"https://{self.address}:{self.port}"

    def secure(self, client):
        return self.tls.wrap_socket(client, server_side=True)
