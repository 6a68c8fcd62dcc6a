"""Contract §4.2 and §4.4 row by row: what a user entered, as a real process and a real HTTP server receive it.

Each case is a row or a bullet of the contract. The hub is the run's own, started by its command; the settings are saved
and the values entered by REST, and what arrived is told by the test servers themselves.

Texts below `oauth` are filled in like those below `openapi.security`; nothing signs in to upstreams for a user yet, so
those rows are in tests/unit/test_substitution.py alone.
"""

import json
import os
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.ide import Ide, RpcError
from tests.support.recorder import Received, Recorder
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import HttpServer, Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

HOSTILE = "a ${USER_OTHER} $${X} ${HUB_PATH} {b}"
AWKWARD = "a/../b?c=d&e#f %41+ü ;\\"
ENCODED = "a%2F..%2Fb%3Fc%3Dd%26e%23f%20%2541%2B%C3%BC%20%3B%5C"
Config = dict[str, Any]


@dataclass
class Arrived:
    """What a server saw of one call."""

    facts: dict[str, str]
    target: str

    @property
    def arguments(self) -> list[str]:
        """Of a process: what came behind `--`."""
        every: list[str] = json.loads(self.target)
        return every[every.index("--") + 1 :]


@dataclass
class Bench:
    """A hub with one server in it at a time, and one user who enters values for it."""

    hub: RunningHub
    person: Person
    far: HttpServer
    upstreams: Upstreams
    recorder: Recorder
    added: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.added[-1]

    def http(self, url: str = "", **more: Any) -> Config:
        """An entry for the HTTP server of these tests; `url` is what follows its address."""
        return self.far.config(**more) | {"url": self.far.url + url}

    def stdio(self, *arguments: str, **more: Any) -> Config:
        """An entry for a process; `arguments` are told back."""
        config = self.upstreams.stdio(f"slots-near-{len(self.added)}", **more)
        return config | {"args": [*config["args"], "--", *arguments]}

    def add(self, config: Config) -> "Bench":
        self.added.append(f"slots-{os.getpid()}-{len(self.added)}")
        self.hub.admin.add_servers({self.name: config})
        return self

    def form(self) -> list[str]:
        """What /settings asks for."""
        body = self.person.rest.send("GET", "/api/env-templates").json()
        names: list[str] = body["data"].get(self.name, [])
        assert [slot["name"] for slot in body["slots"].get(self.name, [])] == names
        return names

    def canonical(self) -> list[str]:
        slots = self.person.rest.send("GET", "/api/env-templates").json()["slots"]
        return [slot["canonical"] for slot in slots[self.name]]

    def enter(self, **values: str | None) -> "Bench":
        self.person.rest.post("/api/user-env-vars", {"envVars": {self.name: values}, "only": True})
        return self

    def refused(self, name: str, value: str) -> str:
        """The code a value is refused with."""
        body = {"envVars": {self.name: {name: value}}}
        problem = self.person.rest.ask("POST", "/api/user-env-vars", json=body, expect=422)
        [error] = problem["errors"]
        assert error["pointer"].endswith(f"/{name}")
        assert value not in json.dumps(problem, ensure_ascii=False)
        return str(error["code"])

    async def call(self) -> Arrived:
        async with self.ide() as ide:
            told = json.loads(await ide.text("whoami"))
        return Arrived(told["facts"], told["target"])

    async def error(self) -> str:
        """The text of a tool error. Its own address does not open without the server, so this is not asked there."""
        async with Ide(f"{self.hub.mcp}?mode=tools", self.person.key()) as ide:
            result = await ide.call(f"{self.name}__whoami")
        assert result.get("isError"), result
        return str(result["content"][0]["text"])

    def ide(self) -> Ide:
        return Ide(f"{self.hub.mcp}/{self.name}", self.person.key())


@pytest.fixture(scope="module")
def lasting(hub: RunningHub, upstreams: Upstreams, recorder: Recorder) -> Bench:
    return Bench(hub, hub.admin.user(f"slots-{os.getpid()}"), upstreams.http("slots-far"), upstreams, recorder)


@pytest.fixture
def bench(lasting: Bench) -> Iterator[Bench]:
    before = len(lasting.added)
    yield lasting
    lasting.hub.admin.remove_servers(*lasting.added[before:])


class Counted:
    """An address that counts who connects to it, and says nothing."""

    def __init__(self) -> None:
        self.connections = 0
        outer = self

        class Line(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.connections += 1

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Line)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/mcp"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def counted() -> Iterator[Counted]:
    made = Counted()
    yield made
    made.close()


# §4.2, the naming table


@pytest.mark.parametrize("entered", ["USER_DESK_TOKEN", "DESK_TOKEN"])
@pytest.mark.thorough
async def test_a_bearer_header(bench: Bench, entered: str) -> None:
    bench.add(bench.http(headers={"Authorization": "Bearer ${USER_DESK_TOKEN}"}))
    assert (bench.form(), bench.canonical()) == (["USER_DESK_TOKEN"], ["DESK_TOKEN"])

    arrived = await bench.enter(**{entered: "desk-1"}).call()

    assert arrived.facts["authorization"] == "Bearer desk-1"
    assert bench.person.rest.get("/api/user-env-vars")[bench.name].keys() == {"USER_DESK_TOKEN"}


@pytest.mark.parametrize("entered", ["GITHUB_TOKEN", "USER_GITHUB_TOKEN"])
async def test_a_name_that_is_a_slot_without_the_prefix(bench: Bench, entered: str) -> None:
    bench.add(bench.http(headers={"X-Token": "${GITHUB_TOKEN}"}))
    assert (bench.form(), bench.canonical()) == (["GITHUB_TOKEN"], ["GITHUB_TOKEN"])

    assert (await bench.enter(**{entered: "gh-1"}).call()).facts["x-token"] == "gh-1"


@pytest.mark.parametrize("entered", ["USER_FIRECRAWL_TOKEN", "FIRECRAWL_TOKEN"])
async def test_an_env_key_with_an_example(bench: Bench, entered: str) -> None:
    bench.add(bench.stdio(env={"USER_FIRECRAWL_TOKEN": "sample"}))
    assert (bench.form(), bench.canonical()) == (["USER_FIRECRAWL_TOKEN"], ["FIRECRAWL_TOKEN"])

    seen = (await bench.enter(**{entered: "fc-1"}).call()).facts

    assert (seen["FIRECRAWL_TOKEN"], seen["USER_FIRECRAWL_TOKEN"]) == ("fc-1", "fc-1")
    assert "sample" not in seen.values()


@pytest.mark.parametrize("entered", ["USER_TRACKER_API_TOKEN", "TRACKER_API_TOKEN"])
async def test_an_env_value(bench: Bench, entered: str) -> None:
    bench.add(bench.stdio(env={"TRACKER_API_TOKEN": "${USER_TRACKER_API_TOKEN}"}))
    assert (bench.form(), bench.canonical()) == (["USER_TRACKER_API_TOKEN"], ["TRACKER_API_TOKEN"])

    seen = (await bench.enter(**{entered: "tr-1"}).call()).facts

    assert seen["TRACKER_API_TOKEN"] == "tr-1"
    assert "USER_TRACKER_API_TOKEN" not in seen


@pytest.mark.parametrize("entered", ["USER_USER_X", "USER_X"])
async def test_a_name_with_two_prefixes(bench: Bench, entered: str) -> None:
    bench.add(bench.stdio(env={"GIVEN": "${USER_USER_X}"}))
    assert (bench.form(), bench.canonical()) == (["USER_USER_X"], ["USER_X"])

    assert (await bench.enter(**{entered: "x-1"}).call()).facts["GIVEN"] == "x-1"


async def test_a_name_that_could_mean_two_slots_means_the_shorter_one_first(bench: Bench) -> None:
    bench.add(bench.stdio(env={"ONE": "${USER_X}", "TWO": "${USER_USER_X}"}))
    assert (bench.form(), bench.canonical()) == (["USER_X", "USER_USER_X"], ["X", "USER_X"])

    seen = (await bench.enter(USER_X="for X", USER_USER_X="for USER_X").call()).facts

    assert (seen["ONE"], seen["TWO"]) == ("for X", "for USER_X")


async def test_what_is_no_slot_stays_text_in_a_process(bench: Bench) -> None:
    bench.add(bench.stdio("$${NOT_A_SLOT}", env={"GIVEN": "$${NOT_A_SLOT}"}))
    assert bench.form() == []

    arrived = await bench.call()

    assert (arrived.facts["GIVEN"], arrived.arguments) == ("${NOT_A_SLOT}", ["${NOT_A_SLOT}"])


async def test_what_is_no_slot_stays_text_in_a_header(bench: Bench) -> None:
    bench.add(bench.http(headers={"X-Given": "$${NOT_A_SLOT}"}))
    assert bench.form() == []

    assert (await bench.call()).facts["x-given"] == "${NOT_A_SLOT}"


async def test_two_slots_in_one_value(bench: Bench) -> None:
    bench.add(bench.stdio(env={"GIVEN": "${USER_A}-${USER_B}"}))
    assert (bench.form(), bench.canonical()) == (["USER_A", "USER_B"], ["A", "B"])

    assert (await bench.enter(USER_A="one", B="two").call()).facts["GIVEN"] == "one-two"


# §4.4: one pass, and what each place makes of a value


async def test_a_value_is_text_whatever_it_holds_in_a_process(bench: Bench) -> None:
    bench.add(bench.stdio("${USER_ARG}", env={"GIVEN": "<${USER_ENV}>", "USER_KEY": "sample"}))

    arrived = await bench.enter(USER_ARG=HOSTILE, USER_ENV=HOSTILE, USER_KEY=HOSTILE).call()

    assert (arrived.facts["GIVEN"], arrived.arguments) == (f"<{HOSTILE}>", [HOSTILE])
    assert (arrived.facts["KEY"], arrived.facts["USER_KEY"]) == (HOSTILE, HOSTILE)


async def test_a_value_is_text_whatever_it_holds_in_a_request(bench: Bench) -> None:
    bench.add(bench.http("?q=${USER_QUERY}", headers={"X-Given": "<${USER_HEADER}>"}))

    arrived = await bench.enter(USER_HEADER=HOSTILE, USER_QUERY="${USER_HEADER}").call()

    assert arrived.facts["x-given"] == f"<{HOSTILE}>"
    assert arrived.target == "/mcp?q=%24%7BUSER_HEADER%7D"


@pytest.mark.parametrize(
    ("template", "target"),
    [
        pytest.param("/${USER_PLACE}/end", f"/mcp/{ENCODED}/end", id="path"),
        pytest.param("?a=1&q=${USER_PLACE}&z=2", f"/mcp?a=1&q={ENCODED}&z=2", id="query"),
    ],
)
async def test_an_address_takes_a_value_percent_encoded(bench: Bench, template: str, target: str) -> None:
    bench.add(bench.http(template))

    assert (await bench.enter(USER_PLACE=AWKWARD).call()).target == target


@pytest.mark.parametrize("value", ["..", "."])
async def test_no_value_climbs_the_path_of_an_address(bench: Bench, counted: Counted, value: str) -> None:
    bench.add({"type": "streamable-http", "url": counted.url + "/${USER_PLACE}/x"}).enter(USER_PLACE=value)

    assert "out of the address" in await bench.error()
    assert counted.connections == 0


@pytest.mark.parametrize(
    "value", ["Basic dXNlcjpwYXNz", "a \"b\" , c; d=\\e 'f'", "a\tb", "%41%0D%0A", "=?utf-8?b?eA==?="]
)
async def test_a_header_takes_a_value_verbatim(bench: Bench, value: str) -> None:
    bench.add(bench.http(headers={"X-Given": "${USER_HEADER}"}))

    assert (await bench.enter(USER_HEADER=value).call()).facts["x-given"] == value


@pytest.mark.parametrize("place", ["header", "url"])
@pytest.mark.parametrize(
    "value",
    [pytest.param("a\r\nX-Evil: 1", id="crlf"), pytest.param("a\nb", id="lf"), pytest.param("a\rb", id="cr")],
)
def test_no_line_break_is_taken_for_a_header_or_an_address(bench: Bench, place: str, value: str) -> None:
    bench.add(bench.http("?q=${USER_V}") if place == "url" else bench.http(headers={"X-Given": "${USER_V}"}))

    assert bench.refused("USER_V", value) == "value_not_allowed"


@pytest.mark.parametrize("value", [pytest.param("토큰", id="beyond-latin-1"), pytest.param("a\x01b", id="control")])
def test_a_header_takes_nothing_it_cannot_carry(bench: Bench, value: str) -> None:
    bench.add(bench.http(headers={"X-Given": "${USER_V}"}))

    assert bench.refused("USER_V", value) == "value_not_allowed"


async def test_an_env_entry_takes_a_value_verbatim(bench: Bench) -> None:
    value = "two\nlines\ttab 'q' \"q\" \\ $HOME `id` 토큰 🦀"
    bench.add(bench.stdio(env={"GIVEN": "${USER_V}"}))

    assert (await bench.enter(USER_V=value).call()).facts["GIVEN"] == value


async def test_one_argument_stays_one_argument(bench: Bench) -> None:
    value = "two words --flag 'x' \"y\" $(id) ; * \n second line"
    bench.add(bench.stdio("--option=${USER_OPTION}", "${USER_V}", "last"))

    arrived = await bench.enter(USER_V=value, USER_OPTION="-x --y").call()

    assert arrived.arguments == ["--option=-x --y", value, "last"]


def test_a_value_is_no_option_where_it_opens_an_argument(bench: Bench) -> None:
    bench.add(bench.stdio("${USER_V}", "${USER_W}/x", "--w=${USER_X}"))

    assert bench.refused("USER_V", "-rf") == "value_not_allowed"
    assert bench.refused("USER_W", " --eval") == "value_not_allowed"
    bench.enter(USER_X="-fine")


async def test_a_value_has_sixteen_kilobytes_at_most(bench: Bench) -> None:
    bench.add(bench.stdio(env={"GIVEN": "${USER_V}"}))
    largest = "ü" * 8192

    assert bench.refused("USER_V", largest + "x") == "value_not_allowed"
    assert (await bench.enter(USER_V=largest).call()).facts["GIVEN"] == largest


@pytest.mark.parametrize("place", ["env", "header", "arg"])
def test_no_value_holds_nul(bench: Bench, place: str) -> None:
    bench.add(
        {
            "env": bench.stdio(env={"GIVEN": "${USER_V}"}),
            "header": bench.http(headers={"X-Given": "${USER_V}"}),
            "arg": bench.stdio("${USER_V}"),
        }[place]
    )

    assert bench.refused("USER_V", "a\0b") == "value_not_allowed"


def test_a_value_is_valid_unicode(bench: Bench) -> None:
    bench.add(bench.stdio(env={"GIVEN": "${USER_V}"}))
    body = json.dumps({"envVars": {bench.name: {"USER_V": "half \ud83d"}}}).encode()

    answer = bench.person.rest.send(
        "POST", "/api/user-env-vars", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code in (400, 422), answer.text
    assert bench.name not in bench.person.rest.get("/api/user-env-vars")


async def test_whitespace_at_the_ends_is_trimmed(bench: Bench) -> None:
    bench.add(bench.http(headers={"X-Given": "${USER_V}"}))

    assert (await bench.enter(USER_V=" \t in ner \r\n").call()).facts["x-given"] == "in ner"


async def test_a_value_fits_the_pattern_of_its_slot(bench: Bench) -> None:
    slots = {"slots": {"USER_V": {"validationRegex": "^t-[0-9]+$"}}}
    bench.add(bench.http(headers={"X-Given": "${USER_V}"}, mcphub=slots))

    assert bench.refused("USER_V", "t-x") == "pattern_mismatch"
    assert (await bench.enter(USER_V=" t-12 ").call()).facts["x-given"] == "t-12"


def test_a_pattern_stalls_nothing(bench: Bench) -> None:
    slots = {"slots": {"USER_V": {"validationRegex": "^(a+)+$"}}}
    bench.add(bench.http(headers={"X-Given": "${USER_V}"}, mcphub=slots))

    assert bench.refused("USER_V", "a" * 16_000 + "b") == "pattern_mismatch"


# §4.4: hosts


def test_a_slot_in_the_host_needs_the_administrators_word(bench: Bench) -> None:
    settings, etag = bench.hub.admin.settings()
    entry = {"slots-host": {"type": "streamable-http", "url": "http://${USER_HOST}/mcp"}}

    problem = bench.person.rest and bench.hub.admin.rest.ask(
        "PUT",
        "/api/admin/settings-file",
        json={"settings": {**settings, "mcpServers": {**settings["mcpServers"], **entry}}},
        headers={"If-Match": etag},
        expect=422,
    )

    assert [error["code"] for error in problem["errors"]] == ["slot_in_authority"]


@pytest.mark.parametrize(
    ("host", "why"),
    [
        pytest.param("tracker.example", "none an administrator allowed", id="outside-the-patterns"),
        pytest.param("evil.example/x?y=.allowed.example", "is no host", id="more-than-a-host"),
        pytest.param("me@x.allowed.example", "is no host", id="userinfo"),
        pytest.param("169.254.169.254", "not an address this hub may dial", id="metadata-service"),
        pytest.param("127.0.0.1", "not an address this hub may dial", id="this-machine"),
        pytest.param("10.0.0.1", "not an address this hub may dial", id="private-network"),
    ],
)
async def test_a_host_is_checked_with_the_final_address(bench: Bench, counted: Counted, host: str, why: str) -> None:
    port = counted.url.rpartition(":")[2]
    patterns = ["*.allowed.example", "169.254.*", "127.*", "10.*"]
    bench.add({"type": "streamable-http", "url": "http://${USER_HOST}:" + port, "mcphub": {"userHosts": patterns}})

    said = await bench.enter(USER_HOST=host).error()

    assert why in said
    assert counted.connections == 0


@pytest.mark.thorough
async def test_a_host_an_administrator_allowed_is_dialled(
    start_hub: Callable[..., RunningHub], upstreams: Upstreams, recorder: Recorder
) -> None:
    """This machine's own address is opened for users by the operator, or no test could show it."""
    hub = start_hub(MCPHUB_EGRESS_ALLOW="127.0.0.0/8")
    bench = Bench(hub, hub.admin.user("host"), upstreams.http("slots-host"), upstreams, recorder)
    address = f"http://${{USER_HOST}}:{bench.far.port}/mcp"
    bench.add({"type": "streamable-http", "url": address, "mcphub": {"userHosts": ["127.0.0.*"]}})

    arrived = await bench.enter(USER_HOST="127.0.0.1").call()

    assert arrived.facts["host"] == f"127.0.0.1:{bench.far.port}"


# §4.4: what is not there


MISSING = {
    "header": {"headers": {"X-Given": "${USER_GIVEN}"}},
    "query": {"url": "?q=${USER_GIVEN}"},
    "path": {"url": "/${USER_GIVEN}"},
    "env-key": {"env": {"USER_GIVEN": "sample"}},
}


@pytest.mark.parametrize("place", MISSING)
async def test_without_a_required_value_nothing_is_dialled(bench: Bench, counted: Counted, place: str) -> None:
    more = dict(MISSING[place])
    entry = {"type": "streamable-http", **more, "url": counted.url + str(more.get("url", ""))}
    bench.add(entry)

    await says_what_is_missing(bench, ["USER_GIVEN"])

    assert counted.connections == 0


@pytest.mark.parametrize("place", ["env", "env-key", "arg"])
async def test_without_a_required_value_nothing_is_started(bench: Bench, place: str) -> None:
    mark = bench.recorder.mark()
    bench.add(
        {
            "env": lambda: bench.stdio(env={"GIVEN": "a ${USER_GIVEN}"}),
            "env-key": lambda: bench.stdio(env={"USER_GIVEN": "sample"}),
            "arg": lambda: bench.stdio("--given=${USER_GIVEN}"),
        }[place]()
    )
    server = f"slots-near-{len(bench.added) - 1}"

    await says_what_is_missing(bench, ["USER_GIVEN"])

    assert [process for process in bench.hub.processes() if f"--name {server} " in process.command] == []
    assert bench.recorder.received(since=mark, server=server) == []


async def test_every_missing_value_is_named_and_no_other(bench: Bench, counted: Counted) -> None:
    headers = {"X-B": "${USER_B}", "X-A": "${USER_A}", "X-C": "${USER_C}"}
    bench.add({"type": "streamable-http", "url": counted.url, "headers": headers}).enter(USER_A="there")

    await says_what_is_missing(bench, ["USER_B", "USER_C"])
    assert "USER_A" not in await bench.error()
    assert counted.connections == 0


async def says_what_is_missing(bench: Bench, names: list[str]) -> None:
    """To people, to clients that can open the page themselves, to scripts, and in the history."""
    said = await bench.error()
    slug = bench.person.rest.get(f"/api/servers/{bench.name}")["slug"]
    link = f"{bench.hub.url}/settings#{slug}"
    assert f"'{slug}' needs {', '.join(names)} from you" in said
    assert link in said
    assert "${" not in said
    request = re.search(r"\(request (\S+)\)", said)
    assert request is not None

    def written() -> bool:
        answer = bench.person.rest.send("GET", f"/api/requests/{request[1]}")
        if answer.status_code != 200 or (row := answer.json()["data"])["status"] == "Pending":
            return False
        assert (row["status"], row["server"], row["reason"]) == ("Failed", slug, "variables_missing")
        return True

    await until(written, within=5, what="the history says what was missing")

    ide = Ide(f"{bench.hub.mcp}?mode=tools", bench.person.key())
    await ide.open({"elicitation": {"url": {}}})
    with pytest.raises(RpcError) as error:
        await ide.call(f"{bench.name}__whoami")
    await ide.close()
    assert error.value.code == -32042
    assert f"{bench.hub.url}/settings?e=" in str(error.value)

    problem = bench.person.rest.ask("POST", f"/api/user-env-vars/{bench.name}/test", json={}, expect=409)
    assert problem["code"] == "variables_missing"
    assert all(name in json.dumps(problem) for name in names)


OPTIONAL = {"slots": {name: {"required": False} for name in ("USER_A", "USER_B")}}


async def test_an_optional_header_and_parameter_are_left_out_whole(bench: Bench) -> None:
    bench.add(
        bench.http(
            "?x=1&a=${USER_A}&both=${USER_B}-${USER_A}&b=${USER_B}",
            headers={"X-A": "Bearer ${USER_A}", "X-B": "${USER_B}", "X-Both": "${USER_A}${USER_B}"},
            mcphub=OPTIONAL,
        )
    )

    arrived = await bench.enter(USER_B="there").call()

    assert arrived.target == "/mcp?x=1&b=there"
    assert {name: value for name, value in arrived.facts.items() if name in ("x-a", "x-b", "x-both")} == {
        "x-b": "there"
    }
    assert not [value for value in (*arrived.facts.values(), arrived.target) if "${" in value]


async def test_an_address_without_its_only_parameter_has_no_question_mark(bench: Bench) -> None:
    bench.add(bench.http("?a=${USER_A}", mcphub=OPTIONAL))

    assert (await bench.call()).target == "/mcp"


async def test_an_optional_entry_and_argument_are_left_out_whole(bench: Bench) -> None:
    env = {"A": "x ${USER_A}", "B": "${USER_B}", "BOTH": "${USER_B}${USER_A}"}
    bench.add(bench.stdio("--a=${USER_A}", "first", "${USER_A}", "--b=${USER_B}", env=env, mcphub=OPTIONAL))

    arrived = await bench.enter(USER_B="there").call()

    assert arrived.arguments == ["first", "--b=there"]
    assert {name: value for name, value in arrived.facts.items() if name in ("A", "B", "BOTH")} == {"B": "there"}


async def test_an_optional_env_key_is_left_out_under_both_names(bench: Bench) -> None:
    bench.add(bench.stdio(env={"USER_A": "sample", "B": "kept"}, mcphub=OPTIONAL))

    seen = (await bench.call()).facts

    assert "A" not in seen
    assert "USER_A" not in seen
    assert seen["B"] == "kept"


# §4.4: what a process sees


async def test_a_process_sees_what_is_meant_for_it_and_nothing_else(bench: Bench) -> None:
    bench.add(bench.stdio(env={"MODE": "fast", "GIVEN": "${USER_GIVEN}", "USER_ROOM": "sample"}))
    bench.enter(USER_GIVEN="given", USER_ROOM="room")

    async with bench.ide() as ide:
        seen = json.loads(await ide.text("whoami"))["facts"]

    told = {"MODE": "fast", "GIVEN": "given", "ROOM": "room", "USER_ROOM": "room"}
    assert {name: seen[name] for name in told} == told
    assert seen["MCPHUB_USER_ID"] == bench.person.id
    of_the_hub = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"}
    ours = {"HOME", "TMPDIR", "MCPHUB_USER_ID", "MCPHUB_SESSION_ID", "MCPHUB_PROCESS"}
    by_a_shell = {"PWD", "OLDPWD", "SHLVL", "_"}  # python3 is a script on some machines, which adds its own
    more = set(seen) - set(told) - of_the_hub - ours - by_a_shell
    assert not [name for name in more if not name.lstrip("_").startswith("PYENV_")]
    assert "MCPHUB_SESSION_ID" in seen
    secrets = [bench.hub.password, bench.person.key(), (bench.hub.home / "master.key").read_text().strip()]
    assert not [name for name, value in seen.items() if any(secret in value for secret in secrets)]
    home = Path(seen["HOME"])
    assert home != bench.hub.home
    assert home.is_relative_to(bench.hub.home / "children")
    assert os.stat(home).st_mode & 0o077 == 0


# §4.4: services described by OpenAPI


@dataclass
class Service:
    """A REST service, and what it was asked since the case began."""

    server: HttpServer
    recorder: Recorder
    mark: int

    def asked(self, event: str) -> list[Received]:
        return self.recorder.received(server=self.server.name, event=event, since=self.mark)


@pytest.fixture(scope="module")
def rest(upstreams: Upstreams) -> HttpServer:
    return upstreams.rest("slots-rest")


@pytest.fixture
def service(rest: HttpServer, recorder: Recorder) -> Service:
    return Service(rest, recorder, recorder.mark())


async def ask(bench: Bench, service: Service) -> Received:
    async with bench.ide() as ide:
        await ide.text("whoami")
    return service.asked("call")[-1]


SECURITY = {
    "http": {"type": "http", "http": {"scheme": "bearer", "credentials": "${USER_V}"}},
    "api-key-header": {"type": "apiKey", "apiKey": {"name": "X-Key", "in": "header", "value": "k ${USER_V}"}},
    "api-key-query": {"type": "apiKey", "apiKey": {"name": "key", "in": "query", "value": "${USER_V}"}},
}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("http", ("Bearer a${USER_B}+/= c", "", "/whoami")),
        ("api-key-header", ("", "k a${USER_B}+/= c", "/whoami")),
        ("api-key-query", ("", "", "/whoami?key=a%24%7BUSER_B%7D%2B%2F%3D%20c")),
    ],
)
async def test_a_service_gets_a_value_where_its_security_says(
    bench: Bench, service: Service, place: str, expected: tuple[str, str, str]
) -> None:
    bench.add(service.server.config(security=SECURITY[place])).enter(USER_V="a${USER_B}+/= c")

    call = await ask(bench, service)

    assert (call.facts.get("authorization", ""), call.facts.get("x-key", ""), call.target) == expected


async def test_the_address_of_a_description_takes_a_value_percent_encoded(bench: Bench, service: Service) -> None:
    config = service.server.config()
    config["openapi"]["url"] = service.server.url.rpartition("/")[0] + "/spec?of=${USER_V}"
    bench.add(config).enter(USER_V="a b&c")

    await ask(bench, service)

    assert {document.target for document in service.asked("document")} == {"/spec?of=a%20b%26c"}


@pytest.mark.parametrize("place", SECURITY)
async def test_without_a_required_value_no_service_is_asked(bench: Bench, service: Service, place: str) -> None:
    bench.add(service.server.config(security=SECURITY[place]))

    assert "needs USER_V from you" in await bench.error()
    assert service.asked("call") == []


# §4.4 and §6.5: slots of a remote server that are env keys


@pytest.mark.parametrize(
    ("key", "header"),
    [
        ("USER_CRAWL_TENANT", "x-mcphub-crawl-tenant"),
        ("GITHUB_TOKEN", "x-mcphub-github-token"),
        ("ATLASSIAN_API_TOKEN", "x-mcphub-atlassian-token"),
        ("USER_JIRA_API_TOKEN", "x-mcphub-jira-token"),
        ("FIRECRAWL_TOKEN", "x-mcphub-firecrawl-token"),
    ],
)
async def test_a_remote_server_gets_its_env_keys_as_headers(bench: Bench, key: str, header: str) -> None:
    bench.add(bench.http(env={key: "sample", "MODE": "plain"}, headers={"X-Other": "${USER_OTHER}"}))

    seen = (await bench.enter(**{key: "mine", "USER_OTHER": "other"}).call()).facts

    assert seen[header] == "mine"
    assert seen["x-other"] == "other"
    tokens = {name for name in seen if name.startswith("x-mcphub-") and name.endswith(("-token", "-tenant", "-other"))}
    assert tokens == {header}
    assert "plain" not in seen.values()


@pytest.mark.parametrize("value", [pytest.param("a\nb", id="line-break"), pytest.param("토큰", id="beyond-latin-1")])
def test_an_env_key_of_a_remote_server_takes_what_a_header_can_carry(bench: Bench, value: str) -> None:
    bench.add(bench.http(env={"USER_CRAWL_TENANT": "sample"}))

    assert bench.refused("USER_CRAWL_TENANT", value) == "value_not_allowed"
