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
        children: the processes of servers are told, too, the proxy's password among it.
    """

    def __init__(
        self,
        proxy: str = "",
        direct: tuple[str, ...] = (),
        ca_file: Path | None = None,
        *,
        children: bool = False,
    ) -> None:
        self.proxy = proxy
        self._direct = direct
        self._ca_file = ca_file
        self._children = children
        #: None when the system's certificates are all there is to believe; else made here, at the start
        self.own_tls = None if ca_file is None else self.tls

    @classmethod
    def of(cls, settings: Settings) -> "WayOut":
        return cls(settings.egress_proxy, settings.egress_direct, settings.ca_file, children=settings.egress_children)

    def proxied(self, host: str) -> bool:
        """Is this host reached by the proxy? This machine never is."""
        if not self.proxy:
            return False
        host = host.strip("[]").rstrip(".").lower()
        address = egress.literal(host)
        if host in LOOPBACK or (address is not None and address.is_loopback):
            return False
        return not any(host == name or host.endswith(f".{name}") for name in self._direct)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Certificates are always checked, and so is the name in them."""
        context = ssl.create_default_context()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return context

    def for_children(self) -> dict[str, str]:
        """Variables by which programs find the same way; none unless the operator wants that."""
        if not self._children:
            return {}
        env: dict[str, str] = {}
        if self.proxy:
            direct = ",".join(["127.0.0.1", "localhost", "::1", *self._direct])
            for name, value in (("http_proxy", self.proxy), ("https_proxy", self.proxy), ("no_proxy", direct)):
                env |= {name: value, name.upper(): value}
        if self._ca_file is not None:
            # Node adds it to its own; of Python's and curl's it takes the place, so it must hold all that is needed.
            names = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
            env |= dict.fromkeys(names, str(self._ca_file.absolute()))
        return env
