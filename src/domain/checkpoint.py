"""Checkpoints: what the hub says of its ledger outside of it, signed, so that one rewritten or cut off is found out.

A chain of hashes holds only what nobody rewrites as a whole. A checkpoint names a position and its hash, and is kept
where whoever can write to the database cannot. What was sealed, erased and cleared since the checkpoint before stands
in it as well: seals can be believed without the ledger, and a restore of an older backup can honour the erasures.

A line of a file of checkpoints is `{"checkpoint": {…}, "key": hex, "signature": hex}`. What is signed (Ed25519,
RFC 8032) is PREFIX and then the checkpoint as JSON, with sorted names and no spaces.
"""

from collections.abc import Iterable
from datetime import date

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from msgspec.structs import asdict

from mcphub.domain.events import DaySealed, Event, HubVariableRemoved, ServiceTokenRemoved, UserErased

SIGNING = "checkpoints"  # name of the hub's own 32 bytes (vault.py) that sign
PREFIX = b"mcphub checkpoint 1\n"
SAYS = ("DaySealed", "UserErased", "ServiceTokenRemoved", "HubVariableRemoved")  # types a checkpoint repeats


class SealedDay(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A day of a log as `DaySealed` says it."""

    log: str
    day: date
    rows: int
    sha256: str
    first: int
    last: int
    form: int = 1

    @property
    def seal(self) -> DaySealed:
        return DaySealed(**asdict(self))


# What is not said is left out, so that a line that was signed before a field was added is signed still.
class Checkpoint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The ledger as it was.

    Args:
        position, hash: of its last event; the hash as hex.
        at: when this was signed, in microseconds since 1970.
        after: position of the checkpoint before, 0 for none; what follows is of the events in between.
        days: sealed.
        erased: users.
        cleared: data keys of values that were cleared.
    """

    position: int
    hash: str
    at: int
    after: int = 0
    days: tuple[SealedDay, ...] = ()
    erased: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()


class Signed(Struct, frozen=True):
    """A line of a file. `key` is the public key, which a reader compares with the one it trusts."""

    checkpoint: Checkpoint
    key: str
    signature: str


encode = msgspec.json.Encoder(order="sorted").encode
read_line = msgspec.json.Decoder(Signed).decode


def sum_up(position: int, hash: str, at: int, after: int, events: Iterable[Event]) -> Checkpoint:
    """The checkpoint at a head, from the events behind the one before; others than those of SAYS are passed over."""
    days: list[SealedDay] = []
    erased: list[str] = []
    cleared: list[str] = []
    for event in events:
        match event:
            case DaySealed():
                days.append(
                    SealedDay(
                        log=event.log,
                        day=event.day,
                        rows=event.rows,
                        sha256=event.sha256,
                        first=event.first,
                        last=event.last,
                        form=event.form,
                    )
                )
            case UserErased():
                erased.append(event.user_id)
            case ServiceTokenRemoved() | HubVariableRemoved():
                cleared.append(event.data_key)
    return Checkpoint(
        position=position,
        hash=hash,
        at=at,
        after=after,
        days=tuple(days),
        erased=tuple(erased),
        cleared=tuple(cleared),
    )


def sign(checkpoint: Checkpoint, secret: bytes) -> Signed:
    """
    Args:
        secret: 32 random bytes.
    """
    key = Ed25519PrivateKey.from_private_bytes(secret)
    return Signed(checkpoint, key.public_key().public_bytes_raw().hex(), key.sign(_signed_bytes(checkpoint)).hex())


def public_key(secret: bytes) -> str:
    """As hex: what an auditor keeps."""
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw().hex()


def is_signed_by(signed: Signed, key: str) -> bool:
    """Is this line signed with the key, which is public and hex?"""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(
            bytes.fromhex(signed.signature), _signed_bytes(signed.checkpoint)
        )
    except (InvalidSignature, ValueError):
        return False
    return signed.key == key


def _signed_bytes(checkpoint: Checkpoint) -> bytes:
    return PREFIX + encode(checkpoint)
