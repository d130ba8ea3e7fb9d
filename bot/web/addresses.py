"""Where the page listens.

"::" is every address of both families, unless an IPv4 address stands beside it or the system keeps
the families apart. Each IPv6 socket is told which, so the system's default does not matter.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from bot.web.errors import CannotListen
from bot.web.health import EVERY_IPV6, authority

BACKLOG = 1024  # waiting in the kernel; a burst of more is asked to come again by TCP itself
SEND_BUFFER_BYTES = 64 * 1024  # the kernel's; without it, megabytes for a slow reader


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
