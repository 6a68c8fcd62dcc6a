"""What a user comes in with, for administrators: invitations, sessions of browsers and scripts, and keys."""

import asyncio
from datetime import UTC, datetime

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from mcphub.api.auth.links import OneTimeLinks
from mcphub.api.browser_sessions import SessionsAnswer, sessions_of
from mcphub.api.caller import ADMIN, Caller
from mcphub.api.notes import signed_out
from mcphub.api.people import People
from mcphub.api.problems import not_found
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.domain.keys import RevokeKeys
from mcphub.domain.users import InviteUser, SignOut


class Invitation(Out, kw_only=True):
    invitation_link: str


class InvitationAnswer(Envelope, kw_only=True):
    data: Invitation


class Revoked(Out, kw_only=True):
    revoked: int


class RevokedAnswer(Envelope, kw_only=True):
    data: Revoked


class UserCredentialsController(Controller):
    path = "/api/admin/users/{user_id:str}"
    tags = ("Users",)

    @post(
        "/invitation",
        operation_id="inviteUser",
        summary="Invite a user anew, who has not chosen a password yet",
        status_code=200,
        who=ADMIN,
    )
    async def invite(
        self,
        user_id: FromPath[str],
        services: NamedDependency[Services],
        links: NamedDependency[OneTimeLinks],
    ) -> InvitationAnswer:
        """Links from before work no longer. An account with a password is its owner's: nobody else gets into it."""
        done = await services.commands.run(lambda: InviteUser(user_id))
        token = await asyncio.to_thread(links.renew, "invite", user_id)
        link = f"{services.settings.public_url}/invite#{token}"
        return InvitationAnswer(data=Invitation(invitation_link=link), position=done.position)

    @get("/sessions", operation_id="userSessions", summary="Where a user is signed in", who=ADMIN)
    async def sessions(
        self,
        user_id: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        people: NamedDependency[People],
    ) -> SessionsAnswer:
        people.must_exist(user_id)
        return SessionsAnswer(data=await sessions_of(services, user_id, caller))

    @delete("/sessions/{sid:str}", operation_id="endUserSession", summary="End one session of a user", who=ADMIN)
    async def end_session(
        self,
        user_id: FromPath[str],
        sid: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        people: NamedDependency[People],
    ) -> None:
        """Of a browser or a script. `sign-out` ends all of them, and the sessions of IDEs."""
        people.must_exist(user_id)
        if sid not in services.model.users[user_id].sessions:
            raise not_found("The user has no such session.")
        await services.commands.run(lambda: SignOut(user_id, sid))
        signed_out(user_id, by=caller.user_id)

    @delete(
        "/keys", operation_id="revokeKeys", summary="Revoke all keys of a user, for good", status_code=200, who=ADMIN
    )
    async def revoke_keys(
        self, user_id: FromPath[str], services: NamedDependency[Services], people: NamedDependency[People]
    ) -> RevokedAnswer:
        """Those that have expired, too, so that none can be extended. One key: `DELETE /api/oauth/keys/{id}`."""
        people.must_exist(user_id)
        now = datetime.now(UTC)
        done = await services.commands.run(lambda: RevokeKeys(user_id, now))
        done.must_show()
        return RevokedAnswer(data=Revoked(revoked=done.command.revoked), position=done.position)
