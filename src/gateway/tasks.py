"""Tasks: calls that are answered with a promise, and asked about later.

At a server's own address client and server settle them between themselves, byte for byte. Among several servers a
task's id says nothing of whose it is, so none are offered there: a call that is to be a task is answered as a plain
one, as the specification wants it of who offers none, and a tool that runs as a task only is run as one by the hub,
which waits in the client's place. The two revisions have tasks of their own, and none crosses from one to the other.

Pure: raw JSON in, raw JSON out.

Spec: MCP 2025-11-25, Tasks; 2026-07-28, extension io.modelcontextprotocol/tasks.
"""

from msgspec import Raw

from mcphub.gateway import wire

METHODS = {"tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "tasks/update"}
EXTENSION = "io.modelcontextprotocol/tasks"


def without_tasks(capabilities: bytes) -> bytes:
    """What a client or a server says it can do, but for tasks of either revision; as it was where there are none."""
    try:
        found: dict[str, Raw | bytes] = dict(wire.members(capabilities))
        extensions: dict[str, Raw | bytes] = dict(wire.members(found.get("extensions", b"")))
    except wire.Unreadable:
        return capabilities
    if "tasks" not in found and EXTENSION not in extensions:
        return capabilities
    found.pop("tasks", None)
    if extensions.pop(EXTENSION, None) is not None:
        found["extensions"] = wire.joined(extensions)
    return wire.joined(found)


def plain(params: bytes) -> bytes:
    """A call that is not to be a task."""
    if params.find(b"task") < 0:
        return params
    found: dict[str, Raw | bytes] = dict(wire.members(params))
    return wire.joined(found) if found.pop("task", None) is not None else params


def as_task(params: bytes) -> bytes:
    return wire.joined({**wire.members(params), "task": b"{}"})


def only_as_task(definition: bytes) -> bool:
    """Can the tool be called in no other way?"""
    if definition.find(b"taskSupport") < 0:
        return False
    try:
        execution = wire.members(wire.members(definition).get("execution", b""))
    except wire.Unreadable:
        return False
    return wire.text(execution, "taskSupport") == "required"


def promised(result: bytes) -> str:
    """The id of the task that a result promises; '' for a result that is one."""
    if b'"task"' not in result:
        return ""
    try:
        return wire.text(wire.members(wire.members(result).get("task", b"")), "taskId") or ""
    except wire.Unreadable:
        return ""
