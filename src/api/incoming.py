"""What the door knows of one request, for everything behind it: the id, the address, and what the answer must carry."""

from contextvars import ContextVar
from typing import Literal

from msgspec import Struct

from mcphub.api.korean import prefers_korean
from mcphub.domain.ids import new_id

Way = Literal["", "local", "github", "oidc", "link", "script"]


class Note(Struct, frozen=True, kw_only=True):
    """What the access log is to say of a request; the door adds from where it came, and where to.

    Args:
        outcome: `done`, or the code of the refusal.
        actor: the user who did it; '' while nobody is known.
        subject: the user it is about.
        name_digest: of the name that was tried.
    """

    action: Literal["sign_in", "sign_out", "command", "export"]
    outcome: str = "done"
    way: Way = ""
    actor: str = ""
    subject: str = ""
    name_digest: str = ""


class Incoming(Struct):
    """Filled by the door; handlers add what goes into the answer's headers."""

    request_id: str
    ip: str = ""
    agent: str = ""
    accept_language: str = ""
    position: int = 0  # of the change this request made; answered as X-MCPHub-Position
    pending: bool = False  # recorded, and not yet in the read tables: the answer is a 202
    cookies: list[str] = []  # Set-Cookie values to answer with
    key_presented: bool = False  # somebody sent an MCPHub key, in whichever way
    notes: list[Note] = []  # for the access log, before the answer goes out

    @property
    def korean(self) -> bool:
        return prefers_korean(self.accept_language)


INCOMING: ContextVar[Incoming] = ContextVar("INCOMING")


def incoming() -> Incoming:
    """This request; outside of one, a blank with an id of its own."""
    try:
        return INCOMING.get()
    except LookupError:
        return Incoming(new_id())
