"""Networks in the ini file, and which addresses are somebody else's business.

What calls out to an address that a customer names must not be led to the machine
itself, its neighbours, or the metadata of a cloud: `is_public` says which addresses
are none of these.
"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from gdemoi.ini.units import Converter, each

Network = IPv4Network | IPv6Network

# RFC 6052 §2.1: an IPv4 address in the last 32 bits.
_NAT64: Final = IPv6Network("64:ff9b::/96")


def _network(value: str) -> Network:
    try:
        return ip_network(value, strict=False)
    except ValueError:
        raise ValueError(
            f"{value!r} is not an address or network like 10.0.0.0/8"
        ) from None


networks: Final = each(Converter("network", _network))


def allows(nets: tuple[Network, ...], host: str) -> bool:
    """Tell whether an address is in one of the networks; none: any address is."""
    return not nets or within(nets, host)


def within(nets: tuple[Network, ...], host: str) -> bool:
    """Tell whether an address is in one of the networks."""
    found = _address(host)
    return found is not None and any(found in net for net in nets)


def is_public(host: str) -> bool:
    """Tell whether an address is one of the public internet, and of one machine.

    So must be the address of IPv4 that one of IPv6 leads to.
    """
    found = _address(host)
    if found is None or not found.is_global or found.is_multicast:
        return False
    inner = None
    if isinstance(found, IPv6Address):
        inner = found.sixtofour or (found.teredo or (None, None))[1]
        if found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFF_FFFF)
    return inner is None or inner.is_global


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return an address; one of IPv4 that is written as one of IPv6 is that of IPv4."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped: IPv4Address | None = getattr(found, "ipv4_mapped", None)
    return mapped or found
