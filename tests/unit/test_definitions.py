"""Definitions of servers as every client can read them; the models of the official SDK are one of those clients."""

import json

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.gateway.definitions import readable
from mcphub.gateway.kinds import PROMPTS, RESOURCES, TEMPLATES, TOOLS

OBJECT = {"type": "object"}
MODELS = {
    TOOLS: (types.Tool, {"name": "t", "inputSchema": OBJECT}),
    PROMPTS: (types.Prompt, {"name": "p"}),
    RESOURCES: (types.Resource, {"uri": "x://a", "name": "r"}),
    TEMPLATES: (types.ResourceTemplate, {"uriTemplate": "x://{a}", "name": "r"}),
}
MEMBERS = [
    *("name", "title", "description", "icons", "_meta", "inputSchema", "outputSchema", "annotations", "execution"),
    *("arguments", "mimeType", "size", "x-vendor"),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "required", "src", "name", "readOnlyHint", "audience", "priority"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def mended(definition, offer=TOOLS, **how):
    found = readable(json.dumps(definition).encode(), offer, **how)
    return None if found is None else json.loads(found)


def test_what_is_right_stays_the_bytes_it_was():
    raw = (
        b'{"x-vendor":1.50, "name":"t", "inputSchema":{"type":"object","properties":{"a":{}},"$defs":{"b":true}},'
        b'"outputSchema":{"type":"object"},"annotations":{"readOnlyHint":true,"x":1e2},"_meta":{"k":null},'
        b'"icons":[{"src":"data:,","sizes":["any"]}],"execution":{"taskSupport":"optional"},"title":"T"}'
    )

    assert readable(raw, TOOLS) is raw


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {"inputSchema": OBJECT}),
        ({"inputSchema": None}, {"inputSchema": OBJECT}),
        ({"inputSchema": {}}, {"inputSchema": OBJECT}),
        ({"inputSchema": {"type": ["object", "null"]}}, {"inputSchema": OBJECT}),
        (
            {"inputSchema": {"type": "object", "properties": {"a": True, "b": False, "c": {}}, "required": None}},
            {"inputSchema": {"type": "object", "properties": {"a": {}, "b": {"not": {}}, "c": {}}}},
        ),
        ({"inputSchema": OBJECT, "description": None, "title": 5, "_meta": []}, {"inputSchema": OBJECT}),
        ({"inputSchema": OBJECT, "outputSchema": {"type": "array"}}, {"inputSchema": OBJECT}),
        (
            {"inputSchema": OBJECT, "annotations": {"readOnlyHint": "yes", "title": "T"}, "icons": [{}, {"src": "s"}]},
            {"inputSchema": OBJECT, "annotations": {"title": "T"}, "icons": [{"src": "s"}]},
        ),
    ],
)
def test_what_is_beside_the_point_goes_and_what_is_missing_comes(given, kept):
    assert mended({"name": "t", **given}) == {"name": "t", **kept}


@pytest.mark.parametrize("kind", ["array", "banana", ["string"], 5])
def test_a_tool_whose_arguments_are_no_object_is_none(kind):
    assert mended({"name": "t", "inputSchema": {"type": kind}}) is None


def test_in_the_newest_revision_what_comes_out_may_be_anything():
    tool = {"name": "t", "inputSchema": OBJECT, "outputSchema": {"type": "array"}}

    assert mended(tool, newest=True) == tool


@pytest.mark.parametrize(
    ("ref", "stays"),
    [
        ("#", True),
        ("#/$defs/a~1b", True),
        ("#/$defs/a%7E1b", True),
        ("#/allOf/0", True),
        ("#here", True),
        ("http://x/s#/anything", True),
        ("#/$defs/nothing", False),
        ("#/allOf/1", False),
        ("#there", False),
        ("http://y/s", False),
        ("other.json#/a", False),
    ],
)
def test_a_schema_of_results_that_refers_to_nothing_is_left_out(ref, stays):
    output = {
        **OBJECT,
        "$id": "http://x/s",
        "$defs": {"a/b": {"$anchor": "here"}},
        "allOf": [{}],
        "properties": {"a": {"$ref": ref}, "$ref": {}},
    }
    tool = {"name": "t", "inputSchema": {**OBJECT, "properties": {"a": {"$ref": "#/nowhere"}}}, "outputSchema": output}

    assert ("outputSchema" in mended(tool)) is stays
    assert mended(tool)["inputSchema"] == tool["inputSchema"]


def test_prompts_and_resources_are_mended_too():
    prompt = {"name": "p", "arguments": [{"name": "a", "required": "yes"}, {}, 5]}
    assert mended(prompt, PROMPTS) == {"name": "p", "arguments": [{"name": "a"}]}

    resource = {"uri": "x://a", "annotations": {"priority": 3, "audience": ["user"], "lastModified": "yesterday"}}
    assert mended(resource, RESOURCES) == {"uri": "x://a", "name": "x://a", "annotations": {"audience": ["user"]}}
    assert mended({"uriTemplate": "x://{a}", "name": None}, TEMPLATES) == {"uriTemplate": "x://{a}", "name": "x://{a}"}


@given(st.sampled_from(list(MODELS)), st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=4))
def test_whatever_a_server_says_is_readable_or_left_out(offer, said):
    model, least = MODELS[offer]
    naming = {offer.naming: least[offer.naming]}

    found = mended({**said, **naming}, offer)

    if found is not None:
        model.model_validate(found, by_name=False)
        assert mended(found, offer) == found
