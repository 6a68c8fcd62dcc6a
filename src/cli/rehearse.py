"""A change tried on the calls of the last days, before anybody makes it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphub.cli.people import present, the_user
from mcphub.cli.shared import UNUSABLE, answer, fail, home_option, json_option, run, table

if TYPE_CHECKING:
    from mcphub.domain.hub import Command
    from mcphub.domain.rehearsal import Rehearsed
    from mcphub.folded import Folded
    from mcphub.foundation import Foundation


@click.command()
@home_option
@click.option("--settings", "document", type=click.File("r", encoding="utf-8"), help="A whole mcp_settings.json.")
@click.option("--server", help="Another audience of this server, with --audience.")
@click.option("--audience", help="As the document writes it: everyone, or an object of names as JSON.")
@click.option(
    "--user", "who", metavar="USER", help="Other servers in a group of this user, with --group and --servers."
)
@click.option("--group", help="Its id.")
@click.option("--servers", help="Names, with commas between.")
@click.option("--days", type=click.IntRange(1, 90), default=7, show_default=True, help="Of calls to try it on.")
@json_option
def rehearse(
    home: Path | None,
    document: Any,
    server: str | None,
    audience: str | None,
    who: str | None,
    group: str | None,
    servers: str | None,
    days: int,
    as_json: bool,
) -> None:
    """Say which calls of the last days a change would have refused.

    The change is a settings document, an audience, or a user's group. Nothing is recorded.
    """
    if [bool(document), bool(server and audience), bool(who and group and servers is not None)].count(True) != 1:
        fail("name one change: --settings, --server with --audience, or --user with --group and --servers", UNUSABLE)

    async def work() -> None:
        from mcphub.domain.impact import with_facts
        from mcphub.domain.rehearsal import KINDS
        from mcphub.domain.rehearsal import rehearse as decide_again
        from mcphub.postgres.pool import read_pool
        from mcphub.projections.requests import Requests

        async with (
            present(home) as (base, state),
            read_pool(base.database.app, search_path="read, public") as pool,
        ):
            if document:
                build = _document(base, state, document.read())
            elif server:
                build = _audience(server, audience or "")
            else:
                build = _group(base, state, who or "", group or "", servers or "")
            command = base.hub.rehearse(build)
            now = datetime.now(UTC)
            made = await Requests(pool).made(now - timedelta(days=days), list(KINDS))
            found = decide_again(state.model, with_facts(state.model, command.new_decisions, now), made, now)
            names = await state.directory.names({one.made.user_id for one in found.refused})
        said = _said(found, {user: about.username for user, about in names.items()})
        answer(said, _shown(said), as_json=as_json)

    run(work())


def _document(base: "Foundation", state: "Folded", text: str) -> "Callable[[], Command]":
    """
    Raises:
        DocumentRefused, BodyTooLarge: it could not be saved.
    """
    from mcphub.api.literals import Literals, policy_for
    from mcphub.domain.ids import new_id
    from mcphub.domain.literal_secrets import seal_secrets
    from mcphub.domain.servers import ApplySettings, digest
    from mcphub.domain.settings_check import check
    from mcphub.domain.settings_file import Positions, parse

    document = parse(text)
    check(document, policy_for(base.settings, base.vault, state.model), Positions(text)).refuse()
    literals = Literals(base.vault, rehearsal=True)
    wanted = seal_secrets(document, state.model.settings.document(), literals.seal, literals.same)
    return lambda: ApplySettings(wanted, digest(text), new_id)


def _audience(server: str, audience: str) -> "Callable[[], Command]":
    from mcphub.domain.servers import SetServerAudience

    try:
        wanted = audience if audience == "everyone" else json.loads(audience)
    except ValueError:
        fail('--audience is everyone, or JSON like {"users": ["ann"]}', UNUSABLE)
    return lambda: SetServerAudience(server, wanted)


def _group(base: "Foundation", state: "Folded", who: str, group: str, servers: str) -> "Callable[[], Command]":
    """
    Raises:
        UnknownUser, UnknownServer: there is none of such a name.
    """
    from mcphub.domain.errors import UnknownServer
    from mcphub.domain.events import ServerRef
    from mcphub.domain.groups import ChangeGroup

    user, refs = the_user(base, state, who), []
    for name in filter(None, servers.split(",")):
        server = state.model.settings.by_name(name)
        if server is None:
            raise UnknownServer(name)
        refs.append(ServerRef(server.server_id, server.name))
    return lambda: ChangeGroup(user.user_id, group, servers=refs)


def _said(found: "Rehearsed", names: dict[str, str]) -> dict[str, Any]:
    return {
        "calls": found.calls,
        "refused": sum(one.made.calls for one in found.refused),
        "already": found.already,
        "refusals": [
            {
                "userId": one.made.user_id,
                "username": names[one.made.user_id],
                "server": one.made.server,
                "tool": one.made.tool,
                "reason": one.reason,
                "calls": one.made.calls,
                "last": one.made.last,
            }
            for one in found.refused
        ],
    }


def _shown(said: dict[str, Any]) -> str:
    head = f"{said['refused']} of {said['calls']} calls would have been refused."
    if said["already"]:
        head += f" {said['already']} more would be refused today in any case."
    if not said["refusals"]:
        return head
    columns = ("username", "server", "tool", "reason", "calls")
    rows = ([one[column] for column in columns] for one in said["refusals"])
    return f"{head}\n\n{table(('USER', 'SERVER', 'TOOL', 'WHY', 'CALLS'), rows)}"
