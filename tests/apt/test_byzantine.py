# SPDX-License-Identifier: GPL-3.0-or-later
"""One of eight nodes is taken over: whoever has its key and its address now does all that a liar can do, at once."""
import json
import secrets

import pytest

from forger import Forger, PeerKey, all_of
from neighbourhood import PORT, Neighbourhood, check_files, copy_of, install_on_all, stocked
from network import is_possible
from node import until
from test_one_line import release_of

pytestmark = [pytest.mark.smoke, pytest.mark.alone,
              pytest.mark.skipif(not is_possible(), reason="network namespaces need root and iproute2")]

COUNT, PACKAGES, PAYLOAD = 8, 40, 60_000


class Liar(Forger):
    """Holds everything by its word, gives wrong bytes of each second file and a byte each second of the others, and
    has 200 new releases whenever it is asked: a million to whoever asks five thousand times."""

    def __init__(self, archive, *arguments, **keys):
        self.archive, self.told, self.is_forked = archive, 0, False
        super().__init__(*arguments, **keys)

    def behave(self, handler, path):
        if path.startswith("have?"):
            content = all_of(self.archive)
        elif path.startswith(("pool/", "index/")):
            size, is_slow = int(path.split("/")[3]), int(path.split("/")[2][:2], 16) % 2
            content = b"x" * size
            if is_slow:
                handler.send_response(200)
                handler.send_header("Content-Length", str(size))
                handler.end_headers()
                for _ in range(60):
                    handler.wfile.write(b"x")
                    if self.news.wait(1):
                        break
                handler.close_connection = True
                return True
        else:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        return True

    def answer(self, path):
        if not path.startswith("heads?"):
            return super().answer(path)
        self.told += 1
        number = 1 if self.is_forked else self.told + 1
        later = int(self.archive.when.timestamp()) + 3600 + self.told
        heads = "".join(f"head {secrets.token_hex(32)} {later} i stable test\n" for _ in range(200))
        return self.key.note(f"aptward-heads/v1\nnode {self.key.text}\nrun 0123456789abcdef\nnumber {number}\nhave 1\n"
                             + heads)


def test_R21_R22_A23_C1_C2_C3_C4_C5_C6_C7_a_net_with_a_liar_in_it_converges_and_no_client_gets_a_wrong_byte(scene):
    archive = scene.archive()
    names = stocked(archive, PACKAGES, PAYLOAD)
    street = Neighbourhood(scene, archive, COUNT, rate="20mbit")
    street.meet()
    taken, honest = street.nodes[-1], street.nodes[:-1]
    taken.kill()
    liar = taken.host.call(lambda: Liar(archive, scene.folder / "liar", place=(taken.host.address, PORT),
                                        key=PeerKey(scene.folder / "stolen", state=taken.folder / "state")))
    scene.keep(liar)
    until("it is taken for the node that it was",
          lambda: all(any(peer["state"] == "linked" and peer["url"] == liar.url for peer in node.status()["peers"])
                      for node in honest), seconds=60)
    one, before = copy_of(archive, names), street.vendor.sent
    apts = [street.apt(node) for node in honest]
    install_on_all(apts, names, lambda: street.part(street.hosts[:2]))
    check_files(apts, archive, names)
    copies = (street.vendor.sent - before) / one
    print(f"{copies:.2f} copies with a liar and a cut")
    assert copies < len(honest), "not one for each"
    for node in honest[2:5]:
        node.kill()
    street.join()
    for node in honest[2:5]:
        node.start()
    archive.add("fresh")
    archive.publish()
    newest = (archive.suite_folder / "InRelease").read_bytes()
    assert street.apt(honest[0]).update().returncode == 0
    street.vendor.die()
    for node in honest:
        until("it has the newest", lambda: release_of(node) == newest, seconds=60)
    late = street.apt(honest[-1])
    install_on_all([late], names)
    check_files([late], archive, names)
    liar.is_forked = True
    until("its fork is told", lambda: any("peer.forked" in node.event_codes() for node in honest), seconds=60)
    for node in honest:
        assert node.scrub() == 0, "nothing wrong was kept"
        assert not [file for file in (node.folder / "state/refused").glob("*/InRelease")
                    if b"BEGIN PGP" in file.read_bytes()], "no release of its invention was ever seen"
    assert any({"source.wrong-bytes", "peer.unreliable"} & node.event_codes() for node in honest)
    shown = [peer for node in honest for peer in json.loads(node.admin("/api/v1/peers"))["peers"]
             if peer["url"] == liar.url]
    assert len(shown) == len(honest) and liar.told < 60 * 20, "it is heard at most once a second by each"
