"""Every route of the management API stands in the committed table of who is answered what, and the table agrees with
what the contract says of audiences. That the hub answers so is tried in tests/e2e/test_routes.py.
"""

import re

import pytest
from litestar import get

from mcphub.api import app
from mcphub.api.app import management_api
from mcphub.api.caller import AUDITOR
from mcphub.domain.keys import new_key
from tests.support.api import problem, running_api
from tests.support.routes import pattern_of, plain, promised, served_by, the_rows

ROWS = the_rows()


def served(api):
    """Route → its pattern."""
    return {
        f"{method} {route.path}": pattern_of(f"{method} {route.path}")
        for route in management_api(api.services).routes
        for method in route.methods - {"OPTIONS"}
    }


async def test_every_route_has_a_row_and_every_row_a_route(api):
    routes = served(api)

    rows = {row.name: served_by(row, routes) for row in ROWS}

    assert [name for name, route in rows.items() if route is None] == []
    assert routes.keys() - rows.values() == set()


async def test_whom_the_answers_let_in_is_whom_the_contract_names(api):
    contract, ours = promised()
    wanted = {plain(route): who for route, who in (contract | ours).items()}
    routes = served(api)

    wrong = []
    for row in ROWS:
        # What holds with one query only stands with it; everything else with the route alone.
        named = wanted.get(plain(row.name)) or wanted.get(plain(served_by(row, routes) or ""), "in neither table")
        if named != row.audience() and not (named == "O" and row.audience() == "U" and not row.owned):
            wrong.append((row.name, named, row.audience()))

    assert wrong == []
    assert contract.keys() & ours.keys() == set()


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

        for method, path in sorted({(row.method, row.path.partition("?")[0]) for row in ROWS}):
            if not path.startswith("/api/"):
                continue
            headers = {
                "bearer": {"Authorization": f"Bearer {key}"},
                "header": {"X-MCPHub-Key": key},
                "query": {},
                "token header": {"x-auth-token": key},
            }[way]
            path = re.sub("<(fact|change|version)>", "1", path)  # numbers, or it is no route's
            address = f"{path}?key={key}" if way == "query" else path
            for caller in (api.browser(), user):  # also beside a cookie that would be let in
                response = await caller.send(method, address, headers=headers)
                if problem(response) != (403, "key_not_allowed") or key in response.text:
                    wrong.append((method, path, response.status_code))

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
