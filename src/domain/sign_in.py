"""People who sign in elsewhere: GitHub, GitHub Enterprise, any OpenID Connect provider.

Rules held here:
- somebody is who the issuer says by the subject, for ever; neither login nor e-mail ever finds an account;
- one identity is one user, also when two browsers sign in for the first time at once;
- a name that a user holds already is not given to somebody from elsewhere, so nobody becomes somebody else by it;
- whom the provider's allow-list no longer names is shut out, an administrator among them unless they are the last one;
- a sign-in that fits the allow-list ends that, and nothing else: who was locked out by a person stays locked out;
- what the provider says a user belongs to is recorded when it changed; who is locked out belongs to nothing until it
  is said again.
"""

from collections.abc import Mapping, Sequence

from eventsourcing.dcb.domain import Selector
from msgspec import UNSET, Struct

from mcphub.domain.errors import IdentityKnown, LastAdmin, UserInactive
from mcphub.domain.events import (
    ADMINS,
    MEMBERSHIP,
    AdminGranted,
    AdminRevoked,
    Event,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserMembershipsChanged,
    UserProfileSynced,
    UserRegistered,
    identity_tag,
    user_tag,
)
from mcphub.domain.users import LIFE, ROSTER, RegisterUser, SignIn, UserCommand

PROFILE = ("display_name", "email", "login", "avatar_url", "profile_url")  # what every sign-in brings up to date


class Identity(Struct, frozen=True):
    """Who somebody is elsewhere. `digest` is the vault's keyed digest of issuer and subject; the subject is sealed."""

    provider: str  # github | oidc
    issuer: str
    digest: str
    subject: str


class RegisterByProvider(RegisterUser):
    """Make a person known whom a provider vouches for, and under the policy `active` let them in.

    Args:
        username: sealed; the hub's name for the user, which stays when the login elsewhere changes.
        profile: sealed, by the names of PROFILE.
        memberships: keyed digests, sorted.

    Raises:
        IdentityKnown: the person is a user already, perhaps for a moment only.
        UsernameTaken: a living user has the name.
    """

    def __init__(
        self,
        user_id: str,
        name_digest: str,
        username: str,
        identity: Identity,
        profile: Mapping[str, str],
        *,
        active: bool,
        memberships: Sequence[str] = (),
    ) -> None:
        super().__init__(user_id, name_digest, username, active=active, provider=identity.provider)
        self.identity = identity
        self.facts |= {
            **{name: profile.get(name, "") for name in PROFILE},
            "identity": identity.digest,
            "issuer": identity.issuer,
            "subject": identity.subject,
        }
        self.memberships = memberships
        self.same: set[str] = set()

    def consistency_boundary(self) -> Sequence[Selector]:
        known = Selector(types=[UserRegistered, UserErased], tags=[identity_tag(self.identity.digest)])
        return [*super().consistency_boundary(), known]

    def evolve(self, event: Event) -> None:
        match event:
            case UserRegistered(user_id=user, identity=digest) if digest == self.identity.digest:
                self.same.add(user)
            case UserErased(user_id=user):
                self.same.discard(user)
        super().evolve(event)

    def execute(self) -> None:
        if self.same:
            raise IdentityKnown
        super().execute()
        if self.memberships:
            self.trigger_event(
                UserMembershipsChanged,
                [user_tag(self.user_id)],
                user_id=self.user_id,
                memberships=list(self.memberships),
            )

    def tags(self) -> list[str]:
        return [*super().tags(), identity_tag(self.identity.digest)]


class SignInByProvider(SignIn):
    """Open a session for somebody a provider vouches for and whom its allow-list fits; profile and memberships follow.

    Args:
        profile: name of the field → (the sealed value it was compared with, the sealed value it has now), for what
            differs. A field that changed since it was compared was brought up to date by another sign-in.
        memberships: keyed digests, sorted; None when the provider did not say.

    Raises:
        UserInactive: locked out, deleted, or not let in yet.
    """

    def __init__(
        self,
        user_id: str,
        session_id: str,
        profile: Mapping[str, tuple[str, str]],
        memberships: Sequence[str] | None = None,
    ) -> None:
        super().__init__(user_id, session_id)
        self.wanted = profile
        self.present: dict[str, str] = {}
        self.memberships = memberships
        self.belongs: list[str] = []

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[*LIFE, UserProfileSynced, UserMembershipsChanged], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case UserRegistered() | UserProfileSynced():
                given = {name: getattr(event, name) for name in PROFILE}
                self.present |= {name: value for name, value in given.items() if value is not UNSET}
        self.belongs = belonging(self.belongs, event)
        super().evolve(event)

    def execute(self) -> None:
        self.must_exist()
        if self.deleted:
            raise UserInactive(self.user_id)
        me = user_tag(self.user_id)
        if self.shut_out:
            self.trigger_event(UserActivated, [me], user_id=self.user_id)
        changed = {name: now for name, (before, now) in self.wanted.items() if self.present.get(name, "") == before}
        if changed and self.active:
            self.trigger_event(UserProfileSynced, [me], user_id=self.user_id, **changed)
        if self.memberships is not None and self.active and list(self.memberships) != self.belongs:
            said = list(self.memberships)
            self.trigger_event(UserMembershipsChanged, [me], user_id=self.user_id, memberships=said)
        super().execute()


class NoteMemberships(UserCommand):
    """What the provider says now of an active user whom it was asked about; as before, it writes nothing.

    Args:
        memberships: keyed digests, sorted; none when the provider has not confirmed any for too long.

    Raises:
        UnknownUser, UserIsErased: nobody to say it of.
    """

    def __init__(self, user_id: str, memberships: Sequence[str]) -> None:
        super().__init__(user_id)
        self.memberships = list(memberships)
        self.belongs: list[str] = []

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[*LIFE, UserMembershipsChanged], tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        self.belongs = belonging(self.belongs, event)
        super().evolve(event)

    def execute(self) -> None:
        self.must_exist()
        if self.active and self.identity and self.memberships != self.belongs:
            self.trigger_event(
                UserMembershipsChanged,
                [user_tag(self.user_id)],
                user_id=self.user_id,
                memberships=self.memberships,
            )


class ShutOut(UserCommand):
    """Lock out somebody whom the allow-list of their provider no longer names; an administrator is demoted by it.

    Locking out who is not in, or is no provider's, writes nothing.

    Args:
        reason: a code: `not_a_member`, or `membership_unconfirmed` when the provider would not say.

    Raises:
        UnknownUser, UserIsErased: nobody to lock out.
        LastAdmin: nobody would administer the hub.
    """

    def __init__(self, user_id: str, reason: str) -> None:
        super().__init__(user_id)
        self.reason = reason
        self.admins: set[str] = set()

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=LIFE, tags=[user_tag(self.user_id)]), Selector(types=ROSTER, tags=[ADMINS])]

    def evolve(self, event: Event) -> None:
        match event:
            case AdminGranted(user_id=user):
                self.admins.add(user)
            case AdminRevoked(user_id=user):
                self.admins.discard(user)
        super().evolve(event)

    def execute(self) -> None:
        self.must_exist()
        if not self.active or not self.identity:
            return
        me = user_tag(self.user_id)
        if self.admin and len(self.admins) == 1:
            raise LastAdmin(self.user_id)
        if self.admin:
            self.trigger_event(AdminRevoked, [me, ADMINS], user_id=self.user_id)
        self.trigger_event(UserDeactivated, [me], user_id=self.user_id, reason=self.reason, cause=MEMBERSHIP)


def belonging(before: list[str], event: Event) -> list[str]:
    """What a user is known to belong to after one more fact about them."""
    match event:
        case UserMembershipsChanged(memberships=memberships):
            return memberships
        case UserDeactivated() | UserDeleted() | UserErased():
            return []
    return before
