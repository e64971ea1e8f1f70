# SPDX-License-Identifier: GPL-3.0-or-later
import itertools
import shutil

import pytest

from archive import Archive, Key
from client import AptRoot
from node import Node
from origin import Origin, TlsOrigin

for tool in ("gpg", "dpkg-deb", "apt-get"):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed", allow_module_level=True)


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    return Key(tmp_path_factory.mktemp("keys") / "vendor", "vendor")


@pytest.fixture(scope="session")
def other_key(tmp_path_factory):
    return Key(tmp_path_factory.mktemp("keys") / "stranger", "stranger")


class Scene:
    """One test's archive, origins, node and clients; everything ends with the test."""

    def __init__(self, folder, key):
        self.folder, self.key, self.nodes, self.origins, self.others = folder, key, [], [], []
        self.numbers = itertools.count()

    def archive(self, **options):
        archive = Archive(self.folder / f"archive{next(self.numbers)}", self.key, **options)
        archive.add("foo")
        archive.add("bar", payload_bytes=3000)
        archive.publish()
        return archive

    def origin(self, archive, address="127.0.0.2"):
        origin = Origin(archive.root if isinstance(archive, Archive) else archive, address)
        self.origins.append(origin)
        return origin

    def tls_origin(self, archive, address="127.0.0.2"):
        origin = TlsOrigin(archive.root, self.folder / f"tls{next(self.numbers)}", address)
        self.origins.append(origin)
        return origin

    def node(self, archive, *origins, **keys):
        node = Node(self.folder / f"node{next(self.numbers)}", archive, origins, **keys)
        self.nodes.append(node)
        return node

    def apt(self, node, suite="stable main", key=None):
        return AptRoot(self.folder / f"apt{next(self.numbers)}",
                       f"deb [KEY] http://archive.example {suite}", key or self.key, node.proxy)

    def keep(self, other):
        """Closed at the end, as the origins are."""
        self.others.append(other)
        return other

    def end(self):
        for node in self.nodes:
            node.process.poll() is None and node.kill()
        for member in (*self.origins, *self.others):
            member.close()
        self.nodes, self.origins, self.others = [], [], []


@pytest.fixture
def scene(tmp_path, key, request):
    scene = Scene(tmp_path, key)
    yield scene
    scene.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    item.passed = report.passed and getattr(item, "passed", True)
    if report.when == "teardown" and item.passed and "tmp_path" in (item.funcargs or {}):
        shutil.rmtree(item.funcargs["tmp_path"], ignore_errors=True)  # all scenes together are 5 GB
    if report.failed and "scene" in getattr(item, "funcargs", {}):
        for node in item.funcargs["scene"].nodes:
            report.sections.append(("node log", node.log_text()[-4000:]))
