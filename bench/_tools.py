"""What the servers behind a bench can do, whichever transport they are reached by."""

from typing import Any

SLOW = {"sleep", "whoami"}


def defined(name: str, description: str) -> dict[str, Any]:
    """About a kilobyte, like a real tool's definition."""
    text = f"Parameter of {name}. " + "detail " * 12
    properties = {f"parameter_{n}": {"type": "string", "description": text} for n in range(4)}
    return {
        "name": name,
        "description": description + " It is described at some length." * 6,
        "inputSchema": {"type": "object", "properties": properties},
    }


class Tools:
    """`echo` and `sleep` return their text; `whoami` returns the secret the request or process carried; `blob` returns
    `kb` kilobytes. `ms` makes `sleep` and `whoami` take that long. With a progress token each tool sends two
    notifications first, with its secret.

    Args:
        count: how many tools, with dummies after these four.
    """

    def __init__(self, count: int = 4) -> None:
        useful = [
            defined("echo", "Returns its text."),
            defined("sleep", "Returns its text after ms milliseconds."),
            defined("whoami", "Returns the caller's secret."),
            defined("blob", "Returns kb kilobytes of text."),
        ]
        more = (defined(f"dummy_{number:04}", "Does nothing.") for number in range(count - len(useful)))
        self.tools = [*useful[:count], *more]

    def pause(self, request: dict[str, Any]) -> float:
        """Seconds until the answer."""
        params = request.get("params") or {}
        return params.get("arguments", {}).get("ms", 0) / 1000 if params.get("name") in SLOW else 0.0

    def frames(self, request: dict[str, Any], secret: str) -> list[dict[str, Any]]:
        """What goes back, the response last; nothing for a notification."""
        if "id" not in request or "method" not in request:
            return []
        params = request.get("params") or {}
        match request["method"]:
            case "initialize":
                result: Any = {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "bench", "version": "1"},
                }
            case "tools/list":
                result = {"tools": self.tools}
            case "tools/call":
                text = self._called(params["name"], params.get("arguments") or {}, secret)
                result = {"content": [{"type": "text", "text": text}], "isError": False}
            case _:
                result = {}
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": result}
        token = (params.get("_meta") or {}).get("progressToken")
        return [answer] if token is None else [*(progress(token, step, secret) for step in (1, 2)), answer]

    def _called(self, name: str, arguments: dict[str, Any], secret: str) -> str:
        match name:
            case "whoami":
                return secret + " " + str(arguments.get("text", ""))
            case "blob":
                return "x" * (1024 * int(arguments["kb"]))
            case _:
                return str(arguments.get("text", ""))


def progress(token: Any, step: int, secret: str) -> dict[str, Any]:
    params = {"progressToken": token, "progress": step, "total": 2, "message": secret}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
