"""The hub's configuration from the environment, read once at start; `mcphub doctor` prints it without secrets.

A secret also has a `…_FILE` form; such a file must belong to nobody else (0600).
Unknown `MCPHUB_*` names are reported: they are usually typing errors.
"""

import os
import socket
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

LOOPBACK = {"127.0.0.1", "::1", "localhost"}

KNOWN = {
    "MCPHUB_HOME",
    "MCPHUB_HOST",
    "MCPHUB_PORT",
    "MCPHUB_PUBLIC_URL",
    "MCPHUB_INSECURE",
    "MCPHUB_ALLOWED_HOSTS",
    "MCPHUB_ALLOWED_ORIGINS",
    "MCPHUB_TRUSTED_PROXIES",
    "MCPHUB_DATABASE_DIRECT_URL",
    "MCPHUB_MASTER_KEY_FILE",
    "MCPHUB_MASTER_KEYS",
    "MCPHUB_ADMIN_PASSWORD",
    "MCPHUB_KEY_IN_URL",
    "MCPHUB_EGRESS_ALLOW",
    "MCPHUB_STDIO_COMMANDS",
    "MCPHUB_CONFIG_ENV",
    "MCPHUB_STDIO_SANDBOX",
    "MCPHUB_TRAFFIC_DAYS",
    "MCPHUB_AUDIT_MODE",
    "MCPHUB_LOG_LEVEL",
    "MCPHUB_LOG_FORMAT",
    "MCPHUB_DRAIN_SECONDS",
    "MCPHUB_NODE",
}
SECRET_FILES = {"MCPHUB_ADMIN_PASSWORD_FILE", "MCPHUB_MASTER_KEYS_FILE", "DATABASE_URL_FILE"}


class SettingsUnusable(Exception):
    """The environment asks for something the hub refuses to start with."""


class Settings(Struct, frozen=True, kw_only=True):
    """What the hub was started with. `repr` of this is never logged: it may hold the database password."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 3000
    public_url: str = "http://127.0.0.1:3000"
    insecure: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    trusted_proxies: tuple[str, ...] = ()
    database_url: str = ""
    database_direct_url: str = ""
    master_keys: str = ""
    master_key_file: Path | None = None
    admin_password: str = ""
    key_in_url: bool = True
    egress_allow: tuple[str, ...] = ()
    stdio_commands: frozenset[str] = frozenset()
    config_env: frozenset[str] = frozenset()
    stdio_sandbox: str = "auto"
    traffic_days: int = 90
    audit_mode: str = "normal"
    log_level: str = "info"
    log_format: str = ""
    drain_seconds: float = 30.0
    node: str = ""
    hub_variables: Mapping[str, str] = {}
    unknown: tuple[str, ...] = ()

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https://")


def default_home(env: Mapping[str, str]) -> Path:
    """Where the hub keeps its data: platform custom, `/var/lib/mcphub` for root."""
    if named := env.get("MCPHUB_HOME"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/mcphub")
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/mcphub"
    return Path(env.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "mcphub"


def read(
    env: Mapping[str, str],
    *,
    home: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    insecure: bool = False,
) -> Settings:
    """The settings, command line over environment over defaults.

    Raises:
        SettingsUnusable: a value cannot be used, or the bind would be open to the network without https.
    """
    bind = host or env.get("MCPHUB_HOST") or "127.0.0.1"
    number = port if port is not None else _integer(env, "MCPHUB_PORT", 3000)
    default_url = f"http://{'127.0.0.1' if bind in LOOPBACK or bind == '0.0.0.0' else bind}:{number}"  # noqa: S104
    public = env.get("MCPHUB_PUBLIC_URL", "").rstrip("/") or default_url
    insecure = insecure or _flag(env, "MCPHUB_INSECURE", default=False)
    if bind not in LOOPBACK and not public.startswith("https://") and not insecure:
        raise SettingsUnusable(
            f"mcphub does not listen on {bind} without https:"
            " set MCPHUB_PUBLIC_URL to an https address, or give --insecure."
        )
    parts = urlsplit(public)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsUnusable("MCPHUB_PUBLIC_URL is not an http or https address.")
    hosts = {"127.0.0.1", "localhost", "[::1]", parts.hostname, *_words(env, "MCPHUB_ALLOWED_HOSTS")}
    origins = {
        f"{parts.scheme}://{parts.netloc}",
        f"http://127.0.0.1:{number}",
        f"http://localhost:{number}",
        *_words(env, "MCPHUB_ALLOWED_ORIGINS"),
    }
    mode = env.get("MCPHUB_AUDIT_MODE", "normal")
    if mode not in {"normal", "strict"}:
        raise SettingsUnusable(f"MCPHUB_AUDIT_MODE is {mode!r}; it can be normal or strict.")
    config_env = frozenset(_words(env, "MCPHUB_CONFIG_ENV"))
    database = _secret(env, "DATABASE_URL")
    key_file = env.get("MCPHUB_MASTER_KEY_FILE")
    return Settings(
        home=(home or default_home(env)).absolute(),
        host=bind,
        port=number,
        public_url=public,
        insecure=insecure,
        allowed_hosts=frozenset(hosts),
        allowed_origins=frozenset(origins),
        trusted_proxies=tuple(_words(env, "MCPHUB_TRUSTED_PROXIES")),
        database_url=database,
        database_direct_url=env.get("MCPHUB_DATABASE_DIRECT_URL", "") or database,
        master_keys=_secret(env, "MCPHUB_MASTER_KEYS"),
        master_key_file=Path(key_file) if key_file else None,
        admin_password=_secret(env, "MCPHUB_ADMIN_PASSWORD"),
        key_in_url=_flag(env, "MCPHUB_KEY_IN_URL", default=True),
        egress_allow=tuple(_words(env, "MCPHUB_EGRESS_ALLOW")),
        # The demo server runs on the hub's own interpreter; python3, which is allowed, may be older.
        stdio_commands=frozenset({sys.executable, *_words(env, "MCPHUB_STDIO_COMMANDS")}),
        config_env=config_env,
        stdio_sandbox=env.get("MCPHUB_STDIO_SANDBOX", "auto"),
        traffic_days=_integer(env, "MCPHUB_TRAFFIC_DAYS", 90),
        audit_mode=mode,
        log_level=env.get("MCPHUB_LOG_LEVEL", "info").lower(),
        log_format=env.get("MCPHUB_LOG_FORMAT", ""),
        drain_seconds=float(_integer(env, "MCPHUB_DRAIN_SECONDS", 30)),
        node=env.get("MCPHUB_NODE") or socket.gethostname(),
        # Only these of the hub's environment are ever readable from a settings document.
        hub_variables={name: value for name, value in env.items() if name.startswith("HUB_") or name in config_env},
        unknown=tuple(sorted(name for name in env if name.startswith("MCPHUB_") and name not in KNOWN | SECRET_FILES)),
    )


def _words(env: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in env.get(name, "").split(",") if word.strip()]


def _flag(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = env.get(name, "").lower()
    if value in {"", "1", "true", "on", "yes", "0", "false", "off", "no"}:
        return default if not value else value in {"1", "true", "on", "yes"}
    raise SettingsUnusable(f"{name} is {value!r}; it can be on or off.")


def _integer(env: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(env.get(name) or default)
    except ValueError:
        raise SettingsUnusable(f"{name} is not a whole number.") from None


def _secret(env: Mapping[str, str], name: str) -> str:
    """The value, or the content of the file that `…_FILE` names.

    Raises:
        SettingsUnusable: the file cannot be read, or others may read it.
    """
    named = env.get(f"{name}_FILE")
    if not named:
        return env.get(name, "")
    try:
        mode = Path(named).stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise SettingsUnusable(f"{name}_FILE: others may read {named}; run chmod 600 on it.")
        return Path(named).read_text().strip()
    except OSError as error:
        raise SettingsUnusable(f"{name}_FILE: {named} cannot be read: {error.strerror}.") from None
