"""Short ways to say what happened, for scenarios."""

from datetime import UTC, datetime, timedelta

from mcphub.domain.events import (
    ADMINS,
    AdminGranted,
    KeyIssued,
    UserActivated,
    UserRegistered,
    key_tag,
    user_tag,
    username_tag,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def registered(user):
    return (UserRegistered(user_id=user, username=f"sealed-{user}"), [user_tag(user), username_tag(user)])


def member(user):
    return registered(user), (UserActivated(user_id=user), [user_tag(user)])


def admin(user):
    return *member(user), (AdminGranted(user_id=user), [user_tag(user), ADMINS])


def issued(user, key, *, name="Default Key", days=90, since=NOW, **more):
    event = KeyIssued(
        key_id=key,
        user_id=user,
        name=name,
        digest=f"digest-{key}",
        prefix="abcd",
        last4="wxyz",
        expires_at=since + timedelta(days=days),
        **more,
    )
    return (event, [user_tag(user), key_tag(key)])
