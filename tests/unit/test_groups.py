import pytest

from mcphub.domain.errors import BadName, GroupNameTaken, UnknownGroup, UserIsErased
from mcphub.domain.events import (
    GroupActivated,
    GroupChanged,
    GroupCreated,
    GroupDeactivated,
    GroupDeleted,
    ServerRef,
    UserErased,
)
from mcphub.domain.groups import ChangeGroup, CreateGroup, DeleteGroup, SetGroupActive
from tests.support.facts import grouped, member, of_group, of_user

JIRA, WIKI = ServerRef("jira", "JIRA"), ServerRef("wiki", "WIKI")


def create(name, *servers, group="g1", **more):
    return lambda: CreateGroup("bob", group, name=name, servers=servers, **more)


def test_a_group_is_active_from_the_start_and_names_a_server_once(scenario):
    scenario.given(*member("bob"))
    scenario.when(create("Work", JIRA, WIKI, JIRA, description="weekdays")).then(
        GroupCreated(
            group_id="g1", user_id="bob", name="Work", slug="work", description="weekdays", servers=[JIRA, WIKI]
        )
    )
    assert scenario.tagged() == [["user:bob", "group:g1"]]


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", "nul\0"])
def test_a_name_is_1_to_100_printable_characters(scenario, name):
    scenario.when(create(name)).refused(BadName)


def test_a_name_is_trimmed_and_composed(scenario):
    scenario.when(create("  Cafe\u0301 "))

    assert scenario.command.new_decisions[0].decision.name == "Café"


@pytest.mark.parametrize("name", ["Work", "work", " WORK "])
def test_a_name_is_unique_among_the_users_groups_whatever_its_case(scenario, name):
    scenario.given(grouped("bob", "g0", name="Work"))
    scenario.when(create(name)).refused(GroupNameTaken)


def test_another_users_group_may_have_the_same_name(scenario):
    scenario.given(grouped("ann", "g0", name="work"))
    scenario.when(create("work")).then(GroupCreated(group_id="g1", user_id="bob", name="work", slug="work"))


def test_names_that_give_the_same_slug_get_different_ones(scenario):
    scenario.given(grouped("bob", "g0", name="work"))
    scenario.when(create("work!"))

    assert scenario.command.new_decisions[0].decision.slug != "work"


def test_a_deleted_groups_name_is_free(scenario):
    scenario.given(grouped("bob", "g0", name="work"), of_group(GroupDeleted, "bob", "g0"))
    scenario.when(create("work")).then(GroupCreated(group_id="g1", user_id="bob", name="work", slug="work"))


def test_nobody_owns_a_group_after_an_erasure(scenario):
    scenario.given(*member("bob"), of_user(UserErased, "bob"))
    scenario.when(create("work")).refused(UserIsErased)


def test_a_change_records_only_what_differs_and_the_slug_follows_the_name(scenario):
    scenario.given(grouped("bob", "g1", "jira", name="work"))
    scenario.when(lambda: ChangeGroup("bob", "g1", name="Play", description="", servers=[JIRA])).then(
        GroupChanged(group_id="g1", user_id="bob", name="Play", slug="play")
    )
    scenario.when(lambda: ChangeGroup("bob", "g1", servers=[WIKI, WIKI])).then(
        GroupChanged(group_id="g1", user_id="bob", servers=[WIKI])
    )
    scenario.when(lambda: ChangeGroup("bob", "g1", name="work", servers=[JIRA])).then()


def test_a_change_of_case_is_a_change_of_the_name_alone(scenario):
    scenario.given(grouped("bob", "g1", name="work"))
    scenario.when(lambda: ChangeGroup("bob", "g1", name="Work")).then(
        GroupChanged(group_id="g1", user_id="bob", name="Work")
    )


def test_a_group_cannot_take_another_ones_name(scenario):
    scenario.given(grouped("bob", "g1", name="work"), grouped("bob", "g2", name="play"))
    scenario.when(lambda: ChangeGroup("bob", "g2", name="WORK")).refused(GroupNameTaken)


def test_switching_a_group_to_its_present_state_writes_nothing(scenario):
    scenario.given(grouped("bob", "g1"))
    scenario.when(lambda: SetGroupActive("bob", "g1", True)).then()
    scenario.when(lambda: SetGroupActive("bob", "g1", False)).then(GroupDeactivated(group_id="g1", user_id="bob"))

    scenario.given(of_group(GroupDeactivated, "bob", "g1"))
    scenario.when(lambda: SetGroupActive("bob", "g1", False)).then()
    scenario.when(lambda: SetGroupActive("bob", "g1", True)).then(GroupActivated(group_id="g1", user_id="bob"))


def test_a_group_is_deleted_once(scenario):
    scenario.given(grouped("bob", "g1"))
    scenario.when(lambda: DeleteGroup("bob", "g1")).then(GroupDeleted(group_id="g1", user_id="bob"))

    scenario.given(of_group(GroupDeleted, "bob", "g1"))
    scenario.when(lambda: DeleteGroup("bob", "g1")).refused(UnknownGroup)


@pytest.mark.parametrize(
    "command",
    [
        lambda: ChangeGroup("eve", "g1", name="mine"),
        lambda: SetGroupActive("eve", "g1", False),
        lambda: DeleteGroup("eve", "g1"),
    ],
)
def test_another_users_group_is_unknown(scenario, command):
    scenario.given(grouped("bob", "g1"))
    scenario.when(command).refused(UnknownGroup)
