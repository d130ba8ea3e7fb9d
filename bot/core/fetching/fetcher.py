"""Fetches a book over HTTP from wherever a stranger says, and from nowhere inside our own network.

A host is looked up once for each hop. Every address that comes back is checked, and exactly these
are connected to, so a name that changes its answer (rebinding) changes nothing. A redirect is
another address by a stranger and is treated as one. What is trusted is in `Trust`, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bot.core.errors import BookRefused, SourceFailed, SourceRefused
from bot.core.fetching.addresses import (
    NOT_PUBLIC,
    STRANGERS,
    Trust,
    check_address,
    file_name,
    is_address,
    read_redirect,
    read_url,
)
from bot.core.fetching.part import PartFile
from model import ModelError, check_beginning

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # a host and port, to its IP addresses

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
BLOCK_BYTES = 64 * 2**10  # written at a time
BEGINNING_BYTES = 16  # enough for every signature that check_beginning knows
WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})
# Beside text/*: what servers call a file that they know nothing of, and two kinds of text.
OTHER_TEXT = frozenset(
    {"application/octet-stream", "binary/octet-stream", "application/json", "application/x-tex"}
)
MEDIA_TYPE = re.compile("[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")


@dataclass(frozen=True)
class Fetched:
    """A book on disk; `url` is where it was in the end, `file_name` "" where that has none."""

    url: str
    path: Path
    size_bytes: int
    sha256: str
    file_name: str


class StatusNotOk(SourceFailed):
    """The site answered, and not with a file."""

    def __init__(self, source: str, status: int) -> None:
        try:
            meaning = f" ({HTTPStatus(status).phrase})"
        except ValueError:
            meaning = ""
        super().__init__(source, f"the site answered {status}{meaning}")
        self.status = status


async def ask_the_system(host: str, port: int) -> Sequence[str]:
    """Look a name up as the operating system does; raises OSError where there is none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Fetcher:
    """Fetches one book at a time as often as asked; it keeps no connection, cookie or address.

    `open_socket` makes the sockets, for a host that has to send from a certain interface.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        max_bytes: int,
        timeout_seconds: float,
        trust: Trust = STRANGERS,
        resolve: Resolve = ask_the_system,
        open_socket: aiohttp.SocketFactoryType | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._trust = trust
        self._resolve = resolve
        self._open_socket = open_socket
        self._headers = {
            hdrs.USER_AGENT: user_agent,
            hdrs.ACCEPT: "text/plain, */*;q=0.1",
            hdrs.ACCEPT_ENCODING: "identity",
        }

    async def fetch(self, url: str, into: Path) -> Fetched:
        """Fetch the file at an address to the path `into`, whose folder exists.

        Raises SourceRefused, SourceFailed or BookRefused, and then leaves nothing on disk.
        """
        start = read_url(url, self._trust)
        with PartFile(into, url) as part:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    fetched = await self._follow(start, url, part)
            except TimeoutError as error:
                reason = f"it took longer than {self._timeout_seconds:g} s"
                raise SourceFailed(url, reason) from error
            except (aiohttp.ClientError, OSError) as error:
                raise SourceFailed(url, _describe(error)) from error
            part.keep()  # after the last thing that can be cancelled
        return fetched

    async def _follow(self, url: URL, source: str, part: PartFile) -> Fetched:
        for _ in range(1 + MAX_REDIRECTS):
            async with self._get(url, source) as response:
                if response.status not in REDIRECTS:
                    self._check_headers(response, source)
                    return await self._store(response, source, part)
                location = response.headers.get(hdrs.LOCATION, "")
            try:
                url = read_redirect(url, location, self._trust)
            except SourceRefused as error:
                reason = f"it redirects to a forbidden place ({error.reason})"
                raise SourceRefused(source, reason) from error
        raise SourceFailed(source, f"it redirects more than {MAX_REDIRECTS} times")

    @contextlib.asynccontextmanager
    async def _get(self, url: URL, source: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for an address, over a connection to checked addresses that serves this once."""
        trusted = self._trust.has_origin(url)
        addresses = await self._look_up(url, source)
        if not trusted:
            for address in addresses:
                check_address(address, source)
        connector = _Connector(
            addresses, source, checks_peer=not trusted, open_socket=self._open_socket
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # ours is over all hops
                trust_env=False,
                auto_decompress=False,
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            yield response

    async def _look_up(self, url: URL, source: str) -> tuple[str, ...]:
        host = url.raw_host or ""
        if is_address(host):
            return (host,)
        try:
            addresses = await self._resolve(host, url.port or 0)
        except OSError as error:
            raise SourceFailed(source, "there is no such host") from error
        if not addresses:
            raise SourceFailed(source, "there is no such host")
        return tuple(addresses)

    def _check_headers(self, response: aiohttp.ClientResponse, source: str) -> None:
        """Raise where the answer is no file, no text, or too long, as far as it admits to it."""
        if response.status != HTTPStatus.OK:
            raise StatusNotOk(source, response.status)
        codings = [
            *response.headers.getall(hdrs.CONTENT_ENCODING, []),
            *response.headers.getall(hdrs.TRANSFER_ENCODING, []),
        ]
        if any(coding.strip().lower() not in ("", "identity", "chunked") for coding in codings):
            raise SourceRefused(source, "it is compressed")
        kind = response.content_type.lower()
        if kind in WEB_PAGES:
            raise SourceRefused(source, "it is a web page, not a text file")
        if not kind.startswith("text/") and kind not in OTHER_TEXT:
            shown = kind if MEDIA_TYPE.fullmatch(kind) else "something else"
            raise SourceRefused(source, f"it is {shown}, not a text file")
        if (response.content_length or 0) > self._max_bytes:
            raise self._too_long(source)

    async def _store(
        self, response: aiohttp.ClientResponse, source: str, part: PartFile
    ) -> Fetched:
        """Write the body while it arrives, or give up at the first thing wrong."""
        digest = hashlib.sha256()
        size_bytes = 0
        begun = False
        block = bytearray()
        name = file_name(response.url)
        title = name or response.url.raw_host or source
        async for chunk in response.content.iter_chunked(BLOCK_BYTES):
            size_bytes += len(chunk)
            if size_bytes > self._max_bytes:
                raise self._too_long(source)
            digest.update(chunk)
            block += chunk
            if not begun and size_bytes >= BEGINNING_BYTES:
                _check_beginning(bytes(block), title)
                begun = True
            if len(block) >= BLOCK_BYTES:
                await part.write(bytes(block))
                block.clear()
        if not size_bytes:
            raise SourceFailed(source, "the file is empty")
        if not begun:
            _check_beginning(bytes(block), title)
        await part.write(bytes(block))
        await part.finish()
        return Fetched(str(response.url), part.into, size_bytes, digest.hexdigest(), name)

    def _too_long(self, source: str) -> SourceRefused:
        return SourceRefused(source, f"it has more than {self._max_bytes:,} bytes")


class _Connector(aiohttp.TCPConnector):
    """Connects to given addresses whatever the host is called, and looks who answered."""

    def __init__(
        self,
        addresses: Sequence[str],
        source: str,
        *,
        checks_peer: bool,
        open_socket: aiohttp.SocketFactoryType | None,
    ) -> None:
        super().__init__(
            resolver=_Answers(addresses),
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
        """Connect, and hang up before a byte is sent where somebody else answers."""
        connection = await super().connect(req, traces, timeout)
        if self._peers is None:
            return connection
        transport = connection.transport
        name = transport.get_extra_info("peername") if transport else None
        if name is None or ip_address(name[0]) not in self._peers:
            connection.close()
            raise SourceRefused(self._source, NOT_PUBLIC)
        return connection


class _Answers(AbstractResolver):
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


def _check_beginning(raw: bytes, title: str) -> None:
    try:
        check_beginning(raw, title)
    except ModelError as error:
        raise BookRefused(str(error)) from error


def _describe(error: Exception) -> str:
    """Say in a clause what went wrong; the error's own text may name addresses inside."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not to be trusted"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "no safe connection to it can be made"
        case aiohttp.ClientConnectorError():
            return "it cannot be reached"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return "the connection ended before the file did"
        case aiohttp.ClientResponseError():
            return "it does not answer in proper HTTP"
        case _:
            return "the connection to it broke"
