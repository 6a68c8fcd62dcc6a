from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from mcphub import metrics
from mcphub.metrics import MOST_REASONS, MOST_SERVERS, FactTimes, Histogram, Metrics


def ended(counted: Metrics, server: str = "git", method: str = "tools/call", reason: str = "") -> None:
    counted.ended(server, method, "Failed" if reason else "Completed", reason, 10.0, 1.0, 8.0)


def test_a_value_counts_where_it_is_at_most_the_bound() -> None:
    histogram = Histogram((1.0, 2.0))

    for value in (0.5, 1.0, 1.5, 2.0, 7.0):
        histogram.observe(value)

    assert (histogram.counts, histogram.total) == ([2, 2, 1], 12.0)


def test_two_clocks_that_disagree_never_make_a_sum_fall() -> None:
    histogram = Histogram((1.0,))

    histogram.observe(-3.0)

    assert (histogram.counts, histogram.total) == ([1, 0], 0.0)


def test_what_the_hub_added_is_what_neither_the_server_nor_the_wait_took() -> None:
    counted = Metrics()

    counted.ended("git", "tools/call", "Completed", "", 10.0, 2.5, 7.0)

    assert counted.added["call"].total == pytest.approx(0.5)
    assert counted.waits["git"].total == 2.5
    assert counted.upstreams["git", "call"].total == 7.0


def test_a_request_that_went_to_no_server_has_only_a_duration() -> None:
    counted = Metrics()

    counted.ended("", "tools/list", "Completed", "", 3.0, None, None)

    assert counted.durations["list"].total == 3.0
    assert counted.added["list"].counts == [0] * len(counted.added["list"].counts)


def test_whatever_methods_clients_name_there_are_so_many_classes() -> None:
    counted = Metrics()

    for number in range(50):
        ended(counted, method=f"odd/{number}")

    assert set(counted.ways) == {("git", "other", "Completed")}


def test_servers_beyond_the_bound_share_a_label_until_others_are_gone() -> None:
    counted = Metrics()
    for number in range(MOST_SERVERS + 3):
        ended(counted, f"s{number}")
    before = {server for server, _, _ in counted.ways}

    counted.forget({f"s{number}" for number in range(5, MOST_SERVERS + 3)})
    ended(counted, f"s{MOST_SERVERS + 2}")

    assert len(before) == MOST_SERVERS + 1
    assert counted.ways["other", "call", "Completed"].count == 3
    assert counted.ways[f"s{MOST_SERVERS + 2}", "call", "Completed"].count == 1
    assert not {f"s{number}" for number in range(5)} & ({way[0] for way in counted.ways} | counted.waits.keys())


def test_what_is_no_server_of_the_hub_is_no_label() -> None:
    counted = Metrics({"git"}.__contains__)

    ended(counted, "made-up")
    counted.connected("made-up", "failed", 1.0)

    assert {way[0] for way in counted.ways} == {server for server, _ in counted.connects} == {"other"}


@pytest.mark.parametrize("reason", ["Bearer abc", "x" * 41, "ÜBER", "tool error"])
def test_what_is_no_reason_code_is_no_label(reason: str) -> None:
    counted = Metrics()

    ended(counted, reason=reason)

    assert dict(counted.reasons) == {("Failed", "other"): 1}


def test_reasons_are_bounded_too() -> None:
    counted = Metrics()

    for number in range(MOST_REASONS + 9):
        ended(counted, reason=f"r{number}")

    assert len(counted.reasons) == MOST_REASONS + 1
    assert counted.reasons["Failed", "other"] == 9


def test_a_fact_counts_for_decisions_when_it_is_folded_and_for_tables_when_they_show_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[tuple[str, float]] = []
    times = FactTimes(lambda to, took: shown.append((to, round(took))))
    recorded = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(metrics.time, "time", lambda: (recorded + timedelta(milliseconds=40)).timestamp())

    times.facts_applied([SimpleNamespace(position=position, at=recorded) for position in (1, 2)])  # type: ignore[misc]
    times.tables_advanced(1)

    assert shown == [("decisions", 40), ("decisions", 40), ("read_tables", 40)]
