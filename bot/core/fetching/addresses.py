"""Which addresses a book may be fetched from; nothing here opens a socket or asks a name server.

A stranger's address is read once, by yarl, and what yarl made of it is what is checked and what is
connected to. So where two parsers could read it differently, it does not matter how another would.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import PurePosixPath

from yarl import URL

from bot.core.errors import SourceRefused
from bot.core.fetching.networks import check_address

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
        raise SourceRefused(typed, "the port is neither 80 nor 443")
    host = url.raw_host or ""
    _check_host(host, typed)
    if not trust.allows_host(host):
        raise SourceRefused(typed, "the host is not on this bot's list")
    return url


def read_redirect(url: URL, location: str, trust: Trust = STRANGERS) -> URL:
    """Read where `url` sends us to, under the rules for a typed address and never out of https."""
    _check_characters(location)
    try:
        relative = URL(location)
        whole = location if relative.scheme else str(url.join(relative))
    except ValueError as error:
        raise SourceRefused(location, "it is no proper address") from error
    target = read_url(whole, trust)
    if url.scheme == "https" and target.scheme != "https":
        raise SourceRefused(location, "it leads out of https")
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
        raise SourceRefused(typed, "it is no http:// or https:// address")
    if "@" in shape[1]:
        raise SourceRefused(typed, "it has a user name or password in it")
    try:
        url = URL(typed).with_fragment(None)
        host, port = url.raw_host, url.port
    except ValueError as error:
        raise SourceRefused(typed, "it is no proper address") from error
    # yarl reads "[v1.x]", an address of some future kind, as the name v1.x.
    if not host or not port or (shape[1].startswith("[") and ":" not in host):
        raise SourceRefused(typed, "it is no proper address")
    return url


def _check_characters(typed: str) -> None:
    if len(typed) > MAX_URL_CHARACTERS:
        raise SourceRefused(typed, f"it is longer than {MAX_URL_CHARACTERS:,} characters")
    if not typed.isprintable() or " " in typed or "\\" in typed:
        raise SourceRefused(typed, "it has a space, a backslash or an invisible character in it")


def _check_host(host: str, source: str) -> None:
    """Raise SourceRefused unless a host is a public IP address or could be a public name."""
    if ":" in host or is_address(host):
        check_address(host, source)
        return
    labels = host.split(".")
    if NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        raise SourceRefused(source, "the host is a number, which can be read in several ways")
    if len(host) > MAX_HOST_CHARACTERS or not all(map(LABEL.fullmatch, labels)):
        raise SourceRefused(source, "the host is no proper name")
    if len(labels) == 1 or host.endswith(INSIDE_SUFFIXES):
        raise SourceRefused(source, "the host is a name of a local network")


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """Return what the addresses of a template look like once yarl has read them."""
    first, *others = map(re.escape, str(URL(template.replace("{number}", MARK))).split(MARK))
    same = "(?P=number)".join(others)
    return re.compile(f"{first}(?P<number>[1-9][0-9]{{0,5}}){same}")
