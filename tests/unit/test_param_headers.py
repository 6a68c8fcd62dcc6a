"""Arguments that are repeated in headers; the official SDK's own check is the judge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared import inbound

from mcphub.gateway.param_headers import disagreement, repetitions

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "deep": {"type": "object", "properties": {"dry": {"type": "boolean", "x-mcp-header": "Dry-Run"}}},
        "plain": {"type": "string"},
    },
}

values = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-3, 3), st.sampled_from(["eu", "größe", ""]))
sent = st.none() | st.sampled_from(
    ["eu", "1", "1.0", "1.5", "-2", "true", "=?base64?Z3LDtsOfZQ==?=", "=?base64?%?=", ""]
)


def agrees_for_the_sdk(schema, arguments, headers):
    return inbound.validate_mcp_param_headers(schema, arguments, headers) is None


@given(region=values, count=values, dry=values, headers=st.tuples(sent, sent, sent))
def test_what_agrees_is_what_agrees_for_the_sdk(region, count, dry, headers):
    arguments = {"region": region, "count": count, "deep": {"dry": dry}, "plain": "x"}
    names = ("mcp-param-region", "mcp-param-count", "mcp-param-dry-run")
    found = {name: value for name, value in zip(names, headers, strict=True) if value is not None}

    assert (disagreement(SCHEMA, arguments, found) == "") == agrees_for_the_sdk(SCHEMA, arguments, found)


@given(region=values, count=values, dry=values)
def test_what_is_repeated_in_the_place_of_a_client_is_what_the_sdks_client_repeats(region, count, dry):
    arguments = {"region": region, "count": count, "deep": {"dry": dry}, "plain": "x"}
    of_the_sdk = inbound.mcp_param_headers(inbound.x_mcp_header_map(SCHEMA), arguments)

    repeated = repetitions(SCHEMA, arguments)

    assert repeated == {name.lower(): value for name, value in of_the_sdk.items()}
    assert agrees_for_the_sdk(SCHEMA, arguments, repeated)
    assert disagreement(SCHEMA, arguments, repeated) == ""


@pytest.mark.parametrize(
    "marks",
    [
        {"a": {"type": "number", "x-mcp-header": "A"}},
        {"a": {"type": "string", "x-mcp-header": "no token"}},
        {"a": {"type": "string", "x-mcp-header": 7}},
        {"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}},
        {"a": {"x-mcp-header": "A"}},
    ],
)
def test_a_schema_that_marks_what_may_not_be_marked_asks_for_nothing(marks):
    schema = {"type": "object", "properties": marks}

    assert disagreement(schema, {"a": "x"}, {}) == ""
    assert repetitions(schema, {"a": "x"}) == {}
    assert agrees_for_the_sdk(schema, {"a": "x"}, {})


@pytest.mark.parametrize("arguments", [None, [], "x", {"deep": 7}])
def test_arguments_of_any_shape_are_looked_at(arguments):
    assert "Region is another one" in disagreement(SCHEMA, arguments, {"mcp-param-region": "eu"})
    assert repetitions(SCHEMA, arguments) == {}
