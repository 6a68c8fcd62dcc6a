"""The glossary in force: what every hub knows, and over it what administrators wrote into the settings."""

from collections.abc import Mapping

from mcphub.domain.access import AccessModel
from mcphub.domain.settings_file import objects
from mcphub.search.glossary import LANGUAGES, Entries, Glossary, built_in, known, made_of


class Glossaries:
    """Made once for each state of the settings."""

    def __init__(self, model: AccessModel) -> None:
        self._model = model
        self._made: tuple[object, Glossary] | None = None

    def __call__(self) -> Glossary:
        config = self._model.settings.system_config
        if self._made is None or self._made[0] is not config:
            ours = own_entries(self._model)
            self._made = (config, made_of(built_in(), ours) if any(ours.values()) else known())
        return self._made[1]


def own_entries(model: AccessModel) -> Entries:
    """`systemConfig.smartRouting.glossary`; what is no text there counts as not written."""
    given = objects(objects(model.settings.system, "smartRouting"), "glossary")
    return {language: _texts(given.get(language)) for language in LANGUAGES}


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return {}
    return {word: meaning for word, meaning in value.items() if isinstance(word, str) and isinstance(meaning, str)}
