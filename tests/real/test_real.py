# SPDX-License-Identifier: GPL-3.0-or-later
"""The main client scenarios against the archive that this machine's own apt is configured for.

Gentle: one node without configuration, one update, one small package, one small source. Skipped,
and says why, where the machine has no http apt source that answers. Label `real`; ./dev real.
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "apt"))
from node import PROGRAM, until  # noqa: E402

SMALL = ("hello", "base-files", "libjs-jquery")  # the first that the archive has
OPTIONS = {"Acquire::Languages": "none", "Acquire::Retries": "1", "APT::Sandbox::User": "",
           "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
           "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
           "Acquire::IndexTargets::deb::CNF::DefaultEnabled": "false"}


def http_sources():
    """(URI, suite, component, keyring) of the machine's own sources, as apt itself reads them."""
    said = subprocess.run(["apt-get", "indextargets", "--format",
                           "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)", "Created-By: Packages"],
                          capture_output=True, text=True)
    found = {tuple(line.split("|")) for line in said.stdout.splitlines() if line.startswith("http://")}
    return sorted(found)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    sources = http_sources()
    if not sources:
        pytest.skip("skipped: this machine has no http:// apt source to test against")
    folder = tmp_path_factory.mktemp("real")
    log = open(folder / "log", "wb")
    process = subprocess.Popen(
        [PROGRAM, "serve", "--state", folder / "state", "--admin", f"unix:{folder}/admin", "--listen",
         "127.0.0.1:0"], stdout=log, stderr=log)
    run_file = folder / "state/run.json"
    until("the node is ready", lambda: run_file.exists() or process.poll() is not None, 60)
    if process.poll() is not None:
        pytest.fail("the node does not start without configuration: " + (folder / "log").read_text())
    yield folder, f"http://{json.loads(run_file.read_text())['listen'][0]}", sources
    process.terminate()
    assert process.wait(20) == 0


class PrivateApt:
    """The machine's own sources and keys, everything else private; all traffic through the node."""

    def __init__(self, folder, proxy, more=()):
        self.folder = folder
        for part in ("state/lists/partial", "cache/archives/partial", "downloads"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "state/status").write_text("")
        options = {**OPTIONS, "Dir::State": folder / "state", "Dir::State::status": folder / "state/status",
                   "Dir::Cache": folder / "cache", "Acquire::http::Proxy": proxy,
                   "Acquire::https::Proxy": "DIRECT", **dict(more)}
        (folder / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in options.items()))

    def run(self, *command):
        # Given as options, because the machine's apt.conf.d is read after APT_CONFIG.
        options = [part for line in (self.folder / "apt.conf").read_text().splitlines()
                   for part in ("-o", line.rstrip(";").replace(' "', "=", 1).rstrip('"'))]
        return subprocess.run([command[0], *options, *command[1:]], cwd=self.folder / "downloads",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C"})


@pytest.fixture(scope="module")
def apt(machine, tmp_path_factory):
    folder, proxy, _ = machine
    client = PrivateApt(tmp_path_factory.mktemp("apt"), proxy)
    done = client.run("apt-get", "update", "-q")
    if done.returncode != 0:
        log = (folder / "log").read_text()
        if "source.refused" in log or "source.not-resolved" in log:
            pytest.skip("skipped: this machine's apt sources do not answer")
        pytest.fail(done.stdout + log)
    return client


def small_package(apt):
    for name in SMALL:
        if "Candidate: (none)" not in (shown := apt.run("apt-cache", "policy", name).stdout) and \
                "Candidate:" in shown:
            return name
    pytest.skip(f"skipped: the archive has none of {', '.join(SMALL)}")


def test_update_with_the_machines_own_sources(machine, apt):
    folder, _, sources = machine
    releases = list((folder / "state/releases").iterdir())
    assert releases, "no release was accepted"
    assert (folder / "log").read_text().count("release.published") >= 1
    again = apt.run("apt-get", "update", "-q")
    assert again.returncode == 0 and "Hit:" in again.stdout, again.stdout


def test_a_small_package_is_downloaded_through_the_node(machine, apt):
    name = small_package(apt)
    done = apt.run("apt-get", "install", "-q", "-y", "--download-only", "--no-install-recommends", name)
    assert done.returncode == 0, done.stdout
    again = apt.run("apt-get", "download", "-q", name)  # held now: not asked for again
    assert again.returncode == 0, again.stdout
    (deb,) = (apt.folder / "downloads").glob(f"{name}_*.deb")
    assert subprocess.run(["dpkg-deb", "-I", deb], capture_output=True).returncode == 0


def test_a_small_source_is_downloaded_through_the_node(machine, apt, tmp_path):
    """Also where the machine has no deb-src line: the same archive's, in a list of its own."""
    _, proxy, sources = machine
    suites = sorted((suite.count("-"), uri, suite, component, keyring)
                    for uri, suite, component, keyring in sources if component == "main")
    if not suites:
        pytest.skip("skipped: no http source of this machine has a component main")
    _, uri, suite, component, keyring = suites[0]
    option = f"[signed-by={keyring}] " if keyring.startswith("/") else ""
    listed = tmp_path / "sources.list"
    listed.write_text(f"deb-src {option}{uri} {suite} {component}\n")
    client = PrivateApt(tmp_path / "apt", proxy, {"Dir::Etc::sourcelist": listed, "Dir::Etc::sourceparts": "-"})
    done = client.run("apt-get", "update", "-q")
    assert done.returncode == 0, done.stdout
    done = client.run("apt-get", "source", "-q", "--download-only", small_package(apt))
    assert done.returncode == 0, done.stdout
    assert list((tmp_path / "apt/downloads").glob("*.dsc"))


def test_everything_kept_has_the_hash_of_its_name(machine, apt):
    blobs = [file for file in (machine[0] / "state/blobs/sha256").rglob("*") if file.is_file()]
    assert blobs
    for file in blobs:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name
