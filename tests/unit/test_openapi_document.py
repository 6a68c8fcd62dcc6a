"""What an OpenAPI document describes, as tools."""

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcphub.gateway.upstream.openapi_document import ApiDocument, described
from mcphub.gateway.upstream.openapi_operation import MOST_TOOL
from mcphub.gateway.upstream.openapi_schema import Unsupported
from mcphub.gateway.upstream.openapi_text import MOST_YAML, read
from tests.support.raw_api import document

AT = "https://api.example.com/specs/v1/openapi.json"


def made(*operations: tuple[str, str, dict[str, Any]], version: str = "3.1.0", **more: Any) -> ApiDocument:
    return described(document(*operations, version=version, **more), at=AT)


def tool(found: ApiDocument, name: str) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(found.operations[name].definition)
    return definition


def one(operation: dict[str, Any], *, method: str = "post", path: str = "/x", **more: Any) -> dict[str, Any]:
    found = made((method, path, {"operationId": "it", **operation}), **more)
    assert found.left_out == {}
    return tool(found, "it")


def body(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def parameter(name: str, where: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": where, "schema": {"type": "string"}, **more}


# names


def test_a_tool_is_called_as_its_operation_or_by_method_and_path() -> None:
    found = made(
        ("get", "/pets", {"operationId": "listPets"}),
        ("get", "/pets/{pet id}/toys.json", {}),
        ("post", "/pets", {"operationId": "pets: add (new)"}),
        ("put", "/pets", {"operationId": "고양이"}),
    )

    assert set(found.operations) == {"listPets", "get_pets_pet_id_toys_json", "pets_add_new", "put_pets"}


def test_names_that_come_out_alike_are_told_apart_whatever_their_order() -> None:
    operations = [
        ("get", "/a", {"operationId": "do it"}),
        ("get", "/b", {"operationId": "do_it"}),
        ("get", "/c", {"operationId": "do-it"}),
        ("get", "/d", {"operationId": "do.it"}),
    ]

    names = {op.path: name for name, op in made(*operations).operations.items()}
    reversed_names = {op.path: name for name, op in made(*reversed(operations)).operations.items()}

    assert names == reversed_names
    assert (names["/b"], names["/c"]) == ("do_it", "do-it")
    assert names["/a"].startswith("do_it_")
    assert names["/d"].startswith("do_it_")
    assert len(set(names.values())) == 4


def test_one_operation_id_used_twice_makes_two_tools() -> None:
    found = made(("get", "/a", {"operationId": "same"}), ("get", "/b", {"operationId": "same"}))

    assert len(found.operations) == 2
    assert "same" not in found.operations


def test_a_long_name_is_cut_and_keeps_a_mark_of_its_own() -> None:
    [name] = made(("get", "/" + "x" * 200, {})).operations

    assert len(name) == 64


# what a client sees


def test_summary_and_description_are_the_tools_and_the_method_gives_the_hints() -> None:
    found = made(
        ("get", "/x", {"operationId": "look", "summary": "Look", "description": "Look at it.", "deprecated": True}),
        ("delete", "/x", {"operationId": "drop", "summary": "Same", "description": "Same"}),
        ("put", "/x", {"operationId": "set"}),
        ("post", "/x", {"operationId": "make"}),
    )

    look, drop, put, post = (tool(found, name) for name in ("look", "drop", "set", "make"))
    assert (look["title"], look["description"]) == ("Look", "Deprecated.\n\nLook\n\nLook at it.")
    assert look["annotations"] == {"readOnlyHint": True}
    assert drop["description"] == "Same"
    assert drop["annotations"] == {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True}
    assert (put["description"], put["annotations"]) == ("PUT /x", {"readOnlyHint": False, "idempotentHint": True})
    assert "annotations" not in post
    assert "outputSchema" not in look


def test_parameters_are_arguments_with_their_own_description_and_the_operations_override_the_paths() -> None:
    raw = document(("get", "/pets/{id}", {"operationId": "it", "parameters": [parameter("limit", description="Own")]}))
    raw["paths"]["/pets/{id}"]["parameters"] = [
        parameter("id", "path", required=True, schema={"type": "integer"}),
        parameter("limit", description="Of the path", required=True),
        {"$ref": "#/components/parameters/Trace"},
    ]
    raw["components"] = {"parameters": {"Trace": parameter("X-Trace", "header", required=True)}}

    schema = tool(described(raw, at=AT), "it")["inputSchema"]

    assert schema == {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "limit": {"type": "string", "description": "Own"},
            "X-Trace": {"type": "string"},
        },
        "required": ["id", "X-Trace"],
        "additionalProperties": False,
    }


def test_parameters_of_one_name_and_odd_names_have_arguments_of_their_own() -> None:
    parameters = [parameter("id"), parameter("id", "header"), parameter("filter[a]"), parameter("$"), parameter("body")]

    found = made(("post", "/{id}", {"operationId": "it", "parameters": parameters, **body({"type": "object"})}))

    places = [(made.argument, made.where, made.name) for made in found.operations["it"].parameters]
    assert places == [
        ("id", "path", "id"),
        ("id_query", "query", "id"),
        ("filter_a", "query", "filter[a]"),
        ("query", "query", "$"),
        ("body", "query", "body"),
        ("id_header", "header", "id"),
    ]
    assert found.operations["it"].body is not None
    assert found.operations["it"].body.argument == "body_request"


def test_a_body_is_the_argument_body_and_json_is_chosen_where_it_can_be() -> None:
    content = {
        "application/xml": {},
        "multipart/form-data": {},
        "application/vnd.x+json; v=1": {"schema": {"type": "array"}},
    }

    found = made(("post", "/x", {"operationId": "it", "requestBody": {"content": content}}))

    chosen = found.operations["it"].body
    assert chosen is not None
    assert (chosen.media, chosen.form, chosen.required) == ("application/vnd.x+json; v=1", "json", False)
    assert tool(found, "it")["inputSchema"]["properties"]["body"] == {"type": "array"}


def test_a_body_the_hub_does_not_write_is_left_out_and_with_it_an_operation_that_needs_it() -> None:
    only_xml = {"content": {"application/xml": {"schema": {}}}}

    found = made(
        ("post", "/may", {"operationId": "may", "requestBody": only_xml}),
        ("post", "/must", {"operationId": "must", "requestBody": {**only_xml, "required": True}}),
    )

    assert tool(found, "may")["inputSchema"]["properties"] == {}
    assert found.left_out == {"POST /must": "its body is application/xml, which this hub does not write"}


# schemas

PET = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string"},
        "parent": {"$ref": "#/components/schemas/Pet"},
        "toys": {"type": "array", "items": {"$ref": "#/components/schemas/Toy"}},
    },
}
TOY = {"type": "object", "properties": {"owner": {"$ref": "#/components/schemas/Pet"}}}
SCHEMAS = {"schemas": {"Pet": PET, "Toy": TOY, "Unused": {"type": "string"}}}


def test_what_a_schema_refers_to_stands_beside_it_cycles_and_all_and_nothing_else() -> None:
    schema = one(body({"$ref": "#/components/schemas/Pet"}), components=SCHEMAS)["inputSchema"]

    assert schema["properties"]["body"] == {"$ref": "#/$defs/Pet"}
    assert set(schema["$defs"]) == {"Pet", "Toy"}
    assert schema["$defs"]["Pet"]["properties"]["parent"] == {"$ref": "#/$defs/Pet"}
    assert schema["$defs"]["Toy"]["properties"]["owner"] == {"$ref": "#/$defs/Pet"}


def test_what_only_answers_have_is_not_asked_for() -> None:
    pet = one(body({"$ref": "#/components/schemas/Pet"}), components=SCHEMAS)["inputSchema"]["$defs"]["Pet"]

    assert "id" not in pet["properties"]
    assert pet["required"] == ["name"]


def test_definitions_of_one_name_are_told_apart() -> None:
    components = {"schemas": {"A": {"type": "string"}}, "x": {"A": {"type": "integer"}}}

    schema = one(
        body({"anyOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/x/A"}]}), components=components
    )["inputSchema"]

    assert schema["$defs"] == {"A": {"type": "string"}, "A_2": {"type": "integer"}}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"nullable": True, "allOf": [{}]}, {"anyOf": [{"allOf": [{}]}, {"type": "null"}]}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 1}),
        ({"type": "integer", "maximum": 1, "exclusiveMaximum": False}, {"type": "integer", "maximum": 1}),
        ({"type": "string", "example": "a"}, {"type": "string", "examples": ["a"]}),
        ({"type": "any", "required": True, "x-go": 1, "xml": {}, "discriminator": {}}, {}),
        ({"type": "string", "format": "binary"}, {"type": "string", "format": "binary", "contentEncoding": "base64"}),
    ],
)
def test_what_3_0_writes_in_another_way_is_written_as_json_schema(old: dict[str, Any], new: dict[str, Any]) -> None:
    schema = one(body(old), version="3.0.3")["inputSchema"]

    assert schema["properties"]["body"] == new


def test_3_1_schemas_stay_as_they_are() -> None:
    wanted = {
        "type": ["object", "null"],
        "patternProperties": {"^x": {"const": 1.5}},
        "if": {"required": ["a"]},
        "then": {"minProperties": 2},
        "unevaluatedProperties": False,
        "prefixItems": [True, {"contentMediaType": "a/b"}],
    }

    assert one(body(wanted))["inputSchema"]["properties"]["body"] == wanted


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": "other.yaml#/Pet"}, "leads out of the document"),
        ({"$ref": "#/components/schemas/Nobody"}, "leads nowhere"),
        ({"type": "object", "properties": {"a": 1}}, "no object"),
        ({"$dynamicRef": "#x"}, "dynamic"),
        ({"minimum": "low"}, "no valid JSON Schema"),
    ],
)
def test_a_parameter_that_cannot_be_described_leaves_its_operation_out(schema: dict[str, Any], why: str) -> None:
    found = made(
        ("get", "/bad", {"parameters": [parameter("a", schema=schema)]}), ("get", "/good", {"operationId": "good"})
    )

    assert list(found.operations) == ["good"]
    assert why in found.left_out["GET /bad"]


def test_a_body_that_cannot_be_described_is_taken_as_it_comes() -> None:
    huge = {"type": "string", "enum": ["x" * 1000 + str(n) for n in range(MOST_TOOL // 1000)]}

    for schema in (huge, {"$dynamicRef": "#x"}, {"minimum": "low"}):
        assert set(one(body(schema))["inputSchema"]["properties"]["body"]) == {"description"}


def test_references_in_a_circle_that_are_no_schemas_are_refused() -> None:
    components = {
        "parameters": {"a": {"$ref": "#/components/parameters/b"}, "b": {"$ref": "#/components/parameters/a"}}
    }

    with pytest.raises(Unsupported, match="circle"):
        made(("get", "/x", {"parameters": [{"$ref": "#/components/parameters/a"}]}), components=components)


# servers


@pytest.mark.parametrize(
    ("servers", "base"),
    [
        (None, "https://api.example.com"),
        ([{"url": "/v2/"}], "https://api.example.com/v2"),
        ([{"url": "../v3"}], "https://api.example.com/specs/v3"),
        ([{"url": "https://eu.example.com/x"}, {"url": "/no"}], "https://eu.example.com/x"),
        ([{"url": "https://{r}.example.com", "variables": {"r": {"default": "us"}}}], "https://us.example.com"),
    ],
)
def test_the_first_server_counts_and_is_relative_to_the_documents_address(servers: Any, base: str) -> None:
    found = made(("get", "/x", {"operationId": "it"}), **({"servers": servers} if servers else {}))

    assert found.operations["it"].base == base


def test_an_operations_own_server_counts_more_than_the_paths_and_the_documents() -> None:
    found = made(
        ("get", "/a", {"operationId": "own", "servers": [{"url": "https://own.example.com"}]}),
        ("get", "/b", {"operationId": "common"}),
        servers=[{"url": "https://common.example.com"}],
    )

    assert [op.base for op in found.operations.values()] == ["https://own.example.com", "https://common.example.com"]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "https://a:b@example.com",  # scan:allow
        "https://{r}.example.com",
        "http://[x",
    ],
)
def test_a_server_nobody_can_dial_leaves_nothing_of_the_document(url: str) -> None:
    with pytest.raises(Unsupported, match="server's address"):
        made(("get", "/x", {}), servers=[{"url": url}])


def test_an_inline_document_needs_a_whole_address() -> None:
    with pytest.raises(Unsupported, match="whole address"):
        described(document(("get", "/x", {})))


# texts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (
            b"on: yes\n200: 2026-01-02\nv: 1.0\ns: '1'\nn: ~\n",
            {"on": "yes", "200": "2026-01-02", "v": 1.0, "s": "1", "n": None},
        ),
        (b"a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        (b"a: !!timestamp 2026-01-02\n", {"a": "2026-01-02"}),
    ],
)
def test_documents_are_read_from_json_and_yaml_alike(text: bytes, value: dict[str, Any]) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b"a: !!python/object/apply:os.system [x]",
        b"[" * 100_000,
        b"- " * 100_000,
        b'{"a":' * 10_000,
        b"a: &a [*a]",
        b"a: &a " + b"[x, " * 3,
        b"#" * (MOST_YAML + 1),
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(
            b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (n + 1, n + 1, *[n] * 9) for n in range(97, 106)
        ),
    ],
)
def test_texts_that_are_no_document_are_refused_and_harm_nobody(text: bytes) -> None:
    with pytest.raises(Unsupported):
        read(text)


# anything at all

RICH = document(
    (
        "post",
        "/pets/{id}",
        {
            "operationId": "it",
            "summary": "s",
            "tags": ["a"],
            "servers": [{"url": "/{v}", "variables": {"v": {"default": "1"}}}],
            "parameters": [
                {
                    "name": "q",
                    "in": "query",
                    "style": "form",
                    "explode": False,
                    "schema": {"type": "array", "items": {}},
                },
                {"name": "c", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
                {"$ref": "#/components/parameters/H"},
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": {
                        "schema": {"$ref": "#/components/schemas/Pet"},
                        "encoding": {"name": {"style": "form", "contentType": "text/plain"}},
                    }
                },
            },
        },
    ),
    ("get", "/plain", {"operationId": "plain"}),
    version="3.0.3",
    servers=[{"url": "https://api.example.com"}],
    components={"parameters": {"H": parameter("H", "header")}, "schemas": SCHEMAS["schemas"]},
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just("#/paths"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["$ref", "type", "in", "x"]), inner),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


@given(changes=st.lists(st.tuples(st.sampled_from(places(RICH)[1:]), JSON), min_size=1, max_size=3))
@settings(max_examples=500)
def test_whatever_is_wrong_in_a_document_is_a_reason_and_no_accident(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    broken = copy.deepcopy(RICH)
    for path, value in changes:
        with suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            held: Any = broken
            for key in path[:-1]:
                held = held[key]
            held[path[-1]] = value

    try:
        found = described(broken, at=AT)
    except Unsupported:
        return

    json.loads(found.tools)
    for operation in found.operations.values():
        schema = json.loads(operation.definition)["inputSchema"]
        assert set(schema.get("required", ())) <= set(schema["properties"])
