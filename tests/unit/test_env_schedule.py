"""When the hub looks over users' values by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from mcphub.domain.env_schedule import ConfigureEnvScheduler, EnvChecks, NoteEnvCheck, Schedule
from mcphub.domain.errors import ScheduleInvalid
from mcphub.domain.events import ENV_SCHEDULER, EnvSchedulerConfigured, EnvVarsChecked, env_check_tag
from tests.support.facts import recorded

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


def configured(**more):
    given = {
        "enabled": True, "interval_hours": 24, "auto_cleanup": False, "max_orphaned_keys": 100,
        "scheduled_time": "00:00", **more,
    }  # fmt: skip
    return (EnvSchedulerConfigured(**given), [ENV_SCHEDULER])


def checked(due):
    return (EnvVarsChecked(issues={}, orphaned=0, due=due), [ENV_SCHEDULER, env_check_tag(due)])


def known(*facts, at=NOON):
    checks = EnvChecks()
    for fact in recorded(*facts, at=at):
        checks.apply(fact)
    return checks


@pytest.mark.parametrize(
    ("hours", "clock", "latest"),
    [
        (24, "00:00", datetime(2026, 3, 1, tzinfo=UTC)),
        (24, "13:30", datetime(2026, 2, 28, 13, 30, tzinfo=UTC)),
        (24, "12:00", NOON),
        (6, "00:00", NOON),
        (6, "01:15", datetime(2026, 3, 1, 7, 15, tzinfo=UTC)),
        (1, "00:45", datetime(2026, 3, 1, 11, 45, tzinfo=UTC)),
    ],
)
def test_due_times_follow_from_the_time_of_day_in_steps_of_the_interval(hours, clock, latest):
    schedule = Schedule(interval_hours=hours, scheduled_time=clock)

    assert schedule.latest(NOON) == latest
    assert schedule.following(NOON) == latest + timedelta(hours=hours)


def test_it_is_off_until_somebody_switches_it_on():
    checks = known()

    assert (checks.due(MIDNIGHT), checks.next(MIDNIGHT)) == (None, None)


def test_a_time_before_the_schedule_was_made_is_not_made_good():
    checks = known(configured())

    assert checks.due(NOON + timedelta(hours=1)) is None
    assert checks.next(NOON + timedelta(hours=1)) == MIDNIGHT
    assert checks.due(MIDNIGHT) == MIDNIGHT


def test_what_was_missed_is_made_good_by_one_round():
    a_week_later = MIDNIGHT + timedelta(days=7, hours=3)
    checks = known(configured())

    due = checks.due(a_week_later)
    checks.apply(recorded(checked(due), since=2, at=a_week_later)[0])

    assert due == MIDNIGHT + timedelta(days=7)
    assert checks.due(a_week_later + timedelta(hours=1)) is None
    assert checks.next(a_week_later) == MIDNIGHT + timedelta(days=8)


def test_a_round_that_somebody_asked_for_moves_no_due_time():
    asked = (EnvVarsChecked(issues={"MISSING_KEY": 2}, orphaned=0), [ENV_SCHEDULER])
    checks = known(configured(), asked)

    assert checks.due(MIDNIGHT) == MIDNIGHT
    assert checks.last.issues == {"MISSING_KEY": 2}


def test_only_what_is_named_changes_and_the_present_schedule_writes_nothing(scenario):
    scenario.given(configured(enabled=False, interval_hours=6))

    scenario.when(lambda: ConfigureEnvScheduler({"enabled": True})).then(configured(interval_hours=6)[0])
    scenario.when(lambda: ConfigureEnvScheduler({"interval_hours": 6})).then()


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_hours": 0},
        {"interval_hours": 24 * 31 + 1},
        {"max_orphaned_keys": -1},
        {"max_orphaned_keys": 2**63},
        {"scheduled_time": "24:00"},
        {"scheduled_time": "7:00"},
        {"scheduled_time": "٠٠:٠٠"},
        {"scheduled_time": "00:00\n"},
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(scenario, wrong):
    scenario.when(lambda: ConfigureEnvScheduler(wrong)).refused(ScheduleInvalid)


def test_of_two_hubs_one_records_the_round_that_was_due(scenario):
    scenario.given(checked(MIDNIGHT))

    scenario.when(lambda: NoteEnvCheck({}, 0, 0, MIDNIGHT)).then()
    later = MIDNIGHT + timedelta(days=1)
    scenario.when(lambda: NoteEnvCheck({}, 0, 0, later)).then(checked(later)[0])


def test_a_round_that_somebody_asked_for_is_always_recorded(scenario):
    asked = EnvVarsChecked(issues={"MISSING_KEY": 1}, orphaned=0)
    scenario.given((asked, [ENV_SCHEDULER]))

    scenario.when(lambda: NoteEnvCheck({"MISSING_KEY": 1}, 0, 0)).then(asked)
