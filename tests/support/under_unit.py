"""Runs a command as a unit of systemd would, where no systemd runs: what it takes away is read from its own lines.

    unshare --mount --propagation private python under_unit.py UNIT ACCOUNT WRITABLE[,…] command arguments…

By root. Done are: User, NoNewPrivileges, an empty CapabilityBoundingSet, ProtectSystem=strict, ProtectHome, PrivateTmp,
SystemCallFilter, RestrictAddressFamilies and UMask. Not done: what concerns devices, the kernel's own files,
namespaces and PrivateUsers.
"""

import ctypes
import ctypes.util
import errno
import os
import pwd
import re
import socket
import subprocess
import sys
from pathlib import Path

ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
EQUAL = 4
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
LAST_CAPABILITY = 40
GROUP = re.compile(r"^@[a-z0-9-]+$")


class Condition(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def settings(unit: Path) -> dict[str, list[str]]:
    """Its lines by name, in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def groups() -> dict[str, set[str]]:
    """The groups of system calls that this version of systemd knows, each with all that is in it."""
    said = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    direct: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in said.splitlines():
        if GROUP.match(line):
            current = direct[line] = set()
        elif line.startswith(" ") and not line.strip().startswith("#"):
            current.add(line.strip())
    return {name: expanded(name, direct) for name in direct}


def expanded(name: str, direct: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    for one in direct.get(name, {name}):
        found |= expanded(one, direct) if one in direct else {one}
    return found


def allowed_calls(lines: list[str]) -> set[str]:
    known, allowed = groups(), set[str]()
    for line in lines:
        calls = set[str]()
        for word in line.removeprefix("~").split():
            calls |= known[word] if word.startswith("@") else {word}
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed | known["@default"]


def mounted(writable: list[Path]) -> None:
    held = [(path, os.open(path, os.O_PATH)) for path in writable]
    for folder in ("/tmp", "/var/tmp"):
        mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", folder)
    for path, number in held:
        path.mkdir(parents=True, exist_ok=True)
        mount("--no-canonicalize", "--bind", f"/proc/self/fd/{number}", str(path), inherit=number)
    for folder in ("/home", "/root"):
        mount("-t", "tmpfs", "-o", "ro,mode=000", "tmpfs", folder)
    mount("-o", "remount,bind,ro", "/")


def mount(*arguments: str, inherit: int | None = None) -> None:
    subprocess.run(["mount", *arguments], check=True, pass_fds=() if inherit is None else (inherit,))


def dropped(account: pwd.struct_passwd) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no new privileges")


def filtered(calls: set[str], families: list[str]) -> None:
    lib = ctypes.CDLL(ctypes.util.find_library("seccomp") or "libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.seccomp_init(REFUSE))
    for name in sorted(calls - {"socket"}):
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number != -1:
            lib.seccomp_rule_add_array(context, ALLOW, number, 0, None)
    for family in families:
        condition = Condition(0, EQUAL, int(getattr(socket, family)), 0)
        number = lib.seccomp_syscall_resolve_name(b"socket")
        lib.seccomp_rule_add_array(context, ALLOW, number, 1, ctypes.byref(condition))
    if lib.seccomp_load(context):
        raise OSError("the filter was not taken")


def main(unit: str, account: str, writable: str, *command: str) -> None:
    found = settings(Path(unit))
    calls = allowed_calls(found["SystemCallFilter"])
    mounted([Path(path) for path in writable.split(",")])
    os.umask(int(found["UMask"][-1], 8))
    dropped(pwd.getpwnam(account))
    filtered(calls, found["RestrictAddressFamilies"][-1].split())
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
