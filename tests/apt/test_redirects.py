# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a redirect may lead: never to a private host that is not the source's own."""
import pytest

from archive import Archive
from node import until
from origin import Origin

pytestmark = pytest.mark.smoke


class ForwardProxy(Origin):
    """Serves every absolute URL from its folder; `hop` maps a URL to where it redirects, or None."""
    hop = staticmethod(lambda url: None)

    def answer(self, client, stream):
        line = stream.readline().decode()
        if not line:
            return False
        while stream.readline().strip():
            pass
        url = line.split()[1]
        self.requests.append((url, {}))
        target = self.hop(url)
        if target:
            client.sendall(self.head(302, 0, f"Location: {target}\r\n"))
            return True
        file = self.root / url.split("/", 3)[3]
        content = file.read_bytes() if file.is_file() else b"none\n"
        client.sendall(self.head(200 if file.is_file() else 404, len(content)) + content)
        return True


def test_A19_V38_a_connection_that_is_open_already_is_no_way_to_a_private_host(scene, other_key):
    archive = scene.archive()
    internal = Archive(scene.folder / "internal", other_key)
    internal.add("foo")
    internal.publish()
    origin, inside = scene.origin(archive, "127.0.0.2"), scene.origin(internal, "127.0.0.3")
    node = scene.node(archive, origin, tail=(
        f'[[archive]]\nid = "internal"\nkeyrings = ["{other_key.keyring}"]\nfreshness = "0s"\n'
        f'upstreams = ["{inside.url}"]\nhosts = ["internal.example"]\n'))
    assert node.get("/test/dists/stable/InRelease").status == 200
    assert node.get("/test/dists/stable/main/binary-amd64/Packages.xz").status == 200
    assert node.get("/internal/dists/stable/InRelease").status == 200  # the connection stays open
    origin.always("redirect", inside.url + "/secret", only=".deb")
    assert node.get("/test/pool/foo_1_all.deb").status == 503
    assert "/secret" not in [path for path, _ in inside.requests]
    assert "source.redirect" in node.event_codes()


def test_A19_behind_a_proxy_the_target_is_judged_and_not_the_proxy(scene):
    archive = scene.archive()
    proxy = ForwardProxy(archive.root, "127.0.0.5")
    scene.origins.append(proxy)
    proxy.hop = lambda url: url.replace("first", "second") if "first.example" in url else None
    node = scene.node(archive, top=[f'proxy = "{proxy.url}"'], upstreams=["http://first.example"])
    assert node.get("/test/dists/stable/InRelease").status == 200, "redirected to second.example"
    assert node.get("/test/dists/stable/main/binary-amd64/Packages.xz").status == 200
    for target in ("http://127.0.0.1:1/x", "http://127.1/x", "http://[::ffff:10.0.0.1]/x",
                   "http://metadata.localhost./x"):
        proxy.requests.clear()
        proxy.hop = lambda url, target=target: target if "first.example" in url else None
        assert node.get("/test/pool/foo_1_all.deb").status == 503
        assert {url.split("/")[2] for url, _ in proxy.requests} == {"first.example"}, target
    proxy.hop = lambda url: None
    until("it is to be had again", lambda: node.get("/test/pool/foo_1_all.deb").status == 200)
