"""When users' values are looked over by the hub itself, and what came of it.

Rules held here:
- it is off until an administrator switches it on;
- the times it is due follow from the configuration alone, so every hub on the database knows the same ones;
- one round for each time it was due, whoever was faster; what was missed is made good by one round.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from eventsourcing.dcb.domain import Selector
from msgspec import Struct
from msgspec.structs import asdict, replace

from mcphub.domain.codec import Recorded
from mcphub.domain.errors import ScheduleInvalid
from mcphub.domain.events import (
    ENV_SCHEDULER,
    EnvSchedulerConfigured,
    EnvVarsChecked,
    Event,
    env_check_tag,
)
from mcphub.domain.hub import Command

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
MOST_HOURS = 24 * 31
MOST_ORPHANS = 1_000_000
ASKED = "env-check:asked"  # a tag that no fact carries


class Schedule(Struct, frozen=True, kw_only=True):
    """The configuration. `scheduled_time` is UTC; with an interval of 24 hours it is the time of every day."""

    enabled: bool = False
    interval_hours: int = 24
    auto_cleanup: bool = False
    max_orphaned_keys: int = 100  # more are reported and left: perhaps a whole settings document went missing
    scheduled_time: str = "00:00"

    def latest(self, at: datetime) -> datetime:
        """The last time at or before `at` that it was due: from `scheduled_time` in steps of the interval."""
        hours, minutes = map(int, self.scheduled_time.split(":"))
        start = EPOCH + timedelta(hours=hours, minutes=minutes)
        step = timedelta(hours=self.interval_hours)
        return start + (at - start) // step * step

    def following(self, at: datetime) -> datetime:
        return self.latest(at) + timedelta(hours=self.interval_hours)

    def check(self) -> None:
        """
        Raises:
            ScheduleInvalid: with everything that is wrong.
        """
        wrong = []
        if not 1 <= self.interval_hours <= MOST_HOURS:
            wrong.append(("/intervalHours", "out_of_range", f"1 to {MOST_HOURS} hours"))
        if not 0 <= self.max_orphaned_keys <= MOST_ORPHANS:
            wrong.append(("/maxOrphanedKeys", "out_of_range", f"0 to {MOST_ORPHANS}"))
        if not CLOCK.fullmatch(self.scheduled_time):
            wrong.append(("/scheduledTime", "invalid_time", "HH:MM from 00:00 to 23:59, in UTC"))
        if wrong:
            raise ScheduleInvalid(tuple(wrong))


class Check(Struct, frozen=True, kw_only=True):
    """A round that was made. `by` is a user id or `system:…`."""

    at: datetime
    by: str
    due: datetime | None  # None: somebody asked
    issues: Mapping[str, int]
    orphaned: int
    removed: int


class EnvChecks:
    """The fold: the schedule as it is, and the last round."""

    def __init__(self) -> None:
        self.schedule = Schedule()
        self.since: datetime | None = None  # when the schedule became what it is
        self.last: Check | None = None
        self.taken: datetime | None = None  # the last due time that a round was made for

    def apply(self, recorded: Recorded) -> None:
        match recorded.event:
            case EnvSchedulerConfigured() as event:
                self.schedule = schedule_of(event)
                self.since = recorded.at
            case EnvVarsChecked() as event:
                self.last = Check(
                    at=recorded.at,
                    by=recorded.meta.actor,
                    due=event.due,
                    issues=event.issues,
                    orphaned=event.orphaned,
                    removed=event.removed,
                )
                self.taken = event.due or self.taken

    def due(self, now: datetime) -> datetime | None:
        """The time a round is to be made for now; None when none is."""
        latest = self.schedule.latest(now)
        return latest if self.schedule.enabled and self._since() < latest else None

    def next(self, now: datetime) -> datetime | None:
        """When the next round is due; None when it is switched off."""
        if not self.schedule.enabled:
            return None
        return self.due(now) or self.schedule.following(now)

    def _since(self) -> datetime:
        """What was due up to then is made, or was before the schedule."""
        return max(self.since or EPOCH, self.taken or EPOCH)


def schedule_of(event: EnvSchedulerConfigured) -> Schedule:
    return Schedule(**{name: getattr(event, name) for name in Schedule.__struct_fields__})


class ConfigureEnvScheduler(Command):
    """Change some members of the schedule. The present ones write nothing.

    Raises:
        ScheduleInvalid: see there.
    """

    def __init__(self, changes: Mapping[str, Any]) -> None:
        self.changes = changes
        self.schedule = Schedule()

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[EnvSchedulerConfigured], tags=[ENV_SCHEDULER])]

    def evolve(self, event: Event) -> None:
        if isinstance(event, EnvSchedulerConfigured):
            self.schedule = schedule_of(event)

    def execute(self) -> None:
        wanted = replace(self.schedule, **self.changes)
        wanted.check()
        if wanted != self.schedule:
            self.trigger_event(EnvSchedulerConfigured, [ENV_SCHEDULER], **asdict(wanted))


class NoteEnvCheck(Command):
    """Record a round. One for a time that has its round already writes nothing."""

    def __init__(self, issues: Mapping[str, int], orphaned: int, removed: int, due: datetime | None = None) -> None:
        self.issues = issues
        self.orphaned = orphaned
        self.removed = removed
        self.due = due
        self.taken = False

    def consistency_boundary(self) -> Sequence[Selector]:
        # A round that somebody asked for stands beside all others: nothing that happens before its append matters.
        tag = env_check_tag(self.due) if self.due is not None else ASKED
        return [Selector(types=[EnvVarsChecked], tags=[tag])]

    def evolve(self, event: Event) -> None:
        self.taken = True

    def execute(self) -> None:
        if self.taken:
            return
        tags = [ENV_SCHEDULER] if self.due is None else [ENV_SCHEDULER, env_check_tag(self.due)]
        self.trigger_event(
            EnvVarsChecked,
            tags,
            issues=dict(self.issues),
            orphaned=self.orphaned,
            removed=self.removed,
            due=self.due,
        )
