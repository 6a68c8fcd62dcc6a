"""The server the conformance suites expect to find: their tools, prompts and resources, over Streamable HTTP.

python -m tests.conformance.upstream --port PORT: prints the port when it listens. What each name has to do is written
in the suites' own scenarios; what only 2026-07-28 has is in `rounds.py`.

Written with the SDK's low-level server, since the suites compare whole schemas, and its high-level one writes them.
"""

import argparse
import asyncio
import base64
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from mcp import MCPDeprecationWarning, MCPError, types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp_types.version import LATEST_PROTOCOL_VERSION

from tests.conformance import rounds

Context = ServerRequestContext[Any, Any]
Act = Callable[[Context, dict[str, Any]], Awaitable[types.CallToolResult]]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
SOUND = base64.b64encode(b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00" + bytes(16)).decode()
TEMPLATE = "test://template/{id}/data"
RETRY_MS = 100

SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
DEFAULTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
TITLED = [{"const": f"value{number}", "title": f"Option {number}"} for number in (1, 2, 3)]
OPTIONS = ["option1", "option2", "option3"]
ENUMS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {"type": "string", "enum": OPTIONS, "enumNames": ["Option 1", "Option 2", "Option 3"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    },
}


class KeptEvents(EventStore):
    """Every event of every stream, for clients that come back."""

    def __init__(self) -> None:
        self._events: list[tuple[str, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        if not last_event_id.isdecimal() or not 0 < int(last_event_id) <= len(self._events):
            return None
        at = int(last_event_id)
        stream, _ = self._events[at - 1]
        for number, (of, message) in enumerate(self._events[at:], start=at + 1):
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


# tools


def said(*content: types.ContentBlock, error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=list(content), is_error=error)


def text(value: str) -> types.TextContent:
    return types.TextContent(text=value)


def image() -> types.ImageContent:
    return types.ImageContent(data=PIXEL, mime_type="image/png")


def embedded(uri: str, mime_type: str, value: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=value))


def always(*content: types.ContentBlock, error: bool = False) -> Act:
    async def act(context: Context, arguments: dict[str, Any]) -> types.CallToolResult:
        return said(*content, error=error)

    return act


async def log_steps(context: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    for step in ("started", "processing", "completed"):
        await context.session.send_log_message("info", f"Tool execution {step}", related_request_id=context.request_id)
        await asyncio.sleep(0.05)
    return said(text("Logged three times."))


async def progress(context: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100, f"Completed step {done} of 100")
        await asyncio.sleep(0.05)
    return said(text("Reached 100 of 100."))


async def sample(context: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    answer = await context.session.create_message(
        [types.SamplingMessage(role="user", content=text(arguments["prompt"]))],
        max_tokens=100,
        related_request_id=context.request_id,
    )
    content = answer.content
    return said(text(f"LLM response: {content.text if isinstance(content, types.TextContent) else 'no text'}"))


def elicit(schema: dict[str, Any]) -> Act:
    async def act(context: Context, arguments: dict[str, Any]) -> types.CallToolResult:
        message = arguments.get("message", "Please fill in this form.")
        answer = await context.session.elicit_form(message, schema, related_request_id=context.request_id)
        return said(text(f"User response: action={answer.action}, content={answer.content}"))

    return act


async def hang_up(context: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    await context.session.send_log_message("info", "Hanging up soon", related_request_id=context.request_id)
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await asyncio.sleep(0.2)
    return said(text("Finished after the stream was closed."))


def schema_of(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}


RESPONSE = schema_of("response")
TOOLS: dict[str, tuple[dict[str, Any], Act]] = {
    "test_simple_text": (schema_of(), always(text("This is a simple text response for testing."))),
    "test_image_content": (schema_of(), always(image())),
    "test_audio_content": (schema_of(), always(types.AudioContent(data=SOUND, mime_type="audio/wav"))),
    "test_embedded_resource": (schema_of(), always(embedded("test://embedded-resource", "text/plain", "Embedded."))),
    "test_multiple_content_types": (
        schema_of(),
        always(text("Several:"), image(), embedded("test://mixed-content-resource", "application/json", '{"a":1}')),
    ),
    "test_tool_with_logging": (schema_of(), log_steps),
    "test_tool_with_progress": (schema_of(), progress),
    "test_error_handling": (schema_of(), always(text("This tool intentionally returns an error."), error=True)),
    "test_sampling": (schema_of("prompt"), sample),
    "test_elicitation": (schema_of("message"), elicit(RESPONSE)),
    "test_elicitation_sep1034_defaults": (schema_of(), elicit(DEFAULTS)),
    "test_elicitation_sep1330_enums": (schema_of(), elicit(ENUMS)),
    "test_reconnection": (schema_of(), hang_up),
    "json_schema_2020_12_tool": (SCHEMA_2020_12, always(text("The schema is what counts."))),
}


async def list_tools(context: Context, params: object) -> types.ListToolsResult:
    return types.ListToolsResult(
        tools=[
            types.Tool(name=name, description=f"Conformance: {name}", input_schema=schema)
            for name, (schema, _) in {**TOOLS, **rounds_spoken(context)}.items()
        ]
    )


def rounds_spoken(context: Context) -> dict[str, tuple[dict[str, Any], rounds.Ask]]:
    """The tools that only the newest revision can carry."""
    return rounds.TOOLS if context.protocol_version == LATEST_PROTOCOL_VERSION else {}


async def call_tool(context: Context, params: types.CallToolRequestParams) -> rounds.Answer:
    if params.name in rounds_spoken(context):
        _, ask = rounds.TOOLS[params.name]
        return await ask(context, params)
    if params.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
    _, act = TOOLS[params.name]
    return await act(context, params.arguments or {})


# prompts


def message(content: types.ContentBlock) -> types.PromptMessage:
    return types.PromptMessage(role="user", content=content)


PROMPTS: dict[str, tuple[str, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
}


async def list_prompts(context: Context, params: object) -> types.ListPromptsResult:
    return types.ListPromptsResult(
        prompts=[
            types.Prompt(
                name=name,
                description=f"Conformance: {name}",
                arguments=[types.PromptArgument(name=each, description=each, required=True) for each in arguments],
            )
            for name, arguments in PROMPTS.items()
        ]
    )


async def get_prompt(
    context: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    if params.name == rounds.PROMPT and context.protocol_version == LATEST_PROTOCOL_VERSION:
        return await rounds.ask_for_prompt(params)
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            parts = [text("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            value = f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
            parts = [text(value)]
        case "test_prompt_with_embedded_resource":
            return types.GetPromptResult(
                messages=[
                    message(embedded(given.get("resourceUri", ""), "text/plain", "Embedded resource content.")),
                    message(text("Please process the embedded resource above.")),
                ]
            )
        case "test_prompt_with_image":
            return types.GetPromptResult(messages=[message(image()), message(text("Please look at the image."))])
        case _:
            raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
    return types.GetPromptResult(messages=[message(part) for part in parts])


# resources


async def list_resources(context: Context, params: object) -> types.ListResourcesResult:
    kinds = {"static-text": "text/plain", "static-binary": "image/png", "watched-resource": "text/plain"}
    return types.ListResourcesResult(
        resources=[
            types.Resource(uri=f"test://{name}", name=name, description=f"Conformance: {name}", mime_type=kind)
            for name, kind in kinds.items()
        ]
    )


async def list_templates(context: Context, params: object) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(
        uri_template=TEMPLATE, name="template", description="Conformance: template", mime_type="application/json"
    )
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    before, after = TEMPLATE.split("{id}")
    content: types.TextResourceContents | types.BlobResourceContents
    if uri == "test://static-binary":
        content = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PIXEL)
    elif uri in ("test://static-text", "test://watched-resource"):
        content = types.TextResourceContents(uri=uri, mime_type="text/plain", text="The content of a static resource.")
    elif uri.startswith(before) and uri.endswith(after):
        found = uri.removeprefix(before).removesuffix(after)
        content = types.TextResourceContents(uri=uri, mime_type="application/json", text=f'{{"id":"{found}"}}')
    else:
        raise MCPError(types.INVALID_PARAMS, f"Unknown resource: {uri}", {"uri": uri})
    return types.ReadResourceResult(contents=[content])


async def nothing(context: Context, params: object) -> types.EmptyResult:
    return types.EmptyResult()


async def complete(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))


# serving


def server() -> "Server[Any]":
    return Server(
        "mcp-conformance-test-server",
        version="1.0.0",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=nothing,
        on_unsubscribe_resource=nothing,
        on_set_logging_level=nothing,
        on_completion=complete,
        on_subscriptions_listen=ListenHandler(InMemorySubscriptionBus()),
    )


class Announcing(uvicorn.Server):
    """Says when it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print(self.config.port, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    # Logging and sampling are deprecated as of 2026-07-28; the revisions spoken here have them.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    app = server().streamable_http_app(event_store=KeptEvents(), retry_interval=RETRY_MS)
    Announcing(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error")).run()


if __name__ == "__main__":
    main()
