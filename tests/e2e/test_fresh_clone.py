"""The README's promise: clone, `./hub up`, and an IDE can call a tool; by root and by a user without any rights."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.ide import Ide
from tests.support.running import ROOT, RunningHub

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(make_home: Callable[[], Path]) -> Path:
    """What is committed, in a folder anybody may pass, prepared by an interpreter anybody may run."""
    folder = make_home() / "clone"
    folder.parent.chmod(0o755)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder], check=True, timeout=60)
    doctor = [anybodys_python(), folder / "hub", "doctor"]
    prepared = subprocess.run(doctor, cwd="/", capture_output=True, text=True, timeout=300)
    assert (folder / ".venv" / "mcphub.stamp").exists(), prepared.stderr
    return folder


def anybodys_python() -> str:
    """The system's interpreter when it is one of ours; the present one may lie in a private directory."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return shutil.which(version, path="/usr/bin:/usr/local/bin") or sys.executable


@pytest.fixture(params=[pytest.param("present user", marks=pytest.mark.thorough), "ordinary user"])
def cloned_hub(
    request: pytest.FixtureRequest, clone: Path, make_home: Callable[[], Path], tmp_path: Path
) -> Iterator[RunningHub]:
    """`./hub up` of the clone, with the demo, not started yet."""
    account: pwd.struct_passwd | None = None
    home = make_home()
    if request.param == "ordinary user":
        if os.geteuid() != 0:
            pytest.skip("the whole run is by an ordinary user")
        account = request.getfixturevalue("ordinary_user")
        os.chown(home, account.pw_uid, account.pw_gid)
    running = RunningHub(home, tmp_path, demo=True, account=account, env={"MCPHUB_SKIP_WEB": "1"})
    yield running
    running.end()


@pytest.mark.optional
async def test_a_clone_serves_the_demo_with_no_other_step_and_ends_cleanly(cloned_hub: RunningHub, clone: Path) -> None:
    cloned_hub.start(anybodys_python(), str(clone / "hub"))
    key = cloned_hub.demo_key()

    async with Ide(cloned_hub.mcp, key) as ide:
        tool = next(name for name in await ide.tool_names() if name.endswith("days_between"))
        days = await ide.text(tool, first="2026-01-01", second="2026-01-31")
        owners = {process.owner for process in cloned_hub.processes()}

    assert days == "30"
    if cloned_hub.account is not None:
        assert owners == {cloned_hub.account.pw_uid}
    assert cloned_hub.stop() == 0
    assert cloned_hub.processes() == []
