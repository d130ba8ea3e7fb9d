"""A thread for work that would hold up the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class FairThread:
    """Runs functions on a thread, one at a time.

    One thread, as all threads share Python's lock: with more of them the event loop would wait
    longer for it. Callers wait in turns by key, so that one with much work does not keep out
    others with little.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._busy = self._closed = False

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def run(
        self,
        key: str,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Return what `function` does, called on the thread; after `close`, called here."""
        async with self._turn(key):
            if self._closed:
                return function(*args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, lambda: function(*args, **kwargs)
            )

    def close(self) -> None:
        """Give the thread back. What is left to do then is little, and nobody else waits."""
        self._closed = True
        self._thread.shutdown(wait=False)

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        if self._busy:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(key, deque()).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():  # it came at the same moment
                    self._pass_on()
                raise
        self._busy = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """Give the turn to the first who waits, of the key whose last turn is longest ago."""
        self._busy = False
        while self._waiting and not self._busy:
            key, turns = next(iter(self._waiting.items()))
            turn = turns.popleft()
            if turns:
                self._waiting.move_to_end(key)
            else:
                del self._waiting[key]
            if not turn.done():
                self._busy = True
                turn.set_result(None)
