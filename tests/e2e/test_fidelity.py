"""What an upstream sends arrives byte for byte: unknown fields, unknown kinds of content, odd numbers, a megabyte."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.ide import Ide
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.servers.behaviour import ODD
from tests.support.upstreams import Upstreams

pytestmark = pytest.mark.slow

KINDS = ["stdio", "streamable-http", "sse"]


def result_of(size: int) -> str:
    """As the server writes it."""
    content = f'[{{"type": "html", "html": "{"x" * size}", "x-vendor": {ODD}}}]'
    return f'{{"_meta": {{"example/odd": {ODD}}}, "content": {content}, "isError": "no", "x-vendor": {ODD}}}'


@pytest.fixture
def server(
    request: pytest.FixtureRequest, upstreams: Upstreams, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> str:
    """The name of one of this kind."""
    kind = request.param
    name = fresh_name(f"odd-{kind[:5]}")
    made: dict[str, Callable[[], dict[str, Any]]] = {
        "stdio": lambda: upstreams.stdio(name, "odd"),
        "streamable-http": lambda: upstreams.http(name, "odd").config(),
        "sse": lambda: upstreams.sse(name, "odd").config(),
    }
    serve({name: made[kind]()})
    return name


async def answer(ide: Ide, method: str, **params: Any) -> str:
    """The body as it came."""
    response = await ide.post({"jsonrpc": "2.0", "id": "i-1", "method": method, "params": params})
    assert response.status_code == 200, response.text
    return response.text


@pytest.mark.parametrize("server", KINDS, indirect=True)
@pytest.mark.parametrize("size", [0, 1_000_000])
async def test_a_result_arrives_as_the_bytes_it_was(
    hub: RunningHub, server: str, make_user: Callable[[str], Person], size: int
) -> None:
    key = make_user("bytes").key()

    async with Ide(f"{hub.mcp}/{server}", key) as one, Ide(f"{hub.mcp}?mode=tools", key) as all_servers:
        alone = await answer(one, "tools/call", name="odd", arguments={"size": size})
        among_others = await answer(all_servers, "tools/call", name=f"{server}__odd", arguments={"size": size})

    assert alone == among_others == f'{{"jsonrpc":"2.0","id":"i-1","result":{result_of(size)}}}'


@pytest.mark.parametrize("server", KINDS, indirect=True)
async def test_a_definition_arrives_as_the_bytes_it_was_but_for_its_name_among_others(
    hub: RunningHub, server: str, make_user: Callable[[str], Person]
) -> None:
    key = make_user("bytes").key()
    after_name = (
        '"description": "What no library would send.", "inputSchema": {"type": "object", "properties": {"size":'
        ' {"type": "integer"}}}, "outputSchema": {"$schema": "https://json-schema.org/draft/2020-12/schema",'
        f' "type": "object", "$anchor": "a"}}, "annotations": {{"x-vendor": {ODD}}}, "x-vendor": {ODD}}}'
    )

    async with Ide(f"{hub.mcp}/{server}", key) as one, Ide(f"{hub.mcp}?mode=tools", key) as all_servers:
        alone = await answer(one, "tools/list")
        among_others = await answer(all_servers, "tools/list")

    assert f'{{"name": "odd", {after_name}' in alone
    members = json.loads(ODD, parse_float=str, parse_int=str)
    [found] = [
        tool
        for tool in json.loads(among_others, parse_float=str, parse_int=str)["result"]["tools"]
        if tool["name"] == f"{server}__odd"
    ]
    assert found["x-vendor"] == found["annotations"]["x-vendor"] == members
    assert f'"annotations":{{"x-vendor": {ODD}}},"x-vendor":{ODD}}}' in among_others
