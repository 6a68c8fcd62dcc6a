"""Rules of every test run: under CI=true a skipped test is a failure, so that a missing browser, database or node
cannot pass unnoticed. A test marked `optional` may still be skipped. What fails is named at once, for a run that is
cut off prints no summary.
"""

import os
from collections.abc import Generator

import pytest

STRICT = os.environ.get("CI") == "true"
WORKER = "PYTEST_XDIST_WORKER"  # the controller hears of every report, its workers each of their own


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("optional") is None:
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if STRICT and report.skipped:  # a whole module: pytest.skip or importorskip at its top
        refuse_skip(report)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if STRICT and report.failed and WORKER not in os.environ:
        print(f"\nFAILED {report.nodeid} ({report.when})", flush=True)


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"CI=true allows no skipped test here. {reason}"
