"""What the suite of 2026-07-28 wants to see: tools and a prompt that ask before they answer, and what else is new."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from mcp import MCPError, types
from mcp.server.context import ServerRequestContext
from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState

Context = ServerRequestContext[Any, Any]
Params = types.CallToolRequestParams
Answer = types.CallToolResult | types.InputRequiredResult
Ask = Callable[[Context, Params], Awaitable[Answer]]

STATES = AESGCMRequestStateCodec([bytes(range(32))])


def said(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)])


def form(message: str, name: str, kind: str = "string") -> types.ElicitRequest:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str) -> types.CreateMessageRequest:
    asked = types.SamplingMessage(role="user", content=types.TextContent(text=prompt))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[asked], max_tokens=100))


def asks(requests: dict[str, types.InputRequest], state: object = None) -> types.InputRequiredResult:
    sealed = STATES.seal(json.dumps(state).encode()) if state is not None else None
    return types.InputRequiredResult(input_requests=requests, request_state=sealed)


def state_of(params: types.InputResponseRequestParams) -> Any:
    """What this server put into the state; None for the first round."""
    if params.request_state is None:
        return None
    try:
        return json.loads(STATES.unseal(params.request_state))
    except InvalidRequestState:
        raise MCPError(types.INVALID_PARAMS, "The requestState is not one of this server's.") from None


def answers(params: types.InputResponseRequestParams) -> dict[str, Any]:
    found = params.input_responses or {}
    return {key: answer.model_dump(mode="json", by_alias=True) for key, answer in found.items()}


def field(answer: Any, name: str) -> object:
    return (answer.get("content") or {}).get(name)


def capabilities(context: Context) -> types.ClientCapabilities:
    return context.session.client_capabilities or types.ClientCapabilities()


async def ask_name(context: Context, params: Params) -> Answer:
    given = answers(params)
    if "user_name" not in given:
        return asks({"user_name": form("What is your name?", "name")})
    return said(f"Hello, {field(given['user_name'], 'name')}!")


async def ask_capital(context: Context, params: Params) -> Answer:
    given = answers(params)
    if "capital_question" not in given:
        return asks({"capital_question": sample("What is the capital of France?")})
    return said(f"The model says: {json.dumps(given['capital_question'])}")


async def ask_roots(context: Context, params: Params) -> Answer:
    given = answers(params)
    if "client_roots" not in given:
        return asks({"client_roots": types.ListRootsRequest()})
    return said(f"Roots: {json.dumps(given['client_roots'])}")


async def ask_with_state(context: Context, params: Params) -> Answer:
    state, given = state_of(params), answers(params)
    if state is None or "confirm" not in given:
        return asks({"confirm": form("Go on?", "ok", "boolean")}, {"round": 1})
    return said("state-ok")


async def ask_three(context: Context, params: Params) -> Answer:
    state, given = state_of(params), answers(params)
    requests: dict[str, types.InputRequest] = {
        "user_name": form("What is your name?", "name"),
        "greeting": sample("Greet the user."),
        "client_roots": types.ListRootsRequest(),
    }
    missing = {key: request for key, request in requests.items() if key not in given}
    if state is None or missing:
        return asks(missing or requests, {"round": 1})
    return said(f"All three: {', '.join(sorted(given))}")


async def ask_twice(context: Context, params: Params) -> Answer:
    state, given = state_of(params), answers(params)
    if state is None:
        return asks({"step1": form("What is your name?", "name")}, {"round": 1})
    if state["round"] == 1 and "step1" in given:
        name = field(given["step1"], "name")
        return asks({"step2": form("Which color?", "color")}, {"round": 2, "name": name})
    if state["round"] == 2 and "step2" in given:
        return said(f"{state['name']} likes {field(given['step2'], 'color')}.")
    raise MCPError(types.INVALID_PARAMS, "The answer is to another question.")


async def ask_what_may_be_asked(context: Context, params: Params) -> Answer:
    if answers(params):
        return said("Answered.")
    declared, requests = capabilities(context), dict[str, types.InputRequest]()
    if declared.sampling is not None:
        requests["sample"] = sample("Say something.")
    if declared.elicitation is not None:
        requests["ask"] = form("Say something.", "something")
    return asks(requests) if requests else said("There is nothing you can be asked.")


async def needs_sampling(context: Context, params: Params) -> Answer:
    if capabilities(context).sampling is None:
        missing = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling.", missing)
    return said("Sampling is there.")


async def logs(context: Context, params: Params) -> Answer:
    await context.session.send_log_message("info", "working", related_request_id=context.request_id)
    await asyncio.sleep(0.01)
    return said("Logged.")


async def streams(context: Context, params: Params) -> Answer:
    await context.session.report_progress(1, 2, "half-way")
    return await ask_name(context, params)


EMPTY: dict[str, Any] = {"type": "object", "properties": {}}
REGION: dict[str, Any] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    "required": ["region"],
}


async def region(context: Context, params: Params) -> Answer:
    return said(f"Region: {(params.arguments or {}).get('region')}")


PREFIX = "test_input_required_result_"
TOOLS: dict[str, tuple[dict[str, Any], Ask]] = {
    PREFIX + "elicitation": (EMPTY, ask_name),
    PREFIX + "sampling": (EMPTY, ask_capital),
    PREFIX + "list_roots": (EMPTY, ask_roots),
    PREFIX + "request_state": (EMPTY, ask_with_state),
    PREFIX + "multiple_inputs": (EMPTY, ask_three),
    PREFIX + "multi_round": (EMPTY, ask_twice),
    PREFIX + "tampered_state": (EMPTY, ask_with_state),
    PREFIX + "capabilities": (EMPTY, ask_what_may_be_asked),
    "test_missing_capability": (EMPTY, needs_sampling),
    "test_logging_tool": (EMPTY, logs),
    "test_streaming_elicitation": (EMPTY, streams),
    "test_x_mcp_header": (REGION, region),
}
PROMPT = PREFIX + "prompt"


async def ask_for_prompt(params: types.GetPromptRequestParams) -> types.GetPromptResult | types.InputRequiredResult:
    given = answers(params)
    if "user_context" not in given:
        return asks({"user_context": form("In which context?", "context")})
    content = types.TextContent(text=f"Context: {field(given['user_context'], 'context')}")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])
