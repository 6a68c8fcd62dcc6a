"""What the guides tell to type is typed: blocks marked `run`, in the order of each page, on one hub of their own.

A `sh` block has to end well. A `console` block says after each `$ command` what is printed: `…` stands for anything in
a line, and alone on a line for any lines. `run=thorough` marks pages whose blocks take longer than CI has.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.guides import GUIDES, Block, blocks
from tests.support.running import RunningHub
from tests.support.waiting import slower

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("curl") is None, reason="the guides use curl")]

SHOWN = "http://127.0.0.1:3000"  # where the guides have their hub
ENGLISH = GUIDES / "en"  # the other language shows the same blocks: tests/unit/test_docs.py
WITHIN = 30.0  # seconds for a command
END = "-- the command ended --"


def pages(word: str) -> list[str]:
    return sorted(path.stem for path in ENGLISH.glob("*.md") if any(word in block.words for block in blocks(path)))


class Shell:
    """A bash that keeps its variables from block to block, as somebody's terminal does."""

    def __init__(self, hub: RunningHub, folder: Path) -> None:
        self._hub = hub
        self._out = folder / "out"
        own = {"MCPHUB_HOME": str(hub.home), "TMPDIR": str(folder)}
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-euo", "pipefail"],
            cwd=folder,
            env={**hub.env, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def type(self, command: str) -> str:
        """What it printed.

        Raises:
            AssertionError: it ended badly, or not in time.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        typed = command.replace(SHOWN, self._hub.url).replace(
            ".venv/bin/mcphub", str(Path(sys.executable).with_name("mcphub"))
        )
        too_late = threading.Timer(WITHIN * slower(), self._kill)
        too_late.start()
        try:
            self._process.stdin.write(f"{{\n{typed}\n}} >{self._out} 2>&1 </dev/null\necho '{END}'\n")
            self._process.stdin.flush()
            ended = self._process.stdout.readline().strip() == END
        finally:
            too_late.cancel()
        printed = self._out.read_text().replace(self._hub.url, SHOWN)
        assert ended, f"{command!r} ended badly; it printed:\n{printed}"
        return printed

    def _kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@pytest.fixture(scope="module")
def guide_hub(make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """As `./hub up` makes it, with the demo."""
    running = RunningHub(make_home(), tmp_path_factory.mktemp("guides"), demo=True)
    try:
        yield running.start()
    finally:
        running.end()


@pytest.fixture
def shell(guide_hub: RunningHub, tmp_path: Path) -> Iterator[Shell]:
    made = Shell(guide_hub, tmp_path)
    yield made
    made.end()


def follow(shell: Shell, block: Block) -> None:
    if block.language == "sh":
        shell.type(block.text)
        return
    for command, shown in commands_of(block.text):
        printed = shell.type(command)
        assert agrees(printed, shown), f"$ {command}\nprints\n{printed}\nand not\n{shown}"


def commands_of(text: str) -> list[tuple[str, str]]:
    """(command, what is shown below it); `> ` goes on with the command of the line before."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0] += "\n" + line[2:]
        else:
            found[-1][1] += line + "\n"
    return [(command, shown) for command, shown in found]


def agrees(printed: str, shown: str) -> bool:
    pattern = re.escape(shown.strip()).replace(r"\…", "…")
    pattern = re.sub(r"(?m)^…$", r"(?:.*\\n?)*?.*", pattern).replace("…", r"[^\n]*")
    return re.fullmatch(pattern, re.sub(r"(?m) +$", "", printed).strip()) is not None


@pytest.mark.parametrize("page", pages("run"))
def test_what_a_guide_tells_to_type_does_what_it_says(page: str, shell: Shell) -> None:
    for block in blocks(ENGLISH / f"{page}.md"):
        if "run" in block.words:
            follow(shell, block)


@pytest.mark.thorough
@pytest.mark.parametrize("page", pages("run=thorough"))
def test_what_a_guide_tells_to_type_does_what_it_says_at_length(page: str, shell: Shell) -> None:
    for block in blocks(ENGLISH / f"{page}.md"):
        if "run=thorough" in block.words:
            follow(shell, block)


def test_an_output_that_is_not_the_shown_one_is_noticed(shell: Shell) -> None:
    follow(shell, Block("console", ("run",), "$ x=1; echo one\none\n$ printf 'a 1\\nb\\nc\\n'\na …\n…\n", ""))

    with pytest.raises(AssertionError, match="and not"):
        follow(shell, Block("console", ("run",), "$ echo $x\n2\n", ""))
    with pytest.raises(AssertionError, match="ended badly"):
        follow(shell, Block("sh", ("run",), "echo $x | grep 2", ""))
