"""The hub's own variables: stored, replaced, removed, and what they stand for when a server is opened."""

import pytest

from mcphub.domain.access import AccessModel
from mcphub.domain.errors import UnknownHubVariable, ValuesRefused
from mcphub.domain.events import HubVariableRemoved, HubVariableSet, hub_variable_tag
from mcphub.domain.hub_variables import (
    OWNER,
    PURPOSE,
    RemoveHubVariable,
    SetHubVariable,
    check_hub_value,
    named_in,
)
from mcphub.domain.vault import MemoryKeyStore, Ring, Vault
from mcphub.gateway.hub_values import HubValues
from tests.support.facts import added, recorded


def stored(name="HUB_A", key="old", print_="print-old", sealed=""):
    event = HubVariableSet(name=name, data_key=key, sealed=sealed or f"v1.{key}.x", mask="••••••••", fingerprint=print_)
    return (event, [hub_variable_tag(name)])


def gone(name="HUB_A", key="old"):
    return (HubVariableRemoved(name=name, data_key=key), [hub_variable_tag(name)])


def setting(name="HUB_A", key="new", print_="print-new"):
    return lambda: SetHubVariable(name, key, f"v1.{key}.x", "••••••••", print_)


def test_a_value_is_recorded_sealed_under_its_name(scenario):
    scenario.when(setting()).then(stored(key="new", print_="print-new")[0])

    assert scenario.tagged() == [["hub-variable:HUB_A"]]
    assert scenario.command.spent == ""


def test_a_replaced_values_data_key_is_spent(scenario):
    scenario.given(stored()).when(setting()).then(stored(key="new", print_="print-new")[0])

    assert scenario.command.spent == "old"


def test_the_same_value_again_writes_nothing_and_its_fresh_key_is_spent(scenario):
    scenario.given(stored()).when(setting(print_="print-old")).then()

    assert scenario.command.spent == "new"


def test_a_removed_value_may_be_set_again(scenario):
    scenario.given(stored(), gone()).when(setting(print_="print-old")).then(stored(key="new")[0])


@pytest.mark.parametrize(
    "name", ["A", "USER_A", "hub_a", "HUB_", "HUB_Ä", "MCPHUB_HOME", "HUB_A\n", f"HUB_{'A' * 125}"]
)
def test_only_what_a_document_may_read_is_stored(scenario, name):
    scenario.when(setting(name)).refused(ValuesRefused)


def test_a_removal_names_the_data_key_that_dies(scenario):
    scenario.given(stored()).when(lambda: RemoveHubVariable("HUB_A")).then(gone()[0])

    assert scenario.command.spent == "old"


@pytest.mark.parametrize("facts", [(), (stored(), gone()), (stored("HUB_B"),)])
def test_what_is_not_stored_cannot_be_removed(scenario, facts):
    scenario.given(*facts).when(lambda: RemoveHubVariable("HUB_A")).refused(UnknownHubVariable)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("x", None),
        ("x" * 16384, None),
        ("ü" * 8193, "value_not_allowed"),
        ("", "value_not_allowed"),
        ("a\nb", "value_not_allowed"),
        ("a\0", "value_not_allowed"),
        ("\ud800", "value_not_allowed"),
        ("••••••••abcd", "masked_value"),
    ],
)
def test_every_place_must_be_able_to_take_a_value(value, code):
    assert check_hub_value(value) == code


def test_a_configuration_names_what_it_reads_of_the_hub_and_not_of_users():
    config = {
        "url": "${HUB_BASE}/mcp",
        "headers": {"A": "${USER_TOKEN}", "B": "$${HUB_TEXT} ${HUB_B}"},
        "env": {"USER_C": "${HUB_IGNORED}"},
        "description": "${HUB_NOT_SCANNED}",
    }

    assert list(named_in(config)) == ["HUB_BASE", "HUB_B"]


class World:
    """A model and a vault with servers that read hub variables."""

    def __init__(self):
        self.store = MemoryKeyStore()
        self.vault = Vault(self.store, Ring([("k1", b"\1" * 32)]), lambda: 0.0)
        self.model = AccessModel()
        self.values = HubValues(self.model, self.vault, {"HUB_A": "environment", "HUB_B": "b"})
        self.happen(
            added("one", args=["${HUB_A}"]), added("two", args=["${HUB_B}"]), added("both", args=["${HUB_A}${HUB_B}"])
        )

    def happen(self, *facts):
        changed = set()
        for fact in recorded(*facts, since=self.model.position + 1):
            self.model.apply(fact)
            changed |= self.values.facts_applied([fact])
        return changed

    def store_value(self, name, value):
        key, sealed = self.vault.seal_new(OWNER, PURPOSE, (name,), value)
        return key, self.happen(stored(name, key, f"print-{value}", sealed))

    async def of(self, server):
        return dict((await self.values.of(self.model.servers[server].spec)).values)


@pytest.fixture
def world():
    return World()


async def test_what_is_stored_counts_before_the_environment(world):
    world.store_value("HUB_A", "stored")

    assert await world.of("both") == {"HUB_A": "stored", "HUB_B": "b"}


async def test_a_removed_value_lets_the_environment_count_again(world):
    key, _ = world.store_value("HUB_A", "stored")
    assert (await world.of("one"))["HUB_A"] == "stored"

    world.happen(gone("HUB_A", key))

    assert (await world.of("one"))["HUB_A"] == "environment"


async def test_a_value_that_cannot_be_opened_is_not_replaced_by_the_environments(world):
    key, _ = world.store_value("HUB_A", "stored")
    world.vault.destroy(key)

    assert (await world.of("one"))["HUB_A"] == ""


async def test_a_value_sealed_for_one_name_does_not_open_under_another(world):
    key, sealed = world.vault.seal_new(OWNER, PURPOSE, ("HUB_B",), "of b")
    world.happen(stored("HUB_A", key, "print", sealed))

    assert (await world.of("one"))["HUB_A"] == ""


def test_a_change_concerns_the_servers_that_read_it_and_no_others(world):
    _, first = world.store_value("HUB_A", "stored")
    _, other = world.store_value("HUB_UNREAD", "stored")

    assert first == {"one", "both"}
    assert other == set()


async def test_what_was_prepared_before_a_change_is_not_current_any_more(world):
    world.store_value("HUB_A", "stored")
    part = await world.values.of(world.model.servers["one"].spec)
    untouched = await world.values.of(world.model.servers["two"].spec)

    world.store_value("HUB_A", "replaced")

    assert not world.values.current(part)
    assert world.values.current(untouched)
    assert (await world.of("one"))["HUB_A"] == "replaced"


async def test_an_opened_value_is_kept_for_a_minute_at_most(world, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("mcphub.gateway.hub_values.time.monotonic", lambda: now[0])
    key, _ = world.store_value("HUB_A", "stored")
    await world.of("one")
    world.vault.destroy(key)

    within = (await world.of("one"))["HUB_A"]
    now[0] += 60

    assert within == "stored"
    assert (await world.of("one"))["HUB_A"] == ""
