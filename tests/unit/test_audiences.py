"""Whatever is served says whom it is for; what says nothing keeps the hub from starting."""

import pytest
from litestar import Controller, Litestar, Router, WebSocket, asgi, get, post, websocket

from mcphub.api.audiences import UndeclaredAudience, must_ask_for_keys, must_be_declared
from mcphub.api.caller import ADMIN, PUBLIC, USER


def api(*handlers):
    return Litestar(route_handlers=list(handlers), openapi_config=None)


@get("/open", who=PUBLIC)
async def open_to_all() -> None: ...


@get("/forgotten")
async def forgotten() -> None: ...


def test_routes_that_all_say_whom_they_are_for_are_fine():
    @post("/open", who=ADMIN)
    async def change() -> None: ...

    must_be_declared(api(open_to_all, change))


def test_a_route_that_says_nothing_is_named():
    with pytest.raises(UndeclaredAudience, match=r"GET /forgotten \(.*forgotten\) declares nobody"):
        must_be_declared(api(open_to_all, forgotten))


def test_one_method_of_an_address_does_not_speak_for_another():
    @post("/open")
    async def change() -> None: ...

    with pytest.raises(UndeclaredAudience, match="POST /open"):
        must_be_declared(api(open_to_all, change))


def test_an_audience_nobody_has_heard_of_is_none():
    @get("/typo", who="admins")
    async def typo() -> None: ...

    with pytest.raises(UndeclaredAudience, match=r"GET /typo .* declares 'admins'"):
        must_be_declared(api(typo))


def test_a_controller_or_router_may_speak_for_its_routes():
    class Area(Controller):
        path = "/area"
        opt = {"who": USER}

        @get("/")
        async def area(self) -> None: ...

    must_be_declared(api(Area, Router("/more", route_handlers=[forgotten], opt={"who": ADMIN})))


def test_a_mounted_application_and_a_socket_are_routes_too():
    @asgi("/mounted", is_mount=True, copy_scope=True)
    async def mounted(scope: dict, receive: object, send: object) -> None: ...

    @websocket("/socket")
    async def socket(socket: WebSocket) -> None: ...

    with pytest.raises(UndeclaredAudience, match=r"/mounted .*; /socket"):
        must_be_declared(api(mounted, socket))


def test_what_is_served_beside_the_routes_says_that_it_asks_for_keys_itself():
    class Asking:
        who = "key"

    must_ask_for_keys("/mcp", Asking())
    with pytest.raises(UndeclaredAudience, match="/mcp"):
        must_ask_for_keys("/mcp", object())
