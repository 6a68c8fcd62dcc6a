"""Other machines on this one: network namespaces, each joined to here by a cable that can be pulled out.

Only root can make them. What runs in one is started with `run`, and ends with it.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.running import ROOT

# RFC 2544 keeps these for trials of networks: nobody lives there.
NETWORK = "198.18.{number}.{end}"


def available() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None


class Machine:
    """One other machine. `here` is our address as it sees it."""

    def __init__(self, number: int) -> None:
        self.name = f"mcphub-{os.getpid()}-{number}"
        self._cable = f"mh{os.getpid() % 100_000}-{number}"
        self.here = NETWORK.format(number=number, end=1)
        self.there = NETWORK.format(number=number, end=2)
        self._started: list[subprocess.Popen[bytes]] = []

    def make(self) -> None:
        _ip("netns", "add", self.name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "out", "netns", self.name)
        _ip("addr", "add", f"{self.here}/30", "dev", self._cable)
        self.plug_in()
        _ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", "out")
        _ip("-n", self.name, "link", "set", "out", "up")

    def pull_out(self) -> None:
        """Nothing gets through any more, and neither side is told."""
        _ip("link", "set", self._cable, "down")

    def plug_in(self) -> None:
        _ip("link", "set", self._cable, "up")

    def run(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = ["ip", "netns", "exec", self.name, sys.executable, "-m", module, *arguments]
        self._started.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL))
        return self._started[-1]

    def remove(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
        for command in (("link", "del", self._cable), ("netns", "del", self.name)):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip(*command)


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    made = [Machine(number) for number in range(1, count + 1)]
    try:
        for machine in made:
            machine.make()
        yield made
    finally:
        for machine in made:
            machine.remove()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
