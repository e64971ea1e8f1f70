# SPDX-License-Identifier: GPL-3.0-or-later
"""Every malformed form of a request and of a path, raw, to one real node: the status, whether the
connection is closed, and that the next client on a fresh connection gets what it asks for."""
import contextlib
import re
import socket

import pytest

from archive import Archive
from node import Node, until
from origin import Origin

pytestmark = pytest.mark.smoke

GOOD = "/test/dists/stable/InRelease"
HOST = "Host: n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory, key):
    folder = tmp_path_factory.mktemp("hardening")
    archive = Archive(folder / "archive", key)
    archive.add("foo")
    archive.add("c++", version="1~x", payload_bytes=3000)
    archive.publish()
    origin = Origin(archive.root, "127.0.0.2")
    node = Node(folder / "node", archive, [origin], freshness="1h")
    assert node.get("/test/dists/stable/main/binary-amd64/Packages.xz").status == 200
    assert node.get("/test/pool/foo_1_all.deb").status == 200
    node.origin = origin
    yield node
    node.stop()
    origin.close()


class Client:
    """A raw connection that reads whole answers and knows when the other side closed it."""

    def __init__(self, node):
        host, port = node.address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self.buffer = b""

    def send(self, content):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(content if isinstance(content, bytes) else content.encode("latin-1"))

    def more(self):
        try:
            part = self.socket.recv(65536)
        except ConnectionResetError:
            part = b""
        self.buffer += part
        return bool(part)

    def answer(self, method="GET"):
        """(status, headers in lower case, body), or None at the end."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                assert not self.buffer, self.buffer
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if method == "HEAD" or lines[0].split()[1] == "304":
            length = 0
        while len(self.buffer) < length:
            assert self.more(), "cut in the middle of a body"
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(lines[0].split()[1]), headers, body

    def is_closed_by_node(self):
        self.socket.settimeout(5)
        try:
            return not self.more()
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()


def get(target=GOOD, headers=HOST, method="GET", version="HTTP/1.1", body=""):
    return f"{method} {target} {version}\r\n{headers}\r\n{body}"


def with_header(line):
    return get(headers=HOST + line + "\r\n")


# What must be refused, and the connection closed: two parsers could see different requests in it.
REFUSED = {
    "CL and TE": with_header("Content-Length: 5\r\nTransfer-Encoding: chunked"),
    "TE and CL": with_header("Transfer-Encoding: chunked\r\nContent-Length: 5"),
    "two equal CL": with_header("Content-Length: 5\r\nContent-Length: 5"),
    "two CL": with_header("Content-Length: 5\r\nContent-Length: 6"),
    "listed CL": with_header("Content-Length: 5, 5"),
    **{f"CL {value!r}": with_header(f"Content-Length: {value}")
       for value in ("+5", "0x5", "5_0", "5/", '""', "", "-1", "18446744073709551616", "5 5", "٥".encode()
                     .decode("latin-1"), "1e3", "5;", "5.0")},
    **{f"TE {value!r}": with_header(f"Transfer-Encoding: {value}")
       for value in ("chunked, chunked", "xchunked", "\x0bchunked", "identity", "gzip, chunked", "chunked;q=1",
                     "", "chunked,", "chunk ed", '"chunked"', "cow")},
    "two TE": with_header("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    "TE in HTTP/1.0": get(headers="Transfer-Encoding: chunked\r\n", version="HTTP/1.0"),
    "bare LF after the request line": f"GET {GOOD} HTTP/1.1\nHost: n\r\n\r\n",
    "bare LF after a header": f"GET {GOOD} HTTP/1.1\r\nHost: n\nX: y\r\n\r\n",
    "bare LF as the end": f"GET {GOOD} HTTP/1.1\r\nHost: n\r\n\n",
    "bare LF everywhere": f"GET {GOOD} HTTP/1.1\nHost: n\n\n",
    "bare CR in the request line": f"GET {GOOD}\rHTTP/1.1\r\nHost: n\r\n\r\n",
    "bare CR in a header": with_header("X: a\rb"),
    "bare CR as line end": f"GET {GOOD} HTTP/1.1\rHost: n\r\r",
    "CR CR LF": f"GET {GOOD} HTTP/1.1\r\r\nHost: n\r\n\r\n",
    "NUL in a value": with_header("X: a\0b"),
    "NUL in a name": with_header("X\0: b"),
    "NUL in the target": get("/test/dists\0/x"),
    "control byte in a value": with_header("X: a\x01b"),
    "obs-fold": with_header("X: a\r\n b"),
    "obs-fold first": f"GET {GOOD} HTTP/1.1\r\n Host: n\r\n\r\n",
    "blank before the colon": with_header("X : a"),
    "tab before the colon": with_header("X\t: a"),
    "CL with a blank before the colon": with_header("Content-Length : 5"),
    "empty header name": with_header(": a"),
    "no colon": with_header("nonsense"),
    "bracket in a header name": with_header("X(y): a"),
    "no Host": get(headers=""),
    "two Hosts": get(headers="Host: a\r\nHost: b\r\n"),
    "two equal Hosts": get(headers="Host: n\r\nHost: n\r\n"),
    **{f"Host {value!r}": get(headers=f"Host: {value}\r\n")
       for value in ("a b", "a/b", "a@b", "a:b", "a,b", "[::1", "a:99999", "a:0080", "a\tb", "http://a")},
    "HTTP/0.9": f"GET {GOOD}\r\n\r\n",
    **{f"version {value!r}": get(version=value)
       for value in ("HTTP/1.32", "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/01.1", "HTTP/1.1 ", "http/1.1",
                     "HTTP/1,1", "HTTP/1.1x", "HTTP /1.1", "FTP/1.1", "HTTP/11")},
    "h2c preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "two leading empty lines": "\r\n\r\n" + get(),
    "leading blank": " " + get(),
    "leading LF": "\n" + get(),
    "two blanks before the target": f"GET  {GOOD} HTTP/1.1\r\n{HOST}\r\n",
    "two blanks before the version": f"GET {GOOD}  HTTP/1.1\r\n{HOST}\r\n",
    "tab as separator": f"GET\t{GOOD}\tHTTP/1.1\r\n{HOST}\r\n",
    "64 KB request line": get("/" + "a" * 65536),
    "9 KB target": get("/" + "a" * 9000),
    "64 KB header": with_header("X: " + "a" * 65536),
    "100 000 headers": get(headers=HOST + "X: y\r\n" * 100_000),
    "101 headers": get(headers=HOST + "X: y\r\n" * 100),
    "bad method": get(method="G(T"),
    "30 byte method": get(method="A" * 30),
    "authority form with GET": get("archive.example:80"),
    "asterisk with GET": get("*"),
    "other scheme": get("ftp://archive.example/x"),
    "file scheme": get("file:///etc/passwd"),
    "userinfo": get("http://user@archive.example/x"),
    "userinfo that looks like a host": get("http://archive.example:80@evil.example/x"),
    "port 0": get("http://archive.example:0/x"),
    "port over 65535": get("http://archive.example:65536/x"),
    "no host in absolute form": get("http:///x"),
    "relative target": get("test/dists/stable/InRelease"),
    "CONNECT without port": get("archive.example", method="CONNECT"),
    "CONNECT with a path": get("archive.example:443/x", method="CONNECT"),
}

# Paths that name something else to us than to an upstream, or reach outside.
REFUSED_PATHS = [
    "/test/../etc/passwd", "/test/..", "/..", "/test/%2e%2e/x", "/test/%2E%2E/x", "/test/.%2e/x",
    "/test/..%2fx", "/test/..%2Fx", "/test/%2e%2e%2fx", "/test/a%2fb", "/test/%5c..%5cx", "/test/a%5cb",
    "/test/a\\b", "/test/%2e/x", "/test/a%00b", "/test/%00", "/test/a%0ab", "/test/a%0d%0ab", "/test/a%09b",
    "/test/a%7fb", "/test/%c0%ae%c0%ae/x", "/test/%c0%af", "/test/%e0%80%ae", "/test/%f0%80%80%ae",
    "/test/%ed%a0%80", "/test/%ff", "/test/%f4%90%80%80", "/test/%", "/test/%4", "/test/%zz", "/test/%u002e",
    "/test/a#b", "/test/a#", "/test/\x80", "http://archive.example/../x", "http://archive.example/%2e%2e/x",
]


@pytest.mark.parametrize("name", REFUSED)
def test_A19_A25_a_malformed_request_is_refused_and_the_connection_closed(served, name):
    client = Client(served)
    client.send(REFUSED[name])
    # A second request right behind must never be answered: where the first one ends is not known.
    client.send(get("/test/smuggled"))
    status, headers, body = client.answer()
    assert 400 <= status < 500 or status in (501, 505), (status, body)
    assert headers["connection"] == "close" and body.strip()
    assert client.is_closed_by_node()
    client.close()
    assert served.get(GOOD).status == 200
    assert not any("smuggled" in path for path, _ in served.origin.requests)


@pytest.mark.parametrize("path", REFUSED_PATHS)
def test_A19_a_path_with_two_readings_is_refused(served, path):
    client = Client(served)
    client.send(get(path))
    status, headers, body = client.answer()
    assert status == 400 and headers["connection"] == "close", (status, body)
    client.close()
    assert served.get(GOOD).status == 200


# Odd but of one reading: (request, statuses that are right, stays open).
ANSWERED = {
    "one leading empty line": ("\r\n" + get(), {200}, True),
    "HTTP/1.0": (get(version="HTTP/1.0", headers=""), {200}, False),
    "HTTP/1.0 keep-alive": (get(version="HTTP/1.0", headers="Connection: keep-alive\r\n"), {200}, True),
    "Connection: close": (with_header("Connection: close"), {200}, False),
    "close wins": (with_header("Connection: keep-alive, close"), {200}, False),
    "Host with port": (get(headers="Host: archive.example:3142\r\n"), {200}, True),
    "empty Host": (get(headers="Host:\r\n"), {200}, True),
    "absolute form with another Host": (
        get("http://archive.example/dists/stable/InRelease", headers="Host: evil.example\r\n"), {200}, True),
    "absolute form in upper case": (
        get("HTTP://ARCHIVE.EXAMPLE/dists/stable/InRelease"), {200}, True),
    "absolute form with the root's dot": (
        get("http://archive.example./dists/stable/InRelease"), {200}, True),
    "absolute form of an unknown host": (get("http://evil.example/x"), {403}, True),
    "absolute form with another port": (get("http://archive.example:81/dists/stable/InRelease"), {403}, True),
    "private address": (get("http://169.254.169.254/latest/meta-data/"), {403}, True),
    "URL inside a path": (get("/test/http://evil.example/x"), {404}, True),
    "URL inside the mapped path": (get("/http://evil.example/x"), {404}, True),
    "obs-text in a value": (with_header("X: \xff\xfe"), {200}, True),
    "empty value": (with_header("X:"), {200}, True),
    "upgrade to h2c": (with_header("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                   "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"), {200}, True),
    "upgrade to websocket": (with_header("Connection: Upgrade\r\nUpgrade: websocket"), {200}, True),
    "99 headers": (get(headers=HOST + "X: y\r\n" * 99), {200}, True),
    "60 KB of headers": (get(headers=HOST + f"X: {'a' * 20000}\r\n" * 3), {200}, True),
    "8 KB segment": (get("/test/" + "a" * 8000), {404}, True),
    "PUT": (get(method="PUT"), {405}, True),
    "DELETE": (get(method="DELETE"), {405}, True),
    "TRACE": (get(method="TRACE"), {405}, True),
    "get in lower case": (get(method="get"), {405, 501}, True),
    "OPTIONS *": (get("*", method="OPTIONS"), {405}, True),
    **{f"CONNECT to {address}": (get(f"{address}:443", method="CONNECT"), {403}, True)
       for address in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "192.168.1.1", "172.16.0.1",
                       "169.254.169.254", "[fe80::1]", "[fd00::1]", "0.0.0.0", "localhost")},
    "CONNECT to another port": (get("archive.example:22", method="CONNECT"), {403}, True),
    "Expect without a body": (with_header("Expect: 100-continue"), {200}, True),
    "unknown expectation": (with_header("Expect: miracles"), {200, 417}, True),
    "GET with Content-Length: 0": (with_header("Content-Length: 0"), {200}, True),
}

# A request with a body that nobody reads: answered, then closed, and the body is no request.
SMUGGLED = get("/test/smuggled")
BODIES = {
    "POST": get(method="POST", headers=HOST + f"Content-Length: {len(SMUGGLED)}\r\n", body=SMUGGLED),
    "PUT": get(method="PUT", headers=HOST + f"Content-Length: {len(SMUGGLED)}\r\n", body=SMUGGLED),
    "GET with a body": get(headers=HOST + f"Content-Length: {len(SMUGGLED)}\r\n", body=SMUGGLED),
    "HEAD with a body": get(method="HEAD", headers=HOST + f"Content-Length: {len(SMUGGLED)}\r\n",
                            body=SMUGGLED),
    "Expect with a body": get(method="POST", headers=HOST + "Expect: 100-continue\r\nContent-Length: 9\r\n",
                              body=SMUGGLED),
    **{f"chunk size {size!r}": get(method=method, headers=HOST + "Transfer-Encoding: chunked\r\n",
                                   body=f"{size}\r\nabcde\r\n0\r\n\r\n{SMUGGLED}")
       for method in ("GET", "POST")
       for size in ("5", "0x5", "5;ext", "5;ext=\"\n\"", " 5", "5 ", "", "-5", "fffffffffffffffff", "+5")},
    "chunk with a bare LF": get(headers=HOST + "Transfer-Encoding: chunked\r\n",
                                body=f"5\nabcde\n0\n\n{SMUGGLED}"),
    "trailers": get(headers=HOST + "Transfer-Encoding: chunked\r\n",
                    body=f"0\r\nContent-Length: 9\r\nHost: evil.example\r\n\r\n{SMUGGLED}"),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_A19_A25_an_odd_request_has_one_answer(served, name):
    request, statuses, stays = ANSWERED[name]
    client = Client(served)
    client.send(request)
    method = re.match(r"\s*(\S+)", request)[1]
    status, headers, body = client.answer(method)
    assert status in statuses, (status, body)
    assert (headers.get("connection") != "close") == stays, headers
    if stays:
        client.send(get())
        assert client.answer()[0] == 200
    else:
        assert client.is_closed_by_node()
    client.close()
    assert served.get(GOOD).status == 200


@pytest.mark.parametrize("name", BODIES)
def test_A19_a_body_that_nobody_reads_is_never_a_request(served, name):
    client = Client(served)
    client.send(BODIES[name])
    status, headers, body = client.answer("HEAD" if name.startswith("HEAD") else "GET")
    assert status in (200, 400, 405, 411, 413, 417), (status, body)
    assert headers["connection"] == "close", "the client must know that this connection ends"
    assert client.is_closed_by_node()
    client.close()
    assert served.get(GOOD).status == 200
    assert not any("smuggled" in path for path, _ in served.origin.requests)


def test_A19_names_with_two_spellings_meet(served):
    content = served.get("/test/pool/c++_1~x_all.deb").content
    assert len(content) > 3000
    for path in ("/test/pool/c%2B%2B_1~x_all.deb", "/test/pool/c%2b+_1%7ex_all.deb", "/test//pool/c++_1~x_all.deb",
                 "/test/./pool/c++_1~x_all.deb", "/test/pool/./c++_1~x_all.deb", "//test/pool/c++_1~x_all.deb",
                 "/test/pool/c++_1~x_all.deb?query", "/%74est/pool/c++_1~x_all.deb"):
        answer = served.get(path)
        assert (answer.status, answer.content) == (200, content), path
    # Decoded once: these name other things.
    for path in ("/test/pool/c%252B%252B_1~x_all.deb", "/test/%252e%252e/x", "/test/pool/c++_1~x_all.deb;p",
                 "/test/pool/c  _1~x_all.deb".replace("  ", "%20%20"), "/test/~root/x"):
        assert served.get(path).status == 404, path


RANGES = {"bytes=0-9": (206, 10), "bytes=-5": (206, 5), "bytes=5-": (206, None), "bytes=0-0": (206, 1),
          "bytes=99999999-": (416, 0), "bytes=-0": (416, 0), "bytes=5-2": (200, None), "bytes=a-b": (200, None),
          "bytes=": (200, None), "bytes=-": (200, None), "bytes": (200, None), "lines=0-5": (200, None),
          "bytes=0-1,3-4": (200, None), "bytes=" + "0-," * 10_000 + "0-": (200, None), "bytes= 0-5": (200, None),
          "bytes=0-18446744073709551616": (206, None), "bytes=18446744073709551616-": (416, 0),
          "bytes=+0-5": (200, None), "bytes=0x0-5": (200, None)}


@pytest.mark.parametrize("value", RANGES, ids=lambda value: value[:20])
def test_A25_any_range_is_exact_or_ignored(served, value):
    whole = served.get("/test/pool/foo_1_all.deb").content
    answer = served.get("/test/pool/foo_1_all.deb", Range=value)
    status, count = RANGES[value]
    assert answer.status == status
    if status == 206:
        first, last, total = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)",
                                                   answer.headers["Content-Range"]).groups())
        assert answer.content == whole[first:last + 1] and total == len(whole)
        assert count in (None, len(answer.content))
    elif status == 200:
        assert answer.content == whole and "Content-Range" not in answer.headers
    else:
        assert answer.headers["Content-Range"] == f"bytes */{len(whole)}" and answer.content == b""


def test_A25_if_range_gives_a_part_of_exactly_these_bytes_only(served):
    path = "/test/pool/foo_1_all.deb"
    headers = served.get(path).headers
    for value, status in ((headers["ETag"], 206), (headers["Last-Modified"], 206), ('"other"', 200),
                          ("W/" + headers["ETag"], 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200), ("x", 200),
                          ("", 200), ("*", 200)):
        assert served.get(path, Range="bytes=0-9", **{"If-Range": value}).status == status, value


def test_A19_a_thousand_pipelined_requests_get_a_thousand_answers_in_order(served):
    client = Client(served)
    sizes = {GOOD: len(served.get(GOOD).content), "/test/none": None,
             "/test/pool/foo_1_all.deb": len(served.get("/test/pool/foo_1_all.deb").content)}
    order = [list(sizes)[number % 3] for number in range(1000)]
    client.socket.setblocking(True)
    client.send("".join(get(path) for path in order))
    for path in order:
        status, _, body = client.answer()
        assert (status, len(body)) == (200, sizes[path]) if sizes[path] else status == 404
    client.close()


def test_A18_an_answer_carries_our_headers_only(served):
    known = {"date", "last-modified", "etag", "accept-ranges", "age", "cache-status", "aptward-generation",
             "content-type", "content-length", "content-range", "retry-after", "connection", "allow"}
    for path in (GOOD, "/test/pool/foo_1_all.deb", "/test/none", "/", "/test/"):
        assert {name.lower() for name in served.get(path).headers} <= known, path


def test_A1_a_closed_range_of_a_tampered_file_is_never_complete(scene):
    archive = scene.archive()
    content = archive.add("large", payload_bytes=8_000_000).read_bytes()
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin)
    assert scene.apt(node).update().returncode == 0
    origin.always("tamper", "first", only="large")
    for wanted in ("bytes=0-999999", "bytes=0-0", "bytes=0-"):
        answer = node.get("/test/pool/large_1_all.deb", Range=wanted)
        assert answer.content is None or answer.status == 503, wanted
    origin.heal()
    # Whoever has the beginning of something else gets the whole.
    until("served again", lambda: node.get("/test/pool/large_1_all.deb", Range="bytes=0-999999").content == content)
