"""The hubs on this database, for administrators."""

from datetime import datetime

from litestar import Controller, get
from litestar.di import NamedDependency

from mcphub.api.caller import ADMIN
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services


class HubNode(Out, kw_only=True):
    """One run of a hub. `living`: heard of within ten seconds; `cores`: CPU seconds a second of its own process."""

    id: str
    name: str
    version: str
    schema_version: int
    started_at: datetime
    seen_at: datetime
    living: bool
    draining: bool
    sessions: int
    streams: int
    in_flight: int
    runtimes: int
    cores: float


class HubNodesAnswer(Envelope, kw_only=True):
    data: list[HubNode]


class NodesController(Controller):
    path = "/api/admin/nodes"
    tags = ("Operation",)

    @get("/", operation_id="hubNodes", summary="The hubs on this database", who=ADMIN)
    async def nodes(self, services: NamedDependency[Services]) -> HubNodesAnswer:
        """One that ended without a word is listed for a day."""
        found = await services.gateway.nodes()
        return HubNodesAnswer(
            data=[HubNode(**{name: getattr(node, name) for name in node.__struct_fields__}) for node in found]
        )
