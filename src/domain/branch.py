"""An access model that goes on from another one: for states of the past, which share nearly everything with each other.

A thousand users differ by a handful between one day and the next. So a branch takes over what is there and copies only
what a fact is about, before the model's own fold changes it: the rules stay in one place.
"""

from collections.abc import Iterable
from copy import copy

from mcphub.domain.access import GROUP_FACTS, KEY_FACTS, USER_FACTS, AccessModel
from mcphub.domain.codec import Recorded
from mcphub.domain.events import Event, about
from mcphub.domain.tool_book import TOOL_FACTS

DICTS = (
    *("users", "user_by_name", "user_by_identity", "keys", "key_by_digest", "keys_of", "groups_of", "credentials"),
    *("tools", "_latest_of"),
)
SETTINGS_DICTS = ("servers", "order", "removed", "_by_name", "_by_slug")


class Branch(AccessModel):
    """
    Args:
        trunk: the model to go on from. No fact is folded into it from now on; further branches of it are welcome.
    """

    def __init__(self, trunk: AccessModel) -> None:
        super().__init__(trunk._name_digest, trunk._membership_digest)
        self.position, self._latest_of_all = trunk.position, trunk._latest_of_all
        for name in DICTS:
            setattr(self, name, dict(getattr(trunk, name)))
        self.settings = copy(trunk.settings)
        self.settings.members = list(trunk.settings.members)
        for name in SETTINGS_DICTS:
            setattr(self.settings, name, dict(getattr(trunk.settings, name)))
        self.hub_variables, self.env_checks = copy(trunk.hub_variables), copy(trunk.env_checks)
        self.hub_variables.stored = dict(trunk.hub_variables.stored)
        self.refs = trunk.refs.branch()
        self._copied: set[tuple[str, str]] = set()  # what it is, and its id

    def fold(self, facts: Iterable[Recorded]) -> None:
        for recorded in facts:
            self._take(recorded.event)
            super().fold((recorded,))

    def _take(self, event: Event) -> None:
        """What a fact is about becomes the branch's own."""
        kind = type(event)
        if user_id := about(event):
            if kind in USER_FACTS:
                self._take_user(user_id)
            elif kind in KEY_FACTS:
                self._take_key(user_id, event.key_id)  # type: ignore[attr-defined]
            elif kind in GROUP_FACTS:
                self._take_group(user_id, event.group_id)  # type: ignore[attr-defined]
            else:
                self._take_values(user_id, getattr(event, "server_id", ""))
        elif kind in TOOL_FACTS:
            self._take_tool(event.server_id, event.tool)  # type: ignore[attr-defined]
        elif server_id := getattr(event, "server_id", ""):
            self._take_server(server_id)

    def _first(self, what: str, id: str) -> bool:
        """Is this one still the trunk's?"""
        if (what, id) in self._copied:
            return False
        self._copied.add((what, id))
        return True

    def _take_user(self, user_id: str) -> None:
        user = self.users.get(user_id)
        if user is not None and self._first("user", user_id):
            self.users[user_id] = user = copy(user)
            user.sessions = dict(user.sessions)

    def _take_key(self, user_id: str, key_id: str) -> None:
        if user_id in self.keys_of and self._first("keys", user_id):
            self.keys_of[user_id] = dict(self.keys_of[user_id])
        key = self.keys.get(key_id)
        if key is not None and self._first("key", key_id):
            self.keys[key_id] = self.key_by_digest[key.digest] = self.keys_of[user_id][key_id] = copy(key)

    def _take_group(self, user_id: str, group_id: str) -> None:
        groups = self.groups_of.get(user_id)
        if groups is None:
            return
        if self._first("groups", user_id):
            self.groups_of[user_id] = groups = dict(groups)
        if group_id in groups and self._first("group", group_id):
            groups[group_id] = copy(groups[group_id])

    def _take_values(self, user_id: str, server_id: str) -> None:
        values = self.credentials.get(user_id)
        if values is None:
            return
        if self._first("values", user_id):
            self.credentials[user_id] = values = dict(values)
        if server_id in values and self._first("values", f"{user_id} {server_id}"):
            values[server_id] = dict(values[server_id])

    def _take_server(self, server_id: str) -> None:
        server = self.servers.get(server_id)
        if server is not None and self._first("server", server_id):
            self.servers[server_id] = server = copy(server)
            server.offers_at = dict(server.offers_at)

    def _take_tool(self, server_id: str, name: str) -> None:
        book = self.tools.get(server_id)
        if book is None:
            return
        if self._first("tools", server_id):
            self.tools[server_id] = book = copy(book)
            book.tools = dict(book.tools)
        tool = book.tools.get(name)
        if tool is not None and self._first("tool", f"{server_id} {name}"):
            book.tools[name] = tool = copy(tool)
            tool.definitions = {hash: copy(known) for hash, known in tool.definitions.items()}
