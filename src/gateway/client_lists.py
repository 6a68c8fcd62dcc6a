"""A list as a client has it: every tool, one a server, or four that find the others; and whether it became another."""

from datetime import datetime

from mcphub.domain.access import AccessModel
from mcphub.gateway.exposure import Shown, choice, lists_why, pinned, settled
from mcphub.gateway.kinds import PROMPTS, TOOLS, Offer
from mcphub.gateway.meta_tools import DEFINITIONS
from mcphub.gateway.router import Gathered, Listing, Named, Router
from mcphub.gateway.server_tools import tool_name
from mcphub.gateway.session import Asker
from mcphub.gateway.tool_search import ToolSearch
from mcphub.gateway.why import DEFINITION, PROMPT, WHY

WHY_OFFERED = {TOOLS: DEFINITION, PROMPTS: PROMPT}


class ClientLists:
    """
    Args:
        search: None where nothing can be searched; what would be searched is one tool a server then.
    """

    def __init__(self, model: AccessModel, router: Router, search: ToolSearch | None) -> None:
        self._model = model
        self._router = router
        self._search = search

    def page(self, asker: Asker, gathered: Gathered, cursor: str | None) -> Listing:
        """One page of it, in the mode that the asker has."""
        offer = gathered.offer
        why = offer in WHY_OFFERED and lists_why(self._model, asker.principal, asker.asked)
        more = [(WHY, WHY_OFFERED[offer])] if why else []
        if offer is not TOOLS:
            return self._router.page(gathered, cursor, more)
        mode = self._settled(asker, gathered)
        asker.row.mode = mode
        if mode == "tools":
            return self._router.page(gathered, cursor, more)
        if mode == "search" and self._search is not None:
            self._search.vectors.wake()
            return self._router.cut([*DEFINITIONS, *self._pinned(asker, gathered), *more], TOOLS, cursor)
        each = [(tool_name(server.slug), self._router.as_one(server, found)) for server, found in gathered.lists]
        ones = [(name, one.definition) for name, one in each if one is not None]
        return self._router.cut([*ones, *more], TOOLS, cursor)

    def _settled(self, asker: Asker, gathered: Gathered) -> Shown:
        mode = choice(self._model, asker.principal, asker.view, asker.asked)
        shown = settled(self._model, mode, gathered.shown, len(gathered.chunks))
        return "servers" if shown == "search" and self._search is None else shown

    def _pinned(self, asker: Asker, gathered: Gathered) -> Named:
        """Tools that are listed beside the meta-tools, as far as the asker may use them."""
        wanted = pinned(self._model, asker.principal)
        if not wanted:
            return []
        shown = {
            item.exposed: raw
            for server, found in gathered.lists
            if any(name in found.by_exposed for name in wanted)
            for item, raw in self._router.shown(server, found)
        }
        return [(name, shown[name]) for name in wanted if name in shown]

    def seen_by(self, asker: Asker, offer: Offer, at: datetime) -> object:
        """What a client's list depends on; equal means an equal list. At a server's own address the server itself says
        when its list is another one, so that is not in it.
        """
        mode = choice(self._model, asker.principal, asker.view, asker.asked) if offer is TOOLS else ""
        why = offer in WHY_OFFERED and lists_why(self._model, asker.principal, asker.asked)
        beside = tuple(pinned(self._model, asker.principal)) if offer is TOOLS and mode in ("search", "auto") else ()
        if mode == "search" and not beside and self._search is not None and self._search.on:
            return mode, why  # the same for everybody, whatever there is
        return mode, why, beside, self._servers_seen(asker, offer, at)

    def _servers_seen(self, asker: Asker, offer: Offer, at: datetime) -> tuple[object, ...]:
        """Of each server what a list depends on; kept while neither facts nor lists are others."""
        standing = (*self._router.standing(asker), asker.verbatim, self._model.alive(asker.principal, at))
        place = ("seen", offer.list_method)
        kept: tuple[object, tuple[object, ...]] | None = asker.kept.get(place)
        if kept is not None and kept[0] == standing:
            return kept[1]
        reasons = self._model.reasons(asker.principal, asker.view, at)
        seen = tuple(
            (
                server.server_id,
                server.offers_at[offer.kind],
                asker.identity(self._model, server.server_id).credential_version,
                self._router.withheld(asker, server) if offer is TOOLS else (),
                0 if asker.verbatim else self._router.version(asker, server, offer),
            )
            for server in (self._model.servers[server_id] for server_id, why in reasons.items() if why == "allowed")
        )
        asker.kept[place] = (standing, seen)
        return seen
