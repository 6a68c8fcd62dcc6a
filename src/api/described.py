"""`/api/openapi.json`: the routes as Litestar describes them, with the one form in which things go wrong."""

from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.openapi import OpenAPIConfig
from litestar.routes import HTTPRoute

from mcphub.api.caller import PUBLIC
from mcphub.api.problems import MEDIA_TYPE, ProblemDetails
from mcphub.api.schemas import Envelope

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
    (problem, envelope), components = msgspec.json.schema_components([ProblemDetails, Envelope], ref_template=COMPONENT)
    schema["components"]["schemas"] |= components
    refused = {"description": "A problem", "content": {MEDIA_TYPE: {"schema": problem}}}
    pending = {"description": "Recorded, and not to be seen yet: see X-MCPHub-Position"}
    immediate, files, audiences = _immediate(app), _files(app), _audiences(app)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            answers.pop("400", None)  # Litestar's own form of a bad request, which nobody ever gets
            if (method, path) not in immediate:
                shown = {} if "204" in answers else {"content": {"application/json": {"schema": envelope}}}
                answers.setdefault("202", {**pending, **shown})
            operation["x-audience"] = audiences[method, path]
            if (method, path) in files:
                answers["200"]["content"] = {form: {"schema": {"type": "string"}} for form in files[method, path]}
            answers["default"] = refused
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["schema"].pop("format", None)  # a text with slashes is no address
    return schema


def _audiences(app: Litestar) -> dict[tuple[str, str], str]:
    """(method, path) → whom the guard lets in: public, user, auditor, admin."""
    return {
        (method.lower(), route.path_format): handler.opt["who"]
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if "who" in handler.opt
        for method in handler.http_methods
    }


def _files(app: Litestar) -> dict[tuple[str, str], list[str]]:
    """(method, path) → the media types of an answer that is a file in one form or another, as its handler says."""
    return {
        ("get", route.path_format): handler.opt["forms"]
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if "forms" in handler.opt
    }


def _immediate(app: Litestar) -> set[tuple[str, str]]:
    """(method, path) of what neither changes anything nor waits for a position: whatever everybody may read."""
    return {
        ("get", route.path_format)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.opt.get("who") == PUBLIC and handler.http_methods == {"GET"}
    }
