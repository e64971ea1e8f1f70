# SPDX-License-Identifier: GPL-3.0-or-later
"""A real node as a child process."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

PROGRAM = os.environ.get("APTWARD_BIN") or str(
    pathlib.Path(__file__).resolve().parents[2] / "build/dev/aptward")


def until(what, condition, seconds=20.0):
    """Polls a condition with a deadline; gives its first true value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("admin", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def is_sanitized():
    """A sanitizer's shadow memory makes limits on address space and resident memory meaningless."""
    with open(PROGRAM, "rb") as program:
        content = program.read()
    return b"__asan_init" in content or b"__tsan_init" in content


class Node:
    """`prefix` is a command that starts the node (prlimit, strace); `environment` is added to its own;
    `top` are lines of the configuration before its archive; `arguments` are of serve, from the next
    start on."""
    arguments = ()
    program = PROGRAM

    def __init__(self, folder, archive, origins, prefix=(), environment=None, top=(), listen="127.0.0.1:0",
                 **keys):
        self.folder, self.prefix, self.environment = folder, list(prefix), environment or {}
        folder.mkdir(exist_ok=True)
        self.config = folder / "aptward.toml"
        values = {"id": "test", "keyrings": [str(archive.key.keyring)], "freshness": "0s",
                  "upstreams": [origin.url for origin in origins], "hosts": ["archive.example"]}
        tail = keys.pop("tail", "")  # further tables
        values.update(keys)
        lines = [f'state = "{folder}/state"', f'listen = ["{listen}"]', f'admin = "unix:{folder}/admin"', *top]
        if not any(line.startswith("stock-budget") for line in top):
            lines.append('stock-budget = "0"')  # nothing that the test did not ask for
        if not any(line.startswith("discovery") for line in top):
            lines.append('discovery = "off"')  # whoever is on this machine's network is in no test
        lines.append("[[archive]]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]
        self.config.write_text("\n".join(lines) + "\n" + tail)
        self.start()

    def start(self):
        run_file = self.folder / "state/run.json"
        run_file.unlink(missing_ok=True)
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([*self.prefix, self.program, "serve", "--config", self.config, *self.arguments],
                                        stdout=subprocess.DEVNULL, stderr=self.log,
                                        env={**os.environ, **self.environment})
        started = time.monotonic()
        until("the node is ready", lambda: run_file.exists() or self.process.poll() is not None)
        self.start_seconds = time.monotonic() - started
        assert self.process.poll() is None, self.log_text()
        run = json.loads(run_file.read_text())
        self.address, self.listeners = run["listen"][0], run.get("listeners", [])

    def log_text(self):
        return (self.folder / "log").read_text()

    @property
    def proxy(self):
        return f"http://{self.address}"

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(15) == 0, self.log_text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def admin(self, path):
        connection = UnixConnection(f"{self.folder}/admin")
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    def status(self):
        return json.loads(self.admin("/api/v1/status"))

    def suite(self):
        (archive,) = self.status()["archives"]
        return archive["suites"][0]

    def event_codes(self):
        return {event["code"] for event in json.loads(self.admin("/api/v1/events?limit=5000"))}

    def counter(self, code):
        found = re.search(r'total\{code="%s"\} (\d+)' % re.escape(code), self.admin("/metrics"))
        return int(found[1]) if found else 0

    def resident_bytes(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", fields)[1]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path, **headers):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        try:
            answer.content = answer.read()
        except (http.client.IncompleteRead, ConnectionError):
            answer.content = None
        return answer

    def post(self, path, body):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("POST", path, body=body)
        answer = connection.getresponse()
        answer.content = answer.read()
        return answer

    def raw(self, request):
        host, port = self.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while (part := client.recv(65536)):
                answer += part
        return answer

    def command(self, *arguments):
        return subprocess.run([self.program, *arguments, "--config", self.config],
                              capture_output=True, text=True)

    @staticmethod
    def command_without_config(*arguments):
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)

    def scrub(self):
        return self.command("scrub").returncode
