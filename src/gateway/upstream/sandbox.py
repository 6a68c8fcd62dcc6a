"""Runs between the hub and a server's process: takes away what the server does not need, then becomes it.

    python -I -S sandbox.py '{"parent": PID, "mode": "auto", …}' command arguments…

It starts for every process of every user, so it knows nothing of the hub: standard library only, and ctypes.

Options, all of them made by the hub:
- parent: the hub's process id.
- mode: `auto`, `strict`, `landlock` or `limits`.
- own: directories that are the process's own.
- protect: paths it must not open.
- account: the number of an account for it; 0 for none. `belongings` are handed over to that account.
- named: paths that the configuration names, not a user: they are the server's business.
- look: the program to judge by when another one is run, for trying what would hold it.
- report: a descriptor that is told, as JSON, which layers hold and why the others do not.

Layers, each tried for each process, so that what is reported is what was done:
- `process`: nothing open but its three pipes, files for itself alone, death with the hub.
- `limits`: no core dumps, bounded files and memory of a process, the first to go when the machine's memory is out.
- `no-new-privileges`: nothing gained by set-uid programs.
- `account`: below a hub of root, an account that nobody else has: other processes, other files and PostgreSQL's socket
  are closed by the oldest of the kernel's rules, and its own processes are counted and ended as one.
- `no-capabilities`: holds none. Root without an account keeps those that installers of packages call.
- `landlock-files`: what is protected cannot be opened, nor the memory and environment of any process of others. Root
  without an account can write only where a server has to, and opens no disk and no memory of the machine.
- `landlock-signals`: no signal reaches anybody else's process.
- `landlock-strict`: only what a program needs and what is named can be read, only its own directory written.

The network stays open, because servers are there to use it.

Sources: landlock(7), capabilities(7), credentials(7), prctl(2); linux/landlock.h.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

NAME = "mcphub"
NO_SANDBOX = 78  # exit code: it was told to be strict and cannot

MOST_FILE = 4 * 1024**3  # bytes in one file
OPEN_FILES = 4096
# Counted over all processes of the account, every thread as one. The hub's own account has many, so there it stops a
# fork bomb and nothing smaller.
PROCESSES, PROCESSES_OF_ACCOUNT = 16_384, 1024
LEAST_MEMORY = 4 * 1024**3  # bytes; a process may have half of the machine's memory, and this in any case
FIRST_TO_GO = "500"  # of 1000, beside a PostgreSQL and a hub at 0; proc_pid_oom_score_adj(5)

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
MOST_RULES = 65_536  # a crowded directory above the home takes one for each entry, about 10 µs

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix/store", "/proc", "/sys")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts")
# Where root without an account may write beside its own directory; Landlock opens nothing that is protected below.
SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
SCRIPT_DEPTH = 4  # interpreters of interpreters
RUNTIME = ("/run/systemd/resolve", "/run/resolvconf", "/run/nscd", "/var/lib/ca-certificates")


class Impossible(Exception):
    """This machine has no Landlock, or refuses it."""


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class Kept:
    """What holds a process, and why no more does."""

    def __init__(self) -> None:
        self.layers: list[str] = []
        self.missing: dict[str, str] = {}

    def layer(self, name: str, missing: str = "") -> None:
        if missing:
            self.missing[name] = missing
        else:
            self.layers.append(name)

    def tell(self, report: int) -> None:
        with suppress(OSError):  # nobody listens any more
            os.write(report, json.dumps({"layers": self.layers, "missing": self.missing}).encode())
            os.close(report)


def landlock_abi() -> int:
    """0 where there is none."""
    if sys.platform != "linux":
        return 0
    abi: int = ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, 1)
    return max(0, abi)


def main() -> None:
    options, command = json.loads(sys.argv[1]), sys.argv[2:]
    if "end" in options:
        end_account(options["end"])
        return
    report = options.get("report", 2)
    # uvloop hands on second ends of the pipes: with them nobody would notice that the server closed its own.
    os.closerange(3, max(3, report))
    os.closerange(max(3, report + 1), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    kept = Kept()
    try:
        keep(kept, options, options.get("look", command[0]))
    except (Impossible, OSError) as error:
        print(f"{NAME}: no sandbox, so it was not started: {error}", file=sys.stderr)
        sys.exit(NO_SANDBOX)
    if report != 2:
        kept.tell(report)
    try:
        os.execv(command[0], command)  # noqa: S606  no shell is what is wanted
    except OSError as error:
        print(f"{NAME}: {command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(126)


def keep(kept: Kept, options: "dict[str, Any]", program: str) -> None:
    """
    Raises:
        Impossible, OSError: it must not start.
    """
    os.umask(0o077)
    if sys.platform != "linux":
        limit(PROCESSES)
        kept.layer("process")
        kept.layer("limits")
        for name in ("account", "no-new-privileges", "no-capabilities", "landlock-files", "landlock-signals"):
            kept.layer(name, "only Linux has it")
        if options["mode"] == "strict":
            raise Impossible("strict needs Landlock, and only Linux has it")
        return
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(FIRST_TO_GO)
    unfit = no_account(options, program)
    account = 0 if unfit else options["account"]
    rules = -1
    without = f"MCPHUB_STDIO_SANDBOX is {options['mode']}" if options["mode"] == "limits" else ""
    if not without:
        try:  # opened by root, if that is what we are: an account could not reach all of it
            rules = ruleset(allowed(options, program, root=os.geteuid() == 0 and not account))
        except (Impossible, OSError) as error:
            if options["mode"] == "strict":
                raise
            without = str(error)
    if os.geteuid() == 0:
        drop_capabilities(set() if account else KEPT_CAPABILITIES)
        hand_over([*options.get("belongings", []), *options["own"]], account)
    limit(PROCESSES_OF_ACCOUNT if account else PROCESSES)
    if account:
        become(account)
    die_with(options["parent"])  # after the change of account, which forgets it
    kept.layer("process")
    kept.layer("limits")
    kept.layer("account", unfit)
    kept.layer("no-capabilities", "" if os.geteuid() else f"it runs as root: {unfit}")
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kept.layer("no-new-privileges")
    if rules >= 0:
        try:
            restrict(rules)
        except Impossible as error:
            if options["mode"] == "strict":
                raise
            without = str(error)
    kept.layer("landlock-files", without)
    scoped = landlock_abi() >= 6
    kept.layer("landlock-signals", without or ("" if scoped else "the kernel's Landlock is older than 6.12"))
    if options["mode"] == "strict":
        kept.layer("landlock-strict")
    else:
        kept.layer("landlock-strict", f"MCPHUB_STDIO_SANDBOX is {options['mode']}")


def limit(processes: int) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    wanted = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, MOST_FILE), (resource.RLIMIT_NOFILE, OPEN_FILES)]
    wanted.append((resource.RLIMIT_NPROC, processes))  # root's are not counted
    # Not RLIMIT_AS: V8 reserves far more address space than it uses, and node would not start. This counts what can be
    # written to.
    wanted.append((resource.RLIMIT_DATA, max(LEAST_MEMORY, memory // 2)))
    for what, most in wanted:
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was told to tell us
        os._exit(1)


def drop_capabilities(wanted: "set[int]") -> None:
    """For root; an ordinary user's process has none. Of what is held, setuid and setgid go with the account."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_CAP_AMBIENT, CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    kept = sum(1 << number for number in KEPT_CAPABILITIES)
    for number in range(LAST_CAPABILITY + 1):
        if number not in wanted:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    held = (ctypes.c_uint32 * 6)()
    if libc.capget(header, held) != 0:
        return
    # effective and permitted of the low and of the high half; what is not held cannot be kept
    low, high = kept & 0xFFFF_FFFF, kept >> 32
    data = (ctypes.c_uint32 * 6)(held[0] & low, held[1] & low, 0, held[3] & high, held[4] & high, 0)
    libc.capset(header, data)


# the account


def no_account(options: "dict[str, Any]", program: str) -> str:
    """Why this process cannot have an account of its own; '' when it can. Asked of the kernel, as that account."""
    mode, account = options["mode"], options.get("account", 0)
    if os.geteuid() != 0:
        return "the hub is not run by root"
    if mode in ("limits", "landlock"):
        return f"MCPHUB_STDIO_SANDBOX is {mode}"
    if not account:
        return "this system has no range of free accounts"
    named = options.get("named", [])
    needed = [(step, os.X_OK) for step in chain_of(program)]
    # A directory that is named is mostly written to, unless nothing but the server's own may be.
    needed += [(path, 7 if os.path.isdir(path) and mode != "strict" else os.R_OK) for path in named]
    needed += [(os.path.dirname(path), os.X_OK) for path in options.get("belongings", options["own"])[:1]]
    # Where the links lead is looked up now: the account may not be able to.
    places = [(place, rights) for path, rights in needed for place in (path, os.path.realpath(path))]
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setresgid(-1, account, -1)
        os.setresuid(-1, account, -1)
    except OSError as error:
        return f"the hub may not change accounts: {error.strerror}"
    else:
        for path, rights in places:
            if closed := closed_at(path, rights):
                return f"{path} is needed, and {closed} is closed to other accounts than root"
        return ""
    finally:
        os.setresuid(-1, 0, -1)
        os.setresgid(-1, group, -1)
        os.setgroups(groups)


def chain_of(program: str) -> "list[str]":
    """The program, and if it is a script, what it is run by: `#!/usr/bin/env node` is env and the node of the PATH."""
    found = [program]
    while len(found) <= SCRIPT_DEPTH:
        try:
            with open(found[-1], "rb") as file:
                words = os.fsdecode(file.readline(512)).split() if file.read(2) == b"#!" else []
        except OSError:
            break
        if not words:
            break
        found.append(words[0])
        if os.path.basename(words[0]) == "env":
            name = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
            places = (os.path.join(place, name) for place in os.environ.get("PATH", os.defpath).split(os.pathsep))
            found += [place for place in places if name and os.access(place, os.X_OK)][:1]
    return found


def paths_in(words: "list[str]") -> "list[str]":
    """Existing absolute paths in `/a/b`, `--root=/a/b`, `A=/a,/b`."""
    pieces = {piece for word in words for piece in (word, *word.replace("=", ":").replace(",", ":").split(":"))}
    return sorted(piece for piece in pieces if piece.startswith("/") and "\0" not in piece and os.path.exists(piece))


def closed_at(path: str, rights: int) -> str:
    """The first directory on the way that the effective account cannot pass, or the path itself; '' for none."""
    for step in [*reversed(list(_parents(path))), path]:
        if not os.access(step, rights if step == path else os.X_OK, effective_ids=True):
            return step
    return ""


def hand_over(places: "list[str]", account: int) -> None:
    """Gives directories with all they hold to their account, once. Without an account the directory is root's again,
    and what others made in it is handed over by the next process that has one.
    """
    for place in places:
        if os.lstat(place).st_uid == account:
            # Never through a link: a directory of a session lies in one that is the account's, whose processes may put
            # something else in its place at any moment.
            opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            # the hub makes it anew when the server removed it
            with suppress(OSError):
                os.chown("tmp", account, account, dir_fd=opened, follow_symlinks=False)
            os.close(opened)
            continue
        if account:
            for _, folders, files, here in os.fwalk(place, topdown=False):
                for name in (*folders, *files):
                    with suppress(FileNotFoundError):
                        os.chown(name, account, account, dir_fd=here, follow_symlinks=False)
        os.chown(place, account, account, follow_symlinks=False)


def become(account: int) -> None:
    os.setgroups([])
    os.setresgid(account, account, account)
    os.setresuid(account, account, account)
    # The number has no name in the list of accounts, and programs ask for one.
    for name in ("USER", "LOGNAME"):
        os.environ.setdefault(name, NAME)


def end_account(account: int) -> None:
    """Every process of the account, wherever it went. One call, so none can be born in between. Needs root."""
    os.setgroups([])
    os.setresgid(account, account, account)
    os.setresuid(account, account, account)
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


# Landlock


def allowed(options: "dict[str, Any]", program: str, *, root: bool) -> "Iterator[tuple[str, bool]]":
    """What the process may open: (path, may be changed)."""
    if options["mode"] == "strict":
        return strict(program, options["own"], options.get("named", []))
    return as_root(options) if root else all_but(options)


def all_but(options: "dict[str, Any]") -> "Iterator[tuple[str, bool]]":
    """Everything but what is protected, and of that only what is the process's own.

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


def as_root(options: "dict[str, Any]") -> "Iterator[tuple[str, bool]]":
    """For a process that has root's rights: it reads what `all_but` lets it read and no device of the machine, and
    changes its own directory, what it is told of, and what everybody may change. The rest of the system belongs to
    programs that run as root without a sandbox, the hub's own code among them.
    """
    named = [path for path in options.get("named", []) if not _below(path, SYSTEM)]
    changed = [*SCRATCH, *(os.path.realpath(path) for path in named)]
    for path, _ in all_but(options):
        if not _below(path, ("/dev",)):
            yield path, path in options["own"] or (_below(path, changed) and not _below(path, SYSTEM))
    protected = [os.path.realpath(path) for path in options["protect"]]
    for path in (*DEVICES, *changed):
        if not any(_below(closed, [path]) or _below(path, [closed]) for closed in protected):
            yield path, True


def _below(path: str, places: "tuple[str, ...] | list[str]") -> bool:
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places)


def strict(program: str, own: "list[str]", named: "list[str]") -> "Iterator[tuple[str, bool]]":
    for path in (*SYSTEM, *RUNTIME, *_homes_of(program), *named):
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


def ruleset(allowed: "Iterator[tuple[str, bool]]") -> int:
    """A descriptor of rules, nothing restricted yet.

    Raises:
        Impossible: see there.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    abi = landlock_abi()
    if not abi:
        raise Impossible("the kernel has no Landlock")
    every = (1 << RIGHTS_BY_ABI.get(abi, 16)) - 1
    words = (ctypes.c_uint64 * 3)(every, 0, SCOPES if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    rules: int = libc.syscall(CREATE_RULESET, words, size, 0)
    if rules < 0:
        raise Impossible(f"Landlock: {os.strerror(ctypes.get_errno())}")
    for count, (path, changed) in enumerate(allowed):
        if count >= MOST_RULES:
            raise Impossible(f"more than {MOST_RULES} files beside the hub's")
        _allow(libc, rules, path, every if changed else READ & every)
    return rules


def restrict(rules: int) -> None:
    """
    Raises:
        Impossible: see there; nothing was restricted.
    """
    libc = ctypes.CDLL(None, use_errno=True)
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
