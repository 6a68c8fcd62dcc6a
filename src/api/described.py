"""`/api/openapi.json`: the routes as Litestar describes them, with the one form in which things go wrong."""

from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.openapi import OpenAPIConfig

from mcphub.api.problems import MEDIA_TYPE, ProblemDetails

COMPONENT = "#/components/schemas/{name}"


class Nowhere(Router):
    """Litestar wants to serve pages that load scripts from elsewhere; here they find no place."""

    def register(self, value: Any) -> list[Any]:
        return []


def openapi_config(version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="MCPHub", version=version, openapi_router=Nowhere("/nowhere", route_handlers=[]), render_plugins=[]
    )


def describe(app: Litestar) -> dict[str, Any]:
    """The whole description. Takes a moment the first time, so call it in a thread."""
    schema = app.openapi_schema.to_schema()
    (reference,), components = msgspec.json.schema_components([ProblemDetails], ref_template=COMPONENT)
    schema["components"]["schemas"] |= components
    problem = {"description": "A problem", "content": {MEDIA_TYPE: {"schema": reference}}}
    for path in schema["paths"].values():
        for operation in path.values():
            operation["responses"].pop("400", None)  # Litestar's own form of a bad request, which nobody ever gets
            operation["responses"]["default"] = problem
    return schema
