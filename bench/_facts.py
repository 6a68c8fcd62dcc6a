"""A year of a hub in facts of every type, as its commands would have recorded them, and into a ledger by COPY.

Most facts are people who sign in, use keys and save values, a few of them far more than others; administrators change
servers, tools and accounts in between. The same number of facts is the same history every time.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import psycopg
from msgspec import Raw

from mcphub.domain import events as facts
from mcphub.domain.codec import TAG_SEPARATOR, encode
from mcphub.domain.events import (
    ADMINS,
    BACKUPS,
    ENV_SCHEDULER,
    MASTER_KEYS,
    SERVERS,
    Event,
    Scope,
    ServerRef,
    env_check_tag,
    group_tag,
    hub_variable_tag,
    identity_tag,
    key_tag,
    seal_tag,
    server_tag,
    session_tag,
    user_tag,
    username_tag,
)
from mcphub.postgres.ledger import FIELD_SEPARATOR

YEAR = timedelta(days=365)
FACTS_OF_A_USER = 100  # on average
SERVERS_IN_USE = 40
TOOLS_OF_A_SERVER = 25
VARIABLES = ("TOKEN", "ACCOUNT", "REGION")
ERA = datetime(1970, 1, 1, tzinfo=UTC)
COPY = "copy ledger (position, id, type, tags, recorded_at, meta, data, hash) from stdin"
ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


class Person:
    """What is known of a user, to do next what a command would not refuse."""

    def __init__(self, user_id: str) -> None:
        self.id = user_id
        self.name = username_tag(sha256(user_id.encode()).hexdigest())
        self.active = False
        self.admin = self.auditor = self.deleted = False
        self.sessions: list[str] = []
        self.keys: list[str] = []
        self.unused: list[str] = []  # of these keys
        self.groups: dict[str, bool] = {}  # id → active
        self.values: dict[tuple[str, str], str] = {}  # (server, variable) → data key

    @property
    def tag(self) -> str:
        return user_tag(self.id)


class Server:
    """What is known of a server."""

    def __init__(self, server_id: str, name: str) -> None:
        self.id = server_id
        self.name = name
        self.enabled = True
        self.tools: dict[str, str] = {}  # name → hash of its definition
        self.waiting: list[tuple[str, str]] = []
        self.tags = [server_tag(server_id), SERVERS]


class Told(NamedTuple):
    event: Event
    tags: list[str]
    actor: str


class Year:
    """Facts one after the other; `now` is when the last one was recorded."""

    def __init__(self, count: int, until: datetime, seed: int = 7) -> None:
        self._dice = random.Random(seed)
        self._count = count
        self._begun = until - YEAR
        self._made = 0
        self.now = self._begun
        self._people: list[Person] = []
        self._servers: list[Server] = []
        self._everybody = max(20, count // FACTS_OF_A_USER)
        self._admin = "system:bootstrap"
        self._variables: list[str] = []
        self._ways: dict[Callable[[], Iterator[Told]], int] = {
            # how often, in ten thousand
            self._sign_in: 3600,
            self._sign_out: 1500,
            self._save_value: 1100,
            self._remove_value: 200,
            self._issue_key: 300,
            self._use_key: 250,
            self._rename_key: 120,
            self._extend_key: 150,
            self._rotate_key: 100,
            self._revoke_key: 100,
            self._expire_key: 120,
            self._make_group: 250,
            self._change_group: 300,
            self._switch_group: 500,
            self._delete_group: 60,
            self._prefer: 300,
            self._sync: 250,
            self._belong: 120,
            self._account: 60,
            self._password: 30,
            self._observe: 250,
            self._switch_tool: 100,
            self._name_tool: 40,
            self._configure: 60,
            self._come_and_go: 10,
            self._system: 40,
            self._day: 30,
            self._look_over: 20,
            self._hub_variable: 20,
            self._new_master_key: 2,
            self._back_up: 4,
        }

    def __iter__(self) -> Iterator[Told]:
        for number in range(SERVERS_IN_USE):
            yield from self._add_server(f"server {number}")
        yield from self._joins(admin=True)
        ways, weights = list(self._ways), list(self._ways.values())
        while True:
            if len(self._people) * self._count < self._everybody * self._made:
                yield from self._joins()
            for way in self._dice.choices(ways, weights, k=50):
                yield from way()

    def told(self) -> Iterator[Told]:
        """So many facts as were asked for, over the whole year."""
        pace = YEAR / self._count
        for fact in self:
            self._made += 1
            self.now = self._begun + self._made * pace
            yield fact
            if self._made == self._count:
                return

    # who and what

    def new_id(self) -> str:
        """Of now, as the hub makes them."""
        return str(UUID(int=self._uuid(self.now)))

    def _uuid(self, at: datetime) -> int:
        millis = int(at.timestamp() * 1000)
        value = (millis << 80 | self._dice.getrandbits(80)) & ~(0xF000 << 64 | 0xC000 << 48)
        return value | 0x7000 << 64 | 0x8000 << 48

    def _sealed(self, size: int) -> str:
        return f"v1.{self.new_id()}.{self._dice.getrandbits(size * 6):x}"[: 40 + size]

    def _digest(self) -> str:
        return f"{self._dice.getrandbits(256):064x}"

    def _someone(self) -> Person:
        """The busiest tenth of the people does half of everything."""
        return self._people[int(len(self._people) * self._dice.random() ** 3.3)]

    def _somewhere(self) -> Server:
        return self._servers[int(len(self._servers) * self._dice.random() ** 2)]

    def _by_admin(self, event: Event, tags: list[str]) -> Told:
        return Told(event, tags, self._admin)

    def _config(self, name: str) -> Raw:
        tools = {f"tool_{n}": {"enabled": False} for n in range(self._dice.randrange(3))}
        config = {"command": "npx", "args": ["-y", name], "env": {v: f"${{USER_{v}}}" for v in VARIABLES}}
        return Raw(encode({**config, "tools": tools, "mcphub": {"onToolChange": "quarantine"}}))

    # what people do

    def _joins(self, *, admin: bool = False) -> Iterator[Told]:
        person = Person(self.new_id())
        self._people.append(person)
        identity = self._digest()
        yield Told(
            facts.UserRegistered(
                user_id=person.id, username=self._sealed(50), display_name=self._sealed(60), email=self._sealed(70),
                provider="oidc", identity=identity, issuer="https://id.example", subject=self._sealed(60),
            ),
            [person.tag, person.name, identity_tag(identity)],
            person.id,
        )  # fmt: skip
        person.active = True
        if admin:
            self._admin, person.admin = person.id, True
        yield self._by_admin(facts.UserActivated(user_id=person.id), [person.tag])
        if admin:
            yield self._by_admin(facts.AdminGranted(user_id=person.id), [person.tag, ADMINS])
        yield from self._issue_key(person)
        yield from self._make_group(person)

    def _sign_in(self) -> Iterator[Told]:
        person, session = self._someone(), self.new_id()
        person.sessions.append(session)
        yield Told(facts.SignedIn(user_id=person.id, session_id=session), [person.tag, session_tag(session)], person.id)

    def _sign_out(self) -> Iterator[Told]:
        person = self._someone()
        if person.sessions:
            session = person.sessions.pop()
            yield Told(
                facts.SignedOut(user_id=person.id, session_id=session), [person.tag, session_tag(session)], person.id
            )

    def _save_value(self) -> Iterator[Told]:
        person, server, variable, data_key = (
            self._someone(), self._somewhere(), self._dice.choice(VARIABLES), self.new_id(),
        )  # fmt: skip
        person.values[server.id, variable] = data_key
        yield Told(
            facts.ServiceTokenSaved(
                user_id=person.id, server_id=server.id, variable=variable, data_key=data_key, sealed=self._sealed(120),
                mask="••••••••", fingerprint=self._digest()[:16],
            ),
            [person.tag, server_tag(server.id)],
            person.id,
        )  # fmt: skip

    def _remove_value(self) -> Iterator[Told]:
        person = self._someone()
        if person.values:
            (server_id, variable), data_key = person.values.popitem()
            yield Told(
                facts.ServiceTokenRemoved(user_id=person.id, server_id=server_id, variable=variable, data_key=data_key),
                [person.tag, server_tag(server_id)],
                person.id,
            )

    def _issued(self, person: Person) -> tuple[str, Told]:
        key = self.new_id()
        person.keys.append(key)
        person.unused.append(key)
        event = facts.KeyIssued(
            key_id=key, user_id=person.id, name="ide", digest=self._digest(), prefix="abcd", last4="wxyz",
            expires_at=self.now + timedelta(days=90), scope=Scope(servers=[self._somewhere().id]),
        )  # fmt: skip
        return key, Told(event, [person.tag, key_tag(key)], person.id)

    def _issue_key(self, person: Person | None = None) -> Iterator[Told]:
        yield self._issued(person or self._someone())[1]

    def _use_key(self) -> Iterator[Told]:
        person = self._someone()
        if person.unused:
            key = person.unused.pop()
            yield Told(facts.KeyFirstUsed(key_id=key, user_id=person.id), [person.tag, key_tag(key)], person.id)

    def _about_key(self, make: Callable[[str, Person], Event]) -> Iterator[Told]:
        person = self._someone()
        if person.keys:
            key = self._dice.choice(person.keys)
            yield Told(make(key, person), [person.tag, key_tag(key)], person.id)

    def _rename_key(self) -> Iterator[Told]:
        yield from self._about_key(lambda key, who: facts.KeyRenamed(key_id=key, user_id=who.id, name="laptop"))

    def _extend_key(self) -> Iterator[Told]:
        until = self.now + timedelta(days=60)
        yield from self._about_key(lambda key, who: facts.KeyExtended(key_id=key, user_id=who.id, expires_at=until))

    def _revoke_key(self) -> Iterator[Told]:
        yield from self._about_key(lambda key, who: facts.KeyRevoked(key_id=key, user_id=who.id))

    def _expire_key(self) -> Iterator[Told]:
        yield from self._about_key(lambda key, who: facts.KeyExpired(key_id=key, user_id=who.id))

    def _rotate_key(self) -> Iterator[Told]:
        person = self._someone()
        if person.keys:
            old = self._dice.choice(person.keys)
            successor, issued = self._issued(person)
            yield issued
            event = facts.KeyRotated(key_id=old, user_id=person.id, successor=successor, grace_until=self.now)
            yield Told(event, [person.tag, key_tag(old), key_tag(successor)], person.id)

    def _refs(self) -> list[ServerRef]:
        return [ServerRef(server.id, server.name) for server in (self._somewhere(), self._somewhere())]

    def _make_group(self, person: Person | None = None) -> Iterator[Told]:
        person, group = person or self._someone(), self.new_id()
        person.groups[group] = True
        event = facts.GroupCreated(
            group_id=group, user_id=person.id, name=f"group {len(person.groups)}", slug=group, servers=self._refs()
        )
        yield Told(event, [person.tag, group_tag(group)], person.id)

    def _about_group(self, make: Callable[[str, Person], Event]) -> Iterator[Told]:
        person = self._someone()
        if person.groups:
            group = self._dice.choice(list(person.groups))
            yield Told(make(group, person), [person.tag, group_tag(group)], person.id)

    def _change_group(self) -> Iterator[Told]:
        refs = self._refs()
        yield from self._about_group(
            lambda group, who: facts.GroupChanged(group_id=group, user_id=who.id, servers=refs)
        )

    def _switch_group(self) -> Iterator[Told]:
        def switched(group: str, who: Person) -> Event:
            who.groups[group] = not who.groups[group]
            kind = facts.GroupActivated if who.groups[group] else facts.GroupDeactivated
            return kind(group_id=group, user_id=who.id)

        yield from self._about_group(switched)

    def _delete_group(self) -> Iterator[Told]:
        def deleted(group: str, who: Person) -> Event:
            del who.groups[group]
            return facts.GroupDeleted(group_id=group, user_id=who.id)

        yield from self._about_group(deleted)

    def _prefer(self) -> Iterator[Told]:
        person, theme = self._someone(), self._dice.choice(("dark", "light"))
        event = facts.UserPreferencesChanged(user_id=person.id, theme=theme, language="ko")
        yield Told(event, [person.tag], person.id)

    def _sync(self) -> Iterator[Told]:
        person = self._someone()
        yield Told(facts.UserProfileSynced(user_id=person.id, email=self._sealed(70)), [person.tag], person.id)

    def _belong(self) -> Iterator[Told]:
        person = self._someone()
        digests = sorted(self._digest() for _ in range(self._dice.randrange(1, 4)))
        event = facts.UserMembershipsChanged(user_id=person.id, memberships=digests)
        yield Told(event, [person.tag], person.id)

    # what administrators do with accounts

    def _account(self) -> Iterator[Told]:
        person = self._dice.choice(self._people)
        if person.id == self._admin:
            return
        mine, about_admins = [person.tag], [person.tag, ADMINS]
        if person.deleted:
            person.deleted = False
            yield self._by_admin(facts.UserRestored(user_id=person.id), [*mine, person.name])
        elif not person.active:
            person.active = True
            yield self._by_admin(facts.UserActivated(user_id=person.id), mine)
        elif person.admin:
            person.admin = False
            yield self._by_admin(facts.AdminRevoked(user_id=person.id), about_admins)
        elif person.auditor:
            person.auditor = False
            yield self._by_admin(facts.AuditorRevoked(user_id=person.id), mine)
        else:
            yield from self._decided(person, self._dice.random())

    def _decided(self, person: Person, dice: float) -> Iterator[Told]:
        mine = [person.tag]
        if dice < 0.3:
            person.active = False
            person.sessions.clear()
            yield self._by_admin(facts.UserDeactivated(user_id=person.id, reason="left the team"), mine)
        elif dice < 0.5:
            person.admin = True
            yield self._by_admin(facts.AdminGranted(user_id=person.id), [*mine, ADMINS])
        elif dice < 0.7:
            person.auditor = True
            yield self._by_admin(facts.AuditorGranted(user_id=person.id), mine)
        elif dice < 0.95:
            person.active, person.deleted = False, True
            yield self._by_admin(facts.UserDeleted(user_id=person.id), [*mine, person.name])
        else:
            self._people.remove(person)
            yield self._by_admin(facts.UserErased(user_id=person.id), [*mine, person.name])
            yield Told(facts.UserKeyDestroyed(user_id=person.id, data_keys=9), mine, "system:erasure")

    def _password(self) -> Iterator[Told]:
        person = self._someone()
        yield self._by_admin(facts.UserInvited(user_id=person.id), [person.tag])
        yield Told(facts.PasswordSet(user_id=person.id, sealed=self._sealed(150)), [person.tag], person.id)

    # what administrators do with servers, and what servers bring

    def _add_server(self, name: str) -> Iterator[Told]:
        server = Server(self.new_id(), name)
        self._servers.append(server)
        slug = f"s{server.id}"
        event = facts.ServerAdded(server_id=server.id, name=name, slug=slug, config=self._config(name))
        yield self._by_admin(event, server.tags)
        for order, variable in enumerate(VARIABLES):
            yield self._by_admin(
                facts.SecretSlotDeclared(
                    server_id=server.id, variable=variable, name=f"USER_{variable}", placements=["env"],
                    label=variable.title(), sort_order=order,
                ),
                server.tags,
            )  # fmt: skip
        for number in range(TOOLS_OF_A_SERVER):
            yield self._discovered(server, f"tool_{number}")

    def _definition(self, tool: str) -> Raw:
        schema = {"type": "object", "properties": {f"field_{n}": {"type": "string"} for n in range(6)}}
        text = f"What {tool} does, in {self._dice.randrange(1000)} words of its server. " * 3
        return Raw(encode({"name": tool, "description": text, "inputSchema": schema}))

    def _seen(self, server: Server, event: Event) -> Told:
        return Told(event, server.tags[:1], "system:tools")

    def _discovered(self, server: Server, tool: str) -> Told:
        server.tools[tool] = hash_ = self._digest()
        event = facts.ToolDiscovered(
            server_id=server.id, tool=tool, hash=hash_, seen=self.now, definition=self._definition(tool)
        )
        return self._seen(server, event)

    def _observe(self) -> Iterator[Told]:
        server, dice = self._somewhere(), self._dice.random()
        if server.waiting and dice < 0.4:
            tool, hash_ = server.waiting.pop()
            event = facts.ToolApproved(server_id=server.id, tool=tool, hash=hash_)
            yield self._by_admin(event, server.tags[:1])
        elif dice < 0.85:
            tool = self._dice.choice(list(server.tools))
            former, hash_ = server.tools[tool], self._digest()
            server.tools[tool] = hash_
            server.waiting.append((tool, hash_))
            yield self._seen(
                server,
                facts.ToolChanged(
                    server_id=server.id, tool=tool, hash=hash_, former=former, seen=self.now,
                    definition=self._definition(tool),
                ),
            )  # fmt: skip
            event = facts.ToolQuarantined(server_id=server.id, seen=self.now, tool=tool, hash=hash_)
            yield self._seen(server, event)
        else:
            tool = self._dice.choice(list(server.tools))
            yield self._seen(server, facts.ToolWithdrawn(server_id=server.id, tool=tool, seen=self.now))
            yield self._discovered(server, tool)

    def _switch_tool(self) -> Iterator[Told]:
        server, tool = self._somewhere(), f"tool_{self._dice.randrange(TOOLS_OF_A_SERVER)}"
        kind = self._dice.choice((facts.ToolEnabled, facts.ToolDisabled))
        yield self._by_admin(kind(server_id=server.id, tool=tool), server.tags)

    def _name_tool(self) -> Iterator[Told]:
        server, number = self._somewhere(), self._dice.randrange(TOOLS_OF_A_SERVER)
        tool, dice = f"tool_{number}", self._dice.random()
        if dice < 0.3:
            text = "Says what it is for."
            event = facts.ToolDescriptionOverridden(server_id=server.id, tool=tool, description=text)
        elif dice < 0.5:
            event = facts.ToolOverrideReset(server_id=server.id, tool=tool)
        elif dice < 0.8:
            event = facts.ToolRenamed(server_id=server.id, tool=tool, name=f"given_{number}")
        else:
            event = facts.ToolNameReset(server_id=server.id, tool=tool)
        yield self._by_admin(event, server.tags)

    def _configure(self) -> Iterator[Told]:
        server, dice = self._somewhere(), self._dice.random()
        if dice < 0.35:
            server.enabled = not server.enabled
            kind = facts.ServerEnabled if server.enabled else facts.ServerDisabled
            yield self._by_admin(kind(server_id=server.id), server.tags)
        elif dice < 0.7:
            yield self._by_admin(
                facts.ServerChanged(server_id=server.id, config=self._config(server.name)), server.tags
            )
        elif dice < 0.96:
            audience = Raw(encode({"groups": ["staff"]} if dice < 0.8 else None))
            yield self._by_admin(facts.ServerAudienceChanged(server_id=server.id, audience=audience), server.tags)
        else:
            old, server.name = server.name, f"{server.name.split('.')[0]}.{self._dice.randrange(1000)}"
            if any(other.name == server.name for other in self._servers if other is not server):
                server.name = old
                return
            event = facts.ServerRenamed(server_id=server.id, old_name=old, name=server.name)
            yield self._by_admin(event, server.tags)

    def _come_and_go(self) -> Iterator[Told]:
        server = self._servers.pop(self._dice.randrange(len(self._servers)))
        for variable in VARIABLES:
            yield self._by_admin(facts.SecretSlotRetired(server_id=server.id, variable=variable), server.tags)
        yield self._by_admin(facts.ServerRemoved(server_id=server.id, name=server.name), server.tags)
        yield from self._add_server(f"newer {server.id[-12:]}")

    def _system(self) -> Iterator[Told]:
        config = Raw(encode({"routing": {"enableGlobalRoute": self._dice.random() < 0.5}}))
        yield self._by_admin(facts.SystemConfigChanged(config=config), [SERVERS])
        yield self._by_admin(
            facts.SettingsFileImported(
                sha256=self._digest(), members=["mcpServers", "systemConfig"], order=[one.id for one in self._servers]
            ),
            [SERVERS],
        )

    # what the hub does by itself

    def _day(self) -> Iterator[Told]:
        day = date.fromordinal(self.now.toordinal() - 1)
        log = self._dice.choice(("access", "traffic"))
        tags, by = [seal_tag(log, day)], "system:seals"
        if self._dice.random() < 0.5:
            yield Told(facts.DaySealed(log=log, day=day, rows=9, sha256=self._digest(), first=1, last=9), tags, by)
        else:
            yield Told(facts.DayDropped(log=log, day=day), tags, by)

    def _look_over(self) -> Iterator[Told]:
        if self._dice.random() < 0.1:
            event = facts.EnvSchedulerConfigured(
                enabled=True, interval_hours=24, auto_cleanup=False, max_orphaned_keys=50, scheduled_time="02:00"
            )
            yield self._by_admin(event, [ENV_SCHEDULER])
        due = self.now
        checked = facts.EnvVarsChecked(issues={"MISSING_KEY": 3}, orphaned=1, due=due)
        yield Told(checked, [ENV_SCHEDULER, env_check_tag(due)], "system:env-check")

    def _new_master_key(self) -> Iterator[Told]:
        event = facts.MasterKeyRotated(key_id=self._digest()[:16], retired=[self._digest()[:16]], rewrapped=900)
        yield Told(event, [MASTER_KEYS], "system:cli")

    def _back_up(self) -> Iterator[Told]:
        upto, hash_ = self._made, self._digest()
        made = facts.BackupMade(upto=upto, hash=hash_, rows=9 * upto, with_keys=False, made_at=self.now)
        yield Told(made, [BACKUPS], "system:cli")
        if self._dice.random() < 0.1:
            restored = facts.HubRestored(upto=upto, hash=hash_, made_at=self.now, known_upto=upto)
            yield Told(restored, [BACKUPS], "system:cli")

    def _hub_variable(self) -> Iterator[Told]:
        if self._variables and self._dice.random() < 0.4:
            name = self._variables.pop()
            yield self._by_admin(facts.HubVariableRemoved(name=name, data_key=self.new_id()), [hub_variable_tag(name)])
        else:
            name = f"HUB_{self._dice.randrange(30)}"
            if name not in self._variables:
                self._variables.append(name)
            event = facts.HubVariableSet(
                name=name, data_key=self.new_id(), sealed=self._sealed(80), mask="••••••••", fingerprint="0123456789ab"
            )
            yield self._by_admin(event, [hub_variable_tag(name)])

    def meta(self, actor: str) -> bytes:
        """The rest of the envelope of somebody's fact."""
        if actor.startswith("system:"):
            return encode({"actor": actor, "actor_kind": "system", "source": "system"})
        return encode(
            {
                "actor": actor,
                "source": "ui",
                "ip": self._sealed(54),
                "ua": self._sealed(184),
                "request_id": self.new_id(),
                "command": "Bench",
            }
        )


def fill(owner: psycopg.Connection, count: int, until: datetime) -> None:
    """Into an empty ledger, chained as `ledger_append` chains them; indexes are made when the rows are there.

    Args:
        owner: as the owner of the ledger, autocommit.
    """
    year = Year(count, until)
    hash_, position = sha256(b"").digest(), 0
    with owner.transaction():
        indexes = owner.execute(
            "select indexname, indexdef from pg_indexes where tablename = 'ledger' and indexname like 'ledger\\_%'"
            " and indexname not in (select conname from pg_constraint)"
        ).fetchall()
        for name, _ in indexes:
            owner.execute(f"drop index {name}")  # type: ignore[call-overload]
        with owner.cursor() as cursor, cursor.copy(COPY) as copy:
            for position, (event, tags, actor) in enumerate(year.told(), 1):
                id_, micros = year.new_id(), (year.now - ERA) // timedelta(microseconds=1)
                meta, data, tags = year.meta(actor).decode(), encode(event).decode(), sorted(set(tags))
                fields = (event.TOPIC, TAG_SEPARATOR.join(tags), str(micros), meta, data)
                link = hash_ + position.to_bytes(8, "big") + bytes.fromhex(id_.replace("-", ""))
                hash_ = sha256(link + FIELD_SEPARATOR.join(fields).encode()).digest()
                listed = "{" + ",".join(f'"{tag}"' for tag in tags) + "}"
                row = (position, id_, event.TOPIC, listed, year.now.isoformat(), meta, data, f"\\x{hash_.hex()}")
                copy.write("\t".join([str(value).translate(ESCAPES) for value in row]) + "\n")
        owner.execute("update ledger_head set position = %s, recorded_at = %s, hash = %s", (position, year.now, hash_))
        for _, definition in indexes:
            owner.execute(definition)  # type: ignore[call-overload]
