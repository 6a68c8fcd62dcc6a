"""Whom a server is meant for: what `mcphub.audience`, `visibility` and `owner` of its entry say.

Everyone, or whoever matches any of the names: users by their name in the hub; organisations, teams and groups by what
the provider said of a user. Nothing named is nobody.
What is saved is checked name by name; what the ledger holds and cannot be understood lets nobody in.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

EVERYONE = "everyone"
MEMBERSHIPS: dict[str, Literal["organization", "team", "group"]] = {
    "organizations": "organization",
    "teams": "team",
    "groups": "group",
}
MEMBERS = ("users", *MEMBERSHIPS)
MOST_NAMES = 1000
MOST_NAME = 256  # characters
SHOWN = 20  # names of each kind in a description


class Membership(Struct, frozen=True, order=True):
    """An organisation, a team as `organisation/team`, or a group of an OpenID Connect provider."""

    kind: Literal["organization", "team", "group"]
    name: str


class Audience(Struct, frozen=True):
    """Whom a server is meant for, ready to be decided. `owned`: its one user is the owner of a private server."""

    everyone: bool = False
    users: tuple[str, ...] = ()
    memberships: tuple[Membership, ...] = ()
    owned: bool = False
    readable: bool = True

    def described(self) -> str:
        """For administrators, as it follows "for"."""
        if self.everyone:
            return "everyone"
        if not self.readable:
            return "nobody: the audience cannot be read"
        if self.owned:
            return f"its owner {self.users[0]}"
        named = {"users": list(self.users)}
        named |= {
            member: [one.name for one in self.memberships if one.kind == kind] for member, kind in MEMBERSHIPS.items()
        }
        return "; ".join(f"{member} {_listed(names)}" for member, names in named.items() if names) or "nobody"


def audience_of(config: Mapping[str, Any]) -> Audience:
    """The audience of a server's entry. A server that is not public is its owner's, whatever else is said."""
    if config.get("visibility", "public") != "public":
        owner = config.get("owner")
        return Audience(users=(owner,), owned=True) if isinstance(owner, str) and owner else Audience()
    ours = config.get("mcphub", {})
    return read(ours.get("audience", EVERYONE)) if isinstance(ours, dict) else Audience(readable=False)


def read(audience: Any) -> Audience:
    """What `mcphub.audience` says; nobody when its shape is not the contract's."""
    if audience == EVERYONE:
        return Audience(everyone=True)
    if next(_misshapen(audience), None) is not None:
        return Audience(readable=False)
    memberships = [Membership(kind, name) for member, kind in MEMBERSHIPS.items() for name in audience.get(member, ())]
    return Audience(users=tuple(audience.get("users", ())), memberships=tuple(memberships))


def faults(audience: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(place below the audience, what is wrong there), for what is to be saved."""
    if audience == EVERYONE:
        return
    misshapen = list(_misshapen(audience))
    if misshapen:
        yield from misshapen
        return
    if sum(len(names) for names in audience.values()) > MOST_NAMES:
        yield (), f"more than {MOST_NAMES} names"
    for member, names in audience.items():
        for index, name in enumerate(names):
            if not 1 <= len(name) <= MOST_NAME or name != name.strip() or not name.isprintable():
                yield (member, index), f"a name has 1 to {MOST_NAME} characters, and no blanks around it"
            elif member == "organizations" and "/" in name:
                yield (member, index), "an organisation has no '/'; a team belongs under teams"
            elif member == "teams" and (name.count("/") != 1 or name[0] == "/" or name[-1] == "/"):
                yield (member, index), "a team is written organisation/team"


def users_named(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(place in the entry, user name) of everybody an entry names, be the rest of it as it may."""
    ours = config.get("mcphub")
    audience = ours.get("audience") if isinstance(ours, dict) else None
    users = audience.get("users") if isinstance(audience, dict) else None
    for index, name in enumerate(users if isinstance(users, list) else ()):
        if isinstance(name, str):
            yield ("mcphub", "audience", "users", index), name
    if isinstance(config.get("owner"), str) and config["owner"]:
        yield ("owner",), config["owner"]


def _misshapen(audience: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if not isinstance(audience, dict):
        yield (), f"the audience is {EVERYONE!r}, or an object of {', '.join(MEMBERS)}"
        return
    for member, names in audience.items():
        if member not in MEMBERS:
            yield (member,), f"no member of an audience; those are {', '.join(MEMBERS)}"
        elif not isinstance(names, list):
            yield (member,), f"{member} is a list of names"
        else:
            for index, name in enumerate(names):
                if not isinstance(name, str):
                    yield (member, index), "a name is a text"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
