"""Addresses as they are counted: one machine must not pass for many."""

from ipaddress import IPv6Address, ip_address

HOST_BITS = 64  # of an IPv6 address: anybody has that many to choose from


def counted(address: str) -> str:
    """The address for the purpose of limits: of IPv6 the network it is in."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> HOST_BITS << HOST_BITS)}/{HOST_BITS}"
