"""Which IP addresses anybody on the Internet could reach; nothing here asks the system.

An IPv6 address can carry an IPv4 address that a gateway unpacks on the way. So an address has
several *faces*, and each of them has to be public.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from bot.core.errors import SourceRefused

NOT_PUBLIC = "it leads to an address that is not on the public Internet"

# IANA's special-purpose registries. Not `is_global`: its lists differ between Python's releases
# (CVE-2024-4032), and it calls multicast global.
THIS_HOST = ip_network("0.0.0.0/8")
MULTICAST = ip_network("224.0.0.0/4")
RESERVED = ip_network("240.0.0.0/4")  # and broadcast
INSIDE_IPV4 = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' NAT, and Alibaba's metadata
            "127.0.0.0/8",
            "161.26.0.0/16",  # IBM Cloud's own services, like 166.8.0.0
            "166.8.0.0/14",
            "168.63.129.16/32",  # Azure's wire server, a public address that is inside
            "169.254.0.0/16",  # link-local, and most clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments, and Oracle's metadata
            "192.0.2.0/24",  # documentation, like 198.51.100.0 and 203.0.113.0
            "192.80.8.124/32",  # Equinix Metal's metadata
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",
            "203.0.113.0/24",
        ),
    )
)
FORBIDDEN_IPV4 = (THIS_HOST, *INSIDE_IPV4, MULTICAST, RESERVED)
PUBLIC_IPV6 = ip_network("2000::/3")  # nothing else is given to hosts on the Internet
FORBIDDEN_IPV6 = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # protocol assignments, Teredo among them, which wraps an IPv4 address
            "2001:db8::/32",  # documentation, like 3fff::
            "2002::/16",  # 6to4, which wraps an IPv4 address
            "3fff::/20",
        ),
    )
)
NAT64 = ip_network("64:ff9b::/96")  # how a network without IPv4 reaches the IPv4 Internet
ISATAP = b"\x00\x5e\xfe"  # RFC 5214, 6.1: bytes 9 to 11, after one whose last two bits are free


def check_address(address: str, source: str) -> None:
    """Raise SourceRefused unless anybody on the Internet could reach that IP address.

    An IPv4 address that is mapped or that stands behind NAT64 counts as itself. The other ways to
    wrap one in IPv6 (compatible, 6to4, Teredo, ISATAP, local NAT64) are refused whatever they wrap.
    """
    try:
        parsed = ip_address(address)
    except ValueError as error:
        raise SourceRefused(source, NOT_PUBLIC) from error
    if not _is_public(parsed):
        raise SourceRefused(source, NOT_PUBLIC)


def equivalent_addresses(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Yield an address and every IPv4 address that a gateway could unpack from it.

    >>> [str(address) for address in equivalent_addresses(ip_address("64:ff9b::c000:22c"))][:2]
    ['64:ff9b::c000:22c', '192.0.2.44']
    """
    yield address
    if isinstance(address, IPv6Address):
        yield from _unpacked(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in FORBIDDEN_IPV4)
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return _is_public(address.ipv4_mapped)
    if address in NAT64:
        return _is_public(IPv4Address(address.packed[-4:]))
    if address not in PUBLIC_IPV6 or any(address in network for network in FORBIDDEN_IPV6):
        return False
    if address.packed[8] & 0xFC == 0 and address.packed[9:12] == ISATAP:
        return False
    return not any(face in network for face in _unpacked(address) for network in INSIDE_IPV4)


def _unpacked(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that a NAT64 of any prefix could read (RFC 6052, 2.2).

    Its prefix may be anybody's, so that these are guesses. They are checked against networks that
    hosts' numbers hit by chance once in 10,000 times: not 0.0.0.0/8, where ::1 would be.
    """
    packed = address.packed
    if address.ipv4_mapped is not None or packed[8] == 0:
        yield IPv4Address(packed[-4:])
    if packed[8] == 0:
        rest = packed[:8] + packed[9:]
        for begin in (4, 5, 6, 7, 8):  # prefixes of 32 to 64 bits; zeros follow
            if not any(rest[begin + 4 :]):
                yield IPv4Address(rest[begin : begin + 4])
