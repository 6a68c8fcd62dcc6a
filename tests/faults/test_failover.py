"""The primary PostgreSQL dies and its synchronous standby takes over, and a replica falls behind and dies, as
`./hub bench failover` and `./hub bench replica` run it; each of their bars is an assertion.
"""

import subprocess
import sys

import pytest

from tests.support.running import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.thorough
def test_when_the_primary_dies_nothing_acknowledged_is_lost_and_the_hub_goes_on_with_the_standby() -> None:
    holds("failover.py", "--seconds", "3")


@pytest.mark.thorough
def test_the_history_is_read_from_a_replica_only_while_it_follows_closely() -> None:
    holds("replica.py", "--most", "4")


def holds(bench: str, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / bench), *options],
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT OK" not in done.stdout
