"""Three nodes behind nginx, as `./hub bench nodes` runs them; each bar of it is an assertion there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow]


@pytest.mark.thorough
@pytest.mark.skipif(not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()), reason="there is no nginx")
def test_a_node_that_is_asked_to_stop_costs_no_call_and_one_that_is_killed_only_those_under_way() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "nodes.py"), "--seconds", "10"],
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT OK" not in done.stdout
