"""Where people sign in who do not sign in here: what both kinds of provider can do, and what comes of it."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from mcphub.domain.audience import Membership
from mcphub.settings import ProviderSettings

MOST_MEMBERSHIPS = 500  # that are kept of one person


class ProviderFailed(Exception):
    """The provider did not do its part. The text is for the log and repeats nothing a provider or browser said.

    `final`: it will not do it next time either, with the same grant. `grant`: to ask with next time, if it is not.
    """

    def __init__(self, why: str, *, final: bool = False, grant: str = "") -> None:
        super().__init__(why)
        self.final = final
        self.grant = grant


class NotAMember(Exception):
    """The allow-list does not name the person with this subject."""

    def __init__(self, subject: str) -> None:
        super().__init__("not a member")
        self.subject = subject


class Person(Struct, frozen=True):
    """Who a provider says is there. `subject` is what never changes; the rest is for people to read."""

    subject: str
    login: str
    display_name: str = ""
    email: str = ""
    avatar_url: str = ""
    profile_url: str = ""


class Vouched(Struct, frozen=True):
    """A person who fits the allow-list, what they belong to, and by what the provider can be asked again.

    `grant` is a secret; '' when the provider gave none. `memberships` is None when the provider did not say.
    """

    person: Person
    grant: str = ""
    memberships: frozenset[Membership] | None = None


class Flow(Struct, frozen=True):
    """What the hub remembers of a browser on its way."""

    verifier: str
    nonce: str


class Provider(Protocol):
    settings: ProviderSettings

    async def address(self, state: str, flow: Flow) -> str:
        """Where the browser is sent.

        Raises:
            ProviderFailed: it could not be found out.
        """

    async def redeem(self, code: str, flow: Flow, answered: Mapping[str, str]) -> Vouched:
        """Who came back with this code; `answered` is all the provider put into the address.

        Raises:
            ProviderFailed: the provider does not say, or not in a way to be believed.
            NotAMember: the allow-list does not name them.
        """

    async def again(self, grant: str) -> Vouched:
        """Who stands behind an earlier grant, and whether the allow-list still names them. The grant is spent.

        Raises:
            ProviderFailed: no answer; `final` when the grant is no good any more.
            NotAMember: not any more.
        """
