# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's auto-apt-proxy finds a node."""
import os
import shutil
import subprocess

import pytest

from node import PROGRAM, until

pytestmark = pytest.mark.smoke


def test_discovery_by_the_question_that_auto_apt_proxy_asks(scene):
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    asked = subprocess.run(
        ["/usr/lib/apt/apt-helper", "-o", "Acquire::http::Proxy=DIRECT", "-o", "Acquire::Retries=0",
         "download-file", node.proxy, scene.folder / "answer"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert any("406" in line and "usage information" in line.lower() for line in asked.stdout.splitlines()), \
        asked.stdout
    answer = node.get("/")
    assert answer.status == 406 and b"Aptward" in answer.content and b"/test/" in answer.content
    assert node.get("/.well-known/aptward").status == 200


def test_discovery_by_auto_apt_proxy_itself_on_its_port(scene):
    """In a network of its own, where port 3142 is free."""
    program = os.environ.get("AUTO_APT_PROXY") or shutil.which("auto-apt-proxy")
    if program is None:
        pytest.skip("auto-apt-proxy is not installed")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0:
        pytest.skip("network namespaces need root")
    archive = scene.archive()
    node = scene.node(archive, scene.origin(archive))
    node.stop()
    (scene.folder / "tmp").mkdir()
    run_file = node.folder / "state/run.json"
    run_file.unlink(missing_ok=True)
    script = (f"ip link set lo up; {PROGRAM} serve --config {node.config} --listen 127.0.0.1:3142 & "
              "echo started; read go; "
              f"TMPDIR={scene.folder}/tmp {program}; echo asked; read go; kill $!; wait $!")
    with subprocess.Popen(["unshare", "-n", "sh", "-c", script], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as inside:
        try:
            until("the node is ready", lambda: run_file.exists() or inside.poll() is not None)
            inside.stdin.write("\n")
            inside.stdin.flush()
            said = []
            while not said or said[-1] not in ("asked\n", ""):
                said.append(inside.stdout.readline())
        finally:
            inside.stdin.write("\n")
            inside.stdin.close()
    assert "http://127.0.0.1:3142\n" in said, said
