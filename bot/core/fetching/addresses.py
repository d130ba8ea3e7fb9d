"""Which addresses a book may be fetched from; nothing here opens a socket or asks a name server.

A stranger's address is read once, by yarl, and what yarl made of it is what is checked and what is
connected to. So where two parsers could read it differently, it does not matter how another would.

An IP address must be one that anybody on the Internet could reach. An IPv6 address can carry an
IPv4 address that a gateway unpacks on the way. So an address has several *faces*, and each of them
has to be public.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import PurePosixPath

from yarl import URL

from bot.core.errors import SourceRefused
from bot.core.languages import sentence

MAX_URL_CHARACTERS = 2_000  # what every browser and server bears
MAX_HOST_CHARACTERS = 253  # RFC 1035, without the root's dot
MAX_FILE_NAME_CHARACTERS = 100
PORTS = (80, 443)
SHAPE = re.compile("https?://([^/?#]+)", re.IGNORECASE)
LABEL = re.compile("[a-z0-9_-]{1,63}")
# https://url.spec.whatwg.org/#ends-in-a-number-checker: a C library reads such hosts as addresses.
NUMBER = re.compile("[0-9]+|0x[0-9a-f]*")
MARK = "numbergoeshere"  # stands for a number while a template is read: letters that yarl leaves
INSIDE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa")
NOT_PUBLIC = sentence("it leads to an address that is not on the public Internet")
INVALID = sentence("it is not a valid address")

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


@dataclass(frozen=True)
class Trust:
    """What the host of the bot allows.

    The addresses that `template` makes for a book's {number} may be anywhere, and nothing else at
    the same origin. `allowed_hosts` narrows the rest: a host that begins with a dot stands for the
    names under it; with no allowed hosts, every public one is allowed. Nothing but the template
    leads to `forbidden_networks`.
    """

    template: str = ""
    allowed_hosts: tuple[str, ...] = ()
    forbidden_networks: tuple[str, ...] = ()

    def trusts(self, url: URL) -> bool:
        return bool(self.template) and _pattern(self.template).fullmatch(str(url)) is not None

    def allows_host(self, host: str) -> bool:
        names = [name.lower() for name in self.allowed_hosts]
        return not names or any(
            host.endswith(name) if name.startswith(".") else host == name for name in names
        )

    def forbids(self, address: IPv4Address | IPv6Address) -> bool:
        return any(
            address in ip_network(network, strict=False) for network in self.forbidden_networks
        )


STRANGERS = Trust()


def read_url(typed: str, trust: Trust = STRANGERS) -> URL:
    """Read the address of a book, or raise SourceRefused; names are still to be looked up.

    >>> read_url("HTTP://Bücher.example:80/a.txt")
    URL('http://xn--bcher-kva.example/a.txt')
    """
    url = _parse(typed)
    if trust.trusts(url):
        return url
    if url.port not in PORTS:
        raise SourceRefused(typed, sentence("the port is neither 80 nor 443"))
    host = url.raw_host or ""
    _check_host(host, typed)
    if not trust.allows_host(host):
        raise SourceRefused(typed, sentence("the host is not on this bot's list"))
    return url


def read_redirect(url: URL, location: str, trust: Trust = STRANGERS) -> URL:
    """Read where `url` sends us to, under the rules for a typed address and never out of https."""
    _check_characters(location)
    try:
        relative = URL(location)
        whole = location if relative.scheme else str(url.join(relative))
    except ValueError as error:
        raise SourceRefused(location, INVALID) from error
    target = read_url(whole, trust)
    if url.scheme == "https" and target.scheme != "https":
        raise SourceRefused(location, sentence("it leads from https to http"))
    return target


def is_address(host: str) -> bool:
    """Tell whether a host is an IP address, and no name to look up.

    >>> is_address("192.0.2.1"), is_address("::1"), is_address("127.1"), is_address("example.org")
    (True, True, False, False)
    """
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def file_name(url: URL) -> str:
    """Return the last part of the path, fit to be shown; it is no path to write to.

    >>> file_name(URL("https://example.org/a/pg1041.txt?x")), file_name(URL("http://a.b/..%2f.."))
    ('pg1041.txt', '')
    """
    name = PurePosixPath(url.name.replace("\\", "/")).name
    shown = "".join(character for character in name if character.isprintable())
    return shown[:MAX_FILE_NAME_CHARACTERS] if shown.strip(".") else ""


def _parse(typed: str) -> URL:
    """Read an address whose host may be anything."""
    _check_characters(typed)
    shape = SHAPE.match(typed)
    if not shape:
        raise SourceRefused(typed, sentence("it is not an http:// or https:// address"))
    if "@" in shape[1]:
        raise SourceRefused(typed, sentence("it contains a user name or password"))
    try:
        url = URL(typed).with_fragment(None)
        host, port = url.raw_host, url.port
    except ValueError as error:
        raise SourceRefused(typed, INVALID) from error
    # yarl reads "[v1.x]", an address of some future kind, as the name v1.x.
    if not host or not port or (shape[1].startswith("[") and ":" not in host):
        raise SourceRefused(typed, INVALID)
    return url


def _check_characters(typed: str) -> None:
    if len(typed) > MAX_URL_CHARACTERS:
        reason = sentence("it is longer than {most:,} characters", most=MAX_URL_CHARACTERS)
        raise SourceRefused(typed, reason)
    if not typed.isprintable() or " " in typed or "\\" in typed:
        reason = sentence("it contains a space, a backslash or an invisible character")
        raise SourceRefused(typed, reason)


def _check_host(host: str, source: str) -> None:
    """Raise SourceRefused unless a host is a public IP address or could be a public name."""
    if ":" in host or is_address(host):
        check_address(host, source)
        return
    labels = host.split(".")
    if NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        reason = sentence("the host is a number, which can be read in several ways")
        raise SourceRefused(source, reason)
    if len(host) > MAX_HOST_CHARACTERS or not all(map(LABEL.fullmatch, labels)):
        raise SourceRefused(source, sentence("the host is not a valid name"))
    if len(labels) == 1 or host.endswith(INSIDE_SUFFIXES):
        raise SourceRefused(source, sentence("the host is a name on a local network"))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """Return what the addresses of a template look like once yarl has read them."""
    first, *others = map(re.escape, str(URL(template.replace("{number}", MARK))).split(MARK))
    same = "(?P=number)".join(others)
    return re.compile(f"{first}(?P<number>[1-9][0-9]{{0,5}}){same}")


def check_address(address: str, source: str) -> None:
    """Raise SourceRefused unless the whole Internet could reach that IP address.

    An IPv4 address that is mapped or that stands behind NAT64 counts as itself. The other ways to
    wrap one in IPv6 (compatible, 6to4, Teredo, ISATAP, local NAT64) are always refused.
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
