# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight nodes behind one line: what all want at once crosses it once."""
import concurrent.futures
import json
import time

import pytest

from neighbourhood import Neighbourhood, files_of, install
from network import is_possible
from node import until

pytestmark = [pytest.mark.smoke, pytest.mark.alone,
              pytest.mark.skipif(not is_possible(), reason="network namespaces need root and iproute2")]

COUNT = 8


def stocked(scene, packages, payload):
    archive = scene.archive()
    names = [f"p{number}" for number in range(packages)]
    for name in names:
        archive.add(name, payload_bytes=payload)
    archive.publish()
    return archive, names


def at_once(nodes, work):
    with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(work, nodes))


def given(node):
    return json.loads(node.admin("/api/v1/peers"))["given"]


def copy_of(archive, names):
    """Bytes of one copy of what a client needs: the lists, and the packages."""
    lists = archive.suite_folder / "main/binary-amd64/Packages.xz"
    return lists.stat().st_size + sum(archive.packages[name][1].stat().st_size for name in names)


def test_what_eight_nodes_want_at_once_costs_the_vendor_one_copy(scene):
    archive, names = stocked(scene, 40, 60_000)
    street = Neighbourhood(scene, archive, COUNT)
    street.meet()
    apts = [street.apt(node) for node in street.nodes]
    before = street.vendor.sent
    at_once(apts, lambda apt: install(apt, names))
    copies = (street.vendor.sent - before) / copy_of(archive, names)
    fetched = [given(node)["fetched"] for node in street.nodes]
    print(f"{copies:.2f} copies, fetched for others: {fetched}")
    for apt in apts:
        assert files_of(apt) == {name: archive.packages[name][1].read_bytes() for name in names}
    assert copies < 1.1
    assert sum(count > 0 for count in fetched) >= COUNT / 2, "they share the work"


def wait_for_copies(street, archive, names, copies):
    until("some of it has come", lambda: street.vendor.sent > copies * copy_of(archive, names), seconds=60)


def test_R18_when_two_of_eight_end_in_the_middle_the_others_go_on(scene):
    archive, names = stocked(scene, 40, 100_000)
    street = Neighbourhood(scene, archive, COUNT, rate="10mbit")
    street.meet()
    apts = [street.apt(node) for node in street.nodes[2:]]
    with concurrent.futures.ThreadPoolExecutor(len(apts)) as pool:
        installs = [pool.submit(install, apt, names) for apt in apts]
        wait_for_copies(street, archive, names, 0.3)
        for node in street.nodes[:2]:
            node.kill()
        for done in installs:
            done.result()
    copies = street.vendor.sent / copy_of(archive, names)
    print(f"{copies:.2f} copies")
    for apt in apts:
        assert files_of(apt) == {name: archive.packages[name][1].read_bytes() for name in names}
    assert copies < 1.5, "what the two were fetching, and nothing else twice"


def release_of(street, node):
    return street.network["vendor"].run("curl", "-s", "--noproxy", "*",
                                        f"{node.proxy}/test/dists/stable/InRelease").encode()


def test_R21_a_cut_between_two_and_six_harms_no_client_and_heals(scene):
    archive, names = stocked(scene, 40, 100_000)
    street = Neighbourhood(scene, archive, COUNT, rate="20mbit")
    street.meet()
    apts = [street.apt(node) for node in street.nodes]
    with concurrent.futures.ThreadPoolExecutor(len(apts)) as pool:
        installs = [pool.submit(install, apt, names) for apt in apts]
        wait_for_copies(street, archive, names, 0.3)
        street.part(street.hosts[:2])
        for done in installs:
            done.result()
    copies = street.vendor.sent / copy_of(archive, names)
    print(f"{copies:.2f} copies")
    for apt in apts:
        assert files_of(apt) == {name: archive.packages[name][1].read_bytes() for name in names}
    assert copies < 4, "not one for each node"
    for node in street.nodes[2:6]:
        node.kill()
    street.join()
    for node in street.nodes[2:6]:
        node.start()
    archive.add("fresh")
    archive.publish()
    newest = (archive.suite_folder / "InRelease").read_bytes()
    assert street.apt(street.nodes[0]).update().returncode == 0
    street.vendor.die()
    for node in street.nodes:
        until("it has the newest", lambda: release_of(street, node) == newest, seconds=60)
