"""Cursors of lists: the last row's key, opaque to clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

import msgspec

from mcphub.api.problems import Problem, invalid

DEFAULT, MOST = 50, 200  # rows of a page


def cursor(at: datetime, row_id: str) -> str:
    return urlsafe_b64encode(msgspec.json.encode((at, row_id))).decode().rstrip("=")


def before(text: str) -> tuple[datetime, str] | None:
    """The last row of the page before; None for the first page.

    Raises:
        Problem: the cursor is not one that a page gave out.
    """
    if not text:
        return None
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        at, row_id = msgspec.json.decode(raw, type=tuple[datetime, str])
    except (ValueError, msgspec.MsgspecError):
        raise bad_cursor() from None
    if at.tzinfo is None:
        raise bad_cursor()
    return at, row_id


def bad_cursor() -> Problem:
    text = "the cursor is not one that a page gave out; begin at the first page"
    return invalid("The list cannot be continued from there.", ("/cursor", "bad_cursor", text))


def size_of(limit: int) -> int:
    return min(max(limit, 1), MOST)
