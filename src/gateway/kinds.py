"""The kinds of things a server offers, and how each is listed, named and asked for.

Spec: MCP 2025-11-25, Tools, Prompts, Resources.
"""

from typing import Literal

from msgspec import Struct

from mcphub.domain.access import Kind


class Offer(Struct, frozen=True):
    """One kind of thing.

    Args:
        kind: the member of the configuration that switches it.
        what: in error texts.
        naming: the member of an item that names it.
        prefixed: carries the server's slug on the aggregate; a URI stays as it is unless two servers have it.
        changed: the notification that says the list is another one.
    """

    kind: Kind
    what: str
    list_method: str
    member: str
    naming: str
    prefixed: bool
    changed: str

    @property
    def empty(self) -> bytes:
        return b'{"%b":[]}' % self.member.encode()


TOOLS = Offer("tools", "tool", "tools/list", "tools", "name", True, "notifications/tools/list_changed")
PROMPTS = Offer("prompts", "prompt", "prompts/list", "prompts", "name", True, "notifications/prompts/list_changed")
RESOURCES = Offer(
    "resources", "resource", "resources/list", "resources", "uri", False, "notifications/resources/list_changed"
)
TEMPLATES = Offer(
    "resources", "resource", "resources/templates/list", "resourceTemplates", "uriTemplate", False, RESOURCES.changed
)

LISTED: dict[str, Offer] = {offer.list_method: offer for offer in (TOOLS, PROMPTS, RESOURCES, TEMPLATES)}
CHANGED: dict[str, Offer] = {offer.changed: offer for offer in (TOOLS, PROMPTS, RESOURCES)}

Naming = Literal["name", "uri"]
# method → (what it names, and the member of the parameters that does)
NAMED: dict[str, tuple[Offer, Naming]] = {
    "tools/call": (TOOLS, "name"),
    "prompts/get": (PROMPTS, "name"),
    "resources/read": (RESOURCES, "uri"),
    "resources/subscribe": (RESOURCES, "uri"),
    "resources/unsubscribe": (RESOURCES, "uri"),
}
