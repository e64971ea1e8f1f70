# SPDX-License-Identifier: GPL-3.0-or-later
"""A real apt in a private root: nothing of the machine's configuration leaks in."""
import os
import subprocess
import time


class Outcome:
    def __init__(self, returncode, output, seconds):
        self.returncode, self.output, self.seconds = returncode, output, seconds

    def __repr__(self):
        return f"exit {self.returncode} after {self.seconds:.1f} s:\n{self.output}"


class AptRoot:
    def __init__(self, folder, line, key, proxy=None, more=""):
        self.folder = folder
        for part in ("etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d", "state/lists/partial",
                     "cache/archives/partial", "downloads"):
            (folder / part).mkdir(parents=True)
        (folder / "state/status").write_text("")
        (folder / "etc/sources.list").write_text(line.replace("KEY", f"signed-by={key.keyring}") + "\n")
        (folder / "apt.conf").write_text(
            f'Dir "{folder}";\nDir::Etc "{folder}/etc";\nDir::Etc::parts "{folder}/etc/apt.conf.d";\n'
            f'Dir::State "{folder}/state";\nDir::State::status "{folder}/state/status";\n'
            f'Dir::Cache "{folder}/cache";\nDir::Bin::methods "/usr/lib/apt/methods";\n'
            'APT::Architecture "amd64";\nAPT::Architectures { "amd64"; };\nAPT::Sandbox::User "";\n'
            'Acquire::Check-Date "true";\nAcquire::Check-Valid-Until "true";\n'
            'Acquire::Languages "none";\nAcquire::Retries "0";\n'
            f'Acquire::http::Proxy "{proxy or "DIRECT"}";\n' + more)

    def run(self, *command):
        started = time.monotonic()
        done = subprocess.run(
            command, cwd=self.folder / "downloads", text=True, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"APT_CONFIG": str(self.folder / "apt.conf"), "PATH": os.environ["PATH"], "LC_ALL": "C"})
        return Outcome(done.returncode, done.stdout, time.monotonic() - started)

    def update(self):
        return self.run("apt-get", "update", "-q", "--error-on=any")

    def download(self, *names):
        return self.run("apt-get", "download", "-q", *names)

    def install(self, name):
        """Downloads by apt, unpacks by dpkg into a root of its own."""
        outcome = self.run("apt-get", "install", "-q", "-y", "--download-only", name)
        if outcome.returncode == 0:
            (deb,) = (self.folder / "cache/archives").glob("*.deb")
            target = self.folder / "target"
            subprocess.run(["dpkg-deb", "-x", deb, target], check=True)
        return outcome

    def clean(self):
        for file in (self.folder / "downloads").iterdir():
            file.unlink()
        for file in (self.folder / "state/lists").rglob("*"):
            if file.is_file():
                file.unlink()
