# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight nodes behind one line: what all want at once crosses it once."""
import json
import time

import pytest

from neighbourhood import Neighbourhood, check_files, copy_of, install_on_all, stocked
from network import is_possible
from node import until

pytestmark = [pytest.mark.smoke, pytest.mark.alone,
              pytest.mark.skipif(not is_possible(), reason="network namespaces need root and iproute2")]

COUNT, PACKAGES = 8, 40


def given(node):
    return json.loads(node.admin("/api/v1/peers"))["given"]


def copies_of_an_install(street, names, nodes, disturb=None):
    """Of the archive, that the vendor sends while these nodes' clients install all of it at once; `disturb` is
    called when a part of one has come. Every client gets everything."""
    one, before = copy_of(street.archive, names), street.vendor.sent

    def meanwhile():
        if disturb is not None:
            until("a part has come", lambda: street.vendor.sent - before > 0.3 * one, seconds=60)
            disturb()
    apts = [street.apt(node) for node in nodes]
    install_on_all(apts, names, meanwhile)
    check_files(apts, street.archive, names)
    copies = (street.vendor.sent - before) / one
    print(f"{copies:.2f} copies")
    return copies


def street_of(scene, payload, rate):
    archive = scene.archive()
    names = stocked(archive, PACKAGES, payload)
    street = Neighbourhood(scene, archive, COUNT, rate=rate)
    street.meet()
    return street, names


def test_what_eight_nodes_want_at_once_costs_the_vendor_one_copy(scene):
    street, names = street_of(scene, 60_000, "20mbit")
    assert copies_of_an_install(street, names, street.nodes) < 1.1
    fetched = [given(node)["fetched"] for node in street.nodes]
    assert sum(count > 0 for count in fetched) >= COUNT / 2, f"they share the work: {fetched}"


def test_R18_when_two_of_eight_end_in_the_middle_the_others_go_on(scene):
    street, names = street_of(scene, 100_000, "10mbit")

    def end_two():
        for node in street.nodes[:2]:
            node.kill()
    copies = copies_of_an_install(street, names, street.nodes[2:], end_two)
    assert copies < 1.5, "what the two were fetching, and nothing else twice"


def release_of(node):
    return node.host.run("curl", "-s", "--noproxy", "*", f"{node.proxy}/test/dists/stable/InRelease").encode()


def test_R21_a_cut_between_two_and_six_harms_no_client_and_heals(scene):
    street, names = street_of(scene, 100_000, "20mbit")
    copies = copies_of_an_install(street, names, street.nodes, lambda: street.part(street.hosts[:2]))
    assert copies < 4, "not one for each node"
    for node in street.nodes[2:6]:
        node.kill()
    street.join()
    for node in street.nodes[2:6]:
        node.start()
    street.archive.add("fresh")
    street.archive.publish()
    newest = (street.archive.suite_folder / "InRelease").read_bytes()
    assert street.apt(street.nodes[0]).update().returncode == 0
    street.vendor.die()
    for node in street.nodes:
        until("it has the newest", lambda: release_of(node) == newest, seconds=60)


@pytest.fixture
def settled(scene):
    """Eight nodes that know the archive, and one of which holds foo."""
    archive = scene.archive()
    street = Neighbourhood(scene, archive, COUNT)
    street.meet()
    apts = [street.apt(node) for node in street.nodes]
    for apt in apts:
        assert apt.update().returncode == 0
    assert apts[3].download("foo").returncode == 0
    return street, apts


def test_R16_with_the_vendor_unplugged_every_client_gets_in_two_seconds_what_one_of_eight_holds(settled):
    street, apts = settled
    street.vendor.host.unplug()
    for apt in apts:
        done = apt.download("foo")
        assert done.returncode == 0 and done.seconds < 2, done
        assert (apt.folder / "downloads/foo_1_all.deb").read_bytes() == street.archive.packages["foo"][1].read_bytes()


def test_R16_with_the_vendor_unplugged_the_newest_release_is_with_all_eight_in_ten_seconds(settled):
    street, apts = settled
    street.archive.add("fresh")
    street.archive.publish()
    newest = (street.archive.suite_folder / "InRelease").read_bytes()
    first, *others = street.nodes
    for node in others:
        node.host.lose([street.vendor.host])
    assert apts[0].update().returncode == 0
    started = time.monotonic()
    street.vendor.host.unplug()
    for node in street.nodes:
        until("it has the newest", lambda: release_of(node) == newest, seconds=10)
    assert time.monotonic() - started < 10
