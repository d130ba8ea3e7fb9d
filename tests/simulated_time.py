"""An event loop on which sleeping takes no time and nothing comes late, for what keeps a pace."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Where a loop would wait for its next timer, the time is put forward instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is due any more, and the test still waits")
        self.now += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def simulated(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test in simulated time; its loop's clock begins at 0."""

    @functools.wraps(story)
    def test() -> None:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(story())

    return test
