"""Every route of the management API against every kind of caller; a route without an entry here fails the suite."""

import re

import pytest
from litestar import get

from mcphub.api import app
from mcphub.api.app import management_api
from mcphub.api.caller import AUDITOR
from mcphub.domain.keys import new_key
from tests.support.api import problem, running_api

# Who may: P everybody, U whoever is signed in, A administrators.
ROUTES = {
    "POST /api/auth/login": "P",
    "GET /api/oauth/github": "P",
    "GET /api/auth/github": "P",
    "GET /api/oauth/callback": "P",
    "GET /api/auth/github/callback": "P",
    "GET /api/oauth/github/callback": "P",
    "GET /api/oauth/oidc/{provider}": "P",
    "GET /api/oauth/oidc/{provider}/callback": "P",
    "POST /api/setup": "P",
    "POST /api/auth/accept-invitation": "P",
    "GET /": "P",
    "GET /setup": "P",
    "GET /invite": "P",
    "GET /api/health": "P",
    "GET /health": "P",
    "GET /livez": "P",
    "GET /readyz": "P",
    "GET /config": "P",
    "GET /login/config": "P",
    "GET /api/config/runtime": "U",
    "GET /api/openapi.json": "U",
    "POST /api/auth/logout": "U",
    "GET /api/user/me": "U",
    "GET /api/auth/me": "U",
    "PATCH /api/user/me": "U",
    "GET /api/user/access": "U",
    "POST /api/auth/change-password": "U",
    "GET /api/user/sessions": "U",
    "DELETE /api/user/sessions/{sid}": "U",
    "DELETE /api/user/sessions": "U",
    "GET /api/oauth/keys": "U",
    "GET /api/keys": "U",
    "POST /api/oauth/keys": "U",
    "POST /api/keys": "U",
    "GET /api/oauth/keys/{key_id}": "U",
    "GET /api/oauth/keys/{key_id}/full-value": "U",
    "PATCH /api/oauth/keys/{key_id}": "U",
    "POST /api/oauth/keys/{key_id}/extend": "U",
    "POST /api/oauth/keys/{key_id}/rotate": "U",
    "DELETE /api/oauth/keys/{key_id}": "U",
    "GET /api/oauth/keys/{key_id}/tokens": "U",
    "PUT /api/oauth/keys/{key_id}/tokens": "U",
    "GET /api/api-keys": "U",
    "GET /api/admin/user-keys": "A",
    "GET /admin/user-keys": "A",
    "GET /api/servers": "U",
    "GET /api/servers/{name}": "U",
    "POST /api/servers": "A",
    "PUT /api/servers/{name}": "A",
    "DELETE /api/servers/{name}": "A",
    "POST /api/servers/{name}/toggle": "A",
    "POST /api/servers/{name}/reload": "A",
    "POST /api/servers/{name}/tools/{tool}/toggle": "A",
    "POST /api/servers/{name}/tools/{tool}/try": "U",
    "PUT /api/servers/{name}/tools/{tool}/description": "A",
    "DELETE /api/servers/{name}/tools/{tool}/description": "A",
    "GET /api/tools": "U",
    "GET /api/admin/settings-file": "A",
    "PUT /api/admin/settings-file": "A",
    "GET /api/admin/settings-file/schema": "A",
    "GET /api/system-config": "A",
    "GET /api/settings": "A",
    "PUT /api/system-config": "A",
    "GET /api/env-templates": "U",
    "GET /api/user-env-vars": "U",
    "POST /api/user-env-vars": "U",
    "DELETE /api/user-env-vars/{server}/{name}": "U",
    "POST /api/user-env-vars/{server}/test": "U",
    "POST /api/user-env-vars/share": "U",
    "GET /api/user/groups": "U",
    "POST /api/user/groups": "U",
    "PUT /api/user/groups/{group_id}": "U",
    "DELETE /api/user/groups/{group_id}": "U",
    "PATCH /api/user/groups/{group_id}/active": "U",
    "GET /api/admin/users": "A",
    "GET /api/admin/users/list": "A",
    "GET /admin/users/list": "A",
    "POST /api/admin/users": "A",
    "PUT /api/admin/users/{user_id}/active": "A",
    "PUT /admin/users/{user_id}/active": "A",
    "PUT /api/admin/users/{user_id}/admin": "A",
    "PUT /admin/users/{user_id}/admin": "A",
    "PUT /api/admin/users/{user_id}/auditor": "A",
    "PUT /admin/users/{user_id}/auditor": "A",
    "DELETE /api/admin/users/{user_id}": "A",
    "DELETE /admin/users/{user_id}": "A",
    "POST /api/admin/users/{user_id}/restore": "A",
    "POST /api/admin/users/{user_id}/sign-out": "A",
    "GET /api/admin/users/{user_id}/access": "A",
    "GET /api/requests": "U",
    "GET /api/requests/stats": "U",
    "GET /api/requests/{request_id}": "U",
    "GET /api/audit": "U",
    "GET /api/audit/{position}": "U",
    "GET /api/admin/session-stats": "A",
    "DELETE /api/admin/sessions/{session_id}": "A",
    "GET /api/admin/upstream-status": "A",
    "GET /api/admin/upstream-sessions": "A",
    "GET /api/admin/stats": "A",
    "GET /api/logs": "A",
    "GET /api/logs/stream": "A",
    "GET /api/admin/projections": "A",
    "POST /api/admin/projections/{name}/rebuild": "A",
}
STREAMS = {"GET /api/logs/stream"}  # a caller who is let in would read it for ever
LEAVING = {"POST /api/auth/logout", "DELETE /api/user/sessions"}  # ends the session the other routes are tried with
UNKNOWN = {"position": "1"}


def address(route: str) -> tuple[str, str]:
    """Method and path with parameters filled in by what exists nowhere."""
    method, path = route.split(" ")
    return method, re.sub(r"\{(\w+)\}", lambda found: UNKNOWN.get(found[1], "nothing-of-that-name"), path)


async def test_every_route_has_an_entry(database, home):
    async with running_api(database.app_dsn, home) as api:
        made = management_api(api.services)

        served = {
            f"{method} {re.sub(r':[a-z]+}', '}', route.path)}"
            for route in made.routes
            for method in route.methods - {"OPTIONS"}
        }

    assert served == set(ROUTES)


async def test_a_route_that_says_nothing_is_for_administrators(database, home):
    async with running_api(database.app_dsn, home) as api:
        made = management_api(api.services)

        unmarked = [
            handler.handler_name
            for route in made.routes
            for handler, _ in getattr(route, "route_handler_map", {}).values()
            if "who" not in handler.opt and handler.http_methods != {"OPTIONS"}
        ]

    assert unmarked == []


async def test_each_route_lets_in_whom_it_is_for_and_nobody_else(database, home):
    async with running_api(database.app_dsn, home) as api:
        admin, user = await api.user("admin", admin=True), await api.user("bob")
        auditor, nobody, gone = await api.user("ada"), api.browser(), await api.user("eve")
        await admin.put(f"/api/admin/users/{auditor.user_id}/auditor", {"isAuditor": True})
        await admin.put(f"/api/admin/users/{gone.user_id}/active", {"isActive": False})
        wrong = []

        for route, who in sorted(ROUTES.items()):
            method, path = address(route)
            expected = {
                "nobody": (nobody, None if who == "P" else (401, "not_authenticated")),
                "deactivated": (gone, None if who == "P" else (403, "user_inactive")),
                "user": (user, (403, "admin_required") if who == "A" else None),
                "auditor": (auditor, (403, "admin_required") if who == "A" else None),
                "admin": (admin, None),
            }
            for name, (caller, refusal) in expected.items():
                if refusal is None and route in STREAMS | LEAVING:
                    continue
                response = await caller.send(method, path)
                code = response.json()["code"] if response.status_code >= 400 else ""
                refused = code in {
                    "not_authenticated",
                    "user_inactive",
                    "admin_required",
                    "session_ended",
                    "csrf_failed",
                }
                if (response.status_code, code) != refusal if refusal else refused or response.status_code >= 500:
                    wrong.append((route, name, response.status_code, code))

    assert wrong == []


async def test_a_route_for_auditors_lets_in_administrators_as_well_and_nobody_else(database, home, monkeypatch):
    @get("/api/only-here", who=AUDITOR)
    async def only_here() -> str:
        return "read"

    monkeypatch.setattr(app, "CONTROLLERS", [*app.CONTROLLERS, only_here])
    async with running_api(database.app_dsn, home) as api:
        admin, auditor, user = await api.user("admin", admin=True), await api.user("ada"), await api.user("bob")
        await admin.put(f"/api/admin/users/{auditor.user_id}/auditor", {"isAuditor": True})

        answers = [await caller.get("/api/only-here") for caller in (admin, auditor, user, api.browser())]

    assert [answer.status_code for answer in answers] == [200, 200, 403, 401]
    assert problem(answers[2]) == (403, "admin_required")


@pytest.mark.parametrize("way", ["bearer", "header", "query", "token header"])
async def test_a_key_opens_nothing_of_the_api_however_it_is_sent(database, home, way):
    async with running_api(database.app_dsn, home) as api:
        user = await api.user("bob")
        key = (await user.data("POST", "/api/oauth/keys", {"name": "ide"}))["keyValue"]
        wrong = []

        for route in sorted(ROUTES):
            method, path = address(route)
            if not path.startswith("/api/"):
                continue
            headers = {
                "bearer": {"Authorization": f"Bearer {key}"},
                "header": {"X-MCPHub-Key": key},
                "query": {},
                "token header": {"x-auth-token": key},
            }[way]
            address_ = f"{path}?key={key}" if way == "query" else path
            for caller in (api.browser(), user):  # also beside a cookie that would be let in
                response = await caller.send(method, address_, headers=headers)
                if problem(response) != (403, "key_not_allowed") or key in response.text:
                    wrong.append((route, response.status_code))

    assert wrong == []


async def test_what_is_no_key_at_all_is_refused_the_same_way(database, home):
    async with running_api(database.app_dsn, home) as api:
        response = await api.browser().get("/api/user/me", headers={"Authorization": f"Bearer {new_key()}"})

    assert problem(response) == (403, "key_not_allowed")


async def test_what_belongs_to_somebody_else_is_not_there(database, home):
    async with running_api(database.app_dsn, home) as api:
        bob, eve = await api.user("bob"), await api.user("eve")
        key = (await bob.data("POST", "/api/oauth/keys", {"name": "ide"}))["id"]
        group = (await bob.data("POST", "/api/user/groups", {"name": "mine", "servers": []}))["id"]
        session = (await bob.data("GET", "/api/user/sessions"))[0]["id"]

        answers = [
            await eve.get(f"/api/oauth/keys/{key}"),
            await eve.get(f"/api/oauth/keys/{key}/full-value"),
            await eve.patch(f"/api/oauth/keys/{key}", {"name": "hers"}),
            await eve.post(f"/api/oauth/keys/{key}/extend"),
            await eve.post(f"/api/oauth/keys/{key}/rotate"),
            await eve.delete(f"/api/oauth/keys/{key}"),
            await eve.get(f"/api/oauth/keys/{key}/tokens"),
            await eve.put(f"/api/oauth/keys/{key}/tokens", {}),
            await eve.put(f"/api/user/groups/{group}", {"name": "hers"}),
            await eve.put(f"/api/user/groups/{group}", {"servers": []}),
            await eve.patch(f"/api/user/groups/{group}/active", {"isActive": False}),
            await eve.delete(f"/api/user/groups/{group}"),
            await eve.delete(f"/api/user/sessions/{session}"),
        ]
        left = await bob.data("GET", "/api/user/groups"), await bob.data("GET", "/api/oauth/keys")

    assert {problem(answer) for answer in answers} == {(404, "not_found")}
    assert [group["name"] for group in left[0]] == ["mine"]
    assert [key["state"] for key in left[1]] == ["active"]
