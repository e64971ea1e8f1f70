#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serving speed beside nginx at its best, in one run: interleaved rounds, medians, ratios.

Requests per server CPU second for held files, with wrk on the other core. Needs nginx and wrk.
Writes docs/evidence/serving.json; docs/performance.md is made from it by tools/make_figures.py.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "tests/apt"))
os.environ.setdefault("APTWARD_BIN", str(root / "build/release/aptward"))
from archive import Archive, Key  # noqa: E402
from client import AptRoot  # noqa: E402
from node import Node, until  # noqa: E402
from origin import Origin  # noqa: E402

ROUNDS, SECONDS, CONNECTIONS = int(os.environ.get("ROUNDS", "5")), 2, 32
SIZES = {"10 kB": 10_000, "50 kB": 50_000, "1 MB": 1_000_000, "20 MB": 20_000_000}


def cpu_seconds(pid):
    """User and system time of a process and its children that live."""
    total = 0
    for process in [pid, *map(int, subprocess.run(["pgrep", "-P", str(pid)], capture_output=True,
                                                  text=True).stdout.split())]:
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def measure(pid, url):
    before = cpu_seconds(pid)
    said = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", url], capture_output=True,
                          text=True, check=True).stdout
    assert "Non-2xx" not in said and "Socket errors" not in said, said
    requests = int(re.search(r"(\d+) requests in", said)[1])
    return requests / (cpu_seconds(pid) - before)


def start_nginx(folder, www):
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error crit;\n"
        "events { worker_connections 4096; }\n"
        f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
        "open_file_cache max=1000; open_file_cache_valid 60s; types { } default_type application/x;\n"
        f"client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;\n"
        f"uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;\n"
        f"server {{ listen unix:{folder}/none; listen 127.0.0.1:{free_port()}; root {www}; }} }}\n")
    port = int(re.search(r"127.0.0.1:(\d+)", (folder / "nginx.conf").read_text())[1])
    process = subprocess.Popen(["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"])
    until("nginx", (folder / "pid").exists)
    return process, port


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    folder = pathlib.Path(tempfile.mkdtemp())
    os.chmod(folder, 0o755)
    archive = Archive(folder / "archive", Key(folder / "key", "bench"))
    paths = {}
    for name, size in SIZES.items():
        paths[name] = archive.add("p" + name.replace(" ", "").lower(), payload_bytes=size)
    archive.publish()
    origin = Origin(archive.root, "127.0.0.2")
    node = Node(folder / "node", archive, [origin], freshness="1h")
    apt = AptRoot(folder / "apt", "deb [KEY] http://archive.example stable main", archive.key, node.proxy)
    assert apt.update().returncode == 0
    nginx, port = start_nginx(folder, archive.root)
    results = {}
    try:
        for name, path in paths.items():
            place = path.relative_to(archive.root)
            ours, theirs = f"{node.proxy}/test/{place}", f"http://127.0.0.1:{port}/{place}"
            assert node.get(f"/test/{place}").status == 200
            rounds = []
            for number in range(ROUNDS):
                pair = [(node.process.pid, ours), (nginx.pid, theirs)]
                values = {pid: measure(pid, url) for pid, url in (pair if number % 2 else pair[::-1])}
                rounds.append((values[node.process.pid], values[nginx.pid]))
            results[name] = {
                "aptward": round(statistics.median(a for a, _ in rounds)),
                "nginx": round(statistics.median(b for _, b in rounds)),
                "ratio": round(statistics.median(a / b for a, b in rounds), 2)}
            print(name, results[name], flush=True)
    finally:
        nginx.terminate()
        node.stop()
        origin.close()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True)
    (root / "docs/evidence").mkdir(exist_ok=True)
    (root / "docs/evidence/serving.json").write_text(json.dumps(
        {"commit": commit.stdout.strip(), "cores": os.cpu_count(), "rounds": ROUNDS,
         "connections": CONNECTIONS, "unit": "requests per server CPU second", "results": results,
         "time": int(time.time())}, indent=1) + "\n")


if __name__ == "__main__":
    main()
