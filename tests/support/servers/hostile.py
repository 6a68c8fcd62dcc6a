"""A server over stdio that tries what a server should not: python3 hostile.py [ANYTHING…]

One tool, `attack`, with the name of an attempt and what it needs. The answer says how it went: "done", or the name of
the error that the system gave. Attempts undo what they did; those that could do harm are bounded here.
"""

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

PTRACE_SEIZE = 0x4206
ASKS_FOR_PASSWORD = 10  # PostgreSQL, AuthenticationSASL
SU = "/bin/su"
LONG = "600"  # seconds; whoever looks for what is left ends it


def named(error):
    return errno.errorcode.get(error.errno, str(error)) if isinstance(error, OSError) else type(error).__name__


def tried(work):
    try:
        found = work()
    except (OSError, MemoryError) as error:
        return named(error)
    return "done" if found is None else found


def apart(work):
    """Does it in a child, which may break without taking the server along; what it wrote is the outcome."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(tried(work)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        found = file.read()
    os.waitpid(child, 0)
    return json.loads(found) if found else "killed"


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def write(path):
    made = not os.path.lexists(path)
    with open(path, "ab"):
        pass
    if made:
        os.unlink(path)


def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(PTRACE_SEIZE, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def memory_of(pid):
    """From the beginning of its first mapping: a refusal of what is asked, not of an address nobody has."""
    with open(f"/proc/{pid}/maps") as file:
        address = int(file.read(64).partition("-")[0], 16)
    with open(f"/proc/{pid}/mem", "rb") as file:
        file.seek(address)
        file.read(1)


def open_of(pid):
    """One of its open files, opened once more; root sees their numbers in any case."""
    folder = f"/proc/{pid}/fd"
    os.close(os.open(f"{folder}/{os.listdir(folder)[0]}", os.O_RDONLY | os.O_NONBLOCK))


def bomb(most):
    """So many tasks at most; threads count like processes and cost less. Then one process more."""
    threading.stack_size(64 * 1024)
    over, began = threading.Event(), []

    def fork():
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    try:
        while len(began) < most:
            thread = threading.Thread(target=over.wait)
            thread.start()
            began.append(thread)
        return {"tasks": most, "fork": tried(fork)}
    except RuntimeError:  # can't start new thread
        return {"tasks": len(began), "fork": tried(fork)}
    finally:
        over.set()
        for thread in began:
            thread.join()


def fill(path, size):
    """A file of that size, without holes' blocks."""
    try:
        with open(path, "wb") as file:
            os.ftruncate(file.fileno(), size)
    finally:
        os.unlink(path)


def database(path):
    """How far a connection gets that knows no password: the code of what it is asked for."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(10)
        one.connect(path)
        words = b"user\0mcphub_app\0database\0mcphub\0\0"
        one.sendall(struct.pack("!ii", 8 + len(words), 196608) + words)
        answer = one.recv(64)
    if answer[:1] != b"R":
        return f"answered {answer[:1]!r}"
    (code,) = struct.unpack("!i", answer[5:9])
    return "asked for a password" if code == ASKS_FOR_PASSWORD else f"let in ({code})"


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def regain():
    """As whom a set-uid program of root's runs."""
    seen = set()
    if not os.path.exists(SU):
        return []
    with subprocess.Popen([SU], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
        until = time.monotonic() + 0.5
        while one.poll() is None and time.monotonic() < until:
            with open(f"/proc/{one.pid}/status") as file:
                status = dict(line.split(":", 1) for line in file)
            with open(f"/proc/{one.pid}/comm") as file:
                name = file.read().strip()
            if name == "su" and "Uid" in status:
                seen.add(int(status["Uid"].split()[1]))
        one.kill()
    return sorted(seen)


def leave(marked):
    """A process in a session of its own, with no parent of ours, that ignores what can be ignored; its number."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            os.write(writer, str(os.getpid()).encode())
            empty = os.open("/dev/null", os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(empty, number)
            env = dict(os.environ) if marked else {}
            os.execve("/bin/sleep", ["sleep", LONG], env)
        os._exit(0)
    os.wait()
    return int(os.read(reader, 32))


def whoami():
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    with open("/proc/self/oom_score_adj") as file:
        first_to_go = int(file.read())
    return {
        "uid": os.getuid(),
        "home": os.environ["HOME"],
        "pid": os.getpid(),
        "capabilities": int(status["CapEff"], 16),
        "bounding": int(status["CapBnd"], 16),
        "no_new_privileges": status["NoNewPrivs"].strip(),
        "first_to_go": first_to_go,
        "environment": sorted(os.environ),
    }


ATTEMPTS = {
    "whoami": whoami,
    "read": lambda path: tried(lambda: read(path)),
    "list": lambda path: tried(lambda: os.listdir(path) and None),
    "write": lambda path: tried(lambda: write(path)),
    "look": lambda pid: {
        "environ": tried(lambda: read(f"/proc/{pid}/environ")),
        "fd": tried(lambda: open_of(pid)),
        "cwd": tried(lambda: os.readlink(f"/proc/{pid}/cwd") and None),
        "mem": tried(lambda: memory_of(pid)),
        "ptrace": apart(lambda: trace(pid)),
    },
    "signal": lambda pid, number: tried(lambda: os.kill(pid, number)),
    "bomb": lambda most: apart(lambda: bomb(most)),
    "hog": lambda size: tried(lambda: mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()),
    "fill": lambda path, size: tried(lambda: fill(path, size)),
    "database": lambda path: tried(lambda: database(path)),
    "fetch": lambda url: tried(lambda: fetch(url)),
    "become": lambda uid: apart(lambda: os.setresuid(uid, uid, uid)),
    "regain": lambda: tried(regain),
    "leave": leave,
}
TOOL = {
    "name": "attack",
    "description": "Tries something.",
    "inputSchema": {"type": "object", "properties": {"attempt": {"enum": sorted(ATTEMPTS)}}},
}


def answer(method, params):
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "hostile", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        arguments = dict(params["arguments"])
        found = ATTEMPTS[arguments.pop("attempt")](**arguments)
        return {"content": [{"type": "text", "text": json.dumps(found)}]}
    return {}


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            result = answer(message["method"], message.get("params") or {})
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main()
