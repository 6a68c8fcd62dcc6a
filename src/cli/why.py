"""Why somebody may, or may not, use something: the gateway's own decision, and the fact that made it so."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from mcphub.cli.past import at_option, history_of, moment_of
from mcphub.cli.people import present, the_user
from mcphub.cli.shared import FAILED, answer, fail, home_option, json_option, run

if TYPE_CHECKING:
    from mcphub.domain.access import AccessModel
    from mcphub.domain.codec import Recorded
    from mcphub.projections.history import Moment

SERVER_AND_TOOL = "/"  # in no server's name


@click.command()
@home_option
@click.argument("who", metavar="USER")
@click.argument("what", metavar="SERVER|TOOL")
@at_option
@click.option("--key", "key_name", default="", metavar="KEY", help="Through this key of the user, by its id or name.")
@click.option("--url", default="/mcp", show_default=True, help="The address their client comes to.")
@json_option
def why(home: Path | None, who: str, what: str, at: str, key_name: str, url: str, as_json: bool) -> None:
    """Say why a user may, or may not, use a server or a tool, and since which fact.

    A server by its name or slug; a tool as clients list it, jira__search, or as jira/search by the server's own name.
    By the decision that the gateway takes, now or with --at then.
    """

    async def work() -> None:
        from mcphub.api.problems import Problem
        from mcphub.api.why import SAID, Asked, explained, subject_of
        from mcphub.postgres.pool import read_pool
        from mcphub.projections.facts import fact_at

        async with present(home) as (base, now), read_pool(base.database.app) as pool:
            user, history = the_user(base, now, who), history_of(base)
            when = await moment_of(history, at)

            def question(model: "AccessModel") -> Any:
                server, tool = _meant(model, what)
                key_id = _key(model, user.user_id, key_name)
                path = urlsplit(url).path.rstrip("/")
                asked = Asked(user_id=user.user_id, server=server, tool=tool, key_id=key_id, url=path)
                return asked, subject_of(model, asked, when.at, {})

            try:
                asked, subject = await asyncio.to_thread(history.ask, when.position, question)
            except Problem as problem:
                fail(problem.title, FAILED)
            found = await explained(pool, base.vault, asked, subject, when.position, when.at)
            fact = await fact_at(pool, found.since) if found.since else None
            actors = {fact.meta.actor} if fact else set()
            names = await now.directory.names({user.user_id} | actors & now.model.users.keys())
        username = names[user.user_id].username
        value = {
            "allowed": found.reason == "allowed",
            "reason": found.reason,
            "said": SAID[found.reason],
            "since": _since(fact, names) if fact else None,
            "user": username,
            "server": subject.server,
            "tool": subject.tool,
            "missing": list(subject.missing),
            "position": when.position,
            "at": when.at,
        }
        answer(value, _told(value, when), as_json=as_json)

    run(work())


def _meant(model: "AccessModel", what: str) -> tuple[str, str]:
    """(server, tool) as they are asked about; no tool for a server."""
    from mcphub.domain.names import SEPARATOR

    settings = model.settings
    if settings.by_name(what) or settings.by_slug(what) or what in settings.removed.values():
        return what, ""
    if SERVER_AND_TOOL in what:
        server, _, tool = what.partition(SERVER_AND_TOOL)
        return server, tool
    slug = what.partition(SEPARATOR)[0]
    return (slug, what) if settings.by_slug(slug) else (what, "")


def _key(model: "AccessModel", user_id: str, name: str) -> str:
    """Its id; what no key is called stays as it is, and is none of the user's."""
    keys = model.keys_of.get(user_id, {})
    return name if name in keys else next((key.key_id for key in keys.values() if key.name == name), name)


def _since(fact: "Recorded", names: Any) -> dict[str, Any]:
    actor = fact.meta.actor
    return {
        "position": fact.position,
        "type": type(fact.event).__name__,
        "at": fact.at,
        "actor": names[actor].username if actor in names else actor,
    }


def _told(value: dict[str, Any], when: "Moment") -> str:
    what = f"{value['server']} {value['tool']}".strip()
    lines = [f"{value['user']} and {what}, position {when.position}: {value['reason']}", value["said"]]
    if value["missing"]:
        lines.append(f"Without a value for {', '.join(value['missing'])} the server lists nothing.")
    if (since := value["since"]) is None:
        lines.append("It was never otherwise.")
    else:
        lines.append(
            f"Since {since['at']:%Y-%m-%d %H:%M:%S} UTC, position {since['position']}: {since['type']}"
            f" by {since['actor']}"
        )
    return "\n".join(lines)
