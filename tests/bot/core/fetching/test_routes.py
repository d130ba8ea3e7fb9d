"""What the kernel says of a route, and what it means for a stranger's address."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from ipaddress import ip_address

import pytest

from bot.core.fetching.routes import (
    ATTRIBUTE,
    HEADER,
    NLMSG_ERROR,
    ROUTE,
    RTA_GATEWAY,
    RTA_MULTIPATH,
    RTA_VIA,
    RTM_NEWROUTE,
    Route,
    read_answer,
    route_to,
)

RTA_OIF = 4
DEVICE = ATTRIBUTE.pack(8, RTA_OIF) + struct.pack("=i", 2)
GATEWAY = ATTRIBUTE.pack(8, RTA_GATEWAY) + bytes([192, 0, 2, 1])
VIA = ATTRIBUTE.pack(10, RTA_VIA) + bytes(6) + bytes(2)  # IPv6's for IPv4, padded


def answer(kind: int, bits: int, attributes: bytes = DEVICE) -> bytes:
    body = ROUTE.pack(socket.AF_INET, bits, 0, 0, 254, 3, 0, kind, 0) + attributes
    return HEADER.pack(HEADER.size + len(body), RTM_NEWROUTE, 0, 1, 0) + body


def many(*hops: bytes) -> bytes:
    value = b"".join(struct.pack("=HBBi", 8 + len(hop), 0, 0, 2) + hop for hop in hops)
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), RTA_MULTIPATH) + value


@pytest.mark.parametrize(
    ("raw", "way"),
    [
        (answer(1, 0, DEVICE + GATEWAY), Route.OUT),
        (answer(1, 24, DEVICE + GATEWAY), Route.OUT),
        (answer(1, 0, DEVICE + VIA), Route.OUT),
        (answer(1, 0, many(GATEWAY, GATEWAY)), Route.OUT),
        (answer(1, 24, many(GATEWAY, b"")), Route.LINK),
        (answer(1, 24), Route.LINK),
        (answer(1, 32), Route.LINK),
        (answer(1, 8), Route.LINK),
        (answer(1, 0), Route.OUT),  # ppp0
        (answer(1, 1), Route.OUT),  # a VPN that takes half of everything twice
        (answer(2, 32), Route.LOCAL),
        (answer(3, 32), Route.LINK),  # broadcast
        (answer(4, 32), Route.LINK),  # anycast
        (answer(5, 4), Route.LINK),  # multicast
    ],
)
def test_an_entry_without_a_gateway_is_our_own_network(raw: bytes, way: Route) -> None:
    assert read_answer(raw, 4) is way


@pytest.mark.parametrize(("bits", "way"), [(0, Route.OUT), (3, Route.OUT), (48, Route.LINK)])
def test_a_wide_entry_of_ipv6_is_a_line_to_a_provider(bits: int, way: Route) -> None:
    assert read_answer(answer(1, bits), 6) is way


def test_an_error_of_the_kernel_is_one_here() -> None:
    raw = HEADER.pack(HEADER.size + 4, NLMSG_ERROR, 0, 1, 0) + struct.pack("=i", -errno.ENETUNREACH)
    with pytest.raises(OSError, match="unreachable"):
        read_answer(raw, 4)


@pytest.mark.parametrize("damage", [b"\0\0\0\0", b"\x01\0\x05\0", b"\xff\xff\x09\0"])
def test_attributes_that_are_none_end(damage: bytes) -> None:
    assert read_answer(answer(1, 24, damage), 4) in (Route.LINK, Route.OUT)


def test_this_machine_knows_itself() -> None:
    assert route_to(ip_address("127.0.0.1")) is Route.LOCAL


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are not asked for routes")
def test_all_of_loopback_is_this_machine() -> None:
    assert route_to(ip_address("127.8.9.10")) is Route.LOCAL
