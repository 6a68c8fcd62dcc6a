"""A hub's life in commands: what people, administrators and the hub's own roles do, in any order.

An action is its name and a few small numbers that choose whom and what. Ids are fresh for each thing, as in the hub, so
that the same actions give the same facts on every recorder.
"""

from datetime import timedelta

from msgspec.json import encode

from mcphub.domain.actor import acting, system
from mcphub.domain.backups import NoteBackup
from mcphub.domain.codec import decode
from mcphub.domain.env_schedule import ConfigureEnvScheduler, NoteEnvCheck
from mcphub.domain.errors import Refused
from mcphub.domain.events import BackupMade, HubRestored, Scope, ServerRef
from mcphub.domain.findings import Policy
from mcphub.domain.groups import ChangeGroup, CreateGroup, DeleteGroup, SetGroupActive
from mcphub.domain.hub_variables import RemoveHubVariable, SetHubVariable
from mcphub.domain.keys import ChangeKey, ExtendKey, IssueKey, NoteKeyExpired, NoteKeyFirstUsed, RevokeKey, RotateKey
from mcphub.domain.master_keys import NoteMasterKeyRotated
from mcphub.domain.orphans import BATCH, Orphan, PurgeOrphans
from mcphub.domain.seals import DropDay, SealDay
from mcphub.domain.servers import (
    AddServer,
    ApplySettings,
    ChangeServer,
    ChangeSystemConfig,
    RemoveServer,
    RenameServer,
    SetServerAudience,
    SetServerEnabled,
    SetToolDescription,
    SetToolEnabled,
    SetToolName,
)
from mcphub.domain.sign_in import Identity, NoteMemberships, RegisterByProvider, ShutOut, SignInByProvider
from mcphub.domain.tokens import SaveValues, SealedValue
from mcphub.domain.tool_book import definition_of
from mcphub.domain.tools import ApproveTool, Listed, ObserveTools
from mcphub.domain.undo import Undoing, depends_on, inverse
from mcphub.domain.users import (
    CertifyErasure,
    ChangePreferences,
    DeleteUser,
    EraseUser,
    InviteUser,
    RegisterUser,
    RestoreUser,
    SetAdmin,
    SetAuditor,
    SetPassword,
    SetUpAdmin,
    SetUserActive,
    SignIn,
    SignOut,
)
from tests.support.facts import NOW, recorded

OF_THE_LIVING = {"issue_key", "create_group", "sign_out", "prefer"}
PEOPLE = 4  # people, keys and groups of each, servers
CONFIGS = (
    {"url": "https://h.example/mcp", "type": "streamable-http"},
    {"url": "https://h.example/mcp", "type": "streamable-http", "headers": {"Authorization": "Bearer ${USER_TOKEN}"}},
    {"command": "npx", "args": ["-y", "server@1.0.0"], "env": {"TOKEN": "${USER_TOKEN}", "ROOM": "${USER_ROOM}"}},
    {"command": "npx", "args": ["-y", "server@1.0.0"], "enabled": False, "tools": {"search": {"enabled": False}}},
    {"url": "https://h.example/mcp", "type": "streamable-http", "mcphub": {"onToolChange": "quarantine"}},
)
AUDIENCES = ("everyone", {"users": ["name0"]}, {"teams": ["acme/core"], "groups": ["staff"]}, {})
BELONGS = ((), ("core",), ("acme", "core"), ("staff",))
TEXTS = ("", "plain", 'tab\there, "quotes", back\\slash,\nand a line', "지라 🦀 {a,b}")


class Life:
    """Does what it is told to on a hub; `answers` is what came of each action: a position, or a refusal's code.

    Lives with different names on one hub have people and servers of their own.
    """

    def __init__(self, hub, name=""):
        self.hub = hub
        self.name = name
        self.answers = []
        self.now = NOW
        self._made = 0
        self._people = {}  # number → id of the living user
        self._keys = {}  # number of the user → ids of keys
        self._groups = {}
        self._servers = {}  # number → id of the server last added by itself
        self._values = []  # every value ever saved
        self.erased = []

    def run(self, actions):
        for name, who, what, more in actions:
            self.now += timedelta(minutes=1)
            if name in OF_THE_LIVING and who % PEOPLE not in self._people:
                continue  # the API knows its caller
            with acting(system("life")):
                try:
                    for build in getattr(self, name)(who % PEOPLE, what % PEOPLE, more):
                        self.answers.append(self.hub.execute(build).position)
                except Refused as error:
                    self.answers.append(error.code)
        return self

    def fresh(self, kind):
        self._made += 1
        return f"{self.name}{kind}{self._made}"

    def person(self, who):
        return self._people.get(who, f"{self.name}nobody{who}")

    def username(self, who):
        return f"{self.name}name{who}"

    def server(self, number):
        return f"{self.name}server {number}"

    def key(self, who, what):
        keys = self._keys.get(who, [])
        return keys[what % len(keys)] if keys else "nokey"

    def group(self, who, what):
        groups = self._groups.get(who, [])
        return groups[what % len(groups)] if groups else "nogroup"

    # people

    def register(self, who, what, more):
        user, text = self.fresh("u"), f"sealed-{who}"
        yield lambda: RegisterUser(
            user,
            self.username(who),
            text,
            email=TEXTS[what],
            active=more % 3 > 0,
            password="sealed" if more % 2 else None,
        )
        self._people[who] = user

    def set_up(self, who, what, more):
        user = self.fresh("u")
        yield lambda: SetUpAdmin(user, self.username(who), f"sealed-{who}", "v1.p.hash", recover=more % 4 == 0)
        self._people[who] = user

    def activate(self, who, what, more):
        yield lambda: SetUserActive(self.person(who), True, by=self.person(what))

    def deactivate(self, who, what, more):
        yield lambda: SetUserActive(self.person(who), False, by=self.person(what), reason=TEXTS[more % 4])

    def promote(self, who, what, more):
        yield lambda: SetAdmin(self.person(who), True)

    def demote(self, who, what, more):
        yield lambda: SetAdmin(self.person(who), False)

    def appoint_auditor(self, who, what, more):
        yield lambda: SetAuditor(self.person(who), True)

    def dismiss_auditor(self, who, what, more):
        yield lambda: SetAuditor(self.person(who), False)

    def delete(self, who, what, more):
        yield lambda: DeleteUser(self.person(who), by=self.person(what), name_digest=self.username(who))

    def restore(self, who, what, more):
        yield lambda: RestoreUser(self.person(who), name_digest=self.username(who))

    def erase(self, who, what, more):
        user = self.person(who)
        yield lambda: EraseUser(user, by=self.person(what), name_digest=self.username(who))
        self.erased.append(user)
        for place in (self._people, self._keys, self._groups):
            place.pop(who, None)

    def certify(self, who, what, more):
        if self.erased:
            user = self.erased[what % len(self.erased)]
            yield lambda: CertifyErasure(user, more)

    def invite(self, who, what, more):
        yield lambda: InviteUser(self.person(who))

    def set_password(self, who, what, more):
        yield lambda: SetPassword(self.person(who), f"v1.{self.fresh('p')}.hash")

    def sign_in(self, who, what, more):
        session = f"session{what}"
        yield lambda: SignIn(self.person(who), session, kind="script" if more % 2 else "browser")

    def register_elsewhere(self, who, what, more):
        user, identity = self.fresh("u"), Identity("github", "https://h.example", f"{self.name}identity{who}", "sealed")
        profile = {"login": f"sealed-{what}", "email": TEXTS[what]}
        yield lambda: RegisterByProvider(
            user,
            self.username(who),
            f"sealed-{who}",
            identity,
            profile,
            active=more % 3 > 0,
            memberships=BELONGS[what],
        )
        self._people[who] = user

    def sign_in_elsewhere(self, who, what, more):
        profile = {"login": (f"sealed-{what}", f"sealed-{more % PEOPLE}"), "avatar_url": ("", TEXTS[what])}
        yield lambda: SignInByProvider(self.person(who), f"session{what}", profile, BELONGS[more % 4])

    def note_memberships(self, who, what, more):
        yield lambda: NoteMemberships(self.person(who), BELONGS[more % 4])

    def shut_out(self, who, what, more):
        yield lambda: ShutOut(self.person(who), "not_a_member")

    def sign_out(self, who, what, more):
        yield lambda: SignOut(self.person(who), f"session{what}" if more % 3 else "")

    def prefer(self, who, what, more):
        wanted = [{"theme": "dark"}, {"language": "ko", "show_why": True}, {"exposure_mode": "search"}, {}][what]
        yield lambda: ChangePreferences(self.person(who), **wanted, density="compact" if more % 2 else "comfortable")

    # keys

    def issue_key(self, who, what, more):
        key, scope = self.fresh("k"), [None, Scope(), Scope(servers=["s1"]), Scope(groups=["g"], mode="tools")][what]
        yield lambda: IssueKey(
            self.person(who), key, self.now, name=f"key {more % 6}", days=1 + more % 90, digest=f"digest-{key}",
            shown=("abcd", "wxyz"), description=TEXTS[what], header_only=more % 2 > 0, scope=scope,
        )  # fmt: skip
        self._keys.setdefault(who, []).append(key)

    def change_key(self, who, what, more):
        yield lambda: ChangeKey(
            self.person(who), self.key(who, what), self.now, name=f"key {more % 6}", scope=Scope(servers=["s2"])
        )

    def extend_key(self, who, what, more):
        yield lambda: ExtendKey(self.person(who), self.key(who, what), self.now, days=1 + more % 90)

    def rotate_key(self, who, what, more):
        key = self.fresh("k")
        yield lambda: RotateKey(
            self.person(who), self.key(who, what), self.now, successor=key, digest=f"digest-{key}",
            shown=("abcd", "wxyz"), grace_minutes=more % 60,
        )  # fmt: skip
        self._keys.setdefault(who, []).append(key)

    def revoke_key(self, who, what, more):
        yield lambda: RevokeKey(self.person(who), self.key(who, what), self.now)

    def use_key(self, who, what, more):
        yield lambda: NoteKeyFirstUsed(self.person(who), self.key(who, what), self.now)

    def expire_key(self, who, what, more):
        yield lambda: NoteKeyExpired(self.person(who), self.key(who, what), self.now + timedelta(days=91))

    # values

    def save_values(self, who, what, more):
        values = [self._sealed(f"s{what}", name, more) for name in ("TOKEN", "ROOM")[: 1 + more % 2]]
        user = self.person(who)
        self._values += [Orphan(user, value.server_id, value.variable, value.data_key) for value in values]
        yield lambda: SaveValues(user, values, [(f"s{(what + 1) % PEOPLE}", "TOKEN")] if more % 5 == 0 else [])

    def clear_values(self, who, what, more):
        yield lambda: SaveValues(self.person(who), [], [(f"s{what}", "TOKEN"), (f"s{what}", "ROOM")])

    def purge_orphans(self, who, what, more):
        yield lambda: PurgeOrphans(self._values[-BATCH:])

    def schedule_check(self, who, what, more):
        wanted = [{"enabled": True}, {"interval_hours": more}, {"scheduled_time": f"0{what}:{more:02}"}, {}][what]
        yield lambda: ConfigureEnvScheduler({**wanted, "auto_cleanup": more % 2 > 0})

    def check_values(self, who, what, more):
        yield lambda: NoteEnvCheck({"MISSING_KEY": more}, what, 0, NOW + timedelta(days=what) if more % 2 else None)

    # the hub's own variables

    def set_hub_variable(self, who, what, more):
        key = self.fresh("dk")
        yield lambda: SetHubVariable(
            f"HUB_{what}" if more % 5 else "PATH", key, f"v1.{key}.c2VhbGVk", "••••••••", f"print{more % 3}"
        )

    def remove_hub_variable(self, who, what, more):
        yield lambda: RemoveHubVariable(f"HUB_{what}")

    def _sealed(self, server, variable, more):
        key = self.fresh("dk")
        return SealedValue(server, variable, key, f"v1.{key}.c2VhbGVk", "••••••••", f"print{more % 3}")

    # groups

    def create_group(self, who, what, more):
        group, refs = self.fresh("g"), [ServerRef(f"s{number}", self.server(number)) for number in range(what)]
        yield lambda: CreateGroup(
            self.person(who), group, name=f"group {more % 5}", servers=refs, description=TEXTS[more % 4]
        )
        self._groups.setdefault(who, []).append(group)

    def change_group(self, who, what, more):
        refs = [ServerRef(f"s{more % PEOPLE}", "server")]
        yield lambda: ChangeGroup(self.person(who), self.group(who, what), name=f"group {more % 5}", servers=refs)

    def switch_group(self, who, what, more):
        yield lambda: SetGroupActive(self.person(who), self.group(who, what), more % 2 > 0)

    def delete_group(self, who, what, more):
        yield lambda: DeleteGroup(self.person(who), self.group(who, what))

    # servers

    def save_document(self, who, what, more):
        servers = {self.server(number): CONFIGS[(number + more) % 4] for number in range(what)}
        document = {"mcpServers": servers, "x-kept": {"n": more, "text": TEXTS[who]}}
        if more % 2:
            document["systemConfig"] = {"routing": {"n": more}}
        yield lambda: ApplySettings(document, f"sha-{more}", lambda: self.fresh("s"))

    def add_server(self, who, what, more):
        server = self.fresh("s")
        yield lambda: AddServer(server, self.server(what), CONFIGS[more % len(CONFIGS)])
        self._servers[what] = server

    def change_server(self, who, what, more):
        yield lambda: ChangeServer(self.server(what), config=CONFIGS[more % 4])

    def rename_server(self, who, what, more):
        yield lambda: RenameServer(self.server(what), self.server(more % 6))

    def remove_server(self, who, what, more):
        yield lambda: RemoveServer(self.server(what))

    def switch_server(self, who, what, more):
        yield lambda: SetServerEnabled(self.server(what), more % 2 > 0)

    def restrict_server(self, who, what, more):
        yield lambda: SetServerAudience(self.server(what), AUDIENCES[more % 4])

    def switch_tool(self, who, what, more):
        kind = ("tools", "prompts", "resources")[more % 3]
        yield lambda: SetToolEnabled(self.server(what), f"tool{who}", more % 2 > 0, kind=kind)

    def describe_tool(self, who, what, more):
        yield lambda: SetToolDescription(self.server(what), f"tool{who}", TEXTS[more % 4] or None)

    def rename_tool(self, who, what, more):
        wanted = (None, f"named{more % 3}", f"tool{more % PEOPLE}")[more % 3]
        yield lambda: SetToolName(self.server(what), f"tool{who}", wanted, [f"tool{number}" for number in range(2)])

    def observe_tools(self, who, what, more):
        """A list of `more` % 5 tools, one of which says something of its own; without it none is listed any more."""
        server, listed = self._living(what), more % 5
        tools = [Listed(f"tool{number}", _definition(number, TEXTS[who])) for number in range(listed)]
        vanished = [f"tool{number}" for number in range(listed, 5)]
        yield lambda: ObserveTools(server, tools, vanished, self.now)

    def approve_tool(self, who, what, more):
        yield lambda: ApproveTool(self._living(what), f"tool{more % 5}", _definition(more % 5, TEXTS[who]).hash)

    def _living(self, number):
        return self._servers.get(number, f"noserver{number}")

    def change_system(self, who, what, more):
        yield lambda: ChangeSystemConfig({"routing": {"n": more}, "text": TEXTS[who]})

    # what was done

    def undo(self, who, what, more):
        """Of the last facts the one that `more` of them came after."""
        rows = list(self.hub.recorder.read())
        if not rows:
            return
        facts = recorded(*((decode(row.event.data), row.event.tags) for row in rows))
        fact = facts[-1 - more % len(facts)]
        yield taking_back(facts, fact, Undoing(by=self.person(what), now=self.now, policy=Policy()))

    # the other logs

    def seal_day(self, who, what, more):
        log, day = f"{self.name}{('access', 'traffic')[what % 2]}", NOW.date() + timedelta(days=more)
        yield lambda: SealDay(
            log, day, rows=1 + more, sha256=f"{who:064x}", first=what, last=what + more, form=1 + more % 2
        )
        if who % 2:
            yield lambda: DropDay(log, day)

    def note_backup(self, who, what, more):
        """Of one that was made, or of one that this hub was made of."""
        about = {"upto": more, "hash": f"{who:064x}", "made_at": self.now}
        if what % 2:
            yield lambda: NoteBackup(HubRestored(**about, known_upto=more + who))
        else:
            yield lambda: NoteBackup(BackupMade(**about, rows=100 + more, with_keys=who % 2 > 0))

    def rotate_master_key(self, who, what, more):
        yield lambda: NoteMasterKeyRotated(f"k{who + 2}", [f"k{what + 1}"], more)


def taking_back(facts, fact, undoing):
    """The command that takes one of these facts back."""
    wanted = depends_on(fact.event)
    history = [
        one
        for one in facts
        if any(type(one.event) in selector.types and set(selector.tags) <= set(one.tags) for selector in wanted)
    ]
    return inverse(history, fact.position, undoing)


def _definition(number, text):
    """Of tool0 the same always; of the others what is said of them."""
    said = text if number else "first"
    return definition_of(encode({"name": f"tool{number}", "description": said, "inputSchema": {"type": "object"}}))


HELPERS = {"run", "fresh", "person", "username", "server", "key", "group"}
ACTIONS = [name for name in vars(Life) if not name.startswith("_") and name not in HELPERS]

# Everything that can happen, to people and servers of the tour's own.
TOUR = [
    ("set_up", 0, 0, 0), ("register", 1, 1, 1), ("promote", 1, 0, 0), ("demote", 1, 0, 0), ("deactivate", 1, 0, 1),
    ("activate", 1, 0, 0), ("set_password", 1, 0, 0), ("sign_in", 1, 0, 0), ("sign_out", 1, 0, 1),
    ("prefer", 1, 1, 1), ("issue_key", 1, 2, 5), ("change_key", 1, 0, 1), ("extend_key", 1, 0, 9),
    ("use_key", 1, 0, 0), ("rotate_key", 1, 0, 5), ("revoke_key", 1, 1, 0), ("issue_key", 1, 0, 2),
    ("expire_key", 1, 2, 0), ("save_values", 1, 0, 1), ("clear_values", 1, 0, 0), ("save_values", 1, 1, 1),
    ("create_group", 1, 2, 1), ("change_group", 1, 0, 2), ("switch_group", 1, 0, 0), ("switch_group", 1, 0, 1),
    ("create_group", 1, 1, 3), ("delete_group", 1, 1, 0), ("save_document", 2, 3, 1), ("change_server", 0, 2, 2),
    ("change_server", 0, 2, 0), ("switch_server", 0, 0, 0), ("switch_server", 0, 0, 1), ("switch_tool", 1, 0, 0),
    ("switch_tool", 1, 0, 3), ("describe_tool", 1, 0, 1), ("describe_tool", 1, 0, 0), ("rename_server", 0, 1, 5),
    ("restrict_server", 0, 2, 2), ("change_server", 0, 2, 2), ("remove_server", 0, 0, 0), ("change_system", 1, 0, 7),
    ("delete", 1, 0, 0), ("restore", 1, 0, 0), ("erase", 1, 0, 0), ("certify", 0, 0, 3),
    ("register_elsewhere", 3, 1, 1), ("sign_in_elsewhere", 3, 1, 2), ("note_memberships", 3, 0, 3),
    ("appoint_auditor", 3, 0, 0), ("dismiss_auditor", 3, 0, 0), ("shut_out", 3, 0, 0),
    ("sign_in_elsewhere", 3, 2, 3), ("seal_day", 0, 1, 5), ("seal_day", 1, 1, 5), ("save_values", 3, 1, 1),
    ("schedule_check", 0, 0, 1), ("check_values", 0, 2, 1), ("check_values", 0, 2, 2), ("purge_orphans", 0, 0, 0),
    ("set_hub_variable", 0, 1, 1), ("set_hub_variable", 0, 1, 2), ("remove_hub_variable", 0, 1, 0),
    ("add_server", 0, 3, 4), ("observe_tools", 1, 3, 2), ("observe_tools", 2, 3, 3), ("approve_tool", 2, 3, 2),
    ("observe_tools", 2, 3, 1), ("observe_tools", 2, 3, 2),
    ("register", 2, 1, 2), ("invite", 2, 0, 0), ("rename_tool", 1, 3, 1), ("rename_tool", 1, 3, 0),
    ("create_group", 2, 2, 1), ("switch_group", 2, 0, 0), ("delete_group", 2, 0, 0), ("undo", 0, 0, 0),
    ("remove_server", 0, 3, 0), ("undo", 0, 0, 0), ("register", 1, 0, 3), ("activate", 1, 0, 0), ("undo", 0, 0, 0),
    ("rotate_master_key", 0, 0, 3), ("remove_server", 0, 2, 0), ("undo", 0, 0, 0), ("note_backup", 0, 0, 3),
    ("note_backup", 1, 1, 3),
]  # fmt: skip
