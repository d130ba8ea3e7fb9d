"""Asking Discord single questions, without a client, to find out why a bot does not run.

discord.py tries again for minutes; here every failure comes back at once, as a sentence.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import discord
from yarl import URL

from bot.core.proxies import Proxy
from bot.discord_app.clock import read_date
from bot.discord_app.retries import retry_after_in

USER_AGENT = f"DiscordBot (https://github.com/Rapptz/discord.py, {discord.__version__}) Sonneteer"
TIMEOUT_SECONDS = 10.0
OF_CLOCK = (9, 10)  # of OpenSSL: a certificate is not valid yet, or no longer
MAX_PATIENCE_SECONDS = 5.0  # with an answer that says "slow down"
BY_PROXY = "If this network has a proxy, name it: [discord] proxy, or the variable HTTPS_PROXY."


class NoResponse(Exception):
    """A question without an answer; `str(error)` says why, `advice` what to do."""

    def __init__(self, sentence: str, *advice: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.advice = advice
        self.status = status  # of HTTP, 0 where Discord was not reached


class DiscordApi:
    """One session with Discord; use `open`. `skew` is filled by each answer that has a date."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        token: str,
        now: Callable[[], float],
        proxy: Proxy | None,
    ) -> None:
        self._session = session
        self._proxy = proxy
        self._url = URL(url.rstrip("/"))
        self._headers = {"Authorization": f"Bot {token}", "User-Agent": USER_AGENT}
        self._now = now
        self.skew: float | None = None  # seconds that our clock is ahead of Discord's
        self._doubt = float("inf")  # the half of a round trip, about which the skew may be wrong

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        token: str,
        *,
        proxy: Proxy | None = None,
        now: Callable[[], float] = time.time,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> AsyncIterator[DiscordApi]:
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        through = None if proxy is None else proxy.secret_url
        async with aiohttp.ClientSession(timeout=timeout, proxy=through) as session:
            yield cls(session, url, token, now, proxy)

    async def get(self, path: str, **query: str) -> Any:
        """Return what Discord answers; raise NoResponse."""
        answer = await self._try(path, query)
        if answer.status == 429:
            await asyncio.sleep(min(answer.retry_after or math.inf, MAX_PATIENCE_SECONDS))
            answer = await self._try(path, query)
        return self._read(answer)

    async def _try(self, path: str, query: dict[str, str]) -> _Reply:
        begun = self._now()
        try:
            async with self._session.get(
                self._url.joinpath(path), params=query, headers=self._headers, allow_redirects=False
            ) as response:
                self._compare_clocks(begun, response.headers.get("Date"))
                kind = response.content_type
                asked = retry_after_in(response.headers)
                return _Reply(response.status, kind, await response.read(), asked)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise explain_failure(error, self._url, self._proxy) from error

    def _compare_clocks(self, begun: float, date: str | None) -> None:
        ended = self._now()
        doubt = (ended - begun) / 2
        theirs = read_date(date)
        if theirs is None or doubt >= self._doubt:
            return
        self.skew, self._doubt = begun + doubt - theirs, doubt

    def _read(self, answer: _Reply) -> Any:
        if answer.status == 429:
            asked = answer.retry_after
            when = f"{math.ceil(asked):,} s" if asked else "a few minutes"
            raise NoResponse(
                "Discord is rate limiting this bot", f"Try again in {when}.", status=429
            )
        if answer.status >= 500:
            seen = f"Discord has an outage (status {answer.status})"
            raise NoResponse(seen, "See https://discordstatus.com and try again later.", status=500)
        try:
            content = json.loads(answer.body)
        except ValueError:
            seen = f"{self._url} did not respond as Discord does (status {answer.status})"
            way = "Check [discord] api_url in config.toml and any proxy in between."
            raise NoResponse(f"{seen}: {answer.kind}", way, status=answer.status) from None
        if answer.status >= 300:
            message = content.get("message", "") if isinstance(content, dict) else ""
            seen = f"Discord responded with status {answer.status}: {message or 'no reason given'}"
            raise NoResponse(seen, status=answer.status)
        return content


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    kind: str
    body: bytes
    retry_after: float  # seconds that it asks to wait, 0 where it does not say


def explain_failure(error: Exception, url: URL, proxy: Proxy | None = None) -> NoResponse:
    """Say why nothing came back from `url`, and what to do."""
    where = f"{url.host}:{url.port}"
    if proxy is not None:
        where += f" through the proxy {proxy}"
    name = () if proxy is not None else (BY_PROXY,)
    match error:
        case aiohttp.InvalidURL():
            way = "Correct [discord] api_url in config.toml."
            return NoResponse(f"{url} is not a valid address", way)
        case aiohttp.ClientHttpProxyError(status=407):
            way = (
                "Set SONNETEER_PROXY_USER and SONNETEER_PROXY_PASSWORD, or write NAME:PASSWORD@ "
                "before the host in HTTPS_PROXY."
            )
            return NoResponse(f"the proxy {proxy} refuses the bot's name and password (407)", way)
        case aiohttp.ClientHttpProxyError(status=status):
            way = "Allow it there, or use another proxy."
            return NoResponse(f"the proxy {proxy} refuses to connect to {url.host} ({status})", way)
        case aiohttp.ClientProxyConnectionError():
            way = "Check that the proxy runs, and [discord] proxy or HTTPS_PROXY."
            return NoResponse(f"no connection to the proxy {proxy}: {_reason(error)}", way)
        case aiohttp.ClientConnectorDNSError():
            way = "Check the machine's network, its name server (DNS) and [discord] api_url."
            return NoResponse(f"the name {url.host} cannot be found", way, *name)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            if getattr(_cause(error), "verify_code", None) in OF_CLOCK:
                day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
                way = (
                    f"This machine's clock says {day}. If that is wrong, set it: timedatectl "
                    "set-ntp true, or your system's date settings."
                )
                return NoResponse(f"no secure connection (TLS) to {where}: {_reason(error)}", way)
            way = (
                "Check the clock, that the system certificates (ca-certificates) are installed "
                "and current, and that no proxy intercepts TLS."
            )
            return NoResponse(f"no secure connection (TLS) to {where}: {_reason(error)}", way)
        case TimeoutError():
            way = "Check the network and the firewall."
            return NoResponse(f"{where} did not respond in time", way, *name)
        case aiohttp.ClientConnectorError():
            way = (
                f"Check the network and the firewall: outgoing connections to port {url.port} "
                "must be allowed."
            )
            return NoResponse(f"no connection to {where}: {_reason(error)}", way, *name)
    return NoResponse(f"the connection to {where} was lost: {_reason(error)}", "Try again.", *name)


def _cause(error: Exception) -> Exception:
    found: Exception = (
        getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    )
    return found


def _reason(error: Exception) -> str:
    cause = _cause(error)
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)  # asyncio says "Connect call failed" of all of them
    told = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None)
    return told or str(cause) or type(error).__name__
