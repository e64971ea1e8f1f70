# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program under the restrictions of a systemd unit where no systemd runs: the same user,
capabilities, limits, read-only system and system-call filter, made by the same kernel interfaces.
"""
import ctypes
import os
import pathlib
import pwd
import resource
import subprocess
import traceback

LIBC = ctypes.CDLL(None, use_errno=True)
EPERM, EAFNOSUPPORT = 1, 97
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
MASKED_EQUAL, EQUAL = 7, 4
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18
PROT_WRITE, PROT_EXEC = 2, 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}


def read_unit(path):
    """Setting -> list of its values, in order."""
    settings = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            settings.setdefault(name, []).append(value.strip())
    return settings


def expand(word):
    """The system calls behind "@group", as this machine's systemd knows them."""
    if not word.startswith("@"):
        return {word}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], check=True,
                            capture_output=True, text=True).stdout.splitlines()[1:]
    found = set()
    for line in (line.strip() for line in listed):
        if line and not line.startswith("#"):
            found |= expand(line)
    return found


def allowed_calls(unit):
    allowed = set()
    for value in unit["SystemCallFilter"]:
        names = set().union(*(expand(word) for word in value.lstrip("~").split()))
        allowed = allowed - names if value.startswith("~") else allowed | names
    if unit.get("RestrictNamespaces") == ["yes"]:
        allowed -= {"unshare", "setns"}
    return allowed


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Filter:
    def __init__(self, unit):
        self.seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self.seccomp.seccomp_init.restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p(self.seccomp.seccomp_init(ERRNO | EPERM))
        special = {"socket"}
        families = [FAMILIES[name] for name in unit["RestrictAddressFamilies"][0].split()]
        for family in families:
            self.rule(ALLOW, "socket", Comparison(0, EQUAL, family, 0))
        for family in set(range(46)) - set(families):
            self.rule(ERRNO | EAFNOSUPPORT, "socket", Comparison(0, EQUAL, family, 0))
        if unit.get("MemoryDenyWriteExecute") == ["yes"]:
            special |= {"mmap", "mprotect", "pkey_mprotect"}
            both = PROT_WRITE | PROT_EXEC
            for fine in (0, PROT_WRITE, PROT_EXEC):
                self.rule(ALLOW, "mmap", Comparison(2, MASKED_EQUAL, both, fine))
            for name in ("mprotect", "pkey_mprotect"):
                self.rule(ALLOW, name, Comparison(2, MASKED_EQUAL, PROT_EXEC, 0))
        for name in sorted(allowed_calls(unit) - special):
            self.rule(ALLOW, name)

    def rule(self, action, name, *comparisons):
        number = self.seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # Of another architecture.
        array = (Comparison * len(comparisons))(*comparisons)
        result = self.seccomp.seccomp_rule_add_array(self.handle, ctypes.c_uint32(action), number,
                                                     len(comparisons), array)
        assert result == 0, f"{name}: {os.strerror(-result)}"

    def load(self):
        result = self.seccomp.seccomp_load(self.handle)
        assert result == 0, os.strerror(-result)


def call(function, *arguments):
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), function.__name__)


def mount(source, target, flags):
    call(LIBC.mount, source.encode(), target.encode(), None, ctypes.c_ulong(flags), None)


def make_system_read_only(writable):
    call(LIBC.unshare, CLONE_NEWNS)
    mount("none", "/", MS_REC | MS_PRIVATE)
    for folder in (*writable, "/tmp"):
        mount(folder, folder, MS_BIND)
    for folder in ("/", "/run"):
        mount("none", folder, MS_REMOUNT | MS_BIND | MS_RDONLY)


def start(unit_path, environment, sockets=(), command=None):
    """A child running `command`, or else the unit's ExecStart; `sockets` become descriptors 3, 4,
    ...
    """
    unit = read_unit(unit_path)
    command = command or unit["ExecStart"][0].split()
    user = pwd.getpwnam(unit["User"][0])
    writable = [f"/var/lib/{unit['StateDirectory'][0]}", f"/run/{unit['RuntimeDirectory'][0]}"]
    for folder in writable:
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, user.pw_uid, user.pw_gid)
    os.chmod(writable[0], int(unit["StateDirectoryMode"][0], 8))
    rules = Filter(unit)
    child = os.fork()
    if child != 0:
        return child
    try:
        make_system_read_only(writable)
        for number, listening in enumerate(sockets, 3):
            os.dup2(listening.fileno(), number)
        if sockets:
            environment = {**environment, "LISTEN_FDS": str(len(sockets)),
                           "LISTEN_PID": str(os.getpid())}
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = min(int(unit["LimitNOFILE"][0]), most)  # Not every root may raise limits.
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        os.umask(int(unit["UMask"][0], 8))
        last = int(pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text())
        for capability in range(last + 1):
            call(LIBC.prctl, PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        call(LIBC.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        os.set_inheritable(2, True)
        rules.load()
        os.execve(command[0], command, {"PATH": "/usr/bin:/bin", **environment})
    except BaseException:
        traceback.print_exc()
    os._exit(70)
