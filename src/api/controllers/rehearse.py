"""A change tried out on what really happened: who would gain or lose what, and which calls would have been refused."""

import asyncio
from typing import Annotated, Any

import msgspec
from eventsourcing.dcb.domain import Tagged
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, Meta, UnsetType

from mcphub.api.caller import ADMIN
from mcphub.api.controllers.servers import ServerAudience
from mcphub.api.controllers.settings_file import MOST_BODY, Change, SettingsSave, rehearsed
from mcphub.api.problems import invalid
from mcphub.api.rehearsal import Affected, Refusals, Rehearsal
from mcphub.api.schemas import Envelope, Out, Schema
from mcphub.api.services import Services
from mcphub.domain.errors import UnknownServer
from mcphub.domain.events import ServerRef
from mcphub.domain.groups import ChangeGroup, DeleteGroup, SetGroupActive
from mcphub.domain.hub import Command
from mcphub.domain.servers import SetServerAudience, names_in, said

MOST_DAYS = 90
Days = Annotated[int, Meta(ge=1, le=MOST_DAYS)]


class AudienceChange(ServerAudience, kw_only=True):
    """Another audience of a server."""

    server: str


class GroupChange(Schema, kw_only=True):
    """Another form of a user's group; `deleted` stands alone."""

    user_id: str
    group_id: str
    servers: list[str] | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    deleted: bool = False


class RehearseRequest(Schema, kw_only=True):
    """Exactly one change, and how many days of calls it is tried on."""

    days: Days = 7
    settings: SettingsSave | UnsetType = UNSET
    audience: AudienceChange | UnsetType = UNSET
    group: GroupChange | UnsetType = UNSET


class RehearsedChange(Out, kw_only=True):
    """`changes` are the facts it would record; none when it changes nothing."""

    changes: list[Change]
    affected: Affected
    refusals: Refusals


class RehearsedAnswer(Envelope, kw_only=True):
    data: RehearsedChange


class RehearseController(Controller):
    path = "/api/admin/rehearse"
    tags = ("Settings",)

    @post(
        "/",
        operation_id="rehearse",
        summary="Try a change of settings, an audience or a group on the calls of the last days",
        status_code=200,
        request_max_body_size=MOST_BODY,
        own_text_rules=True,
        who=ADMIN,
    )
    async def rehearse(
        self,
        data: JSONBody[RehearseRequest],
        services: NamedDependency[Services],
        rehearsal: NamedDependency[Rehearsal],
    ) -> RehearsedAnswer:
        """Nothing is recorded. The command of the change decides as it would, the facts it would record are folded into
        the present state, and each call that was let through is decided once more by it.
        """
        position = await rehearsal.head()
        decisions = await _decisions(services, data)
        names = names_in(services.model.settings)
        return RehearsedAnswer(
            data=RehearsedChange(
                changes=[Change(**said(tagged.decision, names)) for tagged in decisions],
                affected=await rehearsal.affected(decisions, position),
                refusals=await rehearsal.refusals(decisions, position, data.days),
            )
        )


async def _decisions(services: Services, data: RehearseRequest) -> list[Tagged[Any]]:
    """
    Raises:
        Problem: not exactly one change.
        Refused: it could not be made.
    """
    asked = [part for part in (data.settings, data.audience, data.group) if part is not UNSET]
    match asked:
        case [SettingsSave() as save]:
            return (await rehearsed(services, save)).new_decisions
        case [AudienceChange(server=server, audience=audience)]:
            wanted = msgspec.to_builtins(audience)
            return await _decided(services, SetServerAudience(server, wanted))
        case [GroupChange() as change]:
            return [one for command in _of_group(services, change) for one in await _decided(services, command)]
    raise invalid("A rehearsal is of exactly one of settings, audience and group.")


async def _decided(services: Services, command: Command) -> list[Tagged[Any]]:
    return (await asyncio.to_thread(services.hub.rehearse, lambda: command)).new_decisions


def _of_group(services: Services, change: GroupChange) -> list[Command]:
    """
    Raises:
        UnknownServer: there is none of such a name.
    """
    if change.deleted:
        return [DeleteGroup(change.user_id, change.group_id)]
    commands: list[Command] = []
    if change.servers is not UNSET:
        refs = []
        for name in change.servers:
            server = services.model.settings.by_name(name)
            if server is None:
                raise UnknownServer(name)
            refs.append(ServerRef(server.server_id, server.name))
        commands.append(ChangeGroup(change.user_id, change.group_id, servers=refs))
    if change.is_active is not UNSET:
        commands.append(SetGroupActive(change.user_id, change.group_id, change.is_active))
    return commands
