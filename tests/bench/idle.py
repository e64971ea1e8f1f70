# SPDX-License-Identifier: GPL-3.0-or-later
"""What 10,000 idle keep-alive connections cost: each has been served a file and then says nothing more.

The node runs with its own limits: 20,000 connections over all, 2,000 from one address except loopback,
and as many descriptors as the hard limit of the machine gives."""
import resource
import socket

from rounds import memory_of, row
from stage import Stage

COUNT = 10_000


def ask(client, path):
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: node.example\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        part = client.recv(65536)
        assert part, "the server ended the connection"
        head += part
    head, body = head.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200"), head
    (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while len(body) < length:
        body += client.recv(65536)


def growth(pid, port, path):
    """Bytes that COUNT connections add to the memory of the server, all of which stay open."""
    clients = []
    try:
        for _ in range(100):  # what the first requests make is no cost of connections
            with socket.create_connection(("127.0.0.1", port)) as client:
                ask(client, path)
        before = memory_of(pid)
        for _ in range(COUNT):
            clients.append(socket.create_connection(("127.0.0.1", port), timeout=20))
            ask(clients[-1], path)
        after = memory_of(pid)
        for client in clients[::50]:
            ask(client, path)
    finally:
        for client in clients:
            client.close()
    return {kind: after[kind] - before[kind] for kind in after}


def idle(folder):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard > COUNT + 500, f"{hard} descriptors are too few: raise the hard limit (ulimit -Hn)"
    with Stage(folder, ["10 kB"]) as stage:
        node = stage.node()
        grown = {"Aptward": growth(node.process.pid, int(node.address.rsplit(":", 1)[1]),
                                   f"/test/{stage.files['10 kB']}"),
                 "nginx": growth(stage.nginx.pid, stage.nginx.port, f"/{stage.files['10 kB']}")}
    rows = [row(f"10,000 idle connections, {kind} memory", "MB", 1,
                {system: each[kind] / 1e6 for system, each in grown.items()}) for kind in ("resident", "anonymous")]
    return {"rows": rows, "descriptors": hard}
