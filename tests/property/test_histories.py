"""Whatever people do: the rules hold, the in-memory twin and PostgreSQL agree, and everything follows from the ledger.

Each history is random commands around a tour on which every event type of the registry occurs.
"""

import json
import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mcphub.domain.access import AccessModel
from mcphub.domain.codec import decode
from mcphub.domain.events import EVENT_TYPES
from mcphub.domain.hub import Hub
from mcphub.postgres.ledger import verify
from mcphub.postgres.transfer import ImportRefused, export, import_lines
from mcphub.projections.rebuild import check, rebuild
from mcphub.projections.tables import all_projections, apply_locked, head, lock_tracking, read_facts
from tests.support.facts import recorded
from tests.support.life import ACTIONS, TOUR, Life

SOME = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3), st.integers(0, 3), st.integers(0, 59)), max_size=60
)
# Making a failing history smaller takes minutes on a database; the actions are in the report as they are.
QUICKLY = (Phase.explicit, Phase.reuse, Phase.generate)


def lived(hub, before, after):
    """A history on this hub; what came of each of its actions."""
    life, tour = Life(hub), Life(hub, "tour ")
    life.run(before)
    tour.run(TOUR)
    life.run(after)
    return life.answers, tour.answers


def stored(hub):
    return [(row.position, row.event.type, row.event.tags, row.event.data) for row in hub.recorder.read()]


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICKLY)
@given(SOME, SOME, st.integers(0, 2**32))
def test_everything_follows_from_the_ledger(bases, before, after, seed):
    here, there = bases
    here.empty()
    there.empty()
    lived(here.hub, before, after)
    assert {type_ for _, type_, _, _ in stored(here.hub)} == set(EVENT_TYPES)

    # kept up in batches of any size = made anew
    sizes = random.Random(seed)
    while True:
        with here.app.transaction():
            lock_tracking(here.app)
            reached = apply_locked(here.app, all_projections(), limit=sizes.randint(1, 40))
        if reached == head(here.app):
            break
    assert here.app.execute("select name from tracking where status <> 'live'").fetchall() == []
    rows, marks = here.rows(), here.digests()
    assert check(here.app, all_projections()) == {}
    assert rebuild(here.app, all_projections()) == head(here.app)
    assert here.rows() == rows
    assert here.digests() == marks

    # the chain holds, and moves to another hub byte for byte
    proof = verify(here.app)
    assert (proof.broken_at, proof.events) == (None, head(here.app))
    lines = list(export(here.app))
    assert import_lines(there.owner, lines) == head(here.app)
    rebuild(there.app, all_projections())
    assert there.rows() == rows
    assert there.digests() == marks
    assert verify(there.app) == proof
    assert list(export(there.app)) == lines

    # one changed byte is found where it is
    victim = sizes.randint(1, proof.events)
    there.admin.execute("set session_replication_role = replica")
    there.admin.execute(
        'update ledger set meta = replace(meta::text, \'"actor":"\', \'"actor":"x\')::json where position = %s',
        (victim,),
    )
    there.admin.execute("set session_replication_role = origin")
    assert verify(there.app).broken_at == victim
    there.empty()
    broken = list(lines)
    broken[victim - 1] = broken[victim - 1].replace(b'"actor":"', b'"actor":"x', 1)
    with pytest.raises(ImportRefused, match=f"position {victim} does not hash"):
        import_lines(there.owner, broken)
    assert head(there.app) == 0


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICKLY)
@given(SOME, SOME)
def test_the_twin_in_memory_and_postgresql_answer_alike(bases, before, after):
    here, _ = bases
    here.empty()
    twin = Hub()

    assert lived(here.hub, before, after) == lived(twin, before, after)

    assert stored(here.hub) == stored(twin)
    in_memory, of_postgres = AccessModel(), AccessModel()
    for fact in read_facts(here.app, 0, 100_000):
        of_postgres.apply(fact)
    for fact, row in zip(read_facts(here.app, 0, 100_000), twin.recorder.read(), strict=True):
        assert decode(row.event.data) == fact.event
        in_memory.apply(fact)
    assert in_memory.users == of_postgres.users


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(SOME, SOME)
def test_the_rules_hold_after_every_fact(before, after):
    hub, model = Hub(), AccessModel()
    lived(hub, before, after)

    ever = False
    for row in hub.recorder.read():
        event = decode(row.event.data)
        model.apply(recorded((event, row.event.tags), since=row.position)[0])
        users = [user for user in model.users.values() if not user.erased]
        admins = [user for user in users if user.admin]
        ever = ever or bool(admins)
        assert not ever or [admin for admin in admins if admin.active and not admin.deleted], "nobody administers"
        assert all(admin.active for admin in admins)
        names = [user.name_digest for user in users]
        assert len(names) == len(set(names))
        known = {user.identity: user.user_id for user in users if user.identity}
        assert known == model.user_by_identity
        assert len(known) == len([user for user in users if user.identity])
        for user, groups in model.groups_of.items():
            taken = [group.name.casefold() for group in groups.values()]
            assert len(taken) == len(set(taken)), f"two groups of {user} have one name"
        for user, keys in model.keys_of.items():
            assert model.users[user].erased is False
            assert len([key for key in keys.values() if not key.revoked and key.grace_until is None]) <= 100
        servers = list(model.servers.values())
        assert len({server.name for server in servers}) == len({server.slug for server in servers}) == len(servers)
        assert set(model.settings.order) == set(model.servers)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(SOME, SOME)
def test_what_was_said_can_be_read_again(before, after):
    """Each event decodes to itself, and an equal command said twice says nothing new."""
    hub = Hub()
    lived(hub, before, after)

    for _, type_, tags, data in stored(hub):
        event = decode(data)
        assert type(event).__name__ == type_ == json.loads(data)["type"]
        assert tags == sorted(set(tags))
        if user := getattr(event, "user_id", ""):
            assert [tag for tag in tags if tag.startswith("user:")] == [f"user:{user}"]
        if server := getattr(event, "server_id", ""):
            assert f"server:{server}" in tags
