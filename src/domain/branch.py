"""An access model that goes on from another one: for states of the past, which share nearly everything with each other.

A thousand users differ by a handful between one day and the next. So a branch takes over what is there and copies only
what a fact is about, before the model's own fold changes it: the rules stay in one place.
"""

from collections.abc import Callable
from copy import copy

from mcphub.domain.access import GROUP_FACTS, KEY_FACTS, USER_FACTS, AccessModel
from mcphub.domain.codec import Recorded
from mcphub.domain.events import Event, ServerRenamed, about

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
        self._copied: set[tuple[str, str]] = set()  # ids of users and servers, and what of them is a copy already

    def apply(self, recorded: Recorded) -> None:
        event = recorded.event
        if user_id := about(event):
            self._once(user_id, self._taking(event))
        elif server_id := getattr(event, "server_id", ""):
            self._once(server_id, self._take_server)
            if isinstance(event, ServerRenamed):  # groups mean servers by their names, too
                for user_id in self._that_named(server_id).values():
                    self._once(user_id, self._take_groups)
        super().apply(recorded)

    def _taking(self, event: Event) -> Callable[[str], None]:
        """What of a user the fold of this fact changes in place."""
        kind = type(event)
        if kind in USER_FACTS:
            return self._take_user
        if kind in KEY_FACTS:
            return self._take_keys
        return self._take_groups if kind in GROUP_FACTS else self._take_credentials

    def _once(self, id: str, take: Callable[[str], None]) -> None:
        if (id, take.__name__) not in self._copied:
            self._copied.add((id, take.__name__))
            take(id)

    def _take_user(self, user_id: str) -> None:
        if (user := self.users.get(user_id)) is not None:
            self.users[user_id] = copy(user)
            self.users[user_id].sessions = dict(user.sessions)

    def _take_keys(self, user_id: str) -> None:
        if user_id in self.keys_of:
            self.keys_of[user_id] = {key_id: copy(key) for key_id, key in self.keys_of[user_id].items()}
            self.keys.update(self.keys_of[user_id])
            self.key_by_digest.update((key.digest, key) for key in self.keys_of[user_id].values())

    def _take_groups(self, user_id: str) -> None:
        if user_id in self.groups_of:
            self.groups_of[user_id] = {id: copy(group) for id, group in self.groups_of[user_id].items()}

    def _take_credentials(self, user_id: str) -> None:
        if user_id in self.credentials:
            self.credentials[user_id] = {id: dict(stored) for id, stored in self.credentials[user_id].items()}

    def _take_server(self, server_id: str) -> None:
        if (server := self.servers.get(server_id)) is not None:
            self.servers[server_id] = copy(server)
            self.servers[server_id].offers_at = dict(server.offers_at)
        if server_id in self.tools:
            self.tools[server_id] = book = copy(self.tools[server_id])
            book.tools = {name: copy(tool) for name, tool in book.tools.items()}
            for tool in book.tools.values():
                tool.definitions = {hash: copy(known) for hash, known in tool.definitions.items()}
