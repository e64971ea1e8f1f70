# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in which an origin misbehaves: a mode is a name of this file and its arguments.

A fault gets (origin, client, path, content, *arguments) and tells whether the connection stays open.
Those of ANY answer for every path, the others only where there is a file to spoil."""
import pathlib
import socket

ENDLESS_BYTES = 200_000_000  # more than any limit; a test that waits for the end fails by its own


def stall(origin, client, path, content):
    origin.stopping.wait(60)
    return False


def late(origin, client, path, content, seconds):
    """The answer itself is right."""
    origin.stopping.wait(seconds)


def status(origin, client, path, content, number):
    client.sendall(origin.head(number, 6) + b"sorry\n")
    return True


def html(origin, client, path, content):
    page = b"<html><body>Please log in</body></html>"
    client.sendall(origin.head(200, len(page), "Content-Type: text/html\r\n") + page)
    return True


def redirect(origin, client, path, content, location):
    client.sendall(origin.head(302, 0, f"Location: {location}\r\n"))
    return True


def unasked304(origin, client, path, content):
    client.sendall(origin.head(304, None))
    return True


def root(origin, client, path, content, folder):
    """Another folder, which has this file or not."""
    file = pathlib.Path(folder) / path.lstrip("/")
    content = file.read_bytes() if file.is_file() else b"none\n"
    client.sendall(origin.head(200 if file.is_file() else 404, len(content)) + content)
    return True


def endless(origin, client, path, content, framing="chunked"):
    """What `framing` names never ends; the trailers follow the right bytes."""
    head = b"HTTP/1.1 200 X\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    junk = b"x" * 65_536
    first, again = {
        "chunked": (chunked, b"10000\r\n" + junk + b"\r\n"),
        "close": (head + b"Connection: close\r\n\r\n", junk),
        "length": (head + b"Content-Length: 1000000000000\r\n\r\n", junk),
        "headers": (head, b"X-Junk: " + junk[:1000] + b"\r\n"),
        "one header": (head + b"X-Junk: ", junk),
        "1xx": (b"", b"HTTP/1.1 103 X\r\n\r\n" * 1000),
        "extensions": (chunked, b"1;" + junk + b"\r\nx\r\n"),
        "one extension": (chunked + b"1;", junk),
        "trailers": (chunked + f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n",
                     b"X-Junk: " + junk[:1000] + b"\r\n"),
    }[framing]
    # What was sent is to mean what was taken, more or less.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    origin.send(client, first)
    while origin.sent < ENDLESS_BYTES:
        origin.send(client, again)
    return False


def truncate(origin, client, path, content, kept):
    client.sendall(origin.head(200, len(content)))
    origin.send(client, content[:kept])
    return False


def stall_after(origin, client, path, content, kept):
    client.sendall(origin.head(200, len(content)))
    origin.send(client, content[:kept])
    return stall(origin, client, path, content)


def slow_head(origin, client, path, content, bytes_per_s):
    for byte in origin.head(200, len(content)):
        client.sendall(bytes([byte]))
        if origin.stopping.wait(1 / bytes_per_s):
            return False
    origin.send(client, content)
    return True


def longer(origin, client, path, content):
    """More than was signed, and it says so."""
    client.sendall(origin.head(200, len(content) + 100))
    origin.send(client, content + b"x" * 100)
    return True


def answer_behind(origin, client, path, content):
    """Right, and on the same connection a whole answer that nobody asked for."""
    client.sendall(origin.head(200, len(content)))
    origin.send(client, content + origin.head(200, 6) + b"wrong\n")
    return True


def tamper(origin, client, path, content, where):
    at = {"first": 0, "middle": len(content) // 2, "last": len(content) - 1}[where]
    wrong = content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]
    client.sendall(origin.head(200, len(wrong)))
    origin.send(client, wrong)
    return True


def swap(origin, client, path, content, file):
    other = file if isinstance(file, bytes) else file.read_bytes()
    client.sendall(origin.head(200, len(other)) + other)
    return True


def dated(origin, client, path, content, moment, tag):
    """Right, with validators that lie; whoever sends one back hears that nothing changed."""
    lines = f'Last-Modified: {moment}\r\nETag: "{tag}"\r\n'
    _, asked = origin.requests[-1]
    if "if-none-match" in asked or "if-modified-since" in asked:
        client.sendall(origin.head(304, None, lines.replace(tag, tag + "-other")))
        return True
    client.sendall(origin.head(200, len(content), lines))
    origin.send(client, content)
    return True


def chunked(origin, client, path, content, coding="chunked"):
    client.sendall(f"HTTP/1.1 200 X\r\nTransfer-Encoding: {coding}\r\n\r\n".encode())
    client.sendall(f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n")
    return True


ANY = {"stall": stall, "status": status, "html": html, "redirect": redirect, "unasked304": unasked304,
       "root": root, "late": late}
OF_FILES = {"endless": endless, "truncate": truncate, "stall_after": stall_after, "slow_head": slow_head,
            "longer": longer, "answer_behind": answer_behind, "tamper": tamper, "swap": swap,
            "dated": dated, "chunked": chunked}
