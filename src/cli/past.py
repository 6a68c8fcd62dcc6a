"""What there was at any time, what changed between two, and who could have used what: folded from the ledger."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphub.cli.people import present, the_user
from mcphub.cli.shared import FAILED, UNUSABLE, answer, fail, home_option, json_option, run, table

if TYPE_CHECKING:
    from mcphub.api.past_views import MomentView, PastDiff, PastState, WhoCould
    from mcphub.api.simulator import Access
    from mcphub.folded import Folded
    from mcphub.foundation import Foundation
    from mcphub.projections.history import History, Moment

SECTIONS = ("users", "groups", "keys", "values", "servers", "tools", "settings", "hubVariables")
# What a table shows of each section; of the others only JSON tells.
COLUMNS: dict[str, tuple[str, ...]] = {
    "users": ("username", "state", "isAdmin", "isAuditor", "keyCount", "groupCount", "id"),
    "groups": ("username", "name", "isActive", "servers", "id"),
    "keys": ("username", "name", "maskedKey", "state", "expiresAt", "id"),
    "values": ("username", "server", "variable", "savedAt"),
    "servers": ("name", "slug", "type", "isEnabled", "availableTo", "toolCount", "version"),
    "tools": ("server", "name", "givenName", "state", "changedAt"),
    "hubVariables": ("name", "savedAt"),
}
at_option = click.option("--at", default="", metavar="TIME", help="A position, or a time like 2026-03-01T12:00:00Z.")
section_option = click.option(
    "--section", "sections", type=click.Choice(SECTIONS), multiple=True, help="Only this; may be given again."
)


@click.command()
@home_option
@at_option
@section_option
@click.option("--user", "who", metavar="USER", help="Only what was this user's, and the tools they would have seen.")
@click.option("--url", default="/mcp", show_default=True, help="With --user: the address their client comes to.")
@click.option("--definitions", is_flag=True, help="With --user and --json: what their list said of each tool.")
@json_option
def state(
    home: Path | None,
    at: str,
    sections: tuple[str, ...],
    who: str | None,
    url: str,
    definitions: bool,
    as_json: bool,
) -> None:
    """Show what there was at a time: users, groups, keys, values that were set, servers, tools, settings.

    Never a secret. Whoever is erased by now is erased in the past as well.
    """

    async def work() -> None:
        from mcphub.api.past import part
        from mcphub.api.past_views import owners, state_view
        from mcphub.api.simulator import Question, access_then, fill_in, said_then
        from mcphub.domain.state import SECTIONS as ALL
        from mcphub.postgres.pool import read_pool

        async with present(home) as (base, now):
            owner = the_user(base, now, who).user_id if who else ""
            history = history_of(base)
            when = await moment_of(history, at)
            gone, wanted = _gone(now), sections or tuple(ALL)

            def question(model: Any) -> Any:
                parts = {name: part(model, when.at, name, owner=owner, gone=gone) for name in wanted}
                asked = Question(user_id=owner, url=url)
                found = access_then(model, when.at, asked) if owner in model.users else None
                return parts, found, said_then(model, found) if found and definitions else {}

            parts, access, said = await asyncio.to_thread(history.ask, when.position, question)
            async with read_pool(base.database.app) as pool:
                await fill_in(pool, said)
            names = await now.directory.names(owners(thing for one in parts.values() for thing in one.things))
            view = state_view(when, parts, names)
        if as_json:
            answer({"state": view, "access": access} if owner else {"state": view}, "", as_json=True)
        else:
            click.echo("\n\n".join([_heading(view.moment), *_sections(view), *([_listed(access)] if access else [])]))

    run(work())


@click.command()
@home_option
@click.option("--from", "from_", required=True, metavar="TIME", help="A position, or a time like 2026-03-01T12:00:00Z.")
@click.option("--to", default="", metavar="TIME", help="Until now unless it is given.")
@section_option
@click.option("--user", "who", metavar="USER", help="Only what was this user's.")
@json_option
def diff(home: Path | None, from_: str, to: str, sections: tuple[str, ...], who: str | None, as_json: bool) -> None:
    """Show what changed between two times."""

    async def work() -> None:
        from mcphub.api.past import differing
        from mcphub.api.past_views import diff_view, owners

        async with present(home) as (base, now):
            owner = the_user(base, now, who).user_id if who else ""
            history, gone = history_of(base), _gone(now)
            first, last = await moment_of(history, from_), await moment_of(history, to)

            def question(before: Any, after: Any) -> Any:
                return differing(
                    before, after, then=first.at, at=last.at, sections=sections, owner=owner, gone=gone, size=None
                )

            found = await asyncio.to_thread(history.ask_of, [first.position, last.position], question)
            names = await now.directory.names(owners(one.after or one.before or {} for one in found.changes))
            view = diff_view(first, last, found, names)
        answer(view, _changes(view), as_json=as_json)

    run(work())


@click.command("who-could")
@home_option
@click.option("--server", required=True, help="By its name or slug of then.")
@click.option("--tool", default="", help="A tool of it, by the server's own name.")
@at_option
@click.option("--all", "everybody", is_flag=True, help="Also who could not, and why.")
@json_option
def who_could(home: Path | None, server: str, tool: str, at: str, everybody: bool, as_json: bool) -> None:
    """Show who could have used a server, or a tool of it, at a time.

    By the decision that the gateway takes, with the keys that were usable then.
    """

    async def work() -> None:
        from mcphub.api.past import entitled_then
        from mcphub.api.past_views import who_view

        async with present(home) as (base, now):
            history = history_of(base)
            when = await moment_of(history, at)

            def question(model: Any) -> Any:
                return entitled_then(model, server, tool, when.at)

            found = await asyncio.to_thread(history.ask, when.position, question)
            if found is None:
                fail(f"there was no server {server!r} at that time", FAILED)
            name, recorded, users = found
            shown = [one for one in users if everybody or one.could]
            names = await now.directory.names(one.user_id for one in shown)
            view = who_view(when, name, tool, recorded, users, shown, names, _gone(now))
        answer(view, _people(view), as_json=as_json)

    run(work())


# what they share


def history_of(base: "Foundation") -> "History":
    """For questions to the past."""
    from mcphub.api.auth.accounts import name_digest
    from mcphub.domain.access import AccessModel
    from mcphub.projections.history import History

    digest = name_digest(base.vault)
    return History(base.pool, lambda: AccessModel(digest, base.vault.membership))


async def moment_of(history: "History", at: str) -> "Moment":
    """Of what somebody typed; what is no time ends the command."""
    from mcphub.projections.history import NoSuchTime, read_time

    try:
        return await asyncio.to_thread(history.moment, read_time(at))
    except NoSuchTime as error:
        fail(f"{at!r} is no time to look at: {error}", UNUSABLE)


def _gone(now: "Folded") -> frozenset[str]:
    return frozenset(user.user_id for user in now.model.users.values() if user.erased)


# as text


def _heading(moment: "MomentView") -> str:
    when = f"{moment.recorded_at:%Y-%m-%d %H:%M:%S} UTC" if moment.recorded_at else "before the first fact"
    return f"Position {moment.position} of {moment.head}, {when}"


def _sections(view: "PastState") -> list[str]:
    from msgspec import to_builtins

    plain = to_builtins(view)
    shown = []
    for section, columns in COLUMNS.items():
        if rows := plain.get(section):
            head = [_spaced(column) for column in columns]
            shown.append(f"{section}\n{table(head, ([_cell(row.get(column)) for column in columns] for row in rows))}")
    return shown


def _listed(access: "Access") -> str:
    rows = [
        (server.server, tool.exposed_name, tool.reason if server.reason == "allowed" else server.reason)
        for server in access.servers
        for tool in server.tools
    ]
    rows += [(server.server, "", server.reason) for server in access.servers if not server.tools]
    lists = f"tools/list at {access.url} ({access.mode}): {len(access.listed)}"
    return "\n".join([lists, *(f"  {name}" for name in access.listed), table(("SERVER", "TOOL", "WHY"), rows)])


def _changes(view: "PastDiff") -> str:
    lines = [f"{_heading(view.from_)}\n{_heading(view.to)}"]
    for change in view.changes:
        whose = f" of {change.username}" if change.username and change.section != "users" else ""
        lines.append(f"{change.kind:8} {change.section} {change.name}{whose}")
        lines += [
            f"           {field.field}  "
            + ("(hidden)" if field.hidden else f"{_cell(field.before) or '-'} → {_cell(field.after) or '-'}")
            for field in change.fields
        ]
    return "\n".join(lines)


def _people(view: "WhoCould") -> str:
    head = ("USER", "COULD", "BY KEY", "WHY", "KEYS", "MISSING")
    rows: list[Sequence[Any]] = [
        (
            one.username,
            _cell(one.could),
            _cell(one.could_by_key),
            one.reason,
            ", ".join(f"{key.name} ({key.reason})" for key in one.keys),
            ", ".join(one.missing),
        )
        for one in view.users
    ]
    what = f"{view.server} {view.tool}".strip()
    unknown = [] if view.recorded or not view.tool else ["This tool was not on the record then."]
    return "\n".join([f"{what}: {_heading(view.moment)}", *unknown, table(head, rows)])


def _spaced(name: str) -> str:
    return "".join(f" {letter}" if letter.isupper() else letter for letter in name).upper()


def _cell(value: Any) -> str:
    from msgspec import UNSET

    shown: dict[Any, str] = {True: "yes", False: "no", None: "", UNSET: ""}
    if isinstance(value, bool) or value is None or value is UNSET:
        return shown[value]
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
