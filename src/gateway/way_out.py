"""The way out of a company's network: its proxy, the hosts reached without it, and whose certificates are believed.

Nothing of the process's own environment counts here: a proxy that a shell happens to name would see every token.
"""

import ssl
from functools import cached_property
from pathlib import Path

from mcphub.domain import egress
from mcphub.settings import LOOPBACK, Settings


class WayOut:
    """How a host is reached.

    Args:
        proxy: address of an HTTP proxy; '' for none. It may hold a password.
        direct: hosts, with everything below them, that are reached without it.
        ca_file: certificates believed beside the system's own.
    """

    def __init__(self, proxy: str = "", direct: tuple[str, ...] = (), ca_file: Path | None = None) -> None:
        self.proxy = proxy
        self._direct = direct
        self._ca_file = ca_file

    @classmethod
    def of(cls, settings: Settings) -> "WayOut":
        return cls(settings.egress_proxy, settings.egress_direct, settings.ca_file)

    def proxied(self, host: str) -> bool:
        """Is this host reached by the proxy? This machine never is."""
        host = host.strip("[]").rstrip(".").lower()
        address = egress.literal(host)
        if not self.proxy or host in LOOPBACK or (address is not None and address.is_loopback):
            return False
        return not any(host == name or host.endswith(f".{name}") for name in self._direct)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Certificates are always checked, and so is the name in them."""
        context = ssl.create_default_context()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return context
