"""A look at a server with a user's values: opened, greeted, asked for its tools, ended, and nothing kept of it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected, MissingVariables, UnusableValue
from mcphub.domain.vault import Unopenable
from mcphub.gateway import errors, wire
from mcphub.gateway.injection import Injector
from mcphub.gateway.kinds import TOOLS
from mcphub.gateway.router import MOST_PAGES
from mcphub.gateway.upstream.runtime import (
    Identity,
    Pool,
    Runtime,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamTimeout,
)
from mcphub.gateway.upstream.stderr import Stderr, secrets_of

METHOD_NOT_FOUND = str(errors.METHOD_NOT_FOUND).encode()
TRIAL_SECONDS = 30.0

Step = Literal["config", "connect", "initialize", "list"]


class Trial(Struct, frozen=True, kw_only=True):
    """How far it came: `step` is the last one tried, `error` has no value in it."""

    ok: bool
    step: Step
    error: str = ""
    tool_count: int | None = None
    duration_ms: float


async def tried(
    spec: ServerSpec,
    identity: Identity,
    typed: Mapping[str, str],
    *,
    injector: Injector,
    pool: Pool,
    seconds: float = TRIAL_SECONDS,
) -> Trial:
    """
    Args:
        typed: canonical name → value to take instead of the stored one.

    Raises:
        MissingVariables: of the user's own; nothing was dialled or spawned.
    """
    began = time.perf_counter()
    step: Step = "config"
    secrets: set[str] = set()

    def failed(step: Step, why: str) -> Trial:
        return Trial(ok=False, step=step, error=Stderr(secrets).masked(why), duration_ms=_since(began))

    try:
        async with asyncio.timeout(seconds):
            inject = await injector.prepare(spec, identity.user_id, typed)

            def noted() -> Injected:
                injected = inject()
                secrets.update(secrets_of(spec, injected))
                return injected

            noted()
            step = "connect"
            async with pool.once(spec, identity, noted) as runtime:
                step = "list"
                count = await _count(runtime, seconds)
    except MissingVariables as error:
        if not error.hub:
            raise
        return failed("config", str(error))
    except (UnusableValue, Unopenable) as error:
        return failed("config", str(error))
    except TimeoutError:
        return failed(step, f"it did not answer within {seconds:g} s")
    except (UpstreamTimeout, UpstreamBroken) as error:
        return failed("initialize" if step == "connect" else step, str(error))
    except UpstreamFailed as error:
        return failed(step, str(error))
    return Trial(ok=True, step="list", tool_count=count, duration_ms=_since(began))


async def _count(runtime: Runtime, seconds: float) -> int:
    """How many tools it lists; 0 when it has no tools at all.

    Raises:
        UpstreamFailed: it does not list them.
    """
    count, params = 0, b"{}"
    try:
        for _ in range(MOST_PAGES):
            reply = await runtime.call(
                TOOLS.list_method, params, None, timeout=seconds, reset_on_progress=False, max_total=seconds
            )
            if reply.error is not None:
                said = wire.members(reply.error)
                if bytes(said.get("code", b"")) == METHOD_NOT_FOUND:
                    return 0
                raise UpstreamBroken(f"it refused {TOOLS.list_method}: {(wire.text(said, 'message') or '')[:300]}")
            page = wire.members(reply.result or b"")
            count += len(wire.items(bytes(page.get(TOOLS.member, b"[]"))))
            cursor = wire.text(page, "nextCursor")
            if cursor is None:
                break
            params = b'{"cursor":' + wire.encode(cursor) + b"}"
    except wire.Unreadable:
        raise UpstreamBroken(f"its answer to {TOOLS.list_method} cannot be read") from None
    return count


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
