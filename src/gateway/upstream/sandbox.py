"""Runs between the hub and a server's process: takes away what the server does not need, then becomes it.

    python -I -S sandbox.py '{"parent": PID, "mode": "auto", …}' command arguments…

It starts for every process of every user, so it knows nothing of the hub: standard library only, and ctypes.

Always: nothing open but its three pipes, no core dumps, bounded files and processes, nothing gained by set-uid
programs, and death with the hub. On Linux with Landlock also: the hub's home (master key, database, other users' files)
cannot be opened, and no signal and no ptrace leaves the process. Mode `strict` turns the list of files round: only what
a program needs can be read, only its own directory written; without Landlock it does not start. Mode `limits` does
without Landlock.

The network stays open, because servers are there to use it. A hub that runs as root runs its servers as root, too, with
the capabilities of a container: another account could read neither the interpreters of this one nor their caches.

Sources: landlock(7), capabilities(7), prctl(2); linux/landlock.h.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator

NAME = "mcphub"
NO_SANDBOX = 78  # exit code: it was told to be strict and cannot

MOST_FILE = 4 * 1024**3  # bytes in one file
OPEN_FILES = 4096
# Counted over all processes of the account, every thread as one: it stops a fork bomb and nothing smaller.
PROCESSES = 16_384

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 24, 38, 47
CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522
LAST_CAPABILITY = 63
# chown, dac_override, fowner, fsetid, setgid, setuid, net_bind_service: what installers of packages call as root.
KEPT_CAPABILITIES = {0, 1, 3, 4, 6, 7, 10}

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # system calls, the same number on every architecture
PATH_BENEATH = 1
FILE_RIGHTS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # execute, write, read, truncate, ioctl on devices
READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, list a directory
RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}  # how many access rights a kernel knows; 16 from 5 on
SCOPES = 1 << 0 | 1 << 1  # abstract sockets, signals; from 6 on
MOST_RULES = 4096

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix/store", "/proc", "/sys")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts")
RUNTIME = ("/run/systemd/resolve", "/run/resolvconf", "/run/nscd", "/var/lib/ca-certificates")


class Impossible(Exception):
    """This machine has no Landlock, or refuses it."""


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def landlock_abi() -> int:
    """0 where there is none."""
    if sys.platform != "linux":
        return 0
    abi: int = ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, 1)
    return max(0, abi)


def level(mode: str) -> str:
    """What a child of this hub really gets: `limits`, `landlock` or `landlock-strict`."""
    if mode == "limits" or not landlock_abi():
        return "limits"
    return "landlock-strict" if mode == "strict" else "landlock"


def main() -> None:
    options, command = json.loads(sys.argv[1]), sys.argv[2:]
    # uvloop hands on second ends of the pipes: with them nobody would notice that the server closed its own.
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    limit()
    if sys.platform == "linux":
        die_with(options["parent"])
        if os.geteuid() == 0:
            drop_capabilities()
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if options["mode"] != "limits":
        try:
            allowed = strict(command[0], options["own"]) if options["mode"] == "strict" else all_but(options)
            landlock(allowed)
        except (Impossible, OSError) as error:
            if options["mode"] == "strict":
                print(f"{NAME}: no sandbox, so it was not started: {error}", file=sys.stderr)
                sys.exit(NO_SANDBOX)
    try:
        os.execv(command[0], command)  # noqa: S606  no shell is what is wanted
    except OSError as error:
        print(f"{NAME}: {command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(126)


def limit() -> None:
    os.umask(0o077)
    wanted = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, MOST_FILE), (resource.RLIMIT_NOFILE, OPEN_FILES)]
    if os.geteuid() != 0:  # root's are not counted
        wanted.append((resource.RLIMIT_NPROC, PROCESSES))
    # Not RLIMIT_AS: V8 reserves far more address space than it uses, and node would not start.
    for what, most in wanted:
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was told to tell us
        os._exit(1)


def drop_capabilities() -> None:
    """For root; an ordinary user's process has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_CAP_AMBIENT, CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    kept = sum(1 << number for number in KEPT_CAPABILITIES)
    for number in range(LAST_CAPABILITY + 1):
        if number not in KEPT_CAPABILITIES:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    held = (ctypes.c_uint32 * 6)()
    if libc.capget(header, held) != 0:
        return
    # effective and permitted of the low and of the high half; what is not held cannot be kept
    low, high = kept & 0xFFFF_FFFF, kept >> 32
    data = (ctypes.c_uint32 * 6)(held[0] & low, held[1] & low, 0, held[3] & high, held[4] & high, 0)
    libc.capset(header, data)


# Landlock


def all_but(options: "dict[str, list[str]]") -> "Iterator[tuple[str, bool]]":
    """Everything but what is protected, and of that only what is the process's own: (path, may be changed).

    Rules only add, so each directory above a protected path is taken apart.
    """
    protected = {os.path.realpath(path) for path in options["protect"]}
    above = {parent for path in protected for parent in _parents(path)}
    for directory in above:
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if path not in above and path not in protected:
                yield path, True
    for path in options["own"]:
        yield path, True


def strict(program: str, own: "list[str]") -> "Iterator[tuple[str, bool]]":
    for path in (*SYSTEM, *RUNTIME, *_homes_of(program)):
        yield path, False
    for path in (*DEVICES, "/dev/shm", *own):  # noqa: S108
        yield path, True


def _homes_of(program: str) -> "Iterator[str]":
    """Where an interpreter lives, whose installation may lie anywhere: /opt/x/bin/node → /opt/x."""
    for path in {os.path.abspath(program), os.path.realpath(program)}:
        place = os.path.dirname(path)
        yield os.path.dirname(place) if os.path.basename(place) in ("bin", "shims") else place
    for prefix in {sys.prefix, sys.base_prefix}:
        yield os.path.realpath(prefix)
    yield os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # the demo server is in there


def _parents(path: str) -> "Iterator[str]":
    while path != "/":
        path = os.path.dirname(path)
        yield path


def landlock(allowed: "Iterator[tuple[str, bool]]") -> None:
    """
    Raises:
        Impossible: see there; nothing was restricted.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    abi = landlock_abi()
    if not abi:
        raise Impossible("the kernel has no Landlock")
    every = (1 << RIGHTS_BY_ABI.get(abi, 16)) - 1
    words = (ctypes.c_uint64 * 3)(every, 0, SCOPES if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    rules = libc.syscall(CREATE_RULESET, words, size, 0)
    if rules < 0:
        raise Impossible(f"Landlock: {os.strerror(ctypes.get_errno())}")
    for count, (path, changed) in enumerate(allowed):
        if count >= MOST_RULES:
            raise Impossible(f"more than {MOST_RULES} files beside the hub's")
        _allow(libc, rules, path, every if changed else READ & every)
    if libc.syscall(RESTRICT_SELF, rules, 0) != 0:
        raise Impossible(f"Landlock: {os.strerror(ctypes.get_errno())}")
    os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    """What is not there needs no rule."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= FILE_RIGHTS
        libc.syscall(ADD_RULE, rules, PATH_BENEATH, ctypes.byref(_PathBeneath(rights, place)), 0)
    finally:
        os.close(place)


if __name__ == "__main__":
    main()
