"""The demo: a small real MCP server over stdio, so that a fresh hub has something to call. Standard library only.

Spec: MCP 2025-11-25, Lifecycle, Tools, Transports (stdio).
"""

import json
import os
import random
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")


def schema(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def world_clock(zone: str = "UTC") -> str:
    try:
        now = datetime.now(UTC) if zone == "UTC" else datetime.now(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"There is no time zone {zone!r}. Use a name like Asia/Seoul or Europe/Berlin.") from None
    return now.isoformat(timespec="seconds")


def days_between(first: str, second: str) -> str:
    try:
        span = datetime.fromisoformat(second).date() - datetime.fromisoformat(first).date()
    except ValueError:
        raise ValueError("Give both dates as YYYY-MM-DD.") from None
    return str(span // timedelta(days=1))


def describe_numbers(numbers: list[float]) -> str:
    if not numbers or not all(isinstance(number, int | float) for number in numbers):
        raise ValueError("Give at least one number.")
    facts = {
        "count": len(numbers),
        "mean": statistics.fmean(numbers),
        "median": statistics.median(numbers),
        "smallest": min(numbers),
        "largest": max(numbers),
    }
    return json.dumps(facts)


def roll_dice(sides: int = 6, count: int = 1) -> str:
    if not 2 <= sides <= 1000 or not 1 <= count <= 100:
        raise ValueError("A die has 2 to 1000 sides; 1 to 100 are rolled at once.")
    return json.dumps([random.randint(1, sides) for _ in range(count)])  # noqa: S311  a game


def who_calls() -> str:
    """What the hub told this process: one process serves one user."""
    return json.dumps({"user": os.environ.get("MCPHUB_USER_ID", ""), "process": os.getpid()})


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
TOOLS: dict[str, tuple[Callable[..., str], str, dict[str, Any]]] = {
    "world_clock": (
        world_clock,
        "The date and time now in a time zone.",
        schema([], zone={**TEXT, "description": "IANA name, such as Asia/Seoul; UTC by default"}),
    ),
    "days_between": (
        days_between,
        "How many days lie between two dates.",
        schema(["first", "second"], first={**TEXT, "format": "date"}, second={**TEXT, "format": "date"}),
    ),
    "describe_numbers": (
        describe_numbers,
        "Count, mean, median, smallest and largest of some numbers.",
        schema(["numbers"], numbers={"type": "array", "items": {"type": "number"}, "minItems": 1}),
    ),
    "roll_dice": (
        roll_dice,
        "Roll dice.",
        schema([], sides={**NUMBER, "default": 6}, count={**NUMBER, "default": 1}),
    ),
    "who_calls": (who_calls, "The hub's id of the user this process serves, and its process id.", schema([])),
}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request; None for a method this server does not have."""
    match method:
        case "initialize":
            asked = params.get("protocolVersion")
            return {
                "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
                "capabilities": {"tools": {"listChanged": False}},
                "serverInfo": {"name": "mcphub-demo", "title": "MCPHub demo", "version": "1"},
            }
        case "ping":
            return {}
        case "tools/list":
            return {
                "tools": [
                    {"name": name, "description": text, "inputSchema": inputs}
                    for name, (_, text, inputs) in TOOLS.items()
                ]
            }
        case "tools/call":
            return call(str(params.get("name")), params.get("arguments") or {})
    return None


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if name not in TOOLS:
        return text_result(f"There is no tool {name!r}.", error=True)
    try:
        return text_result(TOOLS[name][0](**arguments))
    except TypeError:
        return text_result(f"{name} does not take these arguments: {', '.join(sorted(arguments))}.", error=True)
    except ValueError as problem:
        return text_result(str(problem), error=True)


def text_result(text: str, *, error: bool = False) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": error}


def main() -> None:
    """Answers line by line until stdin closes."""
    for line in sys.stdin.buffer:
        try:
            message = json.loads(line)
        except ValueError:
            say({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "That is not JSON."}})
            continue
        if not isinstance(message, dict) or "id" not in message or "method" not in message:
            continue  # a notification, or an answer to a question this server never asks
        result = answer(message["method"], message.get("params") or {})
        if result is None:
            error = {"code": -32601, "message": f"There is no method {message['method']}."}
            say({"jsonrpc": "2.0", "id": message["id"], "error": error})
        else:
            say({"jsonrpc": "2.0", "id": message["id"], "result": result})


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
