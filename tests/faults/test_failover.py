"""The primary PostgreSQL dies and its synchronous standby takes over, as `./hub bench failover` runs it; each bar of it
is an assertion there.
"""

import subprocess
import sys

import pytest

from tests.support.running import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.thorough
def test_when_the_primary_dies_nothing_acknowledged_is_lost_and_the_hub_goes_on_with_the_standby() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "failover.py"), "--seconds", "3"],
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT OK" not in done.stdout
