"""Servers reached directly over TLS: who they are is checked by the name in the address, whatever it resolves to."""

import socket

import pytest
from aiohttp import web
from multidict import CIMultiDict

from mcphub.gateway.upstream.runtime import UpstreamUnreachable
from mcphub.gateway.upstream.transport import Guard, GuardedResolver, GuardedTransport, url_of
from mcphub.gateway.way_out import WayOut
from tests.support.loopback import Loopback
from tests.support.private_ca import PrivateCa

TOOLS = "tools.example.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return PrivateCa(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def server(authority):
    async def told(request):
        return web.json_response(dict(request.headers))

    async def moved(_):
        raise web.HTTPTemporaryRedirect("/mcp")

    def routes(app):
        app.router.add_post("/mcp", told)
        app.router.add_post("/old", moved)

    with Loopback(routes, tls=authority.server(TOOLS)) as running:
        yield running


async def here(host, port, family):
    """Every name is this machine."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


async def sent(server, ca_file, *paths, name=TOOLS):
    guard = Guard()
    transport = GuardedTransport(guard, GuardedResolver(guard, here), WayOut(ca_file=ca_file))
    try:
        told = []
        for path in paths:
            url = url_of(f"https://{name}:{server.port}{path}")
            response = await transport.send("POST", url, CIMultiDict({"Authorization": "Bearer s3cret"}), b"{}")
            told.append((response.status, await response.read()))
        return told
    finally:
        await transport.close()


async def test_a_server_with_a_certificate_of_the_company_is_asked_and_a_redirect_within_it_followed(server, authority):
    told = await sent(server, authority.file, "/mcp", "/old", "/mcp")

    assert [status for status, _ in told] == [200, 200, 200]
    assert all(b'"Authorization": "Bearer s3cret"' in body for _, body in told)
    assert f'"Host": "{TOOLS}:{server.port}"'.encode() in told[0][1]


async def test_a_certificate_of_nobody_known_is_refused_before_anything_is_sent(server):
    with pytest.raises(UpstreamUnreachable, match="no trusted connection") as caught:
        await sent(server, None, "/mcp")

    assert not caught.value.sent


async def test_a_certificate_for_another_name_is_refused(server, authority):
    with pytest.raises(UpstreamUnreachable, match=r"no trusted connection to other\.example\.test") as caught:
        await sent(server, authority.file, "/mcp", name="other.example.test")

    assert not caught.value.sent
