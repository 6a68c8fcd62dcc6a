import json

import jsonschema_rs
import pytest

from mcphub.domain.settings_file import parse
from mcphub.domain.settings_schema import settings_schema
from tests.support.settings import example

SCHEMA = jsonschema_rs.validator_for(settings_schema())


def places(document):
    return ["/" + "/".join(map(str, error.instance_path)) for error in SCHEMA.iter_errors(document)]


def test_the_schema_is_a_schema_and_plain_json():
    assert json.loads(json.dumps(settings_schema())) == settings_schema()
    jsonschema_rs.meta.validate(settings_schema())


@pytest.mark.parametrize("name", ["transports", "openapi"])
def test_documents_of_the_contract_are_valid(name):
    assert places(parse(example(name))) == []


def test_unknown_fields_are_valid():
    server = {"url": "https://h/", "x-team": 1, "mcphub": {"x": 1}}

    assert places({"mcpServers": {"a": server}, "systemConfig": {"later": 1}, "later": []}) == []


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "/"),
        ({"mcpServers": {"a": {"type": "carrier-pigeon"}}}, "/mcpServers/a/type"),
        ({"mcpServers": {"a": {"args": "x"}}}, "/mcpServers/a/args"),
        ({"mcpServers": {"a": {"env": {"X": 1}}}}, "/mcpServers/a/env/X"),
        ({"mcpServers": {"a": {"tools": {"t": {"enabled": "no"}}}}}, "/mcpServers/a/tools/t/enabled"),
        ({"mcpServers": {"a": {"mcphub": {"isolation": "x"}}}}, "/mcpServers/a/mcphub/isolation"),
        (
            {"mcpServers": {"a": {"mcphub": {"slots": {"X": {"sortOrder": "1"}}}}}},
            "/mcpServers/a/mcphub/slots/X/sortOrder",
        ),
        ({"mcpServers": {"a/b": {}}}, "/mcpServers"),
        ({"mcpServers": {}, "systemConfig": {"routing": {"skipAuth": True}}}, "/systemConfig/routing/skipAuth"),
    ],
)
def test_an_editor_marks_what_the_hub_would_refuse(document, place):
    assert places(document) == [place]
