"""Deny by default: each route says whom it is for, or the hub does not start.

A route declares `who=` in its options. What is served beside the routes, past their guard, answers for its own callers
and says so with an attribute `who`.
"""

from collections.abc import Iterator
from typing import Any

from litestar import Litestar

from mcphub.api.caller import ADMIN, AUDITOR, PUBLIC, USER

AUDIENCES = {PUBLIC, USER, AUDITOR, ADMIN}
KEY = "key"  # of an application that asks every request for an MCPHub key itself


class UndeclaredAudience(RuntimeError):
    """Something would be served of which nobody said whom it is for."""


def must_be_declared(api: Litestar) -> None:
    """
    Raises:
        UndeclaredAudience: names the routes that say nothing, or something unheard of.
    """
    silent = [
        f"{what} ({handler}) declares {said!r}" if said else f"{what} ({handler}) declares nobody"
        for what, handler, said in _served(api)
        if said not in AUDIENCES
    ]
    if silent:
        raise UndeclaredAudience(
            f"a route says whom it is for by who=, one of {', '.join(sorted(AUDIENCES))}: {'; '.join(sorted(silent))}"
        )


def must_ask_for_keys(path: str, app: Any) -> None:
    """For an application beside the routes.

    Raises:
        UndeclaredAudience: it does not say that it asks its callers itself.
    """
    said = getattr(app, "who", None)
    if said != KEY:
        raise UndeclaredAudience(f"what is served at {path} ({type(app).__name__}) does not declare who = {KEY!r}")


def _served(api: Litestar) -> Iterator[tuple[str, str, Any]]:
    """(address, name, audience) of every handler, mounted applications and sockets among them."""
    for route in api.routes:
        methods = getattr(route, "route_handler_map", None)
        if methods is None:
            handler = route.route_handler  # type: ignore[union-attr]
            yield route.path, handler.handler_name, handler.opt.get("who")
            continue
        for method, (handler, _) in methods.items():
            # Litestar answers OPTIONS itself, with the methods there are and nothing else.
            if handler.http_methods != {"OPTIONS"}:
                yield f"{method} {route.path}", handler.handler_name, handler.opt.get("who")
