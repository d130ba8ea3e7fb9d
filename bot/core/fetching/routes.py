"""How this machine would send to an address: to itself, to its own network, or through a gateway.

Linux is asked for its route (rtnetlink(7)), which takes in every interface, table and rule.
Elsewhere it is only seen whether an address is our own: we would send to it from itself.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address

# linux/netlink.h and linux/rtnetlink.h
NLMSG_ERROR, NLM_F_REQUEST = 2, 1
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTM_F_FIB_MATCH = 0x2000  # answer with the entry of the table; Linux 4.13
RTA_DST, RTA_GATEWAY, RTA_MULTIPATH, RTA_VIA = 1, 5, 9, 18
RTN_UNICAST, RTN_LOCAL = 1, 2
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ROUTE = struct.Struct("=8BI")  # family, length of the destination, …, type, flags
ATTRIBUTE = struct.Struct("=HH")  # length, type
NEXT_HOP = struct.Struct("=HBBi")  # length, flags, hops, interface
ANSWER_BYTES = 2**16
# An entry without a gateway is a network of neighbours; one as wide as these or wider is a line to
# a provider (ppp0, a VPN), as no network has so many neighbours.
WIDE = {4: 7, 6: 16}


class Route(Enum):
    """How a packet would go."""

    LOCAL = "to this machine"
    LINK = "to a neighbour, without a gateway"
    OUT = "through a gateway"
    NONE = "nowhere, or the system does not say"


def route_to(address: IPv4Address | IPv6Address) -> Route:
    """Ask the system how it would send to an address; no packet is sent."""
    if sys.platform == "linux":
        try:
            return read_answer(_ask(address), address.version)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT):
                return Route.NONE  # no route
    return Route.LOCAL if _is_source(address) else Route.NONE


def read_answer(answer: bytes, version: int) -> Route:
    """Read the kernel's answer; raise OSError where it is an error."""
    _, kind, _, _, _ = HEADER.unpack_from(answer)
    if kind == NLMSG_ERROR:
        (number,) = struct.unpack_from("=i", answer, HEADER.size)
        raise OSError(-number, os.strerror(-number))
    if kind != RTM_NEWROUTE:
        return Route.NONE
    _, bits, _, _, _, _, _, route, _ = ROUTE.unpack_from(answer, HEADER.size)
    if route == RTN_UNICAST:
        attributes = answer[HEADER.size + ROUTE.size :]
        through = _has_gateway(attributes) or bits <= WIDE[version]
        return Route.OUT if through else Route.LINK
    # Broadcast, anycast and multicast end here or next door as well.
    return Route.LOCAL if route == RTN_LOCAL else Route.LINK


def _ask(address: IPv4Address | IPv6Address) -> bytes:
    raw = address.packed
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    route = ROUTE.pack(family, 8 * len(raw), 0, 0, 0, 0, 0, 0, RTM_F_FIB_MATCH)
    body = route + ATTRIBUTE.pack(ATTRIBUTE.size + len(raw), RTA_DST) + raw
    header = HEADER.pack(HEADER.size + len(body), RTM_GETROUTE, NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(1.0)  # the kernel answers at once
        asking.sendto(header + body, (0, 0))
        return asking.recv(ANSWER_BYTES)


def _has_gateway(attributes: bytes) -> bool:
    for kind, value in _attributes(attributes):
        if kind in (RTA_GATEWAY, RTA_VIA):
            return True
        if kind == RTA_MULTIPATH:
            return all(_has_gateway(hop) for hop in _next_hops(value))
    return False


def _attributes(raw: bytes) -> Iterator[tuple[int, bytes]]:
    while len(raw) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(raw)
        yield kind, raw[ATTRIBUTE.size : length]
        raw = raw[max(_aligned(length), ATTRIBUTE.size) :]


def _next_hops(raw: bytes) -> Iterator[bytes]:
    while len(raw) >= NEXT_HOP.size:
        length = NEXT_HOP.unpack_from(raw)[0]
        yield raw[NEXT_HOP.size : length]
        raw = raw[max(_aligned(length), NEXT_HOP.size) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _is_source(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether we would send to an address from itself."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sending:
            sending.connect((str(address), 9))  # UDP's discard; connecting sends nothing
            return ip_address(str(sending.getsockname()[0]).partition("%")[0]) == address
    except OSError:
        return False
