"""Arguments against schemas that upstreams wrote: nothing is fetched, and nothing may stall the hub."""

import asyncio
import json
import socket

import pytest

from mcphub.gateway import checker
from mcphub.gateway.arguments import violations
from mcphub.gateway.checker import Checker, is_plain


def bomb(depth):
    """A schema of some hundred bytes whose evaluation doubles with each level."""
    levels = {"a0": {"type": "integer"}}
    for level in range(1, depth):
        below = {"$ref": f"#/$defs/a{level - 1}"}
        levels[f"a{level}"] = {"allOf": [below, below]}
    return json.dumps({"$defs": levels, "properties": {"n": {"$ref": f"#/$defs/a{depth - 1}"}}}).encode()


REFERRING = b'{"$defs":{"n":{"type":"integer"}},"properties":{"n":{"$ref":"#/$defs/n"}}}'


@pytest.fixture
async def checking():
    made = Checker()
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("schema", "arguments", "pointers"),
    [
        ({"required": ["a", "b"]}, {}, ["", ""]),
        ({"properties": {"a/b": {"type": "string"}, "c": {"items": {"type": "integer"}}}}, {"a/b": 1, "c": [1, "x"]},
         ["/a~1b", "/c/1"]),
        ({"prefixItems": [{"type": "string"}]}, {}, []),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"]}}, {"a": 1}, [""]),
        ({"$ref": "#/$defs/nowhere"}, {}, None),
        ({"type": "nonsense"}, {}, None),
        ("no schema", {}, None),
        ({"additionalProperties": {"$ref": "#"}, "type": "object"}, {"a": {"b": 1}}, ["/a/b"]),
    ],
)  # fmt: skip
def test_all_violations_are_told_by_their_place(schema, arguments, pointers):
    found = violations(json.dumps(schema).encode(), json.dumps(arguments).encode())

    assert (found if found is None else sorted(pointer for pointer, _ in found)) == pointers


def test_many_and_long_violations_are_cut():
    schema = json.dumps({"items": {"type": "integer"}, "properties": {"l": {"items": {"type": "integer"}}}}).encode()

    found = violations(schema, json.dumps({"l": ["x" * 1000] * 200}).encode())

    assert len(found) == 50
    assert all(len(detail) <= 301 for _, detail in found)


def test_a_reference_to_somewhere_else_is_never_fetched():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/schema"
        schemas = [
            {"properties": {"a": {"$ref": address}}, "required": ["b"]},
            {"$schema": address, "required": ["b"]},
            {"$id": address, "properties": {"a": {"$ref": "other"}}, "required": ["b"]},
        ]

        for schema in schemas:
            assert violations(json.dumps(schema).encode(), b'{"a":1}') == [("", '"b" is a required property')]
        assert violations(json.dumps({"$dynamicRef": address}).encode(), b'{"a":1}') is None

        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        (b'{"type":"object","properties":{"a":{"enum":[1]}}}', True),
        (REFERRING, False),
        (b'{"\\u0024ref":"#"}', False),
        (b'{"$dynamicRef":"#a"}', False),
        (b'{"properties":{"a":{"pattern":"(a+)+$"}}}', False),
        (b'{"patternProperties":{}}', False),
        (b'{"description":"' + b"x" * 40_000 + b'"}', False),
    ],
)
def test_only_work_that_is_bounded_is_done_in_the_hub(schema, plain):
    assert is_plain(schema) is plain


@pytest.mark.slow
async def test_a_schema_with_references_is_evaluated_in_a_process_of_its_own(checking, monkeypatch):
    monkeypatch.setattr(checker, "WITHIN", 30)
    assert await checking.violations(REFERRING, b'{"n":"x"}') == [("/n", '"x" is not of type "integer"')]
    process = checking._process
    assert await checking.violations(REFERRING, b'{"n":1}') == []
    assert await checking.violations(b'{"pattern":"(a+)+$","required":["n"]}', b"{}") != []
    assert checking._process is process

    await checking.close()

    assert process.returncode is not None


@pytest.mark.slow
async def test_a_schema_that_takes_too_long_is_given_up_and_stalls_nobody(checking, monkeypatch):
    monkeypatch.setattr(checker, "WITHIN", 30)  # the process may take its time to start
    await checking.violations(REFERRING, b'{"n":1}')
    process, rounds = checking._process, 0
    monkeypatch.setattr(checker, "WITHIN", 0.5)
    evil = asyncio.ensure_future(checking.violations(bomb(60), b'{"n":1}'))

    while not evil.done():
        await asyncio.sleep(0)
        rounds += 1

    monkeypatch.setattr(checker, "WITHIN", 30)
    assert evil.result() == []
    assert rounds > 100  # the loop went on while the schema was evaluated
    assert await process.wait() < 0
    assert await checking.violations(bomb(60), b'{"n":1}') == []  # not tried again
    assert checking._process is None
    assert await checking.violations(REFERRING, b'{"n":"x"}') != []


@pytest.mark.slow
async def test_a_check_that_is_given_up_by_its_caller_leaves_no_answer_behind(checking, monkeypatch):
    monkeypatch.setattr(checker, "WITHIN", 30)
    await checking.violations(REFERRING, b'{"n":1}')
    given_up = asyncio.ensure_future(checking.violations(bomb(24), b'{"n":"x"}'))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)

    assert await checking.violations(REFERRING, b'{"n":1}') == []
    assert bomb(24) not in checking._too_long
