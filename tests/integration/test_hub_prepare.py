"""How ./hub prepares its environment and hands over, on a copy of the script with a uv that only notes its calls."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
UV = """#!/bin/sh
echo "$@" >> "$UV_CALLS"
case "$1 $2" in
  "pip sync") sleep 0.3; [ ! -e "$UV_CALLS.broken" ] ;;
  "venv "*) mkdir -p .venv/bin && ln -sf "$PYTHON_HERE" .venv/bin/python ;;
esac
"""
MCPHUB = """#!/bin/sh
trap 'echo ended $$ >> runs; exit 0' TERM INT
echo "started $$ $*" >> runs
while :; do sleep 0.05; done
"""


class Copy:
    """A checkout with nothing in it but the script and what it reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls_file = folder / "calls"
        for name in ("src", "migrations", "tools"):
            (folder / name).mkdir()
        for name in ("hub", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, folder / name)
        self.program("tools/uv", UV)
        self.env = {
            "PATH": f"{folder / 'tools'}:{os.environ['PATH']}",
            "UV_CALLS": str(self.calls_file),
            "PYTHON_HERE": sys.executable,
        }

    def program(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, self.folder / "hub", *arguments],
            cwd=self.folder,
            env=self.env,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        _, errors = process.communicate(timeout=30)
        return process.returncode, errors

    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def runs(self) -> list[str]:
        path = self.folder / "runs"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    eventually(condition, within=10, what=what)


@pytest.mark.slow
def test_packages_come_by_hash_and_the_project_without_fetching_anything(copy: Copy) -> None:
    code, _ = copy.run("bench")

    python, lock = copy.folder / ".venv/bin/python", copy.folder / "requirements.lock"
    assert code == 2  # there is no measurement to run, which is asked after preparing
    assert copy.calls() == [
        f"venv --quiet --clear --python {sys.executable} {copy.folder / '.venv'}",
        f"pip sync --quiet --require-hashes -p {python} {lock}",
        f"pip install --quiet --no-deps --no-build-isolation -p {python} -e .",
    ]


@pytest.mark.slow
def test_it_is_done_once_until_the_lock_changes(copy: Copy) -> None:
    copy.run("bench")
    copy.run("bench")
    first = len(copy.calls())
    with (copy.folder / "requirements.lock").open("a") as file:
        file.write("# one more line\n")
    copy.run("bench")

    assert first == 3
    assert [call.split()[:2] for call in copy.calls()[first:]] == [["pip", "sync"], ["pip", "install"]]


@pytest.mark.slow
def test_two_at_once_prepare_once(copy: Copy) -> None:
    processes = [copy.start("bench") for _ in range(3)]
    for process in processes:
        process.communicate(timeout=30)

    assert len(copy.calls()) == 3


@pytest.mark.slow
def test_a_failed_preparation_is_said_and_done_again(copy: Copy) -> None:
    copy.run("bench")
    wish = copy.folder / "requirements.lock"
    before = wish.read_text()
    wish.write_text(before + "# one more line\n")
    (copy.folder / "calls.broken").touch()
    code, errors = copy.run("bench")
    (copy.folder / "calls.broken").unlink()
    wish.write_text(before)  # what was there is half replaced by now, although the old lock is back
    so_far = len(copy.calls())
    copy.run("bench")

    assert code == 1
    assert "ended with 1" in errors
    assert [call.split()[1] for call in copy.calls()[so_far:]] == ["sync", "install"]


@pytest.mark.slow
def test_up_becomes_the_hub_so_that_signals_reach_it(copy: Copy) -> None:
    copy.run("bench")
    copy.program(".venv/bin/mcphub", MCPHUB)

    process = copy.start("up", "--port", "0")
    wait_for(lambda: bool(copy.runs()), "the hub starts")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert copy.runs() == [f"started {process.pid} up --port 0", f"ended {process.pid}"]


@pytest.mark.slow
def test_dev_starts_again_on_a_change_and_ends_with_its_hub(copy: Copy) -> None:
    copy.run("bench")
    copy.program(".venv/bin/mcphub", MCPHUB)

    process = copy.start("dev", "--no-demo")
    wait_for(lambda: len(copy.runs()) == 1, "the hub starts")
    (copy.folder / "src/new.py").touch()
    wait_for(lambda: len(copy.runs()) == 3, "the hub starts again")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert [line.split()[0] for line in copy.runs()] == ["started", "ended", "started", "ended"]
    assert copy.runs()[2].endswith("up --no-open --no-demo")
    assert process.returncode == 0
