"""Nothing needs root: the same hub, started by a user without any rights."""

import json
import os
import pwd
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.ide import Ide
from tests.support.owners import Owners, python_for
from tests.support.running import ROOT, RunningHub

# When the whole run is by an ordinary user, every test of this tier shows it.
pytestmark = [pytest.mark.slow, pytest.mark.optional]


@pytest.fixture
def humble_hub(make_home: Callable[[], Path], ordinary_user: pwd.struct_passwd, tmp_path: Path) -> Iterator[RunningHub]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / '.dev'}:{sysconfig.get_path('purelib')}"}
    python = python_for(Owners(make_home, ordinary_user, "", env))
    home = make_home()
    os.chown(home, ordinary_user.pw_uid, ordinary_user.pw_gid)
    running = RunningHub(home, tmp_path, env=env, demo=True, account=ordinary_user)
    try:
        yield running.start(python, "-m", "mcphub")
    finally:
        running.end()


async def test_a_hub_of_an_ordinary_user_serves_the_demo_and_ends_cleanly(humble_hub: RunningHub) -> None:
    entry = json.loads((humble_hub.home / "first-key").read_text())["mcpServers"]["mcphub"]

    async with Ide(humble_hub.mcp, entry["headers"]["Authorization"].removeprefix("Bearer ")) as ide:
        tool = next(name for name in await ide.tool_names() if name.endswith("days_between"))
        days = await ide.text(tool, first="2026-01-01", second="2026-01-31")
        owners = {process.owner for process in humble_hub.processes()}

    assert days == "30"
    assert owners == {humble_hub.account.pw_uid if humble_hub.account else -1}
    assert humble_hub.stop() == 0
    assert humble_hub.processes() == []
