"""Who asked when: the pause that a member has to make between two poems."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from bot.core.guild_settings import COOLDOWN


class Cooldowns:
    """Remembers the latest poem of each member; `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: OrderedDict[str, float] = OrderedDict()  # the earliest first

    def left_seconds(self, member: str, pause_seconds: float) -> float:
        """Return how much of the pause since a member's latest poem is left, 0 if nothing."""
        began = self._began.get(member)
        return 0.0 if began is None else max(0.0, pause_seconds - (self._clock() - began))

    def begin(self, member: str, now: float) -> None:
        self._began[member] = now
        self._began.move_to_end(member)
        while now - next(iter(self._began.values())) >= COOLDOWN.high:
            self._began.popitem(last=False)

    def forgive(self, member: str, began: float) -> None:
        """Ask for no pause after all, unless another one has begun since."""
        if self._began.get(member) == began:
            del self._began[member]
