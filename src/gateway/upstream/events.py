"""Reading server-sent events as they arrive.

Spec: WHATWG HTML, Server-sent events, Interpreting an event stream.
"""

from collections.abc import AsyncIterator

from msgspec import Struct

MOST_EVENT = 16 * 1024 * 1024  # bytes


class EventTooLarge(Exception):
    """One event of the stream is larger than any answer may be."""


class ServerEvent(Struct):
    """`retry` is milliseconds, None when the event says nothing of it."""

    id: str | None
    name: str
    data: bytes
    retry: int | None


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[ServerEvent]:
    """
    Raises:
        EventTooLarge: see there.
    """
    id_: str | None = None
    name, retry, held = "", None, 0
    data: list[bytes] = []
    rest = b""
    async for chunk in chunks:
        rest += chunk
        if len(rest) > MOST_EVENT:
            raise EventTooLarge
        *lines, rest = rest.replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if not line:
                if data or id_ is not None or retry is not None:
                    yield ServerEvent(id_, name or "message", b"\n".join(data), retry)
                name, data, retry, held = "", [], None, 0
                id_ = None
                continue
            if line[:1] == b":":
                continue
            field, _, value = line.partition(b":")
            value = value[1:] if value[:1] == b" " else value
            match field:
                case b"data":
                    held += len(value)
                    if held > MOST_EVENT:
                        raise EventTooLarge
                    data.append(value)
                case b"id" if b"\0" not in value:
                    id_ = value.decode("utf-8", "replace")
                case b"event":
                    name = value.decode("utf-8", "replace")
                case b"retry" if value.isdigit():
                    retry = int(value)
