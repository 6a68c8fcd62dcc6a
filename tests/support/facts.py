"""Short ways to say what happened, for scenarios."""

from datetime import UTC, datetime, timedelta

from msgspec import Raw, json

from mcphub.domain.access import AccessModel
from mcphub.domain.actor import system
from mcphub.domain.codec import Recorded
from mcphub.domain.events import (
    ADMINS,
    SERVERS,
    AdminGranted,
    GroupCreated,
    KeyIssued,
    ServerAdded,
    ServerRef,
    ServerRemoved,
    ServiceTokenRemoved,
    ServiceTokenSaved,
    UserActivated,
    UserRegistered,
    group_tag,
    identity_tag,
    key_tag,
    server_tag,
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


def elsewhere(user, identity, *, admin=False):
    """An active user who signs in at GitHub."""
    event = UserRegistered(
        user_id=user,
        username=f"sealed-{user}",
        provider="github",
        identity=identity,
        issuer="https://github.com",
        subject=f"subject-{identity}",
        login=f"login-{user}",
    )
    known = (event, [user_tag(user), username_tag(user), identity_tag(identity)])
    role = [(AdminGranted(user_id=user), [user_tag(user), ADMINS])] if admin else []
    return known, (UserActivated(user_id=user), [user_tag(user)]), *role


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


def added(server, *, name="", **config):
    """A living server; its name is its id in capitals unless another is given."""
    config = {"command": "node", **config}
    event = ServerAdded(server_id=server, name=name or server.upper(), slug=server, config=Raw(json.encode(config)))
    return (event, [server_tag(server), SERVERS])


def removed(server, *, name=""):
    return (ServerRemoved(server_id=server, name=name or server.upper()), [server_tag(server), SERVERS])


def grouped(user, group, *servers, name=""):
    """A user's own group, active, of these server ids."""
    refs = [ServerRef(server, server.upper()) for server in servers]
    event = GroupCreated(group_id=group, user_id=user, name=name or group, slug=name or group, servers=refs)
    return (event, [user_tag(user), group_tag(group)])


def of_group(fact, user, group, **more):
    return (fact(group_id=group, user_id=user, **more), [user_tag(user), group_tag(group)])


def of_key(fact, user, key, **more):
    return (fact(key_id=key, user_id=user, **more), [user_tag(user), key_tag(key)])


def of_user(fact, user, **more):
    return (fact(user_id=user, **more), [user_tag(user)])


def saved(user, server, variable, key="", *, fingerprint=""):
    """A stored value; its data key and fingerprint are named after it unless others are given."""
    key = key or f"{user}-{server}-{variable}"
    event = ServiceTokenSaved(
        user_id=user,
        server_id=server,
        variable=variable,
        data_key=key,
        sealed=f"v1.{key}.sealed",
        mask="••••••••",
        fingerprint=fingerprint or f"print-{key}",
    )
    return (event, [user_tag(user), server_tag(server)])


def cleared(user, server, variable, key=""):
    event = ServiceTokenRemoved(
        user_id=user, server_id=server, variable=variable, data_key=key or f"{user}-{server}-{variable}"
    )
    return (event, [user_tag(user), server_tag(server)])


def recorded(*facts, since=1, at=NOW):
    """The facts in their envelopes, a second apart."""
    return [
        Recorded(
            position=position,
            at=at + timedelta(seconds=position),
            event=event,
            meta=system("test"),
            id=f"event-{position}",
            tags=tuple(tags),
        )
        for position, (event, tags) in enumerate(facts, since)
    ]


def modelled(*facts):
    """The access model after these facts; names are their own digests."""
    model = AccessModel()
    for fact in recorded(*facts):
        model.apply(fact)
    return model
