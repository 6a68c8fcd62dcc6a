"""What a hub is given once: its first administrator, and a demo that can be taken away again.

Whether something was there before is asked of the ledger, so nothing that somebody removed comes back.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct
from psycopg_pool import ConnectionPool

from mcphub.api.auth.accounts import NewAccount, name_digest, username_of
from mcphub.api.auth.links import RECOVER, OneTimeLinks
from mcphub.api.auth.passwords import Passwords, check_strength
from mcphub.domain.access import AccessModel
from mcphub.domain.actor import Meta, acting, system
from mcphub.domain.errors import AlreadySetUp, Refused, UnknownServerId, WeakPassword
from mcphub.domain.events import Scope, username_tag
from mcphub.domain.findings import Policy
from mcphub.domain.hub import Command, Hub
from mcphub.domain.ids import new_id
from mcphub.domain.keys import IssueKey, new_key
from mcphub.domain.servers import AddServer, RemoveServer, ServerState
from mcphub.domain.users import CertifyErasure, EraseUser
from mcphub.domain.vault import Vault
from mcphub.settings import Settings, SettingsUnusable

log = structlog.get_logger()

ADMIN = "admin"
DEMO = "demo"
DEMO_KEY = "Demo"
DEMO_DAYS = 90
DEMO_MODULE = "mcphub.demo_server"
FIRST_KEY = "first-key"
BOOTSTRAP = system("bootstrap")
EVER = """
    select meta ->> 'actor', data ->> 'user_id' from ledger
    where type = 'UserRegistered' and tags @> array[%s] order by position desc limit 1
"""


class Parts(Struct, frozen=True):
    """What the first run works with. The model is folded up to the head."""

    settings: Settings
    hub: Hub
    vault: Vault
    model: AccessModel
    pool: ConnectionPool[Any]


class FirstRun(Struct):
    """What was made, and what the operator must be told; the link and the key are shown once."""

    admin_made: bool = False
    setup_link: str = ""
    demo_key: str = ""
    key_file: str = ""


async def first_run(parts: Parts, *, demo: bool, keep_key: bool = True) -> FirstRun:
    """
    Args:
        keep_key: leave the demo's key in a private file, as nobody sees what is printed.

    Raises:
        SettingsUnusable: the administrator's password is too weak.
    """
    done = FirstRun()
    if not any(user.admin for user in parts.model.users.values()):
        await _administrator(parts, done)
    if demo and parts.settings.loopback:
        done.demo_key = await asyncio.to_thread(_make_demo, parts)
        if done.demo_key and keep_key:
            text = mcp_json(parts.settings.public_url, done.demo_key)
            done.key_file = str(keep_first_key(parts.settings.home, text))
    return done


# the administrator


async def _administrator(parts: Parts, done: FirstRun) -> None:
    password = parts.settings.admin_password
    if not password:
        done.setup_link = await asyncio.to_thread(make_setup_link, parts.pool, parts.settings.public_url)
        return
    try:
        check_strength(password, ADMIN)
    except WeakPassword as weak:
        raise SettingsUnusable(f"MCPHUB_ADMIN_PASSWORD: {weak} {weak.remedy}".strip()) from None
    hashed = await Passwords().hash(password)
    done.admin_made = await asyncio.to_thread(_set_up, parts, hashed)


def _set_up(parts: Parts, hashed: str) -> bool:
    account = NewAccount(parts.vault, username_of(ADMIN), hashed)
    try:
        with acting(BOOTSTRAP):
            parts.hub.execute(account.set_up)
    except AlreadySetUp:  # by another hub on this database, a moment ago
        account.discard()
        return False
    log.info("administrator_made", user_id=account.user_id)
    return True


def make_setup_link(
    pool: ConnectionPool[Any], public_url: str, *, recover: bool = False, minutes: int | None = None
) -> str:
    """A link that makes an administrator, once. Its token is in the fragment, which no server and no log sees.

    Args:
        recover: it works although an administrator exists.
        minutes: it lives; 15 by default.
    """
    lives = timedelta(minutes=minutes) if minutes else None
    token = OneTimeLinks(pool).make("setup", RECOVER if recover else "", lives=lives)
    return f"{public_url}/setup#{token}"


# the demo


def demo_config() -> dict[str, Any]:
    """The server's entry, as it would stand in `mcp_settings.json`."""
    return {
        "type": "stdio",
        "command": sys.executable,
        "args": ["-m", DEMO_MODULE],
        "description": "A small server to try the hub with. `mcphub demo remove` removes it.",
    }


def is_demo(server: ServerState) -> bool:
    return server.config.get("args") == ["-m", DEMO_MODULE]


def _make_demo(parts: Parts) -> str:
    """The demo's key, when it was made now: server, user and key, in an order that a next start can take up."""
    user_id = _demo_user(parts)
    if user_id is None:
        return ""
    server = next((server for server in parts.model.servers.values() if is_demo(server)), None)
    server_id = server.server_id if server is not None else new_id()
    try:
        if server is None:
            if user_id:
                return ""  # its server was removed
            policy = Policy(commands=parts.settings.stdio_commands)
            _run(parts, lambda: AddServer(server_id, DEMO, demo_config(), policy=policy))
        if not user_id:
            account = NewAccount(parts.vault, DEMO, None, display_name="Demo")
            _run(parts, account.register)
            user_id = account.user_id
        key = new_key()
        _run(parts, issuing(parts.vault, user_id, key, name=DEMO_KEY, days=DEMO_DAYS, scope=Scope(servers=[server_id])))
    except Refused as refused:  # a server or user of that name is somebody else's
        log.info("demo_not_made", why=refused.code)
        return ""
    log.info("demo_made", server_id=server_id, user_id=user_id)
    return key


def _demo_user(parts: Parts) -> str | None:
    """'' when there never was one; the id of ours while it waits for its key; None when nothing is to be made."""
    with parts.pool.connection() as db:
        row = db.execute(EVER, (username_tag(name_digest(parts.vault)(DEMO)),)).fetchone()
    if row is None:
        return ""
    actor, user_id = row
    user = parts.model.users.get(user_id)
    waits = actor == BOOTSTRAP.actor and user is not None and user.active and user_id not in parts.model.keys_of
    return str(user_id) if waits else None


def issuing(vault: Vault, user_id: str, key: str, **more: Any) -> Callable[[], IssueKey]:
    """Builds the command that gives the user this key; of the key itself only digest, first and last 4 are kept."""
    key_id, now = new_id(), datetime.now(UTC)
    shown = (key[len("mcphub_") :][:4], key[-4:])
    digest = vault.key_digest(key)
    return lambda: IssueKey(user_id, key_id, now, digest=digest, shown=shown, **more)


def remove_demo(parts: Parts, actor: Meta) -> list[str]:
    """Removes the demo's user with all keys, for good, and its server; returns what was there."""
    removed = []
    with acting(actor):
        for server in [server for server in parts.model.servers.values() if is_demo(server)]:
            try:
                parts.hub.execute(lambda name=server.name: RemoveServer(name))  # type: ignore[misc]
            except UnknownServerId:
                continue
            removed.append("server")
        digest = name_digest(parts.vault)(DEMO)
        with parts.pool.connection() as db:
            row = db.execute(EVER, (username_tag(digest),)).fetchone()
        user = parts.model.users.get(row[1]) if row is not None and row[0] == BOOTSTRAP.actor else None
        if user is not None and not user.erased:
            keys = parts.model.keys_of.get(user.user_id, {}).values()
            removed += ["user", *("key" for key in keys if not key.revoked)]
            erase(parts.hub, parts.vault, user.user_id, digest)
    (parts.settings.home / FIRST_KEY).unlink(missing_ok=True)
    return removed


def erase(hub: Hub, vault: Vault, user_id: str, digest: str) -> None:
    """Erases the user and destroys what opens their data. A running hub does the second part as well; both may."""
    hub.execute(lambda: EraseUser(user_id, by="", name_digest=digest))
    destroyed = vault.destroy_owner(user_id)
    with acting(system("erasure")):
        hub.execute(lambda: CertifyErasure(user_id, destroyed))


def _run(parts: Parts, build: Callable[[], Command]) -> None:
    with acting(BOOTSTRAP):
        parts.hub.execute(build)


# telling


def mcp_json(public_url: str, key: str) -> str:
    """What an IDE is given to connect with this key."""
    server = {"url": f"{public_url}/mcp", "headers": {"Authorization": f"Bearer {key}"}}
    return json.dumps({"mcpServers": {"mcphub": server}}, indent=2)


def keep_first_key(home: Path, text: str) -> Path:
    """Writes it where only this user reads it."""
    path = home / FIRST_KEY
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text + "\n")
    return path
