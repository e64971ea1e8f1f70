# SPDX-License-Identifier: GPL-3.0-or-later
"""The stock: machines report what they have, and the node holds what they will want."""
import copy
import itertools
import json
import os
import random
import time

import pytest

from coherence import blobs_of, sha256
from node import is_sanitized, until

pytestmark = pytest.mark.smoke

STOCK = ('stock-budget = "100M"', 'stock-wait = "20s"')
NO_STOCK = ('stock-budget = "0"',)
MACHINE_ID = "912e43bd1c1d4ba481f9f8ccab25f9ee"


class Machine:
    """A machine with an apt of its own, below a folder."""

    def __init__(self, scene, node, suite="stable main", name="web1", more="", machine_id=MACHINE_ID):
        self.apt, self.node, self.name = scene.apt(node, suite), node, name
        root = self.root = self.apt.folder / "machine"
        for folder in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/dpkg", "var/lib/apt", "etc/apt/sources.list.d"):
            (root / folder).mkdir(parents=True)
        (root / "etc/hostname").write_text(name + "\n")
        (root / "etc/machine-id").write_text(machine_id + "\n")
        line = (self.apt.folder / "etc/sources.list").read_text()
        (root / "etc/apt/sources.list").write_text(line)
        (root / "etc/apt/apt.conf.d/99test").write_text('APT::Architecture "amd64";\nAPT::Architectures { "amd64"; };\n' + more)
        conf = self.apt.folder / "apt.conf"
        conf.write_text(conf.read_text() + f'APT::Machine-ID "{machine_id}";\n' + more)
        self.install()

    def install(self, *packages):
        """dpkg's status says that these are installed: (name, version, fields)."""
        text = "".join(f"Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: all\n"
                       f"Maintainer: x <x@example>\nDescription: a secret of {name}\n{fields}\n"
                       for name, version, fields in packages)
        (self.root / "var/lib/dpkg/status").write_text(text)
        (self.apt.folder / "state/status").write_text(text)

    def pin(self, text):
        for folder in (self.root / "etc/apt", self.apt.folder / "etc"):
            (folder / "preferences.d/test.pref").write_text(text)

    def report(self, *options):
        return self.node.command_without_config("client", "report", "--root", self.root, "--node", self.node.proxy, *options)

    def installs(self, package):
        """Whether a real apt gets everything that this takes. Nothing is kept from one to the next."""
        for file in (self.apt.folder / "cache/archives").glob("*.deb"):
            file.unlink()
        return self.apt.run("apt-get", "install", "-q", "-y", "--download-only", package).returncode == 0


def stock(node, *options, status=None):
    done = node.command("stock", "--json", *options)
    assert done.returncode in (0, 1) if status is None else done.returncode == status, done.stderr
    return json.loads(done.stdout)


def fetched(node):
    """Waits until no job of the stock runs; the last one's result."""
    def last():
        jobs = [job for job in json.loads(node.admin("/api/v1/jobs")) if job["kind"] == "stock"]
        return jobs and all(job["state"] in ("done", "failed") for job in jobs) and jobs[-1]
    return until("the stock is fetched", last)


def holds(node, *paths):
    return {sha256(path.read_bytes()) for path in paths} <= blobs_of(node)


def needy(scene):
    """web needs library; old is installed as 1; extra is recommended."""
    archive = scene.archive()
    archive.add("web", "1", Depends="library (>= 0.1)", Recommends="extra")
    for name in ("library", "extra", "other"):
        archive.add(name, "1")
    archive.publish()
    return archive


def test_a_report_says_what_apt_needs_and_nothing_else(scene):
    archive = needy(scene)
    node = scene.node(archive, scene.origin(archive), top=NO_STOCK)
    machine = Machine(scene, node)
    machine.install(("web", "1", "Conffiles:\n /etc/web.conf 1234\nDepends: library\n"), ("library", "1", ""))
    printed = json.loads(machine.report("--print").stdout)
    assert printed["name"] == "web1" and printed["machine-id"] == MACHINE_ID
    assert "secret" not in json.dumps(printed) and "web.conf" not in json.dumps(printed)
    assert "Depends: library" in printed["status"]
    assert node.command("stock", "machines").stdout.startswith("No machine"), "--print sends nothing"
    assert machine.report().returncode == 0
    assert "web1  amd64" in node.command("stock", "machines").stdout
    (kept,) = (node.folder / "state/machines").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    node.kill()
    node.start()
    assert "web1" in node.command("stock", "machines").stdout
    assert node.command("stock", "forget", "web1").returncode == 0
    assert node.command("stock", "forget", "web1").returncode == 1


def test_a_list_of_everything_has_all_that_a_new_release_names(scene):
    archive = needy(scene)
    archive.fields["other"] = {}
    origin = scene.origin(archive)
    node = scene.node(archive, origin, top=STOCK, tail='[[stock-list]]\nname = "all"\npackages = ["*"]\n'
                                                       'suites = ["test/stable"]\n')
    client = scene.apt(node)
    assert client.update().returncode == 0
    until("all of it is held", lambda: stock_whole(node))
    before = node.suite()["generation"]
    archive.add("brand-new", "1", Depends="other (>= 2)")
    archive.add("other", "2")
    archive.publish()
    until("the new release is shown", lambda: node.get("/test/dists/stable/InRelease").status == 200
          and node.suite()["generation"] != before)
    origin.die()
    (look,) = stock(node, "--list", "all", "--packages", "brand-new,nonsense", status=1)
    assert (look["files"], look["held"], look["missing"]) == (7, 7, [])
    assert [one["installs"] for one in look["asked"]] == [True, False]
    fresh = scene.apt(node)
    assert fresh.update().returncode == 0
    done = fresh.run("apt-get", "install", "-q", "-y", "--download-only", "brand-new", "web")
    assert done.returncode == 0, done.stderr


def test_a_bundle_for_a_machine_has_what_it_has_and_will_want(scene):
    archive = needy(scene)
    origin = scene.origin(archive)
    node = scene.node(archive, origin, top=STOCK, tail='[[stock-list]]\nname = "others"\npackages = ["other"]\n'
                                                       'suites = ["test/stable"]\n')
    machine = Machine(scene, node)
    machine.install(("web", "1", "Depends: library (>= 0.1)\nRecommends: extra\n"), ("library", "0.5", ""))
    # As many machines write it.
    sources = machine.root / "etc/apt/sources.list"
    line = sources.read_text()
    sources.write_text(line.replace(" stable", "/ stable"))
    assert sources.read_text() != line
    assert machine.report().returncode == 0
    until("all of it is held", lambda: stock_whole(node))
    files = {name: path for name, (_, path) in archive.packages.items()}

    def bundle(name, *arguments):
        file = scene.folder / name
        made = node.command("bundle", "create", "--output", str(file), *arguments)
        assert made.returncode == 0, made.stderr
        facts = json.loads(node.command_without_config("bundle", "inspect", str(file), "--json").stdout)
        assert [(one["archive"], one["suite"]) for one in facts["releases"]] == [("test", "stable")]
        assert facts["missing"] == []
        pool = sorted(member["path"] for member in facts["members"] if member["path"].startswith("pool/"))
        return facts["purpose"], pool

    def paths(*names):
        return sorted(files[name].relative_to(archive.root).as_posix() for name in names)

    assert bundle("web1", "--machine", "web1") == ("test stable: the machine web1", paths("library", "web"))
    assert bundle("others", "--stock-list", "others") == ("test stable: the list others", paths("other"))
    both = bundle("both", "--machine", "web1", "--stock-list", "others")
    assert both == ("test stable: the machine web1, the list others", paths("library", "other", "web"))
    # What it would want and nobody has is named; nothing is written without a word.
    origin.die()
    name = sha256(files["library"].read_bytes())
    (node.folder / "state/blobs/sha256" / name[:2] / name).unlink()
    refused = node.command("bundle", "create", "--machine", "web1", "--output", str(scene.folder / "x"))
    assert refused.returncode == 1 and paths("library")[0] in refused.stderr
    assert not (scene.folder / "x").exists()
    # A machine without any of this node's sources.
    sources.write_text("deb http://elsewhere.example/debian stable main\n")
    assert machine.report().returncode == 0
    refused = node.command("bundle", "create", "--machine", "web1", "--output", str(scene.folder / "x"))
    assert refused.returncode == 2 and "no release of its sources" in refused.stderr


def test_what_a_machine_has_and_no_index_names_is_missing_in_its_bundle(scene):
    archive = needy(scene)
    node = scene.node(archive, scene.origin(archive), top=STOCK)
    machine = Machine(scene, node)
    # One was installed by hand, one is newer than all; library is upgraded by what there is.
    machine.install(("own", "1", ""), ("foo", "2", ""), ("library", "0.5", ""))
    assert machine.report().returncode == 0
    until("all of it is held", lambda: stock_whole(node))
    file = scene.folder / "web1.bundle"
    command = ("bundle", "create", "--machine", "web1", "--output", str(file))
    refused = node.command(*command)
    assert refused.returncode == 1 and "2 of what was asked for are not held" in refused.stderr, refused
    named = ["web1: foo=2 is installed, and in no index", "web1: own=1 is installed, and in no index"]
    assert all(one in refused.stderr for one in named) and "library" not in refused.stderr
    assert not file.exists()
    made = node.command(*command, "--allow-missing")
    assert made.returncode == 0 and all(one in made.stdout for one in named), made
    facts = json.loads(node.command_without_config("bundle", "inspect", str(file), "--json").stdout)
    assert facts["missing"] == named


def stock_whole(node):
    return node.command("stock").returncode == 0


def test_what_a_machine_has_and_will_want_is_fetched(scene):
    archive = needy(scene)
    origin = scene.origin(archive)
    node = scene.node(archive, origin, top=STOCK)
    machine = Machine(scene, node)
    machine.install(("web", "1", "Depends: library (>= 0.1)\nRecommends: extra\n"), ("library", "0.5", ""))
    assert machine.report().returncode == 0
    assert fetched(node)["state"] == "done"
    files = {name: path for name, (_, path) in archive.packages.items()}
    assert holds(node, files["web"], files["library"]), "installed, and upgrades"
    assert not holds(node, files["other"]) and not holds(node, files["extra"])
    origin.die()
    assert machine.apt.update().returncode == 0
    (look,) = stock(node, "--packages", "web,other,foo,nonsense")
    assert look["held"] == look["files"] == 2
    asked = {one["package"]: one for one in look["asked"]}
    assert asked["web"]["installs"] and not asked["other"]["installs"]
    assert asked["other"]["missing"] == ["other=1"] and "nonsense" in asked["nonsense"]["why_not"]
    said = node.command("stock", "--packages", "other").stdout
    assert "web1" in said and "missing other=1" in said
    assert machine.installs("web") and not machine.installs("other")


def test_a_release_waits_until_what_clients_want_of_it_is_held(scene):
    archive = needy(scene)
    origin = scene.origin(archive)
    node = scene.node(archive, origin, top=STOCK)
    machine = Machine(scene, node)
    assert machine.apt.update().returncode == 0 and machine.apt.download("other").returncode == 0
    archive.add("other", "2")
    archive.add("web", "2")
    archive.publish()
    until("the new release", lambda: machine.apt.update().returncode == 0 and
          node.suite()["date"] == int(archive.when.timestamp()))
    # At that very moment what had been requested is there in its new version, and nothing else.
    files = {name: path for name, (_, path) in archive.packages.items()}
    assert holds(node, files["other"]) and not holds(node, files["web"])
    assert "release.stocking" in node.event_codes()
    origin.die()
    assert machine.apt.update().returncode == 0 and machine.apt.download("other=2").returncode == 0


def test_a_release_whose_files_cannot_be_had_waits_while_all_sources_are_silent(scene):
    """What clients can install goes on being what they are told of."""
    archive = needy(scene)
    origin = scene.origin(archive)
    node = scene.node(archive, origin, top=('stock-budget = "100M"', 'stock-wait = "1s"'))
    machine = Machine(scene, node)
    assert machine.apt.update().returncode == 0 and machine.apt.download("other").returncode == 0
    first = node.suite()["date"]
    archive.add("other", "2")
    archive.publish()
    # The vendor comes back for so long that the release and its index get through.
    origin.always("status", 503, only="/pool/")
    node.get("/test/dists/stable/InRelease")
    until("it waits", lambda: "waits until" in node.suite()["held"])
    origin.die()
    assert machine.apt.update().returncode == 0
    assert node.suite()["date"] == first
    assert machine.apt.clean() is None and machine.apt.update().returncode == 0
    assert machine.apt.download("other").returncode == 0


def test_security_updates_wait_for_nothing(scene):
    archive = scene.archive(suite="stable-security")
    archive.add("web", payload_bytes=200_000)
    archive.publish()
    origin = scene.origin(archive)
    node = scene.node(archive, origin, top=STOCK)
    apt = scene.apt(node, "stable-security main")
    assert apt.update().returncode == 0 and apt.download("web").returncode == 0
    archive.add("web", "2", payload_bytes=200_000)
    archive.publish()
    assert apt.update().returncode == 0
    assert node.suite()["date"] == int(archive.when.timestamp()), "at once"
    assert "release.stocking" not in node.event_codes()
    until("and fetched then", lambda: holds(node, archive.packages["web"][1]))


def test_lists_of_the_configuration_are_held_with_what_they_need(scene):
    archive = needy(scene)
    origin = scene.origin(archive)
    lists = '[[stock-list]]\nname = "webs"\npackages = ["web"]\nsuites = ["test/stable"]\narchitecture = "amd64"\n'
    node = scene.node(archive, origin, top=STOCK, tail=lists)
    assert scene.apt(node).update().returncode == 0
    assert node.command("stock", "fetch").returncode == 0
    files = {name: path for name, (_, path) in archive.packages.items()}
    assert holds(node, files["web"], files["library"], files["extra"]) and not holds(node, files["other"])
    (look,) = stock(node, "--list", "webs", status=0)
    assert look["kind"] == "list" and look["held"] == 3
    wrong = node.command("stock", "--list", "nothing")
    assert wrong.returncode == 2 and "webs" in wrong.stderr


def test_the_budget_takes_the_newest_and_the_rest_later(scene):
    archive = scene.archive()
    for number in range(10):
        archive.add(f"p{number}", payload_bytes=100_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive), top=('stock-budget = "500k"', 'stock-wait = "20s"'))
    machine = Machine(scene, node)
    machine.install(*((f"p{number}", "0", "") for number in range(10)))
    assert machine.report().returncode == 0
    done = fetched(node)
    assert done["result"]["fetched"] == 4 and done["result"]["left_out"] == 6
    assert "beyond the stock-budget" in done["message"]
    for _ in range(2):
        assert node.command("stock", "fetch").returncode == 0
    (look,) = stock(node, status=0)
    assert look["held"] == 10


def test_a_file_beyond_any_budget_is_not_told_as_coming(scene):
    archive = scene.archive()
    archive.add("vast", payload_bytes=100_000)
    archive.publish()
    node = scene.node(archive, scene.origin(archive), top=('stock-budget = "50k"', 'stock-wait = "20s"'))
    machine = Machine(scene, node)
    machine.install(("vast", "0", ""), ("foo", "0", ""))
    assert machine.report().returncode == 0
    done = fetched(node)
    assert done["result"]["fetched"] == 1 and done["result"]["left_out"] == 0
    assert done["result"]["too_large"] == 1
    assert "1 are larger than the stock-budget and do not come" in done["message"]
    assert "vast" in done["message"] and "next run" not in done["message"]


def test_the_newest_version_comes_first(scene):
    archive = scene.archive()
    archive.add("tool", "1", payload_bytes=50_000)
    archive.publish()
    updates = copy.copy(archive)
    updates.suite, updates.packages = "stable-updates", {}
    updates.add("tool", "2", payload_bytes=100_000)
    updates.publish()
    origin = scene.origin(archive)
    lists = "".join(f'[[stock-list]]\nname = "{name}"\npackages = ["tool"]\nsuites = {json.dumps(suites)}\n'
                    'architecture = "amd64"\n' for name, suites in
                    [("old", ["test/stable"]), ("new", ["test/stable", "test/stable-updates"])])
    # Room for one of the two in a run: what goes together comes in any order.
    node = scene.node(archive, origin, top=('stock-budget = "150k"', 'stock-wait = "20s"'), tail=lists)
    for _ in range(2):
        assert node.command("stock", "fetch").returncode == 0
    taken = [path for path, _ in origin.requests if "/pool/" in path]
    assert taken == [f"/pool/tool_{version}_all.deb" for version in (2, 1)], "the smaller one is the older"


@pytest.mark.parametrize("by", ["stock", "mirror"])
def test_a_rate_is_kept(scene, by):
    archive = scene.archive()
    for number in range(8):
        archive.add(f"p{number}", payload_bytes=50_000)
    archive.publish()
    lists = '[[stock-list]]\nname = "all"\npackages = ["*"]\nsuites = ["test/stable"]\narchitecture = "amd64"\n'
    node = scene.node(archive, scene.origin(archive), top=(*STOCK, 'stock-rate = "200k"'), tail=lists)
    command = {"stock": ["stock", "fetch"], "mirror": ["mirror", "test", "stable", "--rate", "200k"]}[by]
    began = time.monotonic()
    assert node.command(*command).returncode == 0
    assert time.monotonic() - began > 1, "400 kB, at 200 kB a second"


def test_a_list_that_names_what_nobody_has_says_so_and_gets_the_rest(scene):
    archive = needy(scene)
    lists = ('[[stock-list]]\nname = "webs"\npackages = ["nosuch", "web"]\nsuites = ["test/stable"]\n'
             'architecture = "amd64"\n')
    node = scene.node(archive, scene.origin(archive), top=STOCK, tail=lists)
    assert scene.apt(node).update().returncode == 0
    done = node.command("stock", "fetch")
    assert done.returncode == 1 and "webs: nosuch: " in done.stderr and len(done.stderr.splitlines()) == 1, done
    files = {name: path for name, (_, path) in archive.packages.items()}
    assert holds(node, files["web"], files["library"], files["extra"])


def test_phased_updates_are_those_that_this_machine_gets(scene):
    archive = scene.archive()
    archive.add("none", "2", **{"Phased-Update-Percentage": "0"})
    archive.add("all", "2", **{"Phased-Update-Percentage": "100"})
    archive.publish()
    node = scene.node(archive, scene.origin(archive), top=STOCK)
    machine = Machine(scene, node)
    machine.install(("none", "1", ""), ("all", "1", ""))
    assert machine.report().returncode == 0 and fetched(node)["state"] == "done"
    (look,) = stock(node)
    assert [one["package"] for one in look["phased_out"]] == ["none"]
    assert look["phased_out"][0]["percentage"] == 0
    assert "held back by phasing: none=2 (0 %)" in node.command("stock").stdout
    files = {name: path for name, (_, path) in archive.packages.items()}
    assert holds(node, files["all"]) and not holds(node, files["none"])
    # apt itself sees it the same way.
    assert machine.apt.update().returncode == 0
    planned = machine.apt.run("apt-get", "-s", "dist-upgrade").output
    assert "Inst all" in planned and "Inst none" not in planned


def test_phased_updates_go_by_the_machine_id(scene):
    """Two machines get different ones, each as its own apt says."""
    archive = scene.archive()
    names = [f"p{number}" for number in range(20)]
    for number, name in enumerate(names):
        archive.add(name, "2", **{"Phased-Update-Percentage": str(10 + 4 * number)})
    archive.publish()
    node = scene.node(archive, scene.origin(archive), top=STOCK)
    seen = []
    for number, machine_id in enumerate([MACHINE_ID, MACHINE_ID[::-1]]):
        machine = Machine(scene, node, name=f"web{number}", machine_id=machine_id)
        machine.install(*((name, "1", "") for name in names))
        assert machine.report().returncode == 0 and fetched(node)["state"] == "done"
        (look,) = stock(node, "--machine", machine.name)
        assert machine.apt.update().returncode == 0
        planned = machine.apt.run("apt-get", "-s", "dist-upgrade").output
        kept_back = {name for name in names if f"Inst {name} " not in planned}
        assert {one["package"] for one in look["phased_out"]} == kept_back
        seen.append(kept_back)
    assert seen[0] != seen[1] and seen[0] and seen[1]


def universe(scene, rng, count=400):
    """Packages that need one another in all the ways there are."""
    archive = scene.archive()
    names = [f"q{number}" for number in range(count)]
    for number, name in enumerate(names):
        fields = {}
        before = names[:number]
        if before and rng.random() < 0.6:
            some = rng.sample(before, min(len(before), rng.randint(1, 3)))
            fields["Depends"] = ", ".join(
                one if rng.random() < 0.5 else f"{one} (>= {rng.choice([0, 1, 9])}) | {rng.choice(before)}" for one in some)
        if before and rng.random() < 0.2:
            fields["Recommends"] = rng.choice(before)
        if before and rng.random() < 0.05:
            fields["Conflicts"] = rng.choice(before)
        if rng.random() < 0.1:
            fields["Provides"] = f"virtual{rng.randint(0, 9)}"
        if rng.random() < 0.05:
            fields["Depends"] = f"virtual{rng.randint(0, 12)}"
        if rng.random() < 0.3:
            fields["Phased-Update-Percentage"] = str(rng.choice([0, 30, 60, 100]))
        archive.add_bytes(name, os.urandom(200), version=str(rng.randint(1, 3)))
        archive.fields[name] = fields
    archive.publish()
    return archive, names


@pytest.mark.parametrize("recommends,count", [(True, 300), (False, 60)], ids=["recommends", "no-recommends"])
def test_exactly_those_of_300_packages_install_that_were_said_to(scene, recommends, count):
    """With all sources dead, on a machine whose status, pins and machine-id the node knows."""
    rng = random.Random(f"stock {recommends}")
    archive, names = universe(scene, rng)
    origin = scene.origin(archive)
    node = scene.node(archive, origin, top=NO_STOCK)
    machine = Machine(scene, node, more="" if recommends else 'APT::Install-Recommends "false";\n')
    machine.install(*((name, str(rng.randint(0, 2)), "") for name in rng.sample(names, 60)))
    machine.pin("".join(f"Package: {name}\nPin: release *\nPin-Priority: -1\n\n" for name in rng.sample(names, 15)))
    assert machine.report().returncode == 0
    assert machine.apt.update().returncode == 0
    fetched_files = [archive.packages[name][1] for name in rng.sample(names, 250)]
    for file in fetched_files:
        assert node.get("/test/" + file.relative_to(archive.root).as_posix()).status == 200
    until("all of it is stored", lambda: holds(node, *fetched_files))
    origin.die()
    asked = rng.sample(names, count - 1) + ["no-such-package"]
    list_file = scene.folder / "asked"
    list_file.write_text("# all of them\n" + "\n".join(asked) + "\n")
    (look,) = stock(node, "--packages-from", str(list_file))
    said = {one["package"]: one["installs"] for one in look["asked"]}
    assert set(said) == set(asked)
    real = {name: machine.installs(name) for name in asked}
    wrong = [one for one in look["asked"] if one["installs"] != real[one["package"]]]
    assert wrong == []
    assert count / 10 < sum(real.values()) < count * 9 / 10, "both happen"


@pytest.mark.parametrize("body,sentence", [
    (b"rubbish", "no machine's report"),
    (b"{}", "no machine's report"),
    (b'{"format": 2}', "no machine's report"),
    (b'{"format": 1, "x": ' + b"[" * 15_000_000, "no machine's report"),
    (b'{"format": 1, "x": [' + b"{}," * 5_000_000, "no machine's report"),
    (b'{"format": 1, "name": "../x", "architectures": ["amd64"], "status": "", "sources": []}', "no name of a machine"),
    (b'{"format": 1, "name": "x", "architectures": [], "status": "", "sources": []}', "no architecture"),
    (b'{"format": 1, "name": "x", "architectures": ["amd64"], "status": 7, "sources": []}', '"status"'),
    (b'{"format": 1, "name": "x", "architectures": ["amd64"], "status": "", "sources": [7]}', '"sources"'),
], ids=itertools.count())
def test_a_bad_report_gets_one_clear_sentence(scene, body, sentence):
    archive = needy(scene)
    node = scene.node(archive, scene.origin(archive), top=NO_STOCK)
    answer = node.post("/.well-known/aptward/machines", body)
    assert answer.status == 400 and sentence in answer.content.decode()
    assert node.resident_bytes() < (200_000_000 if not is_sanitized() else 1_000_000_000)
    assert answer.content.count(b"\n") == 1 and not (node.folder / "state/machines").exists()


def test_a_hostile_report_harms_nobody(scene):
    """apt's library reads it in a confined child: what that does with it, the node goes on."""
    archive = needy(scene)
    node = scene.node(archive, scene.origin(archive), top=NO_STOCK)
    assert Machine(scene, node).apt.update().returncode == 0
    good = {"format": 1, "name": "evil", "architectures": ["amd64"], "machine-id": "", "sources":
            [{"uri": "http://archive.example", "suite": "stable", "components": ["main"]}], "status": ""}
    for change in ({"status": "Package: web\nStatus: install ok installed\nVersion: \x01\n\n" * 3},
                   {"status": "Package: a\n" + "Depends: b\n" * 1000 + "\n"},
                   {"preferences": ["Package: *\nPin: release *\nPin-Priority: x\n"]},
                   {"preferences": ["\0\0\0", "Explanation:\n" * 1000]},
                   {"settings": {"Dir::Etc::parts": "/etc", "APT::Install-Recommends": "\"; Dir \"/"}},
                   {"architectures": ["amd64", "../../etc", "a b"]},
                   {"sources": [{"uri": "http://archive.example", "suite": "stable", "components": ["main", "x] http://evil"]}]},
                   {"sources": [{"uri": "http://archive.example", "suite": "stable", "components": ["../../.."]}]},
                   {"sources": [{"uri": "http://archive.example", "suite": "../..", "components": ["main"]}]}):
        answer = node.post("/.well-known/aptward/machines", json.dumps({**good, **change}).encode())
        assert answer.status == 200, answer.content
        done = node.command("stock", "--json", "--machine", "evil", "--packages", "web")
        assert done.returncode in (0, 1), done.stderr
        (look,) = json.loads(done.stdout)
        assert "failure" not in look or look["failure"].count("\n") == 0
    assert node.get("/test/dists/stable/InRelease").status == 200


def test_who_may_report_is_for_the_configuration_to_say(scene):
    archive = needy(scene)
    node = scene.node(archive, scene.origin(archive), top=(*NO_STOCK, 'machine-reports = "operators"'))
    machine = Machine(scene, node)
    refused = machine.report()
    assert refused.returncode == 3 and "only operators" in refused.stderr
    closed = scene.node(archive, scene.origin(archive), top=(*NO_STOCK, 'clients = ["10.0.0.0/8"]'))
    assert closed.post("/.well-known/aptward/machines", b"{}").status == 403


def test_nothing_reported_is_said_so(scene):
    archive = needy(scene)
    node = scene.node(archive, scene.origin(archive))
    done = node.command("stock")
    assert done.returncode == 0 and "No machine has reported" in done.stdout
    wrong = node.command("stock", "--machine", "nobody")
    assert wrong.returncode == 2 and "no machine has reported" in wrong.stderr
