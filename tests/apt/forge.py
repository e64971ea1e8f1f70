# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles as a hostile maker writes them: well signed, but not what the program itself would make."""
import base64
import hashlib
import io
import json
import struct
import subprocess
import tarfile

DASH = "\N{EM DASH}"
FRAME = 1 << 20


def header(name, size, time):
    fields = bytearray(512)

    def put(at, text):
        fields[at:at + len(text)] = text.encode()

    for at, text in ((0, name), (100, "0000644"), (108, "0000000"), (116, "0000000"), (124, f"{size:011o}"),
                     (136, f"{time:011o}"), (148, " " * 8), (156, "0"), (257, "ustar\0" "00"), (265, "root"),
                     (297, "root")):
        put(at, text)
    put(148, f"{sum(fields):06o}\0 ")
    return bytes(fields)


class Bundle:
    """`members` and `manifest` of a bundle that was made, to be changed and written as another one,
    signed by the key in `identity`."""

    def __init__(self, file, identity):
        self.key = base64.b64decode(identity.read_text().strip().split("+", 4)[4])[1:]
        self.head = identity.read_text().strip().split("+", 4)[2:4]
        stream = subprocess.run(["zstd", "-q", "-d", "-c", file], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
            self.members = {member.name: tar.extractfile(member).read() for member in tar}
        self.manifest = json.loads(self.members.pop("manifest.json"))
        note = self.members.pop("aptward-bundle.note").decode()
        self.note = dict(line.split(" ", 1) for line in note.split("\n\n")[0].splitlines() if " " in line)
        self.version = note.splitlines()[0]

    def add(self, name, content, path=""):
        self.members[name] = content
        self.manifest["members"].append({"name": name, "sha256": hashlib.sha256(content).hexdigest(),
                                         "size": len(content), "path": path})
        self.manifest["members"].sort(key=lambda member: member["name"])

    def take(self, other):
        """All that another bundle carries, as one for a machine has several archives."""
        self.members.update(other.members)
        for key, order in (("members", "name"), ("releases", "archive")):
            known = {entry[order] for entry in self.manifest[key]}
            self.manifest[key] += [entry for entry in other.manifest[key] if entry[order] not in known]
            self.manifest[key].sort(key=lambda entry: entry[order])

    def sign(self, text, folder):
        key, message = folder / "key.der", folder / "message"
        key.write_bytes(bytes.fromhex("302e020100300506032b657004220420") + self.key)
        message.write_text(text)
        signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key, "-keyform", "DER", "-rawin",
                                    "-in", message], capture_output=True, check=True).stdout
        name, number = self.head
        return f"{text}\n{DASH} {name} {base64.b64encode(bytes.fromhex(number) + signature).decode()}\n"

    def write(self, file):
        manifest = json.dumps(self.manifest, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        created = int(self.note["created"])
        text = (f"{self.version}\ncreated {created}\nmanifest sha256:{hashlib.sha256(manifest).hexdigest()} "
                f"{len(manifest)}\npurpose {self.note['purpose']}\nsigner {self.note['signer']}\n")
        content = {"aptward-bundle.note": self.sign(text, file.parent).encode(), "manifest.json": manifest}
        content.update(sorted(self.members.items()))
        tar = b"".join(header(name, len(data), created) + data + bytes(-len(data) % 512)
                       for name, data in content.items()) + bytes(1024)
        frames = [tar[at:at + FRAME] for at in range(0, len(tar), FRAME)]
        packed = [subprocess.run(["zstd", "-q", "-c", "--no-check", f"--stream-size={len(frame)}"], input=frame,
                                 capture_output=True, check=True).stdout for frame in frames]
        table = b"".join(struct.pack("<II", len(one), len(frame)) for one, frame in zip(packed, frames))
        table = struct.pack("<II", 0x184D2A5E, len(table) + 9) + table + struct.pack("<IBI", len(frames), 0,
                                                                                   0x8F92EAB1)
        file.write_bytes(b"".join(packed) + table)
        return file
