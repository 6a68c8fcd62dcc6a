"""What the gateway itself answers when something cannot be done, and how it says so.

Every text names what failed, for whom, and what to do; it names things by slug, never by a value.

    Answer (an exception that is a JSON-RPC error)
    ├── UnknownName        hidden, disabled and unknown alike: one text
    ├── NotSupported       a method nobody serves here
    ├── BadParams
    ├── HeaderMismatch     headers of a 2026-07-28 request say something else than its arguments
    ├── ToolError          a tool call answers this as a result with isError: the model reads it and can act on it
    │   ├── CallRefused    a server tool was called in a way that the server was not asked
    │   └── ServerFailed   the upstream could not do it
    │       └── ValuesMissing  the caller has to enter something first
    └── Cancelled

Spec: MCP 2025-11-25, Elicitation (URL mode) for -32042; contract of this hub for the wording.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from mcphub.gateway import wire
from mcphub.gateway.protocol import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_PROTOCOL_VERSION,
    URL_ELICITATION_REQUIRED,
)

REQUEST_CANCELLED = -32800

__all__ = [
    "CONNECTION_CLOSED",
    "HEADER_MISMATCH",
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "REQUEST_CANCELLED",
    "UNSUPPORTED_PROTOCOL_VERSION",
    "URL_ELICITATION_REQUIRED",
    "Answer",
    "BadParams",
    "CallRefused",
    "Cancelled",
    "HeaderMismatch",
    "NotSupported",
    "ServerFailed",
    "ToolError",
    "UnknownName",
    "ValuesMissing",
]


class Answer(Exception):
    """A JSON-RPC error made by the hub.

    Args:
        reason: stable, for the request's row.
    """

    code = INTERNAL_ERROR
    reason = "failed"
    denied = False

    def __init__(self, message: str, *, data: object = None, reason: str = "") -> None:
        super().__init__(message)
        self.data = data
        self.reason = reason or self.reason

    @property
    def raw(self) -> bytes:
        return wire.error(self.code, str(self), self.data)


class UnknownName(Answer):
    """The same for what does not exist and for what this user may not use: existence is nobody's business.

    Args:
        server: slug of the server it is of, for the row: only one that the user may see, who reads the row as well.
        own: the server's own name of it.
    """

    code = INVALID_PARAMS
    denied = True

    def __init__(self, what: str, name: str, reason: str, *, server: str = "", own: str = "") -> None:
        super().__init__(f"Unknown {what}: {name[:200]}", reason=reason)
        self.server = server
        self.own = own


class NotSupported(Answer):
    code = METHOD_NOT_FOUND
    reason = "unknown_method"

    def __init__(self, method: str) -> None:
        super().__init__(f"There is no method {method[:64]}.")


class BadParams(Answer):
    code = INVALID_PARAMS
    reason = "bad_params"


class HeaderMismatch(Answer):
    code = HEADER_MISMATCH
    reason = "header_mismatch"


class Cancelled(Answer):
    code = REQUEST_CANCELLED

    def __init__(self, reason: str) -> None:
        super().__init__("The request was cancelled.", reason=reason)


class ToolError(Answer):
    """A tool call answers it as a result: the model reads it and can tell the user."""

    @property
    def result(self) -> bytes:
        return wire.encode({"content": [{"type": "text", "text": str(self)}], "isError": True})


class CallRefused(ToolError):
    """A call through a server tool that names no tool there, or whose arguments do not fit; nothing was sent.

    Args:
        denied: the row says Denied, not Failed.
        data: the same for programs; the structured content of the result.
    """

    code = INVALID_PARAMS

    def __init__(self, message: str, *, reason: str, denied: bool = False, data: object = None) -> None:
        super().__init__(message, reason=reason, data=data)
        self.denied = denied

    @property
    def result(self) -> bytes:
        content = [{"type": "text", "text": str(self)}]
        more = {} if self.data is None else {"structuredContent": self.data}
        return wire.encode({"content": content, **more, "isError": True})


class ServerFailed(ToolError):
    """The upstream could not do it.

    Args:
        timed_out: the row says TimedOut, not Failed.
    """

    reason = "upstream_failed"
    server = ""  # its slug, where a request has not come as far as to know it
    #: The same failure, told to the request of this id: a list is asked for on behalf of all who wait for it.
    told: Callable[[str], Exception] | None = None

    def __init__(self, message: str, *, timed_out: bool = False, reason: str = "", data: object = None) -> None:
        super().__init__(message, reason=reason, data=data)
        self.timed_out = timed_out


class ValuesMissing(ServerFailed):
    reason = "variables_missing"

    def __init__(self, message: str, url: str, *, reason: str = "") -> None:
        super().__init__(message, reason=reason)
        self.url = url

    def elicitation(self, elicitation_id: str) -> bytes:
        """The -32042 error that opens the settings page in the client."""
        front, _, fragment = self.url.partition("#")
        entry = {
            "mode": "url",
            "elicitationId": elicitation_id,
            "url": f"{front}?e={elicitation_id}#{fragment}",
            "message": str(self),
        }
        return wire.error(URL_ELICITATION_REQUIRED, str(self), {"elicitations": [entry]})


def settings_url(public_url: str, slug: str) -> str:
    return f"{public_url}/settings#{quote(slug)}"


def values_missing(slug: str, names: Sequence[str], public_url: str, request_id: str) -> ValuesMissing:
    url = settings_url(public_url, slug)
    return ValuesMissing(
        f"Server '{slug}' needs {', '.join(names)} from you. Enter it at {url}, then call again."
        f" (request {request_id})",
        url,
    )


def value_unusable(why: str, slug: str, public_url: str, request_id: str) -> ValuesMissing:
    """`why` names the variable and the server, never the value."""
    url = settings_url(public_url, slug)
    return ValuesMissing(
        f"{why} Change it at {url}, then call again. (request {request_id})", url, reason="variable_unusable"
    )


def values_rejected(slug: str, why: str, names: Sequence[str], public_url: str, request_id: str) -> ValuesMissing:
    """`why` is the upstream's status, and no word of its answer."""
    url = settings_url(public_url, slug)
    return ValuesMissing(
        f"Server '{slug}' does not accept your {', '.join(names)}: {why}. Check it at {url}, then call again."
        f" (request {request_id})",
        url,
        reason="variable_rejected",
    )


def with_text(result: bytes, text: str) -> bytes:
    """A result of the hub's own making, with one more text in it."""
    found = dict(wire.members(result))
    content = [*wire.items(bytes(found.get("content", b"[]"))), wire.encode({"type": "text", "text": text})]
    return wire.joined({**found, "content": b"[" + b",".join(content) + b"]"})


def page_wanted(slug: str, error: bytes, request_id: str) -> ServerFailed:
    """For a client that can open no page: the -32042 error of an upstream, in words."""
    try:
        found = wire.members(error)
        asked = [wire.members(one) for one in wire.items(bytes(wire.members(found["data"])["elicitations"]))]
        pages = [f"{wire.text(one, 'url')} ({wire.text(one, 'message')})" for one in asked]
    except (KeyError, wire.Unreadable):
        pages = []
    where = f": {', '.join(pages)}" if pages else ", and did not say which"
    return ServerFailed(
        f"Server '{slug}' wants you to open a page first{where}. Call again when that is done. (request {request_id})",
        reason="page_wanted",
    )


def hub_values_missing(slug: str, names: Sequence[str], request_id: str) -> ServerFailed:
    return ServerFailed(
        f"Server '{slug}' needs {', '.join(names)} from the hub itself. Ask an admin to set it. (request {request_id})",
        reason="hub_variables_missing",
    )


def timed_out(slug: str, seconds: float, request_id: str) -> ServerFailed:
    return ServerFailed(
        f"Server '{slug}' did not answer within {seconds:g} s; whether it did the work is unknown."
        f" Try again, or ask an admin to look at its status page. (request {request_id})",
        timed_out=True,
        reason="timed_out",
    )


def unreachable(slug: str, why: str, request_id: str, *, sent: bool) -> ServerFailed:
    """`sent`: the request had left the hub, so nobody knows whether it was carried out."""
    if sent:
        text = (
            f"The connection to server '{slug}' broke before it answered ({why}): outcome unknown."
            f" Check what it did before you call again. (request {request_id})"
        )
        return ServerFailed(text, reason="outcome_unknown")
    return ServerFailed(
        f"Server '{slug}' cannot be reached ({why}); nothing was sent. Try again in a moment, or ask an admin to look"
        f" at its status page. (request {request_id})",
        reason="unreachable",
    )


def broken(slug: str, why: str, request_id: str) -> ServerFailed:
    return ServerFailed(
        f"Server '{slug}' gave an answer that cannot be used: {why}. Ask an admin to look at its status page."
        f" (request {request_id})",
        reason="upstream_broken",
    )


def at_capacity(slug: str, waited: float, request_id: str) -> ServerFailed:
    return ServerFailed(
        f"Server '{slug}' is busy: it has as many requests under way as the hub lets through, and yours waited"
        f" {waited:g} s for its turn. Nothing was sent; call again in a moment. (request {request_id})",
        reason="server_busy",
    )


def unavailable(slug: str, why: str, retry_at: float | None, request_id: str) -> ServerFailed:
    """`retry_at` is Unix seconds."""
    again = ""
    if retry_at is not None:
        again = f" The next attempt is at {datetime.fromtimestamp(retry_at, UTC):%H:%M:%S} UTC."
    return ServerFailed(
        f"Server '{slug}' is not available: {why}.{again} Ask an admin to look at its status page if it stays so."
        f" (request {request_id})",
        reason="unavailable",
    )
