# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad clients, many of them, in one thread: all sockets are non-blocking and driven by one poll."""
import http.client
import socket
import threading
import time


class Crowd:
    """`count` connections to a node. Each sends `first` at once, then one byte of `trickle` and reads at
    most `bytes_read` bytes every `pause` seconds."""

    def __init__(self, node, count, first, trickle=b"", bytes_read=0, pause=1.0):
        host, port = node.address.rsplit(":", 1)
        self.trickle, self.bytes_read, self.pause = trickle, bytes_read, pause
        self.sockets, self.received, self.closed = [], 0, 0
        for _ in range(count):
            client = socket.socket()
            if bytes_read:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(20)
            client.connect((host, int(port)))
            self.sockets.append(client)
        self.open = set(self.sockets)
        for client in self.sockets:
            client.setblocking(False)
            try:
                client.send(first)
            except OSError:
                pass
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        sent = 0
        while not self.stopping.wait(self.pause):
            byte = self.trickle[sent % len(self.trickle):][:1] if self.trickle else b""
            sent += 1
            for client in list(self.open):
                try:
                    if byte:
                        client.send(byte)
                    if self.bytes_read:
                        part = client.recv(self.bytes_read)
                        self.received += len(part)
                        if not part:
                            raise OSError
                except BlockingIOError:
                    pass
                except OSError:
                    self.open.discard(client)

    def refused(self):
        """How many connections the node has ended; what it still says on the way is read."""
        for client in list(self.open):
            try:
                while client.recv(65536):
                    pass
                self.open.discard(client)
            except BlockingIOError:
                pass
            except OSError:
                self.open.discard(client)
        return len(self.sockets) - len(self.open)

    def close(self):
        self.stopping.set()
        self.thread.join()
        for client in self.sockets:
            client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Probe:
    """A good client beside the crowd: asks again and again and remembers how long each answer took."""

    def __init__(self, node, path, content):
        self.node, self.path, self.content = node, path, content
        self.seconds, self.wrong = [], []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.01):
            started = time.monotonic()
            try:
                answer = self.node.get(self.path)
                if answer.status != 200 or answer.content != self.content:
                    self.wrong.append(answer.status)
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(repr(error))
            self.seconds.append(time.monotonic() - started)

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def p99(self):
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def serve_at_once(node, paths, count, **headers):
    """`count` clients at the same moment; gives (status, length) of each answer."""
    answers = []
    barrier = threading.Barrier(count)

    def ask(path):
        barrier.wait(20)
        try:
            answer = node.get(path, **headers)
            answers.append((answer.status, len(answer.content or b"")))
        except (OSError, http.client.HTTPException):
            answers.append((0, 0))
    threads = [threading.Thread(target=ask, args=(paths[number % len(paths)],)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
