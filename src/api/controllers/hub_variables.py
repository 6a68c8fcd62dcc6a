"""The hub's own variables, `${HUB_…}` in the settings document: stored, replaced and removed by administrators."""

import asyncio
from datetime import datetime
from typing import Literal

from litestar import Controller, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from mcphub.api.caller import ADMIN
from mcphub.api.schemas import Envelope, Out, Schema
from mcphub.api.services import Services
from mcphub.domain.errors import Refused, ValuesRefused
from mcphub.domain.hub_variables import (
    OWNER,
    PURPOSE,
    RemoveHubVariable,
    SetHubVariable,
    check_hub_value,
    must_be_storable,
    named_in,
)
from mcphub.domain.vault import masked

TEXTS = {
    "value_not_allowed": "1 byte to 16 KiB, and no line break",
    "masked_value": "this is a mask; enter the value itself",
}


class HubVariableValue(Schema, kw_only=True):
    value: str


class HubVariable(Out, kw_only=True):
    """`source` is what counts now. Mask, fingerprint and date are of the stored value; the environment's has none."""

    name: str
    source: Literal["stored", "environment", "unset"]
    in_environment: bool
    used_by: list[str]
    mask: str | None
    fingerprint: str | None
    updated_at: datetime | None


class HubVariablesAnswer(Envelope, kw_only=True):
    data: list[HubVariable]


class HubVariableAnswer(Envelope, kw_only=True):
    data: HubVariable


class HubVariablesController(Controller):
    path = "/api/admin/hub-variables"
    tags = ("Variables",)

    @get("/", operation_id="hubVariables", summary="The hub's variables and who reads them", who=ADMIN)
    async def variables(self, services: NamedDependency[Services]) -> HubVariablesAnswer:
        """Every name a server reads, the environment has, or that is stored. No value is in the answer."""
        readers = _readers(services)
        names = {*readers, *services.model.hub_variables.stored, *services.settings.hub_variables}
        return HubVariablesAnswer(data=[_shown(services, name, readers.get(name, [])) for name in sorted(names)])

    @put(
        "/{name:str}",
        operation_id="setHubVariable",
        summary="Store a value for a hub variable",
        own_text_rules=True,
        who=ADMIN,
    )
    async def set(
        self, name: FromPath[str], data: JSONBody[HubVariableValue], services: NamedDependency[Services]
    ) -> HubVariableAnswer:
        """It counts before the environment at once: servers that read it are reconnected, no others."""
        must_be_storable(name)
        value = data.value.strip()
        if (code := check_hub_value(value)) is not None:
            raise ValuesRefused((("/value", code, TEXTS[code]),))
        vault = services.vault
        data_key, sealed = await asyncio.to_thread(vault.seal_new, OWNER, PURPOSE, (name,), value)
        mask, fingerprint = masked(value), vault.fingerprint(value)
        try:
            done = await services.commands.run(lambda: SetHubVariable(name, data_key, sealed, mask, fingerprint))
        except Refused:
            await asyncio.to_thread(vault.destroy, data_key)
            raise
        if done.command.spent:
            await asyncio.to_thread(vault.destroy, done.command.spent)
        return HubVariableAnswer(data=_shown(services, name, _readers(services).get(name, [])), position=done.position)

    @delete("/{name:str}", operation_id="removeHubVariable", summary="Forget a stored value", who=ADMIN)
    async def remove(self, name: FromPath[str], services: NamedDependency[Services]) -> None:
        """For good: its data key is destroyed. The environment counts again, if it has the name."""
        done = await services.commands.run(lambda: RemoveHubVariable(name))
        await asyncio.to_thread(services.vault.destroy, done.command.spent)


def _readers(services: Services) -> dict[str, list[str]]:
    """Hub variable → names of the servers that read it, in the document's order."""
    out: dict[str, list[str]] = {}
    settings = services.model.settings
    for server_id in settings.order:
        server = settings.servers[server_id]
        for name in dict.fromkeys(named_in(server.config)):
            out.setdefault(name, []).append(server.name)
    return out


def _shown(services: Services, name: str, used_by: list[str]) -> HubVariable:
    stored = services.model.hub_variables.stored.get(name)
    in_environment = bool(services.settings.hub_variables.get(name))
    return HubVariable(
        name=name,
        source="stored" if stored is not None else "environment" if in_environment else "unset",
        in_environment=in_environment,
        used_by=used_by,
        mask=stored.mask if stored is not None else None,
        fingerprint=stored.fingerprint if stored is not None else None,
        updated_at=stored.saved_at if stored is not None else None,
    )
