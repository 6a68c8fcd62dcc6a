"""What facts would mean if they were recorded: which servers and tools who would gain or lose, by `decide` alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from eventsourcing.dcb.domain import Tagged
from msgspec import Struct

from mcphub.domain.access import AccessModel, Capability, Principal, decide
from mcphub.domain.actor import system
from mcphub.domain.branch import Branch
from mcphub.domain.codec import Recorded
from mcphub.domain.entitlement import recorded_tools
from mcphub.domain.events import Event

OF_USERS = ("users", "keys_of", "groups_of", "credentials")  # of a model: what it knows of a user, by their id


class UserImpact(Struct, frozen=True, kw_only=True):
    """What one user gains and loses: servers by name, tools by the name they have on the aggregate, sorted."""

    user_id: str
    servers_gained: tuple[str, ...]
    servers_lost: tuple[str, ...]
    tools_gained: tuple[str, ...]
    tools_lost: tuple[str, ...]


def with_facts(model: AccessModel, decisions: Iterable[Tagged[Event]], at: datetime) -> AccessModel:
    """The model as it would be; the one given stays as it is."""
    after = Branch(model)
    for position, tagged in enumerate(decisions, model.position + 1):
        after.apply(
            Recorded(position=position, at=at, event=tagged.decision, meta=system("rehearsal"), tags=tuple(tagged.tags))
        )
    return after


def impact(before: AccessModel, after: AccessModel, at: datetime) -> list[UserImpact]:
    """For each user for whom something differs. Tools are those on the record.

    Args:
        after: of `with_facts`: what it shares with `before` is the same.
    """
    servers = _others(before.servers, after.servers)
    people = set[str]().union(*(_others(getattr(before, what), getattr(after, what)) for what in OF_USERS))
    seen_before, seen_after = _Seen(before, at), _Seen(after, at)
    found = []
    for user_id in list(after.users) if servers else sorted(people):
        gained_servers, lost_servers, gained, lost = set[str](), set[str](), set[str](), set[str]()
        for principal in _principals(before, after, user_id):
            among = None if user_id in people else servers
            old, new = seen_before.of(principal, among), seen_after.of(principal, among)
            gained_servers |= {after.servers[one].name for one in new.keys() - old.keys()}
            lost_servers |= {before.servers[one].name for one in old.keys() - new.keys()}
            tools_before, tools_after = set().union(*old.values()), set().union(*new.values())
            gained |= tools_after - tools_before
            lost |= tools_before - tools_after
        if gained_servers or lost_servers or gained or lost:
            found.append(
                UserImpact(
                    user_id=user_id,
                    servers_gained=tuple(sorted(gained_servers)),
                    servers_lost=tuple(sorted(lost_servers)),
                    tools_gained=tuple(sorted(gained)),
                    tools_lost=tuple(sorted(lost)),
                )
            )
    return found


def _others(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """Ids of what is not the same thing any more."""
    return {id for id in before.keys() | after.keys() if before.get(id) is not after.get(id)}


def _principals(before: AccessModel, after: AccessModel, user_id: str) -> Iterator[Principal]:
    """The user, and each key of theirs that would be another one."""
    yield Principal(user_id)
    old, new = before.keys_of.get(user_id, {}), after.keys_of.get(user_id, {})
    if old is not new:
        yield from (Principal(user_id, key_id) for key_id in old.keys() & new.keys() if old[key_id] != new[key_id])


class _Seen:
    """Visible servers with their visible tools. What a server offers is the same for everybody who sees it."""

    def __init__(self, model: AccessModel, at: datetime) -> None:
        self._model = model
        self._at = at
        self._tools: dict[str, frozenset[str]] = {}

    def of(self, principal: Principal, among: set[str] | None = None) -> dict[str, frozenset[str]]:
        """Server id → names of tools.

        Args:
            among: ids of the servers to look at; None for all.
        """
        ids: Sequence[str] = list(self._model.servers) if among is None else [*among]
        return {
            server_id: self._offered(server_id, principal)
            for server_id in ids
            if decide(self._model, principal, Capability(server_id), self._at).allowed
        }

    def _offered(self, server_id: str, principal: Principal) -> frozenset[str]:
        known = self._tools.get(server_id)
        if known is None:
            known = self._tools[server_id] = frozenset(
                tool.exposed
                for tool in recorded_tools(self._model, self._model.servers[server_id])
                if decide(
                    self._model, principal, Capability(server_id, name=tool.name, definition=tool.hash), self._at
                ).allowed
            )
        return known
