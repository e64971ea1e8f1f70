# SPDX-License-Identifier: GPL-3.0-or-later
"""Steers tests/faults/shim.c, preloaded into a node: the layout of the file that both map."""
import mmap
import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "faults/shim.c"
FIELDS = {"clock_offset_s": (0, "q"), "calls": (8, "Q"), "at": (16, "Q"), "action": (24, "i"),
          "stays": (28, "i"), "reads": (32, "i"), "lies": (36, "i"), "seed": (40, "Q"),
          "shortened": (48, "Q"), "journal_written": (56, "Q"), "journal_synced": (64, "Q")}
BEGUN, LINKED, SYNCED, HIT = 72, 72 + 2048, 72 + 4096, 72 + 6144
ONLY, PUT_OFF, SIZE = HIT + 256, HIT + 256 + 32, HIT + 256 + 32 + 8
FIELDS["put_off"] = (PUT_OFF, "Q")
KILL, TEAR_AND_KILL = -1, -2


class Shim:
    """`calls`, `at`, `lies`, ... are attributes that the node sees at once."""

    def __init__(self, folder, state):
        library, file = folder / "shim.so", folder / "shim.control"
        if not library.exists():
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        file.write_bytes(bytes(SIZE))
        with open(file, "r+b") as opened:
            self.__dict__["memory"] = mmap.mmap(opened.fileno(), SIZE)
        # A leak check does not survive being killed, and costs a second at each end.
        self.__dict__["environment"] = {
            "LD_PRELOAD": str(library), "APTWARD_SHIM": str(file), "APTWARD_SHIM_STATE": str(state),
            "ASAN_OPTIONS": "detect_leaks=0"}

    def __getattr__(self, name):
        offset, kind = FIELDS[name]
        return struct.unpack_from(kind, self.memory, offset)[0]

    def __setattr__(self, name, value):
        offset, kind = FIELDS[name]
        struct.pack_into(kind, self.memory, offset, value)

    @property
    def hit(self):
        return self.memory[HIT:HIT + 256].split(b"\0")[0].decode()

    def arm(self, at, action, stays=0, reads=0, only=""):
        """The at-th call (of the kind `only`, if given) from now on is hit; 0 only counts."""
        self.at = 0
        self.memory[ONLY:ONLY + 32] = only.encode().ljust(32, b"\0")
        self.memory[HIT:HIT + 256] = bytes(256)
        self.action, self.stays, self.reads, self.calls = action, stays, reads, 0
        self.at = at

    def disarm(self):
        self.at, self.stays = 0, 0

    def is_folder_synced(self, hex_name):
        """Whether every link made so far in the folder of this blob was followed by its sync."""
        number = int(hex_name[:2], 16)
        begun, linked, synced = (struct.unpack_from("Q", self.memory, start + 8 * number)[0]
                                 for start in (BEGUN, LINKED, SYNCED))
        return begun == linked == synced

    def forget(self):
        """For a node that is started again: what a past process left is all there now."""
        self.memory[56:HIT] = bytes(HIT - 56)
