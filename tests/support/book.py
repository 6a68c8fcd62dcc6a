"""What the contract says becomes of people, in plain dicts: written from §5.1 to §5.3, knowing nothing of the domain.

Each method that is named like a command answers the codes the contract refuses it with (empty: it is allowed) and, when
it is allowed, notes what it does. The questions at the end are the tables of the contract, row by row.
"""

import unicodedata
from datetime import timedelta

from tests.support.facts import NOW

UNKNOWN, ERASED, DELETED = {"not_found"}, {"user_erased"}, {"user_deleted"}
ALLOWED = frozenset()
MOST_KEYS = 10


def folded(name):
    return unicodedata.normalize("NFC", name).strip().casefold()


def bad_name(name):
    return not 1 <= len(name.strip()) <= 100 or not name.strip().isprintable()


class Book:
    """People, keys, groups, values and servers as they should be."""

    def __init__(self):
        self.now = NOW
        self.users = {}
        self.keys = {}
        self.groups = {}
        self.servers = {}
        self.values = {}  # (user, server, variable) → fingerprint
        self.administered = False  # somebody was an administrator once
        self.written = 0  # commands that write a fact each time they are asked, whatever stands already

    def facts(self):
        """Everything a fact could change, to see whether a command changed something."""
        return {
            "users": {
                user: {**kept, "sessions": set(kept["sessions"]), "preferences": dict(kept["preferences"])}
                for user, kept in self.users.items()
            },
            "keys": {key: dict(kept) for key, kept in self.keys.items()},
            "groups": {group: {**kept, "servers": list(kept["servers"])} for group, kept in self.groups.items()},
            "servers": {server: dict(kept) for server, kept in self.servers.items()},
            "values": dict(self.values),
            "written": self.written,
        }

    def standing(self, user):
        """What refuses anything to somebody who is not there."""
        if user not in self.users:
            return UNKNOWN
        return ERASED if self.users[user]["erased"] else ALLOWED

    # users (§5.2)

    def register(self, user, name, *, active, admin=False, identity="", belongs=()):
        living = [other for other in self.users.values() if not other["erased"]]
        if identity and any(other["identity"] == identity for other in living):
            return {"identity_known"}
        if any(folded(other["name"]) == folded(name) for other in living):
            return {"username_taken"}
        self.users[user] = {
            "name": name, "identity": identity, "active": active or admin, "admin": admin, "auditor": False,
            "deleted": False, "erased": False, "certified": False, "shut_out": False,
            "sessions": set(), "preferences": {}, "belongs": frozenset(belongs),
        }  # fmt: skip
        self.administered = self.administered or admin
        return ALLOWED

    def set_up(self, user, name, *, recover):
        if self.administered and not recover:
            return {"already_set_up"}
        return self.register(user, name, active=True, admin=True)

    def activate(self, user):
        if refused := self.standing(user):
            return refused
        kept = self.users[user]
        if kept["deleted"]:
            return DELETED
        kept["active"], kept["shut_out"] = True, False
        return ALLOWED

    def deactivate(self, user, by):
        if refused := self.standing(user):
            return refused
        kept = self.users[user]
        if kept["deleted"]:
            return DELETED
        if not kept["active"] and not kept["shut_out"]:
            return ALLOWED
        if refused := self._guarded(user, by, "self_deactivation"):
            return refused
        kept["active"] = kept["shut_out"] = False
        self._ended(user)
        return ALLOWED

    def _guarded(self, user, by, itself):
        return ({"admin_protected"} if self.users[user]["admin"] else set()) | ({itself} if user == by else set())

    def _ended(self, user):
        """Who is locked out has no session, and belongs to nothing until the provider says so again."""
        self.users[user]["sessions"].clear()
        self.users[user]["belongs"] = frozenset()

    def set_admin(self, user, admin):
        if refused := self.standing(user):
            return refused
        kept = self.users[user]
        if kept["admin"] == admin:
            return ALLOWED
        if admin and not kept["active"]:
            return DELETED | {"user_inactive"} if kept["deleted"] else {"user_inactive"}
        if not admin and len(self.admins()) == 1:
            return {"last_admin"}
        kept["admin"] = admin
        self.administered = True
        return ALLOWED

    def set_auditor(self, user, auditor):
        if refused := self.standing(user):
            return refused
        kept = self.users[user]
        if kept["auditor"] != auditor:
            if auditor and not kept["active"]:
                return DELETED | {"user_inactive"} if kept["deleted"] else {"user_inactive"}
            kept["auditor"] = auditor
        return ALLOWED

    def delete(self, user, by):
        if refused := self.standing(user) or self._guarded(user, by, "self_deletion"):
            return refused
        kept = self.users[user]
        if not kept["deleted"]:
            kept["deleted"], kept["active"], kept["shut_out"] = True, False, False
            self._ended(user)
            for key in self.keys_of(user):
                key["revoked"] = True
        return ALLOWED

    def restore(self, user):
        if refused := self.standing(user):
            return refused
        self.users[user]["deleted"] = False
        return ALLOWED

    def erase(self, user, by):
        if user not in self.users:
            return UNKNOWN
        if self.users[user]["erased"]:
            return ALLOWED
        if refused := self._guarded(user, by, "self_deletion"):
            return refused
        self.users[user] |= {
            "erased": True, "deleted": True, "active": False, "auditor": False, "shut_out": False,
            "name": "", "identity": "", "sessions": set(), "preferences": {}, "belongs": frozenset(),
        }  # fmt: skip
        for things in (self.keys, self.groups):
            for gone in [name for name, kept in things.items() if kept["owner"] == user]:
                del things[gone]
        self.values = {place: value for place, value in self.values.items() if place[0] != user}
        return ALLOWED

    def certify(self, user):
        if user in self.users and self.users[user]["erased"]:
            self.users[user]["certified"] = True
        return ALLOWED

    def set_password(self, user):
        if refused := self.standing(user):
            return refused
        if self.users[user]["identity"]:
            return {"not_local_account"}
        self.written += 1
        self.users[user]["sessions"].clear()
        return ALLOWED

    def sign_in(self, user, session):
        if refused := self.standing(user):
            return refused
        if not self.users[user]["active"]:
            return {"user_inactive"}
        self.written += 1
        self.users[user]["sessions"].add(session)
        return ALLOWED

    def sign_in_elsewhere(self, user, session, belongs):
        """The allow-list fits: whom it had shut out is let in again, and nobody else."""
        if not self.standing(user) and self.users[user]["shut_out"]:
            self.users[user]["active"], self.users[user]["shut_out"] = True, False
        refused = self.sign_in(user, session)
        if not refused and belongs is not None:
            self.users[user]["belongs"] = frozenset(belongs)
        return refused

    def note_memberships(self, user, belongs):
        if refused := self.standing(user):
            return refused
        if self.users[user]["active"] and self.users[user]["identity"]:
            self.users[user]["belongs"] = frozenset(belongs)
        return ALLOWED

    def shut_out(self, user):
        if refused := self.standing(user):
            return refused
        kept = self.users[user]
        if not kept["active"] or not kept["identity"]:
            return ALLOWED
        if kept["admin"] and len(self.admins()) == 1:
            return {"last_admin"}
        kept["admin"], kept["active"], kept["shut_out"] = False, False, True
        self._ended(user)
        return ALLOWED

    def sign_out(self, user, session):
        if session:
            self.users[user]["sessions"].discard(session)
        else:
            self.written += 1
            self.users[user]["sessions"].clear()
        return ALLOWED

    def prefer(self, user, **wanted):
        self.users[user]["preferences"] |= wanted
        return ALLOWED

    # keys (§5.3)

    def issue(self, user, key, name, days, scope=None):
        if bad_name(name):
            return {"invalid_name"}
        if not 1 <= days <= 90:
            return {"expiry_out_of_range"}
        if refused := self.standing(user) or (DELETED if self.users[user]["deleted"] else ALLOWED):
            return refused
        if refused := self._room(user) | self._free(user, name):
            return refused
        self.keys[key] = self._key(user, name, days, scope)
        return ALLOWED

    def _key(self, user, name, days, scope):
        return {
            "owner": user, "name": name.strip(), "expires": self.now + timedelta(days=days), "revoked": False,
            "grace": None, "scope": scope, "used": False, "noted": False,
        }  # fmt: skip

    def _room(self, user):
        return {"key_limit"} if len(self.counted(user)) >= MOST_KEYS else ALLOWED

    def _free(self, user, name, beside=None):
        others = (kept for kept in self.counted(user) if kept is not beside)
        return {"key_name_taken"} if any(folded(kept["name"]) == folded(name) for kept in others) else ALLOWED

    def change_key(self, user, key, name):
        if self.owned(self.keys, user, key) is None:
            return UNKNOWN
        kept = self.keys[key]
        if kept["revoked"]:
            return {"key_revoked"}
        if bad_name(name):
            return {"invalid_name"}
        if name.strip() != kept["name"] and (refused := self._free(user, name, beside=kept)):
            return refused
        kept["name"] = name.strip()
        return ALLOWED

    def extend(self, user, key, days):
        if not 1 <= days <= 90:
            return {"expiry_out_of_range"}
        kept = self.owned(self.keys, user, key)
        if kept is None:
            return UNKNOWN
        if kept["revoked"] or kept["grace"]:
            return {"key_revoked"}
        if self.now - kept["expires"] > timedelta(days=30):
            return {"key_expired"}
        if not self.usable(kept) and (refused := self._room(user) | self._free(user, kept["name"], beside=kept)):
            return refused
        if kept["expires"] != self.now + timedelta(days=days):
            kept["expires"], kept["noted"] = self.now + timedelta(days=days), False
        return ALLOWED

    def rotate(self, user, key, successor, minutes):
        if not 0 <= minutes <= 24 * 60:
            return {"grace_out_of_range"}
        kept = self.owned(self.keys, user, key)
        if kept is None:
            return UNKNOWN
        if kept["grace"] or not self.usable(kept):
            return {"key_revoked"}
        self.keys[successor] = self._key(user, kept["name"], 90, kept["scope"])
        kept["grace"] = self.now + timedelta(minutes=minutes)
        return ALLOWED

    def revoke(self, user, key):
        kept = self.owned(self.keys, user, key)
        if kept is None:
            return UNKNOWN
        kept["revoked"] = True
        return ALLOWED

    def use(self, user, key):
        if (kept := self.owned(self.keys, user, key)) is not None:
            kept["used"] = True
        return ALLOWED

    def note_expired(self, user, key):
        kept = self.owned(self.keys, user, key)
        if kept is not None and not kept["revoked"] and self.now >= kept["expires"]:
            kept["noted"] = True
        return ALLOWED

    # groups (§5.1)

    def create_group(self, user, group, name, servers):
        if bad_name(name):
            return {"invalid_name"}
        if refused := self.standing(user) or self._free_group(user, group, name):
            return refused
        self.groups[group] = {
            "owner": user, "name": unicodedata.normalize("NFC", name).strip(), "active": True,
            "servers": list(dict.fromkeys(servers)),
        }  # fmt: skip
        return ALLOWED

    def _free_group(self, user, group, name):
        others = (kept for other, kept in self.groups.items() if kept["owner"] == user and other != group)
        return {"group_name_taken"} if any(folded(kept["name"]) == folded(name) for kept in others) else ALLOWED

    def change_group(self, user, group, name, servers):
        kept = self.owned(self.groups, user, group)
        if kept is None:
            return UNKNOWN
        if bad_name(name):
            return {"invalid_name"}
        if refused := self._free_group(user, group, name):
            return refused
        kept |= {"name": unicodedata.normalize("NFC", name).strip(), "servers": list(dict.fromkeys(servers))}
        return ALLOWED

    def switch_group(self, user, group, active):
        kept = self.owned(self.groups, user, group)
        if kept is None:
            return UNKNOWN
        kept["active"] = active
        return ALLOWED

    def delete_group(self, user, group):
        if self.owned(self.groups, user, group) is None:
            return UNKNOWN
        del self.groups[group]
        return ALLOWED

    # values

    def save(self, user, values):
        """Values by (server, variable); None clears."""
        if refused := self.standing(user):
            return refused
        for (server, variable), value in values.items():
            if value is None:
                self.values.pop((user, server, variable), None)
            else:
                self.values[user, server, variable] = value
        return ALLOWED

    # servers

    def add_server(self, server, name, config):
        if self.named(name) is not None:
            return {"server_exists"}
        self.servers[server] = {"name": name, **config}
        return ALLOWED

    def change_server(self, name, config):
        if self.named(name) is None:
            return UNKNOWN
        self.servers[self.named(name)] |= config
        return ALLOWED

    def switch_server(self, name, enabled):
        if self.named(name) is None:
            return UNKNOWN
        self.servers[self.named(name)]["enabled"] = enabled
        return ALLOWED

    def restrict_server(self, name, audience):
        return self.change_server(name, {"audience": audience})

    def rename_server(self, name, new):
        server = self.named(name)
        if server is None:
            return UNKNOWN
        if name == new:
            return ALLOWED
        if self.named(new) is not None:
            return {"server_exists"}
        # "Renaming a server follows into groups": into every group that means it at that moment.
        for group in self.groups.values():
            group["servers"] = [(server, new) if self.meant(ref) == server else ref for ref in group["servers"]]
        self.servers[server]["name"] = new
        return ALLOWED

    def remove_server(self, name):
        server = self.named(name)
        if server is None:
            return UNKNOWN
        del self.servers[server]
        return ALLOWED

    # what follows

    def admins(self):
        return [user for user, kept in self.users.items() if kept["admin"]]

    def keys_of(self, user):
        return [kept for kept in self.keys.values() if kept["owner"] == user]

    def owned(self, things, user, name):
        return things[name] if name in things and things[name]["owner"] == user else None

    def named(self, name):
        return next((server for server, kept in self.servers.items() if kept["name"] == name), None)

    def meant(self, ref):
        """The living server a group's entry means: the one it was, else one that has its name now."""
        server, name = ref
        return server if server in self.servers else self.named(name)

    def usable(self, key):
        """Not revoked, before its end, and before the end of its grace."""
        return not key["revoked"] and self.now < key["expires"] and (key["grace"] is None or self.now < key["grace"])

    def counted(self, user):
        """The keys a user holds: a rotated one is on its way out, and its successor stands for it."""
        return [key for key in self.keys_of(user) if self.usable(key) and key["grace"] is None]

    def opens(self, key):
        """Does this key open the hub now? One nobody has opens nothing."""
        kept = self.keys.get(key)
        if kept is None:
            return False
        owner = self.users[kept["owner"]]
        return self.usable(kept) and owner["active"] and not owner["deleted"] and not owner["erased"]

    def meant_for(self, user, server):
        """The audience, and whose a server is that is not public."""
        kept, name, belongs = self.servers[server], folded(self.users[user]["name"]), self.users[user]["belongs"]
        if kept["visibility"] != "public":
            return folded(kept["owner"]) == name
        if kept["audience"] == "everyone":
            return True
        named = kept["audience"]
        return (
            name in map(folded, named["users"])
            or any(("organization", folded(one)) in belongs for one in named["organizations"])
            or any(("team", folded(one)) in belongs for one in named["teams"])
            or any(("group", one) in belongs for one in named["groups"])
        )

    def visible(self, user, *, scope=None, group=None):
        """§5.1 row by row.

        Args:
            scope: of a key: {"servers": [id] | None, "groups": [id] | None}.
            group: the address of one group.
        """
        if not self.users[user]["active"]:
            return set()
        enabled = {server for server, kept in self.servers.items() if kept["enabled"] and self.meant_for(user, server)}
        own = {name: kept for name, kept in self.groups.items() if kept["owner"] == user}
        active = {name: kept for name, kept in own.items() if kept["active"]}
        seen = enabled & self._members(active.values()) if own else enabled
        if scope is not None and scope["servers"] is not None:
            seen &= set(scope["servers"])
        if scope is not None and scope["groups"] is not None:
            seen &= self._members(own[name] for name in scope["groups"] if name in own)
        if group is not None:
            seen &= self._members(kept for name, kept in active.items() if name == group)
        return seen

    def _members(self, groups):
        return {server for group in groups for ref in group["servers"] if (server := self.meant(ref)) is not None}
