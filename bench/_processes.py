"""Processes of a bench: started on chosen cores, ended with their block, their CPU read from /proc."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")
# The measured tree on one core, clients and servers on the other, where there are two.
CORES = sorted(os.sched_getaffinity(0))
MEASURED, OTHERS = {CORES[0]}, set(CORES[1:]) or {CORES[0]}


@contextmanager
def process(*command: str | Path, cores: set[int], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Runs while the block runs, on these cores."""
    started = subprocess.Popen(
        [str(part) for part in command],
        cwd=HERE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        **options,
    )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise SystemExit(f"nothing listens on {port}") from None
            time.sleep(0.05)


def tree(root: int) -> list[int]:
    """A process and everything below it."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """Of the tree so far, with what ended in it."""
    ticks = 0
    for pid in tree(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICK
