# SPDX-License-Identifier: GPL-3.0-or-later
"""Every attack that concerns one node, described once: how an origin is made hostile, what a client may
get from it alone, and by which event a node tells of it. test_attack_matrix.py plays them against a node
with the checks C1 to C7, tests/compare/attacks.py against apt alone and its proxies.

Whoever plays gives a stage: `archive` (what a good source shows), `folder`, `keys` by name, `good` (the
identities of the releases that a client may be given), and what Cast below adds."""
import dataclasses
import datetime
import hashlib
import re
from collections.abc import Callable

import hostile as how
from archive import DATE, Key

# The checks that have no meaning for a row, and why; tools/lint_claims.py accepts no others.
SPARED = {
    ("A24", "C6"): "the clock is the node's own: no source is at fault, and none can help",
}
WRONG_BYTES = r"source\.(wrong-bytes|wrong-size|mixed)"
HOUR, YEAR = 3600, 31_536_000


@dataclasses.dataclass(frozen=True)
class Attack:
    row: str
    name: str
    what: str  # for the table of docs/attacks.md
    begin: Callable  # (stage, origin): from now on the origin is hostile
    code: str = ""  # a pattern of the event that tells of it; empty: there is nothing to tell
    client: str = "refused"  # what a client gets from this source alone, or "right"
    package: bool = False  # the client knew the suite before, and asks for the package foo
    prepare: Callable | None = None  # (stage, origin): before the first client; then there is one
    third: Callable | None = None  # as `begin`, for a second hostile source
    is_evident: bool = True  # there are bytes, so the event names them
    is_told_beside: bool = False  # only who sees another source can tell
    is_blamed: bool = True  # the source is charged with it
    is_brief: bool = False  # the mechanism of another variant: C1 and C2 only
    is_compared: bool | None = None  # None: unless it is brief
    most_bytes: int = 0  # that the origin gets rid of
    keys: tuple = ()  # that are in the keyrings too
    forms: tuple = ("inline",)

    def __str__(self):
        return self.name.replace(" ", "-")


class Cast:
    """What the attacks ask of a stage."""
    forks = 0

    def enter(self, archive, folder, keys):
        self.archive, self.folder, self.keys = archive, folder, keys
        self.good, self.signed = set(), [archive]
        self.neighbours = []  # (archive, origin): on the same host, at another port
        self.welcome(archive)

    def welcome(self, archive):
        """A client may be given what this one says now."""
        self.good.add(identity(archive.text().decode()))

    def begin(self):
        """From now on the stage's `hostile` origins are; the first is its `origin`."""
        self.attack.begin(self, self.origin)
        for origin in self.hostile[1:]:
            self.attack.third(self, origin)
        self.origin.sent = 0

    def go_on(self):
        """The vendor publishes, after everything that its key has signed: only that is right now."""
        self.archive.when = max(each.when for each in self.signed)
        self.archive.publish(later=1)
        self.good.clear()
        self.welcome(self.archive)

    def fork(self, is_signed=False):
        """A copy to spoil; what it publishes is proven if the vendor's key signs it."""
        self.forks += 1
        fork = self.archive.copy(self.folder / f"fork{self.forks}")
        if is_signed:
            self.signed.append(fork)
        return fork

    def tables(self):
        """The configuration of a node that serves the neighbours as well."""
        return "".join(f'[[archive]]\nid = "neighbour{number}"\nfreshness = "0s"\n'
                       f'keyrings = ["{archive.key.keyring}"]\nupstreams = ["{origin.url}"]\n'
                       for number, (archive, origin) in enumerate(self.neighbours))

    def proven(self):
        """Digests of everything that somebody trusted has signed."""
        return {digest for archive in self.signed
                for file in archive.root.rglob("*") if file.is_file()
                for digest in [hashlib.sha256(file.read_bytes()).hexdigest()]
                + (re.findall("[0-9a-f]{64}", file.read_text()) if file.name == "InRelease" else [])}


def identity(release):
    """Which release a text is, as far as a client is concerned."""
    return tuple(re.search(f"^{field}: (.*)$", release, re.M)[1] for field in ("Origin", "Suite", "Date"))


def make_keys(folder, vendor):
    keys = {"vendor": vendor, "stranger": Key(folder / "other", "other"),
            "expired": Key(folder / "expired", "expired", made="20220101"),
            "revoked": Key(folder / "revoked", "revoked")}
    keys["revoked"].revoke()
    return keys


def ask(stage, client, is_package=False):
    """What a client gets: refused, right, wrong, or hangs."""
    if not is_package:
        done = client.update()
        if done is None or done.returncode != 0:
            return "hangs" if done is None else "refused"
        files = (client.folder / "state/lists").glob("*Release")
        if not {identity(file.read_text()) for file in files} <= stage.good:
            return "wrong"
    done = client.download("foo")
    if done is None:
        return "hangs"
    files = list((client.folder / "downloads").glob("*.deb"))
    for file in files:
        right, taken = stage.archive.root / "pool" / file.name, file.read_bytes()
        whole = right.read_bytes() if right.is_file() else None
        # What apt leaves of a file that it gave up is the beginning of the right one.
        if whole is None or taken != whole and (done.returncode == 0 or not whole.startswith(taken)):
            return "wrong"
    return "right" if files and done.returncode == 0 else "refused"


def garbage_around(text):
    return b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + b"- x\n" * 1_200_000 + \
        text[text.index(b"-----BEGIN PGP SIGNATURE"):] * 1000


def later(**ahead):
    """Tells when a release of the future is dated."""
    return lambda: (datetime.datetime.utcnow() + datetime.timedelta(**ahead)).strftime(DATE)


# Some tries of a package or of an index, with what lies in the sockets; a release has 10 MB each time.
MOST = 4_000_000
FRAMINGS = ("chunked", "close", "length", "headers", "one header", "1xx", "extensions", "one extension", "trailers")

ATTACKS = [
    Attack("A1", "middle byte", "one byte of a package is changed", how.package("tamper", "middle"),
           "source.wrong-bytes", package=True),
    Attack("A1", "first byte", "its first byte", how.package("tamper", "first"), "source.wrong-bytes",
           package=True, is_brief=True),
    Attack("A1", "last byte", "its last byte", how.package("tamper", "last"), "source.wrong-bytes",
           package=True, is_brief=True),
    Attack("A1", "another build", "another package of the same name and size", how.another_build,
           "source.wrong-bytes", package=True, is_brief=True),
    Attack("A1", "release", "one byte of the InRelease is changed", how.every("tamper", "middle", only="InRelease"),
           r"release\..*", is_brief=True),

    Attack("A2", "half", "a package ends early", how.cut(0.5), "source.truncated", package=True,
           is_evident=False),
    *(Attack("A2", name, f"it ends {name}", how.cut(share, less), "source.truncated", package=True,
             is_evident=False, is_brief=True)
      for name, share, less in (("at byte 0", 0, 0), ("at byte 1", 0, -1), ("before the last byte", 1, 1))),
    Attack("A2", "longer", "a package goes on after its end", how.package("longer"), WRONG_BYTES, package=True),
    Attack("A2", "answer behind", "an answer that nobody asked for comes behind a package",
           how.package("answer_behind"), client="right", package=True, is_brief=True),

    Attack("A3", "swap", "another package comes under the name", how.other_package, WRONG_BYTES, package=True),

    *(Attack("A4", f"package, {framing}", f"a package never ends: {framing}", how.package("endless", framing),
             "source.(wrong-size|protocol)", client="right" if framing == "trailers" else "refused", package=True,
             most_bytes=MOST, is_evident=framing in ("chunked", "length", "close"), is_brief=framing != "chunked")
      for framing in FRAMINGS),
    Attack("A4", "index", "an index never ends", how.index("endless"), WRONG_BYTES, most_bytes=MOST),
    *(Attack("A4", f"release, {framing}", f"the InRelease never ends: {framing}",
             how.every("endless", framing, only="InRelease"), "source.protocol", most_bytes=MOST + 20_000_000,
             is_evident=False, is_brief=framing not in ("chunked", "one header"), is_compared=framing == "chunked")
      for framing in FRAMINGS),

    *(Attack("A4b", form, f"a gigabyte of zeros as Packages.{form}", how.bombed(form), "release.held|index.refused",
             client="right", prepare=how.used_form(form), is_blamed=False, is_brief=form != "xz")
      for form in ("xz", "gz", "bz2", "zst")),

    Attack("A4b", "for a new node", "a gigabyte of zeros as Packages.xz, for whoever has none", how.bombed("xz"),
           "release.held|index.refused", is_blamed=False),

    Attack("A5", "dependency", "an index has one dependency more", how.edited_index, WRONG_BYTES),
    Attack("A5", "same size", "one byte of an index is changed", how.index("tamper", "middle"), WRONG_BYTES,
           is_brief=True),

    Attack("A6", "rollback", "an older release", how.rolled_back, "release.rollback", client="right",
           prepare=how.update_with("old")),

    Attack("A7", "frozen", "no update comes any more", how.frozen, "release.(freeze_suspected|rollback)",
           client="right", prepare=how.nothing, is_told_beside=True),
    Attack("A7", "expired", "a release whose time is over",
           how.published(**{"Valid-Until": "Sat, 01 Jan 2022 00:00:00 UTC"}), "release.expired"),

    Attack("A8", "ten years", "a release of the future", how.published(Date=later(days=3650)),
           "release.not-yet-valid"),
    *(Attack("A8", name, f"a release of {name}", how.published(Date=date), "release.not-yet-valid", is_brief=True)
      for name, date in (("the next hour", later(hours=1)), ("2038", "Wed, 20 Jan 2038 00:00:00 UTC"),
                         ("the year 9999", "Fri, 31 Dec 9999 23:59:59 UTC"))),

    Attack("A9", "mixture", "a new release with old indexes", how.mixed, r"release\.held|source\.mixed",
           client="right", prepare=how.nothing),
    Attack("A9", "mixture for a new node", "the same, for whoever has none", how.mixed,
           r"release\.held|source\.(mixed|wrong-.*)"),

    Attack("A9", "withheld", "a new release without its indexes", how.withheld, "release.held|source.missing",
           client="right", prepare=how.nothing),
    Attack("A9", "withheld from a new node", "the same, for whoever has none", how.withheld,
           "release.held|source.missing", is_evident=False),

    Attack("A10", "denied", "two of three sources deny every package", how.every("status", 403, only=".deb"),
           "source.denied", package=True, third=how.every("status", 500, only=".deb"), is_evident=False),
    Attack("A10", "lies and silence", "one of three sources lies, another one is silent",
           how.package("tamper", "middle"), "source.wrong-bytes", package=True,
           third=how.package("truncate", 0)),

    Attack("A11", "stall", "a package stops in its middle", how.half_then("stall_after"), r"source\.(stalled|slow)",
           package=True, is_evident=False),
    Attack("A11", "trickle", "one byte in two seconds", how.package("trickle", 0.5), r"source\.(stalled|slow)",
           package=True, is_evident=False),
    Attack("A11", "slow headers", "the head of an answer, one byte in two seconds", how.package("slow_head", 0.5),
           r"source\.(stalled|slow)", package=True, is_evident=False, is_brief=True),
    Attack("A11", "silent", "no answer to anything", how.every("stall"), r"source\.(stalled|slow)",
           is_evident=False),

    Attack("A12", "stranger", "a stranger signed the release", how.signed_by("stranger"), "release.unknown-key"),
    Attack("A12", "expired key", "the key that signed it is expired", how.signed_by("expired"),
           "release.expired-signature", keys=("expired",)),
    Attack("A12", "revoked key", "the key that signed it is revoked", how.signed_by("revoked"),
           "release.revoked-key", keys=("revoked",)),

    Attack("A15", "unsigned", "no InRelease, and a Release without signature", how.shows(how.unsigned),
           "release.unsigned"),
    Attack("A15", "forged", "no InRelease, and a Release that a stranger signed", how.shows(how.forged),
           "release.unknown-key", is_brief=True),
    Attack("A15", "MD5 only", "a release with MD5 sums only", how.says(how.md5_only), r"release\..*"),
    *(Attack("A15", str(status), f"{status} for InRelease", how.every("status", status, only="InRelease"),
             f"source.{word}", forms=("inline", "detached"), is_evident=False)
      for status, word in ((403, "denied"), (500, "failing"))),

    Attack("A16", "before", "a line before the signed message", how.rewritten(lambda text: b"Date: now\n" + text),
           r"release\..*"),
    *(Attack("A16", name, f"a release with {name}", how.rewritten(change), r"release\..*", is_brief=True)
      for name, change in (("text behind", lambda text: text + b"\nSuite: x\n"), ("twice", lambda text: text * 2),
                           ("a header inside", lambda text: text.replace(b"\n\n", b"\nSuite: x\n\n", 1)),
                           ("blocks between", lambda text: text.replace(
                               b"-----BEGIN PGP SIGNATURE", b"-----BEGIN PGP MESSAGE-----\n\n"
                               b"-----END PGP MESSAGE-----\n-----BEGIN PGP SIGNATURE", 1)))),

    Attack("A17", "failover", "one source has a bad signature, the next one none", how.signed_by("stranger"),
           "release.unknown-key", third=how.shows(how.unsigned)),

    *(Attack("A18", name, f"a redirect: {name}", how.redirected(location), "source.redirect", package=True,
             is_evident=False, is_brief=name not in ("line feed", "loop"))
      for name, location in (
          ("line feed", "http://127.0.0.9:1/%0a201%20URI%20Done"), ("carriage return", "OWN/x%0dy"),
          ("NUL", "OWN/x%00y"), ("userinfo", "http://archive.example@127.0.0.9/"), ("file", "file:///etc/passwd"),
          ("no scheme", "//127.0.0.9:1/x"), ("a local service", "http://127.0.0.9:22/"),
          ("metadata", "http://169.254.169.254/latest/"), ("loop", "OWN/pool/foo_1_all.deb"),
          ("another protocol", "gopher://127.0.0.9/"), ("nothing", ""))),
    Attack("A18", "release", "a redirect of every file", how.redirected("http://127.0.0.9:22/%0aX", only=""),
           "source.redirect", is_evident=False),

    Attack("A19", "inside", "a redirect to a private host that has the file", how.inside, "source.redirect",
           package=True, is_evident=False, is_compared=False),

    Attack("A19", "two ports", "another archive's package of the same path, from the next port of the host",
           how.nothing, client="right", prepare=how.next_port, is_brief=True, is_compared=True),

    Attack("A20", "portal", "a login page for every file", how.every("html"), "release.portal"),
    Attack("A20", "package", "a login page for a package", how.package("html"), WRONG_BYTES, package=True,
           is_brief=True),
    Attack("A20", "511", "511 for every file", how.every("status", 511), "source.failing", is_evident=False),
    Attack("A20", "login", "a redirect to a login page", how.redirected("http://login.invalid/", only=""),
           "source.(redirect|not-resolved)", is_evident=False),

    Attack("A21", "package", "304 for a package, unasked", how.package("unasked304"), "source.denied", package=True,
           is_evident=False),
    Attack("A21", "release", "304 for everything, unasked", how.every("unasked304"), "source.denied",
           is_evident=False),
    Attack("A21", "other tag", "304 with another ETag, for ever", how.freezes_by_304,
           "release.(freeze_suspected|rollback)", client="right", is_told_beside=True,
           prepare=how.validated("Thu, 01 Jan 2026 00:00:00 GMT")),
    Attack("A21", "future", "Last-Modified in the future, and 304 for ever", how.freezes_by_304,
           "release.(freeze_suspected|rollback)", client="right", is_told_beside=True, is_brief=True,
           prepare=how.validated("Fri, 01 Jan 2038 00:00:00 GMT")),

    Attack("A22", "other suite", "another suite's release, well signed", how.published(Suite="sid", Codename="sid"),
           "release.wrong-suite"),
    Attack("A22", "security", "the security suite's release", how.published(
        Suite="stable-security", Codename="stable-security", Label="Test-Security"), "release.wrong-suite",
        is_brief=True),
    Attack("A22", "other archive", "another archive's release under the same key", how.published(
        Origin="Elsewhere"), "release.identity-changed", client="right", prepare=how.nothing),

    *(Attack("A24", name, f"the clock is {name}", how.clock(offset_s), "release.(not-yet-valid|expired|clock-behind)",
             client="right", prepare=how.nothing, is_compared=False, is_brief=is_brief)
      for name, offset_s, is_brief in (("an hour slow", -HOUR, True), ("a year slow", -YEAR, False),
                                       ("a year fast", YEAR, False))),

    Attack("A25", "package", "nonsense as a package", how.package("swap", b"!<arch>\n" + b"9" * 600), WRONG_BYTES,
           package=True),
    Attack("A25", "fields", "a signed release that names its suite twice",
           how.says(lambda text: text + b"Suite: sid\n"), "release.malformed", is_compared=False),
    Attack("A25", "armour", "an InRelease of ten megabytes of armour", how.rewritten(garbage_around),
           r"release\..*", is_brief=True),
    *(Attack("A25", name, f"a signed index: {name}", how.indexed(text), "release.held|index.refused", client=client,
             prepare=how.nothing, is_blamed=False, is_brief=True)
      for name, client, text in (
          ("no proof", "right", b"Package: foo\nVersion: 2\nFilename: pool/foo_1_all.deb\n\n"),
          ("outside", "right", b"Package: foo\nVersion: 2\nFilename: ../../etc/passwd\nSize: 1\nSHA256: "
           + b"0" * 64 + b"\n\n"),
          # Without a record there is nothing to refuse; apt takes none of it.
          ("one line", "refused", b"Package: " + b"x" * 8_000_000), ("NUL", "refused", b"\0" * 1000))),
]


def is_compared(attack):
    return not attack.is_brief if attack.is_compared is None else attack.is_compared


def of(row):
    return [attack for attack in ATTACKS if attack.row == row]
