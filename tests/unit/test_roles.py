"""The roles that act in the hub's own name: whatever is due is done, once, also after a crash in between."""

import asyncio
from datetime import timedelta

import pytest

from mcphub import roles
from mcphub.domain.access import AccessModel
from mcphub.domain.codec import Recorded, decode, decode_meta
from mcphub.domain.events import (
    HubVariableRemoved,
    HubVariableSet,
    KeyExpired,
    KeyExtended,
    KeyFirstUsed,
    KeyRevoked,
    PasswordSet,
    ServiceTokenSaved,
    UserErased,
    UserKeyDestroyed,
    hub_variable_tag,
    server_tag,
    user_tag,
)
from mcphub.domain.testing import Scenario
from mcphub.domain.vault import MemoryKeyStore, Ring, Vault
from mcphub.roles import Erasure, KeyExpiry, KeyUse
from tests.support.facts import NOW, cleared, issued, member, of_key, of_user
from tests.support.waiting import until


class World:
    """A hub in memory, its model, and a tail that runs when told to."""

    def __init__(self):
        self.scenario = Scenario()
        self.hub = self.scenario.hub
        self.model = AccessModel()
        self.store = MemoryKeyStore()
        self.vault = Vault(self.store, Ring([("k1", b"\1" * 32)]), lambda: 0.0)
        self.erasure = Erasure(self.hub, self.vault, self.model, pool=None)

    def happen(self, *facts):
        self.scenario.given(*facts)
        self.follow()

    def follow(self):
        for row in list(self.hub.recorder.read(after=self.model.position)):
            fact = Recorded(
                position=row.position,
                at=NOW,
                event=decode(row.event.data),
                meta=decode_meta(row.event.meta),
                id=str(row.event.id),
                tags=tuple(row.event.tags),
            )
            self.model.apply(fact)
            self.erasure.facts_applied([fact])

    def saved(self, user="bob", variable="TOKEN"):
        """A stored value under a real data key; returns the key's id."""
        key, sealed = self.vault.seal_new(user, "token", (user, "jira", variable), "value")
        event = ServiceTokenSaved(
            user_id=user,
            server_id="jira",
            variable=variable,
            data_key=key,
            sealed=sealed,
            mask="",
            fingerprint=key,
        )
        self.happen((event, [user_tag(user), server_tag("jira")]))
        return key

    def password(self, user="bob"):
        key, sealed = self.vault.seal_new(user, "password", (user,), "hash")
        self.happen(of_user(PasswordSet, user, sealed=sealed))
        return key

    def recorded(self, kind):
        """(event, its metadata) of every fact of this kind."""
        rows = [(decode(row.event.data), decode_meta(row.event.meta)) for row in self.hub.recorder.read()]
        return [(event, meta) for event, meta in rows if isinstance(event, kind)]


@pytest.fixture
def world():
    made = World()
    made.happen(*member("bob"), *member("ann"))
    return made


# erasure


async def test_an_erased_users_keys_are_destroyed_and_certified_as_a_consequence(world):
    token, other = world.saved("bob"), world.saved("ann")
    world.vault.seal_personal("bob", "profile.username", "Bob")
    world.happen(of_user(UserErased, "bob"))
    erased = next(str(row.event.id) for row in world.hub.recorder.read() if row.event.type == "UserErased")

    await world.erasure.round()

    assert world.store.get(token) is None
    assert world.store.get(other) is not None
    ((event, meta),) = world.recorded(UserKeyDestroyed)
    assert event == UserKeyDestroyed(user_id="bob", data_keys=2)
    assert (meta.actor, meta.causation_id, meta.command) == ("system:erasure", erased, "CertifyErasure")


async def test_data_keys_of_replaced_and_removed_hub_variables_are_destroyed(world):
    def stored():
        key, sealed = world.vault.seal_new("hub:variables", "hub_variable", ("HUB_A",), "value")
        event = HubVariableSet(name="HUB_A", data_key=key, sealed=sealed, mask="", fingerprint=key)
        world.happen((event, [hub_variable_tag("HUB_A")]))
        return key

    replaced, removed = stored(), stored()
    await world.erasure.round()
    after_replacing = [world.store.get(key) is None for key in (replaced, removed)]
    world.happen((HubVariableRemoved(name="HUB_A", data_key=removed), [hub_variable_tag("HUB_A")]))

    await world.erasure.round()

    assert after_replacing == [True, False]
    assert world.store.get(removed) is None


async def test_keys_an_old_backup_brought_back_are_destroyed_again_and_certified_once(world):
    world.happen(of_user(UserErased, "bob"))
    await world.erasure.round()
    world.vault.seal_new("bob", "token", ("bob", "jira", "TOKEN"), "value")

    again = Erasure(world.hub, world.vault, world.model, pool=None)
    again.facts_applied(
        [Recorded(position=1, at=NOW, event=UserErased(user_id="bob"), meta=decode_meta(b'{"actor":"x"}'))]
    )
    await again.round()

    assert [key for key in world.store.keys.values() if key.owner == "bob"] == []
    assert len(world.recorded(UserKeyDestroyed)) == 1


async def test_replaced_and_cleared_values_lose_their_keys_and_the_stored_one_keeps_its(world):
    replaced, cleared_key = world.saved(variable="A"), world.saved(variable="B")
    kept = world.saved(variable="A")
    world.happen(cleared("bob", "jira", "B", cleared_key))

    await world.erasure.round()

    assert [world.store.get(key) is None for key in (replaced, cleared_key, kept)] == [True, True, False]


async def test_an_old_password_loses_its_key(world):
    old, new = world.password(), world.password()

    await world.erasure.round()

    assert world.store.get(old) is None
    assert world.store.get(new) is not None


async def test_a_key_that_becomes_due_during_a_round_is_destroyed_too(world, monkeypatch):
    """It came in while another was being destroyed, and left the list in its place: unharmed until the next start."""
    first, second = world.saved(variable="A"), world.saved(variable="B")
    world.happen(cleared("bob", "jira", "A", first))
    real = asyncio.to_thread

    async def interrupted(function, *args):
        monkeypatch.setattr(roles.asyncio, "to_thread", real)
        world.happen(cleared("bob", "jira", "B", second))
        return await real(function, *args)

    monkeypatch.setattr(roles.asyncio, "to_thread", interrupted)
    await world.erasure.round()

    assert world.store.get(first) is None
    assert world.store.get(second) is None


async def test_a_round_that_fails_is_done_over(world):
    key = world.saved()
    world.happen(cleared("bob", "jira", "TOKEN", key))
    remove, world.store.remove = world.store.remove, None

    with pytest.raises(TypeError):
        await world.erasure.round()
    assert world.store.get(key) is not None

    world.store.remove = remove
    await world.erasure.round()
    assert world.store.get(key) is None


async def test_the_role_wakes_up_with_the_fact(world):
    running = asyncio.create_task(world.erasure.run())
    key = world.saved()

    world.happen(cleared("bob", "jira", "TOKEN", key))

    await until(lambda: world.store.get(key) is None, within=5, what="the key is destroyed")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# expiry


async def test_an_expiry_is_noted_once_in_the_hubs_own_name(world):
    world.happen(issued("bob", "k1", days=1), issued("bob", "k2", days=2))
    role = KeyExpiry(world.hub, world.model, now=lambda: NOW + timedelta(days=1))

    for _ in range(3):
        await role.round()
        world.follow()

    ((event, meta),) = world.recorded(KeyExpired)
    assert event == KeyExpired(key_id="k1", user_id="bob")
    assert (meta.actor, meta.actor_kind) == ("system:expiry", "system")


async def test_an_extended_key_expires_again(world):
    now = [NOW + timedelta(days=1)]
    role = KeyExpiry(world.hub, world.model, now=lambda: now[0])
    world.happen(issued("bob", "k1", days=1))
    await role.round()

    world.happen(of_key(KeyExtended, "bob", "k1", expires_at=NOW + timedelta(days=3)))
    await role.round()
    assert len(world.recorded(KeyExpired)) == 1

    now[0] = NOW + timedelta(days=3)
    await role.round()
    assert len(world.recorded(KeyExpired)) == 2


async def test_a_revoked_key_does_not_expire(world):
    world.happen(issued("bob", "k1", days=1), of_key(KeyRevoked, "bob", "k1"))

    await KeyExpiry(world.hub, world.model, now=lambda: NOW + timedelta(days=2)).round()

    assert world.recorded(KeyExpired) == []


async def test_two_hubs_note_one_expiry(world):
    world.happen(issued("bob", "k1", days=1))
    both = [KeyExpiry(world.hub, world.model, now=lambda: NOW + timedelta(days=1)) for _ in range(2)]

    for role in both:
        await role.round()

    assert len(world.recorded(KeyExpired)) == 1


# use


async def test_the_first_use_becomes_a_fact_and_later_ones_a_count(world, monkeypatch):
    world.happen(issued("bob", "k1"))
    role, written = KeyUse(world.hub, world.model, pool=None, now=lambda: NOW), []
    monkeypatch.setattr(role, "_write", written.append)

    for _ in range(3):
        role.used("k1")
    await role.round()
    world.follow()
    role.used("k1")
    await role.round()
    await role.round()

    assert [event for event, _ in world.recorded(KeyFirstUsed)] == [KeyFirstUsed(key_id="k1", user_id="bob")]
    assert written == [{"k1": 3}, {"k1": 1}]


async def test_uses_that_could_not_be_written_are_counted_again(world, monkeypatch):
    world.happen(issued("bob", "k1"))
    role, written = KeyUse(world.hub, world.model, pool=None, now=lambda: NOW), []
    role.used("k1")
    role.used("k1")

    with pytest.raises(AttributeError):  # no pool
        await role.round()
    role.used("k1")
    monkeypatch.setattr(role, "_write", written.append)
    await role.round()

    assert written == [{"k1": 3}]
    assert len(world.recorded(KeyFirstUsed)) == 1
