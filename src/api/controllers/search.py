"""The search for tools, as administrators keep it: what it stands on, what words mean, and what was not found."""

from datetime import datetime
from typing import Annotated, Literal

from litestar import Controller, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from mcphub.api.caller import ADMIN, AUDITOR, Caller
from mcphub.api.catalog import Catalog, ToolView
from mcphub.api.problems import not_found
from mcphub.api.schemas import Envelope, Out, Schema
from mcphub.api.services import Services
from mcphub.domain.errors import UnknownServerId
from mcphub.domain.search import MOST_ALIASES, MOST_MEANING, MOST_WORD, SetGlossaryWord, SetToolAliases
from mcphub.gateway.exposure import search_on
from mcphub.gateway.glossaries import own_entries
from mcphub.search.glossary import built_in

MOST_MISSES = 200

Language = Literal["ko", "en"]


class SearchState(Out, kw_only=True):
    """`state`: of what makes vectors. off: words alone count; asleep: nobody has searched yet, so no model is loaded;
    filling: some tools have no vector yet. `model` is the one queries go by, null while there is none.
    """

    enabled: bool
    state: Literal["off", "asleep", "loading", "filling", "ready", "failed"]
    error: str
    model: str | None
    tools: int
    vectors: int


class GlossaryWord(Out, kw_only=True):
    """`meaning` '' for a word that is taken to mean nothing; `ours`: said here, and not known to every hub."""

    language: Language
    word: str
    meaning: str
    ours: bool


class Meaning(Schema, kw_only=True):
    """English words, the most telling first."""

    meaning: Annotated[str, Meta(max_length=MOST_MEANING)]


class Aliases(Schema, kw_only=True):
    aliases: Annotated[str, Meta(max_length=MOST_ALIASES)]


class MissView(Out, kw_only=True):
    """`why`: no_glossary for Korean that no word of the glossary fits, nothing_sure for words that fit no tool well."""

    query: str
    why: Literal["no_glossary", "nothing_sure"]
    times: int
    first_at: datetime
    last_at: datetime


class SearchStateAnswer(Envelope, kw_only=True):
    data: SearchState


class GlossaryAnswer(Envelope, kw_only=True):
    data: list[GlossaryWord]


class GlossaryWordAnswer(Envelope, kw_only=True):
    data: GlossaryWord


class MissesAnswer(Envelope, kw_only=True):
    data: list[MissView]


class AliasedToolAnswer(Envelope, kw_only=True):
    data: ToolView


class SearchController(Controller):
    path = "/api"
    tags = ("Search",)

    @get("/admin/search", operation_id="searchState", summary="What the search for tools stands on", who=AUDITOR)
    async def state(self, services: NamedDependency[Services]) -> SearchStateAnswer:
        found = await services.search.state()
        data = SearchState(
            enabled=search_on(services.model),
            state=found.state,
            error=found.why,
            model=found.model,
            tools=found.tools,
            vectors=found.vectors,
        )
        return SearchStateAnswer(data=data)

    @get("/admin/search/glossary", operation_id="glossary", summary="What words of a query mean", who=AUDITOR)
    async def glossary(
        self,
        services: NamedDependency[Services],
        which: Annotated[Literal["ours", "all"], QueryParameter(name="words")] = "all",
    ) -> GlossaryAnswer:
        """By language and word; `words=ours`: without those that every hub knows."""
        ours, every = own_entries(services.model), built_in()
        found = [
            GlossaryWord(language=language, word=word, meaning=meaning, ours=word in ours[language])
            for language in _languages()
            for word, meaning in sorted({**(every[language] if which == "all" else {}), **ours[language]}.items())
        ]
        return GlossaryAnswer(data=found)

    @put(
        "/admin/search/glossary/{language:str}/{word:str}",
        operation_id="explainWord",
        summary="Say what a word of a query means",
        who=ADMIN,
    )
    async def explain(
        self,
        language: FromPath[Language],
        word: FromPath[Annotated[str, Meta(max_length=MOST_WORD)]],
        data: JSONBody[Meaning],
        services: NamedDependency[Services],
    ) -> GlossaryWordAnswer:
        """Counts from the next search on. '' makes a word mean nothing that every hub knows."""
        done = await services.commands.run(lambda: SetGlossaryWord(language, word, data.meaning))
        said = GlossaryWord(language=language, word=done.command.word, meaning=data.meaning, ours=True)
        return GlossaryWordAnswer(data=said, position=done.position)

    @delete(
        "/admin/search/glossary/{language:str}/{word:str}",
        operation_id="forgetWord",
        summary="Take back what was said of a word",
        status_code=204,
        who=ADMIN,
    )
    async def forget(
        self, language: FromPath[Language], word: FromPath[str], services: NamedDependency[Services]
    ) -> None:
        await services.commands.run(lambda: SetGlossaryWord(language, word, None))

    @get(
        "/admin/search/misses",
        operation_id="searchMisses",
        summary="Words of queries that found nothing well, most frequent first",
        who=AUDITOR,
    )
    async def misses(self, services: NamedDependency[Services]) -> MissesAnswer:
        """Nothing of who asked is kept. At most 200."""
        found = await services.search.misses.page(MOST_MISSES)
        return MissesAnswer(
            data=[
                MissView(
                    query=miss.query,
                    why="no_glossary" if miss.why == "no_glossary" else "nothing_sure",
                    times=miss.times,
                    first_at=miss.first_at,
                    last_at=miss.last_at,
                )
                for miss in found
            ]
        )

    @delete(
        "/admin/search/misses",
        operation_id="forgetMiss",
        summary="Done with a query that found nothing",
        status_code=204,
        who=ADMIN,
    )
    async def forget_miss(self, services: NamedDependency[Services], words: Annotated[str, QueryParameter()]) -> None:
        """`words`: the query as it is kept."""
        if not await services.search.misses.forget(words):
            raise not_found("No such query is kept.")

    @put(
        "/servers/{name:str}/tools/{tool:str}/aliases",
        operation_id="aliasTool",
        summary="Say by which other words a tool is found",
        who=ADMIN,
    )
    async def alias(
        self,
        name: FromPath[str],
        tool: FromPath[str],
        data: JSONBody[Aliases],
        caller: NamedDependency[Caller],
        catalog: NamedDependency[Catalog],
        services: NamedDependency[Services],
    ) -> AliasedToolAnswer:
        """In any language; they are searched and shown to nobody. '' for none."""
        done = await services.commands.run(lambda: SetToolAliases(name, tool, data.aliases))
        done.must_show()
        server = services.model.settings.by_name(name)
        if server is None:
            raise UnknownServerId(name)
        known = next((view for view in catalog.tools(caller, server) if view.name == tool), None)
        return AliasedToolAnswer(data=known or catalog.unlisted(server, tool), position=done.position)


def _languages() -> tuple[Language, ...]:
    return ("en", "ko")
