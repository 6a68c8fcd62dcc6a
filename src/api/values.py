"""The values a caller enters for servers' variables: names resolved, each checked, sealed, saved in one append.

A value is in the clear here from the request to its sealing, and when one that is not secret is shown to its owner.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from mcphub.api.catalog import Catalog
from mcphub.api.problems import not_found
from mcphub.api.schemas import Out
from mcphub.api.services import Committed, Services
from mcphub.domain.errors import Refused, ValuesRefused
from mcphub.domain.findings import pointer
from mcphub.domain.settings_state import ServerState
from mcphub.domain.slots import Slot, canonical
from mcphub.domain.substitution import check_value
from mcphub.domain.tokens import SaveValues, SealedValue
from mcphub.domain.vault import Unopenable, masked
from mcphub.gateway.values import PURPOSE, place

TEXTS = {
    "unknown_server": "you have no server of that name",
    "unknown_slot": "the server asks for no such variable",
    "value_not_allowed": "the place this value goes to cannot take it",
    "masked_value": "this is a mask; enter the value itself, or leave the field empty to keep it",
    "pattern_mismatch": "the value does not have the form the server asks for",
}


class Place(Out, kw_only=True):
    """One variable of one server, as the settings form calls them."""

    server: str
    name: str


class Saved(Out, kw_only=True):
    saved: list[Place]
    cleared: list[Place]
    unchanged: list[Place]
    also_saved_for: list[Place]


class Wish(Struct, frozen=True):
    """What is to happen to one variable: a value, or None to clear it."""

    server: ServerState
    slot: Slot
    value: str | None

    @property
    def at(self) -> tuple[str, str]:
        return self.server.server_id, self.slot.canonical

    @property
    def shown(self) -> Place:
        return Place(server=self.server.name, name=self.slot.name)


def slot_of(server: ServerState, name: str) -> Slot | None:
    """The slot a form means, with or without one leading USER_."""
    return server.slots.get(canonical(name)) or server.slots.get(name)


class Values:
    """The values of one caller at a time."""

    def __init__(self, services: Services, catalog: Catalog) -> None:
        self._services = services
        self._catalog = catalog

    def wishes(self, user_id: str, wanted: Mapping[str, Mapping[str, str | None]]) -> list[Wish]:
        """What a form asks for; empty fields ask for nothing.

        Raises:
            ValuesRefused: with every name and value that is wrong; nothing was saved.
        """
        entitled = {server.name: server for server in self._catalog.entitled(user_id)}
        out: dict[tuple[str, str], Wish] = {}
        wrong: list[tuple[str, str, str]] = []
        for server_name, values in wanted.items():
            server = entitled.get(server_name)
            if server is None:
                wrong.append(_refusal((server_name,), "unknown_server"))
                continue
            for name, given in values.items():
                slot = slot_of(server, name)
                value = given.strip() if given is not None else None
                code = "unknown_slot" if slot is None else check_value(slot, value) if value else None
                if code is not None:
                    wrong.append(_refusal((server_name, name), code))
                elif slot is not None and value != "":
                    wish = Wish(server, slot, value)
                    out[wish.at] = wish
        if wrong:
            raise ValuesRefused(tuple(wrong))
        return list(out.values())

    def everywhere(self, user_id: str, wanted: Mapping[str, str | None]) -> list[Wish]:
        """The earlier hub's form: a value for every server the caller may use that asks for the variable.

        Raises:
            ValuesRefused: see `wishes`.
        """
        servers = self._catalog.entitled(user_id)
        out, wrong = [], []
        for name, given in wanted.items():
            asking = [(server, slot) for server in servers if (slot := slot_of(server, name)) is not None]
            if not asking:
                wrong.append((pointer((name,)), "unknown_slot", TEXTS["unknown_slot"]))
            value = given.strip() if given is not None else None
            for server, slot in asking:
                code = check_value(slot, value) if value else None
                if code is not None:
                    wrong.append((pointer((name,)), code, TEXTS[code]))
                elif value != "":
                    out.append(Wish(server, slot, value))
        if wrong:
            raise ValuesRefused(tuple(dict.fromkeys(wrong)))
        return out

    async def save(
        self, user_id: str, wishes: Sequence[Wish], *, only: bool = False
    ) -> tuple[Saved, Committed[SaveValues]]:
        """One append for all of them.

        Args:
            only: do not fill other servers that ask for the same variable and have no value yet.

        Raises:
            Refused: nothing was saved.
        """
        also = [] if only else self._also(user_id, wishes)
        stored = self._services.model.credentials.get(user_id, {})
        vault = self._services.vault
        new: list[Wish] = []
        same: list[Wish] = []
        for wish in (*wishes, *also):
            if wish.value is None:
                continue
            old = stored.get(wish.server.server_id, {}).get(wish.slot.canonical)
            known = old is not None and old.fingerprint == vault.fingerprint(wish.value)
            (same if known else new).append(wish)
        clear = [wish.at for wish in wishes if wish.value is None]
        sealed = await asyncio.to_thread(self._seal, user_id, new)
        try:
            done = await self._services.commands.run(lambda: SaveValues(user_id, sealed, clear))
        except Refused:
            await asyncio.to_thread(self._destroy, [value.data_key for value in sealed])
            raise
        await asyncio.to_thread(self._destroy, done.command.spent)
        shown = {wish.at: wish.shown for wish in (*wishes, *also)}
        extra = {wish.at for wish in also}
        saved = Saved(
            saved=[shown[at] for at in done.command.saved if at not in extra],
            cleared=[shown[at] for at in done.command.cleared],
            unchanged=[wish.shown for wish in same] + [shown[at] for at in done.command.unchanged if at not in extra],
            also_saved_for=[shown[at] for at in done.command.saved if at in extra],
        )
        return saved, done

    def _also(self, user_id: str, wishes: Sequence[Wish]) -> list[Wish]:
        """One slot, two consumers: what else takes these values. Only servers the caller sees now."""
        taken = {wish.at for wish in wishes}
        out = []
        for server in self._catalog.visible(user_id):
            stored = self._services.model.credentials_of(user_id, server.server_id)
            for wish in wishes:
                slot = server.slots.get(wish.slot.canonical)
                at = (server.server_id, wish.slot.canonical)
                if slot is None or wish.value is None or at in taken or slot.canonical in stored:
                    continue
                if check_value(slot, wish.value) is None:
                    taken.add(at)
                    out.append(Wish(server, slot, wish.value))
        return out

    async def opened(self, user_id: str, server: ServerState, slots: Iterable[Slot]) -> dict[str, str]:
        """Canonical name → stored value of these slots; one that cannot be opened is not there."""
        stored = self._services.model.credentials_of(user_id, server.server_id)
        sealed = {slot.canonical: stored[slot.canonical].sealed for slot in slots if slot.canonical in stored}
        return await asyncio.to_thread(self._open, user_id, server.server_id, sealed) if sealed else {}

    async def shared(self, user_id: str, name: str, source: str, targets: Sequence[str]) -> list[Wish]:
        """The value of one server's variable as wishes for others; it never leaves the hub.

        Raises:
            Problem: 404, there is no such value.
            ValuesRefused: a target does not take it.
        """
        entitled = {server.name: server for server in self._catalog.entitled(user_id)}
        server = entitled.get(source)
        slot = slot_of(server, name) if server is not None else None
        if server is None or slot is None:
            raise not_found("There is no such variable.")
        value = (await self.opened(user_id, server, [slot])).get(slot.canonical)
        if value is None:
            raise not_found("No value is saved there.")
        wanted = {target: {slot.name: value} for target in targets if target != source}
        return self.wishes(user_id, wanted)

    def _seal(self, user_id: str, wishes: Sequence[Wish]) -> list[SealedValue]:
        vault, made = self._services.vault, []
        for wish in wishes:
            value = wish.value or ""
            context = place(user_id, *wish.at)
            data_key, sealed = vault.seal_new(user_id, PURPOSE, context, value)
            made.append(SealedValue(*wish.at, data_key, sealed, masked(value), vault.fingerprint(value)))
        return made

    def _open(self, user_id: str, server_id: str, sealed: Mapping[str, str]) -> dict[str, str]:
        out = {}
        for variable, text in sealed.items():
            try:
                out[variable] = self._services.vault.open(text, PURPOSE, place(user_id, server_id, variable))
            except Unopenable:
                continue
        return out

    def _destroy(self, data_keys: Iterable[str]) -> None:
        for data_key in data_keys:
            self._services.vault.destroy(data_key)


def _refusal(path: tuple[str, ...], code: str) -> tuple[str, str, str]:
    return (pointer(("envVars", *path)), code, TEXTS[code])
