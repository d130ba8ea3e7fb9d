"""The web page: whether its address is free, or what uses it."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import closing
from typing import Any

import aiohttp

from bot.config import WebConfig
from bot.doctor.results import CheckResult, CheckStatus, failed, ok, warning

NAME = "web page"
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to find who listens there
TIMEOUT_SECONDS = 10.0


async def check_page(web: WebConfig) -> CheckResult:
    """Look for a Sonneteer that has the address, or for room to have it."""
    if not web.enabled:
        return ok(NAME, "turned off")
    if not web.port:
        return ok(NAME, f"uses any free port on {web.host}")
    running = await _ask(web)
    found = _health(web, running) if running else await asyncio.to_thread(_try_to_bind, web)
    if found.state is CheckStatus.OK and web.host in ANYWHERE and not web.allowed_hosts:
        way = "To open it by host name, add the name to [web] allowed_hosts in config.toml."
        return warning(NAME, f"{found.seen}; from other machines reachable only by IP address", way)
    return found


async def _ask(web: WebConfig) -> dict[str, Any] | None:
    """Return the figures of a Sonneteer that has the address; None where none has."""
    host = ANYWHERE.get(web.host, web.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{web.port}/healthz"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            figures = await response.json()
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
    return figures if isinstance(figures, dict) and "model_loaded" in figures else None


def _health(web: WebConfig, figures: dict[str, Any]) -> CheckResult:
    gateway = {
        True: "connected to Discord",
        False: "not connected to Discord",
        None: "without Discord",
    }
    parts = [
        f"a Sonneteer is running at {_address(web)}",
        gateway.get(figures.get("gateway_ready"), "Discord state unknown"),
        f"loop lag {figures.get('loop_lag_ms', '?')} ms",
    ]
    if figures.get("ok"):
        return ok(NAME, ", ".join(parts))
    if figures.get("closing"):
        parts.append("stopping")
    if not figures["model_loaded"]:
        parts.append("no model loaded yet")
    seen = ", ".join(parts)
    return warning(NAME, f"{seen}: unhealthy", "Check its log; the results below may say why.")


def _try_to_bind(web: WebConfig) -> CheckResult:
    """Listen at the address for an instant."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            web.host, web.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family, kind, proto)) as listener:
            if os.name == "posix":  # as asyncio does: what was closed a minute ago is no hindrance
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1)
    except PermissionError:
        way = "Ports below 1024 are reserved. Use another, for example [web] port = 8080."
        return failed(NAME, f"this user may not listen on {_address(web)}", way)
    except socket.gaierror:
        seen = f"{web.host!r} is not an address of this machine"
        return failed(NAME, seen, 'Set [web] host in config.toml to "127.0.0.1" or "0.0.0.0".')
    except OSError as error:
        seen = f"{_address(web)} is not available: {error.strerror or error}"
        way = "Stop the program that uses it, or set another [web] port or host in config.toml."
        return failed(NAME, seen, way)
    return ok(NAME, f"{_address(web)} is free; no bot is running there")


def _address(web: WebConfig) -> str:
    return f"[{web.host}]:{web.port}" if ":" in web.host else f"{web.host}:{web.port}"
