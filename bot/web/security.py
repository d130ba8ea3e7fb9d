"""Who is asking, from where, and what a browser may do with the answer.

Three attacks are met here: a page of another site that posts to us (its Origin is not ours), a
name that an attacker points at this machine (its Host is not ours), and text that becomes script
(the policy allows none but the page's own files).
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from hmac import compare_digest
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import HttpVersion11, hdrs, web

from bot.web.errors import ForeignOrigin, LocalOnly, UnknownHost, WrongKey

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
AUTHORITY = re.compile(
    r"(?:(?P<name>[a-z0-9._-]+)|\[(?P<address>[0-9a-f:.]+)\])(?::(?P<port>[0-9]{0,5}))?",
    re.IGNORECASE | re.ASCII,
)
# An IP address as a word of a header, as in `for="[::1]:80"`; not in an address of a page.
ADDRESS = re.compile(
    r"""(?<![^\s,;="])\[?(?:
        [0-9]{1,3}(?:\.[0-9]{1,3}){3} | (?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4} | [0-9a-f:]*::[0-9a-f:.]*
    )(?![^\s,;"\]:])""",
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
MAX_PORT = 65_535
MAX_HOPS = 20  # of X-Forwarded-For that are looked at, the nearest ones
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Server": "sonneteer",
}


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every answer, errors and streams included."""
    response.headers.update(HEADERS)


class HostGuard:
    """Knows the names that this site goes by: loopback's, the bound address, and `allowed`."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._logged: set[str] = set()
        self._allowed = frozenset(name.strip().strip("[]").rstrip(".").lower() for name in allowed)

    def _log_once(self, what: str) -> None:
        """Tell the host's admin once, without the name, which is any stranger's to choose."""
        if what not in self._logged:
            self._logged.add(what)
            log.info(
                "%s (logged once); if it was meant for this site, perhaps through a proxy, add the "
                "name that browsers show to allowed_hosts in config.toml, section [web]",
                what,
            )

    def check_host(self, request: web.Request) -> None:
        """Raise UnknownHost unless the request was sent to a name of ours, and to no other."""
        hosts = request.headers.getall(hdrs.HOST, [])
        named = [*hosts, *_target_authority(request.raw_path)]
        if len(hosts) != 1 or not all(self.is_ours(name, request) for name in named):
            self._log_once("a request for an unknown host name was refused")
            raise UnknownHost(", ".join(named))

    def is_ours(self, authority: str, request: web.Request) -> bool:
        """Tell whether a name, with or without a port, is one that this site goes by."""
        known = {*LOOPBACK_NAMES, *self._allowed, _bound_address(request)} - {None}
        return host_name(authority) in known

    def check_origin(self, request: web.Request) -> None:
        """Raise ForeignOrigin when a page that is not ours sent the request.

        Behind a proxy that rewrites the Host header, a name in `allowed` is ours as well. This
        machine's own names count with their port alone: on another is another program's page.
        """
        for origin in request.headers.getall(hdrs.ORIGIN, []):
            scheme, _, authority = origin.partition("://")
            ours = authority.lower() == request.headers.get(hdrs.HOST, "").lower()
            name = host_name(authority)
            allowed = name in self._allowed and not _is_this_machine(name or "")
            if scheme not in ("http", "https") or not (ours or allowed):
                self._log_once("a request from a page of another site was refused")
                raise ForeignOrigin(origin, name if name and not _is_this_machine(name) else None)
        for site in request.headers.getall("Sec-Fetch-Site", []):
            if site not in ("same-origin", "none"):  # sent by a browser that left the origin out
                raise ForeignOrigin(site)


def host_name(authority: str) -> str | None:
    """Return the name in a Host header, None when it is malformed.

    >>> host_name("Example.org.:8080"), host_name("[::1]:80"), host_name("a@b"), host_name("a[::1]")
    ('example.org', '::1', None, None)
    """
    found = AUTHORITY.fullmatch(authority)
    if found is None or int(found["port"] or 0) > MAX_PORT:
        return None
    return (found["name"] or found["address"]).lower().rstrip(".") or None


class ClientAddresses:
    """Finds out whose request it is, through the proxies that are trusted and no others."""

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        self._trusted = [ip_network(proxy, strict=False) for proxy in trusted_proxies]

    def client(self, request: web.Request) -> str:
        """Return the address that limits count by: for IPv6 its /64, which one household has."""
        address = parse_address(request.remote or "")
        hops = _hops(request)
        while address is not None and self._trusts(address):
            claimed = parse_address(next(hops, ""))
            if claimed is None:
                break
            address = claimed
        return _counted(address)

    def is_local(self, request: web.Request) -> bool:
        """Tell whether a program on this machine asks for itself; see `is_direct_loopback`.

        A request from a trusted proxy counts as the proxy's own only if it names no client.
        """
        address = parse_address(request.remote or "")
        is_proxied = address and self._trusts(address) and "X-Forwarded-For" in request.headers
        return not is_proxied and is_direct_loopback(request)

    def peer(self, host: str) -> str | None:
        """Return whom a connection counts for; None for a trusted proxy, which brings many."""
        address = parse_address(host)
        return None if address and self._trusts(address) else _counted(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _counted(address: Address | None) -> str:
    if address is None:
        return "unknown"
    if address.version == 6:
        return str(ip_network((address, 64), strict=False))
    return str(address)


class ApiKey:
    """The key that programs send to /v1; without one they need none."""

    def __init__(self, key: str | None) -> None:
        self._digest = None if key is None else _digest(key)

    def check(self, request: web.Request) -> None:
        """Raise WrongKey. Digests of one length are compared, in a time that tells nothing."""
        if self._digest is None:
            return
        scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        is_bearer = scheme.lower() == "bearer"
        if not compare_digest(self._digest, _digest(given.strip())) or not is_bearer:
            raise WrongKey(given=bool(given))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class MetricsAccess:
    """Decides who may see /metrics: only this machine, or everyone."""

    def __init__(self, clients: ClientAddresses, *, public: bool) -> None:
        self._clients = clients
        self._public = public

    def check(self, request: web.Request) -> None:
        """Raise LocalOnly."""
        if not self._public and not self._clients.is_local(request):
            raise LocalOnly


def is_direct_loopback(request: web.Request) -> bool:
    """Tell whether a program on this machine asks, and does not seem to ask for another machine.

    The connection comes from loopback and was meant for a name of loopback. A proxy that is not in
    `trusted_proxies` gives itself away by its HTTP/1.0, as nginx does, or by any header that has an
    address in it.
    """
    address = parse_address(request.remote or "")
    hosts, others = request.headers.getall(hdrs.HOST, []), request.headers.items()
    return (
        address is not None
        and address.is_loopback
        and request.version >= HttpVersion11
        and all(_is_this_machine(host_name(host) or "") for host in hosts)
        and not any(ADDRESS.search(value) for name, value in others if name != hdrs.HOST)
    )


def parse_address(text: str) -> Address | None:
    """Read an IP address as proxies write it, with or without a port; None when it is not one.

    >>> str(parse_address("10.1.2.3:4567")), str(parse_address("[::1]:80")), parse_address("me")
    ('10.1.2.3', '::1', None)
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _hops(request: web.Request) -> Iterator[str]:
    """Yield the nearest addresses of X-Forwarded-For, the nearest one first."""
    for header in reversed(request.headers.getall("X-Forwarded-For", [])[-MAX_HOPS:]):
        yield from reversed(header.rsplit(",", MAX_HOPS)[-MAX_HOPS:])


def _target_authority(target: str) -> list[str]:
    """Return the name in a request line such as `GET http://name/`; most have none."""
    if target.startswith("/") or target == "*":
        return []
    return [re.split("[/?#]", target.partition("://")[2] or target)[0]]


def _is_this_machine(name: str) -> bool:
    address = parse_address(name)
    if address is None:
        return name in LOOPBACK_NAMES
    return address.is_loopback or address.is_unspecified


def _bound_address(request: web.Request) -> str | None:
    """Return the address of this machine that the connection came in at."""
    name = request.transport.get_extra_info("sockname") if request.transport else None
    address = parse_address(name[0]) if isinstance(name, tuple) else None
    return None if address is None else str(address)
