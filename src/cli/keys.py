"""Users' keys, and the demo of a first start, for whoever holds the host. Names may stand for ids."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from mcphub.cli.people import execute, present, the_user
from mcphub.cli.shared import UNUSABLE, answer, fail, home_option, json_option, operator, run, table


@click.group()
def key() -> None:
    """List, issue and revoke keys."""


@key.command("list")
@home_option
@click.option("--user", "owner", metavar="USER", help="Only this user's.")
@json_option
def list_keys(home: Path | None, owner: str | None, as_json: bool) -> None:
    """Show the keys; of a key itself only its beginning and end are known."""

    async def work() -> None:
        from mcphub.domain.keys import key_standing

        async with present(home) as (base, state):
            only = the_user(base, state, owner).user_id if owner else None
            keys = [key for key in state.model.keys.values() if only in (None, key.user_id)]
            names = await state.directory.names(key.user_id for key in keys)
            now = datetime.now(UTC)
            rows = [
                {
                    "id": key.key_id,
                    "name": key.name,
                    "username": names[key.user_id].username,
                    "masked": f"mcphub_{key.prefix}…{key.last4}",
                    "state": key_standing(
                        now, revoked=key.revoked, expires_at=key.expires_at, grace_until=key.grace_until
                    ),
                    "expiresAt": key.expires_at,
                    "used": key.used,
                }
                for key in keys
            ]
        shown = [
            (row["username"], row["name"], row["masked"], row["state"], f"{row['expiresAt']:%Y-%m-%d}", row["id"])
            for row in rows
        ]
        answer(rows, table(("USER", "NAME", "KEY", "STATE", "EXPIRES", "ID"), shown), as_json=as_json)

    run(work())


@key.command("issue")
@home_option
@click.argument("user")
@click.option("--name", default="Default Key", show_default=True)
@click.option("--days", type=click.IntRange(1, 90), default=90, show_default=True)
@click.option("--server", "servers", multiple=True, help="Narrow the key to this server; may be given again.")
@click.option("--header-only", is_flag=True, help="Never accept it in an address.")
@json_option
def issue_key(
    home: Path | None, user: str, name: str, days: int, servers: tuple[str, ...], header_only: bool, as_json: bool
) -> None:
    """Issue a key for a user and print it, this once."""

    async def work() -> None:
        from mcphub.domain.errors import UnknownServerId
        from mcphub.domain.events import Scope
        from mcphub.domain.keys import new_key
        from mcphub.first_run import issuing, mcp_json

        async with present(home) as (base, state):
            found = the_user(base, state, user)
            scope = None
            if servers:
                known = [state.model.settings.by_name(server) for server in servers]
                if None in known:
                    raise UnknownServerId(servers[known.index(None)])
                scope = Scope(servers=[server.server_id for server in known if server is not None])
            value = new_key()
            build = issuing(
                base.vault, found.user_id, value, name=name, days=days, scope=scope, header_only=header_only
            )
            position = execute(base, build)
            url = base.settings.public_url
        answer(
            {"keyValue": value, "mcpJson": mcp_json(url, value), "position": position},
            f"{value}\n\n{mcp_json(url, value)}\n\nIt is shown this once.",
            as_json=as_json,
        )

    run(work())


@key.command("revoke")
@home_option
@click.argument("key_id")
@json_option
def revoke_key(home: Path | None, key_id: str, as_json: bool) -> None:
    """Revoke a key, at once and for good. KEY_ID is its id, never the key itself."""
    if key_id.startswith("mcphub_"):
        fail("an argument is visible to everybody on this machine: name the key by its id (mcphub key list)", UNUSABLE)

    async def work() -> None:
        from mcphub.domain.errors import UnknownKey
        from mcphub.domain.keys import RevokeKey

        async with present(home) as (base, state):
            found = state.model.keys.get(key_id)
            if found is None:
                raise UnknownKey(key_id)
            position = execute(base, lambda: RevokeKey(found.user_id, key_id, datetime.now(UTC)))
        answer({"id": key_id, "position": position}, "Revoked.", as_json=as_json)

    run(work())


# the demo


@click.group()
def demo() -> None:
    """The demo of a first start."""


@demo.command("remove")
@home_option
@json_option
def remove(home: Path | None, as_json: bool) -> None:
    """Remove the demo's server, user and key, also while the hub runs."""

    async def work() -> None:
        from mcphub.first_run import Parts, remove_demo

        async with present(home) as (base, state):
            parts = Parts(base.settings, base.hub, base.vault, state.model, base.pool)
            gone = await asyncio.to_thread(remove_demo, parts, operator())
        answer({"removed": gone}, f"Removed: {', '.join(gone) or 'nothing was there'}.", as_json=as_json)

    run(work())
