"""Checks an export bundle of MCPHub, offline: `python3 verify.py [FOLDER] [--public-key HEX] [--checkpoints FILE]`.

Python's own library and nothing else, and nothing of the hub: read it, it is short. It changes nothing.

Integrity: every event of ledger.jsonl is what was recorded, and where. Each hash covers the event and the hash before;
days of the other logs are sealed by events, and days/ holds their rows when they were exported with them.
Completeness: nothing is missing at the end. That only a checkpoint can say, one that was kept elsewhere best: give your
own copy with --checkpoints, and the hub's public key as it was given to you with --public-key.

Exit code 0: both hold. 1: integrity does not. 3: integrity holds, and the end is cut off. 2: this is no bundle.
"""

import argparse
import contextlib
import json
import sys
import uuid
from collections.abc import Iterator
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

START = sha256(b"").digest()  # stands before the first event
PREFIX = b"mcphub checkpoint 1\n"
CHUNK = 65_536  # positions of a day's rows that are hashed together


class Broken(Exception):
    """The chain breaks at this position."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"the chain breaks at position {position}: {why}")
        self.position = position


# the ledger


def events(path: Path) -> "Iterator[tuple[dict[str, Any], str, str]]":
    """Each line with `meta` and `data` as they were recorded, to the byte."""
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file:
            text = line.rstrip("\n")
            meta, end = _value(text, text.index(',"meta":') + len(',"meta":'))
            data, _ = _value(text, end + len(',"data":'))
            yield json.loads(text), meta, data


def _value(text: str, begin: int) -> "tuple[str, int]":
    _, end = json.JSONDecoder().raw_decode(text, begin)
    return text[begin:end], end


def follow(path: Path) -> "Iterator[tuple[dict[str, Any], bytes]]":
    """Each event with its hash, computed anew.

    Raises:
        Broken: where an event is not what was recorded, or none is.
    """
    position, hash_ = 0, START
    try:
        for event, meta, data in events(path):
            if event["position"] != position + 1:
                raise Broken(position + 1, "positions are missing")
            position += 1
            fields = (event["type"], "\x1f".join(event["tags"]), str(event["at"]), meta, data)
            hash_ = sha256(
                hash_ + position.to_bytes(8, "big") + uuid.UUID(event["id"]).bytes + "\x1e".join(fields).encode()
            ).digest()
            if hash_.hex() != event["hash"]:
                raise Broken(position, "the row does not hash to what was recorded")
            yield event, hash_
    except (ValueError, KeyError, TypeError):
        raise Broken(position + 1, "the line is not an event") from None


# checkpoints


def checkpoints(path: Path, key: str) -> "Iterator[dict[str, Any]]":
    """
    Raises:
        ValueError: a line is not signed with the key.
    """
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]  # a line without an end is what a crash left
    for number, line in enumerate(whole.splitlines(), 1):
        signed = json.loads(line)
        said = json.dumps(signed["checkpoint"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        if not signed_by(bytes.fromhex(key), PREFIX + said, bytes.fromhex(signed["signature"])):
            raise ValueError(f"line {number} of {path.name} is not signed with the key {key}")
        yield signed["checkpoint"]


# Ed25519 as in RFC 8032, 5.1: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x·y = T/Z.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # of -1
Point = tuple[int, int, int, int]


def add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(factor: int, point: Point) -> Point:
    found = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            found = add(found, point)
        point = add(point, point)
        factor >>= 1
    return found


def decompressed(text: bytes) -> Point:
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(squared, (P + 3) // 8, P)
    if (x * x - squared) % P:
        x = x * ROOT % P
    if y >= P or (x * x - squared) % P or (x == 0 and sign):
        raise ValueError("no point of the curve")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decompressed((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed_by(key: bytes, message: bytes, signature: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    try:
        public, r = decompressed(key), decompressed(signature[:32])
    except ValueError:
        return False
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(sha512(signature[:32] + key + message).digest(), "little") % L
    one, other = times(s, BASE), add(r, times(h, public))
    return s < L and not any((one[at] * other[2] - other[at] * one[2]) % P for at in (0, 1))


# days of the other logs


def digest(path: Path) -> "tuple[int, str]":
    """Number of rows, and their digest: hashes of rows, hashed by chunks of positions, and those hashed once more."""
    rows, chunk, chunks = 0, -1, []
    with open(path, "rb") as file:
        for line in file:
            text = line.rstrip(b"\n")
            of = int(text[1 : text.index(b",")]) // CHUNK
            if of != chunk:
                chunk = of
                chunks.append(sha256())
            chunks[-1].update(sha256(text).digest())
            rows += 1
    return rows, sha256(b"".join(one.digest() for one in chunks)).hexdigest()


# the answer


def examine(folder: Path, key: str = "", other: "Path | None" = None) -> "dict[str, Any]":
    """What there is to say of a bundle.

    Args:
        key: public, as hex; by default the bundle's own, which proves nothing to who does not know it.
        other: a file of checkpoints instead of the bundle's.

    Raises:
        OSError, ValueError: it is none.
    """
    head = json.loads((folder / "bundle.json").read_text())["head"]
    found: dict[str, Any] = {"integrity": "holds", "completeness": "unknown", "broken_at": None, "why": ""}
    noted = _checkpoints(folder, key, other, found)
    seals: dict[tuple[str, str], dict[str, Any]] = {}
    position, hash_ = 0, START
    try:
        for event, at in follow(folder / "ledger.jsonl"):
            position, hash_ = event["position"], at
            if event["type"] in ("DaySealed", "DayDropped"):
                seals.setdefault((event["data"]["log"], event["data"]["day"]), {})[event["type"]] = event["data"]
        if (head["position"], head["hash"]) != (position, hash_.hex()):
            raise Broken(position, "the head does not agree with the last row")
    except Broken as broken:
        found |= {"integrity": "broken", "broken_at": broken.position, "why": str(broken)}
    found |= {"position": position, "hash": hash_.hex()}
    _compare(found, folder / "ledger.jsonl", noted)
    if found["integrity"] == "broken":  # no seal is to be believed but those that checkpoints repeat
        seals = {day: {type_: facts[type_] for type_ in facts if type_ == "DayDropped"} for day, facts in seals.items()}
    for one in noted:
        for day in one.get("days", ()):
            seals.setdefault((day["log"], day["day"]), {})["DaySealed"] = day
    found["days"] = list(_days(folder / "days", seals))
    if any(day["state"] in ("changed", "missing") for day in found["days"]):
        found["integrity"] = "broken"
    return found


def _checkpoints(folder: Path, key: str, other: "Path | None", found: "dict[str, Any]") -> "list[dict[str, Any]]":
    path, own = other or folder / "checkpoints.jsonl", folder / "checkpoints.pub"
    if not path.exists():
        return []
    key = key or (own.read_text().strip() if own.exists() else "")
    found["key"] = key
    try:
        return sorted(checkpoints(path, key), key=lambda one: int(one["position"]))
    except (ValueError, KeyError) as error:
        found |= {"integrity": "broken", "why": str(error)}
        return []


def _compare(found: "dict[str, Any]", ledger: Path, noted: "list[dict[str, Any]]") -> None:
    """Of the rows as they are stored, whether the chain holds or not."""
    last, there = 0, {}
    with open(ledger, "rb") as file:
        for line in file:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # no event: the chain breaks there
                event = json.loads(line)
                there[event["position"]] = event["hash"]
                last = max(last, event["position"])
    for one in noted:
        if there.get(one["position"]) == one["hash"]:
            found |= {"completeness": "complete", "upto": one["position"]}
        elif one["position"] > last:
            found |= {"completeness": "cut_off", "missing": [last + 1, one["position"]]}
            return
        else:
            found["completeness"] = "unknown"
            if found["broken_at"] is None:
                why = f"another hash stands at position {one['position']} than a checkpoint names"
                found |= {"integrity": "broken", "broken_at": one["position"], "why": why}
            return


def _days(folder: Path, seals: "dict[tuple[str, str], dict[str, Any]]") -> "Iterator[dict[str, Any]]":
    for (log, day), facts in sorted(seals.items()):
        seal, path = facts.get("DaySealed"), folder / f"{log}-{day}.jsonl"
        if seal is None:
            continue
        if path.exists():
            state = "holds" if digest(path) == (seal["rows"], seal["sha256"]) else "changed"
        elif "DayDropped" in facts:
            state = "dropped"
        else:
            state = "missing" if folder.exists() else "not exported"
        yield {"log": log, "day": day, "rows": seal["rows"], "state": state}


def lines(found: "dict[str, Any]") -> "Iterator[str]":
    if found["integrity"] == "holds":
        yield f"Integrity: {found['position']} events, and the chain holds. Head: {found['position']}:{found['hash']}"
    else:
        yield f"Integrity: BROKEN: {found['why'] or 'sealed days are not what they were'}."
    for day in found.get("days", ()):
        if day["state"] in ("changed", "missing"):
            yield f"The {day['log']} log of {day['day']} is {day['state']}: {day['rows']} rows were sealed."
    counted = [day["state"] for day in found.get("days", ())]
    if counted:
        each = ", ".join(f"{counted.count(state)} {state}" for state in sorted(set(counted)))
        yield f"Sealed days: {each}."
    if found["completeness"] == "complete":
        yield f"Completeness: all is there up to the checkpoint at position {found['upto']}."
    elif found["completeness"] == "cut_off":
        first, last = found["missing"]
        yield f"Completeness: the end is CUT OFF. Positions {first} to {last}, at least, are missing."
    else:
        yield "Completeness: unknown."
    if found.get("key"):
        yield f"Checkpoints are signed with the key {found['key']}: is it the one you were given?"


def main() -> int:
    parser = argparse.ArgumentParser(description="Check an export bundle of MCPHub, offline.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--public-key", default="", help="as the hub's operator gave it to you")
    parser.add_argument("--checkpoints", type=Path, help="your own copy")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    try:
        found = examine(given.folder, given.public_key.strip().lower(), given.checkpoints)
    except (OSError, ValueError, KeyError) as error:
        print(f"{given.folder} is no bundle: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found) if given.json else "\n".join(lines(found)))
    return 1 if found["integrity"] == "broken" else 3 if found["completeness"] == "cut_off" else 0


if __name__ == "__main__":
    sys.exit(main())
