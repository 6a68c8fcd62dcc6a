"""The JSON form of events. Type names resolve through the closed registry only, never through a topic from a row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec
from eventsourcing.dcb.api import DCBEvent
from eventsourcing.dcb.domain import Tagged
from eventsourcing.dcb.persistence import DCBMapper
from msgspec import Struct

from mcphub.domain.actor import Meta, current
from mcphub.domain.errors import Unrecordable
from mcphub.domain.events import AnyEvent, Event
from mcphub.domain.ids import uuid7

encode = msgspec.json.Encoder(order="deterministic").encode
decode = msgspec.json.Decoder(AnyEvent).decode
decode_many = msgspec.json.Decoder(list[AnyEvent]).decode
decode_meta = msgspec.json.Decoder(Meta).decode

TAG_SEPARATOR = "\x1f"
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it, and not a backslash before these letters


@dataclass
class LedgerEvent(DCBEvent):
    """A DCB event with what our ledger keeps beside it; `meta` is JSON bytes, hashed as they are."""

    id: UUID = field(default_factory=uuid7)
    meta: bytes = b"{}"


class Recorded(Struct, frozen=True, kw_only=True):
    """An event in its envelope, as projections and folds see it."""

    position: int
    at: datetime
    event: Event
    meta: Meta
    id: str = ""
    tags: tuple[str, ...] = ()


class JsonMapper(DCBMapper[Event]):
    """Between decisions and stored events. Metadata comes from ACTOR; without one nothing is written."""

    def to_dcb_event(self, event: Tagged[Event]) -> DCBEvent:
        """
        Raises:
            Unrecordable: a text holds NUL. JSON could keep it, and no read table could: one such fact would park them.
        """
        data = encode(event.decision)
        if b"\\u0000" in data and NUL.search(data):
            raise Unrecordable
        return LedgerEvent(
            type=type(event.decision).TOPIC,
            data=data,
            tags=checked_tags(event.tags),
            meta=encode(current()),
        )

    def to_domain_event(self, event: DCBEvent) -> Tagged[Event]:
        return Tagged(tags=event.tags, decision=decode(event.data))


def checked_tags(tags: Sequence[str]) -> list[str]:
    """Sorted and unique.

    Raises:
        ValueError: a tag is empty or holds a control character; it could forge the separator under the hash.
    """
    for tag in tags:
        if not tag or any(ord(char) < 32 or ord(char) == 127 for char in tag):
            raise ValueError(f"tag {tag!r} is empty or holds a control character")
    return sorted(set(tags))
