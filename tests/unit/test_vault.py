import hmac
import time

import pytest

from mcphub.domain.vault import (
    ERASED,
    HUB,
    MASK,
    MemoryKeyStore,
    Ring,
    RingUnusable,
    Unopenable,
    Vault,
    WrappedKey,
    active_alone,
    loose,
    masked,
    new_ring_text,
    with_fresh_key,
)

RING = new_ring_text()


def vault(store=None, ring=RING):
    return Vault(store if store is not None else MemoryKeyStore(), Ring.parse(ring), time.monotonic)


def test_a_sealed_value_opens_at_its_own_place_only():
    ours = vault()
    _, sealed = ours.seal_new("bob", "token", ("bob", "jira", "TOKEN"), "s3cret")

    assert ours.open(sealed, "token", ("bob", "jira", "TOKEN")) == "s3cret"
    for purpose, place in (
        ("token", ("ann", "jira", "TOKEN")),
        ("token", ("bob", "git", "TOKEN")),
        ("token", ("bob", "jira", "OTHER")),
        ("password", ("bob", "jira", "TOKEN")),
    ):
        with pytest.raises(Unopenable):
            ours.open(sealed, purpose, place)


def test_a_changed_ciphertext_is_refused():
    ours = vault()
    _, sealed = ours.seal_new("bob", "token", ("bob",), "value")
    at = len(sealed) - 10
    changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]

    with pytest.raises(Unopenable):
        ours.open(changed, "token", ("bob",))


def test_each_value_has_a_key_of_its_own_and_destroying_it_erases_the_value():
    store = MemoryKeyStore()
    ours = vault(store)
    first, sealed = ours.seal_new("bob", "token", ("bob",), "value")
    second, other = ours.seal_new("bob", "token", ("bob",), "value")

    assert first != second
    assert ours.destroy(first)
    with pytest.raises(Unopenable):
        ours.open(sealed, "token", ("bob",))
    with pytest.raises(Unopenable):
        vault(store).open(sealed, "token", ("bob",))
    assert ours.open(other, "token", ("bob",)) == "value"


def test_destroying_a_users_keys_erases_everything_personal():
    store = MemoryKeyStore()
    ours = vault(store)
    name = ours.seal_personal("bob", "profile.username", "bob")
    ours.seal_new("bob", "token", ("bob",), "value")

    assert ours.destroy_owner("bob") == 2
    assert ours.open_personal(name, "bob", "profile.username") == ERASED


def test_a_key_destroyed_while_it_is_being_read_is_not_kept():
    """One thread opens, another erases: what the first has read by then must not stay in memory."""

    class Slow(MemoryKeyStore):
        meanwhile = staticmethod(lambda: None)

        def get(self, key_id):
            found = super().get(key_id)
            self.meanwhile()
            return found

    store = Slow()
    ours = vault(store)
    key, sealed = ours.seal_new("bob", "token", (), "s3cret")
    ours.forget(key)
    store.meanwhile = lambda: ours.destroy_owner("bob")

    assert ours.open(sealed, "token", ()) == "s3cret"

    with pytest.raises(Unopenable):
        ours.open(sealed, "token", ())


def test_personal_data_shares_one_key_also_between_processes():
    store = MemoryKeyStore()
    here, there = vault(store), vault(store)
    name = here.seal_personal("bob", "profile.username", "bob")
    mail = there.seal_personal("bob", "profile.email", "bob@example.com")

    assert there.open_personal(name, "bob", "profile.username") == "bob"
    assert here.open_personal(mail, "bob", "profile.email") == "bob@example.com"
    assert len([key for key in store.keys.values() if key.owner == "bob"]) == 1


def test_the_length_of_a_short_value_does_not_show():
    ours = vault()
    lengths = {len(ours.seal_new("bob", "token", ("bob",), "x" * n)[1]) for n in (1, 10, 59)}

    assert len(lengths) == 1


def test_digests_are_keyed_and_survive_a_restart():
    store = MemoryKeyStore()
    here, there, stranger = vault(store), vault(store), vault()

    assert here.tag("username", "Bob") == there.tag("username", "bob") != stranger.tag("username", "bob")
    assert here.fingerprint("v") == there.fingerprint("v") != here.fingerprint("w")
    assert here.key_digest("k") == there.key_digest("k") != stranger.key_digest("k")


def test_digests_survive_a_rotation_of_the_master_key():
    store = MemoryKeyStore()
    before = vault(store).key_digest("k")
    fresh = new_ring_text().replace("k1:", "k2:").strip()

    after = Vault(store, Ring.parse(f"{fresh},{RING.strip()}"), time.monotonic)

    assert after.key_digest("k") == before


def test_a_wrong_ring_is_refused_at_start_with_words():
    store = MemoryKeyStore()
    vault(store)

    with pytest.raises(RingUnusable, match="not the one the data was written with"):
        vault(store, new_ring_text())
    with pytest.raises(RingUnusable, match="has no key k1"):
        vault(store, new_ring_text().replace("k1:", "k2:"))


@pytest.mark.parametrize("text", ["", "k1", "k1:!!!", "k1:c2hvcnQ="])
def test_an_unusable_ring_is_refused(text):
    with pytest.raises(RingUnusable):
        Ring.parse(text)


def test_a_wrapped_key_cannot_be_moved_to_another_owner():
    store = MemoryKeyStore()
    ours = vault(store)
    key_id, sealed = ours.seal_new("bob", "token", ("bob",), "value")
    key = store.keys[key_id]
    store.keys[key_id] = WrappedKey(key.id, "eve", key.purpose, key.kek_id, key.wrapped)

    with pytest.raises(RingUnusable):
        vault(store).open(sealed, "token", ("bob",))


def test_a_mask_shows_four_characters_of_long_values_only():
    assert masked("short") == MASK
    assert masked("x" * 12 + "tail") == MASK + "tail"


def test_a_file_others_may_read_is_loose():
    assert loose(0o100644)
    assert not loose(0o100600)


def test_the_hubs_own_keys_stay_when_a_user_called_hub_goes():
    """Owners are user ids, which are UUIDs; the word `hub` is nobody's id."""
    ours = vault()
    session = ours.secret("session")
    ours.destroy_owner("0197-some-user")

    assert ours.secret("session") == session
    assert HUB == "hub"


def test_an_identity_is_compared_letter_for_letter_and_with_its_issuer():
    ours = vault()

    digests = {
        ours.identity(issuer, subject)
        for issuer, subject in (
            ("https://a.example", "Ann"),
            ("https://a.example", "ann"),
            ("https://b.example", "ann"),
        )
    }

    assert len(digests) == 3
    assert ours.identity("https://a.example", "Ann") in digests


def test_a_keys_digest_is_the_standards():
    ours = vault()

    assert ours.key_digest("k") == hmac.digest(ours.secret("pepper"), b"k", "sha256").hex()


def test_a_fresh_key_comes_in_front_and_has_a_name_no_key_had():
    text = with_fresh_key("k1:" + "A" * 43 + "=", taken=["k7", "company-2024"])

    assert Ring.parse(text).ids == ["k8", "k1"]
    assert Ring.parse(active_alone(text)).ids == ["k8"]


def test_a_data_key_wrapped_anew_is_the_same_key_and_the_old_master_key_opens_it_no_longer():
    store = MemoryKeyStore()
    vault(store)
    stored = store.single(HUB, "index")
    both = Ring.parse(with_fresh_key(RING))

    fresh = both.rewrapped(stored)

    assert both.open(fresh) == both.open(stored)
    assert (fresh.id, fresh.owner, fresh.purpose, fresh.kek_id) == (stored.id, HUB, "index", "k2")
    with pytest.raises(RingUnusable):
        Ring.parse(RING).open(fresh)
