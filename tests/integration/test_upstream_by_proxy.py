"""Servers outside of a company's network: only the proxy leads there, and certificates are the company's own."""

import pytest
from aiohttp import web
from multidict import CIMultiDict

from mcphub.gateway.upstream.runtime import UpstreamUnreachable
from mcphub.gateway.upstream.transport import Guard, GuardedTransport, url_of
from mcphub.gateway.way_out import WayOut
from tests.support.loopback import Loopback
from tests.support.private_ca import PrivateCa
from tests.support.proxy import CompanyProxy

TOOLS = "tools.example.test"  # a name nothing but the proxy knows
PASSWORD = "hub:password"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return PrivateCa(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def server(authority):
    """Answers with the headers it got."""

    async def told(request):
        return web.json_response(dict(request.headers))

    async def moved(_):
        raise web.HTTPTemporaryRedirect("/mcp")

    def routes(app):
        app.router.add_post("/mcp", told)
        app.router.add_post("/old", moved)

    with Loopback(routes, tls=authority.server(TOOLS)) as running:
        yield running


@pytest.fixture
def proxy(server):
    with CompanyProxy({TOOLS: server.port}, password=PASSWORD) as running:
        yield running


async def sent(way_out, url=f"https://{TOOLS}/mcp"):
    transport = GuardedTransport(Guard(), way_out=way_out)
    try:
        response = await transport.send("POST", url_of(url), CIMultiDict({"Authorization": "Bearer s3cret"}), b"{}")
        return response.status, await response.read()
    finally:
        await transport.close()


async def test_a_server_is_reached_through_the_proxy_by_a_certificate_of_the_company(proxy, authority):
    status, told = await sent(WayOut(proxy.url, ca_file=authority.file))

    assert status == 200
    assert b'"Authorization": "Bearer s3cret"' in told
    assert b"proxy-authorization" not in told.lower()
    assert proxy.tunnels == [f"{TOOLS}:443"]


async def test_a_redirect_within_the_origin_goes_the_same_way(proxy, authority):
    status, _ = await sent(WayOut(proxy.url, ca_file=authority.file), f"https://{TOOLS}/old")

    assert status == 200
    assert set(proxy.tunnels) == {f"{TOOLS}:443"}


async def test_a_certificate_of_nobody_known_is_refused(proxy):
    with pytest.raises(UpstreamUnreachable, match="no trusted connection") as caught:
        await sent(WayOut(proxy.url))

    assert not caught.value.sent


async def test_what_the_proxy_refuses_is_said_without_its_password(proxy, authority):
    with pytest.raises(UpstreamUnreachable, match="HTTP 407") as caught:
        await sent(WayOut(proxy.url.replace(PASSWORD, "hub:another"), ca_file=authority.file))

    assert "another" not in str(caught.value)
    assert not caught.value.sent


async def test_a_proxy_that_is_not_there_is_said(authority):
    with pytest.raises(UpstreamUnreachable, match="proxy of this hub cannot be connected"):
        await sent(WayOut("http://127.0.0.1:9", ca_file=authority.file))


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.5", "[::ffff:10.0.0.5]"])
async def test_a_forbidden_address_is_not_asked_of_the_proxy_either(proxy, authority, host):
    with pytest.raises(UpstreamUnreachable, match="not an address this hub may dial"):
        await sent(WayOut(proxy.url, ca_file=authority.file), f"https://{host}/mcp")

    assert proxy.tunnels == proxy.refused == []


async def test_a_server_on_this_machine_is_reached_without_the_proxy(proxy, authority):
    async def told(request):
        return web.json_response({})

    with Loopback(lambda app: app.router.add_post("/mcp", told)) as near:
        status, _ = await sent(WayOut(proxy.url, ca_file=authority.file), f"{near.url}/mcp")

    assert status == 200
    assert proxy.tunnels == proxy.refused == []
