from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from mcphub.operations.master_keys import Standing
from mcphub.operations.retention import Kept, kept
from mcphub.settings import read

TODAY = date(2026, 11, 26)
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_each_log_goes_back_as_far_as_its_own_setting_says(tmp_path: Path) -> None:
    settings = read(
        {"MCPHUB_TRAFFIC_DAYS": "30", "MCPHUB_ACCESS_DAYS": "400", "MCPHUB_PAYLOAD_DAYS": "7"}, home=tmp_path
    )

    found = kept((TODAY, TODAY - timedelta(days=31), TODAY - timedelta(days=10), None), settings)

    assert found == {"calls": Kept(31, 30), "access": Kept(10, 400), "payloads": Kept(0, 7)}
    assert [name for name, one in found.items() if one.late] == []
    assert Kept(33, 30).late


def test_arguments_and_results_are_never_kept_longer_than_their_call(tmp_path: Path) -> None:
    settings = read({"MCPHUB_TRAFFIC_DAYS": "10", "MCPHUB_PAYLOAD_DAYS": "90"}, home=tmp_path)

    assert (settings.traffic_days, settings.access_days, settings.payload_days) == (10, 10, 10)


@pytest.mark.parametrize(
    ("key_ids", "days", "code"),
    [([], 0, "young"), (["k1"], 365, "young"), (["k1"], 366, "old"), (["k1", "k2"], 0, "unfinished")],
)
def test_a_master_key_is_too_old_after_a_year_and_two_are_one_too_many(
    key_ids: list[str], days: int, code: str
) -> None:
    found = Standing(key_ids, NOW - timedelta(days=days) if key_ids else None, NOW)

    assert (found.code, found.days) == (code, days)
