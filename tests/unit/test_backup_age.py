"""When a backup is too old, and when there should have been one."""

from datetime import timedelta

import pytest

from mcphub.doctor import _backup
from mcphub.operations.backup_age import backup_age

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("last", "began", "days", "code", "late"),
    [
        (2 * DAY, 90 * DAY, 7, "recent", False),
        (8 * DAY, 90 * DAY, 7, "old", True),
        (None, 8 * DAY, 7, "never", True),
        (None, 2 * DAY, 7, "young", False),
        (None, None, 7, "young", False),
        (None, 90 * DAY, 0, "elsewhere", False),
        (80 * DAY, 90 * DAY, 0, "elsewhere", False),
    ],
)
def test_a_backup_is_late_when_the_last_one_or_a_hub_without_any_is_too_old(last, began, days, code, late):
    found = backup_age((last, began), days)

    assert (found.code, found.late) == (code, late)
    assert found.age == (last or began or timedelta(0))


def test_the_doctor_warns_of_a_late_one_with_what_to_do():
    old, none, fine = (_backup(row, 7) for row in ((9 * DAY, 90 * DAY), (None, 8 * DAY), (DAY / 4, 90 * DAY)))

    assert (old.level, old.found) == ("warning", "the last one is 9 days old, more than 7 days")
    assert (none.level, none.found) == ("warning", "none was ever made, in 8 days")
    assert (fine.level, fine.found, fine.remedy) == ("ok", "the last one is 6 hours old", "")
    assert "mcphub backup DIR" in old.remedy
