"""The upkeep of users' values, for administrators: what is wrong, who has which, the clean-up and its schedule."""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from mcphub.api.caller import ADMIN
from mcphub.api.env_report import Report, report
from mcphub.api.env_scheduler import EnvScheduler
from mcphub.api.incoming import incoming
from mcphub.api.schemas import Envelope, Out, Schema, at_each
from mcphub.api.services import Services
from mcphub.api.upkeep import Issue, Removal, Upkeep
from mcphub.domain.env_schedule import ConfigureEnvScheduler
from mcphub.projections.directory import Directory

Found = TypeVar("Found", Issue, Removal)


class Validation(Out, kw_only=True):
    """`valid`: nothing is worse than INFO."""

    valid: bool
    issues: list[Issue]


class ValidationAnswer(Envelope, kw_only=True):
    data: Validation


class CleanUp(Schema, kw_only=True):
    """Nothing is removed unless `dryRun` is false: what is destroyed does not come back."""

    dry_run: bool = True


class CleanUpResult(Out, kw_only=True):
    """`items` are what was removed, or would be."""

    dry_run: bool
    removed: int
    items: list[Removal]


class CleanUpAnswer(Envelope, kw_only=True):
    data: CleanUpResult


class ReportAnswer(Envelope, kw_only=True):
    data: Report


class SchedulerConfig(Schema, kw_only=True):
    """What is left out stays as it is. `scheduledTime` is HH:MM in UTC."""

    enabled: bool | UnsetType = UNSET
    interval_hours: int | UnsetType = UNSET
    auto_cleanup: bool | UnsetType = UNSET
    max_orphaned_keys: int | UnsetType = UNSET
    scheduled_time: str | UnsetType = UNSET


class ShownConfig(Out, kw_only=True):
    enabled: bool
    interval_hours: int
    auto_cleanup: bool
    max_orphaned_keys: int
    scheduled_time: str


class LastRun(Out, kw_only=True):
    """`issues` counts by code; `due` is null for a round somebody asked for, and `by` says who."""

    at: datetime
    by: str
    by_name: str
    due: datetime | None
    issues: dict[str, int]
    orphaned: int
    removed: int


class SchedulerStatus(Out, kw_only=True):
    config: ShownConfig
    last_run: LastRun | None
    next_run: datetime | None


class SchedulerAnswer(Envelope, kw_only=True):
    data: SchedulerStatus


class EnvUpkeepController(Controller):
    path = "/api"
    tags = ("Variables",)

    @get("/env-vars/validate", operation_id="validateVariables", summary="What is wrong with users' values", who=ADMIN)
    async def validate(self, upkeep: NamedDependency[Upkeep], services: NamedDependency[Services]) -> ValidationAnswer:
        """Orphaned, missing, misformed and inconsistent values. No value and no mask is in the answer."""
        issues = await _named(services.directory, await upkeep.issues())
        return ValidationAnswer(data=Validation(valid=all(issue.severity == "INFO" for issue in issues), issues=issues))

    @get(
        ["/env-vars/report", "/admin/env-vars"],
        operation_id=at_each("variableUsage", "/api/env-vars/report"),
        summary="Who has entered which variable",
        who=ADMIN,
    )
    async def usage(
        self,
        upkeep: NamedDependency[Upkeep],
        services: NamedDependency[Services],
        variable: Annotated[str, QueryParameter(name="varName")] = "",
    ) -> ReportAnswer:
        """`varName` narrows it to one variable, with or without USER_."""
        return ReportAnswer(data=await report(upkeep, services.directory, variable))

    @post(
        "/env-vars/cleanup",
        operation_id="cleanUpVariables",
        summary="Destroy values nobody asks for",
        status_code=200,
        who=ADMIN,
    )
    async def clean_up(
        self,
        upkeep: NamedDependency[Upkeep],
        services: NamedDependency[Services],
        data: JSONBody[CleanUp | None] = None,
    ) -> CleanUpAnswer:
        """For good: their data keys are destroyed. A variable that is asked for again meanwhile keeps its value."""
        dry_run = (data or CleanUp()).dry_run
        found = await upkeep.purge(dry_run=dry_run)
        items = await _named(services.directory, upkeep.removals(found))
        result = CleanUpResult(dry_run=dry_run, removed=len(items), items=items)
        return CleanUpAnswer(data=result, position=incoming().position or UNSET)

    @get("/admin/env-scheduler/status", operation_id="envScheduler", summary="The regular round over values", who=ADMIN)
    async def status(self, services: NamedDependency[Services]) -> SchedulerAnswer:
        return SchedulerAnswer(data=await _status(services))

    @post(
        "/admin/env-scheduler/config",
        operation_id="configureEnvScheduler",
        summary="Change the regular round",
        status_code=200,
        who=ADMIN,
    )
    async def configure(self, data: JSONBody[SchedulerConfig], services: NamedDependency[Services]) -> SchedulerAnswer:
        changes = {name: value for name, value in asdict(data).items() if value is not UNSET}
        done = await services.commands.run(lambda: ConfigureEnvScheduler(changes))
        return SchedulerAnswer(data=await _status(services), position=done.position)

    @post(
        "/admin/env-scheduler/run",
        operation_id="runEnvScheduler",
        summary="Make a round now",
        status_code=200,
        who=ADMIN,
    )
    async def run(
        self,
        services: NamedDependency[Services],
        env_scheduler: NamedDependency[EnvScheduler],
    ) -> SchedulerAnswer:
        """As on time: orphans are destroyed only with `autoCleanup`, and only when they are not too many."""
        position = await env_scheduler.run()
        return SchedulerAnswer(data=await _status(services), position=position)


async def _named(directory: Directory, found: list[Found]) -> list[Found]:
    """The same, with the users' names."""
    names = await directory.names({each.user_id for each in found if each.user_id is not UNSET})
    return [each if each.user_id is UNSET else replace(each, username=names[each.user_id].username) for each in found]


async def _status(services: Services) -> SchedulerStatus:
    checks = services.model.env_checks
    last = checks.last
    shown = None
    if last is not None:
        shown = LastRun(
            at=last.at,
            by=last.by,
            by_name="" if last.by.startswith("system:") else (await services.directory.name(last.by)).username,
            due=last.due,
            issues=dict(last.issues),
            orphaned=last.orphaned,
            removed=last.removed,
        )
    return SchedulerStatus(
        config=ShownConfig(**asdict(checks.schedule)), last_run=shown, next_run=checks.next(datetime.now(UTC))
    )
