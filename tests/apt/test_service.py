# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service manager asks of the node."""
import json
import signal
import socket
import subprocess
import sys
import time

from node import PROGRAM, until


def test_sigterm_ends_a_node_whose_first_refresh_meets_silent_sources(scene):
    archive = scene.archive()
    origin = scene.origin(archive)
    origin.always("stall")
    node = scene.node(archive, origin, suites=["stable"])  # Asked for at the start.
    started = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(120) == 0, node.log_text()
    # Five seconds are for answers that run; the refresh would be waited for up to 90.
    assert time.monotonic() - started < 15


def test_an_inherited_socket_is_served_and_what_it_replaces_is_named(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))  # For its configuration.
    node.stop()
    with socket.create_server(("127.0.0.1", 0)) as listening, \
            socket.create_connection(listening.getsockname(), timeout=30) as client:
        client.sendall(b"GET /.well-known/aptward HTTP/1.1\r\nHost: node\r\n\r\n")
        # As systemd: descriptor 3, and the number of the process itself in LISTEN_PID.
        command = f"import os, sys; os.dup2({listening.fileno()}, 3); " \
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv(sys.argv[1], sys.argv[1:])"
        with open(node.folder / "log", "ab") as log:
            node.process = subprocess.Popen(
                [sys.executable, "-c", command, PROGRAM, "serve", "--config", node.config],
                pass_fds=[listening.fileno()], stdout=subprocess.DEVNULL, stderr=log)
        run_file = node.folder / "state/run.json"
        until("the node is ready", lambda: run_file.exists() or node.process.poll() is not None)
        assert b'"aptward"' in client.recv(4096), node.log_text()
        host, port = listening.getsockname()
        assert json.loads(run_file.read_text())["listen"] == [f"{host}:{port}"]
        node.stop()
    assert "listen is not used" in node.log_text()
