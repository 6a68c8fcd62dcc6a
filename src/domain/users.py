"""Users: who may use the hub, and who administers it.

Rules held here:
- at least one admin is active at any time, also when two admins act at once;
- nobody deactivates or deletes their own account, and an admin is demoted before being locked out;
- only an active user becomes an admin, so every admin is an active one and counting admins is enough;
- the first admin comes from the set-up link or the operator's password, once; never from being first to sign in;
- a name belongs to one living user at a time; sealed names are compared by their tags;
- an auditor is no administrator, and an administrator need not be an auditor: the roles are independent.
"""

from collections.abc import Sequence
from typing import Any

from eventsourcing.dcb.domain import Selector
from msgspec import UNSET, UnsetType

from mcphub.domain.errors import (
    AdminProtected,
    AlreadySetUp,
    HasPassword,
    LastAdmin,
    NotLocalAccount,
    SelfDeactivation,
    SelfDeletion,
    UnknownUser,
    UserInactive,
    UserIsDeleted,
    UserIsErased,
    UsernameTaken,
)
from mcphub.domain.events import (
    ADMINS,
    MEMBERSHIP,
    AdminGranted,
    AdminRevoked,
    AuditorGranted,
    AuditorRevoked,
    Event,
    KeyIssued,
    KeyRevoked,
    PasswordSet,
    SignedIn,
    SignedOut,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserInvited,
    UserKeyDestroyed,
    UserPreferencesChanged,
    UserRegistered,
    UserRestored,
    identity_tag,
    key_tag,
    session_tag,
    user_tag,
    username_tag,
)
from mcphub.domain.hub import Command

LIFE = (UserRegistered, UserActivated, UserDeactivated, UserDeleted, UserRestored, UserErased)
ROSTER = (AdminGranted, AdminRevoked)


class UserCommand(Command):
    """What most rules need to know of one user; a command reads more by widening the boundary."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.known = self.active = self.deleted = self.erased = self.admin = False
        self.name_digest = ""
        self.identity = ""
        self.shut_out = False  # inactive because of the provider's allow-list, and of nobody's decision

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[*LIFE, *ROSTER], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case UserRegistered():
                self.known, self.identity = True, event.identity
            case UserActivated():
                self.active, self.shut_out = True, False
            case UserDeactivated(cause=cause):
                self.active, self.shut_out = False, cause == MEMBERSHIP
            case UserDeleted():
                self.active, self.deleted, self.shut_out = False, True, False
            case UserRestored():
                self.deleted = False
            case UserErased():
                self.active, self.deleted, self.erased = False, True, True
            case AdminGranted(user_id=user) if user == self.user_id:
                self.admin = True
            case AdminRevoked(user_id=user) if user == self.user_id:
                self.admin = False

    def must_exist(self) -> None:
        if not self.known:
            raise UnknownUser(self.user_id)
        if self.erased:
            raise UserIsErased(self.user_id)


class RegisterUser(Command):
    """Make a person known, and under the policy `active` let them in. An id that is known already writes nothing.

    Args:
        user_id: a fresh id.
        name_digest: the vault's digest of the user name.
        username, display_name, email: sealed under the user's personal key.
        active: let in at once.
        password: sealed argon2id hash, or None for an account that signs in elsewhere or by an invitation.
        admin: an admin from the start; only another admin asks for that.

    Raises:
        UsernameTaken: a living user has the name.
    """

    def __init__(
        self,
        user_id: str,
        name_digest: str,
        username: str,
        *,
        display_name: str = "",
        email: str = "",
        active: bool = True,
        password: str | None = None,
        admin: bool = False,
        provider: str = "local",
    ) -> None:
        self.user_id = user_id
        self.name_digest = name_digest
        self.facts = {"username": username, "display_name": display_name, "email": email, "provider": provider}
        self.active = active
        self.password = password
        self.admin = admin
        self.known = False
        self.holders: set[str] = set()

    def consistency_boundary(self) -> Sequence[Selector]:
        return [
            Selector(types=[UserRegistered, UserErased], tags=[username_tag(self.name_digest)]),
            Selector(types=[UserRegistered], tags=[user_tag(self.user_id)]),
            Selector(types=ROSTER, tags=[ADMINS]),
        ]

    def evolve(self, event: Event) -> None:
        match event:
            case UserRegistered(user_id=user):
                self.known = self.known or user == self.user_id
                self.holders.add(user)
            case UserErased(user_id=user):
                self.holders.discard(user)

    def execute(self) -> None:
        if self.known:
            return  # the same request, sent again
        if self.holders:
            raise UsernameTaken
        me = user_tag(self.user_id)
        self.trigger_event(UserRegistered, self.tags(), user_id=self.user_id, **self.facts)
        if self.password is not None:
            self.trigger_event(PasswordSet, [me], user_id=self.user_id, sealed=self.password)
        if self.active or self.admin:
            self.trigger_event(UserActivated, [me], user_id=self.user_id)
        if self.admin:
            self.trigger_event(AdminGranted, [me, ADMINS], user_id=self.user_id)

    def tags(self) -> list[str]:
        """Of the fact that makes the user known."""
        return [user_tag(self.user_id), username_tag(self.name_digest)]


class SetUpAdmin(RegisterUser):
    """Register the first administrator; exactly once in the life of a hub that has one.

    Raises:
        AlreadySetUp: an administrator exists. `recover` allows it all the same: the operator holds the host.
        UsernameTaken: a living user has the name.
    """

    def __init__(self, user_id: str, name_digest: str, username: str, password: str, *, recover: bool = False) -> None:
        super().__init__(user_id, name_digest, username, password=password, admin=True)
        self.recover = recover
        self.ever_admins: set[str] = set()

    def evolve(self, event: Event) -> None:
        match event:
            case AdminGranted(user_id=user):
                self.ever_admins.add(user)
        super().evolve(event)

    def execute(self) -> None:
        if self.ever_admins and not self.recover:
            raise AlreadySetUp
        super().execute()


class SetUserActive(UserCommand):
    """Let a user in, or lock the user out. Asking for the present state writes nothing.

    Locking out whom only the provider's allow-list has shut out is a change: no sign-in ends it any more.

    Args:
        cause: of locking out, see UserDeactivated.

    Raises:
        UnknownUser, UserIsErased, UserIsDeleted: nobody to let in.
        AdminProtected: an admin is demoted first.
        SelfDeactivation: `by` is the user.
    """

    def __init__(self, user_id: str, active: bool, *, by: str, reason: str = "", cause: str = "") -> None:
        super().__init__(user_id)
        self.wanted = active
        self.by = by
        self.reason = reason
        self.cause = cause

    def execute(self) -> None:
        self.must_exist()
        if self.deleted:
            raise UserIsDeleted(self.user_id)
        if self.wanted == self.active and (self.wanted or not self.shut_out):
            return
        me = user_tag(self.user_id)
        if self.wanted:
            self.trigger_event(UserActivated, [me], user_id=self.user_id)
            return
        if self.by == self.user_id:
            raise SelfDeactivation
        if self.admin:
            raise AdminProtected(self.user_id)
        self.trigger_event(UserDeactivated, [me], user_id=self.user_id, reason=self.reason, cause=self.cause)


class SetAdmin(UserCommand):
    """Make a user an admin, or an admin an ordinary user. Asking for the present role writes nothing.

    Raises:
        UnknownUser, UserIsErased, UserIsDeleted: no such user to promote.
        UserInactive: only an active user becomes an admin.
        LastAdmin: no admin would remain.
    """

    def __init__(self, user_id: str, admin: bool) -> None:
        super().__init__(user_id)
        self.wanted = admin
        self.admins: set[str] = set()

    def consistency_boundary(self) -> Sequence[Selector]:
        return [
            Selector(types=LIFE, tags=[user_tag(self.user_id)]),
            # Two admins demoting each other read the same two admins; this selector lets only one of them win.
            Selector(types=ROSTER, tags=[ADMINS]),
        ]

    def evolve(self, event: Event) -> None:
        match event:
            case AdminGranted(user_id=user):
                self.admins.add(user)
            case AdminRevoked(user_id=user):
                self.admins.discard(user)
        super().evolve(event)

    def execute(self) -> None:
        self.must_exist()
        if self.wanted == self.admin:
            return
        if self.wanted and self.deleted:
            raise UserIsDeleted(self.user_id)
        if self.wanted and not self.active:
            raise UserInactive(self.user_id)
        if not self.wanted and len(self.admins) == 1:
            raise LastAdmin(self.user_id)
        fact = AdminGranted if self.wanted else AdminRevoked
        self.trigger_event(fact, [user_tag(self.user_id), ADMINS], user_id=self.user_id)


class SetAuditor(UserCommand):
    """Let a user read everybody's audit, requests and exports, or no longer. The present role writes nothing.

    Raises:
        UnknownUser, UserIsErased, UserIsDeleted: no such user.
        UserInactive: only an active user is given the role; one who is locked out later keeps it.
    """

    def __init__(self, user_id: str, auditor: bool) -> None:
        super().__init__(user_id)
        self.wanted = auditor
        self.auditor = False

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[*LIFE, AuditorGranted, AuditorRevoked], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case AuditorGranted():
                self.auditor = True
            case AuditorRevoked():
                self.auditor = False
        super().evolve(event)

    def execute(self) -> None:
        self.must_exist()
        if self.wanted == self.auditor:
            return
        if self.wanted and self.deleted:
            raise UserIsDeleted(self.user_id)
        if self.wanted and not self.active:
            raise UserInactive(self.user_id)
        fact = AuditorGranted if self.wanted else AuditorRevoked
        self.trigger_event(fact, [user_tag(self.user_id)], user_id=self.user_id)


class DeleteUser(UserCommand):
    """Soft: locked out, keys revoked, hidden, restorable. Deleting a deleted user writes nothing.

    Raises:
        UnknownUser, UserIsErased: nobody to delete.
        AdminProtected: an admin is demoted first.
        SelfDeletion: `by` is the user.
    """

    def __init__(self, user_id: str, *, by: str, name_digest: str = "") -> None:
        super().__init__(user_id)
        self.by = by
        self.name_digest = name_digest
        self.keys: list[str] = []

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[*LIFE, *ROSTER, KeyIssued, KeyRevoked], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case KeyIssued(key_id=key):
                self.keys.append(key)
            case KeyRevoked(key_id=key) if key in self.keys:
                self.keys.remove(key)
        super().evolve(event)

    def tags(self) -> list[str]:
        named = [username_tag(self.name_digest)] if self.name_digest else []
        return [user_tag(self.user_id), *named]

    def must_be_deletable(self) -> None:
        self.must_exist()
        if self.by == self.user_id:
            raise SelfDeletion
        if self.admin:
            raise AdminProtected(self.user_id)

    def execute(self) -> None:
        self.must_be_deletable()
        if self.deleted:
            return
        self.trigger_event(UserDeleted, self.tags(), user_id=self.user_id)
        for key in list(self.keys):
            self.trigger_event(KeyRevoked, [user_tag(self.user_id), key_tag(key)], key_id=key, user_id=self.user_id)


class EraseUser(DeleteUser):
    """Hard: the fact after which the user's data keys are destroyed. The name becomes free, the identity unknown.

    Raises: as DeleteUser.
    """

    def execute(self) -> None:
        if self.erased:
            return
        self.must_be_deletable()
        elsewhere = [identity_tag(self.identity)] if self.identity else []
        self.trigger_event(UserErased, [*self.tags(), *elsewhere], user_id=self.user_id)


class CertifyErasure(UserCommand):
    """The reactor's report that an erased user's data keys are gone; once."""

    def __init__(self, user_id: str, data_keys: int) -> None:
        super().__init__(user_id)
        self.data_keys = data_keys
        self.certified = False

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[*LIFE, UserKeyDestroyed], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        if isinstance(event, UserKeyDestroyed):
            self.certified = True
        super().evolve(event)

    def execute(self) -> None:
        if self.erased and not self.certified:
            me = user_tag(self.user_id)
            self.trigger_event(UserKeyDestroyed, [me], user_id=self.user_id, data_keys=self.data_keys)


class RestoreUser(UserCommand):
    """Bring a soft-deleted user back, inactive unless said otherwise. Restoring a living user writes nothing.

    Raises:
        UnknownUser, UserIsErased: nobody to bring back.
    """

    def __init__(self, user_id: str, *, name_digest: str = "", active: bool = False) -> None:
        super().__init__(user_id)
        self.name_digest = name_digest
        self.let_in = active

    def execute(self) -> None:
        self.must_exist()
        if self.deleted:
            named = [username_tag(self.name_digest)] if self.name_digest else []
            self.trigger_event(UserRestored, [user_tag(self.user_id), *named], user_id=self.user_id)
            if self.let_in:
                self.trigger_event(UserActivated, [user_tag(self.user_id)], user_id=self.user_id)


class InviteUser(UserCommand):
    """A new invitation for a local account that nobody has chosen a password for; older ones are void.

    Raises:
        UnknownUser, UserIsErased, UserIsDeleted: nobody to invite.
        NotLocalAccount: the account signs in elsewhere.
        HasPassword: the account is its owner's already, and nobody else gets into it.
    """

    def __init__(self, user_id: str) -> None:
        super().__init__(user_id)
        self.provider = ""
        self.has_password = False

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[*LIFE, PasswordSet], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case UserRegistered(provider=provider):
                self.provider = provider
            case PasswordSet():
                self.has_password = True
        super().evolve(event)

    def execute(self) -> None:
        self.must_exist()
        if self.deleted:
            raise UserIsDeleted(self.user_id)
        if self.provider != "local":
            raise NotLocalAccount
        if self.has_password:
            raise HasPassword(self.user_id)
        self.trigger_event(UserInvited, [user_tag(self.user_id)], user_id=self.user_id)


class SetPassword(UserCommand):
    """Give a local account a new password; ends its sessions.

    Args:
        first: it must be the account's first one, as of somebody who was invited.

    Raises:
        UnknownUser, UserIsErased: nobody to give it to.
        NotLocalAccount: the account signs in elsewhere.
        HasPassword: it is not the first.
    """

    def __init__(self, user_id: str, sealed: str, *, local_only: bool = True, first: bool = False) -> None:
        super().__init__(user_id)
        self.sealed = sealed
        self.local_only = local_only
        self.first = first
        self.provider = ""
        self.has_password = False

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[*LIFE, PasswordSet], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case UserRegistered(provider=provider):
                self.provider = provider
            case PasswordSet():
                self.has_password = True
        super().evolve(event)

    def execute(self) -> None:
        self.must_exist()
        if self.local_only and self.provider != "local":
            raise NotLocalAccount
        if self.first and self.has_password:
            raise HasPassword(self.user_id)
        self.trigger_event(PasswordSet, [user_tag(self.user_id)], user_id=self.user_id, sealed=self.sealed)


class SignIn(UserCommand):
    """Open a session of the hub's own API for a user who proved who he is.

    Raises:
        UserInactive: the user is locked out.
    """

    def __init__(self, user_id: str, session_id: str, *, kind: str = "browser") -> None:
        super().__init__(user_id)
        self.session_id = session_id
        self.kind = kind

    def execute(self) -> None:
        self.must_exist()
        if not self.active:
            raise UserInactive(self.user_id)
        tags = [user_tag(self.user_id), session_tag(self.session_id)]
        self.trigger_event(SignedIn, tags, user_id=self.user_id, session_id=self.session_id, kind=self.kind)


class SignOut(Command):
    """End one session, or with no session named all of a user's. Ending what is over writes nothing."""

    def __init__(self, user_id: str, session_id: str = "") -> None:
        self.user_id = user_id
        self.session_id = session_id
        self.living: set[str] = set()

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[SignedIn, SignedOut, PasswordSet], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case SignedIn(session_id=session):
                self.living.add(session)
            case SignedOut(session_id=""):
                self.living.clear()
            case SignedOut(session_id=session):
                self.living.discard(session)
            case PasswordSet():
                self.living.clear()

    def execute(self) -> None:
        if self.session_id:
            self.end(self.session_id)
        else:
            # Also without a living browser session: it ends the user's MCP sessions.
            self.trigger_event(SignedOut, [user_tag(self.user_id)], user_id=self.user_id)

    def end(self, session_id: str) -> None:
        if session_id in self.living:
            tags = [user_tag(self.user_id), session_tag(session_id)]
            self.trigger_event(SignedOut, tags, user_id=self.user_id, session_id=session_id)


class EndSessions(SignOut):
    """End these sessions of one user in one append: what became of them is read once, not once for each."""

    def __init__(self, user_id: str, session_ids: Sequence[str]) -> None:
        super().__init__(user_id)
        self.session_ids = session_ids

    def execute(self) -> None:
        for session_id in self.session_ids:
            self.end(session_id)


class ChangePreferences(Command):
    """Record only what differs from the present preferences."""

    FIELDS = ("language", "time_zone", "theme", "density", "exposure_mode", "show_why", "pinned_tools")

    def __init__(self, user_id: str, **wanted: str | bool | list[str] | UnsetType) -> None:
        self.user_id = user_id
        self.wanted: dict[str, Any] = {name: value for name, value in wanted.items() if value is not UNSET}
        self.present: dict[str, object] = {}

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[UserPreferencesChanged], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        if isinstance(event, UserPreferencesChanged):
            for name in self.FIELDS:
                if (value := getattr(event, name)) is not UNSET:
                    self.present[name] = value

    def execute(self) -> None:
        changed = {name: value for name, value in self.wanted.items() if self.present.get(name) != value}
        if changed:
            self.trigger_event(UserPreferencesChanged, [user_tag(self.user_id)], user_id=self.user_id, **changed)
