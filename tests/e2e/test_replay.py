"""Everything the read tables say follows from the ledger: shown on the hub that all other tests of this tier lived in.

This module runs last (see conftest.py).
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from mcphub.postgres.embedded import EmbeddedPostgres
from tests.support.command import mcphub, run_mcphub
from tests.support.oracles import ledger_is_gapless, read_tables, unbalanced
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

# The first character of the fact's first text becomes another one.
FORGE = """
    update ledger set data = overlay(data::text placing '~' from position(':"' in data::text) + 2 for 1)::json
    where position = %s
"""


@pytest.fixture
def lived_in(
    hub: RunningHub, upstreams: Upstreams, make_user: Callable[[str], Person], fresh_name: Callable[[str], str]
) -> RunningHub:
    """The hub of this run, with a few changes of every kind on top of whatever happened before."""
    admin, name = hub.admin, fresh_name("replayed")
    config = upstreams.stdio(name, env={"SERVICE_TOKEN": "${USER_SERVICE_TOKEN}"})
    admin.add_servers({name: config})
    kept, gone, back, erased = (make_user(stem) for stem in ("kept", "gone", "back", "erased"))
    kept.save(name, USER_SERVICE_TOKEN="one")
    kept.save(name, USER_SERVICE_TOKEN="two")
    kept.key("first")
    group = kept.group(fresh_name("group"), name)
    kept.rest.patch(f"/api/user/groups/{group['id']}/active", {"isActive": False})
    gone.save(name, USER_SERVICE_TOKEN="three")
    gone.rest.delete(f"/api/oauth/keys/{(gone.key(), gone.keys['ide']['id'])[1]}")
    admin.set_admin(kept.id, True)
    admin.set_admin(kept.id, False)
    admin.set_active(gone, False)
    admin.rest.delete(f"/api/admin/users/{back.id}")
    admin.rest.post(f"/api/admin/users/{back.id}/restore")
    admin.rest.ask("DELETE", f"/api/admin/users/{erased.id}?hard=true", json={"confirm": erased.username})
    admin.add_servers({name: {**config, "tools": {"echo": {"enabled": False}}, "enabled": False}})
    return hub


def dsn(hub: RunningHub) -> str:
    return EmbeddedPostgres.reach(hub.home).dsn("postgres")


@pytest.fixture
def empty_hub(make_home: Callable[[], Path], lived_in: RunningHub) -> Iterator[EmbeddedPostgres]:
    """Another home that has the master keys and nothing else; its database server runs while the test looks at it."""
    home = make_home()
    shutil.copy2(lived_in.home / "master.key", home / "master.key")
    server = EmbeddedPostgres(home)
    yield server
    server.close()


def test_a_rebuild_of_the_lived_in_hub_changes_no_row(lived_in: RunningHub) -> None:
    before = read_tables(dsn(lived_in))

    mcphub("rebuild", "--check", home=lived_in.home, env=lived_in.env)
    mcphub("rebuild", home=lived_in.home, env=lived_in.env)

    assert sum(len(rows) for rows in before.values()) > 50
    assert read_tables(dsn(lived_in)) == before


def test_the_ledger_is_gapless_and_its_chain_holds(lived_in: RunningHub) -> None:
    mcphub("verify", home=lived_in.home, env=lived_in.env)

    assert ledger_is_gapless(dsn(lived_in))


def test_every_request_of_the_whole_run_has_one_start_and_one_end(lived_in: RunningHub) -> None:
    eventually(lambda: unbalanced(dsn(lived_in)) == [], within=10, what="every request has ended")


def test_an_import_into_an_empty_hub_gives_the_same_rows_and_a_changed_byte_is_found(
    lived_in: RunningHub, empty_hub: EmbeddedPostgres
) -> None:
    env = lived_in.env
    exported = mcphub("export", home=lived_in.home, env=env)
    before = read_tables(dsn(lived_in))

    mcphub("import", "-", home=empty_hub.home, env=env, stdin=exported)
    mcphub("rebuild", home=empty_hub.home, env=env)
    mcphub("verify", home=empty_hub.home, env=env)
    again = mcphub("export", home=empty_hub.home, env=env)

    assert again == exported
    empty_hub.open()
    assert read_tables(empty_hub.dsn("postgres")) == before
    with psycopg.connect(empty_hub.dsn("postgres")) as db:
        row = db.execute("select max(position) / 2 from ledger").fetchone()
        assert row is not None
        db.execute("alter table ledger disable trigger user")
        db.execute(FORGE, (row[0],))
        db.execute("alter table ledger enable trigger user")
    empty_hub.close()
    found = run_mcphub("verify", home=empty_hub.home, env=env)
    assert found.returncode == 1
    assert str(row[0]) in (found.stdout + found.stderr).decode()
