# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that know each other, and what tests ask them."""
import hashlib
import json

from forger import BASE
from node import until
from test_flights import learn


def peers(*nodes, extra=""):
    return "".join(f'[[peer]]\nurl = "{getattr(node, "url", None) or node.proxy}"\n{extra}' for node in nodes)


def linked(node):
    (peer,) = json.loads(node.admin("/api/v1/peers"))["peers"]
    return peer["state"] == "linked"


def two(scene, archive, *origins, **keys):
    """The first holds what its clients asked for; the second asks it."""
    first = scene.node(archive, *origins)
    second = scene.node(archive, *origins, tail=peers(first), **keys)
    until("they are linked", lambda: linked(second))
    return first, second


def pool(name="foo"):
    return f"/test/pool/{name}_1_all.deb"


def file_path(kind, path, content):
    return f"{BASE}/{kind}/sha256/{hashlib.sha256(content).hexdigest()}/{len(content)}/{path}"


def turn(content, key):
    """Who has the greatest of the near ones fetches it."""
    return hashlib.sha256(f"{hashlib.sha256(content).hexdigest()} {key}".encode()).hexdigest()


def peer_command(node, *words):
    return node.command("peer", *words)


def release(node):
    return node.get("/test/dists/stable/InRelease").content


def forged(scene, forger):
    """A node that learned all of its archive, and the forger as its neighbour."""
    archive = scene.archive()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, tail=peers(forger))
    until("it is linked", lambda: linked(node))
    learn(node)
    return archive, node


def head(number, date, suite="stable"):
    name = number if isinstance(number, str) else f"{number:064x}"
    return f"head {name} {int(date.timestamp())} i {suite} test"


def asked_for(forger, part):
    return [path for path in forger.asked if part in path]


def tell_and_wait(forger, *heads):
    """Until the node has dealt with it: it asks for what was told, then for more news."""
    forger.tell(*heads)
    news = len(asked_for(forger, "heads?"))
    until("it asks for more", lambda: len(asked_for(forger, "heads?")) > news)


def faults(node):
    (peer,) = node.status()["peers"]
    return peer["source"]["faults"]


def held(node, name="foo"):
    """A package that the node holds from now on, and gives to other nodes."""
    content = node.get(pool(name)).content
    asked = file_path("pool", f"pool/{name}_1_all.deb", content)
    until("it is held", lambda: node.get(asked).content == content)
    return content
