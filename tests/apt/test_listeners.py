# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners: TLS and names, tokens, client certificates, roles, and the events as a stream."""
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from client import AptRoot
from node import PROGRAM, UnixConnection, until
from tls import Authority, NameProxy, TlsConnection

if shutil.which("openssl") is None:
    pytest.skip("openssl is not installed", allow_module_level=True)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


def listener(**keys):
    lines = [f"{name.replace('_', '-')} = {json.dumps(value, default=str)}" for name, value in keys.items()]
    return "[[listener]]\n" + "\n".join(lines) + "\n"


def make_token(name, role):
    done = subprocess.run([PROGRAM, "token", name, "--role", role, "--json"],
                          capture_output=True, text=True, check=True)
    made = json.loads(done.stdout)
    return made["token"], made["line"] + "\n"


def reload(node):
    count = node.log_text().count("config.reloaded")
    node.process.send_signal(signal.SIGHUP)
    until("reloaded", lambda: node.log_text().count("config.reloaded") > count)


class Follower:
    """Reads a stream of lines in the background."""

    def __init__(self, stream):
        self.lines = []
        threading.Thread(target=self.read, args=(stream,), daemon=True).start()

    def read(self, stream):
        try:
            for line in stream:
                self.lines.append(line.decode() if isinstance(line, bytes) else line)
        except (OSError, ValueError, AttributeError):
            pass  # closed under the reader's hands

    def events(self):
        return [json.loads(line.removeprefix("data: ")) for line in self.lines
                if line.startswith(("data: ", "{"))]

    def codes(self):
        return {event["code"] for event in self.events()}


@pytest.mark.smoke
def test_apt_updates_and_installs_over_tls_with_the_certificate_of_each_name(scene, authority):
    archive = scene.archive()
    archive.add("large", payload_bytes=3_000_000)
    archive.publish()
    certificates = [authority.issue(name) for name in ("one.example", "two.example")]
    node = scene.node(archive, scene.origin(archive), tail=listener(
        address="127.0.0.1:0", certificates=certificates))
    names = NameProxy(node.listeners[0])
    for name in ("one.example", "two.example"):
        apt = AptRoot(scene.folder / name, f"deb [KEY] https://{name}/test stable main", scene.key)
        with open(apt.folder / "apt.conf", "a", encoding="utf-8") as conf:
            conf.write(f'Acquire::https::CAInfo "{authority.certificate}";\n'
                       f'Acquire::https::Proxy "{names.url}";\n')
        assert (done := apt.update()).returncode == 0, done
        assert (done := apt.install("foo")).returncode == 0, done
        assert f"{name}:443" in names.names
    for asked, given in (("one.example", "one.example"), ("two.example", "two.example"),
                         ("unknown.example", "one.example")):
        client = TlsConnection(node.listeners[0], authority, asked, checks_name=False)
        client.connect()
        assert client.sock.getpeercert()["subjectAltName"] == (("DNS", given),)
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        assert client.sock.version() == "TLSv1.3"


def test_files_over_tls_are_whole_in_ranges_and_on_one_connection(scene, authority):
    archive = scene.archive()
    deb = archive.add("large", payload_bytes=3_000_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive), tail=listener(
        address="127.0.0.1:0", certificates=[authority.issue("node.example")]))
    assert scene.apt(node).update().returncode == 0
    content = deb.read_bytes()
    client = TlsConnection(node.listeners[0], authority)
    path = f"/test/pool/{deb.name}"
    for _ in range(2):  # from the source, then from the disk
        answer = client.get(path)
        assert answer.status == 200 and answer.content == content
    part = client.get(path, Range="bytes=1000-2000999")
    assert part.status == 206 and part.content == content[1000:2001000]
    tail = client.get(path, Range=f"bytes={len(content) - 7}-")
    assert tail.status == 206 and tail.content == content[-7:]
    head = client.get(path, method="HEAD")
    assert head.status == 200 and int(head.headers["Content-Length"]) == len(content)
    release = client.get("/test/dists/stable/InRelease")
    assert release.content == (archive.suite_folder / "InRelease").read_bytes()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_what_is_no_handshake_costs_one_connection_only(scene, authority):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=listener(
        address="127.0.0.1:0", certificates=[authority.issue("node.example")]))
    host, port = node.listeners[0].rsplit(":", 1)
    half_open = socket.create_connection((host, int(port)), timeout=20)
    half_open.sendall(b"\x16\x03\x01\x02\x00\x01")
    for garbage in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", os.urandom(3000), b"\x16\x03\x01\xff\xff" * 5000,
                    b"\x15\x03\x03\x00\x02\x02\x28", b""):
        with socket.create_connection((host, int(port)), timeout=20) as client:
            try:
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
            except ConnectionError:
                pass
    too_old = TlsConnection(node.listeners[0], authority)
    too_old.tls.minimum_version = too_old.tls.maximum_version = 0x0302  # TLS 1.1
    with pytest.raises(OSError):
        too_old.connect()
    other_protocol = TlsConnection(node.listeners[0], authority)
    other_protocol.tls.set_alpn_protocols(["h2"])
    with pytest.raises(OSError):
        other_protocol.connect()
    assert TlsConnection(node.listeners[0], authority).get("/.well-known/aptward").status == 200
    half_open.close()


def test_a_certificate_is_replaced_without_dropping_a_connection(scene, authority):
    archive = scene.archive()
    certificate = authority.issue("node.example")
    node = scene.node(archive, scene.origin(archive), tail=listener(
        address="127.0.0.1:0", certificates=[certificate]))
    old = TlsConnection(node.listeners[0], authority)
    assert old.get("/.well-known/aptward").status == 200
    before = old.serial()
    authority.issue("node.example", file=certificate)
    reload(node)
    kept = old.sock
    assert old.get("/.well-known/aptward").status == 200 and old.sock is kept
    new = TlsConnection(node.listeners[0], authority)
    assert new.get("/.well-known/aptward").status == 200
    assert new.serial() != before
    certificate.write_text("nothing")
    node.process.send_signal(signal.SIGHUP)
    until("refused", lambda: "config.refused" in node.log_text())
    assert TlsConnection(node.listeners[0], authority).get("/.well-known/aptward").status == 200


def test_client_certificates_give_names_and_roles(scene, authority):
    archive = scene.archive()
    strangers = Authority(scene.folder / "strangers", "another authority")
    tokens = scene.folder / "tokens"
    tokens.write_text("operator web1 cert\n")
    node = scene.node(archive, scene.origin(archive), tail=listener(
        address="127.0.0.1:0", certificates=[authority.issue("localhost")], authentication="mtls",
        client_ca=authority.certificate, tokens=tokens, serves=["archive", "admin"]))
    web1, web2 = authority.issue("web1"), authority.issue("web2")
    stranger = strangers.issue("web1")

    def connect(client):
        return TlsConnection(node.listeners[0], authority, "localhost", client)

    def approve(client):
        return connect(client).get("/api/v1/approve", "POST", json.dumps(
            {"archive": "none", "suite": "stable", "release": "0"}))

    for client in (None, stranger):
        with pytest.raises((OSError, http.client.HTTPException)):
            connect(client).get("/healthz")
    assert connect(web2).get("/healthz").status == 200
    refused = approve(web2)
    assert refused.status == 403 and b"admin.role" in refused.content, refused.content
    assert b"certificate web2" in refused.content
    assert approve(web1).status == 404  # heard: there is no such archive
    port = node.listeners[0].rsplit(":", 1)[1]
    apt = AptRoot(scene.folder / "apt", f"deb [KEY] https://localhost:{port}/test stable main", scene.key)
    with open(apt.folder / "apt.conf", "a", encoding="utf-8") as conf:
        conf.write(f'Acquire::https::CAInfo "{authority.certificate}";\n')
    assert apt.update().returncode != 0
    with open(apt.folder / "apt.conf", "a", encoding="utf-8") as conf:
        conf.write(f'Acquire::https::SslCert "{web2}";\nAcquire::https::SslKey "{web2}";\n')
    assert (done := apt.update()).returncode == 0, done


def test_tokens_give_roles_and_leave_with_their_line(scene, authority):
    archive = scene.archive()
    viewer, viewer_line = make_token("reader", "viewer")
    operator, operator_line = make_token("alice", "operator")
    tokens = scene.folder / "tokens"
    tokens.write_text(viewer_line + operator_line)
    node = scene.node(archive, scene.origin(archive), tail=listener(
        address="127.0.0.1:0", certificates=[authority.issue("localhost")], authentication="token",
        tokens=tokens, serves=["archive", "admin"]))
    client = TlsConnection(node.listeners[0], authority, "localhost")
    request = json.dumps({"archive": "none", "suite": "stable", "release": "0"})

    def ask(token, method="GET", path="/healthz", body=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return client.get(path, method, body, **headers)

    for token in (None, "wrong", viewer_line.split()[2]):
        stranger = ask(token)
        assert stranger.status == 401, token
        assert stranger.headers.get_all("WWW-Authenticate")[0].startswith("Bearer")
    assert ask(viewer).status == 200
    refused = ask(viewer, "POST", "/api/v1/approve", request)
    assert refused.status == 403 and b"admin.role" in refused.content
    assert ask(operator, "POST", "/api/v1/approve", request).status == 404
    chunked = ask(operator, "POST", "/api/v1/approve", iter([request[:10].encode(), request[10:].encode()]))
    assert chunked.status == 404 and b"archive.unknown" in chunked.content, chunked.content
    too_large = ask(operator, "POST", "/api/v1/approve", iter([b"x" * 40_000, b"x" * 40_000]))
    assert too_large.status == 400 and b"larger than" in too_large.content
    assert ask(operator, "PUT", "/api/v1/approve").headers["Allow"] == "POST"
    port = node.listeners[0].rsplit(":", 1)[1]
    apt = AptRoot(scene.folder / "apt", f"deb [KEY] https://localhost:{port}/test stable main", scene.key)
    with open(apt.folder / "apt.conf", "a", encoding="utf-8") as conf:
        conf.write(f'Acquire::https::CAInfo "{authority.certificate}";\n')
    assert apt.update().returncode != 0
    (apt.folder / "etc/auth.conf").write_text(f"machine localhost:{port} login apt password {viewer}\n")
    assert (done := apt.update()).returncode == 0, done
    open_connection = TlsConnection(node.listeners[0], authority, "localhost")
    headers = {"Authorization": f"Bearer {viewer}"}
    assert open_connection.get("/healthz", **headers).status == 200
    tokens.write_text(operator_line)
    reload(node)
    assert open_connection.get("/healthz", **headers).status == 401


def test_an_admin_address_without_authentication_is_read_only(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), tail=listener(
        address="127.0.0.1:0", serves=["admin"]))
    client = http.client.HTTPConnection(node.listeners[0], timeout=20)
    client.request("GET", "/readyz")
    assert client.getresponse().read() == b"ready\n"
    client.request("POST", "/api/v1/approve", body="{}")
    answer = client.getresponse()
    assert answer.status == 403 and b"admin.role" in answer.read()


def talk(node, *parts):
    """Sends each part after the answer to the one before; gives all that came back."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(f"{node.folder}/admin")
        answers = b""
        for part in parts[:-1]:
            client.sendall(part)
            answers += client.recv(65536)
        client.sendall(parts[-1])
        while (more := client.recv(65536)):
            answers += more
        return answers.decode()


def test_request_bodies_have_one_reading(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    request = b'{"archive": "none", "suite": "stable", "release": "0"}'
    head = b"POST /api/v1/approve HTTP/1.1\r\nHost: a\r\n"
    sized = head + b"Content-Length: %d\r\n\r\n" % len(request)
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(request), request)
    smuggled = b"GET /api/v1/status HTTP/1.1\r\nHost: a\r\n\r\n"
    for message in (sized + request, chunked + whole):
        answer = talk(node, message + smuggled)
        assert answer.count("HTTP/1.1 ") == 1 and "404" in answer and "archive.unknown" in answer, answer
        assert "Connection: close" in answer
    asked = talk(node, head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(request), request)
    assert asked.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404"), asked
    for broken in (b"5\nhello\n0\n\n", b"5\r\nhelloworld\r\n", b"zz\r\n", b"ffffffffffffffffff\r\n"):
        answer = talk(node, chunked + broken)
        assert answer.startswith("HTTP/1.1 400") and "chunked body" in answer, (broken, answer)
    too_large = talk(node, head + b"Content-Length: 70000\r\n\r\n")
    assert too_large.startswith("HTTP/1.1 400") and "larger than" in too_large


def test_events_are_followed_live_and_from_where_one_left_off(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    process = subprocess.Popen([PROGRAM, "events", "--follow", "--json", "--config", node.config],
                               stdout=subprocess.PIPE, text=True)
    follower = Follower(process.stdout)

    def stream(**headers):
        connection = UnixConnection(f"{node.folder}/admin")
        connection.request("GET", "/api/v1/events", headers={"Accept": "text/event-stream", **headers})
        return connection, connection.getresponse()

    _, idle = stream()  # never reads: may slow nobody
    connection, answer = stream()
    assert answer.headers["Content-Type"] == "text/event-stream"
    live = Follower(answer)
    assert scene.apt(node).update().returncode == 0
    until("the event by the command", lambda: "release.published" in follower.codes())
    until("the event by the stream", lambda: "release.published" in live.codes())
    listed = json.loads(node.admin("/api/v1/events"))
    numbers = [event["number"] for event in listed]
    _, again = stream(**{"Last-Event-ID": str(numbers[0])})
    rest = Follower(again)
    until("the rest", lambda: len(rest.events()) >= len(numbers) - 1)
    assert [event["number"] for event in rest.events()][:len(numbers) - 1] == numbers[1:]
    ids = [int(line[4:]) for line in live.lines if line.startswith("id: ")]
    assert ids == [event["number"] for event in live.events()]
    until("a sign of life", lambda: any(line.startswith(": still here") for line in rest.lines))
    connections = node.status()["connections"]
    connection.sock.close() if connection.sock else answer.close()
    answer.close()
    until("the stream ends with its client", lambda: node.status()["connections"] < connections)
    started = time.monotonic()
    node.stop()
    assert time.monotonic() - started < 4, "followers hold up no stopping node"
    assert process.wait(20) == 3
    idle.close()


def test_mistakes_in_listeners_are_named_all_at_once(scene, authority):
    archive = scene.archive()
    good, other = authority.issue("good.example"), authority.issue("other.example")
    locked = scene.folder / "locked.key"
    subprocess.run(["openssl", "ec", "-in", good, "-aes128", "-passout", "pass:x", "-out", locked],
                   check=True, capture_output=True)
    only_certificate = authority.folder / "good.example.crt"
    tokens = scene.folder / "tokens"
    tokens.write_text("# comment\nboss alice 12\n")
    node = scene.node(archive, scene.origin(archive))
    cases = [
        (dict(address="nowhere"), "listener.address", "is no address"),
        (dict(), "listener.address", "is no address"),
        (dict(address="127.0.0.1:0", adress="x"), "listener.adress", "accepted are: address"),
        (dict(address="127.0.0.1:0", serves=["mail"]), "listener.serves", "archive, admin"),
        (dict(address="127.0.0.1:0", serves=[]), "listener.serves", "archive, admin"),
        (dict(address="127.0.0.1:0", certificates=["/none.pem"]), "listener.certificates", "/none.pem"),
        (dict(address="127.0.0.1:0", certificates=[tokens]), "listener.certificates", "no PEM file"),
        (dict(address="127.0.0.1:0", certificates=[only_certificate]), "listener.certificates",
         "no private key"),
        (dict(address="127.0.0.1:0", certificates=[good], keys=[locked]), "listener.certificates",
         "without a passphrase"),
        (dict(address="127.0.0.1:0", certificates=[good], keys=[other]), "listener.certificates",
         "does not fit"),
        (dict(address="127.0.0.1:0", certificates=[good], keys=[good, other]), "listener.keys",
         "as many as"),
        (dict(address="127.0.0.1:0", certificates=[good], authentication="mtls"), "listener.client-ca",
         "PEM file of the authority"),
        (dict(address="127.0.0.1:0", certificates=[good], authentication="mtls", client_ca=tokens),
         "listener.client-ca", "no PEM file"),
        (dict(address="127.0.0.1:0", client_ca=good), "listener.client-ca", "mtls"),
        (dict(address="127.0.0.1:0", authentication="mtls", client_ca=good), "listener.certificates",
         "wants TLS"),
        (dict(address="127.0.0.1:0", authentication="magic"), "listener.authentication",
         "none, token, mtls, peer"),
        (dict(address="127.0.0.1:0", authentication="peer"), "listener.authentication", "unix:"),
        (dict(address="127.0.0.1:0", authentication="token"), "listener.tokens", "aptward token"),
        (dict(address="127.0.0.1:0", authentication="token", tokens=tokens), "listener.tokens", "line 2"),
        (dict(address="127.0.0.1:0", authentication="token", tokens="/none"), "listener.tokens", "/none"),
        (dict(address="0.0.0.0:0", role="admin"), "listener.role", "accepted is: viewer"),
        (dict(address="127.0.0.1:0", role="boss"), "listener.role", "viewer, operator, admin"),
        (dict(address="unix:/run/x", certificates=[good]), "listener.certificates", "no TLS"),
    ]
    file = scene.folder / "bad.toml"
    text = node.config.read_text()
    lines = []
    for keys, _, _ in cases:
        lines.append(text.count("\n") + 1)
        text += listener(**keys)
    file.write_text(text)
    check = subprocess.run([PROGRAM, "config", "check", "--config", file], capture_output=True, text=True)
    assert check.returncode == 2
    for (keys, key, words), start in zip(cases, lines):
        end = start + len(keys)
        found = [line for line in check.stderr.splitlines()
                 if start <= int(line.split(":")[1]) <= end and f" {key}: " in line and words in line]
        assert found, (keys, key, words, check.stderr)
    for word in ("address", "certificates", "tokens"):
        assert word in subprocess.run([PROGRAM, "config", "keys"], capture_output=True, text=True).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_user_who_may_not_read_the_keys_can_still_ask_the_node(scene, authority):
    def nobody(*command):
        return subprocess.run([PROGRAM, *command], capture_output=True, text=True, user=65534, group=65534)

    try:
        nobody("--version")
    except PermissionError:
        pytest.skip("the program lies where other users may not run it")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        scene.folder = pathlib.Path(folder)
        archive = scene.archive()
        certificate = authority.issue("node.example")
        certificate.chmod(0o600)
        node = scene.node(archive, scene.origin(archive), tail=listener(
            address="127.0.0.1:0", certificates=[certificate]))
        status = nobody("status", "--config", node.config)
        assert status.returncode == 0 and not status.stderr, status.stderr
        check = nobody("config", "check", "--config", node.config)
        assert check.returncode == 2 and "Permission denied" in check.stderr
        approve = nobody("approve", "test", "stable", "0", "--config", node.config)
        assert approve.returncode == 1 and "admin.role" in approve.stderr, approve.stderr
        node.stop()


def test_a_token_is_shown_once_and_only_its_hash_is_written(scene):
    token, line = make_token("alice", "operator")
    role, name, digest = line.split()
    assert (role, name) == ("operator", "alice")
    assert digest == hashlib.sha256(token.encode()).hexdigest() and token not in line
    assert make_token("alice", "operator")[0] != token
    wrong = subprocess.run([PROGRAM, "token", "a b", "--role", "operator"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "without blanks" in wrong.stderr
    wrong = subprocess.run([PROGRAM, "token", "alice", "--role", "boss"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "viewer, operator or admin" in wrong.stderr


def rewrite(node, *changes):
    text = node.config.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    node.config.write_text(text)


def opened(node):
    return json.loads((node.folder / "state/run.json").read_text())


def test_a_reload_opens_and_closes_listeners_and_drops_nobody(scene, authority):
    archive = scene.archive()
    large = archive.add("large", payload_bytes=3_000_000)
    archive.publish()
    tables = [listener(address="127.0.0.3:0"), listener(address="127.0.0.4:0")]
    node = scene.node(archive, scene.origin(archive), tail="".join(tables))
    kept, dropped = node.listeners
    admin = node.folder / "admin"
    assert scene.apt(node).update().returncode == 0
    assert node.get(f"/test/pool/{large.name}").status == 200
    paused = socket.socket()
    paused.settimeout(20)
    paused.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # less than the file
    paused.connect((dropped.rsplit(":", 1)[0], int(dropped.rsplit(":", 1)[1])))
    paused.sendall(f"GET /test/pool/{large.name} HTTP/1.1\r\nHost: n\r\n\r\n".encode())
    assert paused.recv(1) == b"H"
    idle = http.client.HTTPConnection(dropped, timeout=20)
    idle.request("GET", "/test/dists/stable/InRelease")
    idle.getresponse().read()
    steady = http.client.HTTPConnection(kept, timeout=20)
    steady.request("GET", "/test/dists/stable/InRelease")
    steady.getresponse().read()
    rewrite(node, (tables[1], listener(address="127.0.0.5:0", certificates=[authority.issue("node.example")])),
            (f"unix:{admin}", f"unix:{admin}2"))
    reload(node)
    assert opened(node)["listen"] == [node.address]
    first, second = opened(node)["listeners"]
    assert first == kept and second.startswith("127.0.0.5:")
    assert TlsConnection(second, authority).get("/test/dists/stable/InRelease").status == 200
    assert not admin.exists()
    assert json.loads(node.command("status", "--json").stdout)["archives"], "the admin socket has moved"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(dropped.rsplit(":", 1), timeout=20)
    # What runs goes on: the answer to its end, a connection that stays to its next request.
    whole = b"H"
    while (part := paused.recv(1 << 16)):
        whole += part
    assert whole.partition(b"\r\n\r\n")[2] == large.read_bytes()
    own = steady.sock
    steady.request("GET", "/test/dists/stable/InRelease")
    assert steady.getresponse().read() and steady.sock is own
    until("an idle connection of what is closed ends", lambda: idle.sock.recv(1) == b"")


def test_a_reload_changes_who_answers_at_an_address_without_closing_it(scene):
    archive = scene.archive()
    table = listener(address="127.0.0.3:0", serves=["archive"])
    node = scene.node(archive, scene.origin(archive), tail=table)
    (address,) = node.listeners

    def status_of(path):
        client = http.client.HTTPConnection(address, timeout=20)
        client.request("GET", path)
        answer = client.getresponse()
        answer.read()
        return answer.status
    assert (status_of("/test/dists/stable/InRelease"), status_of("/api/v1/status")) == (200, 404)
    rewrite(node, (table, listener(address="127.0.0.3:0", serves=["admin"])))
    reload(node)
    assert opened(node)["listeners"] == [address]
    assert (status_of("/test/dists/stable/InRelease"), status_of("/api/v1/status")) == (404, 200)


def test_a_reload_whose_address_is_taken_is_refused_whole(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    path = node.folder / "second"
    with socket.create_server(("127.0.0.3", 0)) as taken:
        port = taken.getsockname()[1]
        for addresses, why in (([f"unix:{path}", f"127.0.0.3:{port}"], f"127.0.0.3:{port} is in use by"),
                               ([f"0.0.0.0:{node.address.rsplit(':', 1)[1]}"], "overlaps with")):
            told = len(node.log_text())
            before = node.config.read_text()
            node.config.write_text(before + "".join(listener(address=address) for address in addresses))
            node.process.send_signal(signal.SIGHUP)
            until("it is refused", lambda: "config.refused" in node.log_text()[told:])
            assert why in node.log_text()[told:]
            node.config.write_text(before)
    assert not path.exists()
    assert node.get("/test/dists/stable/InRelease").status == 200
    assert opened(node)["listeners"] == []


def test_a_reload_names_the_keys_that_wait_for_a_restart(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive), top=["loops = 1", 'scrub-every = "30d"'])
    rewrite(node, ("loops = 1", "loops = 2"), ("30d", "31d"))
    reload(node)
    assert 'keys="loops, scrub-every"' in node.log_text()
