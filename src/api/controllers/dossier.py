"""One user and all they have, for administrators: keys, groups, which variables are set, where they are signed in."""

from mcphub.api.browser_sessions import BrowserSession, sessions_of
from mcphub.api.caller import Caller
from mcphub.api.catalog import Catalog, SlotView
from mcphub.api.controllers.groups import GroupView, group_view
from mcphub.api.keyring import Keyring, KeyView
from mcphub.api.people import People, User
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.gateway.everywhere import merged


class ServerSlots(Out, kw_only=True):
    """What a server asks a user for. `entitled`: it is meant for the user; values may be left from when it was."""

    server: str
    enabled: bool
    entitled: bool
    slots: list[SlotView]


class Dossier(Out, kw_only=True):
    """`connections`: MCP sessions that are live, at any node. `invited`: a local account without a password yet.
    `onlyAdmin`: nobody else is an administrator.
    """

    user: User
    keys: list[KeyView]
    groups: list[GroupView]
    variables: list[ServerSlots]
    sessions: list[BrowserSession]
    connections: int
    invited: bool
    only_admin: bool


class DossierAnswer(Envelope, kw_only=True):
    data: Dossier


async def dossier_of(
    services: Services, people: People, keyring: Keyring, catalog: Catalog, user_id: str, caller: Caller
) -> Dossier:
    """
    Raises:
        UnknownUser, UserIsErased: there is nobody to tell of.
    """
    people.must_exist(user_id)
    user, model = await people.user(user_id), services.model
    known = model.users[user_id]
    groups = sorted(model.groups_of.get(user_id, {}).values(), key=lambda group: group.position, reverse=True)
    others = any(one.admin and one.user_id != user_id for one in model.users.values())
    return Dossier(
        user=user,
        keys=await keyring.of_user(user_id),
        groups=[group_view(services, group) for group in groups],
        variables=_variables(services, catalog, user_id),
        sessions=await sessions_of(services, user_id, caller),
        connections=sum(
            found.session.user_id == user_id for found in merged(await services.gateway.sessions_everywhere())
        ),
        invited=known.provider == "local" and not known.password,
        only_admin=known.admin and not others,
    )


def _variables(services: Services, catalog: Catalog, user_id: str) -> list[ServerSlots]:
    """Of servers that ask for something and are the user's to use, or that the user has saved values for."""
    model, sharing = services.model, catalog.sharing(user_id)
    entitled = {server.server_id for server in catalog.entitled(user_id)}
    return [
        ServerSlots(
            server=server.name,
            enabled=server.enabled,
            entitled=server.server_id in entitled,
            slots=catalog.slots(user_id, server, sharing),
        )
        for server in catalog.in_order()
        if server.slots and (server.server_id in entitled or model.credentials_of(user_id, server.server_id))
    ]
