"""What hubs have in their ledgers: every line ever exported is read for ever, and means what it meant."""

import json
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import fields

from mcphub.domain.access import AccessModel
from mcphub.domain.actor import Meta
from mcphub.domain.codec import decode, decode_meta, encode
from mcphub.domain.events import EVENT_TYPES
from mcphub.postgres.transfer import encode as encode_line
from mcphub.postgres.transfer import read_line
from mcphub.projections.projection import fold
from mcphub.projections.tables import all_projections
from tests.support.facts import recorded

FILES = sorted((Path(__file__).parent / "events").glob("*.jsonl"))
# Everything the envelope has ever held.
FULL_META = (
    b'{"actor":"u1","actor_kind":"key","source":"mcp","ip":"v1.k.aXA=","ua":"v1.k.dWE=","request_id":"r",'
    b'"correlation_id":"c","causation_id":"a","command":"IssueKey"}'
)


def lines(file):
    return file.read_bytes().splitlines()


def facts(file):
    read = [read_line(line) for line in lines(file)]
    return recorded(*[(decode(bytes(line.data)), line.tags) for line in read])


@pytest.fixture(params=FILES, ids=[file.stem for file in FILES])
def file(request):
    return request.param


def test_every_event_type_has_a_line():
    """A new type: `python -m tests.golden.write NAME`."""
    seen = {read_line(line).type for file in FILES for line in lines(file)}

    assert set(EVENT_TYPES) - seen == set()


def test_every_line_is_read_and_written_again_as_it_was(file):
    for line in lines(file):
        read = read_line(line)
        event = decode(bytes(read.data))

        assert type(event).__name__ == read.type
        assert encode(event) == bytes(read.data)
        assert encode(decode_meta(bytes(read.meta))) == bytes(read.meta)
        assert encode_line(read) == line


def test_every_line_hashes_to_what_was_recorded(file):
    """The chain as the contract of the export has it, written out here once more."""
    previous = sha256(b"").digest()
    for number, line in enumerate(lines(file), 1):
        read = read_line(line)
        text = "\x1e".join(
            [read.type, "\x1f".join(read.tags), str(read.at), bytes(read.meta).decode(), bytes(read.data).decode()]
        )
        previous = sha256(previous + number.to_bytes(8, "big") + UUID(read.id).bytes + text.encode()).digest()

        assert (read.position, read.hash) == (number, previous.hex())


def test_every_fold_takes_every_line(file):
    model = AccessModel()
    for fact in facts(file):
        model.apply(fact)
    for projection in all_projections():
        fold(projection, facts(file))

    assert model.position == len(lines(file))


def test_the_first_export_still_means_what_it_meant():
    tables = {projection.name: fold(projection, facts(FILES[0])).rows for projection in all_projections()}

    assert {key[0]: (row.active, row.admin) for key, row in tables["users"].items()} == {"u1": (True, True)}
    assert (tables["keys"], tables["groups"], tables["credentials"]) == ({}, {}, {})  # of the user who was erased
    assert {row.name: row.slug for row in tables["servers"].values()} == {
        "server 5": "server-1",
        "server 2": "server-2",
    }
    assert set(tables["slots"]) == {("s14", "TOKEN"), ("s14", "ROOM")}
    assert tables["settings"][True,].system == {"routing": {"n": 7}, "text": "plain"}


def test_all_of_the_envelope_is_read():
    meta = decode_meta(FULL_META)

    assert encode(meta) == FULL_META
    assert json.loads(FULL_META).keys() == {field.name for field in fields(Meta)}
