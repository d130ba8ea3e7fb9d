"""Which commands were heard already: Discord may deliver an event twice."""

from __future__ import annotations

from collections import OrderedDict

MAX_REMEMBERED = 10_000


class SeenEvents:
    """Remembers the latest commands by their numbers."""

    def __init__(self) -> None:
        self._ids: OrderedDict[int, None] = OrderedDict()

    def is_new(self, number: int) -> bool:
        """Remember a command; False when it came before."""
        if number in self._ids:
            return False
        self._ids[number] = None
        while len(self._ids) > MAX_REMEMBERED:
            self._ids.popitem(last=False)
        return True
