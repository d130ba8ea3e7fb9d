"""How much the bot says: requests a second in all, answers at once in a channel, one to a command.

Fifty requests a second are what Discord takes from a bot, on all its servers together.
discord.py waits only when Discord has refused a request, and then lets all that wait go at once;
and a bot that has ten thousand refused in ten minutes is blocked for a while. So requests take
turns here before they are sent. Answers to interactions do not count there, nor here.

discord.py waits by itself where Discord refuses a request in JSON. Where something in between
refuses it, as Cloudflare does with a text and all requests of the machine, nothing waits in
discord.py, so everything waits here.

Discord takes five messages in five seconds from a bot in one channel; what is more waits, also
behind the sentences that turn a flood away. So there is an end to what a channel, or one member
in it, may wait for: commands beyond are left without an answer, and counted. So are those that
would get a mere sentence while the bot has no requests to spare.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import aiohttp
import prometheus_client

from bot.core.fairness import Pace
from bot.discord_app.retries import retry_after_in

log = logging.getLogger(__name__)

PER_SECOND, BURST = 44.0, 5  # so that no second has more than fifty
SHORT_SECONDS = 0.5
TOO_MANY_REQUESTS = 429
ONE_ROUTE = ("user", "shared")  # scopes of a rate limit that concern one kind of request
CHANNEL_AT_ONCE = 60  # the last of them waits for about a minute
MEMBER_AT_ONCE = 6  # in one channel
LOG_SECONDS = 60.0
MAX_REMEMBERED = 10_000  # commands


class GlobalRateLimit:
    """The requests of one process; `share` is its part of the bot."""

    def __init__(self, share: float = 1.0) -> None:
        self._seconds = 1.0 / (PER_SECOND * share)  # of a request
        self._pace = Pace(PER_SECOND * share, max(BURST * share, 1.0))
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._closed: dict[str | None, float] = {}  # hosts and until when they accept nothing

    @property
    def is_congested(self) -> bool:
        """Whether requests wait so long that optional ones should not be made."""
        return self._waiting * self._seconds > SHORT_SECONDS

    async def acquire(self) -> None:
        """Wait for the turn of a request."""
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            async with self._turn:
                if wait := self._pace.wait_seconds(loop.time()):
                    await asyncio.sleep(wait)
                self._pace.spend(loop.time())
        finally:
            self._waiting -= 1

    async def before_request(
        self,
        session: aiohttp.ClientSession,
        _: SimpleNamespace,
        start: aiohttp.TraceRequestStartParams,
    ) -> None:
        """Let discord.py's HTTP client wait; see `aiohttp.TraceConfig.on_request_start`.

        Requests without a token are not counted: answers to interactions, files, the gateway.
        """
        loop = asyncio.get_running_loop()
        # Not an event: another response may close it for longer in the meantime.
        while (left := self._closed.get(start.url.host, -math.inf) - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)
        if "Authorization" in start.headers:
            await self.acquire()
            if session.closed:
                raise aiohttp.ClientConnectionError("the bot was closed meanwhile")

    async def after_request(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestEndParams
    ) -> None:
        """Stop after an answer that refuses all; see `aiohttp.TraceConfig.on_request_end`."""
        answer = end.response
        if answer.status != TOO_MANY_REQUESTS or _is_left_to_others(answer):
            return
        if (seconds := retry_after_in(answer.headers)) > 0:
            log.warning("%s accepts no requests for %.0f s", end.url.host, seconds)
            until = asyncio.get_running_loop().time() + seconds
            self._closed[end.url.host] = max(until, self._closed.get(end.url.host, until))


def _is_left_to_others(answer: aiohttp.ClientResponse) -> bool:
    """Whether discord.py waits for this, or only the one request must wait.

    discord.py waits where there is JSON, and Via, which Discord's own servers send.
    """
    waits = "Via" in answer.headers and answer.content_type == "application/json"
    return waits or answer.headers.get("X-RateLimit-Scope", "") in ONE_ROUTE


class ReplyLimits:
    """Which commands are answered: each once, and as many in a channel as there is room for.

    `unanswered` counts the commands without an answer, `repeated` those that Discord sent twice.
    """

    def __init__(
        self,
        unanswered: prometheus_client.Counter,
        rate_limit: GlobalRateLimit | None = None,
        repeated: prometheus_client.Counter | None = None,
    ) -> None:
        self.rate_limit = rate_limit or GlobalRateLimit()
        self._unanswered = unanswered
        self._repeated = repeated
        self._seen: OrderedDict[int, None] = OrderedDict()  # commands, the latest last
        self._channels: Counter[int] = Counter()
        self._members: Counter[tuple[int, int]] = Counter()
        self._told = -LOG_SECONDS  # when it was last logged

    def is_new(self, command_id: int) -> bool:
        """Remember a message or interaction; return False if Discord has sent it before."""
        if command_id in self._seen:
            if self._repeated is not None:
                self._repeated.inc()
            return False
        self._seen[command_id] = None
        while len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return True

    @contextmanager
    def enter(self, channel: int, member: int, *, spare: bool = False) -> Iterator[bool]:
        """Count an answer while the block lasts; False where there is no room for it.

        `spare` says that it is no poem, and can be spared when requests are short.
        """
        place = (channel, member)
        if (
            self._channels[channel] >= CHANNEL_AT_ONCE
            or self._members[place] >= MEMBER_AT_ONCE
            or (spare and self.rate_limit.is_congested)
        ):
            self.count_unanswered(channel)
            yield False
            return
        self._channels[channel] += 1
        self._members[place] += 1
        try:
            yield True
        finally:
            self._leave(channel, place)

    def count_unanswered(self, channel: int) -> None:
        """Count a command that gets no answer."""
        self._unanswered.inc()
        if time.monotonic() - self._told >= LOG_SECONDS:
            self._told = time.monotonic()
            log.warning(
                "too many commands: some get no answer, for example in channel %d "
                "(logged once a minute)",
                channel,
            )

    def _leave(self, channel: int, place: tuple[int, int]) -> None:
        self._channels[channel] -= 1
        self._members[place] -= 1
        if not self._members[place]:
            del self._members[place]
        if not self._channels[channel]:
            del self._channels[channel]
