"""Where a browser goes: the one plain page; everything else is not there, and said so in JSON."""

from typing import Any

from litestar import Controller, MediaType, Request, Response, get

from mcphub.api.caller import PUBLIC
from mcphub.api.pages import PAGE, POLICY, prefers_html
from mcphub.api.problems import not_found


class PagesController(Controller):
    @get(["/", "/setup", "/invite"], media_type=MediaType.HTML, include_in_schema=False, who=PUBLIC)
    async def page(self, request: Request[Any, Any, Any]) -> Response[str]:
        if not prefers_html(request.headers.get("accept", "")):
            raise not_found()
        return Response(PAGE, headers={"Content-Security-Policy": POLICY})
