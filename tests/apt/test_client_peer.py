# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that becomes a small peer: setup, the program that apt asks, undo."""
import json
import os
import tomllib

import pytest

from client import AptRoot
from test_client import (ALIVE, DETECT, Listener, Machine, apt_of, black_hole, fastest, refusing,
                         says, stalls)

pytestmark = pytest.mark.smoke

CONFIG, UNIT = "etc/aptward/peer.toml", "etc/systemd/system/aptward-peer.service"
OWN = "http://127.0.0.1:3142"
SOURCES = """\
deb http://archive.example/debian stable main
deb https://secure.example stable main
deb http://other.example:8080/x stable main
deb http://paid.example/x stable main
deb https://esm.example/x stable main
deb http://user:secret@own.example/x stable main
deb [trusted=yes] http://loose.example/x ./
deb [trusted=yes] http://archive2.example/x ./
deb http://archive2.example/y stable main
deb http://Shouted.example/x stable main
deb http://[2001:db8::1]:8080/x stable main
deb http://shared.example/x stable main
deb http://user:secret@shared.example:80/y stable main
deb file:/srv/local stable main
deb https://corporate.example/x stable main
"""


@pytest.fixture
def laptop(tmp_path):
    machine = Machine(tmp_path / "machine")
    machine.file("etc/apt/sources.list", SOURCES)
    machine.file("etc/apt/auth.conf", "machine paid.example login a password b\n"
                 "machine SHOUTED.example login a password b\nmachine [2001:db8::1] login a password b\n")
    machine.file("etc/apt/auth.conf.d/90pro", "machine https://esm.example/x/ login bearer password secret\n", 0o600)
    machine.file("etc/apt/apt.conf.d/50tls", 'Acquire::https::corporate.example::SslCert "/etc/ssl/me.pem";\n')
    machine.file("var/lib/dpkg/status", "")
    return machine


def at(machine, url):
    """The small peer is asked there instead of on its own port, which other tests may use."""
    script = machine.root / DETECT
    script.write_text(script.read_text().replace(f"peer='{OWN}'", f"peer='{url}'"))


def test_law1_what_needs_a_password_is_not_among_what_a_laptop_shares(laptop):
    before = laptop.everything()
    dry = laptop.setup("--peer", "--dry-run")
    assert laptop.everything() == before and f"+++ /{UNIT}" in dry and f"+++ /{CONFIG}" in dry
    said = laptop.setup("--peer")
    config = tomllib.loads((laptop.root / CONFIG).read_text())
    assert config == {"profile": "light",
                      "shared-hosts": ["archive.example", "secure.example", "other.example:8080"]}
    for host, why in (("shouted.example", "it needs a password"), ("[2001:db8::1]:8080", "it needs a password"),
                      ("shared.example:80", "it needs a password"), ("paid.example", "it needs a password"), ("esm.example", "it needs a password"),
                      ("own.example", "it needs a password"), ("loose.example", "trusted=yes"),
                      ("archive2.example", "trusted=yes"), ("corporate.example", "certificate")):
        assert any(host in line and why in line for line in said.splitlines()), (host, said)
    assert "secret" not in said and "no systemd here" in said
    unit = (laptop.root / UNIT).read_text()
    assert f"serve --config /{CONFIG}" in unit and "DynamicUser=yes" in unit
    assert f"apt asks {OWN}, and goes DIRECT" in said
    after = laptop.everything()
    assert "nothing was changed" in laptop.setup("--peer") and laptop.everything() == after
    # A later setup without --peer leaves it as it is.
    laptop.setup("--node", "http://127.0.0.9:1")
    assert (laptop.root / UNIT).exists() and f"peer='{OWN}'" in (laptop.root / DETECT).read_text()
    undone = laptop.client("undo")
    assert undone.returncode == 0, undone
    assert laptop.everything() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_law1_passwords_that_cannot_be_read_share_nothing(laptop):
    os.chmod(laptop.root / "etc/apt/auth.conf.d/90pro", 0)
    before = laptop.everything()
    link = laptop.root / "etc/apt/auth.conf.d/91loop"
    link.symlink_to(link)  # what not even root reads
    done = laptop.client("setup", "--peer")
    assert done.returncode == 3 and "run this as root" in done.stderr, done
    link.unlink()
    assert laptop.everything() == before


def test_a_machine_with_nothing_to_share_is_told_so(laptop):
    laptop.file("etc/apt/sources.list", "deb http://paid.example/x stable main\n")
    done = laptop.client("setup", "--peer")
    assert done.returncode == 2 and "nothing to give" in done.stderr, done


def test_apt_asks_nodes_first_and_the_peer_for_the_hosts_alone_that_it_serves(laptop):
    node, peer = Listener(says(ALIVE)), Listener(says(ALIVE))
    laptop.setup("--peer", "--node", node.url)
    at(laptop, peer.url)
    assert laptop.detect("http://archive.example/debian/dists")[0] == node.url
    node.socket.close()
    laptop.setup("--peer", "--node", refusing()[1])
    at(laptop, peer.url)
    for shared in ("http://archive.example/debian", "http://ARCHIVE.example", "http://other.example:8080/x"):
        assert laptop.detect(shared)[0] == peer.url, shared
    for other in ("http://paid.example/x", "http://other.example/x", "http://archive.example.evil/x",
                  "https://secure.example/x", "http://elsewhere.example/", "http://user:secret@own.example/x"):
        assert laptop.detect(other)[0] == "DIRECT", other


def test_status_tells_of_the_peer(laptop):
    laptop.setup("--peer")
    status = laptop.client("status")
    assert status.returncode == 1
    assert f"!!  {OWN} (the small peer of this machine) cannot be used: " in status.stdout, status
    facts = json.loads(laptop.client("status", "--json").stdout)
    assert [node["url"] for node in facts["nodes"]] == [OWN] and facts["chosen"] == "DIRECT"


@pytest.mark.alone
def test_law3_everything_away_costs_less_than_a_second(laptop):
    keep = [black_hole(), Listener(stalls), black_hole()]
    laptop.setup("--peer", "--node", keep[0][1], "--node", keep[1].url)
    at(laptop, keep[2][1])
    answer, seconds = fastest(laptop)
    assert answer == "DIRECT" and seconds < 1


@pytest.mark.alone
def test_law3_apt_is_not_slower_by_more_than_a_second_when_everything_is_away(scene, laptop):
    """Nodes, the small peer and the vendor; beside apt as it is without all this, in turns."""
    keep = [black_hole(), Listener(stalls)]
    _, vendor_url = refusing()
    vendor_host = vendor_url[len("http://"):]
    laptop.file("etc/apt/sources.list", f"deb {vendor_url} stable main\n")
    laptop.file("etc/apt/auth.conf", "")
    laptop.setup("--peer", "--node", keep[0][1])
    at(laptop, keep[1].url)

    class Away:
        url = vendor_url
    with_helper = apt_of(laptop, scene, Away)
    plain = AptRoot(scene.folder / "plain", f"deb [KEY] {vendor_url} stable main", scene.key)
    times = {True: [], False: []}
    for _ in range(3):
        laptop.forget()
        for is_helped, apt in ((True, with_helper), (False, plain)):
            outcome = apt.update()
            assert outcome.returncode != 0 and vendor_host in outcome.output, outcome
            times[is_helped].append(outcome.seconds)
    cost = min(times[True]) - min(times[False])
    print(f"with everything away apt takes {min(times[False]):.2f} s, with the helper {cost:.2f} s more")
    assert cost < 1

