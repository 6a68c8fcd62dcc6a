"""The script of an auditor's bundle, on bundles made by hand."""

import json
from datetime import date
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mcphub.domain.checkpoint import Checkpoint, SealedDay, encode, is_signed_by, public_key, read_line, sign
from mcphub.operations import auditor

SECRET = b"\7" * 32
KEY = public_key(SECRET)
DAY = "2026-11-24"
ROWS = [f'[{position}, 1764000000000000, "sign_in"]' for position in (3, 4, 65_536, 65_540)]


def digest_of(rows: list[str]) -> str:
    """As postgres/days.py writes it down."""
    chunks: dict[int, bytes] = {}
    for row in rows:
        chunk = int(row[1:].split(",")[0]) // 65_536
        chunks[chunk] = chunks.get(chunk, b"") + sha256(row.encode()).digest()
    return sha256(b"".join(sha256(chunk).digest() for chunk in chunks.values())).hexdigest()


def line(position: int, before: bytes, data: str) -> tuple[str, bytes]:
    """An exported event, and its hash."""
    id_ = UUID(int=position)
    type_, meta = json.loads(data)["type"], '{"actor":"system:test"}'
    fields = "\x1e".join((type_, "a:1\x1fb:2", str(position * 1000), meta, data))
    hash_ = sha256(before + position.to_bytes(8, "big") + id_.bytes + fields.encode()).digest()
    head = f'{{"position":{position},"id":"{id_}","type":"{type_}","tags":["a:1","b:2"],"at":{position * 1000}'
    return f'{head},"meta":{meta},"data":{data},"hash":"{hash_.hex()}"}}', hash_


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Five events, the third of them a seal, and checkpoints of the second and of the last."""
    seal = {"type": "DaySealed", "log": "access", "day": DAY, "rows": len(ROWS), "sha256": digest_of(ROWS)}
    datas = [json.dumps({"type": "UserActivated", "user_id": f"é{n}"}, ensure_ascii=False) for n in range(1, 6)]
    datas[2] = json.dumps(seal, separators=(",", ":"))
    lines, hashes, hash_ = [], [], auditor.START
    for position, data in enumerate(datas, 1):
        text, hash_ = line(position, hash_, data)
        lines.append(text)
        hashes.append(hash_.hex())
    (tmp_path / "ledger.jsonl").write_text("".join(text + "\n" for text in lines))
    (tmp_path / "bundle.json").write_text(json.dumps({"head": {"position": 5, "hash": hashes[4]}}))
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / f"access-{DAY}.jsonl").write_text("".join(row + "\n" for row in ROWS))
    said = [Checkpoint(position=at, hash=hashes[at - 1], at=1) for at in (2, 5)]
    (tmp_path / "checkpoints.jsonl").write_bytes(b"".join(encode(sign(one, SECRET)) + b"\n" for one in said))
    (tmp_path / "checkpoints.pub").write_text(KEY + "\n")
    return tmp_path


def head(folder: Path, position: int) -> None:
    """Whoever cuts the ledger off sets its head as well."""
    hash_ = json.loads((folder / "ledger.jsonl").read_text().splitlines()[position - 1])["hash"]
    (folder / "bundle.json").write_text(json.dumps({"head": {"position": position, "hash": hash_}}))


def test_a_bundle_that_nobody_touched_holds_and_is_complete(bundle: Path) -> None:
    found = auditor.examine(bundle)

    assert (found["integrity"], found["completeness"], found["position"], found["upto"]) == ("holds", "complete", 5, 5)
    assert [(day["log"], day["day"], day["state"]) for day in found["days"]] == [("access", DAY, "holds")]
    assert KEY in "\n".join(auditor.lines(found))


@pytest.mark.parametrize(
    ("change", "broken_at"),
    [
        (lambda lines: [*lines[:3], lines[3].replace("UserActivated", "UserDeactivated"), lines[4]], 4),
        (lambda lines: [lines[0], lines[1].replace("é2", "é3"), *lines[2:]], 2),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2),
        (lambda lines: [*lines, lines[4]], 6),
        (lambda lines: [*lines, lines[4].replace('"position":5', '"position":6')], 6),
        (lambda lines: [*lines[:4], "{}"], 5),
    ],
    ids=["type", "data", "deleted", "swapped", "twice", "appended", "no event"],
)
def test_an_event_that_is_not_what_was_recorded_is_named(bundle: Path, change, broken_at: int) -> None:
    path = bundle / "ledger.jsonl"
    path.write_text("".join(text + "\n" for text in change(path.read_text().splitlines())))

    found = auditor.examine(bundle)

    assert (found["integrity"], found["broken_at"]) == ("broken", broken_at)
    assert f"position {broken_at}" in "\n".join(auditor.lines(found))


def test_an_end_that_was_cut_off_is_found_by_a_checkpoint_and_what_is_left_holds(bundle: Path) -> None:
    path = bundle / "ledger.jsonl"
    path.write_text("".join(text + "\n" for text in path.read_text().splitlines()[:3]))
    head(bundle, 3)

    found = auditor.examine(bundle)

    assert (found["integrity"], found["completeness"], found["missing"]) == ("holds", "cut_off", [4, 5])


def test_a_chain_that_was_made_anew_is_another_one_than_the_checkpoints(bundle: Path) -> None:
    hash_, lines = auditor.START, []
    for position in range(1, 6):
        text, hash_ = line(position, hash_, '{"type":"UserActivated"}')
        lines.append(text + "\n")
    (bundle / "ledger.jsonl").write_text("".join(lines))
    head(bundle, 5)

    found = auditor.examine(bundle)

    assert (found["integrity"], found["broken_at"], found["completeness"]) == ("broken", 2, "unknown")


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda rows: [rows[0].replace("in", "out"), *rows[1:]], "changed"),
        (lambda rows: rows[1:], "changed"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "changed"),
        (lambda rows: [*rows, rows[-1]], "changed"),
        (None, "missing"),
    ],
)
def test_a_sealed_day_that_is_not_what_it_was_is_named(bundle: Path, change, state: str) -> None:
    path = bundle / "days" / f"access-{DAY}.jsonl"
    if change is None:
        path.unlink()
    else:
        path.write_text("".join(row + "\n" for row in change(ROWS)))

    found = auditor.examine(bundle)

    assert (found["integrity"], found["days"][0]["state"]) == ("broken", state)
    assert f"The access log of {DAY} is {state}" in "\n".join(auditor.lines(found))


def test_checkpoints_that_somebody_else_signed_prove_nothing(bundle: Path) -> None:
    path = bundle / "checkpoints.jsonl"
    forged = [sign(read_line(text).checkpoint, b"\1" * 32) for text in path.read_bytes().splitlines()]
    path.write_bytes(b"".join(encode(one) + b"\n" for one in forged))

    found = auditor.examine(bundle)

    assert (found["integrity"], found["completeness"]) == ("broken", "unknown")
    assert "line 1 of checkpoints.jsonl is not signed" in found["why"]


def test_an_auditors_own_key_and_checkpoints_count_before_those_of_the_bundle(bundle: Path, tmp_path: Path) -> None:
    own = tmp_path / "kept.jsonl"
    own.write_bytes(encode(sign(Checkpoint(position=9, hash="ab" * 32, at=1), SECRET)) + b"\n")

    assert auditor.examine(bundle, KEY, own)["missing"] == [6, 9]
    assert auditor.examine(bundle, public_key(b"\2" * 32))["integrity"] == "broken"


def test_what_a_crash_left_of_a_checkpoint_is_passed_over(bundle: Path) -> None:
    with (bundle / "checkpoints.jsonl").open("ab") as file:
        file.write(b'{"checkpoint":{"posi')

    assert auditor.examine(bundle)["completeness"] == "complete"


def test_both_ways_of_looking_at_a_signature_agree() -> None:
    day = SealedDay(log="traffic", day=date.fromisoformat(DAY), rows=1, sha256="ab" * 32, first=1, last=1)
    signed = sign(Checkpoint(position=7, hash="cd" * 32, at=1, days=(day,), erased=("ü",), cleared=("k",)), SECRET)
    others = [
        signed,
        read_line(encode(signed).replace(b'"position":7', b'"position":8')),
        read_line(encode(signed).replace(signed.signature.encode(), b"00" * 64)),
        read_line(encode(signed).replace(signed.signature.encode(), b"00")),
    ]

    assert [is_signed_by(one, KEY) for one in others] == [True, False, False, False]
    assert [signed_as_the_script_sees_it(one) for one in others] == [True, False, False, False]


def signed_as_the_script_sees_it(signed) -> bool:
    said = json.dumps(
        json.loads(encode(signed))["checkpoint"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    return auditor.signed_by(bytes.fromhex(KEY), auditor.PREFIX + said, bytes.fromhex(signed.signature))


def test_the_curve_is_the_one_of_the_standard() -> None:
    for number in range(8):
        key, message = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32), b"x" * number
        signature = key.sign(message)

        assert auditor.signed_by(key.public_key().public_bytes_raw(), message, signature)
        assert not auditor.signed_by(key.public_key().public_bytes_raw(), message + b"y", signature)
