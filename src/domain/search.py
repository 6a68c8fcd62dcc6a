"""What administrators add to the search for tools: other words for a tool, and what words mean.

Both are members of the settings document, so they are exported, compared and taken back with it:
`tools.{tool}.aliases` of a server, and `systemConfig.smartRouting.glossary.{language}.{word}`.
"""

import unicodedata
from typing import Any

from msgspec import Raw

from mcphub.domain.events import SERVERS, SystemConfigChanged
from mcphub.domain.findings import DocumentRefused, Finding
from mcphub.domain.settings_command import SettingsCommand
from mcphub.domain.settings_file import compact, objects

LANGUAGES = ("ko", "en")
MOST_ENTRIES = 5000  # of a glossary, in all languages
MOST_WORD = 60  # characters
MOST_MEANING = 200
MOST_ALIASES = 500


class SetToolAliases(SettingsCommand):
    """Say by which other words a tool is found, in any language; '' for none. The same ones again write nothing.

    Raises:
        UnknownServerId: no living server has the name.
        DocumentRefused: it is too long.
    """

    def __init__(self, name: str, tool: str, aliases: str) -> None:
        super().__init__()
        self.name = name
        self.tool = tool
        self.aliases = " ".join(unicodedata.normalize("NFC", aliases).split())

    def execute(self) -> None:
        server = self.named(self.name)
        if len(self.aliases) > MOST_ALIASES:
            raise DocumentRefused([Finding("/aliases", "value_not_allowed", f"at most {MOST_ALIASES} characters")])
        entry = dict(server.override("tools", self.tool))
        if entry.get("aliases", "") == self.aliases:
            return
        if self.aliases:
            entry["aliases"] = self.aliases
        else:
            entry.pop("aliases", None)
        tools = {**objects(server.config, "tools"), self.tool: entry}
        if not entry:
            del tools[self.tool]
        config = {**server.config, "tools": tools}
        if not tools:
            del config["tools"]
        self.change(server, config)


class SetGlossaryWord(SettingsCommand):
    """Say what a word of a query means in the words of tools; None takes back what was said. Over a word that every
    hub knows, '' makes it mean nothing.

    Raises:
        DocumentRefused: it is no word, too long, or one too many.
    """

    def __init__(self, language: str, word: str, meaning: str | None) -> None:
        super().__init__()
        self.language = language
        self.word = " ".join(unicodedata.normalize("NFC", word).lower().split())
        self.meaning = None if meaning is None else " ".join(meaning.split())

    def execute(self) -> None:
        system = self.state.system
        routing = objects(system, "smartRouting")
        glossary = objects(routing, "glossary")
        words = dict(objects(glossary, self.language))
        if words.get(self.word) == self.meaning:
            return
        if self.meaning is None:
            words.pop(self.word, None)
        else:
            self._must_fit(glossary)
            words[self.word] = self.meaning
        changed: dict[str, Any] = {**glossary, self.language: words}
        kept = {language: entries for language, entries in changed.items() if entries}
        routing = {**routing, "glossary": kept}
        if not kept:
            del routing["glossary"]
        self.trigger_event(SystemConfigChanged, [SERVERS], config=Raw(compact({**system, "smartRouting": routing})))

    def _must_fit(self, glossary: Any) -> None:
        if self.language not in LANGUAGES:
            raise DocumentRefused([Finding("/language", "value_not_allowed", f"one of {', '.join(LANGUAGES)}")])
        if not 0 < len(self.word) <= MOST_WORD:
            raise DocumentRefused([Finding("/word", "value_not_allowed", f"1 to {MOST_WORD} characters")])
        if len(self.meaning or "") > MOST_MEANING:
            raise DocumentRefused([Finding("/meaning", "value_not_allowed", f"at most {MOST_MEANING} characters")])
        if sum(len(objects(glossary, language)) for language in LANGUAGES) >= MOST_ENTRIES:
            raise DocumentRefused([Finding("/word", "value_not_allowed", f"the glossary holds {MOST_ENTRIES} words")])
