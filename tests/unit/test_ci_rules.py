"""The rules of test runs, tried on a small suite of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = """
import pytest

def test_runs():
    pass

@pytest.mark.skip(reason="no browser here")
def test_is_skipped():
    pass

def test_skips_itself():
    pytest.skip("no node here")

@pytest.mark.optional
@pytest.mark.skip(reason="only on a Tuesday")
def test_may_be_skipped():
    pass

@pytest.mark.xfail(strict=True)
def test_is_known_to_fail():
    raise AssertionError
"""


def run_suite(folder: Path, *, ci: str, suite: str = SUITE) -> tuple[int, str]:
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = optional\n")
    (folder / "test_suite.py").write_text(suite)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_ci_counts_a_skipped_test_as_failed_unless_it_is_optional(tmp_path: Path) -> None:
    code, output = run_suite(tmp_path, ci="true")

    assert code == 1
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in output
    assert "no browser here" in output
    assert "no node here" in output


@pytest.mark.slow
def test_ci_counts_a_skipped_module_as_an_error(tmp_path: Path) -> None:
    code, output = run_suite(tmp_path, ci="true", suite="import pytest\npytest.importorskip('no_such_library')\n")

    assert code != 0
    assert "1 error" in output


@pytest.mark.slow
def test_elsewhere_tests_may_be_skipped(tmp_path: Path) -> None:
    code, output = run_suite(tmp_path, ci="")

    assert code == 0
    assert "1 passed, 3 skipped, 1 xfailed" in output
