"""What every request passes and every answer carries."""

import asyncio
import re
from base64 import b64encode
from hashlib import sha256

import pytest
import structlog
from litestar import get

from mcphub.api import app, door
from mcphub.api.audiences import UndeclaredAudience
from tests.support import api as stand_in
from tests.support.api import ORIGIN, StandInGateway, problem, running_api

NOT_THERE = [
    "/nothing",
    "/api/nothing",
    "/sse",
    "/messages",
    "/oauth/mcp",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/mcp",
    "/api/connections",
    "/schema",
    "/nowhere",
    "/api/openapi",
]
BODIES = [
    (b'{"name": ', "application/json", 400, "malformed_json"),
    (b'{"name": NaN}', "application/json", 400, "malformed_json"),
    (b'{"name": "\\ud800"}', "application/json", 400, "malformed_json"),
    (b"\xff\xfe", "application/json", 400, "malformed_json"),
    (b"[" * 100_000, "application/json", 422, "invalid_request"),
    (b'{"name": 7}', "application/json", 422, "invalid_request"),
    (b"[]", "application/json", 422, "invalid_request"),
    (b"{}", "application/json", 422, "invalid_request"),
    (b"", "application/json", 422, "invalid_request"),
    (b'{"name": "a", "servers": [], "nmae": 1}', "application/json", 422, "unknown_field"),
    (b"name=a", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
]
KEY = "mcphub_0123456789abcdefABCDEF0123456789zzzzzz"


async def ask(app, path="/health", *, method="GET", query=b"", headers=(), receive=None, **more):
    """A request as a server hands it over; returns (status, headers, body)."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": query,
        "headers": [(b"host", b"127.0.0.1:3000"), *headers],
        "client": ("127.0.0.1", 1234),
        "server": ("127.0.0.1", 3000),
        **more,
    }
    sent = []

    async def nothing():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive or nothing, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


# the key in an address


async def test_the_gateway_finds_the_key_of_an_address_beside_the_query_it_was_taken_from(api):
    cases = {
        f"key={KEY}": ("", KEY),
        f"a=1&key={KEY}&b=%20x": ("a=1&b=%20x", KEY),
        f"%6Bey={KEY}&a=1": ("a=1", KEY),
        f"KEY={KEY}": ("", KEY),
        "monkey=1&keys=2": ("monkey=1&keys=2", ""),
    }

    for query in cases:
        await ask(api.app, "/mcp", query=query.encode())

    found = [(scope["query_string"].decode(), scope.get("mcphub.key", "")) for scope in api.gateway.scopes]
    assert found == list(cases.values())


async def test_everything_below_mcp_goes_to_the_gateway_whatever_host_it_names(api):
    for path in ("/mcp", "/mcp/", "/mcp/desk", "/mcp/g/1"):
        status, headers, _ = await ask(api.app, path, method="POST", headers=[(b"host", b"elsewhere.example")])

        assert (status, headers) == (299, {})
        assert api.gateway.scopes[-1]["path"] == path


async def test_what_only_begins_like_mcp_does_not_go_to_the_gateway(api):
    status, _, _ = await ask(api.app, "/mcpx")

    assert status == 404
    assert api.gateway.scopes == []


async def test_two_different_keys_in_one_address_make_one_that_fits_nothing(api):
    await ask(api.app, "/mcp", query=b"key=one&key=two&key=one")

    assert api.gateway.scopes[0]["mcphub.key"] == "one,two"


async def test_a_key_in_an_address_is_in_no_log_line_and_no_answer(api):
    with structlog.testing.capture_logs() as logs:
        answers = [
            await ask(
                api.app,
                "/api/user/me",
                query=f"key={KEY}".encode(),
                headers=[(b"referer", f"http://127.0.0.1:3000/x?key={KEY}&b=1#f".encode())],
                raw_path=f"/api/user/me?key={KEY}".encode(),
            ),
            await ask(api.app, "/nothing", query=f"key={KEY}".encode()),
        ]

    assert [status for status, _, _ in answers] == [403, 404]
    assert KEY not in repr(answers)
    assert KEY not in repr(logs)


def test_referer_and_raw_path_lose_the_key_and_nothing_else():
    scope = {
        "query_string": b"",
        "raw_path": f"/x?key={KEY}&a=1".encode(),
        "headers": [(b"referer", f"http://h/x?a=1&key={KEY}#f".encode()), (b"x-note", b"a?key=1")],
    }

    assert door._take_key(scope) == ""

    assert scope["raw_path"] == b"/x?a=1"
    assert scope["headers"] == [(b"referer", b"http://h/x?a=1#f"), (b"x-note", b"a?key=1")]


# what an answer carries


async def test_every_answer_has_an_id_of_its_own_and_takes_none_from_outside(api):
    answers = [
        await ask(api.app, path, headers=[(b"x-request-id", b"mine")]) for path in ("/health", "/nothing", "/api/keys")
    ]

    ids = [headers[b"x-request-id"].decode() for _, headers, _ in answers]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}", id_) for id_ in ids)


async def test_every_answer_forbids_guessing_caching_and_referring(api):
    for path in ("/health", "/nothing", "/api/user/me", "/setup"):
        _, headers, _ = await ask(api.app, path, headers=[(b"accept", b"text/html")])

        assert headers[b"x-content-type-options"] == b"nosniff"
        assert headers[b"referrer-policy"] == b"no-referrer"
        assert headers[b"cache-control"] == b"no-store"


async def test_what_is_not_there_answers_404_as_a_problem_whatever_is_accepted(api):
    answers = {
        (path, accept): await ask(api.app, path, headers=[(b"accept", accept)])
        for path in NOT_THERE
        for accept in (b"*/*", b"text/html")
    }

    found = {
        place: (status, headers[b"content-type"], b'"code":"not_found"' in body, b"location" in headers)
        for place, (status, headers, body) in answers.items()
    }
    assert found == dict.fromkeys(answers, (404, b"application/problem+json", True, False))


async def test_a_method_that_is_not_taken_answers_405_and_says_which_are(api):
    status, headers, body = await ask(api.app, "/api/user/me", method="DELETE")

    assert status == 405
    assert b'"code":"method_not_allowed"' in body
    assert {b"GET", b"PATCH"} <= set(headers[b"allow"].split(b", "))


async def test_head_answers_as_get_and_a_stream_is_not_opened_for_it(api):
    admin = await api.user("admin", admin=True)

    statuses = {path: (await admin.send("HEAD", path)).status_code for path in ("/health", "/api/user/me", "/nothing")}

    assert statuses == {"/health": 200, "/api/user/me": 200, "/nothing": 404}
    assert (await admin.send("HEAD", "/api/logs/stream")).status_code == 405


async def test_a_websocket_is_closed(api):
    sent = []

    async def send(message):
        sent.append(message)

    await api.app({"type": "websocket", "path": "/api"}, None, send)

    assert sent == [{"type": "websocket.close", "code": 1008}]


# hosts and origins


async def test_only_our_own_hosts_are_answered_with_any_port(api):
    theirs = [b"evil.example", b"127.0.0.1.evil.example", b"", b"evil.example:3000"]
    ours = [b"127.0.0.1:3000", b"LOCALHOST", b"[::1]:3000", b"127.0.0.1"]

    answers = {host: await ask(api.app, headers=[(b"host", host)]) for host in [*theirs, *ours]}

    assert [answers[host][0] for host in theirs] == [403] * 4
    assert all(b'"code":"host_not_allowed"' in answers[host][2] for host in theirs)
    assert [answers[host][0] for host in ours] == [200] * 4


async def test_probes_may_name_any_host(api):
    status, _, _ = await ask(api.app, "/livez", headers=[(b"host", b"10.0.0.7:3000")])

    assert status == 200


async def test_only_listed_origins_may_read_answers(api):
    ours = await ask(api.app, "/api/health", headers=[(b"origin", ORIGIN.encode())])
    theirs = await ask(api.app, "/api/health", headers=[(b"origin", b"http://evil.example")])
    outside_api = await ask(api.app, "/health", headers=[(b"origin", ORIGIN.encode())])

    assert ours[1][b"access-control-allow-origin"] == ORIGIN.encode()
    assert ours[1][b"access-control-allow-credentials"] == b"true"
    assert b"access-control-allow-origin" not in theirs[1]
    assert b"access-control-allow-origin" not in outside_api[1]
    assert theirs[1][b"vary"] == b"Origin"


async def test_a_preflight_is_answered_for_listed_origins_only(api):
    wanted = (b"access-control-request-method", b"PUT")

    ours = await ask(api.app, "/api/servers", method="OPTIONS", headers=[(b"origin", ORIGIN.encode()), wanted])
    theirs = await ask(api.app, "/api/servers", method="OPTIONS", headers=[(b"origin", b"http://evil.example"), wanted])

    assert (ours[0], theirs[0]) == (204, 204)
    assert b"PUT" in ours[1][b"access-control-allow-methods"]
    assert b"access-control-allow-origin" not in theirs[1]
    assert b"access-control-allow-methods" not in theirs[1]


async def test_anybody_is_told_the_methods_of_an_address_and_nothing_else(api):
    for path, method in (("/config", b"GET"), ("/api/user/groups", b"POST"), ("/api/admin/users", b"POST")):
        status, headers, body = await ask(api.app, path, method="OPTIONS")

        assert (status, body) == (204, b"")
        assert method in headers[b"allow"]


# addresses


async def test_the_address_a_trusted_proxy_reports_counts_and_what_others_claim_does_not(database, home):
    env = {"MCPHUB_TRUSTED_PROXIES": "10.0.0.0/8"}
    seen = {}
    async with running_api(database.app_dsn, home, env) as api:
        for client, claimed in [
            ("10.0.0.1", b"6.6.6.6, 198.51.100.7, 10.0.0.2"),
            ("198.51.100.9", b"6.6.6.6"),
            ("10.0.0.1", b""),
        ]:
            scope = {"client": (client, 1)}
            seen[client, claimed] = api.app._client(scope, {b"x-forwarded-for": claimed})

    assert list(seen.values()) == ["198.51.100.7", "198.51.100.9", "10.0.0.1"]


# bodies


async def test_a_body_over_the_limit_is_refused_announced_or_not(api):
    user = await api.user("bob")
    large = b'{"name": "' + b"x" * (5 * 1024 * 1024) + b'"}'

    async def pieces():
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    announced = await user.send("POST", "/api/user/groups", content=large)
    streamed = await user.send("POST", "/api/user/groups", content=pieces())

    assert problem(announced) == (413, "body_too_large")
    assert problem(streamed) == (413, "body_too_large")


async def test_a_body_that_does_not_arrive_in_time_is_given_up(api, monkeypatch):
    monkeypatch.setattr(door, "BODY_WITHIN", 0.05)
    pieces = iter([{"type": "http.request", "body": b'{"user', "more_body": True}])

    async def receive():
        for piece in pieces:
            return piece
        return await asyncio.Event().wait()

    status, headers, body = await ask(api.app, "/api/auth/login", method="POST", receive=receive)

    assert (status, b'"code":"body_too_slow"' in body) == (408, True)
    assert headers[b"connection"] == b"close"


async def test_headers_over_the_limit_are_refused(api):
    status, _, body = await ask(api.app, headers=[(b"cookie", b"x" * 40_000)])

    assert (status, b'"code":"headers_too_large"' in body) == (431, True)


async def test_a_body_that_cannot_be_used_says_why(api):
    user = await api.user("bob")

    found = [
        (
            content,
            kind,
            *problem(await user.send("POST", "/api/user/groups", content=content, headers={"Content-Type": kind})),
        )
        for content, kind, _, _ in BODIES
    ]

    assert found == BODIES


async def test_an_unknown_field_is_named_with_its_place(api):
    user = await api.user("bob")

    answer = await user.post("/api/user/groups", {"name": "a", "servers": [], "nmae": 1})

    assert answer.json()["errors"] == [
        {"pointer": "/nmae", "code": "unknown_field", "detail": "this field is not known"}
    ]


async def test_what_is_wrong_is_named_as_the_caller_wrote_it(api):
    admin = await api.user("admin", admin=True)

    answers = [
        await admin.get("/api/admin/users?state=nowhere"),
        await admin.get("/api/requests?from=never"),
        await admin.get("/api/admin/users?limit=many"),
        await admin.send("POST", "/api/user/groups"),
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 422, 422]
    assert [answer.json()["errors"][0]["pointer"] for answer in answers] == ["/state", "/from", "/limit", ""]
    assert answers[3].json()["errors"][0]["detail"] == "a body is needed"


async def test_texts_follow_the_language_that_is_asked_for_and_codes_do_not(api):
    admin = await api.user("admin", admin=True)
    korean = {"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.8"}

    nobody = await api.user("bob")
    refused = await nobody.get("/api/admin/users", headers=korean)
    place = await admin.post("/api/user/groups", {"name": "a", "servers": ["none"]}, headers=korean)
    english = await nobody.get("/api/admin/users", headers={"Accept-Language": "en-GB, ko;q=0.5"})
    many = await admin.post("/api/admin/users/bulk", {"ids": [admin.user_id], "action": "deactivate"}, headers=korean)
    _, headers, body = await ask(api.app, "/", headers=[(b"host", b"evil.example"), (b"accept-language", b"ko")])

    assert refused.json()["code"] == english.json()["code"] == "admin_required"
    assert (refused.json()["title"], refused.json()["message"]) == (
        "관리자만 할 수 있습니다.",
        "관리자에게 요청하세요.",
    )
    assert (refused.headers["content-language"], english.headers["content-language"]) == ("ko", "en")
    assert english.json()["detail"] == "Ask an administrator to do it."
    assert place.json()["errors"] == [
        {"pointer": "/servers/0", "code": "unknown_server", "detail": "그런 이름의 서버가 없습니다."}
    ]
    assert many.json()["data"][0]["detail"] == "자기 계정은 비활성화할 수 없습니다. 다른 관리자에게 요청하세요."
    assert (headers[b"content-language"], "이 호스트 이름" in body.decode()) == (b"ko", True)


# what nobody expected


async def test_an_unforeseen_failure_tells_nothing_and_is_logged_under_the_request_id(api, monkeypatch):
    user = await api.user("bob")

    async def fail(_):
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(api.services.directory, "name", fail)
    with structlog.testing.capture_logs() as logs:
        answer = await user.get("/api/user/me")

    assert problem(answer) == (500, "internal_error")
    assert "hunter2" not in answer.text
    assert any(line["event"] == "request_failed" for line in logs)


async def test_one_request_leaves_no_info_line_of_its_own(api):
    user = await api.user("bob")

    with structlog.testing.capture_logs() as logs:
        await user.get("/api/servers")
        await user.post("/api/user/groups", {"name": "mine", "servers": []})

    assert [line["event"] for line in logs if line["log_level"] == "info"] == ["command_committed"]


# the plain page


async def test_a_browser_gets_a_page_that_runs_only_its_own_script(api):
    for path in ("/", "/setup", "/invite"):
        await must_be_the_page(api, path)


async def must_be_the_page(api, path):
    status, headers, body = await ask(
        api.app, path, headers=[(b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")]
    )

    page, policy = body.decode(), headers[b"content-security-policy"].decode()
    assert status == 200
    assert headers[b"content-type"].startswith(b"text/html")
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        digest = b64encode(sha256(inline.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert " on" not in re.sub(r"<script>.*?</script>|<style>.*?</style>", "", page, flags=re.S).replace(" once", "")


async def test_a_script_gets_json_where_a_browser_gets_the_page(api):
    for accept in (b"*/*", b"application/json", b"application/json, text/html;q=0.5", b""):
        status, headers, _ = await ask(api.app, "/", headers=[(b"accept", accept)])

        assert (status, headers[b"content-type"]) == (404, b"application/problem+json")


async def test_a_browser_that_goes_to_an_old_admin_page_is_not_shown_its_data(api):
    admin = await api.user("admin", admin=True)

    page = await admin.get("/admin/users/list", headers={"Accept": "text/html"})
    data = await admin.get("/admin/users/list")

    assert problem(page) == (404, "not_found")
    assert data.status_code == 200


async def test_a_text_with_nul_never_reaches_a_fact(api):
    """The read table that shows the fact could not keep it, and would stop there for everybody."""
    bob = await api.user("bob")
    before = api.services.tail.position

    refused = [
        problem(await bob.post("/api/user/groups", {"name": "a", "description": "x\0y", "servers": []})),
        problem(await bob.post("/api/keys", {"name": "a", "description": "\0"})),
        problem(await bob.patch("/api/user/me", {"timeZone": "\0"})),
        problem(await bob.get("/api/servers/a%00b")),
        problem(await bob.get("/api/tools?q=%00")),
    ]
    kept = await bob.post("/api/user/groups", {"name": "a", "description": "the text \\u0000", "servers": []})

    assert refused == [(422, "invalid_request")] * 5
    assert api.services.tail.position == before + 1
    assert kept.json()["data"]["description"] == "the text \\u0000"


# deny by default


@pytest.fixture
def made_as_by_a_hub(monkeypatch):
    """The application with all that is asked of its parts; the tests' own is made once and asked nothing."""
    monkeypatch.setattr(stand_in, "app_of", app.make_app)


@pytest.mark.usefixtures("made_as_by_a_hub")
async def test_a_hub_with_a_route_that_says_not_whom_it_is_for_does_not_start(database, home, monkeypatch):
    @get("/api/forgotten")
    async def forgotten() -> str:
        return "to anybody"

    monkeypatch.setattr(app, "CONTROLLERS", [*app.CONTROLLERS, forgotten])

    with pytest.raises(UndeclaredAudience, match="GET /api/forgotten"):
        async with running_api(database.app_dsn, home):
            pass


@pytest.mark.usefixtures("made_as_by_a_hub")
async def test_a_hub_does_not_start_with_something_beside_the_routes_that_asks_nobody(database, home, monkeypatch):
    monkeypatch.setattr(StandInGateway, "who", "")

    with pytest.raises(UndeclaredAudience, match="/mcp"):
        async with running_api(database.app_dsn, home):
            pass
