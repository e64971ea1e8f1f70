# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that another one asks, and that says what a test wants: signed with a key of its own."""
import base64
import hashlib
import http.server
import subprocess
import tempfile
import threading
import time
import urllib.parse

BASE = "/.well-known/aptward/v1"


class PeerKey:
    def __init__(self, folder, name="forger.example"):
        folder.mkdir()
        self.file, self.name = folder / "key.pem", name
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.file], check=True)
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

    def __init__(self, folder):
        self.key, self.heads, self.files, self.asked = PeerKey(folder), [], {}, []
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
                if forger.behave(self, self.path[len(BASE) + 1:]):
                    return
                content = forger.answer(self.path[len(BASE) + 1:])
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.send_header("ETag", '"1"')
                self.end_headers()
                self.wfile.write(content or b"")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
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
