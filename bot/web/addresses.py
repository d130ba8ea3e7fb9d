"""Where the page listens, and where on this machine it can be asked how it is.

"::" is every address of both families, unless an IPv4 address stands beside it or the system keeps
the families apart. Each IPv6 socket is told which, so the system's default does not matter.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import aiohttp

from bot.web.errors import CannotListen

BACKLOG = 1024  # waiting in the kernel; a burst of more is asked to come again by TCP itself
SEND_BUFFER_BYTES = 64 * 1024  # the kernel's; without it, megabytes for a slow reader
EVERY_IPV4, EVERY_IPV6 = "0.0.0.0", "::"  # noqa: S104 - as the host has set it


async def listen(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Listen on every address of `hosts`; port 0 is any free one. Raises CannotListen."""
    found = {host: await _look_up(host, port) for host in hosts}
    families = {family for each in found.values() for family, _ in each}
    listeners: list[socket.socket] = []
    taken = set()
    for host, each in found.items():
        try:
            for family, address in each:
                if address not in taken:
                    taken.add(address)
                    both = address[0] == EVERY_IPV6 and socket.AF_INET not in families
                    listeners.append(_listen(family, address, both=both))
        except OSError as error:
            for listener in listeners:
                listener.close()
            raise _unusable(host, port, error) from error
    return listeners


def describe(listener: socket.socket) -> str:
    """Return the address of the page at a socket; of "::" also for which families it is."""
    host, port, *_ = listener.getsockname()
    url = f"http://{authority(host, port)}"
    if host != EVERY_IPV6:
        return url
    only = listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return f"{url} ({'IPv6 only' if only else 'IPv6 and IPv4'})"


async def ask_health(
    hosts: Sequence[str], port: int, timeout_seconds: float
) -> dict[str, Any] | None:
    """Return what /healthz says of a Sonneteer that listens on `hosts`; None where none answers."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds), aiohttp.ClientSession() as session:
            for host in dict.fromkeys(at for each in hosts for at in _within_reach(each)):
                with suppress(aiohttp.ClientError, OSError, ValueError):
                    figures = await _ask(session, host, port)
                    if isinstance(figures, dict) and "model_loaded" in figures:
                        return figures
    return None


async def _ask(session: aiohttp.ClientSession, host: str, port: int) -> Any:
    # The name of a link, as in fe80::1%eth0, says where to go; it is no part of a Host header.
    headers = {"Host": authority(host.partition("%")[0], port)}
    url = f"http://{authority(host, port)}/healthz"
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        return await response.json()


def authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _within_reach(host: str) -> tuple[str, ...]:
    """Return where a page on `host` can be asked on this machine."""
    if host == EVERY_IPV4:
        return ("127.0.0.1",)
    return ("::1", "127.0.0.1") if host == EVERY_IPV6 else (host,)


async def _look_up(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no name server takes
        raise _unusable(host, port, error) from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _listen(family: int, address: tuple[Any, ...], *, both: bool) -> socket.socket:
    listener = socket.create_server(
        address,
        family=family,
        backlog=BACKLOG,
        dualstack_ipv6=both and socket.has_dualstack_ipv6(),
    )
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return listener


def _unusable(host: str, port: int, error: OSError | UnicodeError) -> CannotListen:
    reason = getattr(error, "strerror", None) or "it is not a host name"
    return CannotListen(host, port, reason.partition(" (while")[0])
