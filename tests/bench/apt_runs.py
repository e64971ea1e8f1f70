# SPDX-License-Identifier: GPL-3.0-or-later
"""Real apt through a warm node beside the same archive straight from nginx on loopback: wall time of
`apt-get update` and of a download of 200 packages."""
import random

from client import AptRoot
from rounds import compare, interleave, rounds_of
from stage import Stage

PACKAGES = 200


def timed(client, *command):
    outcome = client.run(*command)
    assert outcome.returncode == 0, outcome
    return outcome.seconds


def update(client):
    client.clean()
    return timed(client, "apt-get", "update", "-q", "--error-on=any")


def download(client, names):
    archives = client.folder / "cache/archives"
    for file in archives.glob("*.deb"):
        file.unlink()
    seconds = timed(client, "apt-get", "install", "-q", "-y", "--download-only", *names)
    assert len(list(archives.glob("*.deb"))) == PACKAGES
    return seconds


def apt(folder):
    sizes = random.Random(7)
    with Stage(folder, []) as stage:
        # Most packages are small: the median is 45 kB, the mean 150 kB.
        names = [f"package{number}" for number in range(PACKAGES)]
        for name in names:
            stage.archive.add(name, payload_bytes=int(sizes.lognormvariate(10.3, 1.6)))
        stage.archive.publish()
        node = stage.node()
        clients = {
            "Aptward": AptRoot(folder / "through", "deb [KEY] http://archive.example stable main", stage.archive.key,
                               node.proxy),
            "nginx": AptRoot(folder / "straight", f"deb [KEY] {stage.nginx.url} stable main", stage.archive.key)}
        for client in clients.values():  # the node now holds everything, nginx has it in the page cache
            update(client)
            download(client, names)
        rows = [compare(measure, "s", interleave(rounds_of(count), {
            system: lambda client=client: run(client) for system, client in clients.items()}))
            for measure, count, run in (("apt-get update", 20, update),
                                        ("download of 200 packages", 10, lambda each: download(each, names)))]
        total = sum(path.stat().st_size for _, path in stage.archive.packages.values())
    return {"rows": rows, "bytes": total}
