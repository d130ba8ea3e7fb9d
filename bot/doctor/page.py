"""The web page: whether its address is free, or what uses it."""

from __future__ import annotations

import socket
from typing import Any

from bot.doctor.results import CheckResult, CheckStatus, failed, ok, warning
from bot.sections import WebConfig
from bot.web.addresses import listen
from bot.web.errors import CannotListen
from bot.web.health import EVERY_IPV4, EVERY_IPV6, ask_health, authority

NAME = "web page"
TIMEOUT_SECONDS = 10.0


async def check_page(web: WebConfig) -> CheckResult:
    """Look for a Sonneteer that has the address, or for room to have it."""
    if not web.enabled:
        return ok(NAME, "turned off")
    if not web.port:
        return ok(NAME, f"uses any free port on {' and '.join(web.hosts)}")
    running = await ask_health(web.hosts, web.port, TIMEOUT_SECONDS)
    found = _health(web, running) if running else await _try_to_listen(web)
    anywhere = not {EVERY_IPV4, EVERY_IPV6}.isdisjoint(web.hosts)
    if found.state is CheckStatus.OK and anywhere and not web.allowed_hosts:
        way = "To open it by host name, add the name to [web] allowed_hosts in config.toml."
        return warning(NAME, f"{found.seen}; from other machines reachable only by IP address", way)
    return found


def _health(web: WebConfig, figures: dict[str, Any]) -> CheckResult:
    gateway = {
        True: "connected to Discord",
        False: "not connected to Discord",
        None: "without Discord",
    }
    parts = [
        f"a Sonneteer is running at {_addresses(web)}",
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


async def _try_to_listen(web: WebConfig) -> CheckResult:
    """Listen for an instant, as the bot would."""
    try:
        for listener in await listen(web.hosts, web.port):
            listener.close()
    except CannotListen as error:
        where = authority(error.host, error.port)
        match error.__cause__:
            case PermissionError():
                way = "Ports below 1024 are reserved. Use another, for example [web] port = 8080."
                return failed(NAME, f"this user may not listen on {where}", way)
            case socket.gaierror() | UnicodeError():
                seen = f"{error.host!r} is not an address of this machine"
                way = 'Set [web] host in config.toml to "127.0.0.1" or "0.0.0.0".'
                return failed(NAME, seen, way)
        seen = f"{where} is not available: {error.reason}"
        way = "Stop the program that uses it, or set another [web] port or host in config.toml."
        return failed(NAME, seen, way)
    free = "is" if len(web.hosts) == 1 else "are"
    return ok(NAME, f"{_addresses(web)} {free} free; no bot is running there")


def _addresses(web: WebConfig) -> str:
    return " and ".join(authority(host, web.port) for host in web.hosts)
