"""Tools found by what they are for, and the words that help to find them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphub.cli.people import execute, present, the_user
from mcphub.cli.shared import answer, at_home, home_option, json_option, run, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcphub.domain.access import AccessModel
    from mcphub.domain.hub import Command
    from mcphub.foundation import Foundation
    from mcphub.search.index import Found, Visible

MOST = 50


@click.command()
@home_option
@click.argument("query")
@click.option("--user", "who", metavar="USER", help="Only what this user may use; by default all there is.")
@click.option("--server", default="", help="Only tools of this server.")
@click.option("--limit", type=click.IntRange(1, MOST), default=5, show_default=True)
@click.option("--words", is_flag=True, help="By words alone; no model is loaded.")
@json_option
def search(home: Path | None, query: str, who: str | None, server: str, limit: int, words: bool, as_json: bool) -> None:
    """Find tools by what they are for, as clients in mode `search` do.

    What servers said of their tools is taken from the record, and indexed first where it is not yet.
    """

    async def work() -> None:
        from mcphub.gateway.meta_tools import MOST_QUERY

        async with present(home) as (base, now):
            user = the_user(base, now, who).user_id if who else ""
            tools, found = await _searched(base, now.model, query[:MOST_QUERY], user, server, limit, words=words)
        best = [tools[place] for place in found.places]
        rows = [{"id": id, "server": name, "tool": tool} for id, name, tool in best]
        confidence = "high" if found.sure else "low"
        text = table(("ID", "SERVER", "TOOL"), [list(row.values()) for row in rows]) if rows else "no tools"
        answer({"tools": rows, "confidence": confidence}, f"{text}\nconfidence: {confidence}", as_json=as_json)

    run(work())


async def _searched(
    base: "Foundation", model: "AccessModel", query: str, user: str, server: str, limit: int, *, words: bool
) -> tuple[list[tuple[str, str, str]], "Found"]:
    """((name on the aggregate, server, tool) of all that was searched, what was found of it)"""
    from mcphub.api.outgoing import guarded_client
    from mcphub.embedding import Embedding
    from mcphub.gateway.glossaries import Glossaries
    from mcphub.postgres.pool import read_pool
    from mcphub.search import index
    from mcphub.search.embedder import EmbeddingFailed
    from mcphub.search.glossary import terms
    from mcphub.search.tables import SCHEMA
    from mcphub.search.vectors import Vectors
    from mcphub.tool_index import ToolIndex

    async with read_pool(base.database.app, search_path=f"{SCHEMA},public", name="mcphub-search") as pool:
        role = ToolIndex(model, pool, Vectors(pool, lambda: None), lambda: None)
        await role.begin()
        await role.round()
        tools, among = _among(model, user, server)
        vector, number, share = None, None, 0.0
        known = Glossaries(model)()
        embedder = (
            None
            if words
            else Embedding(base.settings, model, base.vault, lambda named: guarded_client(base.settings, named)).make()
        )
        async with pool.connection() as db:
            if embedder is not None:
                try:
                    info = await embedder.start()
                    kept = [one for one in await index.models(db) if one.name == info.id and one.active]
                    if kept:
                        asked = known.in_english(query) if info.english else query
                        vector, number = await embedder.embed_query(asked), kept[0].model_id
                        share = info.share
                except EmbeddingFailed as failed:
                    click.echo(f"mcphub: by words alone: {failed}", err=True)
                finally:
                    await embedder.close()
            wanted = terms(query, known)
            return tools, await index.find(db, wanted, among, limit, vector=vector, model=number, share=share)


def _among(model: "AccessModel", user: str, only: str) -> tuple[list[tuple[str, str, str]], "Visible"]:
    """What is on the record and may be used, by the user or, with '', by anybody."""
    from mcphub.domain.access import Principal, visible_servers
    from mcphub.domain.entitlement import recorded_tools
    from mcphub.gateway.searchable import content_hash
    from mcphub.search.index import visible

    everybody = [server for server in model.servers.values() if server.enabled]
    servers = visible_servers(model, Principal(user), datetime.now(UTC)) if user else everybody
    tools: list[tuple[str, str, str]] = []
    hashes: list[Any] = []
    for server in servers:
        if only not in ("", server.name, server.slug):
            continue
        for tool in recorded_tools(model, server):
            if model.offered(server, "tools", tool.name, tool.hash) == "allowed":
                tools.append((tool.exposed, server.name, tool.name))
                hashes.append(content_hash(server, tool.name, tool.hash))
    return tools, visible(hashes)


@click.group()
def glossary() -> None:
    """What words of a query mean in the words of tools."""


@glossary.command("list")
@home_option
@json_option
def list_words(home: Path | None, as_json: bool) -> None:
    """The words that were explained here, beside those every hub knows."""

    async def work() -> None:
        from mcphub.gateway.glossaries import own_entries

        async with present(home) as (_, now):
            own = own_entries(now.model)
        rows = [[language, word, meaning] for language in own for word, meaning in sorted(own[language].items())]
        text = table(("LANGUAGE", "WORD", "MEANING"), rows) if rows else "no words"
        answer({"words": own}, text, as_json=as_json)

    run(work())


@glossary.command("set")
@home_option
@click.argument("language", type=click.Choice(["ko", "en"]))
@click.argument("word")
@click.argument("meaning")
@json_option
def set_word(home: Path | None, language: str, word: str, meaning: str, as_json: bool) -> None:
    """Explain a word in English, the most telling word first; '' makes it mean nothing."""
    _explain(home, language, word, meaning, as_json=as_json)


@glossary.command("remove")
@home_option
@click.argument("language", type=click.Choice(["ko", "en"]))
@click.argument("word")
@json_option
def remove_word(home: Path | None, language: str, word: str, as_json: bool) -> None:
    """Take back what was said of a word."""
    _explain(home, language, word, None, as_json=as_json)


def _explain(home: Path | None, language: str, word: str, meaning: str | None, *, as_json: bool) -> None:
    from mcphub.domain.search import SetGlossaryWord

    said = f"{word} says nothing of its own any more" if meaning is None else f"{word} means {meaning or 'nothing'}"
    _change(home, lambda: SetGlossaryWord(language, word, meaning), said, as_json=as_json)


@click.command()
@home_option
@click.argument("server")
@click.argument("tool")
@click.argument("words", default="")
@json_option
def aliases(home: Path | None, server: str, tool: str, words: str, as_json: bool) -> None:
    """Say by which other WORDS a tool is found, in any language; none takes them back."""
    from mcphub.domain.search import SetToolAliases

    said = f"{tool} of {server} is found by {words!r}, too" if words else f"{tool} of {server} has no other words"
    _change(home, lambda: SetToolAliases(server, tool, words), said, as_json=as_json)


def _change(home: Path | None, build: "Callable[[], Command]", said: str, *, as_json: bool) -> None:
    async def work() -> None:
        async with at_home(home) as base:
            position = execute(base, build)
        answer({"position": position}, f"{said}.", as_json=as_json)

    run(work())
