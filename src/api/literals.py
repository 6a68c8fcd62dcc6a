"""Sealing what a settings document holds in the clear, and taking it back when the change is refused."""

from typing import Any

from mcphub.api.auth.accounts import name_digest
from mcphub.api.services import Services
from mcphub.domain.access import AccessModel
from mcphub.domain.findings import Policy
from mcphub.domain.literal_secrets import PURPOSE, place
from mcphub.domain.settings_file import Document, parse
from mcphub.domain.vault import HUB, Unopenable, Vault
from mcphub.settings import Settings

REHEARSED = "v1.rehearsed.never-stored"


def policy_of(services: Services) -> Policy:
    """What this hub allows settings documents to say."""
    return policy_for(services.settings, services.vault, services.model)


def policy_for(settings: Settings, vault: Vault, model: AccessModel) -> Policy:
    """The same of a hub that may not be running."""
    digest = name_digest(vault)
    return Policy(
        commands=settings.stdio_commands,
        config_env=settings.config_env,
        hub_variables=settings.hub_variables,
        stored_variables=frozenset(model.hub_variables.stored),
        egress_allow=settings.egress_allow,
        user_exists=lambda name: digest(name) in model.user_by_name,
        tools_of=model.known_tools,
    )


def document_of(raw: bytes | memoryview | Any) -> Document:
    """A JSON object inside a request, as strictly read as a settings document: no key twice, no NaN.

    Raises:
        DocumentRefused, BodyTooLarge: see there.
    """
    return parse(bytes(raw))


class Literals:
    """`seal` and `same` for one change. Blocking.

    Args:
        rehearsal: make no data keys, the change is only looked at.
    """

    def __init__(self, vault: Vault, *, rehearsal: bool = False) -> None:
        self._vault = vault
        self._rehearsal = rehearsal
        self._made: list[str] = []

    def seal(self, where: str, plaintext: str) -> str:
        if self._rehearsal:
            return REHEARSED
        key_id, sealed = self._vault.seal_new(HUB, PURPOSE, place(where), plaintext)
        self._made.append(key_id)
        return sealed

    def opens(self, where: str, sealed: str) -> bool:
        """Is the key of a stored value still there?"""
        try:
            self._vault.open(sealed, PURPOSE, place(where))
        except Unopenable:
            return False
        return True

    def same(self, where: str, plaintext: str, sealed: str) -> bool:
        try:
            return self._vault.open(sealed, PURPOSE, place(where)) == plaintext
        except Unopenable:
            return False

    def discard(self) -> None:
        """The change was refused: what was sealed for it is unreadable from now on."""
        while self._made:
            self._vault.destroy(self._made.pop())
