"""A town whose Discord holds the bot to limits, as the real one does."""

from __future__ import annotations

import json
import time
from typing import Any

from aiohttp import web

from bench.town import Town

PER_CHANNEL, WINDOW_SECONDS = 5, 5.0  # of each kind of request to one channel; seen at Discord
EVERYWHERE = 50  # requests a second of one bot; interactions do not count
KINDS = {("POST", "messages"), ("PATCH", "messages"), ("DELETE", "messages"), ("POST", "typing")}


class Window:
    """How many requests there may be within some seconds, from the first on."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit, self.left, self._seconds = limit, limit, seconds
        self._ends = 0.0

    def wait_seconds(self) -> float:
        """Return how long the next request has to wait, 0 if it may come now."""
        return 0.0 if self.left or not self.reset_seconds else self.reset_seconds

    def take(self) -> None:
        if not self.reset_seconds:
            self._ends, self.left = time.perf_counter() + self._seconds, self.limit
        self.left -= 1

    @property
    def reset_seconds(self) -> float:
        """Return in how many seconds all is allowed again."""
        return max(0.0, self._ends - time.perf_counter())


class StrictTown(Town):
    """Tells the limits of a channel with every answer; answers 429 beyond them."""

    def __init__(self, guilds: tuple[int, ...]) -> None:
        super().__init__(guilds)
        self.latest_request = time.perf_counter()
        self.served = self.refused = 0  # requests
        self._all = Window(EVERYWHERE, 1.0)
        self._windows: dict[tuple[str, str, str], Window] = {}

    async def _act(self, method: str, path: str, body: Any) -> web.Response:
        self.latest_request = time.perf_counter()
        parts = path.strip("/").split("/")
        if parts[0] not in ("interactions", "webhooks"):
            if wait := self._all.wait_seconds():
                return self._refuse(wait, everywhere=True)
            self._all.take()
        if parts[0] != "channels" or (method, *parts[2:3]) not in KINDS:
            return await self._serve(method, path, body)
        place = (method, parts[1], parts[2])
        window = self._windows.setdefault(place, Window(PER_CHANNEL, WINDOW_SECONDS))
        if wait := window.wait_seconds():
            return self._refuse(wait, everywhere=False)
        window.take()
        answer = await self._serve(method, path, body)
        answer.headers.update(
            {
                "X-RateLimit-Limit": str(window.limit),
                "X-RateLimit-Remaining": str(window.left),
                "X-RateLimit-Reset-After": f"{window.reset_seconds:.3f}",
                "X-RateLimit-Bucket": f"{method}-{parts[2]}",
            }
        )
        return answer

    async def _serve(self, method: str, path: str, body: Any) -> web.Response:
        self.served += 1
        return await super()._act(method, path, body)

    def _refuse(self, wait: float, *, everywhere: bool) -> web.Response:
        self.refused += 1
        told = {"message": "slow down", "retry_after": round(wait, 3), "global": everywhere}
        headers = {
            "Content-Type": "application/json",
            "Via": "1.1 fake",
            "X-RateLimit-Scope": "global" if everywhere else "user",
        }
        return web.Response(body=json.dumps(told).encode(), headers=headers, status=429)
