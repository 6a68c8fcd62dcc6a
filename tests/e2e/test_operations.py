"""What is done to a hub with data, rehearsed: its master key is replaced under load, and its PostgreSQL upgraded.

The pieces, cut off at every step, are in tests/integration: test_master_keys, test_upgrade.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from mcphub.domain.vault import Ring
from mcphub.operations.backup import read_about, restore
from mcphub.postgres.embedded import EmbeddedPostgres
from tests.e2e.conftest import StartHub
from tests.e2e.test_backup import answered, cli, furnish, told
from tests.support.ide import Ide
from tests.support.older_postgres import OlderCluster
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


async def test_a_master_key_is_replaced_while_people_work_and_the_old_one_is_needed_by_old_backups_alone(
    start_hub: StartHub, make_home: Callable[[], Path], upstreams: Upstreams, tmp_path: Path
) -> None:
    hub = start_hub()
    stayer, leaver, values = furnish(hub, upstreams)
    key, ring = stayer.key(), hub.home / "master.key"
    old_ring = shutil.copy(ring, tmp_path / "old.key")
    answered(hub.home, "backup", str(tmp_path / "old"))
    assert answered(hub.home, "keyring", "status")["keys"] == ["k1"]

    rotated = asyncio.Event()
    working = asyncio.create_task(at_work(hub, key, leaver, rotated))
    done = await asyncio.to_thread(answered, hub.home, "keyring", "rotate")
    rotated.set()
    calls, saves = await working

    assert (done["keyId"], done["retired"], done["resumed"]) == ("k2", ["k1"], False)
    assert calls > 0
    assert saves > 0
    assert Ring.parse(ring.read_text()).ids == ["k2"]
    with psycopg.connect(EmbeddedPostgres.reach(hub.home).dsn("postgres")) as db:
        assert db.execute("select distinct kek_id from data_key").fetchall() == [("k2",)]
    (fact,) = hub.admin.audit(type="MasterKeyRotated")
    assert fact["actor"] == "system:cli"
    assert values["stays"] in await told(hub, key)
    answered(hub.home, "backup", str(tmp_path / "new"))
    assert hub.stop() == 0
    assert values["stays"] in await told(hub.start(), key)

    home = make_home()
    refused = cli(home, "restore", str(tmp_path / "old"), "--keys", str(ring), code=2)
    assert "has no key k1" in refused.stderr.decode()
    assert answered(make_home(), "restore", str(tmp_path / "old"), "--keys", str(old_ring))["ok"]
    assert answered(make_home(), "restore", str(tmp_path / "new"), "--keys", str(ring))["ok"]


async def at_work(hub: RunningHub, key: str, person: Person, until: asyncio.Event) -> tuple[int, int]:
    """Calls and saves, one after the other; every one must succeed."""
    calls = saves = 0
    async with Ide(f"{hub.mcp}?mode=tools", key) as ide:
        while not until.is_set() or not calls:
            assert "content" in await ide.call("far__whoami")
            calls += 1
            await asyncio.to_thread(person.save, "far", USER_FAR_TOKEN=f"value number {calls}")
            saves += 1
    return calls, saves


async def test_a_hub_on_an_earlier_postgresql_is_refused_then_upgraded_and_goes_on(
    start_hub: StartHub, make_home: Callable[[], Path], upstreams: Upstreams, tmp_path: Path
) -> None:
    before, folder = start_hub(), tmp_path / "backup"
    stayer, _, values = furnish(before, upstreams)
    key = stayer.key()
    await told(before, key)
    backed_up = answered(before.home, "backup", str(folder))
    home = make_home()
    old = OlderCluster(home, 16)
    old.make()
    old.server.open()
    try:
        ring = Ring.parse((before.home / "master.key").read_text())
        restore(old.server.dsn("mcphub_owner"), folder, read_about(folder), ring)
    finally:
        old.server.close()
    shutil.copy(before.home / "master.key", home / "master.key")
    assert before.stop() == 0

    refused = cli(home, "up", "--no-open", "--no-demo", code=1)
    assert "mcphub upgrade-database" in refused.stderr.decode()
    done = answered(home, "upgrade-database")

    assert (done["from"], done["to"], done["position"]) == (16, 18, backed_up["position"])
    assert (Path(done["kept"]) / "PG_VERSION").read_text() == "16\n"
    assert values["stays"] in await told(start_hub(home=home), key)
    assert answered(home, "verify")["position"] >= backed_up["position"]
    assert answered(home, "rebuild", "--check")["equal"]
