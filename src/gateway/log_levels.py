"""How much a server logs: each client says it for itself, and a server that several share is told the most that one of
them wants. What is more than a client wants is left out on the way to it.

Spec: MCP 2025-11-25, Logging; 2026-07-28, Per-request protocol fields; RFC 5424 for the levels.
"""

from contextlib import suppress

from mcphub.gateway import wire
from mcphub.gateway.upstream.runtime import Runtime, UpstreamFailed

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
SETTING = "logging/setLevel"
SECONDS = 5.0  # a server has for it; a call waits for it once


def below(frame: bytes, level: str) -> bool:
    """Is the log message in this notification less than what the client asked for?"""
    try:
        said = wire.text(wire.members(wire.members(frame).get("params", b"")), "level")
    except wire.Unreadable:
        return False
    return said in LEVELS and level in LEVELS and LEVELS.index(said) < LEVELS.index(level)


async def settle(runtime: Runtime, level: str) -> None:
    """Sees to it that a server up to 2025-11-25 logs at least this; one that cannot be told stays as it is."""
    told = runtime.log_level
    if level == told or level not in LEVELS or b'"logging"' not in runtime.initialize_result:
        return
    if told and not runtime.session_id and LEVELS.index(told) < LEVELS.index(level):
        return  # somebody else wants more
    runtime.log_level = level
    params = b'{"level":%b}' % wire.encode(level)
    with suppress(UpstreamFailed):
        await runtime.call(SETTING, params, None, timeout=SECONDS, reset_on_progress=False, max_total=SECONDS)
