"""What a service answered, as the result of a tool call."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.gateway.upstream.openapi_answer import MOST_ERROR, result_of


def made(status: int, media: str, body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result_of(status, media, body, uri="openapi://s/t", masked=str))
    return found


@pytest.mark.parametrize("charset", ["undefined", "idna", "hex", "no-such", "\0", '"utf-8"', ""])
def test_a_charset_nobody_can_use_is_read_as_utf_8(charset: str) -> None:
    assert made(200, f"text/plain; charset={charset}", b"x..y")["content"] == [{"type": "text", "text": "x..y"}]


def test_json_with_a_mark_at_its_beginning_is_json() -> None:
    assert made(200, "application/json", b'\xef\xbb\xbf{"a":1}')["structuredContent"] == {"a": 1}


def test_json_without_a_media_type_is_json_too() -> None:
    assert made(200, "", b'{"a":1}')["structuredContent"] == {"a": 1}


@given(
    status=st.integers(200, 299),
    media=st.text(max_size=30) | st.sampled_from(["application/json", "image/png", "text/plain; charset=utf-16", ""]),
    body=st.binary(max_size=60) | st.sampled_from([b"[" * 5000, b'{"a":1}', b'"\\ud800"', b"NaN", b'{"a":\xff}']),
)
def test_every_answer_is_a_result_of_one_block(status: int, media: str, body: bytes) -> None:
    result = made(status, media, body)

    assert len(result["content"]) == 1
    assert result["isError"] is False


@given(status=st.integers(400, 999), body=st.binary(max_size=60) | st.just(b"x" * 3 * MOST_ERROR))
def test_every_refusal_is_a_short_tool_error_with_its_status(status: int, body: bytes) -> None:
    result = made(status, "text/plain", body)

    assert result["isError"] is True
    assert result["content"][0]["text"].startswith(f"HTTP {status}")
    assert len(result["content"][0]["text"]) < MOST_ERROR + 200
