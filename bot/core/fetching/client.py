"""Asks for a book over HTTP at a stranger's address, but never inside our own network.

A host is looked up once for each hop. Every address that comes back is checked, and exactly these
are connected to, so a name that changes its answer (rebinding) changes nothing. A redirect is
another address by a stranger and is treated as one. What is trusted is in `Trust`, nothing else.
Through a proxy it is the same: the proxy is told one of the checked addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bot.core.errors import SourceFailed, SourceRefused
from bot.core.fetching.addresses import (
    NOT_PUBLIC,
    STRANGERS,
    Trust,
    check_address,
    equivalent_addresses,
    is_address,
    read_redirect,
    read_url,
)
from bot.core.fetching.meter import Meter
from bot.core.fetching.routes import Route, route_to
from bot.core.fetching.tunnel import ProxyFailed, Tunnel
from bot.core.languages import sentence
from bot.core.proxies import NO_PROXIES, Proxies, Proxy

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # a host and port, to its IP addresses
FindRoute = Callable[[IPv4Address | IPv6Address], Route]

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
BLOCK_BYTES = 64 * 2**10  # handed on at a time
PATIENCE_SECONDS = 10.0  # for the name, the connection and the first bytes, all hops together
LEAST_SHARE = 0.1  # of the pace at which the longest book would just arrive in time
WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})
# Beside text/*: what servers call a file that they know nothing of, and two kinds of text.
OTHER_TEXT = frozenset(
    {"application/octet-stream", "binary/octet-stream", "application/json", "application/x-tex"}
)
MEDIA_TYPE = re.compile("[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")
OURS = sentence("it leads to the bot's own machine or to the network next to it")
CUT_SHORT = sentence("the connection ended before the file did")
TOO_SLOW = sentence("it sends too slowly")
TOO_MUCH_FRAMING = sentence("it sends too much that is not the book")
NO_HOST = sentence("there is no such host")
NO_PROXY = sentence("the bot's proxy is unknown")


@dataclass(frozen=True)
class FetchRules:
    """How a book is asked for; plain values, which can be sent to another process."""

    user_agent: str
    max_bytes: int
    timeout_seconds: float
    trust: Trust = STRANGERS
    proxies: Proxies = NO_PROXIES


@dataclass(frozen=True)
class BookResponse:
    """A book as it arrives, in blocks of any length; `url` is where it was in the end."""

    url: str
    blocks: AsyncIterator[bytes]


class BookClient(Protocol):
    """What can ask for a book."""

    def get(self, url: str) -> contextlib.AbstractAsyncContextManager[BookResponse]:
        """Ask for an address; raises SourceRefused or SourceFailed, also while blocks come."""


class StatusNotOk(SourceFailed):
    """The site answered, and not with a file."""

    def __init__(self, source: str, status: int) -> None:
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            reason = sentence("the site has no such file (status {status})", status=status)
        else:
            reason = sentence("the site gave no file (status {status})", status=status)
        super().__init__(source, reason)
        self.status = status


async def ask_the_system(host: str, port: int) -> Sequence[str]:
    """Look a name up as the operating system does; raises OSError where there is none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class HttpClient:
    """Asks in this process; it keeps no connection, cookie or address.

    `open_socket` makes the sockets, for a host that has to send from a certain interface; what
    comes in through its own is not metered.
    """

    def __init__(
        self,
        rules: FetchRules,
        *,
        resolve: Resolve = ask_the_system,
        find_route: FindRoute = route_to,
        open_socket: aiohttp.SocketFactoryType | None = None,
    ) -> None:
        self._rules = rules
        self._resolve = resolve
        self._find_route = find_route
        self._open_socket = open_socket
        self._headers = {
            hdrs.USER_AGENT: rules.user_agent,
            hdrs.ACCEPT: "text/plain, */*;q=0.1",
            hdrs.ACCEPT_ENCODING: "identity",
        }

    @contextlib.asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[BookResponse]:
        start = read_url(url, self._rules.trust)
        meter = Meter()
        pace = _Pace(self._rules)
        try:
            async with asyncio.timeout_at(pace.due()) as clock:
                async with self._follow(start, url, meter) as response:
                    blocks = self._read(response, url, meter, pace, clock)
                    yield BookResponse(str(response.url), blocks)
        except TimeoutError as error:
            raise SourceFailed(url, pace.complaint()) from error
        except (aiohttp.ClientError, OSError) as error:
            if meter.is_spent:
                raise SourceRefused(url, TOO_MUCH_FRAMING) from error
            raise SourceFailed(url, _describe(error)) from error

    @contextlib.asynccontextmanager
    async def _follow(
        self, url: URL, source: str, meter: Meter
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        trust = self._rules.trust
        for _ in range(1 + MAX_REDIRECTS):
            async with self._ask(url, source, meter) as response:
                if response.status not in REDIRECTS:
                    self._check_headers(response, source)
                    yield response
                    return
                location = response.headers.get(hdrs.LOCATION, "")
            try:
                url = read_redirect(url, location, trust)
            except SourceRefused as error:
                reason = sentence(
                    "it redirects to a place that is not allowed ({reason})", reason=error.reason
                )
                raise SourceRefused(source, reason) from error
        raise SourceFailed(
            source, sentence("it redirects more than {most} times", most=MAX_REDIRECTS)
        )

    @contextlib.asynccontextmanager
    async def _ask(
        self, url: URL, source: str, meter: Meter
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for an address, over a connection to checked addresses that serves this once."""
        trusted = self._rules.trust.trusts(url)
        addresses = await self._look_up(url.raw_host or "", url.port or 0, source)
        proxy = self._rules.proxies.choose(url)
        if not trusted or proxy is not None:
            try:
                for address in addresses:
                    self._check(address, source)
            except SourceRefused:
                if not trusted:
                    raise
                proxy = None  # a mirror in our own network is not the proxy's to reach
        async with (
            self._connector(
                url, addresses, source, meter, proxy, checks_peer=not trusted
            ) as connector,
            aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # ours is over all hops
                trust_env=False,
                auto_decompress=False,
                read_bufsize=BLOCK_BYTES,  # what it reads ahead, twice of it, is not useful yet
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            yield response

    @contextlib.asynccontextmanager
    async def _connector(
        self,
        url: URL,
        addresses: Sequence[str],
        source: str,
        meter: Meter,
        proxy: Proxy | None,
        *,
        checks_peer: bool,
    ) -> AsyncIterator[_Connector]:
        """Give a connector to these addresses, or through a proxy to the first that answers."""
        if proxy is None:
            open_socket = self._open_socket or meter.open_socket
            yield _Connector(addresses, source, checks_peer=checks_peer, open_socket=open_socket)
            return
        through = await self._look_up(proxy.host, proxy.port, source, NO_PROXY)
        proxies = {ip_address(each) for each in through}
        if any(not proxies.isdisjoint(equivalent_addresses(ip_address(to))) for to in addresses):
            raise SourceRefused(source, OURS)
        try:
            tunnel = await Tunnel.open(
                proxy, through, addresses, url.port or 0, meter, self._rules.user_agent
            )
        except ProxyFailed as error:
            raise SourceFailed(source, error.reason) from error
        try:
            yield _Connector((tunnel.via,), source, checks_peer=False, open_socket=tunnel.take)
        finally:
            tunnel.close()

    async def _look_up(
        self, host: str, port: int, source: str, unknown: str = NO_HOST
    ) -> tuple[str, ...]:
        if is_address(host):
            return (host,)
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise SourceFailed(source, unknown) from error
        if not addresses:
            raise SourceFailed(source, unknown)
        return tuple(addresses)

    def _check(self, address: str, source: str) -> None:
        """Raise SourceRefused for an address that is not public, ours, or our neighbour's."""
        check_address(address, source)
        for face in equivalent_addresses(ip_address(address)):
            if self._rules.trust.forbids(face):
                raise SourceRefused(source, sentence("its address is not allowed here"))
            if self._find_route(face) in (Route.LOCAL, Route.LINK):
                raise SourceRefused(source, OURS)

    def _check_headers(self, response: aiohttp.ClientResponse, source: str) -> None:
        """Raise where the answer is no file, no text, or too long, as far as it admits to it."""
        if response.status != HTTPStatus.OK:
            raise StatusNotOk(source, response.status)
        codings = [
            *response.headers.getall(hdrs.CONTENT_ENCODING, []),
            *response.headers.getall(hdrs.TRANSFER_ENCODING, []),
        ]
        if any(coding.strip().lower() not in ("", "identity", "chunked") for coding in codings):
            raise SourceRefused(source, sentence("it is compressed"))
        kind = response.content_type.lower()
        if kind in WEB_PAGES:
            raise SourceRefused(source, sentence("it is a web page, not a text file"))
        if not kind.startswith("text/") and kind not in OTHER_TEXT:
            reason = sentence("it is not a text file")
            if MEDIA_TYPE.fullmatch(kind):
                reason = sentence("it is {kind}, not a text file", kind=kind)
            raise SourceRefused(source, reason)
        if (response.content_length or 0) > self._rules.max_bytes:
            raise too_long(source, self._rules.max_bytes)

    async def _read(
        self,
        response: aiohttp.ClientResponse,
        source: str,
        meter: Meter,
        pace: _Pace,
        clock: asyncio.Timeout,
    ) -> AsyncIterator[bytes]:
        async for chunk in response.content.iter_chunked(BLOCK_BYTES):
            meter.useful_bytes += len(chunk)
            if meter.useful_bytes > self._rules.max_bytes:
                raise too_long(source, self._rules.max_bytes)
            clock.reschedule(pace.due(meter.useful_bytes))
            yield chunk
        # A body without a length ends with the connection, also with one that breaks.
        if meter.is_spent:
            raise SourceRefused(source, TOO_MUCH_FRAMING)
        if meter.is_broken:
            raise SourceFailed(source, CUT_SHORT)


def too_long(source: str, max_bytes: int) -> SourceRefused:
    return SourceRefused(source, sentence("it has more than {most:,} bytes", most=max_bytes))


def took_too_long(seconds: float) -> str:
    """Return that as a reason."""
    return sentence("it took longer than {seconds:g} s", seconds=seconds)


class _Pace:
    """When a site is cut off: bytes put that off, but only a little if they drip."""

    def __init__(self, rules: FetchRules) -> None:
        self._seconds = rules.timeout_seconds
        self._bytes_a_second = LEAST_SHARE * rules.max_bytes / rules.timeout_seconds
        self._began = asyncio.get_running_loop().time()

    def due(self, useful_bytes: int = 0) -> float:
        earned = PATIENCE_SECONDS + useful_bytes / self._bytes_a_second
        return self._began + min(earned, self._seconds)

    def complaint(self) -> str:
        if asyncio.get_running_loop().time() < self._began + self._seconds:
            return TOO_SLOW
        return took_too_long(self._seconds)


class _Connector(aiohttp.TCPConnector):
    """Connects to given addresses only, and checks which address answered."""

    def __init__(
        self,
        addresses: Sequence[str],
        source: str,
        *,
        checks_peer: bool,
        open_socket: aiohttp.SocketFactoryType,
    ) -> None:
        super().__init__(
            resolver=_FixedResolver(addresses),
            use_dns_cache=False,
            force_close=True,
            socket_factory=open_socket,
        )
        self._peers = {ip_address(address) for address in addresses} if checks_peer else None
        self._source = source

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.connector.Connection:
        """Connect; send nothing where another address, or this machine, answers."""
        connection = await super().connect(req, traces, timeout)
        if self._peers is None:
            return connection
        reason = self._objection(connection.transport)
        if reason:
            connection.close()
            raise SourceRefused(self._source, reason)
        return connection

    def _objection(self, transport: asyncio.Transport | None) -> str:
        peer, own = (_address_of(transport, name) for name in ("peername", "sockname"))
        if peer is None or peer not in (self._peers or ()):
            return NOT_PUBLIC
        return OURS if peer == own else ""


def _address_of(transport: asyncio.Transport | None, name: str) -> IPv4Address | IPv6Address | None:
    found = transport.get_extra_info(name) if transport else None
    return ip_address(found[0]) if found else None


class _FixedResolver(AbstractResolver):
    """Answers with addresses that are known already."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = tuple(dict.fromkeys(addresses))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _describe(error: Exception) -> str:
    """Say in a clause what went wrong; the error's own text may name addresses inside."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return sentence("its certificate cannot be trusted")
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return sentence("no secure connection to it is possible")
        case aiohttp.ClientConnectorError():
            return sentence("it cannot be reached")
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return CUT_SHORT
        case aiohttp.ClientResponseError():
            return sentence("its answer is not valid HTTP")
        case _:
            return sentence("the connection to it broke")
