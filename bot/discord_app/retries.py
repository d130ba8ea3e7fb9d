"""Asking Discord again: what a failure is, how long to wait, and when to stop."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import aiohttp
import discord

from bot.core.retry import backoff
from bot.discord_app.clock import read_date

log = logging.getLogger(__name__)

ACKNOWLEDGED = 40060  # an interaction: an earlier attempt came through, only its answer was lost
ATTEMPTS, PAUSE_SECONDS = 4, 0.2  # at an acknowledgement, for which Discord waits three seconds
# A ban by Cloudflare ends within the hour; a longer time is not believed.
MAX_ASKED_SECONDS = 3600.0
MAX_UNREADABLE = 40  # answers in a row, a quarter of an hour: the fault is more likely here
REPEATED_4XX = (408, 425, 429)  # of the statuses that blame the request, those that pass
LOG_SECONDS = 60.0

Answer = TypeVar("Answer")


class UnreadableResponse(discord.DiscordException):
    """Discord's answer made no sense. What was asked for may have been done."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"Discord sent an unreadable response: {cause!r}")


# What a request may end with: Discord said no, or nothing came back.
FAILURES = (discord.DiscordException, aiohttp.ClientError, OSError)


async def await_response(answer: Awaitable[Answer]) -> Answer:
    """Wait for a request; raise UnreadableResponse where discord.py cannot read the answer.

    It expects valid JSON with all fields: a page of HTML with status 200, say, ends in a TypeError.
    """
    try:
        return await answer
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UnreadableResponse(error) from error


def is_final(error: Exception) -> bool:
    """Whether another attempt is useless: Discord has read the request and refused it."""
    if not isinstance(error, discord.HTTPException):
        return False
    return 400 <= error.status < 500 and error.status not in REPEATED_4XX


def retry_after_in(headers: Mapping[str, str]) -> float:
    """Return how long an answer's Retry-After asks to wait, in seconds; 0 where it does not.

    It has seconds or a date (RFC 9110, 10.2.3). A date is compared with the answer's own, because
    this machine's clock may be wrong.

    >>> [retry_after_in(h) for h in ({"Retry-After": "1.5"}, {"Retry-After": "1e9"}, {})]
    [1.5, 3600.0, 0.0]
    """
    text = headers.get("Retry-After", "")
    try:
        seconds = float(text)
    except ValueError:
        until = read_date(text)
        if until is None:
            return 0.0
        seconds = until - (read_date(headers.get("Date")) or time.time())
    return min(seconds, MAX_ASKED_SECONDS) if seconds > 0 else 0.0  # NaN is not greater


def retry_after_of(error: BaseException) -> float:
    """Return how long Discord asks to be left alone with this failure, in seconds; usually 0."""
    if isinstance(error, discord.RateLimited):
        return min(float(error.retry_after), MAX_ASKED_SECONDS)
    answer = getattr(error, "response", error)  # a refused handshake has the headers itself
    if getattr(answer, "status", 0) != 429:
        return 0.0
    return retry_after_in(getattr(answer, "headers", None) or {})


async def retry(
    call: Callable[[], Awaitable[Answer]],
    *,
    attempts: float = ATTEMPTS,
    pause_seconds: float = PAUSE_SECONDS,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    failed: Callable[[Exception], object] = lambda _: None,
) -> Answer | None:
    """Do what is safe to do again until Discord has taken it; raise one of FAILURES.

    `failed` is told of each failure before the next attempt, and may raise. None is returned where
    an interaction had been acknowledged by an earlier attempt.
    """
    tried = unreadable = 0
    while True:
        try:
            return await call()
        except FAILURES as error:
            if getattr(error, "code", 0) == ACKNOWLEDGED:
                return None
            tried += 1
            unreadable = unreadable + 1 if isinstance(error, UnreadableResponse) else 0
            if tried >= attempts or unreadable >= MAX_UNREADABLE or is_final(error):
                raise
            failed(error)
            await sleep(pause_after(error, pause_seconds, tried))


def pause_after(error: BaseException, pause_seconds: float, tried: int) -> float:
    """Return how long to wait after the latest of `tried` failures: as Discord asks, if longer."""
    return max(backoff(pause_seconds, tried), retry_after_of(error))


class Outage:
    """Logs that Discord accepts no messages, once for each cause, and that it does again."""

    def __init__(self) -> None:
        self._causes: set[str] = set()
        self._told = -math.inf  # when the end of an outage was last logged

    def failed(self, error: Exception) -> None:
        cause = _cause(error)
        if cause in self._causes:
            return
        self._causes.add(cause)
        if time.monotonic() - self._told >= LOG_SECONDS:
            log.warning(
                "Discord accepts no messages (%s); replies are sent when it recovers", cause
            )

    def worked(self) -> None:
        if self._causes:
            if time.monotonic() - self._told >= LOG_SECONDS:
                log.info("Discord accepts messages again")
                self._told = time.monotonic()
            self._causes.clear()


def _cause(error: Exception) -> str:
    if isinstance(error, discord.HTTPException):
        return f"HTTP {error.status}"
    return type(error).__name__
