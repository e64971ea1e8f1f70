# SPDX-License-Identifier: GPL-3.0-or-later
"""Every attack of attacks.py against a node with this source alone and beside a good one: what the client
got (C1), nothing unproven kept (C2), success once the origin is healed, without anybody's help (C3), an
event that names source and evidence (C4), a counter (C5), success during the attack where a second source
is good (C6), and nothing unproven after kill -9 in its middle (C7)."""
import json
import re
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from archive import Archive
from attacks import ATTACKS, SPARED, Cast, ask, make_keys, of
from client import AptRoot
from coherence import blobs_of, sha256, wrong_blobs
from node import Node, is_sanitized, until
from shim import Shim

pytestmark = pytest.mark.smoke

RELEASE = "/test/dists/stable/InRelease"
PACKAGE = "/test/pool/foo_1_all.deb"


@pytest.fixture(scope="session")
def keys(tmp_path_factory, key):
    return make_keys(tmp_path_factory.mktemp("keys"), key)


@pytest.fixture(scope="session")
def models(tmp_path_factory, key):
    """Archives to copy, by their forms: making one takes longer than most attacks."""
    made = {}

    def model(forms):
        if forms not in made:
            made[forms] = Archive(tmp_path_factory.mktemp("model") / "archive", key, forms=forms)
            made[forms].add("foo", payload_bytes=60_000)
            made[forms].add("bar", payload_bytes=30_000)
            made[forms].publish()
        return made[forms]
    return model


class Stage(Cast):
    """`alone` has hostile sources only, `beside` a good one as well."""

    def __init__(self, scene, attack, model, keys):
        self.scene, self.attack = scene, attack
        self.enter(model.copy(scene.folder / "good"), scene.folder, keys)
        self.ring = scene.folder / "ring.gpg"
        self.ring.write_bytes(b"".join(keys[name].keyring.read_bytes() for name in ("vendor", *attack.keys)))
        self.origin = scene.origin(self.archive, "127.0.0.2")
        self.good_origin = scene.origin(self.archive, "127.0.0.4")
        self.hostile = [self.origin] + ([scene.origin(self.archive, "127.0.0.3")] if attack.third else [])
        self.is_warm = attack.package or attack.prepare is not None
        if attack.prepare:
            attack.prepare(self, self.origin)
        self.environment = {}
        if attack.row == "A24":
            self.shim = Shim(scene.folder, scene.folder / "node-alone/state")
            self.environment = self.shim.environment
        self.alone = self.node("alone", *self.hostile)
        self.client = self.fresh_client(self.alone, *(origin.url for _, origin in self.neighbours))
        if self.is_warm:
            assert self.client.update().returncode == 0
        if attack.prepare:
            assert self.client.download("foo").returncode == 0

    def node(self, name, *origins):
        node = Node(self.scene.folder / f"node-{name}", self.archive, origins, keyrings=[str(self.ring)],
                    environment=self.environment, tail=self.tables(),
                    hosts=None if self.neighbours else ["archive.example"])
        self.scene.nodes.append(node)
        if self.is_warm:  # it has seen what a client before the attack has
            assert node.get(RELEASE).status == 200
            (*_, index) = sorted(self.archive.suite_folder.rglob("Packages.*"))
            assert node.get(f"/test/{index.relative_to(self.archive.root)}").status == 200
        return node

    def neighbour(self, address, archive):
        return self.scene.origin(archive, address)

    def fresh_client(self, node, url=None):
        url = url or (self.origin.url if self.neighbours else "http://archive.example")
        return AptRoot(self.scene.folder / f"apt{next(self.scene.numbers)}", f"deb [KEY] {url} stable main",
                       types.SimpleNamespace(keyring=self.ring), node.proxy)

    def heal(self):
        self.spoilt = [(origin, origin.fault, origin.root) for origin in self.hostile]
        for origin in self.hostile:
            origin.root = self.archive.root
            origin.heal()
        if self.attack.row == "A24":
            self.spoilt_clock_s, self.shim.clock_offset_s = self.shim.clock_offset_s, 0
        if self.attack.client == "right" or len(self.signed) > 1:
            # Whoever had something right all the time must get what comes now; and a vendor whose
            # newer release was shown goes on from there.
            self.go_on()

    def resume(self):
        for origin, fault, root in self.spoilt:
            origin.fault, origin.root = fault, root
        if self.attack.row == "A24":
            self.shim.clock_offset_s = self.spoilt_clock_s

    def ask(self, node, is_package=False):
        return ask(self, self.client if is_package else self.fresh_client(node), is_package)

    def settle(self, node):
        """Until what a client got is stored, which may be a moment later."""
        _, path = self.archive.packages["foo"]
        until("it is stored", lambda: sha256(path.read_bytes()) in blobs_of(node))

    # The checks

    def is_clean(self, node):
        assert node.process.poll() is None, "it still runs"
        assert node.scrub() == 0
        assert wrong_blobs(node) == []
        assert blobs_of(node) <= self.proven(), "something unproven is kept"

    def told(self, node):
        """The events of this attack that name the source, and the evidence where there are bytes."""
        events = json.loads(node.admin("/api/v1/events?limit=5000"))
        return [event for event in events
                if re.fullmatch(self.attack.code, event["code"]) and event["source"] == self.origin.url
                and (re.fullmatch("[0-9a-f]{64}", event["evidence"]) or not self.attack.is_evident)]

    def faults(self, node):
        pattern = r'aptward_source_faults_total\{[^}]*source="%s"[^}]*\} (\d+)' % re.escape(self.origin.url)
        return sum(map(int, re.findall(pattern, node.admin("/metrics"))))

    def kill_in_the_middle(self):
        """As soon as the attacked answer is on its way."""
        path = PACKAGE if self.attack.package else RELEASE
        seen = len(self.origin.requests)

        def client():
            try:
                self.alone.get(path)
            except OSError:
                pass  # it was killed
        thread = threading.Thread(target=client, daemon=True)
        thread.start()
        until("it is asked for", lambda: len(self.origin.requests) > seen or self.origin.spoiling
              or not thread.is_alive())
        self.alone.kill()
        self.alone.start()


def play(scene, attack, models, keys):
    stage = Stage(scene, attack, models(attack.forms), keys)
    node = stage.alone
    has_other = not attack.is_brief and (attack.row, "C6") not in SPARED
    beside = stage.node("beside", *stage.hostile, stage.good_origin) if has_other else None
    witness = beside if attack.is_told_beside else node
    faults, cpu, memory = stage.faults(node), node.cpu_seconds(), node.resident_bytes()
    if attack.is_told_beside and beside:
        faults = stage.faults(beside)
    stage.begin()
    with ThreadPoolExecutor() as pool:  # the two do not wait for each other
        got_beside = beside and pool.submit(stage.ask, beside)
        got = stage.ask(node, attack.package)
    assert got == attack.client, f"C1: {got}"
    assert not attack.most_bytes or stage.origin.sent < attack.most_bytes * (1 + has_other), \
        f"C1: it takes {stage.origin.sent} bytes"
    if not is_sanitized():
        assert node.cpu_seconds() - cpu < 3, "C1: it works too much"
        assert node.resident_bytes() - memory < 64_000_000, "C1: it holds too much"
    stage.is_clean(node)  # C2
    if attack.is_brief:
        return
    if beside:
        assert got_beside.result() == "right", "C6"
        stage.is_clean(beside)
    code = until(f"C4: {attack.code}", lambda: stage.told(witness), 5)[0]["code"]
    assert witness.counter(code) > 0, "C5"
    assert not attack.is_blamed or stage.faults(witness) > faults, "C5: the source is not blamed"
    if not attack.package:  # of a package that came meanwhile there would be no middle
        stage.heal()
        assert stage.ask(node) == "right", "C3"
        stage.settle(node)
        stage.resume()
    stage.kill_in_the_middle()  # C7
    stage.is_clean(node)
    if attack.client == "right":
        assert stage.ask(node) == "right", "C7: what it held is lost"
    if attack.package:
        stage.heal()
        assert stage.ask(node) == "right", "C3"


def each(row):
    return pytest.mark.parametrize("attack", of(row), ids=str)


def test_every_row_has_an_attack_that_is_played_with_all_the_checks():
    assert {attack.row for attack in ATTACKS} == {attack.row for attack in ATTACKS if not attack.is_brief}


@each("A1")
def test_A1_C1_C2_C3_C4_C5_C6_C7_arbitrary_software(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A2")
def test_A2_C1_C2_C3_C4_C5_C6_C7_truncation_and_wrong_length(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A3")
def test_A3_C1_C2_C3_C4_C5_C6_C7_wrong_software(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A4")
def test_A4_C1_C2_C3_C4_C5_C6_C7_endless_data(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A4b")
def test_A4b_C1_C2_C3_C4_C5_C6_C7_a_decompression_bomb(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A5")
def test_A5_C1_C2_C3_C4_C5_C6_C7_an_edited_index(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A6")
def test_A6_C1_C2_C3_C4_C5_C6_C7_rollback(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A7")
def test_A7_C1_C2_C3_C4_C5_C6_C7_indefinite_freeze(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A8")
def test_A8_C1_C2_C3_C4_C5_C6_C7_fast_forward(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A9")
def test_A9_C1_C2_C3_C4_C5_C6_C7_mix_and_match(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A10")
def test_A10_C1_C2_C3_C4_C5_C6_C7_mirrors_that_prevent_updates(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A11")
def test_A11_C1_C2_C3_C4_C5_C6_C7_slow_retrieval(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A12")
def test_A12_C1_C2_C3_C4_C5_C6_C7_keys_that_must_not_count(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A15")
def test_A15_C1_C2_C3_C4_C5_C6_C7_downgrade_to_unsigned_or_weak(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A16")
def test_A16_C1_C2_C3_C4_C5_C6_C7_signature_wrapping(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A17")
def test_A17_C1_C2_C3_C4_C5_C6_C7_failover_without_verification(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A18")
def test_A18_C1_C2_C3_C4_C5_C6_C7_redirects(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A19")
def test_A19_C1_C2_C3_C4_C5_C6_C7_requests_forged_through_a_source(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A20")
def test_A20_C1_C2_C3_C4_C5_C6_C7_a_captive_portal(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A21")
def test_A21_C1_C2_C3_C4_C5_C6_C7_unasked_304_and_dates(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A22")
def test_A22_C1_C2_C3_C4_C5_C6_C7_another_suite_or_archive(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A24")
def test_A24_C1_C2_C3_C4_C5_C7_a_wrong_clock(scene, attack, models, keys):
    play(scene, attack, models, keys)


@each("A25")
def test_A25_C1_C2_C3_C4_C5_C6_C7_nonsense_for_parsers(scene, attack, models, keys):
    play(scene, attack, models, keys)
