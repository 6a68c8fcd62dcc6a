"""What a hub is given once, as the ledger says: the first administrator and the demo."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mcphub import first_run
from mcphub.api.auth.accounts import NewAccount, name_digest
from mcphub.domain.actor import acting, system
from mcphub.domain.ids import new_id
from mcphub.domain.keys import RevokeKey
from mcphub.domain.servers import AddServer, RemoveServer
from mcphub.first_run import FirstRun, Parts
from mcphub.folded import fold
from mcphub.foundation import Foundation
from mcphub.settings import SettingsUnusable, read
from tests.conftest import Database

PASSWORD = "correct horse battery staple"


@pytest.fixture
async def base(database: Database, home: Path) -> AsyncIterator[Foundation]:
    async with Foundation(read({"DATABASE_URL": database.owner_dsn}, home=home)) as made:
        yield made


async def parts_of(base: Foundation, **env: str) -> Parts:
    """As a start finds them: folded up to the head."""
    settings = read(env, home=base.settings.home)
    state = await fold(base.database.direct, base.vault, name_digest(base.vault))
    return Parts(settings, base.hub, base.vault, state.model, base.pool)


async def start(base: Foundation, *, demo: bool = False, **env: str) -> FirstRun:
    return await first_run.first_run(await parts_of(base, **env), demo=demo, keep_key=False)


async def test_the_password_makes_the_administrator_once(base: Foundation) -> None:
    first = await start(base, MCPHUB_ADMIN_PASSWORD=PASSWORD)
    second = await start(base, MCPHUB_ADMIN_PASSWORD="another good password")

    assert first == FirstRun(admin_made=True)
    assert second == FirstRun()
    [user] = (await parts_of(base)).model.users.values()
    assert user.admin


async def test_two_hubs_that_start_at_once_make_one_administrator(base: Foundation) -> None:
    one, other = (
        await parts_of(base, MCPHUB_ADMIN_PASSWORD=PASSWORD),
        await parts_of(base, MCPHUB_ADMIN_PASSWORD=PASSWORD),
    )

    done = await asyncio.gather(first_run.first_run(one, demo=False), first_run.first_run(other, demo=False))

    assert sorted(each.admin_made for each in done) == [False, True]
    assert len((await parts_of(base)).model.users) == 1


async def test_a_weak_password_makes_nobody(base: Foundation) -> None:
    with pytest.raises(SettingsUnusable, match="MCPHUB_ADMIN_PASSWORD"):
        await start(base, MCPHUB_ADMIN_PASSWORD="password")

    assert (await parts_of(base)).model.users == {}


async def test_without_a_password_there_is_a_link_and_no_administrator(base: Foundation) -> None:
    done = await start(base)

    assert done.setup_link.startswith("http://127.0.0.1:3000/setup#")
    assert (await parts_of(base)).model.users == {}


async def test_the_demo_is_one_server_and_one_user_whose_key_opens_nothing_else(base: Foundation) -> None:
    done = await start(base, demo=True)

    model = (await parts_of(base)).model
    [user], [server], [key] = model.users.values(), model.servers.values(), model.keys.values()
    assert (user.admin, user.password, user.active) == (False, "", True)
    assert (server.name, key.name) == ("demo", "Demo")
    assert key.scope is not None
    assert key.scope.servers == [server.server_id]
    assert base.vault.key_digest(done.demo_key) == key.digest


async def test_the_demo_is_made_once(base: Foundation) -> None:
    await start(base, demo=True)

    assert (await start(base, demo=True)).demo_key == ""
    assert len((await parts_of(base)).model.keys) == 1


@pytest.mark.parametrize("step", ["AddServer", "NewAccount", "IssueKey"])
async def test_a_demo_whose_making_was_cut_off_is_completed(
    base: Foundation, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as cut:
        cut.setattr(first_run, step, dies)
        with pytest.raises(ConnectionError):
            await start(base, demo=True)

    done = await start(base, demo=True)

    model = (await parts_of(base)).model
    assert done.demo_key
    assert (len(model.users), len(model.servers), len(model.keys)) == (1, 1, 1)


@pytest.mark.parametrize("removed", ["everything", "the server", "the key"])
async def test_what_was_removed_of_the_demo_does_not_come_back(base: Foundation, removed: str) -> None:
    await start(base, demo=True)
    parts = await parts_of(base)
    [key] = parts.model.keys.values()
    with acting(system("test")):
        match removed:
            case "everything":
                first_run.remove_demo(parts, system("test"))
            case "the server":
                base.hub.execute(lambda: RemoveServer("demo"))
            case "the key":
                base.hub.execute(lambda: RevokeKey(key.user_id, key.key_id, key.issued_at))
    ledger = await parts_of(base)

    done = await start(base, demo=True)

    assert done.demo_key == ""
    assert (await parts_of(base)).model.position == ledger.model.position


async def test_a_server_of_that_name_is_left_alone(base: Foundation) -> None:
    config = {"command": "npx", "args": ["-y", "somebodys-server@1.0.0"]}
    with acting(system("test")):
        base.hub.execute(lambda: AddServer(new_id(), "demo", config))

    done = await start(base, demo=True)
    removed = first_run.remove_demo(await parts_of(base), system("test"))

    assert (done.demo_key, removed) == ("", [])
    model = (await parts_of(base)).model
    assert [server.config for server in model.servers.values()] == [config]
    assert model.users == {}


async def test_a_user_of_that_name_is_left_alone(base: Foundation) -> None:
    with acting(system("test")):
        base.hub.execute(NewAccount(base.vault, "Demo", None).register)

    done = await start(base, demo=True)
    removed = first_run.remove_demo(await parts_of(base), system("test"))

    assert (done.demo_key, removed) == ("", [])
    model = (await parts_of(base)).model
    assert (len(model.users), len(model.servers)) == (1, 0)


async def test_a_key_that_nobody_sees_printed_is_kept(base: Foundation) -> None:
    done = await first_run.first_run(await parts_of(base), demo=True)

    assert done.demo_key in Path(done.key_file).read_text()  # noqa: ASYNC240  a few bytes


def test_the_first_key_is_kept_where_only_its_owner_reads_it(tmp_path: Path) -> None:
    text = first_run.mcp_json("http://127.0.0.1:3000", "mcphub_made-up")

    (tmp_path / "first-key").symlink_to(tmp_path / "elsewhere")
    kept = first_run.keep_first_key(tmp_path, text)

    assert kept.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "elsewhere").exists()
    assert json.loads(kept.read_text())["mcpServers"]["mcphub"]["url"] == "http://127.0.0.1:3000/mcp"
