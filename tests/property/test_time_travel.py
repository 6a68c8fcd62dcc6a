"""Whatever happened: the state as of a position is what a hub that heard no more would have, and differences add up."""

from datetime import timedelta
from itertools import cycle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcphub.domain.access import AccessModel, Principal, explain
from mcphub.domain.branch import Branch
from mcphub.domain.codec import decode, encode
from mcphub.domain.events import EVENT_TYPES
from mcphub.domain.hub import Hub
from mcphub.domain.state import changes, state_of
from mcphub.projections.history import History
from tests.property.test_histories import QUICKLY, SOME, lived
from tests.support.facts import NOW, recorded

SHARE = st.integers(0, 1000).map(lambda share: share / 1000)
MOMENTS = st.lists(SHARE, min_size=2, max_size=6)
LATER = NOW + timedelta(days=30)


def told(before, after):
    """Every fact of a history, in its envelope."""
    hub = Hub()
    lived(hub, before, after)
    rows = list(hub.recorder.read())
    assert {row.event.type for row in rows} == set(EVENT_TYPES)
    return [recorded((decode(row.event.data), row.event.tags), since=row.position)[0] for row in rows]


def fresh(facts):
    """A hub that was told these facts and nothing else."""
    model = AccessModel()
    for fact in facts:
        model.apply(fact)
    return model


def whole(model):
    """Everything the model holds but what it remembers of its answers, and how it decides for everybody."""
    asked = {user: explain(model, Principal(user), LATER) for user in model.users}
    by_key = {key: explain(model, Principal(one.user_id, key), LATER) for key, one in model.keys.items()}
    remembered = {"_visible", "_meant", "_copied"}
    held = {name: value for name, value in vars(model).items() if name not in remembered}
    held |= {name: vars(held[name]) for name in ("settings", "hub_variables", "env_checks")}
    held["refs"] = model.refs._refs
    held["_name_digest"] = held["_membership_digest"] = None
    assert {key.key_id: id(key) for key in model.key_by_digest.values()} == {k: id(v) for k, v in model.keys.items()}
    assert all(model.keys[id] is key for keys in model.keys_of.values() for id, key in keys.items())
    return encode_all(held), asked, by_key


def encode_all(held):
    return {name: encode(value) if name != "settings" else encode(plain(value)) for name, value in held.items()}


OF_SERVERS = ("name", "slug", "config", "slots", "added_at", "changed_at", "offers_at")


def plain(settings):
    servers = settings["servers"].items()
    return settings | {"servers": {id: {name: getattr(one, name) for name in OF_SERVERS} for id, one in servers}}


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICKLY)
@given(SOME, SOME, st.lists(st.sampled_from((1, 1, 1, 2, 5)), min_size=1, max_size=8))
def test_a_branch_is_what_a_fresh_hub_would_be_and_leaves_its_trunk_as_it_was(before, after, strides):
    """Branch upon branch, a few facts further each time: what one changes shows in none of those below."""
    facts = told(before, after)
    trunk, at, stride = AccessModel(), 0, cycle(strides)
    then = whole(trunk)
    while at < len(facts):
        upto = at + next(stride)
        branch = Branch(trunk)
        for fact in facts[at:upto]:
            branch.apply(fact)
        assert whole(trunk) == then, f"changed by {facts[at:upto]}"
        trunk, at, then = branch, upto, whole(branch)

    assert then == whole(fresh(facts))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICKLY)
@given(SOME, SOME, SHARE, SHARE)
def test_what_changed_between_two_states_makes_the_one_of_the_other(before, after, one, two):
    facts = told(before, after)
    first, last = (fresh(facts[: round(moment * len(facts))]) for moment in (one, two))
    made, wanted = state_of(first, NOW), state_of(last, LATER)

    for change in changes(first, NOW, last, LATER):
        assert made[change.section].get(change.id) == change.before != change.after
        if change.after is None:
            del made[change.section][change.id]
        else:
            made[change.section][change.id] = change.after

    assert made == wanted
    assert list(changes(last, LATER, last, LATER)) == []
    assert b"sealed-" not in encode({name: wanted[name] for name in wanted if name not in {"servers", "settings"}})


@pytest.mark.slow
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICKLY)
@given(SOME, SOME, MOMENTS)
def test_the_state_as_of_a_position_is_that_of_a_fresh_hub(bases, before, after, moments):
    """Read from PostgreSQL in any order, by a history that keeps models on its way."""
    here, _ = bases
    here.empty()
    lived(here.hub, before, after)
    facts = list(here.facts())
    history = History(here.pool, AccessModel)

    for moment in moments:
        position = round(moment * len(facts))
        when = history.moment(position)
        expected = fresh(facts[:position])
        assert history.ask(position, lambda model: state_of(model, LATER)) == state_of(expected, LATER)
        assert history.ask(position, lambda model: model.position) == position
        assert (when.position, when.later) == (position, len(facts) - position)
        assert when.recorded_at == (facts[position - 1].at if position else None)
        if position:
            by_time = history.moment(facts[position - 1].at).position
            assert facts[by_time - 1].at == facts[position - 1].at
            assert by_time == len(facts) or facts[by_time].at > facts[position - 1].at
