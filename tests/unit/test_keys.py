from datetime import timedelta

import pytest

from mcphub.domain.errors import (
    BadName,
    ExpiryOutOfRange,
    GraceOutOfRange,
    KeyIsRevoked,
    KeyLimit,
    KeyNameTaken,
    KeyTooLongExpired,
    UnknownKey,
    UserIsDeleted,
    UserIsErased,
)
from mcphub.domain.events import (
    KeyExpired,
    KeyExtended,
    KeyFirstUsed,
    KeyIssued,
    KeyRenamed,
    KeyRevoked,
    KeyRotated,
    Scope,
    UserDeleted,
    UserErased,
    UserRestored,
    key_tag,
    user_tag,
)
from mcphub.domain.keys import (
    ChangeKey,
    ExtendKey,
    IssueKey,
    NoteKeyExpired,
    NoteKeyFirstUsed,
    RevokeKey,
    RotateKey,
    new_key,
    well_formed,
)
from tests.support.facts import NOW, issued, member, of_user


def issue(name="Default Key", days=90, key="k9", now=NOW):
    return lambda: IssueKey("bob", key, now, name=name, days=days, digest="d", shown=("abcd", "wxyz"))


def revoked(key):
    return (KeyRevoked(key_id=key, user_id="bob"), [user_tag("bob"), key_tag(key)])


def test_a_key_has_the_format_and_checksum_of_the_contract():
    key = new_key()

    assert len(key) == 45
    assert well_formed(key)
    assert key != new_key()


@pytest.mark.parametrize(
    "change", [lambda k: k[:-1], lambda k: k + "a", lambda k: k.replace("mcphub_", "mcphub-"), str.lower]
)
def test_a_mistyped_key_is_refused_before_anything_is_looked_up(change):
    assert not well_formed(change("mcphub_" + "Ab3" * 10 + "Xy" + "0" * 6))


def test_one_changed_character_breaks_the_checksum():
    key = new_key()
    other = "A" if key[20] != "A" else "B"

    assert not well_formed(key[:20] + other + key[21:])


def test_a_key_lives_for_the_days_asked(scenario):
    scenario.when(issue(days=1)).then(
        KeyIssued(
            key_id="k9",
            user_id="bob",
            name="Default Key",
            digest="d",
            prefix="abcd",
            last4="wxyz",
            expires_at=NOW + timedelta(days=1),
        )
    )


@pytest.mark.parametrize("days", [0, 91, -1])
def test_a_key_lives_one_to_ninety_days(scenario, days):
    scenario.when(issue(days=days)).refused(ExpiryOutOfRange)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb"])
def test_a_key_needs_a_usable_name(scenario, name):
    scenario.when(issue(name=name)).refused(BadName)


def test_a_user_holds_at_most_ten_usable_keys(scenario):
    scenario.given(*(issued("bob", f"k{n}", name=f"key {n}") for n in range(10)))
    scenario.when(issue(name="eleventh", key="k11")).refused(KeyLimit)

    scenario.given(revoked("k3"))
    scenario.when(issue(name="eleventh", key="k11"))
    assert scenario.error is None


def test_names_are_unique_among_usable_keys_whatever_their_case(scenario):
    scenario.given(issued("bob", "k1", name="Laptop"))
    scenario.when(issue(name="laptop")).refused(KeyNameTaken)

    scenario.given(revoked("k1"))
    scenario.when(issue(name="laptop"))
    assert scenario.error is None


def test_only_changes_are_recorded(scenario):
    scenario.given(issued("bob", "k1", name="Laptop"))
    scenario.when(ChangeKey("bob", "k1", NOW, name="Laptop", scope=Scope(servers=[]))).then(
        KeyRenamed(key_id="k1", user_id="bob", scope=Scope(servers=[]))
    )
    scenario.when(ChangeKey("bob", "k1", NOW, name="Laptop")).then()


def test_a_key_of_somebody_else_is_unknown(scenario):
    scenario.given(issued("ann", "k1"))
    scenario.when(RevokeKey("bob", "k1", NOW)).refused(UnknownKey)


def test_an_expired_key_can_be_extended_for_thirty_days(scenario):
    scenario.given(issued("bob", "k1", days=1))
    scenario.when(ExtendKey("bob", "k1", NOW + timedelta(days=31), days=7)).then(
        KeyExtended(key_id="k1", user_id="bob", expires_at=NOW + timedelta(days=38))
    )
    scenario.when(ExtendKey("bob", "k1", NOW + timedelta(days=31, seconds=1), days=7)).refused(KeyTooLongExpired)


def test_an_expired_key_comes_back_only_where_there_is_room_for_it(scenario):
    """Ten keys that had expired, extended beside ten new ones, made twenty."""
    later = NOW + timedelta(days=2)
    scenario.given(issued("bob", "old", name="Laptop", days=1))
    scenario.given(*(issued("bob", f"k{number}", name=f"key {number}") for number in range(9)))
    scenario.when(ExtendKey("bob", "old", later, days=7)).then(
        KeyExtended(key_id="old", user_id="bob", expires_at=later + timedelta(days=7))
    )

    scenario.given(issued("bob", "k9", name="key 9"))
    scenario.when(ExtendKey("bob", "old", later, days=7)).refused(KeyLimit)


def test_an_expired_key_comes_back_only_while_its_name_is_free(scenario):
    scenario.given(issued("bob", "old", name="Laptop", days=1), issued("bob", "new", name="laptop"))
    scenario.when(ExtendKey("bob", "old", NOW + timedelta(days=2), days=7)).refused(KeyNameTaken)
    scenario.when(ExtendKey("bob", "new", NOW + timedelta(days=2), days=7)).then(
        KeyExtended(key_id="new", user_id="bob", expires_at=NOW + timedelta(days=9))
    )


def test_asking_for_the_name_a_key_has_writes_nothing(scenario):
    """Also of an expired one, whose name another key has by now."""
    scenario.given(issued("bob", "old", name="Laptop", days=1), issued("bob", "new", name="Laptop", days=90))
    scenario.when(lambda: ChangeKey("bob", "old", NOW + timedelta(days=2), name="Laptop")).then()


def test_a_revoked_key_never_comes_back(scenario):
    scenario.given(issued("bob", "k1"), revoked("k1"))
    scenario.when(ExtendKey("bob", "k1", NOW, days=7)).refused(KeyIsRevoked)
    scenario.when(RevokeKey("bob", "k1", NOW)).then()


def test_a_successor_takes_over_name_and_scope(scenario):
    scenario.given(issued("bob", "k1", name="Laptop", scope=Scope(mode="tools")))
    scenario.when(
        RotateKey("bob", "k1", NOW, successor="k2", digest="d2", shown=("efgh", "stuv"), grace_minutes=10)
    ).then(
        KeyIssued(
            key_id="k2",
            user_id="bob",
            name="Laptop",
            digest="d2",
            prefix="efgh",
            last4="stuv",
            expires_at=NOW + timedelta(days=90),
            scope=Scope(mode="tools"),
        ),
        KeyRotated(key_id="k1", user_id="bob", successor="k2", grace_until=NOW + timedelta(minutes=10)),
    )


def test_a_rotated_key_is_not_rotated_again(scenario):
    rotated = KeyRotated(key_id="k1", user_id="bob", successor="k2", grace_until=NOW + timedelta(minutes=10))
    scenario.given(issued("bob", "k1"), (rotated, [user_tag("bob"), key_tag("k1"), key_tag("k2")]))
    scenario.when(RotateKey("bob", "k1", NOW, successor="k3", digest="d", shown=("a", "b"), grace_minutes=0)).refused(
        KeyIsRevoked
    )


def test_a_grace_is_at_most_a_day(scenario):
    scenario.when(
        lambda: RotateKey("bob", "k1", NOW, successor="k2", digest="d", shown=("a", "b"), grace_minutes=1441)
    ).refused(GraceOutOfRange)


def test_an_expiry_is_noted_once_and_only_when_it_is_due(scenario):
    scenario.given(issued("bob", "k1", days=1))
    scenario.when(NoteKeyExpired("bob", "k1", NOW)).then()
    late = NOW + timedelta(days=1)
    scenario.when(NoteKeyExpired("bob", "k1", late)).then(KeyExpired(key_id="k1", user_id="bob"))

    scenario.given((KeyExpired(key_id="k1", user_id="bob"), [user_tag("bob"), key_tag("k1")]))
    scenario.when(NoteKeyExpired("bob", "k1", late)).then()


def test_the_first_use_is_noted_once(scenario):
    scenario.given(issued("bob", "k1"))
    scenario.when(NoteKeyFirstUsed("bob", "k1", NOW)).then(KeyFirstUsed(key_id="k1", user_id="bob"))

    scenario.given((KeyFirstUsed(key_id="k1", user_id="bob"), [user_tag("bob"), key_tag("k1")]))
    scenario.when(NoteKeyFirstUsed("bob", "k1", NOW)).then()


def test_nobody_who_is_gone_is_given_a_key(scenario):
    """A key asked for in the very moment of the deletion: it would work again after a restoration."""
    scenario.given(*member("bob"), of_user(UserDeleted, "bob"))
    scenario.when(issue()).refused(UserIsDeleted)

    scenario.given(of_user(UserRestored, "bob"))
    scenario.when(issue())
    assert [type(tagged.decision) for tagged in scenario.command.new_decisions] == [KeyIssued]

    scenario.given(of_user(UserErased, "bob"))
    scenario.when(issue()).refused(UserIsErased)
