"""Server-sent events as they come in, piece by piece.

Spec: WHATWG HTML, Server-sent events, Interpreting an event stream; MCP 2025-11-25, Transports.
"""

from collections.abc import Callable

MOST_EVENT = 16 * 1024 * 1024  # bytes; the SDK's own client gives up at 1 MiB, which big tool results exceed
LONGEST_RETRY = 3600.0


class EventTooLarge(Exception):
    """An upstream's event is larger than the hub takes."""


class EventStream:
    """Takes bytes, gives messages.

    Args:
        other: told (type, data) of the events that are no messages.

    Attributes:
        last_id: what to resume from; '' when the server gave no ids.
        retry: seconds the server wants a client to wait before it comes back; None when it did not say.
    """

    def __init__(self, most: int = MOST_EVENT, other: Callable[[bytes, bytes], None] | None = None) -> None:
        self.last_id = ""
        self.retry: float | None = None
        self._most = most
        self._other = other
        self._partial: list[bytes] = []  # of a line whose end has not come yet
        self._partial_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._kind = b""
        self._begun = False
        self._after_cr = False

    def next(self) -> "EventStream":
        """For the stream that goes on where this one ended."""
        made = EventStream(self._most, self._other)
        made.last_id, made.retry = self.last_id, self.retry
        return made

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that are complete now; those of other types and empty ones are passed over.

        Raises:
            EventTooLarge: see there.
        """
        if self._after_cr and chunk:  # a line break cut in two
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *whole, rest = chunk.split(b"\n")
        out: list[bytes] = []
        for line in whole:
            if self._partial:
                line = b"".join([*self._partial, line])
                self._partial.clear()
                self._partial_size = 0
            self._line(line, out)
        if rest:
            self._partial.append(rest)
            self._partial_size += len(rest)
        if self._partial_size + self._data_size > self._most:
            raise EventTooLarge(f"an event is larger than {self._most} bytes")
        return out

    def _line(self, line: bytes, out: list[bytes]) -> None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            if data and self._kind in (b"", b"message"):
                out.append(data)
            elif data and self._other is not None:
                self._other(self._kind, data)
            self._data, self._data_size, self._kind = [], 0, b""
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._data_size += len(value)
        elif name == b"event":
            self._kind = value
        elif name == b"id" and b"\0" not in value:
            self.last_id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit():
            self.retry = min(int(value) / 1000, LONGEST_RETRY)
