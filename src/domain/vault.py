"""Sealing: secrets and personal data leave this room only as ciphertext, masks and keyed digests.

Every stored secret version has a data key of its own, a user's personal data one more; a master key ring wraps them.
Destroying a data key erases what it sealed, in the immutable log too. Keys are stored by the KeyStore plugged in.

Nothing here logs.
"""

import hmac
import os
import stat
import unicodedata
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from mcphub.domain.ids import new_id

HUB = "hub"
PERSONAL = "personal"
BUCKET = 64  # bytes a plaintext is padded to, because GCM shows the length
NONCE = 12
MASK = "••••••••"
ERASED = "erased"  # what stands in the place of a value that can no longer be opened


class Unopenable(Exception):
    """The sealed value cannot be opened: its data key was destroyed, or it was moved or changed."""


class RingUnusable(Exception):
    """The master key ring is missing, loose or wrong; the hub must not start."""


class WrappedKey(Struct, frozen=True):
    id: str
    owner: str
    purpose: str
    kek_id: str
    wrapped: bytes


class KeyStore(Protocol):
    """Where wrapped data keys live. Calls block."""

    def add(self, key: WrappedKey) -> bool:
        """False when a single key of that owner and purpose exists already."""

    def get(self, key_id: str) -> WrappedKey | None: ...

    def single(self, owner: str, purpose: str) -> WrappedKey | None: ...

    def remove(self, key_id: str) -> bool: ...

    def remove_owner(self, owner: str) -> int: ...


class MasterKeys(Protocol):
    """What wraps data keys: a ring, or a file that holds one and may change."""

    def wrap(self, key: bytes, context: bytes) -> tuple[str, bytes]: ...

    def open(self, key: WrappedKey) -> bytes: ...


class Ring:
    """Master keys by id; the first is active, the others only unwrap.

    Args:
        keys: (id, 32 bytes), active first.
    """

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        if not keys:
            raise RingUnusable("the master key ring is empty")
        for key_id, key in keys:
            if len(key) != 32:
                raise RingUnusable(f"master key {key_id} has {len(key)} bytes, not 32")
        self.active = keys[0][0]
        self.ids = [key_id for key_id, _ in keys]
        self._keys = {key_id: AESGCM(key) for key_id, key in keys}

    @classmethod
    def parse(cls, text: str) -> "Ring":
        """Reads `k2:<base64>,k1:<base64>`; lines work as well as commas.

        Raises:
            RingUnusable: an entry is not `id:base64`.
        """
        keys = []
        for entry in _entries(text):
            key_id, colon, encoded = entry.partition(":")
            if not colon:
                raise RingUnusable("a master key is written as id:base64")
            try:
                raw = b64decode(encoded, validate=True)
            except ValueError:
                try:
                    raw = urlsafe_b64decode(encoded)
                except ValueError:
                    raise RingUnusable(f"master key {key_id} is not base64") from None
            keys.append((key_id, raw))
        return cls(keys)

    def wrap(self, key: bytes, context: bytes) -> tuple[str, bytes]:
        nonce = os.urandom(NONCE)
        return self.active, nonce + self._keys[self.active].encrypt(nonce, key, context)

    def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        """
        Raises:
            RingUnusable: this ring does not hold the key, or holds another one under its name.
        """
        kek = self._keys.get(kek_id)
        if kek is None:
            raise RingUnusable(
                f"the master key ring has no key {kek_id}: bring back the ring the data was written with"
            )
        try:
            return kek.decrypt(wrapped[:NONCE], wrapped[NONCE:], context)
        except InvalidTag:
            raise RingUnusable(f"master key {kek_id} is not the one the data was written with") from None

    def open(self, key: WrappedKey) -> bytes:
        """The data key itself; raises as `unwrap`, also when the row was moved."""
        return self.unwrap(key.kek_id, key.wrapped, _wrap_context(key.id, key.owner, key.purpose))

    def rewrapped(self, key: WrappedKey) -> WrappedKey:
        """The same data key, wrapped by the active master key; raises as `open`."""
        kek_id, wrapped = self.wrap(self.open(key), _wrap_context(key.id, key.owner, key.purpose))
        return WrappedKey(key.id, key.owner, key.purpose, kek_id, wrapped)


def new_ring_text() -> str:
    """A ring with one fresh key, as it is written to `master.key`."""
    return new_entry("k1") + "\n"


def with_fresh_key(text: str, taken: Iterable[str] = ()) -> str:
    """The ring with one more key in front, the active one from then on.

    Args:
        taken: ids that a key had once; each key has one of its own.
    """
    used = {*Ring.parse(text).ids, *taken}
    numbers = [int(key_id[1:]) for key_id in used if key_id[:1] == "k" and key_id[1:].isdecimal()]
    entries = [new_entry(f"k{max(numbers, default=0) + 1}"), *_entries(text)]
    return "".join(f"{entry}\n" for entry in entries)


def active_alone(text: str) -> str:
    """The ring without the keys that only unwrap."""
    Ring.parse(text)
    return _entries(text)[0] + "\n"


def new_entry(key_id: str) -> str:
    """A fresh master key as a ring writes it."""
    return f"{key_id}:{b64encode(os.urandom(32)).decode()}"


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.replace("\n", ",").split(",") if entry.strip()]


def loose(mode: int) -> bool:
    """May anybody but the owner touch a file of this mode?"""
    return bool(stat.S_IMODE(mode) & 0o077)


class Vault:
    """Seals and opens; keeps unwrapped data keys for a while so that a call does not ask the store.

    Args:
        keys: the store of wrapped keys.
        ring: the master keys.
        clock: seconds, monotonic.
    """

    CACHE_SECONDS = 60
    CACHE_SIZE = 10_000

    def __init__(self, keys: KeyStore, ring: MasterKeys, clock: Callable[[], float]) -> None:
        self._store = keys
        self._ring = ring
        self._clock = clock
        self._cache: dict[str, tuple[float, str, AESGCM]] = {}  # key id → (until, owner, cipher)
        self._personal_ids: dict[str, str] = {}
        self._forgotten = 0  # how often keys were; threads that read a key meanwhile do not keep it
        # Random keys of the hub's own, wrapped like any other: derived from a master key, a rotation would change them.
        self._index = self.secret("index")
        self._pepper = _hmac_sha256(self.secret("pepper"))

    # sealing

    def seal_new(self, owner: str, purpose: str, context: Sequence[str], plaintext: str) -> tuple[str, str]:
        """Seals under a fresh data key that seals nothing else; returns (data key id, sealed text)."""
        key_id, cipher = self._make(owner, purpose)
        return key_id, _seal(cipher, key_id, purpose, context, plaintext)

    def seal_personal(self, user_id: str, purpose: str, plaintext: str) -> str:
        """Seals a piece of a user's personal data under the one key that stands for all of it; '' stays ''."""
        if not plaintext:
            return ""
        key_id, cipher = self._personal(user_id)
        return _seal(cipher, key_id, purpose, (user_id,), plaintext)

    def open(self, sealed: str, purpose: str, context: Sequence[str]) -> str:
        """The plaintext.

        Raises:
            Unopenable: the key is gone, or the text was sealed for another place.
        """
        version, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        if version != "v1" or not body:
            raise Unopenable("not a sealed value")
        cipher = self._cipher(key_id)
        try:
            raw = b64decode(body, validate=True)
            padded = cipher.decrypt(raw[:NONCE], raw[NONCE:], _aad(purpose, context, key_id))
        except (InvalidTag, ValueError):
            raise Unopenable("the value was changed, or sealed for another place") from None
        return padded[4 : 4 + int.from_bytes(padded[:4], "big")].decode()

    def open_personal(self, sealed: str, user_id: str, purpose: str) -> str:
        """The plaintext, '' for '', and `erased` when the user's key is gone."""
        if not sealed:
            return ""
        try:
            return self.open(sealed, purpose, (user_id,))
        except Unopenable:
            return ERASED

    def destroy(self, key_id: str) -> bool:
        """Makes what the key sealed unreadable for ever; False when it was gone already."""
        gone = self._store.remove(key_id)
        self.forget(key_id)
        return gone

    def destroy_owner(self, owner: str) -> int:
        """Destroys every key of a user; returns how many there were."""
        gone = self._store.remove_owner(owner)
        self.forget_owner(owner)
        return gone

    def forget(self, key_id: str) -> None:
        """Drops the key from this process's cache: somebody destroyed it, perhaps elsewhere."""
        self._forgotten += 1
        self._cache.pop(key_id, None)

    def forget_owner(self, owner: str) -> None:
        """Drops all of a user's keys from this process's cache."""
        self._forgotten += 1
        self._personal_ids.pop(owner, None)
        # A copy: threads that seal and open add to it meanwhile.
        for key_id in [key_id for key_id, entry in list(self._cache.items()) if entry[1] == owner]:
            self._cache.pop(key_id, None)

    # digests

    def tag(self, kind: str, value: str) -> str:
        """Keyed digest of a name, case-folded: equal names give equal tags though the names are sealed."""
        return hmac.new(self._index, f"{kind}\0{value.casefold()}".encode(), sha256).hexdigest()[:32]

    def identity(self, issuer: str, subject: str) -> str:
        """Keyed digest of who somebody is elsewhere, letter for letter: there `Ann` and `ann` may be two people."""
        return hmac.new(self._index, f"identity\0{issuer}\0{subject}".encode(), sha256).hexdigest()[:32]

    def membership(self, user_id: str, issuer: str, kind: str, name: str) -> str:
        """Keyed digest of what a user belongs to elsewhere. Two members of one team have nothing in common here.

        Organisations and teams are compared in any case, as GitHub does; groups letter for letter.
        """
        known = unicodedata.normalize("NFC", name)
        known = known if kind == "group" else known.casefold()
        what = f"membership\0{user_id}\0{kind}\0{issuer}\0{known}"
        return hmac.new(self._index, what.encode(), sha256).hexdigest()[:32]

    def fingerprint(self, value: str) -> str:
        """First 8 bytes of a keyed digest: tells "the same value again" without opening."""
        return hmac.new(self._index, b"value\0" + value.encode(), sha256).hexdigest()[:16]

    def key_digest(self, key: str) -> str:
        """What the hub keeps of an MCPHub key, as hex."""
        inner, outer = self._pepper[0].copy(), self._pepper[1].copy()
        inner.update(key.encode())
        outer.update(inner.digest())
        digest: str = outer.hexdigest()
        return digest

    def secret(self, name: str) -> bytes:
        """32 random bytes of the hub's own under this name, made on first use and the same for ever."""
        stored = self._store.single(HUB, name)
        if stored is None:
            self._make(HUB, name)
            stored = self._store.single(HUB, name)
        if stored is None:
            raise RingUnusable(f"the hub's key {name} cannot be stored")
        return self._ring.open(stored)

    # keys

    def _make(self, owner: str, purpose: str) -> tuple[str, AESGCM]:
        key_id, key = new_id(), os.urandom(32)
        kek_id, wrapped = self._ring.wrap(key, _wrap_context(key_id, owner, purpose))
        if not self._store.add(WrappedKey(key_id, owner, purpose, kek_id, wrapped)):
            existing = self._store.single(owner, purpose)  # another process was faster
            if existing is None:
                raise Unopenable(f"the {purpose} key of {owner} cannot be stored")
            return existing.id, self._cipher(existing.id)
        return key_id, self._remember(key_id, owner, key)

    def _personal(self, user_id: str) -> tuple[str, AESGCM]:
        known = self._personal_ids.get(user_id)
        if known is not None:
            return known, self._cipher(known)
        stored = self._store.single(user_id, PERSONAL)
        if stored is None:
            key_id, cipher = self._make(user_id, PERSONAL)
        else:
            key_id, cipher = stored.id, self._cipher(stored.id)
        self._personal_ids[user_id] = key_id
        return key_id, cipher

    def _cipher(self, key_id: str) -> AESGCM:
        entry = self._cache.get(key_id)
        if entry is not None and entry[0] > self._clock():
            return entry[2]
        forgotten = self._forgotten
        stored = self._store.get(key_id)
        if stored is None:
            self._cache.pop(key_id, None)
            raise Unopenable("its data key was destroyed")
        cipher = self._remember(stored.id, stored.owner, self._ring.open(stored))
        if forgotten != self._forgotten:
            self._cache.pop(stored.id, None)  # perhaps it was this one that was destroyed after it had been read
        return cipher

    def _remember(self, key_id: str, owner: str, key: bytes) -> AESGCM:
        if len(self._cache) >= self.CACHE_SIZE:
            for oldest in list(self._cache)[: self.CACHE_SIZE // 10]:
                self._cache.pop(oldest, None)
        cipher = AESGCM(key)
        self._cache[key_id] = (self._clock() + self.CACHE_SECONDS, owner, cipher)
        return cipher


class MemoryKeyStore:
    """The key store of unit tests and of `mcphub import` rehearsals: the same promises, in a dict."""

    def __init__(self) -> None:
        self.keys: dict[str, WrappedKey] = {}

    def add(self, key: WrappedKey) -> bool:
        if _is_single(key) and self.single(key.owner, key.purpose):
            return False
        self.keys[key.id] = key
        return True

    def get(self, key_id: str) -> WrappedKey | None:
        return self.keys.get(key_id)

    def single(self, owner: str, purpose: str) -> WrappedKey | None:
        return next((key for key in self.keys.values() if (key.owner, key.purpose) == (owner, purpose)), None)

    def remove(self, key_id: str) -> bool:
        return self.keys.pop(key_id, None) is not None

    def remove_owner(self, owner: str) -> int:
        gone = [key.id for key in self.keys.values() if key.owner == owner]
        for key_id in gone:
            del self.keys[key_id]
        return len(gone)


def key_of(sealed: str) -> str:
    """Id of the data key a sealed text was made with; '' for a text that is none."""
    return sealed.split(".", 2)[1] if sealed.count(".") >= 2 else ""


def masked(value: str) -> str:
    """What is shown of a stored secret: bullets, and the last four characters only of a long one."""
    return MASK + (value[-4:] if len(value) >= 16 else "")


def _hmac_sha256(key: bytes) -> tuple[Any, Any]:
    """RFC 2104 with this key as far as it is the same for every message: going on from copies costs a tenth of `hmac`.

    Args:
        key: at most 64 bytes.
    """
    block = key.ljust(64, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in block)), sha256(bytes(byte ^ 0x5C for byte in block))


def _is_single(key: WrappedKey) -> bool:
    return key.purpose == PERSONAL or (key.owner == HUB and key.purpose != "settings")


def _seal(cipher: AESGCM, key_id: str, purpose: str, context: Sequence[str], plaintext: str) -> str:
    raw = plaintext.encode()
    padded = len(raw).to_bytes(4, "big") + raw
    padded += b"\0" * (-len(padded) % BUCKET)
    nonce = os.urandom(NONCE)
    return f"v1.{key_id}.{b64encode(nonce + cipher.encrypt(nonce, padded, _aad(purpose, context, key_id))).decode()}"


def _aad(purpose: str, context: Sequence[str], key_id: str) -> bytes:
    return "\0".join((purpose, *context, key_id)).encode()


def _wrap_context(key_id: str, owner: str, purpose: str) -> bytes:
    return "\0".join((key_id, owner, purpose)).encode()
