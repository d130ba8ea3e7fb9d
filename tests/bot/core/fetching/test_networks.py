"""Addresses that look public and lead inside, whatever they are wrapped in."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import SourceRefused
from bot.core.fetching.addresses import INSIDE_IPV4, check_address, equivalent_addresses

INSIDE = st.sampled_from(INSIDE_IPV4).flatmap(
    lambda network: st.integers(0, network.num_addresses - 1).map(
        lambda number: IPv4Address(int(network.network_address) + number)
    )
)
PREFIXES = st.binary(min_size=12, max_size=12).map(lambda raw: b"\x2a" + raw[1:])


def wrapped(prefix: bytes, address: IPv4Address, bits: int) -> IPv6Address:
    """Wrap an address as RFC 6052 has it, in a prefix of so many bits."""
    if bits == 96:
        return IPv6Address(prefix[:8] + b"\0" + prefix[9:12] + address.packed)
    tail = prefix[: bits // 8] + address.packed
    return IPv6Address((tail[:8] + b"\0" + tail[8:]).ljust(16, b"\0"))


@pytest.mark.parametrize("bits", [32, 40, 48, 56, 64, 96])
@given(address=INSIDE, prefix=PREFIXES)
def test_an_inside_address_behind_anybodys_nat64_is_refused(
    bits: int, address: IPv4Address, prefix: bytes
) -> None:
    with pytest.raises(SourceRefused):
        check_address(str(wrapped(prefix, address, bits)), "typed")
    assert address in equivalent_addresses(wrapped(prefix, address, bits))


@given(
    interface=st.sampled_from(["0:5efe", "200:5efe", "100:5efe", "300:5efe"]),
    prefix=st.binary(min_size=7, max_size=7),
    address=st.ip_addresses(v=4),
)
def test_an_isatap_address_is_refused_whatever_it_wraps(
    interface: str, prefix: bytes, address: IPv4Address
) -> None:
    middle = IPv6Address(f"::{interface}:0:0").packed[8:12]
    with pytest.raises(SourceRefused):
        check_address(str(IPv6Address(b"\x2a" + prefix + middle + address.packed)), "typed")


@pytest.mark.parametrize(
    "address",
    [
        "168.63.129.16",
        "::ffff:168.63.129.16",
        "64:ff9b::a83f:8110",
        "2a01:db::a83f:8110",
        "100.100.100.200",
        "192.0.0.192",
        "192.80.8.124",
        "161.26.0.10",
        "166.8.1.2",
        "169.254.170.2",
        "fd00:ec2::254",
        "fd20:ce::254",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "64:ff9b:1::a9fe:a9fe",
        "::169.254.169.254",
        "2a01:4f8:c0c:1::5efe:a9fe:a9fe",
    ],
)
def test_a_clouds_own_service_is_refused(address: str) -> None:
    with pytest.raises(SourceRefused):
        check_address(address, "typed")


@pytest.mark.parametrize(
    "address",
    [
        "152.19.134.47",
        "168.63.129.17",
        "2610:28:3090:3000:0:bad:cafe:47",
        "2a00:1450:4001:81b::200e",
        "2606:4700::6810:84e5",
        "2620:0:862:ed1a::1",
        "2a03:2880:f12f:83:face:b00c:0:25de",
        "2001:4860:4860::8888",
        "2a04:4e42::645",
        "2606:50c0:8000::153",
        "2a01:4f8::f00d:cafe",
        "64:ff9b::9813:862f",
    ],
)
def test_where_books_are_is_public(address: str) -> None:
    check_address(address, "typed")


def test_an_address_has_the_face_that_a_gateway_unpacks() -> None:
    seen = [str(face) for face in equivalent_addresses(ip_address("::ffff:93.184.216.34"))]
    assert "93.184.216.34" in seen
