"""A way through an HTTP proxy to one address: after CONNECT the proxy passes on all bytes.

The proxy is told an address that was looked up and checked here, never a name. So a site is known
as well as without a proxy, except that the proxy is believed to connect where it is told.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Sequence
from typing import Self

import aiohttp

from bot.core.fetching.meter import Meter, MeteredSocket
from bot.core.languages import sentence
from bot.core.proxies import Proxy

MAX_HEAD_BYTES = 8 * 2**10  # of the proxy's answer
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
END = b"\r\n\r\n"
LOGIN_ASKED = 407
NO_PROXY = sentence("the bot's proxy did not answer as a proxy does")


class ProxyFailed(Exception):
    """The proxy leads nowhere; `reason` is a clause that says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Tunnel:
    """A connection through a proxy, which is at `via`, to one address; its socket is taken once."""

    def __init__(self, sock: MeteredSocket) -> None:
        self._sock = sock
        self._taken = False
        self.via = str(sock.getpeername()[0])

    @classmethod
    async def open(
        cls,
        proxy: Proxy,
        through: Sequence[str],
        addresses: Sequence[str],
        port: int,
        meter: Meter,
        user_agent: str,
    ) -> Self:
        """Connect to a proxy, which is at `through`, and on to the first address that it reaches.

        Raises ProxyFailed.
        """
        failure = ProxyFailed(sentence("there is no such host"))
        for to in sorted(addresses, key=lambda address: ":" in address):  # IPv4 is everywhere
            sock = await _reach(proxy, through, meter)
            try:
                await _open(sock, proxy, to, port, user_agent)
                return cls(sock)
            except ProxyFailed as error:
                sock.close()
                meter.is_broken = False  # it was not the site's connection
                failure = error
            except BaseException:
                sock.close()
                raise
        raise failure

    def take(self, _: aiohttp.AddrInfoType) -> socket.socket:
        """Return the socket, which is then closed by whoever took it."""
        self._taken = True
        return self._sock

    def close(self) -> None:
        if not self._taken:
            self._sock.close()


async def _reach(proxy: Proxy, through: Sequence[str], meter: Meter) -> MeteredSocket:
    loop = asyncio.get_running_loop()
    for address in through:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = meter.open_socket((family, socket.SOCK_STREAM, 0, "", (address, proxy.port)))
        try:
            await loop.sock_connect(sock, (address, proxy.port))
        except OSError:
            sock.close()
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise ProxyFailed(sentence("the bot's proxy cannot be reached"))


def _request(proxy: Proxy, to: str, port: int, user_agent: str) -> bytes:
    place = f"[{to}]:{port}" if ":" in to else f"{to}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", f"User-Agent: {user_agent}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode()


async def _open(sock: MeteredSocket, proxy: Proxy, to: str, port: int, user_agent: str) -> None:
    loop = asyncio.get_running_loop()
    head = b""
    try:
        await loop.sock_sendall(sock, _request(proxy, to, port, user_agent))
        while END not in head and len(head) < MAX_HEAD_BYTES:
            piece = await loop.sock_recv(sock, MAX_HEAD_BYTES - len(head))
            if not piece:
                break
            head += piece
    except OSError as error:
        raise ProxyFailed(sentence("the bot's proxy broke the connection")) from error
    if (objection := _objection(head)) is not None:
        raise ProxyFailed(objection)
    sock.is_tunnel = True


def _objection(head: bytes) -> str | None:
    """Say why an answer opens no tunnel, None where it does."""
    status = STATUS.match(head)
    if status is None or END not in head:
        return NO_PROXY
    number = int(status[1])
    if number == LOGIN_ASKED:
        return sentence("the bot's proxy refuses the bot's name and password (407)")
    if not 200 <= number < 300:
        return sentence("the bot's proxy refuses to connect there ({number})", number=number)
    # Nobody has asked the site anything yet.
    return None if head.endswith(END) else NO_PROXY
