"""Roles against PostgreSQL: orphaned keys, counted uses, one-time links."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from mcphub.api.auth.links import OneTimeLinks
from mcphub.domain.access import AccessModel
from mcphub.domain.events import PasswordSet
from mcphub.domain.vault import Ring, Vault, WrappedKey
from mcphub.postgres.data_key import DataKeys
from mcphub.postgres.pool import command_pool
from mcphub.roles import Erasure, KeyRemains, KeyUse
from tests.support.facts import NOW, issued, member, modelled, of_user, saved


@pytest.fixture
def pool(database):
    with command_pool(database.app_dsn) as made:
        yield made


@pytest.fixture
def vault(pool):
    return Vault(DataKeys(pool, WrappedKey), Ring([("k1", b"\1" * 32)]), lambda: 0.0)


def aged(database, *keys):
    with psycopg.connect(database.admin_dsn, autocommit=True) as db:
        db.execute(
            "update data_key set created_at = created_at - interval '2 hours' where id::text = any(%s)", (list(keys),)
        )


def sealed(vault, purpose="token"):
    return vault.seal_new("bob", purpose, ("bob",), "value")


async def test_a_value_sealed_for_a_change_that_was_refused_is_destroyed_when_it_is_old(pool, vault, database):
    (stored, _), (orphan, _), (young, _) = sealed(vault), sealed(vault), sealed(vault)
    model = modelled(*member("bob"), saved("bob", "jira", "TOKEN", stored))
    aged(database, stored, orphan)

    destroyed = await Erasure(None, vault, model, pool).sweep()

    assert destroyed == 1
    kept = {row[0] for row in rows(database, "select id::text from data_key where purpose = 'token'")}
    assert kept == {stored, young}


async def test_a_sweep_spares_passwords_in_use_and_everything_of_another_purpose(pool, vault, database):
    (orphan, _), (used, text) = sealed(vault, "password"), sealed(vault, "password")
    settings, _ = sealed(vault, "settings")
    model = modelled(*member("bob"), of_user(PasswordSet, "bob", sealed=text))
    aged(database, orphan, used, settings)

    assert await Erasure(None, vault, model, pool).sweep() == 1
    assert DataKeys(pool, WrappedKey).get(orphan) is None
    assert DataKeys(pool, WrappedKey).get(used) is not None
    assert DataKeys(pool, WrappedKey).get(settings) is not None


async def test_the_names_of_somebody_who_was_never_registered_are_unreadable_after_a_while(pool, vault, database):
    vault.seal_personal("bob", "profile.username", "bob")
    vault.seal_personal("crashed", "profile.username", "carol")
    vault.seal_personal("arriving", "profile.username", "dan")
    keys = dict(rows(database, "select owner, id::text from data_key where purpose = 'personal'"))
    aged(database, keys["bob"], keys["crashed"])

    destroyed = await Erasure(None, vault, modelled(*member("bob")), pool).sweep()

    assert destroyed == 1
    left = {row[0] for row in rows(database, "select owner from data_key where purpose = 'personal'")}
    assert left == {"bob", "arriving"}


async def test_a_process_that_lags_sweeps_nothing(pool, vault, database):
    """It has not heard of the value yet: what looks like an orphan may be somebody's token."""
    stored, _ = sealed(vault)
    aged(database, stored)
    with psycopg.connect(database.owner_dsn, autocommit=True) as db:
        db.execute("update ledger_head set position = 7")

    assert await Erasure(None, vault, AccessModel(), pool).sweep() == 0
    assert DataKeys(pool, WrappedKey).get(stored) is not None


async def test_uses_add_up_and_the_latest_time_counts(pool, database):
    now = [NOW]
    model = modelled(*member("bob"), issued("bob", "k1"))
    model.keys["k1"].used = True
    role = KeyUse(None, model, pool, now=lambda: now[0])
    for _ in range(3):
        role.used("k1")
    await role.round()
    now[0] = NOW - timedelta(hours=1)  # a clock set back
    role.used("k1")
    await role.round()

    assert rows(database, "select key_id, last_used_at, use_count from key_use") == [("k1", NOW, 4)]


def rows(database, query):
    with psycopg.connect(database.app_dsn, autocommit=True) as db:
        return db.execute(query).fetchall()


# one-time links


def test_a_link_works_once(pool):
    links = OneTimeLinks(pool)
    token = links.make("invite", "bob")

    assert links.take("invite", token) == "bob"
    assert links.take("invite", token) is None


def test_a_link_is_for_its_purpose_alone(pool):
    links = OneTimeLinks(pool)
    token = links.make("invite", "bob")

    assert links.take("setup", token) is None
    assert links.take("invite", token + "x") is None
    assert links.take("invite", token) == "bob"


def test_a_link_ends_with_its_time(pool, database):
    links = OneTimeLinks(pool)
    token = links.make("setup")
    with psycopg.connect(database.admin_dsn, autocommit=True) as db:
        db.execute("update one_time_link set expires_at = expires_at - interval '15 minutes'")

    assert links.take("setup", token) is None
    links.make("setup")
    assert rows(database, "select count(*) from one_time_link") == [(1,)]


def test_a_link_is_given_back_when_what_it_was_taken_for_was_refused(pool):
    links = OneTimeLinks(pool)
    token = links.make("setup", "recover")
    links.take("setup", token)
    links.put("setup", token, "recover")

    assert links.take("setup", token) == "recover"


def test_a_links_token_is_kept_nowhere(pool, database):
    token = OneTimeLinks(pool).make("setup")

    assert token not in str(rows(database, "select *, encode(digest, 'escape') from one_time_link"))


def table_on_disk(database):
    """The file the table of data keys has now, as bytes."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as db:
        db.execute("checkpoint")
        path = "current_setting('data_directory') || '/' || pg_relation_filepath('data_key')"
        ((found,),) = db.execute(f"select {path}").fetchall()
    return Path(found).read_bytes()


async def test_destroyed_keys_do_not_remain_in_the_tables_file(pool, vault, database):
    (gone, _), (kept, text) = sealed(vault), sealed(vault)
    wrapped = {key: DataKeys(pool, WrappedKey).get(key).wrapped for key in (gone, kept)}
    remains = KeyRemains(database.owner_dsn)
    vault.destroy(gone)
    assert wrapped[gone] in table_on_disk(database)

    await remains.round()

    assert wrapped[gone] not in table_on_disk(database)
    assert wrapped[kept] in table_on_disk(database)
    vault.forget(kept)
    assert vault.open(text, "token", ("bob",)) == "value"


async def test_nobody_waits_for_remains_while_the_table_is_being_dumped(vault, database):
    remains = KeyRemains(database.owner_dsn)
    (gone, _), (kept, text) = sealed(vault), sealed(vault)
    vault.destroy(gone)

    with psycopg.connect(database.app_dsn) as dump:
        dump.execute("select from data_key")
        await remains.round()
        vault.forget(kept)
        assert vault.open(text, "token", ("bob",)) == "value"
    before = rows(database, "select pg_relation_filepath('data_key')")
    await remains.round()

    assert rows(database, "select pg_relation_filepath('data_key')") != before
