"""Which addresses the hub never dials. Pure: names are resolved elsewhere, and every address found is asked here.

The list is written out because `ipaddress.is_global` differs between Python patch releases.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address

DENIED = [
    ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24"
        " 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
        " ::/128 ::1/128 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8"
    ).split()
]
METADATA = [ip_network("169.254.0.0/16"), ip_network("fd00:ec2::/32")]  # no allow list opens cloud metadata
NAT64, SIX_TO_FOUR = ip_network("64:ff9b::/96"), ip_network("2002::/16")


def denied(address: Address, allow: Sequence[str] = (), *, loopback: bool = True) -> bool:
    """Must this address never be dialled?

    Args:
        allow: CIDRs the operator opened.
        loopback: this machine may be dialled; so it is for servers an administrator added.
    """
    address = unwrapped(address)
    if any(address in network for network in METADATA):
        return True
    if any(address in ip_network(cidr, strict=False) for cidr in allow):
        return False
    if loopback and address.is_loopback:
        return False
    return any(address in network for network in DENIED)


def unwrapped(address: Address) -> Address:
    """The IPv4 address inside the IPv6 forms that carry one."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in SIX_TO_FOUR:
        return IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address


def literal(host: str) -> Address | None:
    """The address a host name spells out, in any form a resolver would take for one; None for a real name."""
    host = host.strip("[]").rstrip(".").partition("%")[0]
    try:
        return ip_address(host)
    except ValueError:
        return _loose_ipv4(host)


def dialled_host(url: str) -> str | None:
    """The lower-case host of an http or https address; None for everything a client could read in another way."""
    # urlsplit drops tabs and line breaks, and some clients take '\\' for '/': what is checked must be what is dialled.
    if any(char <= " " or char in "\\\x7f" for char in url):
        return None
    try:
        split = urlsplit(url)
        return split.hostname if split.scheme in {"http", "https"} and split.hostname and split.port != 0 else None
    except ValueError:
        return None


def _loose_ipv4(host: str) -> IPv4Address | None:
    """`2130706433`, `0x7f.1` and `017700000001` as inet_aton reads them."""
    parts = host.split(".")
    if not 1 <= len(parts) <= 4:
        return None
    numbers = []
    for part in parts:
        try:
            octal = len(part) > 1 and part[0] == "0" and part[1] not in "xX"
            numbers.append(int(part, 8) if octal else int(part, 0))
        except ValueError:
            return None
    *leading, last = numbers
    if any(not 0 <= number < 256 for number in leading) or not 0 <= last < 256 ** (5 - len(numbers)):
        return None
    value = last
    for index, number in enumerate(leading):
        value |= number << 8 * (3 - index)
    return IPv4Address(value)
