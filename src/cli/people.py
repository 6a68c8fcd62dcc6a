"""Users and the set-up link, for whoever holds the host. Names may stand for ids."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphub.cli.shared import UNUSABLE, answer, at_home, fail, home_option, json_option, note, operator, run, table

if TYPE_CHECKING:
    from mcphub.domain.access import User
    from mcphub.domain.hub import Command
    from mcphub.folded import Folded
    from mcphub.foundation import Foundation


@click.command("setup-link")
@home_option
@click.option("--minutes", type=click.IntRange(1, 1440), default=15, show_default=True, help="How long it works.")
@json_option
def setup_link(home: Path | None, minutes: int, as_json: bool) -> None:
    """Print a link that makes an administrator.

    It works once, and also when there is an administrator already.
    """

    async def work() -> None:
        from mcphub.first_run import make_setup_link

        async with at_home(home) as base:
            url = base.settings.public_url
            link = await asyncio.to_thread(make_setup_link, base.pool, url, recover=True, minutes=minutes)
        answer({"setupLink": link, "minutes": minutes}, link, as_json=as_json)

    run(work())


# users


@click.group()
def user() -> None:
    """List, make and change users. USER is a user name or an id."""


@user.command("list")
@home_option
@click.option("--all", "everybody", is_flag=True, help="Deleted users as well.")
@json_option
def list_users(home: Path | None, everybody: bool, as_json: bool) -> None:
    """Show the users."""

    async def work() -> None:
        async with present(home) as (_, state):
            users = [user for user in state.model.users.values() if not user.erased and (everybody or not user.deleted)]
            names = await state.directory.names(user.user_id for user in users)
            now = datetime.now(UTC)
            rows = [
                {
                    "id": user.user_id,
                    "username": names[user.user_id].username,
                    "displayName": names[user.user_id].display_name,
                    "email": names[user.user_id].email,
                    "provider": user.provider,
                    "isAdmin": user.admin,
                    "isAuditor": user.auditor,
                    "isActive": user.active,
                    "isDeleted": user.deleted,
                    "usableKeys": sum(key.usable(now) for key in state.model.keys_of.get(user.user_id, {}).values()),
                }
                for user in users
            ]
        rows.sort(key=lambda row: str(row["username"]).casefold())
        shown = [
            (row["username"], row["displayName"], _role(row), row["usableKeys"], row["provider"], row["id"])
            for row in rows
        ]
        answer(rows, table(("USER", "NAME", "STATE", "KEYS", "SIGNS IN BY", "ID"), shown), as_json=as_json)

    run(work())


def _role(row: dict[str, Any]) -> str:
    if row["isDeleted"]:
        return "deleted"
    if not row["isActive"]:
        return "inactive"
    roles = [role for role, has in (("admin", row["isAdmin"]), ("auditor", row["isAuditor"])) if has]
    return " and ".join(roles) or "active"


@user.command("create")
@home_option
@click.argument("username")
@click.option("--display-name", default="")
@click.option("--email", default="")
@click.option("--admin", is_flag=True, help="As an administrator.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@json_option
def create_user(
    home: Path | None, username: str, display_name: str, email: str, admin: bool, password_stdin: bool, as_json: bool
) -> None:
    """Make a local user. The password is asked for on a terminal."""
    password = read_password(password_stdin)

    async def work() -> None:
        from mcphub.api.auth.accounts import NewAccount, username_of
        from mcphub.api.auth.passwords import Passwords, check_strength

        name = username_of(username)
        check_strength(password, name)
        hashed = await Passwords().hash(password)
        async with at_home(home) as base:
            account = NewAccount(base.vault, name, hashed, display_name=display_name, email=email)
            try:
                position = execute(base, lambda: account.register(admin=admin))
            except Exception:
                account.discard()
                raise
        answer({"id": account.user_id, "username": name, "position": position}, account.user_id, as_json=as_json)

    run(work())


@user.command("password")
@home_option
@click.argument("user")
@click.option("--password-stdin", is_flag=True, help="Read it from the first line of standard input.")
@json_option
def set_password(home: Path | None, user: str, password_stdin: bool, as_json: bool) -> None:
    """Give a local user a new password; ends their sessions."""
    password = read_password(password_stdin)

    async def work() -> None:
        from mcphub.api.auth.accounts import seal_password
        from mcphub.api.auth.passwords import Passwords, check_strength
        from mcphub.domain.users import SetPassword

        async with present(home) as (base, state):
            found = the_user(base, state, user)
            check_strength(password, (await state.directory.name(found.user_id)).username)
            hashed = await Passwords().hash(password)
            key, sealed = seal_password(base.vault, found.user_id, hashed)
            try:
                position = execute(base, lambda: SetPassword(found.user_id, sealed))
            except Exception:
                base.vault.destroy(key)
                raise
        answer({"id": found.user_id, "position": position}, "The password is set.", as_json=as_json)

    run(work())


def changing(name: str, text: str, build: "Callable[[str, str], Command]", **options: Any) -> None:
    """Declares `mcphub user NAME USER`, which runs the command that `build(user id, digest of the name)` makes."""

    @user.command(name, help=text, **options)
    @home_option
    @click.argument("user")
    @json_option
    def change(home: Path | None, user: str, as_json: bool) -> None:
        async def work() -> None:
            async with present(home) as (base, state):
                found = the_user(base, state, user)
                position = execute(base, lambda: build(found.user_id, found.name_digest), about=found.user_id)
            answer({"id": found.user_id, "position": position}, f"Done, at position {position}.", as_json=as_json)

        run(work())


def _activate(active: bool) -> "Callable[[str, str], Command]":
    def build(user_id: str, _: str) -> "Command":
        from mcphub.domain.users import SetUserActive

        return SetUserActive(user_id, active, by="")

    return build


def _admin(admin: bool) -> "Callable[[str, str], Command]":
    def build(user_id: str, _: str) -> "Command":
        from mcphub.domain.users import SetAdmin

        return SetAdmin(user_id, admin)

    return build


def _auditor(auditor: bool) -> "Callable[[str, str], Command]":
    def build(user_id: str, _: str) -> "Command":
        from mcphub.domain.users import SetAuditor

        return SetAuditor(user_id, auditor)

    return build


def _delete(user_id: str, digest: str) -> "Command":
    from mcphub.domain.users import DeleteUser

    return DeleteUser(user_id, by="", name_digest=digest)


def _restore(user_id: str, digest: str) -> "Command":
    from mcphub.domain.users import RestoreUser

    return RestoreUser(user_id, name_digest=digest)


changing("activate", "Let a user in.", _activate(True))
changing("deactivate", "Lock a user out; sessions and calls end at once.", _activate(False))
changing("admin", "Make a user an administrator.", _admin(True))
changing("no-admin", "Make an administrator an ordinary user; the last one stays.", _admin(False))
changing("auditor", "Let a user read everybody's audit and requests.", _auditor(True))
changing("no-auditor", "Let them read their own only.", _auditor(False))
changing("delete", "Lock a user out and revoke their keys; see restore.", _delete)
changing("restore", "Bring a deleted user back, inactive.", _restore)


@user.command("erase")
@home_option
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase_user(home: Path | None, user: str, yes: bool, as_json: bool) -> None:
    """Destroy what opens a user's data, for ever."""
    if not yes and not (sys.stdin.isatty() and click.confirm(f"Erase {user} for ever?", err=True)):
        fail("nothing was erased; --yes does not ask", UNUSABLE)

    async def work() -> None:
        from mcphub.domain.actor import acting
        from mcphub.first_run import erase

        async with present(home) as (base, state):
            found = the_user(base, state, user)
            with acting(operator()):
                erase(base.hub, base.vault, found.user_id, found.name_digest)
        answer({"id": found.user_id, "erased": True}, "Erased.", as_json=as_json)

    run(work())


# what they share


@asynccontextmanager
async def present(home: Path | None) -> "AsyncIterator[tuple[Foundation, Folded]]":
    """The hub's database, and the state that its ledger makes."""
    from mcphub.api.auth.accounts import name_digest
    from mcphub.folded import fold

    async with at_home(home) as base:
        yield base, await fold(base.database.direct, base.vault, name_digest(base.vault))


def the_user(base: "Foundation", state: "Folded", text: str) -> "User":
    """
    Raises:
        UnknownUser: neither a living user's name nor an id.
    """
    from mcphub.api.auth.accounts import name_digest
    from mcphub.domain.errors import UnknownUser

    user_id = state.model.user_by_name.get(name_digest(base.vault)(text), text)
    found = state.model.users.get(user_id)
    if found is None:
        raise UnknownUser(text)
    return found


def execute(base: "Foundation", build: "Callable[[], Command]", *, about: str = "") -> int:
    """Runs a command as the operator; returns where the ledger stands then.

    Args:
        about: id of the user it is about; the access log says so of a command that a rule refuses.
    """
    from mcphub.domain.actor import acting
    from mcphub.domain.errors import Refused

    try:
        with acting(operator()):
            return base.hub.execute(build).position
    except Refused as refused:
        note(base, "command", refused.code, subject=about)
        raise


def read_password(from_stdin: bool) -> str:
    """Never from an argument: those are visible to everybody on the machine."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        fail("there is no terminal to ask for the password: pipe it in with --password-stdin", UNUSABLE)
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
