# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that another one asks, and that says what a test wants: signed with a key of its own."""
import base64
import hashlib
import http.server
import lzma
import subprocess
import tempfile
import threading
import time
import urllib.parse

BASE = "/.well-known/aptward/v1"


class PeerKey:
    """A new one, or that of a node's state folder."""

    def __init__(self, folder, name="forger.example", state=None):
        folder.mkdir()
        self.file, self.name = folder / "key.pem", name
        if state is None:
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.file], check=True)
        else:
            *_, self.name, _, secret = (state / "identity").read_text().strip().split("+", 4)
            seed = base64.b64decode(secret)[1:]
            pkcs8 = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + seed).decode()
            self.file.write_text(f"-----BEGIN PRIVATE KEY-----\n{pkcs8}\n-----END PRIVATE KEY-----\n")
            name = self.name
        public = subprocess.run(["openssl", "pkey", "-in", self.file, "-pubout", "-outform", "DER"], check=True,
                                capture_output=True).stdout[-32:]
        self.id = hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
        self.text = f"{name}+{self.id.hex()}+{base64.b64encode(b'%c' % 1 + public).decode()}"

    def note(self, text):
        with tempfile.NamedTemporaryFile("w") as message:  # several are signed at once
            message.write(text)
            message.flush()
            signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", self.file, "-rawin", "-in",
                                        message.name], check=True, capture_output=True).stdout
        return f"{text}\n— {self.name} {base64.b64encode(self.id + signature).decode()}\n".encode()


class Forger:
    """`heads` are lines of its note, `files` its answers by path behind BASE; everything else is 404."""

    seconds_ahead = 0  # of its clock

    def __init__(self, folder, place=("127.0.0.1", 0), key=None):
        self.key, self.heads, self.files, self.asked = key or PeerKey(folder), [], {}, []
        self.number = 1
        self.heads_key = self.key
        self.news = threading.Event()
        forger = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                forger.asked.append(self.path)
                try:
                    is_done = forger.behave(self, self.path[len(BASE) + 1:])
                except ConnectionError:  # whoever asked has gone
                    self.close_connection = is_done = True
                if is_done:
                    return
                content = forger.answer(self.path[len(BASE) + 1:])
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.send_header("ETag", '"1"')
                self.end_headers()
                self.wfile.write(content or b"")

        self.server = http.server.ThreadingHTTPServer(place, Handler)
        self.server.daemon_threads = True
        self.url = f"http://{place[0]}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def behave(self, handler, path):
        """True when it has done with the request all that it wants to do."""
        return False

    def answer(self, path):
        if path.startswith("node?"):
            nonce = urllib.parse.parse_qs(path.split("?")[1])["nonce"][0]
            return self.key.note(f"aptward-peer/v1\nnode {self.key.text}\nrun 0123456789abcdef\nprogram forger\n"
                                 f"protocols 1\ntime {int((time.time() + self.seconds_ahead) * 1000)}\n"
                                 f"nonce {nonce}\n")
        if path.startswith("heads?"):
            self.news.wait(20)
            self.news.clear()
            return self.heads_key.note("".join(f"{line}\n" for line in (
                "aptward-heads/v1", f"node {self.heads_key.text}", "run 0123456789abcdef", f"number {self.number}", *self.heads)))
        return self.files.get(path)

    def tell(self, *heads):
        self.heads, self.number = list(heads), self.number + 1
        self.news.set()

    def close(self):
        self.news.set()
        self.server.shutdown()
        self.server.server_close()


def release_id(inrelease):
    """As docs/formats/store.md has it: SHA-256 of the signed text, without blanks at the ends of lines."""
    signed = inrelease.decode().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE-----")[0]
    lines = [line[2:] if line.startswith("- ") else line for line in signed.splitlines()]
    return hashlib.sha256("".join(line.rstrip(" \t\r") + "\n" for line in lines).encode()).hexdigest()


def number(value):
    return bytes([value & 0x7f | (0x80 if value > 0x7f else 0)]) + (number(value >> 7) if value > 0x7f else b"")


def all_of(archive, run="0123456789abcdef"):
    """A have-set that claims everything."""
    text = lzma.decompress((archive.suite_folder / "main/binary-amd64/Packages.xz").read_bytes())
    count = len(archive.packages)
    bitmap = bytearray(b"\xff" * (count // 8) + (bytes([(1 << count % 8) - 1]) if count % 8 else b""))
    return (b"APTWHAV1" + bytes.fromhex(run) + number(0) + number(1) + hashlib.sha256(text).digest()
            + number(count) + b"b" + number(len(bitmap)) + bytes(bitmap))
