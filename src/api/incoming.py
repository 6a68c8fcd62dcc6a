"""What the door knows of one request, for everything behind it: the id, the address, and what the answer must carry."""

from contextvars import ContextVar

from msgspec import Struct

from mcphub.domain.ids import new_id


class Incoming(Struct):
    """Filled by the door; handlers add what goes into the answer's headers."""

    request_id: str
    ip: str = ""
    agent: str = ""
    position: int = 0  # of the change this request made; answered as X-MCPHub-Position
    pending: bool = False  # recorded, and not yet in the read tables: the answer is a 202
    cookies: list[str] = []  # Set-Cookie values to answer with
    key_presented: bool = False  # somebody sent an MCPHub key, in whichever way


INCOMING: ContextVar[Incoming] = ContextVar("INCOMING")


def incoming() -> Incoming:
    """This request; outside of one, a blank with an id of its own."""
    try:
        return INCOMING.get()
    except LookupError:
        return Incoming(new_id())
