"""What the test servers do, whichever transport they speak. Standard library only: it runs under any interpreter.

They speak JSON-RPC by hand, so that a hub is judged by what is on the wire and not by what an SDK makes of it.
"""

import asyncio
import json
import os
import socket
import uuid
from collections.abc import Awaitable, Callable

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
TEXT, NUMBER, OBJECT = {"type": "string"}, {"type": "integer"}, {"type": "object"}


def tool(name, description, /, **properties):
    return {
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": properties},
    }


TOOLS = [
    tool("echo", "The text, unchanged.", text=TEXT),
    tool("whoami", "What reached this server: headers or environment, process, session.", nonce=TEXT),
    tool("put", "Remembers a value.", key=TEXT, value=TEXT),
    tool("get", "A remembered value.", key=TEXT),
    tool("sleep", "Answers after some milliseconds.", ms=NUMBER, nonce=TEXT),
    tool("progress", "Reports progress, then answers.", steps=NUMBER, ms=NUMBER),
    tool("ask", "Asks the client something and returns the answer.", method=TEXT, params=OBJECT),
    tool("grow", "Offers one more tool from now on, and says so.", name=TEXT),
    tool("big", "So many kilobytes of text.", kb=NUMBER),
    tool("crash", "Ends the process without an answer.", nonce=TEXT),
    tool("hang", "Never answers.", nonce=TEXT),
    tool("fail", "A tool error that repeats its text.", text=TEXT),
]
ODD_TOOL = {  # offered when it is asked for by name
    **tool("odd", "What no library would send.", size=NUMBER),
    "outputSchema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "$anchor": "a"},
    "annotations": {"x-vendor": "@odd"},
    "x-vendor": "@odd",
}
# Tools that run as tasks of 2025-11-25: if they are asked to, or only so; offered when they are asked for by name.
JOBS = {"job": "optional", "job-only": "required"}
TASKS = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
RELATED = "io.modelcontextprotocol/related-task"
STREAMED = {"progress", "ask"}  # over HTTP these answer as an event stream


# JSON that whoever decodes and encodes it again changes: number spelling, a big integer, a key twice, order, escapes.
ODD = '{"z":1.50e1,"big":12345678901234567890123,"a":1.0,"z":null,"\\u00e9":"\\u00e9\\/","e":[{}, [ ]]}'


def wired(message):
    """A message as it goes out; "@odd" in it stands for that JSON."""
    return json.dumps(message).replace('"@odd"', ODD)


class Recording:
    """Tells the test process; returns when it knows."""

    def __init__(self, port):
        self._port = port
        self._socket = None

    def tell(self, **what):
        if not self._port:
            return
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.sendall(json.dumps(what).encode() + b"\n")
        self._socket.recv(1)


class Link:
    """The way back to whoever called: state of the session, notifications, questions.

    Args:
        send: writes one JSON-RPC message to the caller.
        aside: the same, to its session, after the call is answered.
    """

    def __init__(
        self,
        session: str,
        state: dict,
        facts: dict,
        send: Callable[[dict], Awaitable[None]],
        target: str = "",
        aside: Callable[[dict], Awaitable[None]] | None = None,
    ):
        self.aside = aside or send
        self.session = session
        self.state = state
        self.facts = facts
        self.send = send
        self.target = target


class Refused(Exception):
    """A JSON-RPC error."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Job:
    """A task of 2025-11-25, of one session."""

    def __init__(self, session):
        self.session = session
        self.id = uuid.uuid4().hex
        self.status = "working"
        self.over = asyncio.Event()

    def end(self, status):
        if not self.over.is_set():
            self.status = status
            self.over.set()

    @property
    def wire(self):
        at = "2026-01-01T00:00:00Z"
        more = {"createdAt": at, "lastUpdatedAt": at, "ttl": 60000, "pollInterval": 50}
        return {"taskId": self.id, "status": self.status, **more}


class Behaviour:
    """One test server.

    Args:
        announce: sends a notification to every client.
    """

    def __init__(self, name, recorder_port, announce, tools=()):
        self.name = name
        extras = [ODD_TOOL if extra == "odd" else tool(extra, f"The tool {extra}.") for extra in tools]
        for extra in extras:
            if extra["name"] in JOBS:
                extra["execution"] = {"taskSupport": JOBS[extra["name"]]}
        self.tools = [*TOOLS, *extras]
        self._wants_roots = "roots" in tools  # whenever they change
        self._jobs = {}
        self._more = {"tasks": TASKS} if JOBS.keys() & set(tools) else {}  # capabilities
        self._recording = Recording(recorder_port)
        self._announce = announce
        self._running = {}  # (session, id) → task
        self._asked = {}  # id of a question → future
        self._questions = 0

    def tell(self, event, link, **what):
        self._recording.tell(
            server=self.name,
            event=event,
            session=link.session,
            pid=os.getpid(),
            facts=dict(link.facts),
            target=link.target,
            **what,
        )

    async def handle(self, message, link):
        """The answer to a message; None for notifications, answers, and requests that were cancelled."""
        method, params = message.get("method"), message.get("params") or {}
        if method is None:
            waiting = self._asked.pop(message.get("id"), None)
            self.tell("answer", link, params=message.get("result") or message.get("error") or {})
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return None
        if "id" not in message:
            self.tell("notification", link, method=method, params=params)
            if method == "notifications/roots/list_changed" and self._wants_roots:
                asking = self._ask("roots/list", {}, Link(link.session, link.state, link.facts, link.aside))
                link.state["asking"] = asyncio.ensure_future(asking)
            if method == "notifications/cancelled":
                task = self._running.get((link.session, params.get("requestId")))
                if task is not None:
                    task.cancel()
            return None
        task = asyncio.ensure_future(self._answer(message["id"], method, params, link))
        self._running[link.session, message["id"]] = task
        try:
            return await task
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling() == 0:
                return None  # the task was cancelled, not we
            task.cancel()
            self.tell("gone", link, method=method)
            raise
        finally:
            del self._running[link.session, message["id"]]

    async def _answer(self, number, method, params, link):
        if method == "initialize":
            self.tell("initialize", link, method=method, params=params)
            asked = params.get("protocolVersion")
            result = {
                "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
                "capabilities": {"tools": {"listChanged": True}, **self._more},
                "serverInfo": {"name": self.name, "version": "1"},
            }
        elif method == "ping":
            result = {}
        elif method == "tools/list":
            self.tell("list", link, method=method)
            result = {"tools": self.tools}
        elif method == "tools/call" or (method.startswith("tasks/") and self._more):
            try:
                result = await (self._call if method == "tools/call" else self._of_job)(params, link, method)
            except Refused as why:
                return {"jsonrpc": "2.0", "id": number, "error": {"code": why.code, "message": str(why)}}
        else:
            return {"jsonrpc": "2.0", "id": number, "error": {"code": -32601, "message": f"no method {method}"}}
        return {"jsonrpc": "2.0", "id": number, "result": result}

    async def _call(self, params, link, method):
        name, arguments, meta = params.get("name"), params.get("arguments") or {}, params.get("_meta") or {}
        self.tell("call", link, method="tools/call", tool=str(name), arguments=arguments, meta=meta)
        if name in JOBS:
            return await self._job(params, link, meta)
        if name == "echo":
            return text(arguments.get("text", ""))
        if name == "whoami":
            seen = {"nonce": arguments.get("nonce"), "pid": os.getpid(), "session": link.session, "facts": link.facts}
            return text(json.dumps({**seen, "target": link.target, "meta": meta}))
        if name == "put":
            link.state[arguments["key"]] = arguments["value"]
            return text("kept")
        if name == "get":
            return text(json.dumps(link.state.get(arguments["key"])))
        if name == "sleep":
            await asyncio.sleep(arguments.get("ms", 0) / 1000)
            return text(arguments.get("nonce", "slept"))
        if name == "progress":
            return await self._progress(arguments, meta, link)
        if name == "ask":
            return text(json.dumps(await self._ask(arguments["method"], arguments.get("params") or {}, link)))
        if name == "grow":
            self.tools.append(tool(arguments["name"], "Grown while running."))
            await self._announce({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            return text("grown")
        if name == "big":
            return text("x" * (arguments.get("kb", 1) * 1024))
        if name == "crash":
            os._exit(3)
        if name == "hang":
            await asyncio.Event().wait()
        if name == "fail":
            return text(arguments.get("text", "failed"), error=True)
        if name == "become":  # listed by nobody: whoever runs the server calls it directly
            self.tools = arguments["tools"]
            if arguments.get("announced"):
                await self._announce({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            return text("became")
        if name == "say":  # listed by whoever wants it: the answer it is given, else its arguments
            return arguments.get("result") or text(json.dumps(arguments))
        if name == "odd":
            content = [{"type": "html", "html": "x" * arguments.get("size", 0), "x-vendor": "@odd"}]
            return {"_meta": {"example/odd": "@odd"}, "content": content, "isError": "no", "x-vendor": "@odd"}
        if any(known["name"] == name for known in self.tools):
            return text(f"called {name}")
        return text(f"no tool {name}", error=True)

    async def _job(self, params, link, meta):
        if "task" not in params:
            if JOBS[params["name"]] == "required":
                raise Refused(-32601, "only as a task")
            return text("done at once")
        job = Job(link.session)
        self._jobs[job.id] = job
        job.running = asyncio.ensure_future(self._run(job, params.get("arguments") or {}, meta, link))
        return {"task": job.wire}

    async def _run(self, job, arguments, meta, link):
        await asyncio.sleep(arguments.get("ms", 0) / 1000)
        if "progressToken" in meta:
            params = {"progressToken": meta["progressToken"], "progress": 1, "total": 1}
            await link.aside({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        if not arguments.get("endless"):
            job.end("completed")
            await link.aside({"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": job.wire})

    async def _of_job(self, params, link, method):
        self.tell("task", link, method=method, params=params)
        own = {id_: job for id_, job in self._jobs.items() if job.session == link.session}
        if method == "tasks/list":
            return {"tasks": [job.wire for job in own.values()]}
        job = own.get(params.get("taskId"))
        if job is None:
            raise Refused(-32602, "no such task")
        if method == "tasks/get":
            return job.wire
        if method == "tasks/cancel":
            job.end("cancelled")
            return job.wire
        await job.over.wait()
        return {**text(f"the job is {job.status}"), "_meta": {RELATED: {"taskId": job.id}}}

    async def _progress(self, arguments, meta, link):
        steps = arguments.get("steps", 3)
        for step in range(1, steps + 1):
            await asyncio.sleep(arguments.get("ms", 10) / 1000)
            if "progressToken" in meta:
                params = {"progressToken": meta["progressToken"], "progress": step, "total": steps}
                await link.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        return text(f"{steps} steps")

    async def _ask(self, method, params, link):
        self._questions += 1
        number = f"q{self._questions}"
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        await link.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        got = await answer
        return got.get("result") or {"error": got.get("error")}


def text(what, error=False):
    return {"content": [{"type": "text", "text": what}], "isError": error}
