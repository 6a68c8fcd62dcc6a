import json
import sys
import time

import pytest

from mcphub.domain.findings import DocumentRefused, Finding
from mcphub.domain.settings_check import check
from mcphub.domain.settings_file import MOST_BYTES, BodyTooLarge, Positions, compact, dump, parse
from tests.support.settings import POLICY


def refusal(text):
    with pytest.raises(DocumentRefused) as caught:
        parse(text)
    return [(found.pointer, found.code, found.line, found.column) for found in caught.value.findings]


def test_order_large_numbers_and_korean_survive():
    text = '{"z": 1, "mcpServers": {"지라": {"n": 123456789012345678901234567890}}, "a": 1.5}'

    assert json.dumps(parse(text), ensure_ascii=False) == text
    assert parse(dump(parse(text))) == parse(text)


def test_a_byte_order_mark_is_passed_over():
    assert parse(b'\xef\xbb\xbf{"mcpServers": {}}') == {"mcpServers": {}}


def test_a_key_written_twice_is_refused_with_its_second_place():
    text = '{\n  "mcpServers": {\n    "a": {"url": "x"},\n    "b": {"url": "y", "url": "z"}\n  }\n}'

    assert refusal(text) == [("/mcpServers/b/url", "duplicate_key", 4, 23)]


def test_every_key_written_twice_is_reported():
    text = '{"a": {"x": 1, "x": 2}, "a": [{"y~/": 1, "y~/": 2}]}'

    assert [(pointer, column) for pointer, _, _, column in refusal(text)] == [
        ("/a/x", 16),
        ("/a", 25),
        ("/a/0/y~0~1", 42),
    ]


def test_keys_spelled_differently_can_be_the_same():
    assert refusal('{"a": 1, "\\u0061": 2}') == [("/a", "duplicate_key", 1, 10)]


def test_the_place_stands_in_the_answer_too():
    with pytest.raises(DocumentRefused) as caught:
        parse('{"a": 1, "a": 2}')

    assert caught.value.errors == (("/a", "duplicate_key", "this key appears twice in one object (line 1, column 10)"),)
    assert caught.value.code == "settings_invalid"
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{\n "a": }', 2, 7),
        ('{"a": 1,}', 1, 8 if sys.version_info >= (3, 13) else 9),  # newer Pythons point at the comma
        ('{"a": 1 // no\n}', 1, 9),
        ("", 1, 1),
        ('{"a": "\t"}', 1, 8),
    ],
)
def test_what_is_not_strict_json_is_refused_with_its_place(text, line, column):
    assert refusal(text) == [("", "malformed_json", line, column)]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": ' + "1" * 5000 + "}",
        "[]",
        '"a"',
        b"\xff{}",
        '{"\ud800":1}',
    ],
)
def test_what_no_json_reader_agrees_on_is_refused(text):
    assert [code for _, code, _, _ in refusal(text)] == ["malformed_json"]


def test_64_levels_are_read_and_65_are_not():
    def nested(levels):
        return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)

    assert parse(nested(64))
    assert refusal(nested(65)) == [("", "too_deep", 1, 321)]
    assert refusal('{"a":' * 100_000) == [("", "too_deep", 1, 321)]


def test_braces_in_texts_are_no_levels():
    assert parse(json.dumps({"a": '{"[' * 100}))


def test_4_mib_are_read_and_one_byte_more_is_not():
    text = '{"mcpServers": {}, "x": ""}'
    fits = text.replace('""', '"' + "x" * (MOST_BYTES - len(text)) + '"')

    assert parse(fits)
    with pytest.raises(BodyTooLarge) as caught:
        parse(fits.replace("x}", "xx}") + " ")
    assert (caught.value.status, caught.value.code) == (413, "body_too_large")


def test_a_text_that_is_never_closed_does_not_take_longer_than_others():
    """Each `"` of such a text once started a scan to its end: 7 s for 40 kB."""
    begun = time.process_time()

    refusal('{"a":"' + '\\"' * 1_000_000)

    assert time.process_time() - begun < 2


def test_findings_get_the_place_of_their_key_or_element():
    text = '{\n  "mcpServers": {\n    "a": {\n      "args": ["x",\n        "y"]}}}'
    wanted = ["/mcpServers/a", "/mcpServers/a/args/1", "/mcpServers/a/missing/deep", "/nowhere", ""]

    placed = Positions(text).placed([Finding(pointer, "code", "detail") for pointer in wanted])

    assert [(found.line, found.column) for found in placed] == [(3, 5), (5, 9), (3, 5), (1, 1), (1, 1)]


def test_errors_of_a_text_have_lines():
    text = '{"mcpServers": {\n  "a": {"command": "bash"},\n  "b": {"url": "ftp://h"}\n}}'

    report = check(parse(text), POLICY, Positions(text))

    assert [(found.code, found.line, found.column) for found in report.errors] == [
        ("command_not_allowed", 2, 9),
        ("bad_url", 3, 9),
    ]
    assert [(found.code, found.line) for found in report.warnings] == [("type_inferred", 3)]


def test_events_keep_no_number_that_is_none():
    with pytest.raises(ValueError):
        compact({"a": float("nan")})
