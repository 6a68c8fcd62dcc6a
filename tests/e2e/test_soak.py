"""Calls for a quarter of a minute leave nothing but their rows; the ten minutes are `./hub bench soak`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "bench" / "soak.py"


@pytest.mark.thorough
def test_memory_descriptors_processes_and_disk_stay_as_they_are_while_calls_go_through() -> None:
    options = ("--minutes", "0.25", "--every", "3", "--rate", "40", "--users", "4", "--json")

    done = subprocess.run([sys.executable, SOAK, *options], capture_output=True, text=True, timeout=240, check=False)

    report = json.loads(done.stdout)
    assert report["outcomes"] == {"answered": 600}
    assert [name for name, one in report["compared"].items() if one["end"] > one["allowed"]] == []
    assert 100 < report["bytesPerCall"] < 4000
    assert done.returncode == 0
