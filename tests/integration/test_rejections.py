"""Marks of refused values: noted in memory, written by rounds, shared by hubs, gone with what they are about."""

from datetime import timedelta

import psycopg
import pytest

from mcphub.domain.events import UserErased
from mcphub.gateway.rejections import Rejections
from mcphub.gateway.session import credential_digest
from mcphub.postgres.pool import command_pool
from tests.support.facts import NOW, added, cleared, member, modelled, of_user, recorded, saved

FACTS = (
    *member("bob"),
    *member("ann"),
    added("desk", args=["${USER_TOKEN}", "${USER_ROOM}"]),
    saved("bob", "desk", "TOKEN"),
    saved("bob", "desk", "ROOM"),
    saved("bob", "desk", "RETIRED"),
    saved("ann", "desk", "TOKEN"),
)


@pytest.fixture
def pool(database):
    with command_pool(database.app_dsn) as made:
        yield made


class Node:
    """One hub on the database."""

    def __init__(self, pool):
        self.model = modelled(*FACTS)
        self.now = NOW
        self.rejections = Rejections(self.model, pool, lambda: self.now)

    def happen(self, *facts):
        made = recorded(*facts, since=self.model.position + 1)
        for fact in made:
            self.model.apply(fact)
        self.rejections.facts_applied(made)

    def judged(self, user="bob", *, refused, version=""):
        self.rejections.judged(user, "desk", version or credential_digest(self.model, user, "desk"), refused)

    def marks(self, user="bob"):
        stored = self.model.credentials_of(user, "desk")
        found = {name: self.rejections.rejected_at(user, "desk", name) for name in stored}
        return {name: at for name, at in found.items() if at is not None}

    async def look(self):
        """A round that looks at what other hubs wrote, whatever the time."""
        self.rejections._look_at = 0.0
        await self.rejections.round()


@pytest.fixture
def node(pool):
    return Node(pool)


@pytest.fixture
def other(pool):
    return Node(pool)


def rows(database):
    with psycopg.connect(database.app_dsn, autocommit=True) as db:
        return db.execute("select user_id, variable, rejected_at from value_rejection order by 1, 2").fetchall()


async def test_every_value_the_request_carried_is_marked_and_nobody_elses(node, database):
    node.judged(refused=True)
    at_once = node.marks()
    await node.rejections.round()

    assert at_once == node.marks() == {"TOKEN": NOW, "ROOM": NOW}  # a retired variable's value goes nowhere
    assert node.marks("ann") == {}
    assert rows(database) == [("bob", "ROOM", NOW), ("bob", "TOKEN", NOW)]


async def test_another_hub_sees_the_mark_and_a_success_there_takes_it_back(node, other, database):
    node.judged(refused=True)
    await node.rejections.round()
    await other.look()
    seen = other.marks()
    other.now += timedelta(seconds=5)
    other.judged(refused=False)
    await other.rejections.round()
    await node.look()

    assert seen == {"TOKEN": NOW, "ROOM": NOW}
    assert (node.marks(), other.marks(), rows(database)) == ({}, {}, [])


async def test_a_success_that_came_before_a_refusal_elsewhere_does_not_take_it_back(node, other, database):
    node.judged(refused=True)
    await node.rejections.round()
    await other.look()
    other.now = NOW - timedelta(seconds=1)
    other.judged(refused=False)

    await other.rejections.round()

    assert len(rows(database)) == 2
    assert other.marks() == {"TOKEN": NOW, "ROOM": NOW}


async def test_an_answer_about_a_version_that_was_replaced_meanwhile_marks_nothing(node):
    version = credential_digest(node.model, "bob", "desk")
    node.happen(saved("bob", "desk", "TOKEN", "newer"))

    node.judged(refused=True, version=version)

    assert node.marks() == {}


async def test_values_that_are_not_saved_mark_nothing(node):
    node.rejections.judged("bob", "desk", "", True)

    assert node.marks() == {}


async def test_a_value_saved_anew_begins_without_a_mark_and_its_row_goes(node, database):
    node.judged(refused=True)
    await node.rejections.round()

    node.happen(saved("bob", "desk", "TOKEN", "newer"))
    at_once = node.marks()
    await node.rejections.round()

    assert at_once == {"ROOM": NOW}
    assert rows(database) == [("bob", "ROOM", NOW)]


@pytest.mark.parametrize(
    "ends", [[cleared("bob", "desk", "TOKEN"), cleared("bob", "desk", "ROOM")], [of_user(UserErased, "bob")]]
)
async def test_marks_go_with_what_was_cleared_and_who_was_erased(node, database, ends):
    node.judged(refused=True)
    node.judged("ann", refused=True)
    await node.rejections.round()

    node.happen(*ends)
    await node.rejections.round()

    assert rows(database) == [("ann", "TOKEN", NOW)]


async def test_a_hub_that_is_behind_drops_no_mark_of_a_value_it_has_not_heard_of(node, other, database):
    node.happen(saved("bob", "desk", "TOKEN", "newer"))
    node.judged(refused=True)
    await node.rejections.round()

    await other.look()

    assert ("bob", "TOKEN", NOW) in rows(database)
    assert other.marks() == {"ROOM": NOW}


async def test_what_cannot_be_written_is_kept_for_the_next_round(node, database, monkeypatch):
    write = node.rejections._write

    def broken(_):
        raise psycopg.OperationalError

    node.judged(refused=True)
    monkeypatch.setattr(node.rejections, "_write", broken)
    with pytest.raises(psycopg.OperationalError):
        await node.rejections.round()
    monkeypatch.setattr(node.rejections, "_write", write)

    await node.rejections.round()

    assert len(rows(database)) == 2


async def test_a_round_without_news_asks_the_database_nothing(node, monkeypatch):
    await node.rejections.round()
    monkeypatch.setattr(node.rejections, "_write", None)

    node.judged(refused=False)
    await node.rejections.round()
