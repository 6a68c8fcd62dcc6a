import pytest

from mcphub.domain.errors import UnknownUser, UserIsErased
from mcphub.domain.events import ServiceTokenRemoved, ServiceTokenSaved, UserErased
from mcphub.domain.tokens import SaveValues, SealedValue
from tests.support.facts import cleared, member, of_user, saved


def value(variable, *, server="jira", key="new", fingerprint="print-new"):
    return SealedValue(server, variable, key, f"v1.{key}.sealed", "••••••••", fingerprint)


def recorded_as(variable, *, server="jira", key="new", fingerprint="print-new"):
    return ServiceTokenSaved(
        user_id="bob",
        server_id=server,
        variable=variable,
        data_key=key,
        sealed=f"v1.{key}.sealed",
        mask="••••••••",
        fingerprint=fingerprint,
    )


def test_a_value_is_recorded_sealed_under_its_user_and_server(scenario):
    scenario.given(*member("bob"))
    scenario.when(lambda: SaveValues("bob", [value("TOKEN")])).then(recorded_as("TOKEN"))

    assert scenario.tagged() == [["user:bob", "server:jira"]]
    assert scenario.command.saved == [("jira", "TOKEN")]
    assert scenario.command.spent == []


def test_the_same_value_again_writes_nothing_and_its_fresh_key_is_spent(scenario):
    scenario.given(*member("bob"), saved("bob", "jira", "TOKEN", "old", fingerprint="same"))
    scenario.when(lambda: SaveValues("bob", [value("TOKEN", key="vain", fingerprint="same")])).then()

    assert scenario.command.unchanged == [("jira", "TOKEN")]
    assert scenario.command.spent == ["vain"]


def test_replacing_a_value_spends_the_key_of_the_old_one(scenario):
    scenario.given(*member("bob"), saved("bob", "jira", "TOKEN", "old"))
    scenario.when(lambda: SaveValues("bob", [value("TOKEN")])).then(recorded_as("TOKEN"))

    assert scenario.command.spent == ["old"]


def test_clearing_names_the_key_that_dies(scenario):
    scenario.given(*member("bob"), saved("bob", "jira", "TOKEN", "old"))
    scenario.when(lambda: SaveValues("bob", [], [("jira", "TOKEN")])).then(
        ServiceTokenRemoved(user_id="bob", server_id="jira", variable="TOKEN", data_key="old")
    )
    assert scenario.command.cleared == [("jira", "TOKEN")]
    assert scenario.command.spent == ["old"]


def test_clearing_what_is_not_stored_writes_nothing(scenario):
    scenario.given(*member("bob"), saved("bob", "jira", "TOKEN", "old"), cleared("bob", "jira", "TOKEN", "old"))
    scenario.when(lambda: SaveValues("bob", [], [("jira", "TOKEN"), ("jira", "NEVER")])).then()


def test_a_cleared_value_is_saved_anew_although_it_is_the_same(scenario):
    """Its data key is gone: the old ciphertext cannot come back."""
    scenario.given(
        *member("bob"), saved("bob", "jira", "TOKEN", "old", fingerprint="same"), cleared("bob", "jira", "TOKEN", "old")
    )
    scenario.when(lambda: SaveValues("bob", [value("TOKEN", fingerprint="same")])).then(
        recorded_as("TOKEN", fingerprint="same")
    )


def test_many_values_are_saved_and_cleared_at_once(scenario):
    scenario.given(*member("bob"), saved("bob", "wiki", "TOKEN", "old"))
    scenario.when(lambda: SaveValues("bob", [value("A", key="ka"), value("B", key="kb")], [("wiki", "TOKEN")])).then(
        recorded_as("A", key="ka"),
        recorded_as("B", key="kb"),
        ServiceTokenRemoved(user_id="bob", server_id="wiki", variable="TOKEN", data_key="old"),
    )


def test_the_same_variable_of_two_servers_is_two_values(scenario):
    scenario.given(*member("bob"), saved("bob", "jira", "TOKEN", "old", fingerprint="same"))
    scenario.when(lambda: SaveValues("bob", [value("TOKEN", server="wiki", fingerprint="same")])).then(
        recorded_as("TOKEN", server="wiki", fingerprint="same")
    )


def test_another_users_value_is_neither_replaced_nor_cleared(scenario):
    scenario.given(*member("bob"), *member("ann"), saved("ann", "jira", "TOKEN", "anns"))
    scenario.when(lambda: SaveValues("bob", [value("TOKEN")], [("wiki", "TOKEN")])).then(recorded_as("TOKEN"))

    assert scenario.command.spent == []


@pytest.mark.parametrize("facts", [(), member("ann")])
def test_nobody_saves_for_an_unknown_user(scenario, facts):
    scenario.given(*facts)
    scenario.when(lambda: SaveValues("bob", [value("TOKEN")])).refused(UnknownUser)


def test_nobody_saves_for_an_erased_user(scenario):
    scenario.given(*member("bob"), of_user(UserErased, "bob"))
    scenario.when(lambda: SaveValues("bob", [value("TOKEN")])).refused(UserIsErased)
