"""A tool's arguments as the HTTP request its operation asks for."""

import json
from base64 import b64encode
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.gateway import wire
from mcphub.gateway.upstream.openapi_document import described
from mcphub.gateway.upstream.openapi_operation import Operation
from mcphub.gateway.upstream.openapi_request import BadArguments, Outgoing, request_of
from tests.support.raw_api import document


def operation(path: str = "/x", *parameters: dict[str, Any], version: str = "3.1.0", **more: Any) -> Operation:
    entry = {"operationId": "it", "parameters": list(parameters), **more}
    found = described(document(("post", path, entry), version=version), at="https://api.example.com/v1/")
    return found.operations["it"]


def sent(made: Operation, arguments: dict[str, Any] | bytes) -> Outgoing:
    return request_of(made, wire.members(arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()))


def spelled(where: str, value: Any, **style: Any) -> str:
    """How a parameter `c` with this value stands in its place."""
    path = "/{c}" if where == "path" else "/x"
    out = sent(operation(path, {"name": "c", "in": where, "schema": {}, **style}), {"c": value})
    return {
        "path": out.url.removeprefix("https://api.example.com/"),
        "query": "&".join(out.query),
        "header": out.headers.get("c", ""),
        "cookie": "; ".join(out.cookies),
    }[where]


# the table of the specification (OpenAPI 3.1.1, Style Examples)

ARRAY, OBJECT = ["blue", "black", "brown"], {"R": 100, "G": 200, "B": 150}
STYLES: list[tuple[str, str, bool | None, str, str, str]] = [
    ("path", "simple", None, "blue", "blue,black,brown", "R,100,G,200,B,150"),
    ("path", "simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
    ("path", "label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
    ("path", "label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
    ("path", "matrix", False, ";c=blue", ";c=blue,black,brown", ";c=R,100,G,200,B,150"),
    ("path", "matrix", True, ";c=blue", ";c=blue;c=black;c=brown", ";R=100;G=200;B=150"),
    ("query", "form", None, "c=blue", "c=blue&c=black&c=brown", "R=100&G=200&B=150"),
    ("query", "form", False, "c=blue", "c=blue,black,brown", "c=R,100,G,200,B,150"),
    ("query", "spaceDelimited", None, "c=blue", "c=blue%20black%20brown", "c=R%20100%20G%20200%20B%20150"),
    ("query", "pipeDelimited", None, "c=blue", "c=blue%7Cblack%7Cbrown", "c=R%7C100%7CG%7C200%7CB%7C150"),
    ("query", "deepObject", None, "c=blue", "c[0]=blue&c[1]=black&c[2]=brown", "c[R]=100&c[G]=200&c[B]=150"),
    ("header", "simple", None, "blue", "blue,black,brown", "R,100,G,200,B,150"),
    ("header", "simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
    ("cookie", "form", False, "c=blue", "c=blue,black,brown", "c=R,100,G,200,B,150"),
    ("cookie", "form", None, "c=blue", "c=blue; c=black; c=brown", "R=100; G=200; B=150"),
]


@pytest.mark.parametrize(("where", "style", "explode", "text", "array", "members"), STYLES)
def test_each_style_spells_texts_lists_and_objects_as_specified(
    where: str, style: str, explode: bool | None, text: str, array: str, members: str
) -> None:
    given_style = {"style": style} | ({} if explode is None else {"explode": explode})

    assert spelled(where, "blue", **given_style) == text
    assert spelled(where, ARRAY, **given_style) == array
    assert spelled(where, OBJECT, **given_style) == members


def test_the_default_style_is_the_places_own() -> None:
    assert spelled("path", ARRAY) == "blue,black,brown"
    assert spelled("query", ARRAY) == "c=blue&c=black&c=brown"
    assert spelled("header", ARRAY) == "blue,black,brown"
    assert spelled("cookie", ARRAY, explode=False) == "c=blue,black,brown"


def test_a_parameter_with_a_media_type_is_json() -> None:
    given_content = {"content": {"application/json": {"schema": {"type": "object"}}}}

    out = sent(operation("/x", {"name": "c", "in": "query", **given_content}), b'{"c":{"a":[1,"&"]}}')

    assert out.query == ("c=%7B%22a%22%3A%5B1%2C%22%26%22%5D%7D",)


@pytest.mark.parametrize(
    ("raw", "text"),
    [("1.50", "1.50"), ("1e3", "1e3"), ("true", "true"), ("123456789012345678901", "123456789012345678901")],
)
def test_numbers_and_truth_are_spelled_as_the_caller_did(raw: str, text: str) -> None:
    made = operation("/{a}", {"name": "b", "in": "query", "schema": {}})

    out = sent(made, f'{{"a":{raw},"b":{raw}}}'.encode())

    assert (out.url, out.query) == (f"https://api.example.com/{text}", (f"b={text}",))


def test_what_is_null_or_not_given_is_not_sent() -> None:
    made = operation("/x", *({"name": name, "in": "query", "schema": {}} for name in "abc"))

    assert sent(made, {"a": None, "b": {"x": None, "y": 1}}).query == ("y=1",)


def test_reserved_characters_stand_only_where_they_are_allowed_and_never_end_a_value() -> None:
    assert spelled("query", "a/b?c=d&e#f+g", allowReserved=True) == "c=a/b?c%3Dd%26e%23f%2Bg"
    assert spelled("query", "a/b?c") == "c=a%2Fb%3Fc"


def test_a_query_that_stands_in_the_path_is_kept() -> None:
    out = sent(operation("/x?beta=true", {"name": "a", "in": "query", "schema": {}}), {"a": 1})

    assert (out.url, out.query) == ("https://api.example.com/x", ("beta=true", "a=1"))


TEXTS = st.text(st.characters(codec="utf-8"))


@given(value=TEXTS.filter(lambda text: text not in {"", ".", ".."}), other=TEXTS.filter(bool))
def test_no_value_leaves_its_place_in_a_path(value: str, other: str) -> None:
    out = sent(operation("/a/{x}/b/{y}.json"), {"x": value, "y": other})

    assert [unquote(part) for part in urlsplit(out.url).path.split("/")] == ["", "a", value, "b", f"{other}.json"]
    assert (urlsplit(out.url).netloc, urlsplit(out.url).query, urlsplit(out.url).fragment) == (
        "api.example.com",
        "",
        "",
    )


@given(values=st.dictionaries(TEXTS, TEXTS, max_size=4), name=st.text(min_size=1, max_size=8), one=TEXTS)
def test_no_value_leaves_its_place_in_a_query(values: dict[str, str], name: str, one: str) -> None:
    made = operation(
        "/x", {"name": "o", "in": "query", "schema": {}}, {"name": "n" + name, "in": "query", "schema": {}}
    )
    argument = made.parameters[1].argument

    out = sent(made, {"o": values, argument: one})

    found = parse_qsl("&".join(out.query), keep_blank_values=True, strict_parsing=bool(out.query))
    assert found == [*values.items(), ("n" + name, one)]


@given(value=st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | st.lists(st.text()))
def test_no_value_breaks_out_of_a_header(value: Any) -> None:
    made = operation("/x", {"name": "X-A", "in": "header", "schema": {}})

    try:
        text = sent(made, {"X-A": value}).headers["X-A"]
    except BadArguments:
        text = ""

    assert not set("\r\n\0") & set(text)


@given(
    arguments=st.dictionaries(
        st.sampled_from(["p", "q", "h", "c", "body"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        ),
    ),
    style=st.sampled_from(["simple", "label", "matrix"]),
    form=st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "image/png"]
    ),
)
def test_any_arguments_become_a_request_or_are_refused(arguments: dict[str, Any], style: str, form: str) -> None:
    places = [("p", "path"), ("q", "query"), ("h", "header"), ("c", "cookie")]
    parameters = [{"name": n, "in": w, "schema": {}, **({"style": style} if w == "path" else {})} for n, w in places]
    made = operation("/{p}", *parameters, requestBody={"content": {form: {"schema": {"type": "object"}}}})

    try:
        out = sent(made, arguments)
    except BadArguments:
        return

    assert urlsplit(out.url).path.count("/") == 1
    assert (out.url + "".join(out.query) + "".join(out.cookies)).isascii()


# bodies


def content(media: str, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media: {"schema": schema or {"type": "object"}, **more}}}}


def test_a_json_body_is_sent_as_the_bytes_it_came_in() -> None:
    raw = b'{"a": 1.50, "b":[12345678901234567890123], "a":2}'

    out = sent(operation(**content("application/json")), b'{"body":' + raw + b"}")

    assert (out.media, out.body) == ("application/json", raw)


def test_a_form_is_encoded_as_its_properties_say() -> None:
    schema = {"type": "object", "properties": {"meta": {"type": "object"}, "ids": {"type": "array"}, "raw": {}}}
    encoding = {
        "meta": {"style": "deepObject", "explode": True},
        "ids": {"explode": False},
        "raw": {"contentType": "application/json"},
    }
    made = operation(**content("application/x-www-form-urlencoded", schema, encoding=encoding))

    out = sent(made, {"body": {"a b": "x&y", "meta": {"k": {"d": 1}}, "ids": [1, 2], "raw": {"z": 1}, "n": None}})

    assert out.media == "application/x-www-form-urlencoded"
    assert out.body == b"a%20b=x%26y&meta[k][d]=1&ids=1,2&raw=%7B%22z%22%3A1%7D"


def test_a_multipart_body_has_a_part_for_each_value_and_files_are_their_bytes() -> None:
    schema = {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary"}, "about": {"type": "object"}},
    }
    made = operation(version="3.0.3", **content("multipart/form-data", schema))

    value = {"file": b64encode(b"\0\1--x\r\n").decode(), "about": {"a": 1}, 'odd"\r\n': ["1", "2"]}
    out = sent(made, {"body": value})

    assert out.body is not None
    parsed = message_from_bytes(f"Content-Type: {out.media}\r\n\r\n".encode() + out.body)
    parts = [
        (part.get_param("name", header="content-disposition"), part.get_content_type(), part.get_payload(decode=True))
        for part in parsed.get_payload()  # type: ignore[union-attr]
    ]
    assert parts == [
        ("file", "application/octet-stream", b"\0\1--x\r\n"),
        ("about", "application/json", b'{"a":1}'),
        ("odd%22%0D%0A", "text/plain", b"1"),
        ("odd%22%0D%0A", "text/plain", b"2"),
    ]


def test_text_and_bytes_are_sent_as_they_are() -> None:
    text = sent(operation(**content("text/plain", {"type": "string"})), {"body": "a\nb"})
    raw = sent(operation(**content("image/*")), {"body": b64encode(b"\x89PNG").decode()})

    assert (text.media, text.body) == ("text/plain", b"a\nb")
    assert (raw.media, raw.body) == ("application/octet-stream", b"\x89PNG")


@pytest.mark.parametrize(
    ("media", "body", "why"),
    [
        ("application/json", {}, "body is missing"),
        ("application/x-www-form-urlencoded", {"body": [1]}, "body is an object"),
        ("image/png", {"body": "no base64!"}, "body is no base64"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(media: str, body: dict[str, Any], why: str) -> None:
    with pytest.raises(BadArguments, match=why):
        sent(operation(**content(media)), body)
