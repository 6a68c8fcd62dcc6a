"""The master key ring: which keys it needs, and a new key in the place of the old one."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcphub.cli.shared import Progress, answer, at_home, home_option, json_option, operator, run

if TYPE_CHECKING:
    from mcphub.foundation import Foundation
    from mcphub.operations.master_keys import Rotated, Standing


@click.group()
def keyring() -> None:
    """The master keys, which wrap the keys that everything saved is sealed under."""


@keyring.command("status")
@home_option
@json_option
def status(home: Path | None, as_json: bool) -> None:
    """Say which master keys what is stored needs, and since when."""

    def work(base: "Foundation") -> "Standing":
        import psycopg

        from mcphub.operations.master_keys import standing

        with psycopg.connect(base.database.read_only, autocommit=True) as db:
            return standing(db)

    async def main() -> None:
        async with at_home(home, depth="schema") as base:
            found = await asyncio.to_thread(work, base)
            where = "MCPHUB_MASTER_KEYS" if base.settings.master_keys else str(base.settings.ring_path)
        text = f"{', '.join(found.key_ids) or 'none yet'}, for {found.days} days, in {where}."
        if found.code == "unfinished":
            text += " A rotation was cut off: mcphub keyring rotate goes on with it."
        answer({"keys": found.key_ids, "since": found.since, "ring": where}, text, as_json=as_json)

    run(main())


@keyring.command("rotate")
@home_option
@click.option(
    "--all-restarted",
    is_flag=True,
    help="For a ring in the environment: every hub was started with the new key in front.",
)
@json_option
def rotate(home: Path | None, all_restarted: bool, as_json: bool) -> None:
    """Put a new master key in the place of the old one, while the hub runs or not.

    Every data key is wrapped anew, then the ring forgets the old key. Cut off, it goes on when it is run again.

    Backups made before still need the old ring: it is printed nowhere, so copy it first if you keep them.
    """

    def work(base: "Foundation") -> "Rotated":
        from mcphub.domain.actor import acting
        from mcphub.domain.vault import Ring
        from mcphub.operations.master_keys import RotationRefused, rotate, rotate_to

        progress = Progress("wrapping anew")
        try:
            with acting(operator()):
                if not base.settings.master_keys:
                    return rotate(
                        base.database.owner,
                        base.settings.ring_path,
                        base.hub,
                        readers=int(base.shared) if base.settings.database_url else None,
                        progress=progress,
                    )
                ring = Ring.parse(base.settings.master_keys)
                if len(ring.ids) > 1 and not all_restarted:
                    raise RotationRefused(
                        f"start every hub with {ring.active} in front of MCPHUB_MASTER_KEYS first, then say"
                        " --all-restarted: one that does not know it could open nothing any more"
                    )
                return rotate_to(base.database.owner, ring, base.hub, progress=progress)
        finally:
            progress.end()

    async def main() -> None:
        async with at_home(home) as base:
            done = await asyncio.to_thread(work, base)
            in_environment = bool(base.settings.master_keys)
        old = ", ".join(done.retired)
        lines = [f"{done.key_id} wraps everything now; {done.rewrapped:,} data keys were wrapped anew."]
        if in_environment:
            lines.append(f"Take {old} out of MCPHUB_MASTER_KEYS and start every hub again.")
        lines.append(f"Backups made before need {old}: keep the ring you have with them as long as you keep them.")
        if not done.rewritten:
            lines.append("Old bytes are still in the table's pages: run vacuum (full) data_key when no dump runs.")
        answer(done, "\n".join(lines), as_json=as_json)

    run(main())


@keyring.command("new")
@click.argument("key_id")
@json_option
def new(key_id: str, as_json: bool) -> None:
    """Print a fresh master key named KEY_ID, for a ring that is kept outside of the home. It is stored nowhere."""
    from mcphub.domain.vault import new_entry

    entry = new_entry(key_id)
    answer({"entry": entry}, entry, as_json=as_json)
