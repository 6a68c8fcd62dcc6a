"""JSON Schema of `mcp_settings.json`, for editors: completion, hover texts, and marks while typing.

`settings_check` decides what is accepted; what it accepts without a warning is valid here, unknown fields too.
Draft-07, because that is what editors read.
"""

from typing import Any

from mcphub.domain.audience import EVERYONE
from mcphub.domain.server_check import CONTEXT_HEADERS, ISOLATIONS, MOST_NAME, RISKS, TOOL_CHANGES, TYPES
from mcphub.domain.tool_names import PATTERN
from mcphub.domain.transport_check import COMMANDS

TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
OBJECT = {"type": "object"}
TEXTS = {"type": "array", "items": TEXT}
MILLIS = {"type": "number", "minimum": 0}
TEMPLATES = {"type": "object", "additionalProperties": TEXT}


def _described(schema: dict[str, Any], description: str, **more: Any) -> dict[str, Any]:
    return {**schema, "description": description, **more}


def _members(description: str, /, **members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": members}


OVERRIDE = {
    "enabled": _described(FLAG, "false: neither listed nor callable.", default=True),
    "description": _described(TEXT, "Shown in place of the upstream's own."),
}
OVERRIDES = {"type": "object", "additionalProperties": _members("One prompt or resource.", **OVERRIDE)}
TOOLS = {
    "type": "object",
    "additionalProperties": _members(
        "One tool, by the name its server gives it.",
        **OVERRIDE,
        name=_described(TEXT, "Shown and called by this name instead.", pattern=PATTERN),
    ),
}

SLOT = _members(
    "How the form asks for this variable.",
    displayName=TEXT,
    description=TEXT,
    helpUrl=TEXT,
    required=_described(FLAG, "false: what holds the variable is left out when it has no value.", default=True),
    isSecret=FLAG,
    defaultValue=TEXT,
    validationRegex=_described(TEXT, "A pattern without look-around or back references.", maxLength=1000),
    sortOrder={"type": "integer"},
)

AUDIENCE = {
    **_members(
        "Whoever matches any of the names; nothing named is nobody.",
        users=_described(TEXTS, "Names of users of this hub."),
        organizations=_described(TEXTS, "GitHub organisations whose members sign in here."),
        teams=_described(
            {"type": "array", "items": {"type": "string", "pattern": "^[^/]+/[^/]+$"}}, "As organisation/team."
        ),
        groups=_described(TEXTS, "Groups of the OpenID Connect provider, written as it writes them."),
    ),
    "additionalProperties": False,
}

OURS = _members(
    "What only this hub reads.",
    slug=_described(TEXT, "Prefix of the server's tools; fixed once the server is added.", pattern="^[a-z0-9-]{1,24}$"),
    isolation={
        "enum": list(ISOLATIONS),
        "default": "auto",
        "description": "shared: one runtime for all, only for a server that keeps no state and takes no variable.",
    },
    audience={
        "description": "Whom the server is for.",
        "anyOf": [{"const": EVERYONE}, AUDIENCE],
        "default": "everyone",
    },
    contextHeaders={
        "enum": list(CONTEXT_HEADERS),
        "default": "identity",
        "description": "Which X-MCPHub-* headers the upstream gets: who calls, that and this server's variables, none.",
    },
    userHosts=_described(TEXTS, "Patterns of hosts a user's variable may name, as *.example.com."),
    riskLevel={"enum": list(RISKS)},
    onToolChange={
        "enum": list(TOOL_CHANGES),
        "default": "accept",
        "description": "quarantine: a new or changed tool is neither listed nor callable until it is approved.",
    },
    prewarm=_described(FLAG, "false: never opened before somebody asks for it.", default=True),
    keepPayloads=_described(
        FLAG,
        "true: what its tools are called with and what they answer is kept, sealed for the user who called.",
        default=False,
    ),
    slots={"type": "object", "additionalProperties": SLOT},
)

OPENAPI = _members(
    "A REST service described by OpenAPI: exactly one of url and schema.",
    url=TEXT,
    schema=OBJECT,
    version=TEXT,
    security=_members(
        "How the service knows the caller.",
        type={"enum": ["none", "apiKey", "http", "oauth2", "openIdConnect"]},
        apiKey=_members("", name=TEXT, value=TEXT, **{"in": {"enum": ["header", "query", "cookie"]}}),
        http=_members("", scheme=TEXT, credentials=TEXT),
        oauth2=_members("", tokenUrl=TEXT, clientId=TEXT, clientSecret=TEXT, scopes=TEXTS, token=TEXT),
        openIdConnect=_members("", url=TEXT, clientId=TEXT, clientSecret=TEXT, token=TEXT),
    ),
    passthroughHeaders=TEXTS,
    cookieSession=_described({}, "Kept, without effect."),
)

SERVER = _members(
    "One server. ${USER_NAME} asks each user for a value; ${HUB_NAME} reads a variable of the hub; $${ is the text ${.",
    type=_described({"enum": list(TYPES)}, "Inferred when missing: command, openapi, or the path of url."),
    command=_described(TEXT, "The program of a local server.", examples=sorted(COMMANDS)),
    args=_described(TEXTS, "Its arguments; each may hold variables."),
    env=_described(TEMPLATES, "Its environment. A key spelled USER_NAME asks each user for the value."),
    url=_described(TEXT, "Address of a remote server; variables only after the host."),
    headers=_described(TEMPLATES, "Sent with every request to a remote server."),
    enabled=_described(FLAG, "false: kept, not listed and never dialled.", default=True),
    description=TEXT,
    owner=_described(TEXT, "User name; counts with visibility private."),
    visibility={"enum": ["public", "private", "group"], "default": "public"},
    keepAliveInterval=_described(MILLIS, "Milliseconds between pings.", default=60000),
    enableKeepAlive=FLAG,
    perSessionClient=_described(FLAG, "A runtime for each session."),
    startOnDemand=_described(
        FLAG, "false: opened when a session of somebody who has its values begins, used of late or not.", default=True
    ),
    idleTimeoutMs=_described(MILLIS, "Milliseconds without use until the process ends.", default=600000),
    tools=TOOLS,
    prompts=OVERRIDES,
    resources=OVERRIDES,
    options=_members(
        "Limits of a call, in milliseconds.",
        timeout=_described(MILLIS, "Until an answer or progress.", default=120000),
        resetTimeoutOnProgress=_described(FLAG, "Progress starts the time-out anew.", default=True),
        maxTotalTimeout=_described(MILLIS, "With all its progress.", default=3600000),
    ),
    passthroughHeaders=_described(TEXTS, "Headers of the caller that are copied to the upstream."),
    credentialTemplate={
        "type": "array",
        "description": "Headers or environment entries whose whole value each user gives.",
        "items": {
            **_members("", target={"enum": ["env", "headers"]}, name=TEXT, label=TEXT),
            "required": ["target", "name"],
        },
    },
    openapi=OPENAPI,
    oauth=OBJECT,
    proxy=_described(OBJECT, "Kept, without effect."),
    mcphub=OURS,
)

SYSTEM = _members(
    "Settings of the hub itself.",
    routing=_members(
        "",
        enableGlobalRoute=_described(FLAG, "false: the bare /mcp answers 404.", default=True),
        enableGroupNameRoute=FLAG,
        jsonBodyLimit={
            "type": ["string", "integer"],
            "description": "The largest message to /mcp: bytes, or a text such as 512kb; 1kb to 10mb.",
            "default": "4mb",
            "examples": ["512kb", "4mb"],
        },
        skipAuth=_described({"enum": [False]}, "Nobody passes without a key."),
    ),
    install=_members("Mirrors for packages of local servers.", pythonIndexUrl=TEXT, npmRegistry=TEXT),
    smartRouting=_members(
        "Search for tools.",
        enabled=FLAG,
        openaiApiBaseUrl=TEXT,
        openaiApiKey=TEXT,
        openaiApiEmbeddingModel=_described(TEXT, "local: the built-in model, no network.", examples=["local"]),
        pinnedTools=_described(
            {"type": "array", "items": TEXT}, "Tools that mode search lists beside its own, as server__tool."
        ),
        glossary=_members(
            "What words of a query mean in the words of tools.",
            ko={"type": "object", "additionalProperties": TEXT},
            en={"type": "object", "additionalProperties": TEXT},
        ),
    ),
    nameSeparator=_described(TEXT, "Always __ here."),
)


def settings_schema() -> dict[str, Any]:
    """The schema as one JSON value."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "mcp_settings.json",
        "type": "object",
        "required": ["mcpServers"],
        "properties": {
            "mcpServers": {
                "type": "object",
                "description": "Servers by name.",
                "propertyNames": {"minLength": 1, "maxLength": MOST_NAME, "pattern": "^[^$/][^/]*$"},
                "additionalProperties": SERVER,
            },
            "systemConfig": SYSTEM,
            "users": {"type": "array", "description": "Ignored: users are managed in the hub."},
        },
    }
