"""What `${HUB_…}` means when a server is opened: the stored value where there is one, else the hub's environment.

Stored values are opened here and in no other place, and live for a minute at most. Nothing here logs.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mcphub.domain.access import AccessModel
from mcphub.domain.codec import Recorded
from mcphub.domain.events import HubVariableRemoved, HubVariableSet
from mcphub.domain.hub_variables import PURPOSE, StoredVariable, named_in
from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.vault import Unopenable, Vault
from mcphub.gateway.values import KEEP_SECONDS

TEMPLATES = ("url", "headers", "env", "openapi", "oauth")


class HubPart(Struct, frozen=True):
    """The variables one server reads. `version` names the state of the stored ones."""

    names: tuple[str, ...]
    version: tuple[int, ...]
    values: Mapping[str, str]


class HubValues:
    """
    Args:
        environment: what settings documents may read of the hub's own.
    """

    def __init__(self, model: AccessModel, vault: Vault, environment: Mapping[str, str]) -> None:
        self._stored = model.hub_variables
        self._model = model
        self._vault = vault
        self._environment = environment
        self._names: dict[str, tuple[str, tuple[str, ...]]] = {}  # server → (digest, names)
        self._kept: dict[str, tuple[float, HubPart]] = {}  # server → (until, part)

    async def of(self, spec: ServerSpec) -> HubPart:
        """A stored value that cannot be opened counts as not set, and not as the environment's."""
        names = self._names_in(spec)
        while True:
            version = self._stored.version(names)
            if not any(version):
                return HubPart(names, version, self._environment)
            kept = self._kept.get(spec.server_id)
            if kept is not None and time.monotonic() < kept[0] and self.current(kept[1]) and kept[1].names == names:
                return kept[1]
            sealed = {name: self._stored.stored[name] for name in names if name in self._stored.stored}
            opened = await asyncio.to_thread(self._open, sealed)
            part = HubPart(names, version, {**self._environment, **opened})
            if self.current(part):  # a value set or removed meanwhile is neither kept nor given out
                self._kept[spec.server_id] = (time.monotonic() + KEEP_SECONDS, part)
                return part

    def current(self, part: HubPart) -> bool:
        return self._stored.version(part.names) == part.version

    def facts_applied(self, facts: Sequence[Recorded]) -> set[str]:
        """Forgets what facts replaced; the ids of the servers that read it."""
        changed = set()
        for recorded in facts:
            match recorded.event:
                case HubVariableSet(name=name):
                    changed.add(name)
                case HubVariableRemoved(name=name, data_key=data_key):
                    changed.add(name)
                    self._vault.forget(data_key)
        if not changed:
            return changed
        self._kept.clear()
        for gone in self._names.keys() - self._model.servers.keys():
            del self._names[gone]
        return {
            server.server_id
            for server in self._model.servers.values()
            if not changed.isdisjoint(self._names_in(server.spec))
        }

    def _names_in(self, spec: ServerSpec) -> tuple[str, ...]:
        known = self._names.get(spec.server_id)
        if known is not None and known[0] == spec.transport_digest:
            return known[1]
        config: dict[str, Any] = {member: getattr(spec, member) for member in TEMPLATES}
        names = tuple(dict.fromkeys(named_in({**config, "args": list(spec.args)})))
        self._names[spec.server_id] = (spec.transport_digest, names)
        return names

    def _open(self, sealed: Mapping[str, StoredVariable]) -> dict[str, str]:
        opened = {}
        for name, stored in sealed.items():
            try:
                opened[name] = self._vault.open(stored.sealed, PURPOSE, (name,))
            except Unopenable:
                opened[name] = ""
        return opened
