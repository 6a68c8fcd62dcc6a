"""What a reader of the timeline looks for, from the address: names become ids, and the rest is asked as it stands.

A parameter may come several times; values beginning with `-` leave out, a `*` stands for any text.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from fnmatch import fnmatchcase

from mcphub.api.caller import Caller
from mcphub.api.problems import invalid
from mcphub.api.services import Services
from mcphub.domain.access import AccessModel
from mcphub.domain.events import group_tag, key_tag, server_tag
from mcphub.projections.timeline import Choice, Kind, Wanted

SYSTEM = "system:"
ME = "me"
HIDDEN_TAGS = ("username:", "identity:")  # keyed digests, which nobody is to try out
MOST_TEXT = 200
Values = list[str] | None


async def wanted(
    services: Services,
    caller: Caller,
    *,
    kind: Kind | None,
    actor: Values,
    user: Values,
    type_: Values,
    category: Values,
    outcome: Values,
    source: Values,
    server: Values,
    tag: Values,
    trace: Values,
    q: str,
    from_: datetime | None,
    to: datetime | None,
) -> Wanted:
    """
    Raises:
        Problem: a time without a zone, or a text too long to look for.
    """
    if len(q) > MOST_TEXT:
        raise invalid("The text to look for is too long.", ("/q", "too_long", f"at most {MOST_TEXT} characters"))
    names = await _names(services) if actor or user or q else {}
    servers = server_names(services.model)
    tags = [value for value in tag or () if not value.lstrip("-").startswith(HIDDEN_TAGS)]
    tagged = _choice(server, lambda value: [server_tag(one) for one in _called(servers, value)])
    other = _choice(tags if tag is not None else None)
    return Wanted(
        kind=kind,
        own=None if caller.reads_all else caller.user_id,
        actor=_choice(actor, lambda value: _people(names, caller, value)),
        user=_choice(user, lambda value: _people(names, caller, value)),
        type=_choice(type_),
        category=_choice(category),
        outcome=_choice(outcome),
        source=_choice(source),
        tag=_both(tagged, other),
        trace=_choice(trace),
        text=q,
        named=tuple(_holding(names, q)) if q else (),
        tagged=tuple(_tags_holding(services.model, servers, q)) if q else (),
        since=zoned(from_),
        until=zoned(to),
    )


def zoned(at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise invalid("A time says its zone: 2026-01-31T12:00:00Z.")
    return at


def _choice(values: Values, means: Callable[[str], Iterable[str]] = lambda value: (value,)) -> Choice:
    if not values:
        return Choice() if values is None else Choice(())
    only = [one for value in values if not value.startswith("-") for one in means(value)]
    never = [one for value in values if value.startswith("-") for one in means(value[1:])]
    asked = any(not value.startswith("-") for value in values)
    return Choice(tuple(only) if asked else None, tuple(never))


def _both(one: Choice, other: Choice) -> Choice:
    """Of tags: what either names."""
    if one.only is None and other.only is None:
        return Choice(None, one.never + other.never)
    return Choice((one.only or ()) + (other.only or ()), one.never + other.never)


async def _names(services: Services) -> dict[str, str]:
    """User id → name."""
    found = await services.directory.names(list(services.model.users))
    return {user: about.username for user, about in found.items()}


def _people(names: dict[str, str], caller: Caller, value: str) -> list[str]:
    if value == ME:
        return [caller.user_id]
    # As it stands as well: an id, or a role of the hub, which has no entry among the users.
    return [value, *_called(names, value)]


def _called(names: dict[str, str], pattern: str) -> list[str]:
    """Ids of what has this id or name; in the name, a `*` stands for any text."""
    wanted_name = pattern.casefold().replace("[", "[[]").replace("?", "[?]")
    return [one for one, name in names.items() if one == pattern or fnmatchcase(name.casefold(), wanted_name)]


def _holding(names: dict[str, str], text: str) -> list[str]:
    return [one for one, name in names.items() if text.casefold() in name.casefold()]


def server_names(model: AccessModel) -> dict[str, str]:
    """Also of servers that are no more."""
    return {**model.settings.removed, **{one: server.name for one, server in model.servers.items()}}


def _tags_holding(model: AccessModel, servers: dict[str, str], text: str) -> list[str]:
    """Tags of servers, groups and keys whose name holds the text."""
    groups = {one: group.name for groups in model.groups_of.values() for one, group in groups.items()}
    keys = {one: key.name for one, key in model.keys.items()}
    named = ((servers, server_tag), (groups, group_tag), (keys, key_tag))
    return [tag(one) for names, tag in named for one in _holding(names, text)]
