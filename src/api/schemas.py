"""The shapes all areas share: requests refuse unknown fields, answers are the envelope, names are camelCase."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ClientException
from msgspec import UNSET, Struct, UnsetType

from mcphub.api.problems import Problem, invalid


class Schema(Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """A request's body."""


class Out(Struct, rename="camel", kw_only=True):
    """A part of an answer."""


class Envelope(Out, kw_only=True):
    """Every answer of the management API; areas add `data`."""

    success: bool = True
    message: str | UnsetType = UNSET
    position: int | UnsetType = UNSET


class Page(Out, kw_only=True):
    """Where the next page begins; `next` is None on the last one."""

    next: str | None
    limit: int


class Empty(Schema, kw_only=True):
    """A body that may be left out, and says nothing."""


class StrictRequest(Request[Any, Any, Any]):
    """Reads a body as exactly the type the handler declares: no coercion, no unknown fields, no text with NUL.

    A handler whose rules say themselves what is wrong with a text is marked `own_text_rules`.
    """

    async def json(self) -> Any:
        field = self.route_handler.parsed_data_field
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await self.body()
        if body and kind and kind != "application/json" and not kind.endswith("+json"):
            raise Problem(415, "unsupported_media_type", f"{kind} is not read here.", "Send application/json.")
        wanted = field.annotation if field is not None else Any
        if not body:
            body = b"{}"
        try:
            decoded = msgspec.json.decode(body, type=wanted)
            if (
                b"\\u0000" in body
                and not self.route_handler.opt.get("own_text_rules")
                and _holds_nul(msgspec.json.decode(body))
            ):
                raise invalid("A text in the request holds NUL, which no text column keeps.")
            return decoded
        except msgspec.ValidationError as error:
            raise _explained(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ClientException("malformed") from None


def _holds_nul(value: Any) -> bool:
    """A fact would record it, and every read table that shows it would stop there."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_holds_nul(item) for item in value)


def _explained(text: str) -> Problem:
    """msgspec's sentence as a problem: what, and where as a JSON pointer."""
    what, _, where = text.partition(" - at `")
    pointer = where.rstrip("`").removeprefix("$").replace("[...]", "").replace("[", ".").replace("]", "")
    place = pointer.replace(".", "/")
    if what.startswith("Object contains unknown field"):
        name = what.split("`")[1]
        return invalid(
            f"There is no field {name!r} here.",
            (f"{place}/{name}", "unknown_field", "this field is not known"),
            code="unknown_field",
        )
    return invalid(what.rstrip(".") + ".", (place, "invalid_value", what))


def at_each(operation: str, first: str) -> Callable[[Any, Any, list[Any]], str]:
    """The operation id of a handler with aliases: the first path has the plain one, each other a longer one.

    Args:
        first: the whole path, parameters without their types.
    """

    def name(_: Any, __: Any, components: list[Any]) -> str:
        path = "/" + "/".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in components)
        if path == first:
            return operation
        return operation + "At" + "".join(word.capitalize() for word in re.findall(r"[A-Za-z]+", path))

    return name
