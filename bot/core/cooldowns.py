"""Who asked when: the pause that a member has to make between two poems."""

from __future__ import annotations

from collections.abc import Callable

from bot.core.customs import COOLDOWN

MAX_REMEMBERED_ASKERS = 10_000


class Cooldowns:
    """Remembers the latest poem of each member; `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: dict[str, float] = {}

    def left_seconds(self, member: str, pause_seconds: float) -> float:
        """Return how much of the pause since a member's latest poem is left, 0 if nothing."""
        began = self._began.get(member)
        return 0.0 if began is None else max(0.0, pause_seconds - (self._clock() - began))

    def begin(self, member: str, now: float) -> None:
        if len(self._began) >= MAX_REMEMBERED_ASKERS:
            self._began = {
                who: when for who, when in self._began.items() if now - when < COOLDOWN.high
            }
        self._began[member] = now

    def forgive(self, member: str, began: float) -> None:
        """Ask for no pause after all, unless another one has begun since."""
        if self._began.get(member) == began:
            del self._began[member]
