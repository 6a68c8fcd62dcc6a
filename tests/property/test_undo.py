"""What is taken back is as if it had never been, whatever happened before; and what came later is never touched."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcphub.domain import events
from mcphub.domain.actor import acting, system
from mcphub.domain.codec import decode
from mcphub.domain.errors import AlreadyUndone, NotUndoable, Refused
from mcphub.domain.events import EVENT_TYPES, KeyExpired, SecretSlotDeclared, SecretSlotRetired
from mcphub.domain.findings import Policy
from mcphub.domain.hub import Hub
from mcphub.domain.settings_state import SettingsState
from mcphub.domain.testing import Scenario
from mcphub.domain.undo import Undoing
from mcphub.projections.projection import fold
from mcphub.projections.tables import all_projections
from tests.property.test_histories import QUICKLY, SOME
from tests.support.facts import NOW, recorded
from tests.support.life import TOUR, Life, taking_back

WHEN = {"position", "added_position", "changed_at", "updated_at"}
UNDOABLE = {
    *("UserActivated", "UserDeactivated", "UserDeleted", "UserRestored", "AdminGranted", "AdminRevoked"),
    *("AuditorGranted", "AuditorRevoked", "UserPreferencesChanged", "KeyRenamed", "KeyExtended", "ServiceTokenSaved"),
    *("GroupCreated", "GroupChanged", "GroupActivated", "GroupDeactivated", "GroupDeleted"),
    *("ServerAdded", "ServerChanged", "ServerRenamed", "ServerEnabled", "ServerDisabled", "ServerAudienceChanged"),
    *("ServerRemoved", "ToolEnabled", "ToolDisabled", "ToolDescriptionOverridden", "ToolOverrideReset", "ToolRenamed"),
    *("ToolNameReset", "SystemConfigChanged", "EnvSchedulerConfigured", "HubVariableSet"),
}
SLOTS = (SecretSlotDeclared, SecretSlotRetired)
UNDOING = Undoing(by="", now=NOW, policy=Policy())


def lived(*histories):
    hub = Hub()
    for number, actions in enumerate(histories):
        Life(hub, f"{number} ").run(actions)
    return [(decode(row.event.data), row.event.tags) for row in hub.recorder.read()]


def after_each(facts):
    """(what went before, a fact with the slots it brings along, the fact's place among those) for each fact."""
    for at, (event, _) in enumerate(facts):
        start, end = at, at + 1
        server = getattr(event, "server_id", "")
        if isinstance(event, events.ServerAdded | events.ServerChanged):
            while end < len(facts) and isinstance(facts[end][0], SLOTS) and facts[end][0].server_id == server:
                end += 1
        if isinstance(event, events.ServerRemoved):
            while isinstance(facts[start - 1][0], SLOTS) and facts[start - 1][0].server_id == server:
                start -= 1
        yield facts[:start], facts[start:end], at + 1


def undone(facts, position):
    """The facts that take it back, or why there are none."""
    try:
        known = recorded(*facts)
        build = taking_back(known, known[position - 1], UNDOING)
        with acting(system("test")):
            hub = Scenario().given(*facts).hub
            done = hub.execute(build)
    except Refused as refused:
        return refused
    assert done.changed, "an undo that changes nothing"
    return [(decode(row.event.data), row.event.tags) for row in hub.recorder.read(after=len(facts))]


def tables(facts):
    """Every row of every read table, without when and where it stands. And the order of the settings document, which no
    table holds.
    """
    settings = SettingsState()
    for event, _ in facts:
        settings.apply(event)
    return {"order": list(settings.order)} | {
        projection.name: {
            key: {name: _meant(name, getattr(row, name)) for name in row.__struct_fields__ if name not in WHEN}
            for key, row in fold(projection, recorded(*facts)).rows.items()
        }
        for projection in all_projections()
    }


def _meant(name, value):
    """A group that meant a server by its name alone holds its id once that was renamed, and means the same one."""
    return [ref.name for ref in value] if name == "servers" else value


def check(facts):
    """Undoes each fact as soon as it is there; the types that could be."""
    seen = set()
    for before, block, position in after_each(facts):
        event = facts[position - 1][0]
        if isinstance(event, events.KeyExtended) and any(
            isinstance(one, KeyExpired) and one.key_id == event.key_id for one, _ in before
        ):
            continue  # a life's clocks may disagree, a hub's do not
        taken_back = undone([*before, *block], position)
        if isinstance(taken_back, Refused):
            continue
        assert tables([*before, *block, *taken_back]) == tables(before), event
        seen.add(type(event).__name__)
    return seen


@pytest.mark.slow
def test_every_kind_of_change_that_has_an_opposite_is_taken_back():
    assert check(lived(TOUR)) == UNDOABLE


@pytest.mark.slow
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICKLY)
@given(SOME, SOME)
def test_undo_after_do_changes_no_read_table(before, after):
    """Random lives of the same people before and after the tour, so that it meets what it did not make."""
    assert check(lived([*before, *TOUR, *after])) <= UNDOABLE


@pytest.mark.slow
def test_of_every_type_it_is_said_whether_it_can_be_taken_back():
    answers = {}
    facts = lived(TOUR)
    for position, (event, _) in enumerate(facts, 1):
        answers.setdefault(type(event).__name__, []).append(undone(facts[:position], position))

    assert set(answers) == set(EVENT_TYPES)
    for name, found in answers.items():
        if name not in UNDOABLE:
            assert all(isinstance(one, NotUndoable) for one in found), name


@pytest.mark.slow
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICKLY)
@given(SOME, st.randoms(use_true_random=False))
def test_what_came_later_is_kept(actions, chance):
    """Whatever is taken back at the end of a life was the last of its thing, and is not taken back twice."""
    facts = lived([*TOUR, *actions])
    for position in chance.sample(range(1, len(facts) + 1), 25):
        answer = undone(facts, position)
        if isinstance(answer, NotUndoable) and answer.code in {"undo_already", "undo_overtaken"}:
            assert position < answer.position <= len(facts)
        if isinstance(answer, list):
            again = undone([*facts, *answer], position)
            assert isinstance(again, AlreadyUndone), facts[position - 1]
            assert len(facts) < again.position <= len(facts) + len(answer)
