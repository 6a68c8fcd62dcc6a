"""Taking back what was done, for whoever holds the host."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphub.cli.people import present
from mcphub.cli.shared import answer, fail, home_option, json_option, note, operator, run, table

if TYPE_CHECKING:
    from mcphub.domain.hub import Command
    from mcphub.domain.impact import UserImpact
    from mcphub.folded import Folded


@click.command()
@home_option
@click.argument("position", type=click.IntRange(1))
@click.option("--preview", is_flag=True, help="Only say what it would record, and who would gain or lose what.")
@json_option
def undo(home: Path | None, position: int, preview: bool, as_json: bool) -> None:
    """Take a fact of the ledger back by a new one.

    By the command that makes the opposite, so every rule holds. What cannot be undone says why, with exit code 1.
    """

    async def work() -> None:
        from mcphub.api.literals import policy_for
        from mcphub.api.undo import Undo, UnknownFact
        from mcphub.domain.actor import acting
        from mcphub.domain.errors import Refused
        from mcphub.domain.events import about
        from mcphub.domain.impact import impact, with_facts
        from mcphub.postgres.pool import read_pool

        async with (
            present(home) as (base, state),
            read_pool(base.database.app, search_path="read, public") as pool,
        ):
            undoing, policy = Undo(pool, base.vault), policy_for(base.settings, base.vault, state.model)
            try:
                fact = await undoing.fact(position)
            except UnknownFact:
                fail(f"nothing is recorded at position {position}")
            try:
                plan = await undoing.plan(fact, "", policy)
                command = base.hub.rehearse(plan.build)
                if not preview:
                    with acting(plan.meta(operator())):
                        done = base.hub.execute(plan.build, if_match=state.model.position)
            except Refused as refused:
                if not preview:
                    note(base, "command", refused.code)
                raise
            if not preview:
                text = f"Position {position} is undone, at position {done.position}."
                answer({"undoes": position, "position": done.position}, text, as_json=as_json)
                return
            now = datetime.now(UTC)
            found = impact(state.model, with_facts(state.model, command.new_decisions, now), now)
            people = {one.user_id for one in found} | {about(tagged.decision) for tagged in command.new_decisions}
            names = await state.directory.names(people - {""})
            said = _said(command, state, found, {user: about.username for user, about in names.items()})
        answer(said, _shown(said), as_json=as_json)

    run(work())


def _said(command: "Command", state: "Folded", found: "list[UserImpact]", names: dict[str, str]) -> dict[str, Any]:
    from mcphub.domain.events import about
    from mcphub.domain.servers import names_in
    from mcphub.domain.servers import said as in_short

    servers = names_in(state.model.settings)
    return {
        "facts": [
            {**in_short(tagged.decision, servers), "user": names.get(about(tagged.decision), "")}
            for tagged in command.new_decisions
        ],
        "users": [
            {
                "id": one.user_id,
                "username": names[one.user_id],
                "serversGained": one.servers_gained,
                "serversLost": one.servers_lost,
                "toolsGained": one.tools_gained,
                "toolsLost": one.tools_lost,
            }
            for one in found
        ],
    }


def _shown(said: dict[str, Any]) -> str:
    facts = table(
        ("WOULD BE RECORDED", "OF", "WHAT"),
        ((one["type"], one["user"] or one["server"], one["summary"]) for one in said["facts"]),
    )
    if not said["users"]:
        return f"{facts}\n\nNobody would gain or lose a server or a tool."
    users = table(
        ("USER", "GAINS", "LOSES"),
        (
            (
                one["username"],
                _count(one["serversGained"], one["toolsGained"]),
                _count(one["serversLost"], one["toolsLost"]),
            )
            for one in said["users"]
        ),
    )
    return f"{facts}\n\n{users}"


def _count(servers: tuple[str, ...], tools: tuple[str, ...]) -> str:
    return f"{', '.join(servers) or '-'}; {len(tools)} tools" if servers or tools else ""
