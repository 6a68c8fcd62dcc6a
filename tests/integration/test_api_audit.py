"""The timeline's filters, its histogram, one fact with what it changed, and the stream that goes on where it broke."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.api import problem

AUDIT = "/api/audit"
STREAM = "/api/events/stream"


class Stream:
    """A reader of a stream; `ids` and `items` are what came."""

    def __init__(self, app, browser, query="", last=None, path=STREAM):
        cookies = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
        headers = [(b"host", b"127.0.0.1"), (b"cookie", cookies.encode())]
        headers += [] if last is None else [(b"last-event-id", last.encode())]
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "query_string": query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 3000),
        }
        self.began, self.left, self.asked = asyncio.Event(), asyncio.Event(), False
        self.items, self.ids = asyncio.Queue(), []
        self.task = asyncio.create_task(app(scope, self.receive, self.send))

    async def send(self, message):
        if message["type"] != "http.response.body":
            return
        if not message.get("more_body"):
            self.left.set()
        for event in message["body"].decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in event.splitlines() if line and not line.startswith(":"))
            if "data" in lines:
                self.ids.append(lines["id"])
                await self.items.put(json.loads(lines["data"]))
        self.began.set()

    async def receive(self):
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def opened(self):
        await asyncio.wait_for(self.began.wait(), 10)
        return self

    async def next(self):
        return await asyncio.wait_for(self.items.get(), 10)

    async def close(self):
        self.left.set()
        await asyncio.wait_for(self.task, 10)


async def group(browser, name):
    return (await browser.data("POST", "/api/user/groups", {"name": name, "servers": []}))["id"]


async def types(browser, query):
    return [item["type"] for item in await browser.data("GET", f"{AUDIT}?{query}")]


# looking for something


async def test_each_filter_takes_several_values_wildcards_and_exceptions(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    one = await group(bob, "alpha")
    await bob.data("PUT", f"/api/user/groups/{one}", {"name": "beta", "servers": []})
    await bob.delete(f"/api/user/groups/{one}")

    assert await types(admin, "type=Group*") == ["GroupDeleted", "GroupChanged", "GroupCreated"]
    assert await types(admin, "type=Group*&type=-GroupChanged") == ["GroupDeleted", "GroupCreated"]
    assert await types(admin, "type=GroupCreated&type=GroupDeleted") == ["GroupDeleted", "GroupCreated"]
    assert await types(admin, f"tag=group:{one}&type=-*d") == []
    assert await types(admin, "actor=bob&category=groups&source=ui") == await types(admin, "type=Group*")
    assert await types(admin, "actor=b*&category=groups") == await types(admin, "type=Group*")
    assert await types(admin, "actor=-bob&category=groups") == []
    assert await types(bob, "actor=me&category=groups") == await types(admin, "type=Group*")
    assert await types(admin, "type=Group%25") == []


async def test_a_text_is_found_in_types_and_in_names(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await group(bob, "needle_group")

    assert await types(admin, "q=EEDLE_") == ["GroupCreated"]
    assert await types(admin, "q=groupcr") == ["GroupCreated"]
    assert await types(admin, "q=needleX") == []
    assert "UserRegistered" in await types(admin, "q=bob")


async def test_a_server_is_found_by_its_name_also_when_it_is_no_more(api):
    admin = await api.user("admin", admin=True)
    config = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}
    await admin.data("POST", "/api/servers", {"name": "desk", "config": config})
    await admin.delete("/api/servers/desk")

    found = await types(admin, "server=desk&type=Server*")

    assert found == ["ServerRemoved", "ServerAdded"]


async def test_what_failed_is_told_from_what_was_done(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await bob.get("/api/admin/users")
    await bob.post("/api/servers", {"name": "x", "config": {}})
    await api.services.access_log.stored()

    failed = await admin.data("GET", f"{AUDIT}?outcome=-done")

    assert {item["kind"] for item in failed} == {"access"}
    assert {item["outcome"] for item in failed} == {"admin_required"}
    assert "access" not in {item["kind"] for item in await admin.data("GET", f"{AUDIT}?outcome=done&category=groups")}


async def test_a_reader_cannot_try_out_hidden_digests(api):
    admin = await api.user("admin", admin=True)

    assert await types(admin, "tag=username:abc") == []


# one fact


async def test_a_fact_says_what_it_is_about_what_it_changed_and_what_stands_beside_it(api):
    bob = await api.user("bob")
    one = await group(bob, "alpha")
    await bob.data("PUT", f"/api/user/groups/{one}", {"name": "beta", "servers": []})
    changed, created = await bob.data("GET", f"{AUDIT}?tag=group:{one}")

    answer = (await bob.get(f"{AUDIT}/{changed['position']}")).json()["detail"]

    assert changed["subject"] == {
        "tag": f"group:{one}",
        "kind": "group",
        "id": one,
        "name": "beta",
        "ordinal": 2,
    }
    assert (answer["earlier"], answer["later"]) == (created["position"], None)
    assert answer["changed"]["before"]["name"] == "alpha"
    assert answer["changed"]["after"]["name"] == "beta"
    assert {"field": "/name", "before": "alpha", "after": "beta", "hidden": False} in answer["changed"]["fields"]
    assert answer["chain"]["holds"] is True
    assert len(answer["chain"]["hash"]) == 64
    assert [each["position"] for each in answer["together"]] == [changed["position"]]


async def test_facts_of_one_request_stand_together(api):
    admin = await api.user("admin", admin=True)
    config = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp", "headers": {"X-A": "${USER_ONE} ${USER_TWO}"}}
    await admin.data("POST", "/api/servers", {"name": "desk", "config": config})
    (added,) = await admin.data("GET", f"{AUDIT}?type=ServerAdded")

    answer = (await admin.get(f"{AUDIT}/{added['position']}")).json()["detail"]

    assert [each["type"] for each in answer["together"]] == ["ServerAdded", "SecretSlotDeclared", "SecretSlotDeclared"]
    assert {each["trace"] for each in answer["together"]} == {added["trace"]}


async def test_a_server_shows_which_place_of_its_configuration_changed_and_no_secret(api):
    admin = await api.user("admin", admin=True)
    config = {
        "type": "streamable-http",
        "url": "http://127.0.0.1:9/mcp",
        "headers": {"Authorization": "Bearer s3cr3t-a"},
    }
    await admin.data("POST", "/api/servers", {"name": "desk", "config": config})
    changed = {**config, "url": "http://127.0.0.1:9/new", "headers": {"Authorization": "Bearer s3cr3t-b"}}
    await admin.data("PUT", "/api/servers/desk", {"config": changed})
    (fact,) = await admin.data("GET", f"{AUDIT}?type=ServerChanged")

    answer = await admin.get(f"{AUDIT}/{fact['position']}")
    fields = {each["field"]: each for each in answer.json()["detail"]["changed"]["fields"]}

    url = fields["/config/url"]
    assert (url["before"], url["after"], url["hidden"]) == (config["url"], changed["url"], False)
    assert fields["/config/headers/Authorization"]["hidden"] is True
    assert "$sealed" not in answer.text
    assert "s3cr3t" not in answer.text


async def test_a_value_saved_again_shows_masks_and_that_it_changed(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    config = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp", "headers": {"X-A": "${USER_ONE}"}}
    await admin.data("POST", "/api/servers", {"name": "desk", "config": config})
    for value in ("first-long-token-AAAA", "second-long-token-AAAA"):
        await bob.data("POST", "/api/user-env-vars", {"envVars": {"desk": {"USER_ONE": value}}})
    fact = (await bob.data("GET", f"{AUDIT}?type=ServiceTokenSaved"))[0]

    answer = await bob.get(f"{AUDIT}/{fact['position']}")

    assert answer.json()["detail"]["changed"]["fields"] == [{"field": "/value", "hidden": True}]
    assert "long-token" not in answer.text
    assert answer.json()["data"]["names"][fact["data"]["server_id"]] == "desk"


async def test_who_acted_on_somebody_once_is_not_told_what_others_did_to_them(api):
    admin, once, bob = await api.user("admin", admin=True), await api.user("once", admin=True), await api.user("bob")
    await admin.put(f"/api/admin/users/{bob.user_id}/auditor", {"isAuditor": True})
    await once.put(f"/api/admin/users/{bob.user_id}/active", {"isActive": False})
    await admin.put(f"/api/admin/users/{once.user_id}/admin", {"isAdmin": False})
    once = await api.log_in("once")
    (fact,) = await once.data("GET", f"{AUDIT}?type=UserDeactivated")

    assert (await once.get(f"{AUDIT}/{fact['position']}")).json()["detail"]["changed"] is None
    detail = (await admin.get(f"{AUDIT}/{fact['position']}")).json()["detail"]
    assert detail["changed"]["before"]["auditor"] is True


async def test_a_sign_in_changes_no_state(api):
    bob = await api.user("bob")
    (fact,) = await bob.data("GET", f"{AUDIT}?type=SignedIn")

    assert (await bob.get(f"{AUDIT}/{fact['position']}")).json()["detail"]["changed"] is None


# counting


async def test_the_histogram_counts_what_the_list_holds(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    for name in ("alpha", "beta", "gamma"):
        await group(bob, name)
    await bob.get("/api/admin/users")
    await bob.post("/api/servers", {"name": "x", "config": {}})
    await api.services.access_log.stored()
    end = datetime.now(UTC) + timedelta(minutes=1)
    span = {"from": (end - timedelta(hours=1)).isoformat(), "to": end.isoformat()}
    rows = (await admin.get(AUDIT, params={**span, "limit": 200})).json()["data"]

    answer = (await admin.get(f"{AUDIT}/histogram", params={**span, "bins": 6})).json()
    narrowed = (await admin.get(f"{AUDIT}/histogram", params={**span, "type": "GroupCreated"})).json()
    own = (await bob.get(f"{AUDIT}/histogram", params={**span, "category": "groups"})).json()

    counted = {}
    for bin_ in answer["data"]:
        for category, number in bin_["counts"].items():
            counted[category] = counted.get(category, 0) + number
    expected = {}
    for row in rows:
        expected[row["category"]] = expected.get(row["category"], 0) + 1
    assert counted == expected
    assert (answer["total"], len(answer["data"]), answer["stepMs"]) == (len(rows), 6, 600_000)
    assert narrowed["total"] == own["total"] == 3
    assert problem(await admin.get(f"{AUDIT}/histogram", params={"from": span["to"], "to": span["from"]}))[0] == 422


# the stream


async def test_the_stream_carries_what_happens_and_goes_on_where_it_broke(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    head = (await admin.get(f"{AUDIT}?limit=1")).json()["head"]
    first = await Stream(api.app, admin, query="kind=fact", last=head).opened()
    await group(bob, "alpha")
    came = await first.next()
    await first.close()
    await group(bob, "beta")
    await group(bob, "gamma")

    second = await Stream(api.app, admin, query="kind=fact", last=first.ids[-1]).opened()
    went_on = [await second.next(), await second.next()]
    await second.close()

    listed = await admin.data("GET", f"{AUDIT}?type=GroupCreated")
    items = [came, *went_on]
    assert [item["data"]["name"] for item in items] == ["alpha", "beta", "gamma"]
    assert [{k: v for k, v in item.items() if k != "n"} for item in reversed(items)] == listed
    assert [one.partition(".")[0] for one in first.ids + second.ids] == [str(item["position"]) for item in items]


async def test_a_position_alone_is_a_place_to_go_on_from(api):
    bob = await api.user("bob")
    await group(bob, "alpha")
    (fact,) = await bob.data("GET", f"{AUDIT}?type=GroupCreated")

    stream = await Stream(api.app, bob, last=str(fact["position"] - 1)).opened()

    assert (await stream.next())["position"] == fact["position"]
    await stream.close()


async def test_the_stream_takes_the_filters_and_hides_what_is_others(api):
    bob, eve = await api.user("bob"), await api.user("eve")
    stream = await Stream(api.app, bob, query="type=Group*&type=-GroupDeleted", last="0").opened()
    await group(eve, "hers")
    one = await group(bob, "his")
    await bob.delete(f"/api/user/groups/{one}")
    await group(bob, "another")

    assert [(await stream.next())["data"]["name"] for _ in range(2)] == ["his", "another"]
    assert stream.items.empty()
    await stream.close()


async def test_a_refusal_comes_by_the_stream_as_well(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    stream = await Stream(api.app, admin, query="kind=access&outcome=-done").opened()
    await bob.post("/api/servers", {"name": "x", "config": {}})

    item = await stream.next()

    assert (item["kind"], item["outcome"], item["actorName"]) == ("access", "admin_required", "bob")
    await stream.close()


async def test_the_stream_ends_with_the_rights_of_its_reader(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    stream = await Stream(api.app, bob).opened()

    await admin.put(f"/api/admin/users/{bob.user_id}/active", {"isActive": False})

    await asyncio.wait_for(stream.task, 10)


@pytest.mark.parametrize("last", ["999999999", "999999999.999999999"])
async def test_a_place_that_was_never_there_is_not_waited_for(api, last):
    bob = await api.user("bob")
    stream = await Stream(api.app, bob, query="type=GroupCreated", last=last).opened()

    await group(bob, "alpha")

    assert (await stream.next())["data"]["name"] == "alpha"
    await stream.close()


@pytest.mark.parametrize("last", ["x", "1.2.3", "-1"])
async def test_a_forged_place_is_refused(api, last):
    bob = await api.user("bob")

    answer = await bob.client.get(STREAM, headers={"Last-Event-ID": last})

    assert answer.status_code == 422
