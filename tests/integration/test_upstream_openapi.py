"""A REST service described by OpenAPI, as a server of the hub."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from mcphub.domain.server_spec import ServerSpec
from mcphub.gateway.upstream import openapi_documents, openapi_security
from mcphub.gateway.upstream.openapi import OpenApiRuntime
from mcphub.gateway.upstream.openapi_documents import Documents
from mcphub.gateway.upstream.runtime import (
    Identity,
    Reply,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from mcphub.gateway.upstream.transport import Transports
from tests.support.raw_api import LIST, Api, answering, api, document
from tests.support.raw_upstreams import Asker, identity, injecting, spec
from tests.support.waiting import until

CANARY = "canary-of-ann-0001"
KEY = {"type": "apiKey", "apiKey": {"name": "X-Key", "in": "header", "value": "${USER_KEY}"}}
TOKENS = {"tokenUrl": "{here}/token", "clientId": "hub", "clientSecret": "${USER_KEY}", "scopes": ["read", "write"]}


@pytest.fixture
async def service() -> AsyncIterator[Api]:
    async with api() as made:
        yield made


class World:
    """Opens the service for users."""

    def __init__(self, service: Api) -> None:
        self.service = service
        self.transports = Transports()
        self.documents = Documents(self.transports, "mcphub/1")

    def spec(
        self, security: dict[str, Any] | None = None, openapi: dict[str, Any] | None = None, **more: Any
    ) -> ServerSpec:
        part: dict[str, Any] = openapi or {"url": self.service.described_at}
        if security is not None:
            part = {**part, "security": json.loads(json.dumps(security).replace("{here}", self.service.url))}
        return spec("things", type="openapi", openapi=part, **more)

    async def open(
        self, of: ServerSpec | None = None, who: Identity | None = None, *, proves: bool = False, **values: str
    ) -> OpenApiRuntime:
        made, whom = of or self.spec(), who or identity()
        runtime = OpenApiRuntime(
            made,
            whom,
            injecting(made, **{"KEY": CANARY, **values})(),
            self.transports,
            self.documents,
            user_id=whom.user_id,
            hub_version="1",
            proves=proves,
        )
        await runtime.open()
        return runtime


@pytest.fixture
async def world(service: Api) -> AsyncIterator[World]:
    made = World(service)
    yield made
    await made.transports.close()


async def ask(
    runtime: OpenApiRuntime, method: str, params: Any = None, caller: Asker | None = None, **more: Any
) -> Reply:
    raw = params if isinstance(params, bytes) else json.dumps(params or {}).encode()
    times: dict[str, Any] = {"timeout": 5.0, "reset_on_progress": True, "max_total": 30.0, **more}
    return await runtime.call(method, raw, caller or Asker(), **times)


async def call(runtime: OpenApiRuntime, tool: str, caller: Asker | None = None, /, **arguments: Any) -> dict[str, Any]:
    reply = await ask(runtime, "tools/call", {"name": tool, "arguments": arguments}, caller)
    assert reply.result is not None, reply.error
    result: dict[str, Any] = json.loads(reply.result)
    return result


def text(result: dict[str, Any]) -> str:
    return str(result["content"][0]["text"])


# the document


async def test_operations_are_tools_and_a_call_is_a_request(world: World, service: Api) -> None:
    runtime = await world.open()

    [tool] = json.loads((await ask(runtime, "tools/list")).result or b"")["tools"]
    result = await call(runtime, "list_things")

    assert (tool["name"], tool["description"], tool["annotations"]) == (
        "list_things",
        "All things",
        {"readOnlyHint": True},
    )
    assert [(came.method, came.target) for came in service.calls()] == [("GET", "/things")]
    assert result["structuredContent"]["target"] == "/things"
    began = json.loads(runtime.initialize_result)
    assert began["serverInfo"] == {"name": "things", "version": "7"}
    assert began["capabilities"] == {"tools": {}}


async def test_a_document_in_yaml_is_read_and_its_servers_address_is_relative_to_it(world: World, service: Api) -> None:
    service.document = """
openapi: 3.0.3
info: {title: yes, version: 2026-01-02}
servers:
  - url: /v1/{stage}
    variables: {stage: {default: live}}
paths:
  /on:
    get:
      operationId: "on"
      responses:
        200: {description: ok}
"""

    await call(await world.open(), "on")

    assert service.calls()[0].target == "/v1/live/on"


async def test_an_inline_document_is_used_as_it_stands(world: World, service: Api) -> None:
    inline = document(LIST, servers=[{"url": service.url}])

    await call(await world.open(world.spec(openapi={"schema": inline})), "list_things")

    assert service.reads() == []
    assert len(service.calls()) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<html></html>", "neither JSON nor YAML|no OpenAPI document"),
        ("[1", "neither JSON nor YAML"),
        ('{"swagger":"2.0"}', "Swagger 2.0; this hub reads OpenAPI 3.0 and 3.1"),
        ('{"openapi":"4.0.0"}', "OpenAPI 4.0.0; this hub reads"),
        ('{"openapi":"3.1.0","paths":{}}', "describes no operation"),
        ("&a [*a, *a]", "no OpenAPI document|neither"),
    ],
)
async def test_a_document_that_cannot_be_used_says_why(world: World, service: Api, text: str, why: str) -> None:
    service.document = text

    with pytest.raises(UpstreamBroken, match=why):
        await world.open()


async def test_a_document_that_cannot_be_had_says_why(world: World, service: Api) -> None:
    service.document_status = 404
    with pytest.raises(UpstreamBroken, match="its OpenAPI document answers HTTP 404"):
        await world.open()

    service.document_status = 503
    with pytest.raises(UpstreamUnreachable, match="its OpenAPI document answers HTTP 503") as caught:
        await world.open()
    assert not caught.value.sent


async def test_a_document_is_read_once_for_all_and_without_anybodys_values(world: World, service: Api) -> None:
    of = world.spec(KEY, headers={"X-Team": "${USER_KEY}"})

    runtimes = await asyncio.gather(*(world.open(of, identity(f"user-{n}"), KEY=f"key-{n}") for n in range(5)))

    assert len(service.reads()) == 1
    assert not {"x-key", "x-team", "x-mcphub-user-id"} & set(service.reads()[0].headers)
    assert [json.loads((await ask(one, "tools/list")).result or b"")["tools"][0]["name"] for one in runtimes] == [
        "list_things"
    ] * 5


async def test_users_whose_values_stand_in_the_documents_address_have_one_each(world: World, service: Api) -> None:
    of = world.spec(openapi={"url": f"{service.described_at}?tenant=${{USER_TENANT}}"})

    for tenant in ("a&b", "c", "a&b"):
        await world.open(of, TENANT=tenant)

    assert [came.target for came in service.reads()] == ["/openapi.json?tenant=a%26b", "/openapi.json?tenant=c"]


async def test_a_document_is_read_again_when_the_server_is_reloaded_and_the_last_good_one_stays(
    world: World, service: Api
) -> None:
    of = world.spec()
    runtime = await world.open(of)
    service.document = document(LIST, ("delete", "/things", {"operationId": "drop"}))

    world.documents.stale(of.server_id)
    now = json.loads((await ask(runtime, "tools/list")).result or b"")["tools"]
    service.document_status = 500
    world.documents.stale(of.server_id)
    still = json.loads((await ask(runtime, "tools/list")).result or b"")["tools"]

    assert [tool["name"] for tool in now] == [tool["name"] for tool in still] == ["list_things", "drop"]
    assert len(service.reads()) == 3


async def test_a_document_is_read_again_after_a_while(
    world: World, service: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openapi_documents, "FRESH_SECONDS", 0.0)
    runtime = await world.open()

    await ask(runtime, "tools/list")

    await until(lambda: len(service.reads()) > 1, within=3, what="the document is read again")


async def test_nobody_waits_for_a_document_that_is_only_old(
    world: World, service: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openapi_documents, "FRESH_SECONDS", 0.0)
    runtime = await world.open()
    asked = asyncio.Event()

    async def never(request: web.Request, body: bytes) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    service.reading = never

    await call(runtime, "list_things")

    await asyncio.wait_for(asked.wait(), 3)
    await world.documents.close()


async def test_a_document_that_never_ends_is_given_up(
    world: World, service: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openapi_documents, "FETCH_SECONDS", 0.1)

    async def never(request: web.Request, body: bytes) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    service.on["GET /slow"] = never

    with pytest.raises(UpstreamUnreachable, match="did not come within"):
        await world.open(world.spec(openapi={"url": f"{service.url}/slow"}))


async def test_a_document_that_is_too_large_is_not_read_to_its_end(
    world: World, service: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openapi_documents, "MOST_DOCUMENT", 1000)
    service.document = " " * 2000

    with pytest.raises(UpstreamBroken, match="larger than 1000 bytes"):
        await world.open()


async def test_a_document_from_elsewhere_cannot_lead_to_this_machine(world: World, service: Api) -> None:
    transport = world.transports.named_by("https://docs.example.com/openapi.json", world.spec())

    with pytest.raises(UpstreamUnreachable, match="not an address this hub may dial"):
        await transport.send("GET", URL(service.url), CIMultiDict(), None)
    assert service.seen == []


async def test_a_servers_address_in_a_forbidden_network_is_not_dialled(world: World, service: Api) -> None:
    service.document = document(LIST, servers=[{"url": "http://169.254.169.254/latest"}])

    with pytest.raises(UpstreamUnreachable, match="not an address this hub may dial"):
        await call(await world.open(), "list_things")


# requests


async def test_arguments_go_where_the_document_says(world: World, service: Api) -> None:
    service.document = document(
        (
            "put",
            "/shops/{shop}/things/{id}",
            {
                "operationId": "change",
                "parameters": [
                    {"name": "shop", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    {"name": "seen", "in": "cookie", "schema": {"type": "boolean"}},
                ],
                "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
            },
        )
    )
    runtime = await world.open()

    raw = b'{"name":"change","arguments":{"shop":"a/b ..","id":12345678901234567890,"tags":["x","y z"],"X-Trace":"t",'
    raw += b'"seen":true,"body":{"n":1.50,"big":123456789012345678901234567890,"n":2}}}'
    await ask(runtime, "tools/call", raw)

    [came] = service.calls()
    assert came.target == "/shops/a%2Fb%20../things/12345678901234567890?tags=x&tags=y%20z"
    assert (came.headers["x-trace"], came.headers["cookie"]) == ("t", "seen=true")
    assert came.headers["content-type"] == "application/json"
    assert came.body == b'{"n":1.50,"big":123456789012345678901234567890,"n":2}'


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "id is missing"),
        ({"id": ".."}, "cannot lead elsewhere"),
        ({"id": ""}, "id is empty"),
        ({"id": "1", "ID": "2"}, "there is no ID; it takes id"),
    ],
)
async def test_arguments_that_do_not_fit_are_said_and_nothing_is_sent(
    world: World, service: Api, arguments: dict[str, Any], why: str
) -> None:
    service.document = document(("delete", "/things/{id}", {"operationId": "drop"}))

    result = await call(await world.open(), "drop", **arguments)

    assert result["isError"]
    assert why in text(result)
    assert service.calls() == []


async def test_an_unknown_tool_and_other_methods_are_refused(world: World) -> None:
    runtime = await world.open()

    unknown = await ask(runtime, "tools/call", {"name": "nothing"})
    prompts = await ask(runtime, "prompts/list")

    assert json.loads(unknown.error or b"")["code"] == -32602
    assert json.loads(prompts.error or b"")["code"] == -32601
    assert (await ask(runtime, "ping")).result == b"{}"


# whose values


SECURITIES = [
    (KEY, "/things", {"x-key": CANARY}),
    (
        {"type": "apiKey", "apiKey": {"name": "k y", "in": "query", "value": "a&${USER_KEY}"}},
        f"/things?k%20y=a%26{CANARY}",
        {},
    ),
    (
        {"type": "apiKey", "apiKey": {"name": "sid", "in": "cookie", "value": "${USER_KEY}"}},
        "/things",
        {"cookie": f"sid={CANARY}"},
    ),
    (
        {"type": "http", "http": {"scheme": "basic", "credentials": "${USER_KEY}"}},
        "/things",
        {"authorization": f"Basic {CANARY}"},
    ),
    (
        {"type": "http", "http": {"scheme": "bearer", "credentials": "${USER_KEY}"}},
        "/things",
        {"authorization": f"Bearer {CANARY}"},
    ),
    ({"type": "oauth2", "oauth2": {"token": "${USER_KEY}"}}, "/things", {"authorization": f"Bearer {CANARY}"}),
    (
        {"type": "openIdConnect", "openIdConnect": {"token": "${USER_KEY}"}},
        "/things",
        {"authorization": f"Bearer {CANARY}"},
    ),
    ({"type": "none"}, "/things", {}),
]


@pytest.mark.parametrize(("security", "target", "shown"), SECURITIES)
async def test_each_scheme_shows_the_users_value_in_its_place_and_nowhere_else(
    world: World, service: Api, security: dict[str, Any], target: str, shown: dict[str, str]
) -> None:
    await call(await world.open(world.spec(security)), "list_things")

    [came] = service.calls()
    assert came.target == target
    assert {name: value for name, value in came.headers.items() if CANARY in value} == shown
    assert ("authorization" in came.headers) == ("authorization" in shown)


@pytest.mark.parametrize(
    "security",
    [
        {"type": "apiKey", "apiKey": {"name": "X-Key", "in": "header", "value": "${USER_OPT}"}},
        {"type": "apiKey", "apiKey": {"name": "k", "in": "query", "value": "${USER_OPT}"}},
        {"type": "http", "http": {"scheme": "bearer", "credentials": "${USER_OPT}"}},
        {"type": "oauth2", "oauth2": {"token": "${USER_OPT}"}},
        {"type": "oauth2", "oauth2": {**TOKENS, "clientSecret": "${USER_OPT}"}},
    ],
)
async def test_an_optional_value_that_is_not_set_leaves_its_place_out_whole(
    world: World, service: Api, security: dict[str, Any]
) -> None:
    of = world.spec(security, mcphub={"slots": {"OPT": {"required": False}}})

    await call(await world.open(of), "list_things")

    [came] = service.calls()
    assert came.target == "/things"
    assert not {"x-key", "authorization"} & set(came.headers)


async def test_a_parameter_the_hub_fills_in_is_nobodys_to_give(world: World, service: Api) -> None:
    parameters = [{"name": "x-key", "in": "header", "required": True, "schema": {"type": "string"}}]
    service.document = document(("get", "/things", {"operationId": "list_things", "parameters": parameters}))
    runtime = await world.open(world.spec(KEY))

    [tool] = json.loads((await ask(runtime, "tools/list")).result or b"")["tools"]
    await call(runtime, "list_things")
    refused = await call(runtime, "list_things", **{"x-key": "mine"})

    assert tool["inputSchema"]["properties"] == {}
    assert [came.headers["x-key"] for came in service.calls()] == [CANARY]
    assert refused["isError"]


async def test_arguments_cannot_take_the_place_of_what_the_hub_says(world: World, service: Api) -> None:
    names = ("Authorization", "X-MCPHub-User-Id", "Host", "X-Team")
    parameters = [{"name": name, "in": "header", "schema": {"type": "string"}} for name in names]
    service.document = document(("get", "/things", {"operationId": "list_things", "parameters": parameters}))
    runtime = await world.open(world.spec(KEY, headers={"X-Team": "fixed"}))

    [tool] = json.loads((await ask(runtime, "tools/list")).result or b"")["tools"]
    await call(runtime, "list_things", **{"X-Team": "other"})

    assert list(tool["inputSchema"]["properties"]) == ["X-Team"]
    assert service.calls()[0].headers["x-team"] == "fixed"


IDENTITY = {
    *("x-mcphub-user-id", "x-mcphub-user-session-id", "x-mcphub-session-id", "x-mcphub-request-id"),
    *("x-mcphub-timestamp", "x-mcphub-source-server", "x-mcphub-protocol-version", "x-mcphub-user-groups"),
}
ALWAYS = {"host", "user-agent", "accept", "accept-encoding", "x-key"}


@pytest.mark.parametrize(
    ("mode", "names"),
    [("identity", ALWAYS | IDENTITY), ("tokens", ALWAYS | IDENTITY | {"x-mcphub-key-token"}), ("none", ALWAYS)],
)
async def test_the_headers_of_a_call_are_exactly_these(world: World, service: Api, mode: str, names: set[str]) -> None:
    asker = Asker("req-9")
    asker.headers = {"accept-language": "ko", "authorization": "Bearer hub-key", "cookie": "a=b", "x-other": "1"}
    named = {"type": "apiKey", "apiKey": {"name": "X-Key", "in": "header", "value": "${USER_KEY_TOKEN}"}}
    part = {"url": service.described_at, "passthroughHeaders": ["Accept-Language"]}
    of = world.spec(named, part, mcphub={"contextHeaders": mode})

    await call(await world.open(of, KEY_TOKEN=CANARY), "list_things", asker)

    [came] = service.calls()
    assert set(came.headers) == names | {"accept-language"}
    assert came.headers["accept-language"] == "ko"
    if mode != "none":
        assert came.headers["x-mcphub-request-id"] == "req-9"


async def test_many_users_at_once_are_each_themselves(world: World, service: Api) -> None:
    of = world.spec(KEY)
    runtimes = [await world.open(of, identity(f"user-{n}"), KEY=f"key-of-{n}") for n in range(10)]

    async def many(n: int) -> None:
        for _ in range(5):
            await call(runtimes[n], "list_things")

    await asyncio.gather(*(many(n) for n in range(10)))

    seen = [(came.headers["x-mcphub-user-id"], came.headers["x-key"]) for came in service.calls()]
    assert sorted(seen) == sorted((f"user-{n}", f"key-of-{n}") for n in range(10) for _ in range(5))


# tokens the hub gets


def granting(service: Api, *tokens: str, form_only: bool = False, **more: Any) -> list[dict[str, list[str]]]:
    """Lets the service give these tokens, the last one again and again; what it was asked with."""
    asked: list[dict[str, list[str]]] = []

    async def grant(request: web.Request, body: bytes) -> web.StreamResponse:
        form = parse_qs(body.decode())
        if form_only and "client_secret" not in form:
            return web.json_response({"error": "invalid_client"}, status=401)
        asked.append(form | {"authorization": [request.headers.get("Authorization", "")]})
        token = tokens[min(len(asked), len(tokens)) - 1]
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 3600, **more})

    service.on["POST /token"] = grant
    return asked


async def test_a_token_is_got_once_with_the_users_secret_and_used_while_it_is_good(world: World, service: Api) -> None:
    asked = granting(service, "token-1")
    runtime = await world.open(world.spec({"type": "oauth2", "oauth2": TOKENS}))

    await asyncio.gather(*(call(runtime, "list_things") for _ in range(4)))

    basic = base64.b64encode(f"hub:{CANARY}".encode()).decode()
    [form] = asked
    assert form == {"grant_type": ["client_credentials"], "scope": ["read write"], "authorization": [f"Basic {basic}"]}
    calls = [came for came in service.calls() if came.target == "/things"]
    assert [came.headers["authorization"] for came in calls] == ["Bearer token-1"] * 4


async def test_a_server_that_takes_the_secret_in_the_form_only_gets_it_there(world: World, service: Api) -> None:
    asked = granting(service, "token-1", form_only=True)

    await call(await world.open(world.spec({"type": "oauth2", "oauth2": TOKENS})), "list_things")

    assert (asked[0]["client_id"], asked[0]["client_secret"]) == (["hub"], [CANARY])


async def test_a_token_that_has_run_out_is_replaced(
    world: World, service: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    granting(service, "token-1", "token-2", expires_in=100)
    now = time.monotonic()
    monkeypatch.setattr(openapi_security.time, "monotonic", lambda: now)
    runtime = await world.open(world.spec({"type": "oauth2", "oauth2": TOKENS}))

    await call(runtime, "list_things")
    now += 71
    await call(runtime, "list_things")

    assert [c.headers["authorization"] for c in service.calls() if c.target == "/things"] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


async def test_a_token_the_service_refuses_is_not_used_again_and_the_call_is_not_repeated(
    world: World, service: Api
) -> None:
    granting(service, "token-1", "token-2")
    service.on["GET /things"] = answering('{"why":"token-1 is no good"}', status=401)
    runtime = await world.open(world.spec({"type": "oauth2", "oauth2": TOKENS}))

    result = await call(runtime, "list_things")
    del service.on["GET /things"]
    await call(runtime, "list_things")

    assert result["isError"]
    assert "token-1" not in text(result)
    assert [c.headers["authorization"] for c in service.calls() if c.target == "/things"] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            answering(f'{{"error":"invalid_scope","error_description":"{CANARY}"}}', status=403),
            r"HTTP 403 \(invalid_scope\)",
        ),
        (answering("{}"), "no bearer token"),
        (answering('{"access_token":"a","token_type":"mac"}'), "no bearer token"),
        (answering('{"access_token":"a\\nb"}'), "no bearer token"),
        (answering("busy", status=503), "HTTP 503"),
    ],
)
async def test_a_token_that_cannot_be_had_stops_the_call_before_it_is_made(
    world: World, service: Api, answer: Any, why: str
) -> None:
    service.on["POST /token"] = answer
    runtime = await world.open(world.spec({"type": "oauth2", "oauth2": TOKENS}))

    with pytest.raises(UpstreamFailed, match=why) as caught:
        await call(runtime, "list_things")

    assert CANARY not in str(caught.value)
    assert [came for came in service.calls() if came.target == "/things"] == []


async def test_a_token_of_an_openid_provider_comes_from_the_endpoint_it_names(world: World, service: Api) -> None:
    granting(service, "token-1")
    service.on["GET /.well-known/openid-configuration"] = answering(
        json.dumps({"token_endpoint": f"{service.url}/token"})
    )
    part = {"url": "{here}/.well-known/openid-configuration", "clientId": "hub", "clientSecret": "${USER_KEY}"}

    await call(await world.open(world.spec({"type": "openIdConnect", "openIdConnect": part})), "list_things")

    assert service.calls()[-1].headers["authorization"] == "Bearer token-1"


async def test_a_trial_gets_the_token_when_it_opens(world: World, service: Api) -> None:
    service.on["POST /token"] = answering('{"error":"invalid_client"}', status=401)

    with pytest.raises(UpstreamBroken, match="invalid_client"):
        await world.open(world.spec({"type": "oauth2", "oauth2": TOKENS}), proves=True)


# answers


async def test_a_json_object_is_structured_and_text_byte_for_byte(world: World, service: Api) -> None:
    odd = '{"z":1.50e1,"big":12345678901234567890123,"z":2,\n "한":"글"}'
    service.on["GET /things"] = answering(odd)

    reply = await ask(await world.open(), "tools/call", {"name": "list_things"})

    assert b'"structuredContent":' + odd.replace("\n", " ").encode() in (reply.result or b"")
    assert json.loads(reply.result or b"")["content"] == [{"type": "text", "text": odd}]


@pytest.mark.parametrize(
    ("body", "media", "block"),
    [
        (b"[1,2]", "application/json", {"type": "text", "text": "[1,2]"}),
        (b"{broken", "application/json", {"type": "text", "text": "{broken"}),
        ("grün".encode("latin-1"), "text/plain; charset=latin-1", {"type": "text", "text": "grün"}),
        (b"<a/>", "application/xml", {"type": "text", "text": "<a/>"}),
        (b"\x89PNG", "image/png", {"type": "image", "data": "iVBORw==", "mimeType": "image/png"}),
        (
            b"\0\1",
            "application/pdf",
            {
                "type": "resource",
                "resource": {"uri": "openapi://things/list_things", "mimeType": "application/pdf", "blob": "AAE="},
            },
        ),
        (
            b"\0\xff",
            "",
            {
                "type": "resource",
                "resource": {
                    "uri": "openapi://things/list_things",
                    "mimeType": "application/octet-stream",
                    "blob": "AP8=",
                },
            },
        ),
        (b"", "", {"type": "text", "text": "HTTP 204 No Content"}),
    ],
)
async def test_every_kind_of_body_has_its_form(
    world: World, service: Api, body: bytes, media: str, block: dict[str, Any]
) -> None:
    service.on["GET /things"] = answering(body, media=media, status=200 if body else 204)

    result = await call(await world.open(), "list_things")

    assert result == {"content": [block], "isError": False}


async def test_a_refusal_is_a_tool_error_with_its_status_and_without_the_users_value(
    world: World, service: Api
) -> None:
    said = f"no such thing for {CANARY} / {base64.b64encode(CANARY.encode()).decode()}" + "x" * 9000
    service.on["GET /things"] = answering(said, status=404, media="text/plain")

    result = await call(await world.open(world.spec(KEY)), "list_things")

    assert result["isError"]
    assert text(result).startswith("HTTP 404 Not Found\nno such thing for [hidden] / [hidden]xxx")
    assert len(text(result)) < 4100


async def test_a_refused_value_says_so(world: World, service: Api) -> None:
    service.on["GET /things"] = answering("{}", status=403)

    assert "the values saved for it may be wrong" in text(await call(await world.open(world.spec(KEY)), "list_things"))


async def test_a_redirect_elsewhere_is_not_followed_and_shows_the_value_to_nobody(world: World, service: Api) -> None:
    async def moved(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})

    service.on["GET /things"] = moved

    with pytest.raises(UpstreamBroken, match="redirects"):
        await call(await world.open(world.spec(KEY)), "list_things")


async def test_a_service_that_does_not_answer_in_time_is_given_up(world: World, service: Api) -> None:
    async def never(request: web.Request, body: bytes) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    service.on["GET /things"] = never
    runtime = await world.open()

    with pytest.raises(UpstreamTimeout):
        await ask(runtime, "tools/call", {"name": "list_things"}, timeout=0.1)


async def test_locking_a_user_out_ends_the_calls_under_way(world: World, service: Api) -> None:
    async def never(request: web.Request, body: bytes) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    service.on["GET /things"] = never
    runtime = await world.open()
    calling = asyncio.create_task(call(runtime, "list_things"))
    await until(service.calls, within=3, what="the request arrives")

    await runtime.close("user_deactivated", at_once=True)

    with pytest.raises(UpstreamUnreachable, match="user_deactivated"):
        await calling


async def test_two_calls_share_no_state(world: World, service: Api) -> None:
    async def setting(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.json_response({}, headers={"Set-Cookie": "sid=1; Path=/"})

    service.on["GET /things"] = setting
    runtime = await world.open()

    await call(runtime, "list_things")
    await call(runtime, "list_things")

    assert all("cookie" not in came.headers for came in service.calls())
