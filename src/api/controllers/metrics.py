"""What Prometheus is told, for administrators and their scripts; a scraper has a port of its own."""

from typing import Any

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency

from mcphub.api.caller import ADMIN
from mcphub.api.metrics import Scrape


class MetricsController(Controller):
    tags = ("Operation",)

    @get(
        "/metrics",
        operation_id="metrics",
        summary="What the hub counts and measures, for Prometheus",
        media_type="text/plain",
        forms=["text/plain", "application/openmetrics-text"],
        who=ADMIN,
    )
    async def metrics(self, request: Request[Any, Any, Any], scrape: NamedDependency[Scrape]) -> Response[bytes]:
        text, media_type = await scrape.text(request.headers.get("accept", ""))
        return Response(text, media_type=media_type)
