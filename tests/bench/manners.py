# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients notice of other nodes that ask for all they can get: the p99 of small files from memory beside
seven greedy nodes that read large files from the disk, each over a link of its own. The same files asked for
as a client would show what answering them aside is worth.

Clients have one core, everything else the other one."""
import json
import os
import statistics
import subprocess
import threading
import time

import paced
from archive import Archive, Key
from conftest import Scene
from network import Network, RemoteOrigin
from node import Node, until
from peering import file_path
from rounds import CORES, SECONDS, SERVER_CORE, rounds_of

GREEDY, LINK, CONNECTIONS, PACE = 7, "100mbit", 4, 500
SMALL, SMALL_BYTES, LARGE, LARGE_BYTES = 20, 20_000, 100, 4_000_000
PORT = 3142
LUA = paced.root / "tests/bench/greedy.lua"


class ColdDisk:
    """What is not in use is not in memory either: a stock is larger than that."""

    def __enter__(self):
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.drop)
        self.thread.start()

    def drop(self):
        os.sched_setaffinity(0, {CORES[0]})  # of this thread
        while not self.is_over.wait(1):
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as handle:
                handle.write("1")

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def start_greedy(host, node, paths, number, seconds):
    return subprocess.Popen(
        [*host.prefix, *SERVER_CORE, "nice", "-n", "19", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s",
         "-s", LUA, node.proxy, "--", paths, str(number * LARGE // GREEDY)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def bytes_of(greedy):
    said, _ = greedy.communicate()
    assert greedy.returncode == 0, said
    seen = json.loads(said.strip().splitlines()[-1])
    assert seen["refused"] == 0, seen
    return seen["bytes"]


def look(network, node, small, paths):
    """What clients see, while the greedy ones ask for these paths; none: while there are none."""
    seconds = 3 * SECONDS
    with ColdDisk():
        hosts = [network[f"greedy{number}"] for number in range(GREEDY)] if paths else []
        greedy = [start_greedy(host, node, paths, number, seconds + 1) for number, host in enumerate(hosts)]
        time.sleep(0.5)  # until they are at it
        clients = paced.Paced(node.address, small, PACE, prefix=network["clients"].prefix)
        time.sleep(seconds)
        seen = clients.end()
        given = sum(map(bytes_of, greedy))
    return {"p50_ms": seen["p50_ms"], "p99_ms": seen["p99_ms"], "most_ms": seen["most_ms"],
            "greedy_bytes_per_s": given / (seconds + 1)}


def stocked(folder, key):
    archive = Archive(folder / "archive", key)
    small = [archive.add_bytes(f"small{number}", os.urandom(SMALL_BYTES)) for number in range(SMALL)]
    large = [archive.add_bytes(f"large{number}", os.urandom(LARGE_BYTES)) for number in range(LARGE)]
    archive.publish()
    return archive, small, large


def measure(scene, folder):
    archive, small, large = stocked(folder, scene.key)
    network = scene.keep(Network("vendor", "node", "clients", *(f"greedy{number}" for number in range(GREEDY))))
    for host in network.hosts.values():
        host.know_all(network.hosts.values())
    for number in range(GREEDY):
        host = network[f"greedy{number}"]
        host.switch.run("tc", "qdisc", "replace", "dev", host.port, "root", "tbf", "rate", LINK, "burst", "64k",
                        "latency", "50ms")
    origin = RemoteOrigin(archive.root, network["vendor"])
    scene.origins.append(origin)
    host = network["node"]
    node = Node(folder / "node", archive, [origin], prefix=[*host.prefix, *SERVER_CORE],
                listen=f"{host.address}:{PORT}", top=["loops = 1"], freshness="1h")
    scene.nodes.append(node)
    as_client = [f"/test/pool/{file.name}" for file in small + large]
    as_node = [file_path("pool", f"pool/{file.name}", file.read_bytes()) for file in large]

    def get(path):
        return network["clients"].call(lambda: node.get(path))
    assert get("/test/dists/stable/InRelease").status == 200
    for _ in range(2):  # the second time it is held
        for path in as_client:
            assert get(path).status == 200
    until("all is given", lambda: get(as_node[-1]).status == 200)
    places = {"alone": None, "as nodes": folder / "as-node", "as clients": folder / "as-client"}
    places["as nodes"].write_text("".join(path + "\n" for path in as_node))
    places["as clients"].write_text("".join(path + "\n" for path in as_client[SMALL:]))
    found = {how: [] for how in places}
    for _ in range(rounds_of(7)):
        for how, paths in places.items():
            found[how].append(look(network, node, as_client[:SMALL], paths))
            print(how, found[how][-1], flush=True)
    return found


def manners(folder):
    paced.build()
    scene = Scene(folder, Key(folder / "key", "vendor"))
    try:
        found = measure(scene, folder)
    finally:
        scene.end()
    rows = []
    for how, seen in found.items():
        ratios = [one["p99_ms"] / alone["p99_ms"] for one, alone in zip(seen, found["alone"])]
        rows.append({"how": how, "ratio": round(statistics.median(ratios), 3),
                     **{kind: round(statistics.median(one[kind] for one in seen), 3) for kind in seen[0]}})
    return {"greedy": GREEDY, "link": LINK, "per_second": PACE, "small_bytes": SMALL_BYTES,
            "large_bytes": LARGE_BYTES, "rounds": rounds_of(7), "rows": rows}
