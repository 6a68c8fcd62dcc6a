"""Is the hub well, and what is it: for load balancers, sign-in pages and scripts."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency

from mcphub.api.caller import PUBLIC, USER
from mcphub.api.described import describe
from mcphub.api.problems import not_ready
from mcphub.api.schemas import Envelope, Out, at_each
from mcphub.api.services import Services
from mcphub.domain.keys import MOST_DAYS, MOST_KEYS
from mcphub.domain.settings_file import MOST_BYTES
from mcphub.domain.substitution import MOST_VALUE
from mcphub.gateway.exposure import modes_of

log = structlog.get_logger()

NAME = "MCPHub"
ROUND_TRIP_WITHIN = 1.0  # seconds
MOST_LAG = 5.0  # seconds a fact may wait for the read tables
# The oldest fact that some living read table does not show yet.
WAITING = """
    select extract(epoch from clock_timestamp() - min(ledger.recorded_at))
    from public.ledger
    where ledger.position = (select min(position) + 1 from public.tracking where status = 'live')
"""


class Health(Out, kw_only=True):
    status: Literal["ok", "draining"]
    version: str
    timestamp: datetime
    uptime: float


class HealthAnswer(Envelope, kw_only=True):
    data: Health


class About(Out, kw_only=True):
    base_path: str
    version: str
    name: str


class AboutAnswer(Envelope, kw_only=True):
    data: About


class LoginConfig(Out, kw_only=True):
    providers: list[str]
    local_login: bool
    setup_needed: bool


class LoginConfigAnswer(Envelope, kw_only=True):
    data: LoginConfig


class Limits(Out, kw_only=True):
    key_days: int
    keys_per_user: int
    value_bytes: int
    settings_bytes: int


class Runtime(About, kw_only=True):
    public_url: str
    modes: list[str]
    limits: Limits


class RuntimeAnswer(Envelope, kw_only=True):
    data: Runtime


class OperationController(Controller):
    tags = ("Operation",)

    @get(
        ["/api/health", "/health"],
        operation_id=at_each("health", "/api/health"),
        summary="Is the hub serving?",
        who=PUBLIC,
    )
    async def health(self, services: NamedDependency[Services]) -> HealthAnswer:
        now = time.time()
        status: Literal["ok", "draining"] = "draining" if services.draining else "ok"
        uptime = round(now - services.started_at, 3)
        return HealthAnswer(
            data=Health(
                status=status, version=services.version, timestamp=datetime.fromtimestamp(now, UTC), uptime=uptime
            )
        )

    @get("/livez", operation_id="alive", summary="Does the process answer at all?", who=PUBLIC)
    async def alive(self) -> Envelope:
        return Envelope()

    @get("/readyz", operation_id="ready", summary="May requests be sent here?", who=PUBLIC)
    async def ready(self, services: NamedDependency[Services]) -> Envelope:
        """The database answers within a second, what is decided by is current, read tables are close, no drain."""
        if services.outgrown:
            raise not_ready("The database was migrated for a newer release, so this hub shuts down.")
        if services.draining:
            raise not_ready("The hub is shutting down.")
        try:
            async with asyncio.timeout(ROUND_TRIP_WITHIN), services.read.connection() as db:
                cursor = await db.execute(WAITING)
                row = await cursor.fetchone()
        except Exception as error:
            log.warning("not_ready", why=type(error).__name__)
            raise not_ready("The database does not answer.") from None
        if row is not None and row[0] is not None and float(row[0]) > MOST_LAG:
            raise not_ready("The read tables are behind.")
        if not services.tail.fresh() and not await services.tail.confirm(ROUND_TRIP_WITHIN):
            raise not_ready()
        return Envelope()

    @get("/config", operation_id="about", summary="Name and version", who=PUBLIC)
    async def about(self, services: NamedDependency[Services]) -> AboutAnswer:
        return AboutAnswer(data=About(base_path="", version=services.version, name=NAME))

    @get("/login/config", operation_id="loginConfig", summary="How one can sign in here", who=PUBLIC)
    async def login_config(self, services: NamedDependency[Services]) -> LoginConfigAnswer:
        providers = [provider.name for provider in services.settings.providers]
        needed = not any(user.admin for user in services.model.users.values())
        return LoginConfigAnswer(data=LoginConfig(providers=providers, local_login=True, setup_needed=needed))

    @get("/api/config/runtime", operation_id="runtimeConfig", summary="What the pages need to know", who=USER)
    async def runtime(self, services: NamedDependency[Services]) -> RuntimeAnswer:
        return RuntimeAnswer(
            data=Runtime(
                base_path="",
                version=services.version,
                name=NAME,
                public_url=services.settings.public_url,
                modes=list(modes_of(services.model)),
                limits=Limits(
                    key_days=MOST_DAYS, keys_per_user=MOST_KEYS, value_bytes=MOST_VALUE, settings_bytes=MOST_BYTES
                ),
            )
        )

    @get(
        "/api/openapi.json",
        operation_id="openapi",
        summary="This API's own description",
        media_type="application/vnd.oai.openapi+json",
        who=USER,
    )
    async def openapi(self, request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        schema = await asyncio.to_thread(describe, request.app)  # a second of work, the first time
        return Response(schema)
