"""Filling a server's configuration in for one user: the last step before a process or a connection is opened.

What may take time (opening sealed values and literals, which may ask the database) happens in `prepare`, in a thread.
The pool then calls what it returns on the loop, and only when a runtime has to be opened.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mcphub.domain.access import AccessModel
from mcphub.domain.findings import escaped
from mcphub.domain.literal_secrets import PURPOSE, SEALED, place
from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected, inject
from mcphub.domain.vault import Unopenable, Vault
from mcphub.gateway.hub_values import HubValues
from mcphub.gateway.upstream.runtime import UpstreamUnavailable
from mcphub.gateway.values import KEEP_SECONDS, OpenedValues

Inject = Callable[[], Injected]


class Injector:
    """Makes the `inject` that a lease takes.

    Args:
        hub_values: what `${HUB_…}` stands for.
    """

    def __init__(self, model: AccessModel, vault: Vault, values: OpenedValues, hub_values: HubValues) -> None:
        self._model = model
        self._vault = vault
        self._values = values
        self._hub_values = hub_values
        self._literals: dict[str, tuple[float, str, dict[str, str]]] = {}  # server → (until, digest, sealed → text)

    async def prepare(self, spec: ServerSpec, user_id: str, typed: Mapping[str, str] | None = None) -> Inject:
        """
        Args:
            typed: canonical name → value to take instead of the stored one; kept nowhere.
        """
        values = await self._values.of(user_id, spec.server_id) if spec.slots else {}
        if typed:
            values = {**values, **typed}
        literals = await self._opened(spec)
        hub = await self._hub_values.of(spec)

        def opener(where: str, sealed: str) -> str:
            try:
                return literals[sealed]
            except KeyError:
                raise Unopenable(f"the secret at {where} of server {spec.name!r} cannot be opened") from None

        def made() -> Injected:
            if not self._hub_values.current(hub):  # what is opened now must not keep a value that was replaced
                raise UpstreamUnavailable(spec.slug, "a variable of the hub changed in this moment")
            return inject(spec, values, hub.values, opener)

        return made

    async def _opened(self, spec: ServerSpec) -> dict[str, str]:
        kept = self._literals.get(spec.server_id)
        if kept is not None and kept[1] == spec.transport_digest and time.monotonic() < kept[0]:
            return kept[2]
        sealed = dict(_sealed(spec))
        opened = await asyncio.to_thread(self._open, sealed) if sealed else {}
        self._literals[spec.server_id] = (time.monotonic() + KEEP_SECONDS, spec.transport_digest, opened)
        for gone in [server for server in self._literals if server not in self._model.servers]:
            del self._literals[gone]
        return opened

    def _open(self, sealed: dict[str, str]) -> dict[str, str]:
        opened = {}
        for text, where in sealed.items():
            try:
                opened[text] = self._vault.open(text, PURPOSE, place(where))
            except Unopenable:
                continue
        return opened


def _sealed(spec: ServerSpec) -> Iterator[tuple[str, str]]:
    """(sealed text, pointer inside the entry) of each literal secret."""
    for member in ("env", "headers", "openapi", "oauth"):
        yield from _walk(getattr(spec, member), f"/{member}")


def _walk(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        text = value.get(SEALED)
        if isinstance(text, str):
            yield text, where
            return
        for key, item in value.items():
            yield from _walk(item, f"{where}/{escaped(str(key))}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{where}/{index}")
