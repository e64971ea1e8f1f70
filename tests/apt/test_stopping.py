# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGTERM in the middle of work. A sanitizer sees more here than an exit status does."""
import signal
import socket
import time

from node import until


def silent_port():
    """A port whose queue is full: connecting to it neither succeeds nor fails."""
    listener = socket.socket()
    listener.bind(("127.0.0.7", 0))
    listener.listen(0)
    filling = [listener]
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        filling.append(client)
    return listener.getsockname()[1], filling


def assert_ends_well(node, seconds):
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(seconds) == 0, node.log_text()
    assert "Sanitizer" not in node.log_text()


def test_a_node_stops_while_tunnels_wait_for_their_targets(scene):
    archive = scene.archive()
    port, filling = silent_port()
    node = scene.node(archive, scene.origin(archive), top=[f'connect-hosts = ["127.0.0.7:{port}"]'])
    host, own_port = node.address.rsplit(":", 1)
    waiting = []
    for _ in range(48):  # six times the threads that connect
        client = socket.create_connection((host, int(own_port)))
        client.sendall(f"CONNECT 127.0.0.7:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        waiting.append(client)
    until("the node has them", lambda: node.status()["connections"] >= 48)
    started = time.monotonic()
    assert_ends_well(node, 60)
    # 5 s of grace, then at most what one connecting may take: not that of all that queued.
    assert time.monotonic() - started < 25
    assert filling
