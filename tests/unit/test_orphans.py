"""Orphans: contract §4.2's naming table against the clean-up, and what came back in between."""

import pytest
from eventsourcing.persistence import IntegrityError
from msgspec import Raw, json

from mcphub.domain.access import AccessModel
from mcphub.domain.actor import acting, system
from mcphub.domain.events import SERVERS, ServerChanged, ServiceTokenRemoved, UserErased, server_tag
from mcphub.domain.orphans import Orphan, PurgeOrphans, orphans
from tests.support.facts import added, cleared, member, of_user, recorded, removed, saved

# How a variable is written in a configuration, and under which canonical names its values are stored.
NAMING = [
    ({"url": "https://h.example", "headers": {"Authorization": "Bearer ${USER_DESK_TOKEN}"}}, ["DESK_TOKEN"]),
    ({"env": {"TOKEN": "${GITHUB_TOKEN}"}}, ["GITHUB_TOKEN"]),
    ({"env": {"USER_FIRECRAWL_TOKEN": "sample"}}, ["FIRECRAWL_TOKEN"]),
    ({"env": {"TRACKER_API_TOKEN": "${USER_TRACKER_API_TOKEN}"}}, ["TRACKER_API_TOKEN"]),
    ({"args": ["${USER_USER_X}"]}, ["USER_X"]),
    ({"args": ["${USER_A}-${USER_B}"]}, ["A", "B"]),
    ({"env": {"URL": "${ATLASSIAN_JIRA_URL}"}}, ["ATLASSIAN_JIRA_URL"]),
]
KEPT = "KEPT"


def model_of(*facts):
    model = AccessModel()
    for fact in recorded(*facts):
        model.apply(fact)
    return model


def orphan(variable, server="desk", user="bob"):
    return Orphan(user, server, variable, f"{user}-{server}-{variable}")


def purged(variable, server="desk", user="bob"):
    return ServiceTokenRemoved(
        user_id=user, server_id=server, variable=variable, data_key=f"{user}-{server}-{variable}"
    )


def configured(server, **config):
    event = ServerChanged(server_id=server, config=Raw(json.encode({"command": "node", **config})))
    return (event, [server_tag(server), SERVERS])


@pytest.mark.parametrize(("config", "names"), NAMING)
def test_a_value_that_is_asked_for_is_no_orphan_however_its_variable_is_written(scenario, config, names):
    facts = [*member("bob"), added("desk", **config), *(saved("bob", "desk", name) for name in names)]

    assert orphans(model_of(*facts)) == []
    scenario.given(*facts).when(lambda: PurgeOrphans([orphan(name) for name in names])).then()


@pytest.mark.parametrize(("config", "names"), NAMING)
def test_a_removed_servers_values_are_orphans_and_all_of_them_go(scenario, config, names):
    facts = [*member("bob"), added("desk", **config), *(saved("bob", "desk", name) for name in names), removed("desk")]
    found = orphans(model_of(*facts))

    assert found == [orphan(name) for name in names]
    scenario.given(*facts).when(lambda: PurgeOrphans(found)).then(*(purged(name) for name in names))
    assert scenario.command.removed == found


@pytest.mark.parametrize(("config", "names"), NAMING)
def test_a_retired_variables_values_go_and_its_neighbours_stay(scenario, config, names):
    both = {**config, "env": {**config.get("env", {}), "ROOM": "${USER_KEPT}"}}
    facts = [
        *member("bob"),
        added("desk", **both),
        *(saved("bob", "desk", name) for name in (*names, KEPT)),
        configured("desk", env={"ROOM": "${USER_KEPT}"}),
    ]
    found = orphans(model_of(*facts))

    assert found == [orphan(name) for name in names]
    everything = [orphan(name) for name in (*names, KEPT)]
    scenario.given(*facts).when(lambda: PurgeOrphans(everything)).then(*(purged(name) for name in names))


def test_two_spellings_are_two_variables():
    """`${USER_X}` asks for X; a value of `${USER_USER_X}` is stored as USER_X, and nobody asks for it any more."""
    facts = [
        *member("bob"),
        added("desk", args=["${USER_X}"]),
        saved("bob", "desk", "X"),
        saved("bob", "desk", "USER_X"),
    ]

    assert orphans(model_of(*facts)) == [orphan("USER_X")]


def test_a_server_added_again_under_the_name_inherits_nothing_and_a_renamed_one_loses_nothing():
    facts = [
        *member("bob"),
        added("desk", name="Desk", args=["${USER_X}"]),
        saved("bob", "desk", "X"),
        removed("desk", name="Desk"),
        added("desk2", name="Desk", args=["${USER_X}"]),
    ]

    assert orphans(model_of(*facts)) == [orphan("X")]


def test_a_switched_off_server_keeps_its_values():
    facts = [*member("bob"), added("desk", args=["${USER_X}"], enabled=False), saved("bob", "desk", "X")]

    assert orphans(model_of(*facts)) == []


def test_a_variable_that_came_back_keeps_its_value(scenario):
    scenario.given(*member("bob"), added("desk"), saved("bob", "desk", "X"), configured("desk", args=["${USER_X}"]))

    scenario.when(lambda: PurgeOrphans([orphan("X")])).then()


def test_a_value_saved_anew_or_cleared_or_erased_meanwhile_is_left_alone(scenario):
    scenario.given(
        *(fact for user in ("bob", "ann", "eve") for fact in member(user)),
        *(saved(user, "gone", "X") for user in ("bob", "ann", "eve")),
        saved("bob", "gone", "X", "newer"),
        cleared("ann", "gone", "X"),
        of_user(UserErased, "eve"),
    )

    scenario.when(lambda: PurgeOrphans([orphan("X", "gone", user) for user in ("bob", "ann", "eve")])).then()


def test_a_purge_that_decided_before_its_variable_came_back_is_not_appended(scenario):
    hub = scenario.given(*member("bob"), added("desk"), saved("bob", "desk", "X")).hub
    purge = PurgeOrphans([orphan("X")])
    hub.repository.advance(purge).execute()
    scenario.given(configured("desk", args=["${USER_X}"]))

    with acting(system("test")), pytest.raises(IntegrityError):
        hub.repository.save(purge)


def test_what_happens_to_other_servers_and_users_does_not_disturb_a_purge(scenario):
    hub = scenario.given(*member("bob"), saved("bob", "gone", "X")).hub
    purge = PurgeOrphans([orphan("X", "gone")])
    hub.repository.advance(purge).execute()
    scenario.given(*member("ann"), added("desk"), saved("ann", "gone", "X"), saved("bob", "desk", "X"))

    with acting(system("test")):
        assert hub.repository.save(purge) > 0
