"""The one place where users' stored values are opened: right before a call carries them upstream.

Opened values live here for at most a minute and go at once when a fact about them arrives.
They are handed to `injection` and to nobody else; nothing here logs.
"""

import asyncio
import time
from collections.abc import Sequence

from mcphub.domain.access import AccessModel
from mcphub.domain.codec import Recorded
from mcphub.domain.events import ServiceTokenRemoved, ServiceTokenSaved, UserErased
from mcphub.domain.vault import Unopenable, Vault

PURPOSE = "token"
KEEP_SECONDS = 60.0


def place(user_id: str, server_id: str, variable: str) -> tuple[str, str, str]:
    """What a stored value is bound to; sealed for one place it does not open at another."""
    return (user_id, server_id, variable)


class OpenedValues:
    """A user's values for a server, opened."""

    def __init__(self, model: AccessModel, vault: Vault) -> None:
        self._model = model
        self._vault = vault
        self._opened: dict[tuple[str, str], tuple[float, str, dict[str, str]]] = {}

    async def of(self, user_id: str, server_id: str) -> dict[str, str]:
        """Canonical variable → value. A value whose data key is gone counts as not saved."""
        while stored := self._model.credentials_of(user_id, server_id):
            version = self._model.credential_version(user_id, server_id)
            kept = self._opened.get((user_id, server_id))
            if kept is not None and kept[1] == version and time.monotonic() < kept[0]:
                return kept[2]
            sealed = {name: value.sealed for name, value in stored.items()}
            opened = await asyncio.to_thread(self._open, user_id, server_id, sealed)
            # A value cleared or replaced meanwhile is neither kept nor given out.
            if self._model.credential_version(user_id, server_id) == version:
                self._forget_old()
                self._opened[user_id, server_id] = (time.monotonic() + KEEP_SECONDS, version, opened)
                return opened
        return {}

    def _open(self, user_id: str, server_id: str, sealed: dict[str, str]) -> dict[str, str]:
        opened = {}
        for name, text in sealed.items():
            try:
                opened[name] = self._vault.open(text, PURPOSE, place(user_id, server_id, name))
            except Unopenable:
                continue
        return opened

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """The tail's sink: what a fact touches is opened anew, and destroyed data keys leave the vault's cache."""
        for recorded in facts:
            match recorded.event:
                case ServiceTokenSaved(user_id=user, server_id=server):
                    self._opened.pop((user, server), None)
                case ServiceTokenRemoved(user_id=user, server_id=server, data_key=data_key):
                    self._opened.pop((user, server), None)
                    self._vault.forget(data_key)
                case UserErased(user_id=user):
                    self._vault.forget_owner(user)
                    for key in [key for key in self._opened if key[0] == user]:
                        del self._opened[key]

    def _forget_old(self) -> None:
        now = time.monotonic()
        for key in [key for key, (until, _, _) in self._opened.items() if until < now]:
            del self._opened[key]
