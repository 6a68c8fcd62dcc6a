"""How the hub is doing, part by part, for administrators."""

import time
from datetime import UTC, datetime
from typing import Literal

from litestar import Controller, get
from litestar.di import NamedDependency

from mcphub.api.caller import ADMIN
from mcphub.api.health import Health, python_version, worst
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services


class HealthCheck(Out, kw_only=True):
    """One part. `code` says what was found, `values` and `items` are numbers and names that belong to it, `command`
    says more or mends it. `since`: when it was first seen so after the hub started; `latencyMs` is of the look.
    """

    name: str
    status: Literal["ok", "warning", "error"]
    code: str
    values: dict[str, float]
    items: tuple[str, ...]
    command: str
    since: datetime
    latency_ms: float


class HealthReport(Out, kw_only=True):
    """`status` is the worst of the checks; `uptime` in seconds; `postgres` is empty until it answered once."""

    status: Literal["ok", "warning", "error"]
    version: str
    python: str
    postgres: str
    node: str
    started_at: datetime
    uptime: float
    checks: list[HealthCheck]


class HealthReportAnswer(Envelope, kw_only=True):
    data: HealthReport


class HealthController(Controller):
    path = "/api/admin/health"
    tags = ("Operation",)

    @get("/", operation_id="healthReport", summary="How each part of the hub is doing", who=ADMIN)
    async def report(self, services: NamedDependency[Services], health: NamedDependency[Health]) -> HealthReportAnswer:
        checks = await health.look()
        return HealthReportAnswer(
            data=HealthReport(
                status=worst(checks),
                version=services.version,
                python=python_version(),
                postgres=health.postgres,
                node=services.settings.node,
                started_at=datetime.fromtimestamp(services.started_at, UTC),
                uptime=round(time.time() - services.started_at, 3),
                checks=[
                    HealthCheck(
                        name=check.name,
                        status=check.found.status,
                        code=check.found.code,
                        values=check.found.values,
                        items=check.found.items,
                        command=check.found.command,
                        since=check.since,
                        latency_ms=check.latency_ms,
                    )
                    for check in checks
                ],
            )
        )
