"""What each 2026-07-28 request says of itself; the official SDK's own ladder is the judge."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared import inbound

from mcphub.gateway import wire
from mcphub.gateway.envelope import (
    SERVER_INFO,
    Rejected,
    decoded,
    encoded,
    notification_without_reserved,
    open_envelope,
    repeated,
    with_reserved,
    without_reserved,
)

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
INFO = "io.modelcontextprotocol/clientInfo"
LEVEL = "io.modelcontextprotocol/logLevel"
META = {VERSION: "2026-07-28", CAPABILITIES: {"elicitation": {"url": {}}}, INFO: {"name": "ide"}, LEVEL: "info"}


def message(method="tools/call", params=None):
    return wire.read(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())


def headers(method="tools/call", name=None, version="2026-07-28"):
    found = {"mcp-protocol-version": version, "mcp-method": method}
    return found if name is None else {**found, "mcp-name": name}


def test_a_request_is_taken_apart_and_what_was_for_the_hub_is_taken_off():
    params = {"name": "echo", "arguments": {"n": 1.0}, "_meta": {**META, "progressToken": 7}}

    envelope = open_envelope(message(params=params), headers(name="echo"))

    assert json.loads(envelope.params) == {"name": "echo", "arguments": {"n": 1.0}, "_meta": {"progressToken": 7}}
    assert envelope.log_level == "info"
    assert envelope.opens_urls
    assert json.loads(envelope.as_initialize) == {
        "protocolVersion": "2025-11-25",
        "capabilities": {"elicitation": {"url": {}}},
        "clientInfo": {"name": "ide"},
    }
    assert json.loads(envelope.stamped(b'{"name":"far"}')) == {"name": "far", "_meta": META}


def verdict_of_the_sdk(method, params, sent):
    found = inbound.classify_inbound_request({"method": method, "params": params}, headers=sent)
    return found.code if isinstance(found, inbound.InboundLadderRejection) else 0


def verdict_of_ours(method, params, sent):
    try:
        open_envelope(message(method, params), sent)
    except Rejected as rejected:
        return rejected.code
    return 0


names = st.sampled_from(["echo", "", "größe", " edge", "=?base64?ZWNobw==?=", "=?base64?%%%?="])
versions = st.sampled_from(["2026-07-28", "2025-11-25", "2031-01-01", ""])
methods = st.sampled_from(["tools/call", "tools/list", "resources/read", "server/discover"])


@given(
    method=methods,
    named=methods,
    header_version=versions,
    version=versions | st.none(),
    capabilities=st.sampled_from([{}, {"roots": {}}]) | st.none(),
    name=names | st.none(),
    header_name=names | st.none(),
    spell=st.booleans(),
)
def test_what_is_refused_and_how_is_what_the_sdk_refuses(
    method, named, header_version, version, capabilities, name, header_name, spell
):
    meta = {key: value for key, value in ((VERSION, version), (CAPABILITIES, capabilities)) if value is not None}
    params = {"_meta": meta} if name is None else {"_meta": meta, "name": name, "uri": name}
    if header_name is not None and spell:
        header_name = inbound.encode_header_value(header_name)
    sent = headers(named, header_name, header_version)

    assert verdict_of_ours(method, params, sent) == verdict_of_the_sdk(method, params, sent)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_a_value_survives_its_way_through_a_header(text):
    assert encoded(text) == inbound.encode_header_value(text)
    assert decoded(encoded(text)) == text


@pytest.mark.parametrize("params", [None, {}, {"_meta": None}, {"_meta": 7}, {"_meta": []}])
def test_a_request_without_an_envelope_is_told_what_it_lacks(params):
    with pytest.raises(Rejected, match="protocolVersion"):
        open_envelope(message(params=params), headers())


def test_a_revision_nobody_speaks_here_is_answered_with_those_that_are():
    params = {"_meta": {**META, VERSION: "2031-01-01"}}

    with pytest.raises(Rejected) as refused:
        open_envelope(message("tools/list", params), headers("tools/list", version="2031-01-01"))

    assert refused.value.data["requested"] == "2031-01-01"
    assert refused.value.data["supported"][:2] == ["2026-07-28", "2025-11-25"]


def test_a_routing_header_may_stand_once():
    assert repeated([(b"mcp-method", b"a"), (b"accept", b"x"), (b"accept", b"y")]) == ""
    assert repeated([(b"Mcp-Method", b"a"), (b"mcp-method", b"a")]) == "mcp-method"


@pytest.mark.parametrize(
    "spelt",
    [
        '{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"another"}}}',
        '{"_meta":{"io\\u002emodelcontextprotocol/serverInfo":{"name":"another"}}}',
        '{"\\u005fmeta":{"io.modelcontextprotocol\\/serverInfo":{"name":"another"}}}',
    ],
)
def test_a_reserved_key_is_found_however_it_is_spelt(spelt):
    assert without_reserved(spelt.encode()) == b"{}"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"content":[{"text":"a\\nb"}], "_meta": {"vendor/x": 1.50}}',
        b'{"_meta" : {"io.modelcontextprotocol/related-task": {"taskId":"1"}} }',
        b'{"text":"io.modelcontextprotocol/serverInfo"}',
        b'{"_meta":7,"text":"io.modelcontextprotocol/"}',
        b'{"_meta":null,"text":"io.modelcontextprotocol/"}',
        b'["io.modelcontextprotocol/"]',
    ],
)
def test_what_has_nothing_reserved_in_it_stays_the_very_same_bytes(raw):
    assert without_reserved(raw) is raw


def test_a_notification_loses_what_is_reserved_and_nothing_else():
    frame = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0,"_meta":{"%b":1,"x":2}}}'
    clean = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0,"_meta":{"x":2}}}'

    assert notification_without_reserved(frame.replace(b"%b", SERVER_INFO.encode())) == clean
    assert notification_without_reserved(clean) is clean


def test_what_is_not_reserved_keeps_its_bytes():
    raw = b'{"content":[],"_meta":{"vendor/x":1.50,"io.modelcontextprotocol/related-task":{"taskId":"1"}},"x":2e3}'

    kept = with_reserved(raw, {"io.modelcontextprotocol/serverInfo": b'{"name":"mcphub"}'})

    assert kept == (
        b'{"content":[],"_meta":{"vendor/x":1.50,"io.modelcontextprotocol/related-task":{"taskId":"1"},'
        b'"io.modelcontextprotocol/serverInfo":{"name":"mcphub"}},"x":2e3}'
    )
