"""Whatever people do to each other, in whatever order: the contract's rules hold, and nothing but the ledger counts.

One machine gives random commands, refused ones among them, to a hub and to a book that was written from the contract.
Both must refuse the same, change the same, and let the same keys and people see the same servers after each step.
"""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from mcphub.domain.access import AccessModel, Principal, View, visible_servers
from mcphub.domain.actor import acting, system
from mcphub.domain.codec import Recorded, decode
from mcphub.domain.errors import Refused
from mcphub.domain.events import Scope, ServerRef
from mcphub.domain.groups import ChangeGroup, CreateGroup, DeleteGroup, SetGroupActive
from mcphub.domain.hub import Hub
from mcphub.domain.keys import ChangeKey, ExtendKey, IssueKey, NoteKeyExpired, NoteKeyFirstUsed, RevokeKey, RotateKey
from mcphub.domain.servers import (
    AddServer,
    ChangeServer,
    RemoveServer,
    RenameServer,
    SetServerAudience,
    SetServerEnabled,
)
from mcphub.domain.sign_in import Identity, NoteMemberships, RegisterByProvider, ShutOut, SignInByProvider
from mcphub.domain.tokens import SaveValues, SealedValue
from mcphub.domain.users import (
    CertifyErasure,
    ChangePreferences,
    DeleteUser,
    EraseUser,
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
from mcphub.postgres.ledger import verify
from mcphub.projections.rebuild import check, rebuild
from mcphub.projections.tables import all_projections, apply_batch, head, read_facts
from tests.support.book import MOST_KEYS, Book, folded
from tests.support.facts import NOW

NAMES = ("ann", "Ann", "bob", "cleo", "Dan")
KEY_NAMES = ("ide", "IDE", " laptop ", "", "x" * 101, *(f"key {number}" for number in range(9)))
GROUP_NAMES = ("Ops", "ops", "caf\u00e9", "cafe\u0301 ", "", "g" * 101)
SERVERS = ("jira", "wiki", "crawl")
WHO = st.integers(0, 6)
WHICH = st.integers(0, 11)
SOME_SERVERS = st.lists(st.integers(0, 3), max_size=3)
ISSUER = "https://h.example"
BELONGS = st.sets(
    st.sampled_from([("organization", "acme"), ("team", "acme/core"), ("group", "staff"), ("group", "Staff")])
)
AUDIENCES = st.one_of(
    st.just("everyone"),
    st.builds(  # the order of members is part of a document
        lambda users, organizations, teams, groups: {
            "users": users,
            "organizations": organizations,
            "teams": teams,
            "groups": groups,
        },
        st.lists(st.sampled_from(NAMES), max_size=2),
        st.sampled_from([[], ["acme"], ["ACME"]]),
        st.sampled_from([[], ["acme/core"]]),
        st.sampled_from([[], ["staff"]]),
    ),
)


def member_digest(user, issuer, kind, name):
    """As the vault compares: organisations and teams in any case, groups letter for letter."""
    return f"{user} {issuer} {kind} {name if kind == 'group' else name.casefold()}"


def digests_of(user, belongs):
    return sorted(member_digest(user, ISSUER, *one) for one in belongs)


class People(RuleBasedStateMachine):
    """`hub` is where commands go; without one each run has a hub of its own in memory."""

    base = None  # a database of the hub

    def __init__(self):
        super().__init__()
        self.book = Book()
        self.model = self.access_model()
        if self.base is None:
            self.hub = Hub()
        else:
            self.base.empty()
            self.hub = self.base.hub
        self.made = 0
        self.groups_ever = []
        self.keys_ever = []
        self.administered = False
        self.agreed = True

    def access_model(self):
        return AccessModel(folded, member_digest)

    def facts(self, after=0):
        if self.base is not None:
            return read_facts(self.base.app, after, 100_000)
        return [
            Recorded(
                position=row.position,
                at=NOW + timedelta(seconds=row.position),
                event=decode(row.event.data),
                meta=system("test"),
                tags=tuple(row.event.tags),
            )
            for row in self.hub.recorder.read(after=after)
        ]

    # how a command is given

    def give(self, build, command, *arguments, writes_when_same=False, **more):
        """To the hub and to the book; both must refuse it by the same rule, or say alike whether something changed."""
        self.agreed = False
        before = self.book.facts()
        expected = getattr(self.book, command)(*arguments, **more)
        changes = self.book.facts() != before
        try:
            with acting(system("people")):
                done = self.hub.execute(build)
            code = ""
        except Refused as refusal:
            code, done = refusal.code, None
        assert code in (expected or {""}), f"{command} said {code or 'yes'!r}, the contract {expected or 'yes'!r}"
        if done is not None:
            assert done.changed == changes or writes_when_same, f"{command}: a fact {done.changed}, a change {changes}"
        for fact in self.facts(self.model.position):
            self.model.apply(fact)
        self.agreed = True

    def fresh(self, kind):
        self.made += 1
        return f"{kind}{self.made}"

    def user(self, who):
        """Anybody ever known, erased ones among them, and now and then nobody."""
        known = [*self.book.users, "nobody"]
        return known[who % len(known)]

    def living(self, who):
        """Somebody who can have asked for something: the API knows its caller."""
        known = [user for user, kept in self.book.users.items() if not kept["erased"]]
        return known[who % len(known)] if known else "nobody"

    def key(self, user, which):
        """One of the user's keys, or somebody's, or none."""
        own = [key for key, kept in self.book.keys.items() if kept["owner"] == user]
        known = [*own, *self.keys_ever, "nokey"]
        return known[which % len(known)]

    def group(self, user, which):
        own = [group for group, kept in self.book.groups.items() if kept["owner"] == user]
        known = [*own, *self.groups_ever, "nogroup"]
        return known[which % len(known)]

    def refs(self, numbers):
        living = [(server, kept["name"]) for server, kept in self.book.servers.items()]
        return [living[number % len(living)] for number in numbers] if living else []

    def config(self, enabled, visibility, owner, audience):
        """(as the document has it, as the book notes it)"""
        document = {"command": "node", "enabled": enabled, "visibility": visibility, "owner": owner}
        noted = {"enabled": enabled, "visibility": visibility, "owner": owner, "audience": audience}
        return {**document, "mcphub": {"audience": audience}}, noted

    # beginnings

    @initialize(lived_in=st.integers(0, 4))
    def a_hub_with_people_and_servers(self, lived_in):
        """Mostly one where each has groups, and old keys beside new ones: what follows gets further then."""
        if not lived_in:
            return
        self.set_up("ann", recover=False)
        for name in ("bob", "cleo")[: lived_in - 1]:
            self.register(name, active=True, admin=False)
        for name in SERVERS[:2]:
            self.add_server(name, True, "public", "ann", "everyone")
        for who in range(lived_in % 3 + 1):
            self.create_group(who, "Ops", [0, 1])
            self.issue_many(who, 5 * (lived_in % 2 + 1), 1)
        self.time_passes(25)

    # users

    @rule(name=st.sampled_from(NAMES), recover=st.booleans())
    def set_up(self, name, recover):
        user = self.fresh("u")
        self.give(
            lambda: SetUpAdmin(user, folded(name), "sealed", "sealed", recover=recover),
            "set_up", user, name, recover=recover,
        )  # fmt: skip

    @rule(name=st.sampled_from(NAMES), active=st.booleans(), admin=st.integers(0, 5).map(lambda n: n == 0))
    def register(self, name, active, admin):
        user = self.fresh("u")
        self.give(
            lambda: RegisterUser(user, folded(name), "sealed", active=active, admin=admin),
            "register", user, name, active=active, admin=admin,
        )  # fmt: skip

    @rule(name=st.sampled_from(NAMES), subject=st.integers(0, 2), active=st.booleans(), belongs=BELONGS)
    def register_elsewhere(self, name, subject, active, belongs):
        user, identity = self.fresh("u"), Identity("github", ISSUER, f"subject {subject}", "sealed")
        said = digests_of(user, belongs)
        self.give(
            lambda: RegisterByProvider(user, folded(name), "sealed", identity, {}, active=active, memberships=said),
            "register", user, name, active=active, identity=identity.digest, belongs=belongs,
        )  # fmt: skip

    @rule(who=WHO, by=WHO)
    def activate(self, who, by):
        user, by = self.user(who), self.user(by)
        self.give(lambda: SetUserActive(user, True, by=by), "activate", user)

    @rule(who=WHO, by=WHO)
    def deactivate(self, who, by):
        user, by = self.user(who), self.user(by)
        self.give(lambda: SetUserActive(user, False, by=by), "deactivate", user, by)

    @rule(who=WHO, admin=st.booleans())
    def set_admin(self, who, admin):
        user = self.user(who)
        self.give(lambda: SetAdmin(user, admin), "set_admin", user, admin)

    @rule(who=WHO, auditor=st.booleans())
    def set_auditor(self, who, auditor):
        user = self.user(who)
        self.give(lambda: SetAuditor(user, auditor), "set_auditor", user, auditor)

    @rule(who=WHO, by=WHO)
    def delete(self, who, by):
        user, by = self.user(who), self.user(by)
        self.give(lambda: DeleteUser(user, by=by, name_digest=self.name_of(user)), "delete", user, by)

    @rule(who=WHO)
    def restore(self, who):
        user = self.user(who)
        self.give(lambda: RestoreUser(user, name_digest=self.name_of(user)), "restore", user)

    @rule(who=WHO, by=WHO)
    def erase(self, who, by):
        user, by = self.user(who), self.user(by)
        name = self.name_of(user)
        self.give(lambda: EraseUser(user, by=by, name_digest=name), "erase", user, by)

    def name_of(self, user):
        return folded(self.book.users[user]["name"]) if user in self.book.users else ""

    @rule(who=WHO)
    def certify(self, who):
        user = self.user(who)
        self.give(lambda: CertifyErasure(user, 3), "certify", user)

    @rule(who=WHO)
    def set_password(self, who):
        user = self.user(who)
        self.give(lambda: SetPassword(user, "sealed"), "set_password", user)

    @rule(who=WHO)
    def sign_in(self, who):
        user, session = self.user(who), self.fresh("session")
        self.give(lambda: SignIn(user, session), "sign_in", user, session)

    @rule(who=WHO, belongs=st.one_of(st.none(), BELONGS))
    def sign_in_elsewhere(self, who, belongs):
        """None: the provider did not say."""
        user, session = self.user(who), self.fresh("session")
        if not self.book.users.get(user, {"identity": ""})["identity"]:
            belongs = None
        said = None if belongs is None else digests_of(user, belongs)
        self.give(lambda: SignInByProvider(user, session, {}, said), "sign_in_elsewhere", user, session, belongs)

    @rule(who=WHO, belongs=BELONGS)
    def note_memberships(self, who, belongs):
        user = self.user(who)
        self.give(lambda: NoteMemberships(user, digests_of(user, belongs)), "note_memberships", user, belongs)

    @rule(who=WHO)
    def shut_out(self, who):
        user = self.user(who)
        self.give(lambda: ShutOut(user, "not_a_member"), "shut_out", user)

    @rule(who=WHO, which=st.integers(0, 2))
    def sign_out(self, who, which):
        user = self.living(who)
        if user in self.book.users:
            sessions = sorted(self.book.users[user]["sessions"])
            session = (["", "nosession", *sessions])[which % (2 + len(sessions))]
            self.give(lambda: SignOut(user, session), "sign_out", user, session)

    @rule(who=WHO, mode=st.sampled_from(["tools", "search"]), why=st.booleans())
    def prefer(self, who, mode, why):
        user = self.living(who)
        if user in self.book.users:
            wanted = {"exposure_mode": mode, "show_why": why}
            self.give(lambda: ChangePreferences(user, **wanted), "prefer", user, **wanted)

    # keys

    @rule(who=WHO, name=st.sampled_from(KEY_NAMES), days=st.sampled_from([0, 1, 2, 30, 90, 91]), scope=st.none())
    def issue(self, who, name, days, scope):
        user, key = self.user(who), self.fresh("k")
        if user == "nobody":
            return  # the API knows its caller; who was erased a moment ago is refused
        narrowed = scope and Scope(**scope)
        self.keys_ever.append(key)
        self.give(
            lambda: IssueKey(
                user, key, self.book.now, name=name, days=days, digest=f"digest {key}", shown=("a", "z"), scope=narrowed
            ),
            "issue", user, key, name, days, scope,
        )  # fmt: skip

    @rule(who=WHO, days=st.sampled_from([1, 90]), servers=SOME_SERVERS, groups=st.lists(WHICH, max_size=2), both=WHO)
    def issue_narrowed(self, who, days, servers, groups, both):
        user = self.user(who)
        scope = {
            "servers": [server for server, _ in self.refs(servers)] if both % 3 != 1 else None,
            "groups": [self.group(user, which) for which in groups] if both % 3 != 2 else None,
        }
        self.issue(who, f"narrow {self.made}", days, scope)

    @rule(who=WHO, many=st.integers(2, 11), days=st.sampled_from([1, 90]))
    def issue_many(self, who, many, days):
        for _ in range(many):
            self.issue(who, f"one of many {self.made}", days, None)

    @rule(who=WHO, which=WHICH, name=st.sampled_from(KEY_NAMES))
    def change_key(self, who, which, name):
        user = self.living(who)
        key = self.key(user, which)
        self.give(lambda: ChangeKey(user, key, self.book.now, name=name), "change_key", user, key, name)

    @rule(who=WHO, which=WHICH, days=st.sampled_from([0, 1, 90, 91]))
    def extend(self, who, which, days):
        user = self.living(who)
        key = self.key(user, which)
        self.give(lambda: ExtendKey(user, key, self.book.now, days=days), "extend", user, key, days)

    @rule(who=WHO, days=st.sampled_from([1, 90]))
    def extend_all(self, who, days):
        user = self.living(who)
        for key in [key for key, kept in self.book.keys.items() if kept["owner"] == user]:
            self.give(lambda key=key: ExtendKey(user, key, self.book.now, days=days), "extend", user, key, days)

    @rule(who=WHO, which=WHICH, minutes=st.sampled_from([-1, 0, 10, 1440, 1441]))
    def rotate(self, who, which, minutes):
        user, successor = self.living(who), self.fresh("k")
        key = self.key(user, which)
        self.keys_ever.append(successor)
        self.give(
            lambda: RotateKey(
                user, key, self.book.now, successor=successor, digest=f"digest {successor}", shown=("a", "z"),
                grace_minutes=minutes,
            ),
            "rotate", user, key, successor, minutes,
        )  # fmt: skip

    @rule(who=WHO, which=WHICH)
    def revoke(self, who, which):
        user = self.living(who)
        key = self.key(user, which)
        self.give(lambda: RevokeKey(user, key, self.book.now), "revoke", user, key)

    @rule(who=WHO, which=WHICH)
    def note(self, who, which):
        user = self.user(who)
        key = self.key(user, which)
        self.give(lambda: NoteKeyFirstUsed(user, key, self.book.now), "use", user, key)
        self.give(lambda: NoteKeyExpired(user, key, self.book.now), "note_expired", user, key)

    # groups

    @rule(who=WHO, name=st.sampled_from(GROUP_NAMES), servers=SOME_SERVERS)
    def create_group(self, who, name, servers):
        user, group, refs = self.user(who), self.fresh("g"), self.refs(servers)
        if user == "nobody":
            return
        self.groups_ever.append(group)
        self.give(
            lambda: CreateGroup(user, group, name=name, servers=[ServerRef(*ref) for ref in refs]),
            "create_group", user, group, name, refs,
        )  # fmt: skip

    @rule(who=WHO, which=WHICH, name=st.sampled_from(GROUP_NAMES), servers=SOME_SERVERS)
    def change_group(self, who, which, name, servers):
        user = self.user(who)
        group, refs = self.group(user, which), self.refs(servers)
        self.give(
            lambda: ChangeGroup(user, group, name=name, servers=[ServerRef(*ref) for ref in refs]),
            "change_group", user, group, name, refs,
            writes_when_same=True,  # entries are noted by the names servers had
        )  # fmt: skip

    @rule(who=WHO, which=WHICH, active=st.booleans())
    def switch_group(self, who, which, active):
        user = self.user(who)
        group = self.group(user, which)
        self.give(lambda: SetGroupActive(user, group, active), "switch_group", user, group, active)

    @rule(who=WHO, which=WHICH)
    def delete_group(self, who, which):
        user = self.user(who)
        group = self.group(user, which)
        self.give(lambda: DeleteGroup(user, group), "delete_group", user, group)

    # values

    @rule(who=WHO, server=st.integers(0, 3), value=st.sampled_from(["one", "two", None]), both=st.booleans())
    def save(self, who, server, value, both):
        user, server = self.user(who), ([*self.book.servers, "gone"])[server % (1 + len(self.book.servers))]
        places = [(server, "TOKEN"), *([(server, "ROOM")] if both else [])]
        sealed = [
            SealedValue(*place, self.fresh("dk"), "v1.sealed", "••••", value) for place in places if value is not None
        ]
        clear = places if value is None else []
        self.give(lambda: SaveValues(user, sealed, clear), "save", user, dict.fromkeys(places, value))

    # servers

    @rule(
        name=st.sampled_from(SERVERS),
        enabled=st.booleans(),
        visibility=st.sampled_from(["public", "public", "private", "group"]),
        owner=st.sampled_from(NAMES),
        audience=AUDIENCES,
    )
    def add_server(self, name, enabled, visibility, owner, audience):
        server = self.fresh("s")
        document, noted = self.config(enabled, visibility, owner, audience)
        self.give(lambda: AddServer(server, name, document), "add_server", server, name, noted)

    @rule(
        name=st.sampled_from(SERVERS),
        enabled=st.booleans(),
        visibility=st.sampled_from(["public", "public", "private", "group"]),
        owner=st.sampled_from(NAMES),
        audience=AUDIENCES,
    )
    def change_server(self, name, enabled, visibility, owner, audience):
        document, noted = self.config(enabled, visibility, owner, audience)
        self.give(lambda: ChangeServer(name, config=document), "change_server", name, noted)

    @rule(name=st.sampled_from(SERVERS), audience=AUDIENCES)
    def restrict_server(self, name, audience):
        self.give(lambda: SetServerAudience(name, audience), "restrict_server", name, audience)

    @rule(name=st.sampled_from(SERVERS), enabled=st.booleans())
    def switch_server(self, name, enabled):
        self.give(lambda: SetServerEnabled(name, enabled), "switch_server", name, enabled)

    @rule(name=st.sampled_from(SERVERS), new=st.sampled_from(SERVERS))
    def rename_server(self, name, new):
        self.give(lambda: RenameServer(name, new), "rename_server", name, new)

    @rule(name=st.sampled_from(SERVERS))
    def remove_server(self, name):
        self.give(lambda: RemoveServer(name), "remove_server", name)

    @rule(name=st.sampled_from(SERVERS), new=st.sampled_from(SERVERS))
    def another_server_takes_the_name(self, name, new):
        """And has a name of its own later: groups that named the old one follow the new one."""
        self.remove_server(name)
        self.add_server(name, True, "public", "ann", "everyone")
        self.rename_server(name, new)

    # time

    @rule(hours=st.sampled_from([0.1, 1, 25, 24 * 29, 24 * 31, 24 * 91]))
    def time_passes(self, hours):
        self.book.now += timedelta(hours=hours)

    # what must hold

    @invariant()
    def somebody_administers(self):
        admins = [user for user in self.model.users.values() if user.admin]
        self.administered = self.administered or bool(admins)
        assert not self.administered or admins
        assert all(user.active and not user.deleted and not user.erased for user in admins)
        assert {user.user_id for user in admins} == set(self.book.admins())

    @invariant()
    def people_are_as_they_should_be(self):
        for user, kept in self.book.users.items():
            known = self.model.users[user]
            for name in ("active", "admin", "auditor", "deleted", "erased"):
                assert getattr(known, name) == kept[name], f"{user} {name}"
            assert set(known.sessions) == kept["sessions"]
        living = [user.name_digest for user in self.model.users.values() if not user.erased]
        assert len(living) == len(set(living))

    @invariant()
    def keys_open_what_they_should(self):
        now = self.book.now
        for key in self.keys_ever:
            opened = self.model.authenticate(f"digest {key}", now)
            wanted = Principal(self.book.keys[key]["owner"], key) if self.book.opens(key) else None
            assert opened == wanted, key
        for user in self.book.users:
            held = self.model.keys_of.get(user, {}).values()
            counted = [key.name.casefold() for key in held if key.usable(now) and key.grace_until is None]
            assert len(counted) <= MOST_KEYS
            assert len(counted) == len(set(counted)), f"two keys of {user} have one name"

    @invariant()
    def everybody_sees_their_servers(self):
        for user in self.book.users:
            assert self.seen(Principal(user)) == self.book.visible(user), user
        for key, kept in self.book.keys.items():
            wanted = self.book.visible(kept["owner"], scope=kept["scope"]) if self.book.opens(key) else set()
            assert self.seen(Principal(kept["owner"], key)) == wanted, key
        for group, kept in self.book.groups.items():
            owner = kept["owner"]
            assert self.seen(Principal(owner), View("group", group)) == self.book.visible(owner, group=group), group

    def seen(self, principal, view=View()):  # noqa: B008  frozen
        return {server.server_id for server in visible_servers(self.model, principal, self.book.now, view)}

    @invariant()
    def values_are_where_they_should_be(self):
        stored = {
            (user, server, variable): value.fingerprint
            for user, servers in self.model.credentials.items()
            for server, values in servers.items()
            for variable, value in values.items()
        }
        assert stored == self.book.values

    def teardown(self):
        """Nothing but the ledger counts: what was kept up fact by fact is what is made anew from the first."""
        if not self.agreed:
            return  # the first thing that was wrong is what is reported
        anew = self.access_model()
        for fact in self.facts():
            anew.apply(fact)
        for name in ("users", "keys", "groups_of", "user_by_name", "user_by_identity", "position"):
            assert getattr(anew, name) == getattr(self.model, name), name
        assert filled(anew.credentials) == filled(self.model.credentials)
        assert anew.settings.document() == self.model.settings.document()
        erased = {user for user, kept in self.book.users.items() if kept["erased"]}
        for user in erased:
            assert anew.users[user].erased
            assert not anew.keys_of.get(user)
            assert not anew.groups_of.get(user)
            assert not anew.credentials.get(user)
        if self.base is not None:
            self.tables_made_anew(erased)

    def tables_made_anew(self, erased):
        db = self.base.app
        while apply_batch(db, all_projections()) < head(db):
            pass
        rows = self.base.rows()
        assert check(db, all_projections()) == {}
        rebuild(db, all_projections())
        assert self.base.rows() == rows
        assert verify(db).broken_at is None
        for table in ("users", "keys", "groups", "credentials"):
            kept = {user for (user,) in db.execute(f"select distinct user_id from read.{table}")}
            assert not kept & erased, table


def filled(credentials):
    """Without the empty places that cleared values leave."""
    return {
        user: {server: values for server, values in servers.items() if values}
        for user, servers in credentials.items()
        if any(servers.values())
    }


def quickly(examples, steps, *phases):
    # Without Phase.explain: it traces every line, which takes longer than the rest.
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate, *phases),
    )


def lengths(short, long):
    """(examples, steps): in every run, and asked for with -m soak."""
    soak = pytest.mark.soak
    return pytest.mark.parametrize(
        ("examples", "steps"), [pytest.param(*short, id="short"), pytest.param(*long, id="long", marks=soak)]
    )


@pytest.mark.slow
@lengths(short=(120, 50), long=(5000, 80))
def test_people_in_memory(examples, steps):
    run_state_machine_as_test(People, settings=quickly(examples, steps, Phase.shrink))


@pytest.mark.slow
@lengths(short=(12, 50), long=(300, 80))
def test_people_on_postgresql(bases, examples, steps):
    """Making a failing history smaller takes minutes on a database; the rules are in the report as they are."""

    class Stored(People):
        base = bases[0]

    run_state_machine_as_test(Stored, settings=quickly(examples, steps))
