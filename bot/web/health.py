"""How a page on this machine is, as its /healthz says.

Health checks do this every minute, so it needs nothing that takes long to import.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

EVERY_IPV4, EVERY_IPV6 = "0.0.0.0", "::"  # noqa: S104 - as the host has set it
MAX_ANSWER_BYTES = 64 * 2**10


async def ask_health(
    hosts: Sequence[str], port: int, timeout_seconds: float
) -> dict[str, Any] | None:
    """Return what /healthz says of a Sonneteer that listens on `hosts`; None where none answers."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            for host in dict.fromkeys(at for each in hosts for at in _within_reach(each)):
                with suppress(OSError, ValueError, RecursionError):
                    figures = await _ask(host, port)
                    if isinstance(figures, dict) and "model_loaded" in figures:
                        return figures
    return None


def authority(host: str, port: int) -> str:
    """Return how a URL names a host and a port.

    >>> authority("::1", 80)
    '[::1]:80'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _ask(host: str, port: int) -> Any:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        # The name of a link, as in fe80::1%eth0, says where to go; it is no part of a Host header.
        name = authority(host.partition("%")[0], port)
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while len(answer) < MAX_ANSWER_BYTES and (piece := await reader.read(MAX_ANSWER_BYTES)):
            answer += piece
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def _within_reach(host: str) -> tuple[str, ...]:
    """Return where a page on `host` can be asked on this machine."""
    if host == EVERY_IPV4:
        return ("127.0.0.1",)
    return ("::1", "127.0.0.1") if host == EVERY_IPV6 else (host,)
