"""How many answers a channel waits for.

Discord takes five messages in five seconds from a bot in one channel; what is more waits, also
behind the sentences that turn a flood away. So there is an end to what a channel, or one member
in it, may wait for: commands beyond are left without an answer, and counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client

log = logging.getLogger(__name__)

CHANNEL_AT_ONCE = 60  # the last of them waits for about a minute
MEMBER_AT_ONCE = 6  # in one channel


class Crowding:
    """Counts the answers on their way; `unanswered` counts the commands that get none."""

    def __init__(self, unanswered: prometheus_client.Counter) -> None:
        self._unanswered = unanswered
        self._channels: Counter[int] = Counter()
        self._members: Counter[tuple[int, int]] = Counter()
        self._told: set[int] = set()  # channels of which the log knows, until they are quiet

    @contextmanager
    def enter(self, channel: int, member: int) -> Iterator[bool]:
        """Count an answer while the block lasts; False where there is no room for it."""
        place = (channel, member)
        if self._channels[channel] >= CHANNEL_AT_ONCE or self._members[place] >= MEMBER_AT_ONCE:
            self._turn_away(channel)
            yield False
            return
        self._channels[channel] += 1
        self._members[place] += 1
        try:
            yield True
        finally:
            self._leave(channel, place)

    def _turn_away(self, channel: int) -> None:
        self._unanswered.inc()
        if channel not in self._told:
            self._told.add(channel)
            log.warning(
                "a flood of commands in channel %d: those beyond its limits get no answer", channel
            )

    def _leave(self, channel: int, place: tuple[int, int]) -> None:
        self._channels[channel] -= 1
        self._members[place] -= 1
        if not self._members[place]:
            del self._members[place]
        if not self._channels[channel]:
            del self._channels[channel]
            self._told.discard(channel)
