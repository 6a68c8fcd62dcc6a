"""What takes a fact back, and what is said where nothing does."""

from datetime import timedelta

import pytest
from msgspec import Raw, json

from mcphub.domain.errors import (
    AlreadyUndone,
    Erased,
    KeyIsOver,
    LastAdmin,
    NoChange,
    Outlives,
    Overtaken,
    PartOf,
    SelfDeactivation,
    ServerExists,
    ValueGone,
    WholeSave,
)
from mcphub.domain.events import (
    ADMINS,
    SERVERS,
    UNDONE,
    AdminGranted,
    GroupActivated,
    GroupChanged,
    GroupCreated,
    GroupDeactivated,
    GroupDeleted,
    KeyExtended,
    KeyRenamed,
    KeyRevoked,
    SecretSlotDeclared,
    ServerAdded,
    ServerAudienceChanged,
    ServerChanged,
    ServerDisabled,
    ServerEnabled,
    ServerRef,
    ServerRenamed,
    ServiceTokenRemoved,
    SettingsFileImported,
    SignedIn,
    ToolDisabled,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserPreferencesChanged,
    UserRestored,
    server_tag,
    user_tag,
)
from mcphub.domain.findings import Policy
from mcphub.domain.testing import Scenario
from mcphub.domain.undo import Undoing
from tests.support.facts import (
    NOW,
    added,
    admin,
    cleared,
    grouped,
    issued,
    member,
    modelled,
    of_group,
    of_key,
    of_user,
    recorded,
    registered,
    removed,
    saved,
)
from tests.support.life import taking_back


def undo(*facts, at=None, by="ann", mend=None):
    """What undoing one of these facts decides, or that it is refused; by default the last one."""
    known = recorded(*facts)
    undoing = Undoing(by=by, now=NOW, policy=Policy(), **({"mend": mend} if mend else {}))
    return Scenario().given(*facts).when(lambda: taking_back(known, known[(at or len(known)) - 1], undoing)())


def of_server(fact, server, **more):
    return (fact(server_id=server, **more), [server_tag(server), SERVERS])


def configured(server, **config):
    return of_server(ServerChanged, server, config=Raw(json.encode({"command": "node", **config})))


def test_a_switch_goes_back():
    undo(*member("bob"), of_user(UserDeactivated, "bob")).then(UserActivated(user_id="bob"))
    granted = (AdminGranted(user_id="bob"), [user_tag("bob"), ADMINS])
    assert undo(*admin("ann"), *member("bob"), granted).tagged() == [["user:bob", "admins"]]


def test_the_rules_of_the_opposite_command_hold():
    undo(*admin("ann")).refused(LastAdmin)
    undo(*member("ann")).refused(SelfDeactivation)
    undo(*member("bob"), added("jira"), removed("jira"), added("other", name="JIRA"), at=4).refused(ServerExists)


def test_who_was_let_in_for_the_first_time_waits_again():
    undo(*member("bob")).then(UserDeactivated(user_id="bob", cause=UNDONE))
    again = (*member("bob"), of_user(UserDeactivated, "bob"), of_user(UserActivated, "bob"))
    undo(*again).then(UserDeactivated(user_id="bob"))


def test_a_deleted_user_comes_back_as_active_as_before():
    undo(*member("bob"), of_user(UserDeleted, "bob")).then(UserRestored(user_id="bob"), UserActivated(user_id="bob"))
    undo(registered("bob"), of_user(UserDeleted, "bob")).then(UserRestored(user_id="bob"))


def test_a_preference_nobody_had_stated_is_the_default_again():
    undo(*member("bob"), of_user(UserPreferencesChanged, "bob", theme="dark")).then(
        UserPreferencesChanged(user_id="bob", theme="system")
    )


def test_a_deleted_group_comes_back_as_it_was_and_as_old():
    group = (*member("bob"), grouped("bob", "g1", "jira", name="mine"), of_group(GroupDeactivated, "bob", "g1"))

    undo(*group, of_group(GroupDeleted, "bob", "g1")).then(
        GroupCreated(
            group_id="g1",
            user_id="bob",
            name="mine",
            slug="mine",
            servers=[ServerRef("jira", "JIRA")],
            made=NOW + timedelta(seconds=3),
        ),
        GroupDeactivated(group_id="g1", user_id="bob"),
    )


def test_a_group_names_servers_as_they_are_called_now():
    facts = (*member("bob"), added("jira"), grouped("bob", "g1", "jira"), of_group(GroupDeleted, "bob", "g1"))
    renamed = of_server(ServerRenamed, "jira", old_name="JIRA", name="tickets")

    scenario = undo(*facts, renamed, at=5)

    assert scenario.error is None
    assert scenario._decisions()[0].decision.servers == [ServerRef("jira", "tickets")]


def test_a_removed_server_comes_back_with_its_id_its_slug_and_its_age():
    scenario = undo(added("jira", name="Jira of old"), removed("jira"))

    scenario.then(
        ServerAdded(
            server_id="jira",
            name="Jira of old",
            slug="jira",
            config=Raw(b'{"command":"node"}'),
            made=NOW + timedelta(seconds=1),
        )
    )


@pytest.mark.parametrize(
    ("gone", "since", "follows"),
    [
        ("b", (), "a"),
        ("a", (), ""),
        ("c", (), None),
        ("c", (removed("b"),), None),
        ("c", (added("d"),), "b"),
        ("b", (removed("a"), added("d")), ""),
    ],
)
def test_a_removed_server_comes_back_behind_the_nearest_that_stood_in_front_of_it(gone, since, follows):
    """Where the last one stood in front of it, it is the last again, as one that is added now."""
    facts = (added("a"), added("b"), added("c"), removed(gone), *since)
    (back,) = undo(*facts, at=4)._decisions()

    assert back.decision.follows == follows


def test_a_document_lists_a_server_that_came_back_where_it_was():
    facts = (added("a"), added("b"), added("c"), removed("b"))
    scenario = undo(*facts)

    state = modelled(*facts, *((one.decision, one.tags) for one in scenario._decisions())).settings

    assert list(state.document()["mcpServers"]) == ["A", "B", "C"]


def test_a_configuration_is_what_it_was_before_though_another_member_changed():
    facts = [
        added("jira", description="Issues"),
        of_server(ToolDisabled, "jira", tool="search"),
        of_server(ServerAudienceChanged, "jira", audience=Raw(b'{"users":["bob"]}')),
    ]

    (switched,) = undo(*facts, at=2)._decisions()

    config = json.decode(bytes(switched.decision.config))
    assert config == {"command": "node", "description": "Issues", "mcphub": {"audience": {"users": ["bob"]}}}


def test_a_switch_that_the_document_had_is_switched_back_finely():
    undo(added("jira", enabled=True), of_server(ServerDisabled, "jira")).then(ServerEnabled(server_id="jira"))


def test_sealed_values_are_mended_on_the_way_back():
    facts = (added("jira", env={"A": {"$sealed": "old"}}), configured("jira", env={"A": {"$sealed": "new"}}))
    seen = []

    def mend(wanted, now):
        seen.append((wanted["mcpServers"]["JIRA"]["env"], now["mcpServers"]["JIRA"]["env"]))
        return now

    undo(*facts, mend=mend).then()
    assert seen == [({"A": {"$sealed": "old"}}, {"A": {"$sealed": "new"}})]


@pytest.mark.parametrize(
    ("facts", "why", "position"),
    [
        ((*member("bob"), of_user(UserDeactivated, "bob"), of_user(UserActivated, "bob")), AlreadyUndone, 4),
        ((*member("bob"), of_user(UserDeactivated, "bob"), of_user(UserDeleted, "bob")), Overtaken, 4),
        (
            (
                *member("bob"),
                grouped("bob", "g1"),
                of_group(GroupChanged, "bob", "g1", name="b"),
                of_group(GroupChanged, "bob", "g1", name="c"),
            ),
            Overtaken,
            5,
        ),
        (
            (added("jira"), added("other"), of_server(ServerDisabled, "jira"), configured("jira")),
            AlreadyUndone,
            4,
        ),
    ],
    ids=["back already", "deleted since", "renamed again", "back by another kind of change"],
)
def test_what_came_later_stands_in_the_way_and_is_named(facts, why, position):
    scenario = undo(*facts, at=position - 1)

    scenario.refused(why)
    assert scenario.error.position == position
    assert str(position) in str(scenario.error)


def test_a_later_change_of_something_else_stands_in_no_way():
    facts = (
        *member("bob"),
        grouped("bob", "g1"),
        of_group(GroupDeactivated, "bob", "g1"),
        of_group(GroupChanged, "bob", "g1", name="b"),
    )

    undo(*facts, at=4).then(GroupActivated(group_id="g1", user_id="bob"))


def test_a_value_that_replaced_none_is_cleared_and_one_that_did_cannot_come_back():
    first = (*member("bob"), saved("bob", "jira", "TOKEN", "k1"))
    undo(*first).then(ServiceTokenRemoved(user_id="bob", server_id="jira", variable="TOKEN", data_key="k1"))
    undo(*first, saved("bob", "jira", "TOKEN", "k2")).refused(ValueGone)
    undo(*first, cleared("bob", "jira", "TOKEN", "k1")).refused(ValueGone)


def test_a_keys_name_goes_back_and_its_end_as_long_as_that_lies_ahead():
    key = (*member("bob"), issued("bob", "k1", name="laptop", days=5))
    undo(*key, of_key(KeyRenamed, "bob", "k1", name="desk")).then(KeyRenamed(key_id="k1", user_id="bob", name="laptop"))
    longer = of_key(KeyExtended, "bob", "k1", expires_at=NOW + timedelta(days=90))
    undo(*key, longer).then(KeyExtended(key_id="k1", user_id="bob", expires_at=NOW + timedelta(days=5)))
    over = (*member("bob"), issued("bob", "k1", days=-1))
    undo(*over, longer).refused(KeyIsOver)
    undo(*key, of_key(KeyRevoked, "bob", "k1")).refused(KeyIsOver)
    undo(*key, of_key(KeyRenamed, "bob", "k1", name="desk"), of_key(KeyRevoked, "bob", "k1"), at=4).refused(Overtaken)


def test_what_is_final_says_so():
    undo(*member("bob"), of_user(UserErased, "bob")).refused(Erased)
    undo(*member("bob"), of_user(UserDeactivated, "bob"), of_user(UserErased, "bob"), at=3).refused(Overtaken)
    undo(registered("bob")).refused(Outlives)
    undo(*member("bob"), issued("bob", "k1")).refused(Outlives)
    undo(*member("bob"), of_user(SignedIn, "bob", session_id="s")).refused(NoChange)


def test_a_fact_that_changed_nothing_cannot_be_taken_back():
    undo(added("jira"), of_server(ServerEnabled, "jira"), of_server(ServerEnabled, "jira")).refused(NoChange)


def test_what_followed_from_another_fact_names_that():
    facts = recorded(
        added("jira"),
        of_server(SecretSlotDeclared, "jira", variable="A", name="USER_A", placements=["env"]),
        (SettingsFileImported(sha256="x", members=["mcpServers"], order=["jira"]), [SERVERS]),
    )
    # One append: one time, one cause.
    together = [
        type(one)(position=one.position, at=NOW, event=one.event, meta=one.meta, tags=one.tags) for one in facts
    ]
    undoing = Undoing(by="ann", now=NOW, policy=Policy())

    with pytest.raises(PartOf) as slot:
        taking_back(together, together[1], undoing)
    with pytest.raises(WholeSave) as save:
        taking_back(together, together[2], undoing)

    assert (slot.value.position, save.value.position) == (1, 0)
