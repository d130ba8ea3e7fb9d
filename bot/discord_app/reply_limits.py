"""How many answers there is room for.

Discord takes five messages in five seconds from a bot in one channel; what is more waits, also
behind the sentences that turn a flood away. So there is an end to what a channel, or one member
in it, may wait for: commands beyond are left without an answer, and counted. So are those that
would get a mere sentence while the bot has no requests to spare.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client

from bot.discord_app.rate_limits import GlobalRateLimit

log = logging.getLogger(__name__)

CHANNEL_AT_ONCE = 60  # the last of them waits for about a minute
MEMBER_AT_ONCE = 6  # in one channel
LOG_SECONDS = 60.0


class ReplyLimits:
    """Counts the answers on their way in channels; `unanswered` counts the commands without one."""

    def __init__(
        self, unanswered: prometheus_client.Counter, rate_limit: GlobalRateLimit | None = None
    ) -> None:
        self.rate_limit = rate_limit or GlobalRateLimit()
        self._unanswered = unanswered
        self._channels: Counter[int] = Counter()
        self._members: Counter[tuple[int, int]] = Counter()
        self._told = -LOG_SECONDS  # when the log was last told

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
