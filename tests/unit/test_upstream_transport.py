"""The address guard in front of every dial. Nothing here opens a socket: what would have been dialled is recorded."""

import socket
from collections.abc import Sequence
from typing import Any

import pytest
from multidict import CIMultiDict

from mcphub.domain.server_spec import spec_of
from mcphub.gateway.upstream.runtime import UpstreamBroken, UpstreamUnreachable
from mcphub.gateway.upstream.transport import Guard, GuardedResolver, GuardedTransport, Transports, url_of

DENIED = [
    *("169.254.169.254", "[::ffff:169.254.169.254]", "10.0.0.5", "172.20.1.1", "192.168.1.1"),
    *("100.64.0.1", "0.0.0.0", "[fd00::1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "224.0.0.1", "192.0.0.192"),
    *("198.18.0.1", "[fe80::1]", "[100::1]", "0x0a.1", "167772165", "012.0.0.5", "[fd00:ec2::254]"),
]
THIS_MACHINE = ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "017700000001", "[64:ff9b::7f00:1]"]


class Dials:
    """Names that resolve as a test says, and sockets that never exist."""

    def __init__(self, **names: list[str]) -> None:
        self.names = {"localhost": ["127.0.0.1"], **{name.replace("_", "."): found for name, found in names.items()}}
        self.asked: list[str] = []
        self.dialled: list[str] = []

    def opener(self, info: tuple[Any, ...]) -> socket.socket:
        self.dialled.append(info[4][0])
        raise OSError(111, "refused by the test")

    async def lookup(self, host: str, port: int, family: int) -> Sequence[tuple[Any, ...]]:
        self.asked.append(host)
        found = self.names.get(host)
        if found is None:
            raise socket.gaierror(-2, "unknown")
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in found]
        return [(kind, socket.SOCK_STREAM, 6, "", (at, port)) for kind, at in zip(kinds, found, strict=True)]

    async def try_to_reach(self, url: str, *allow: str, loopback: bool = False) -> str:
        """Why it was not reached."""
        guard = Guard(allow, loopback=loopback, opener=self.opener)
        transport = GuardedTransport(guard, GuardedResolver(guard, self.lookup))
        with pytest.raises(UpstreamUnreachable) as caught:
            await transport.send("POST", url_of(url), CIMultiDict(), b"{}")
        await transport.close()
        assert not caught.value.sent
        return str(caught.value)


@pytest.mark.parametrize("host", [*DENIED, *THIS_MACHINE])
async def test_an_address_of_the_inside_is_refused_and_not_dialled(host: str) -> None:
    dials = Dials()

    why = await dials.try_to_reach(f"http://{host}:8080/mcp")

    assert "not an address this hub may dial" in why
    assert dials.dialled == []


@pytest.mark.parametrize("host", DENIED)
async def test_a_server_on_this_machine_may_be_dialled_and_still_nothing_else_of_the_inside(host: str) -> None:
    dials = Dials()

    await dials.try_to_reach("http://127.0.0.1:9/mcp", loopback=True)
    await dials.try_to_reach(f"http://{host}/mcp", loopback=True)

    assert dials.dialled == ["127.0.0.1"]


async def test_one_inner_address_among_several_refuses_the_name() -> None:
    dials = Dials(mixed_example=["93.184.216.34", "10.0.0.1"])

    why = await dials.try_to_reach("https://mixed.example/mcp")

    assert "mixed.example is not an address" in why
    assert dials.dialled == []


async def test_a_name_is_asked_for_once_and_the_address_that_was_checked_is_the_one_dialled() -> None:
    """Rebinding: a second answer would be the inner one."""
    dials = Dials(moving_example=["93.184.216.34"])

    first = await dials.try_to_reach("http://moving.example/mcp")
    dials.names["moving.example"] = ["127.0.0.1"]
    second = await dials.try_to_reach("http://moving.example/mcp")

    assert "cannot be connected" in first
    assert "not an address" in second
    assert dials.asked == ["moving.example", "moving.example"]
    assert dials.dialled == ["93.184.216.34"]


async def test_a_socket_for_an_inner_address_is_not_made_even_if_nothing_before_noticed() -> None:
    dials = Dials()

    class Careless(GuardedResolver):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> Any:
            where = {"host": "10.0.0.1", "port": port, "family": socket.AF_INET}
            return [{"hostname": host, "proto": 6, "flags": 0, **where}]

    guard = Guard(opener=dials.opener)
    transport = GuardedTransport(guard, Careless(guard, dials.lookup))
    with pytest.raises(UpstreamUnreachable, match=r"10\.0\.0\.1 is not an address"):
        await transport.send("POST", url_of("http://careless.example/"), CIMultiDict(), b"")
    await transport.close()

    assert dials.dialled == []


async def test_what_the_operator_opened_is_dialled() -> None:
    dials = Dials(inner_example=["10.1.2.3"])

    await dials.try_to_reach("http://inner.example/mcp", "10.1.0.0/16")
    await dials.try_to_reach("http://169.254.169.254/latest", "169.254.0.0/16")

    assert dials.dialled == ["10.1.2.3"]


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.org/", "file:///etc/passwd", "unix:///run/x", "example.org/mcp", "http://", "http:///mcp"),
        *("http://example.org:0/", "http://exa mple.org/", "http://example.org\\@inner/", "http://example.org:99999/"),
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(UpstreamBroken):
        url_of(url)


def test_an_address_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(UpstreamBroken) as caught:
        url_of("https://user:hunter22@example.org/mcp")  # scan:allow

    assert "hunter22" not in str(caught.value)


def test_an_address_is_dialled_as_it_was_written() -> None:
    text = "https://example.org/a%2Fb/%7Ec/?q=a%2Bb+c&d=%C3%A4"

    assert str(url_of(f"{text}#part")) == text


def test_a_name_in_another_script_is_dialled_in_its_ascii_form() -> None:
    assert url_of("https://bücher.example/mcp").raw_host == "xn--bcher-kva.example"


async def test_a_host_that_users_name_never_leads_to_this_machine() -> None:
    fixed = spec_of("a", "a", "a", {"url": "http://127.0.0.1:9/mcp"})
    named = spec_of("b", "b", "b", {"url": "https://${USER_HOST}/mcp", "mcphub": {"userHosts": ["*.example"]}})
    transports = Transports()

    with pytest.raises(UpstreamUnreachable, match="not an address"):
        await transports.for_server(named).send("POST", url_of("http://127.0.0.1:9/mcp"), CIMultiDict(), b"")

    assert transports.for_server(fixed) is not transports.for_server(named)
    await transports.close()


async def test_the_query_of_an_address_is_in_no_error() -> None:
    dials = Dials()

    why = await dials.try_to_reach("http://unknown.example/mcp?token=canary-value")

    assert why == "the name unknown.example does not resolve"
