"""The providers a hub is configured with, by the name in their paths."""

from collections.abc import Iterator

from mcphub.api.auth.providers import Provider
from mcphub.api.problems import Problem
from mcphub.settings import ProviderSettings, Settings


class Providers:
    """One of each; what one discovers, it keeps."""

    def __init__(self, hub: Settings) -> None:
        self._known = {settings.name: _made(hub, settings) for settings in hub.providers}

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._known.values())

    def named(self, name: str, kind: str) -> Provider:
        """
        Raises:
            Problem: 404, it is not configured.
        """
        provider = self._known.get(name)
        if provider is None or provider.settings.kind != kind:
            raise Problem(404, "provider_disabled", "One cannot sign in that way here.", "Look at /login/config.")
        return provider


def _made(hub: Settings, settings: ProviderSettings) -> Provider:
    # Here, because a hub without providers starts without what they load.
    if settings.kind == "github":
        from mcphub.api.auth.github import GitHub

        return GitHub(hub, settings)
    from mcphub.api.auth.oidc import Oidc

    return Oidc(hub, settings)
