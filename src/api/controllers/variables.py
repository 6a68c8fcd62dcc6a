"""The variables servers ask for, and the values the caller has saved for them."""

from datetime import datetime
from typing import Literal

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType, field

from mcphub.api.caller import USER, Caller
from mcphub.api.catalog import Catalog, SlotView
from mcphub.api.problems import Problem, not_found, variables_missing
from mcphub.api.schemas import Envelope, Out, Schema
from mcphub.api.services import Services
from mcphub.api.values import Saved, Values, Wish, slot_of
from mcphub.domain.access import Principal
from mcphub.domain.errors import UnknownKey
from mcphub.domain.substitution import MissingVariables, check_value


class SaveVariables(Schema, kw_only=True):
    """null clears a value, an empty text leaves it as it is."""

    env_vars: dict[str, dict[str, str | None]]
    only: bool = False


class ShareVariable(Schema, kw_only=True, rename={"from_": "from"}):
    """Use the value of one server's variable for other servers, too."""

    name: str
    from_: str
    to: list[str]


class TestConnection(Schema, kw_only=True):
    """Values to try in place of the saved ones."""

    values: dict[str, str] = field(default_factory=dict)


class ConnectionTest(Out, kw_only=True):
    """`step` is the last one that was tried."""

    ok: bool
    step: Literal["config", "connect", "initialize", "list"]
    error: str | UnsetType = UNSET
    tool_count: int | UnsetType = UNSET
    duration_ms: float


class ConnectionTestAnswer(Envelope, kw_only=True):
    data: ConnectionTest


class EnvTemplatesAnswer(Envelope, kw_only=True):
    """Server name → the names of its variables; `slots` says the rest."""

    data: dict[str, list[str]]
    slots: dict[str, list[SlotView]]


class ValueMeta(Out, kw_only=True):
    """`valid` is null for a secret whose form cannot be told from here; false for a value a server refused, too.

    `rejectedAt` is when it was refused (HTTP 401 or 403); null when it was not, or was taken since.
    """

    updated_at: datetime
    version: int
    valid: bool | None
    rejected_at: datetime | None


class ValuesAnswer(Envelope, kw_only=True):
    """Server name → variable → mask, or the value itself where it is not secret."""

    data: dict[str, dict[str, str]]
    meta: dict[str, dict[str, ValueMeta]]


class MasksAnswer(Envelope, kw_only=True):
    data: dict[str, str]


class SavedAnswer(Envelope, kw_only=True):
    data: Saved


class VariablesController(Controller):
    path = "/api"
    tags = ("Variables",)

    @get("/env-templates", operation_id="envTemplates", summary="What the settings form asks for", who=USER)
    async def templates(self, caller: NamedDependency[Caller], catalog: NamedDependency[Catalog]) -> EnvTemplatesAnswer:
        """Servers and variables in the document's order; servers that are switched off are included."""
        asking = [server for server in catalog.entitled(caller.user_id) if server.slots]
        sharing = catalog.sharing(caller.user_id)
        return EnvTemplatesAnswer(
            data={server.name: [slot.name for slot in server.slots.values()] for server in asking},
            slots={server.name: catalog.slots(caller.user_id, server, sharing) for server in asking},
        )

    @get("/user-env-vars", operation_id="variables", summary="What the caller has saved", who=USER)
    async def variables(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        catalog: NamedDependency[Catalog],
        values: NamedDependency[Values],
    ) -> ValuesAnswer:
        """A value is readable where its variable is no secret to any server: one may be shared with another."""
        data: dict[str, dict[str, str]] = {}
        meta: dict[str, dict[str, ValueMeta]] = {}
        entitled = catalog.entitled(caller.user_id)
        secret = {slot.canonical for server in entitled for slot in server.slots.values() if slot.secret}
        for server in entitled:
            stored = services.model.credentials_of(caller.user_id, server.server_id)
            saved = [slot for slot in server.slots.values() if slot.canonical in stored]
            if not saved:
                continue
            readable = await values.opened(
                caller.user_id, server, [slot for slot in saved if slot.canonical not in secret]
            )
            data[server.name] = {slot.name: readable.get(slot.canonical, stored[slot.canonical].mask) for slot in saved}
            meta[server.name] = {}
            for slot in saved:
                rejected = services.rejections.rejected_at(caller.user_id, server.server_id, slot.canonical)
                shown = readable.get(slot.canonical)
                fits = check_value(slot, shown) is None if shown is not None else None
                meta[server.name][slot.name] = ValueMeta(
                    updated_at=stored[slot.canonical].saved_at,
                    version=stored[slot.canonical].position,
                    valid=False if rejected is not None else fits,
                    rejected_at=rejected,
                )
        return ValuesAnswer(data=data, meta=meta)

    @post(
        "/user-env-vars",
        operation_id="saveVariables",
        summary="Save or clear values",
        status_code=200,
        own_text_rules=True,
        who=USER,
    )
    async def save(
        self, data: JSONBody[SaveVariables], caller: NamedDependency[Caller], values: NamedDependency[Values]
    ) -> SavedAnswer:
        """All or nothing. Other servers that ask for the same variable and have no value get it, unless `only`."""
        wishes = values.wishes(caller.user_id, data.env_vars)
        saved, done = await values.save(caller.user_id, wishes, only=data.only)
        return SavedAnswer(data=saved, position=done.position)

    @delete("/user-env-vars/{server:str}/{name:str}", operation_id="clearVariable", summary="Clear a value", who=USER)
    async def clear(
        self,
        server: FromPath[str],
        name: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        values: NamedDependency[Values],
    ) -> None:
        """For good: its data key is destroyed. Clearing what is not set does nothing."""
        state = services.model.settings.by_name(server)
        slot = slot_of(state, name) if state is not None else None
        if state is None or slot is None or not services.model.entitled(caller.user_id, state):
            raise not_found("There is no such variable.")
        await values.save(caller.user_id, [Wish(state, slot, None)], only=True)

    @post(
        "/user-env-vars/{server:str}/test",
        operation_id="testConnection",
        summary="Connect to a server with saved and typed values",
        status_code=200,
        own_text_rules=True,
        who=USER,
    )
    async def test(
        self,
        server: FromPath[str],
        data: JSONBody[TestConnection],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        values: NamedDependency[Values],
    ) -> ConnectionTestAnswer:
        """A real handshake, ended at once; nothing is stored. No value is in the answer."""
        state = services.model.settings.by_name(server)
        if state is None or not services.model.entitled(caller.user_id, state):
            raise not_found("There is no such server.")
        if not state.enabled:
            raise Problem(
                409, "server_disabled", "The server is switched off.", "Ask an administrator to switch it on."
            )
        typed = {wish.slot.canonical: wish.value for wish in values.wishes(caller.user_id, {server: data.values})}
        try:
            trial = await services.gateway.test_connection(
                Principal(caller.user_id),
                state.server_id,
                {name: value for name, value in typed.items() if value is not None},
            )
        except MissingVariables as missing:
            raise variables_missing(missing.names) from None
        return ConnectionTestAnswer(
            data=ConnectionTest(
                ok=trial.ok,
                step=trial.step,
                error=trial.error or UNSET,
                tool_count=UNSET if trial.tool_count is None else trial.tool_count,
                duration_ms=trial.duration_ms,
            )
        )

    @post(
        "/user-env-vars/share",
        operation_id="shareVariable",
        summary="Use one server's value for others",
        status_code=200,
        who=USER,
    )
    async def share(
        self, data: JSONBody[ShareVariable], caller: NamedDependency[Caller], values: NamedDependency[Values]
    ) -> SavedAnswer:
        wishes = await values.shared(caller.user_id, data.name, data.from_, data.to)
        saved, done = await values.save(caller.user_id, wishes, only=True)
        return SavedAnswer(data=saved, position=done.position)


class SeedVariablesController(Controller):
    """Forms of the earlier hub. Values belonged to keys there; here they are the user's, whichever key is named."""

    path = "/api"
    tags = ("Variables",)

    @get("/api-keys", operation_id="variableMasks", summary="The caller's values as masks, by variable", who=USER)
    async def masks(
        self, caller: NamedDependency[Caller], services: NamedDependency[Services], catalog: NamedDependency[Catalog]
    ) -> MasksAnswer:
        return MasksAnswer(data=_masks(services, catalog, caller))

    @get("/oauth/keys/{key_id:str}/tokens", operation_id="keyTokens", summary="As /api/api-keys", who=USER)
    async def tokens(
        self,
        key_id: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        catalog: NamedDependency[Catalog],
    ) -> MasksAnswer:
        _must_own(services, caller, key_id)
        return MasksAnswer(data=_masks(services, catalog, caller))

    @put(
        "/oauth/keys/{key_id:str}/tokens",
        operation_id="saveKeyTokens",
        summary="Save by variable",
        own_text_rules=True,
        who=USER,
    )
    async def save_tokens(
        self,
        key_id: FromPath[str],
        data: JSONBody[dict[str, str | None]],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        values: NamedDependency[Values],
    ) -> SavedAnswer:
        """Each value goes to every server of the caller that asks for the variable."""
        _must_own(services, caller, key_id)
        saved, done = await values.save(caller.user_id, values.everywhere(caller.user_id, data), only=True)
        return SavedAnswer(data=saved, position=done.position)


def _must_own(services: Services, caller: Caller, key_id: str) -> None:
    """
    Raises:
        UnknownKey: the caller has no such key.
    """
    if key_id not in services.model.keys_of.get(caller.user_id, {}):
        raise UnknownKey(key_id)


def _masks(services: Services, catalog: Catalog, caller: Caller) -> dict[str, str]:
    """Of several servers' values the one saved last."""
    newest: dict[str, tuple[int, str]] = {}
    for server in catalog.entitled(caller.user_id):
        for variable, stored in services.model.credentials_of(caller.user_id, server.server_id).items():
            slot = server.slots.get(variable)
            if slot is not None and stored.position > newest.get(slot.name, (0, ""))[0]:
                newest[slot.name] = (stored.position, stored.mask)
    return {name: mask for name, (_, mask) in newest.items()}
