"""The connection to Discord's gateway: a task per shard that keeps it up.

discord.py's own loop gives way in three places. It ends when the first handshake fails. A shard
whose network was away begins a new session, and misses what was said in the gap. And it
identifies again at once, however often that is refused: Discord allows a thousand a day and takes
the token away from a bot that goes beyond.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import uniform
from typing import Any, Protocol

import aiohttp
import discord
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from filelock import FileLock

from bot.core.retry import backoff
from bot.core.shards import ShardRange
from bot.core.store.lock import wait_for_lock
from bot.core.tasks import cancel_tasks
from bot.discord_app.clock import ClockWatch
from bot.discord_app.error_messages import brief_error
from bot.discord_app.metrics import DiscordMetrics
from bot.discord_app.rate_limits import GlobalRateLimit
from bot.discord_app.retries import retry_after_of

log = logging.getLogger(__name__)

INTENT_REFUSED = 4014
FINAL_CODES = frozenset({4004, 4010, 4011, 4012, 4013, INTENT_REFUSED})
LOST = (OSError, aiohttp.ClientError, TimeoutError, discord.HTTPException, discord.GatewayNotFound)
MAX_RESUMES = 8  # in a row that found no gateway, some four minutes; a session is dead by then
MAX_UNREADABLE = 10  # bad events in a row, after which the stream itself must be broken
RESERVE = 20  # identifies of the day that are left for restarts by hand
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class GatewayTimeouts:
    """How long to wait; tests wait less."""

    connect_seconds: float = 60.0  # for a handshake
    pause_seconds: float = 1.0  # after a connection that failed; twice as long after each further
    max_pause_seconds: float = 60.0
    silence_seconds: float = 60.0  # of Discord, after which the connection counts as dead
    identify_seconds: float = 5.0  # between two identifies, as Discord demands
    max_identify_seconds: float = 300.0


class IdentifyTurn(Protocol):
    """A shard's turn: until some seconds have passed, no other shard of its bucket has one."""

    async def renew(self) -> None:
        """Let the seconds begin anew, right before the identify: a handshake may have taken long.

        Where the turn has passed, wait for another.
        """


class IdentifyTurns(Protocol):
    """Turns among processes; see `FolderTurns`, and `bot.cluster.identify` for several machines."""

    async def take(self, bucket: int) -> IdentifyTurn:
        """Return when a shard of `bucket` may connect and identify."""


class FolderTurns:
    """Turns among the processes of one machine: files that are locked for some seconds."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds

    async def take(self, bucket: int) -> IdentifyTurn:
        turn = _FileTurn(self._folder / f"identify-{bucket}", self._seconds)
        await turn.take()
        return turn


class _FileTurn:
    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._lock: FileLock | None = None
        self._ends: asyncio.TimerHandle | None = None

    async def take(self) -> None:
        try:
            self._lock = await wait_for_lock(self._path, self._seconds / 10)
        except OSError as error:  # a folder that cannot be written in
            log.warning("cannot take turns with other processes: %s", error)
            return
        self._begin()

    async def renew(self) -> None:
        if self._lock is None:
            await self.take()
        else:
            self._begin()

    def _begin(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
        self._ends = asyncio.get_running_loop().call_later(self._seconds, self._end)

    def _end(self) -> None:
        if self._lock is not None:
            self._lock.release()
        self._lock = None


class IdentifyLimiter:
    """Lets shards identify one by one, more slowly the more often, within the day's limit.

    With `turns` other processes' shards count, too.
    """

    def __init__(self, timeouts: GatewayTimeouts, turns: IdentifyTurns | None = None) -> None:
        self._timeouts = timeouts
        self._turns = turns
        self._latest: dict[int, IdentifyTurn] = {}  # shard → its turn
        self._recent: dict[int, deque[float]] = {}  # shard → its identifies of the last hour

    async def wait(self, client: discord.Client, shard: int) -> None:
        """Return when `shard` may connect in order to identify."""
        now = asyncio.get_running_loop().time()
        recent = self._recent.setdefault(shard, deque())
        while recent and recent[0] < now - HOUR:
            recent.popleft()
        if recent:
            pause = self._timeouts.identify_seconds * 2 ** (len(recent) - 1)
            await asyncio.sleep(min(pause, self._timeouts.max_identify_seconds))
        buckets = await self._within_the_limit(client)
        if self._turns is not None:
            self._latest[shard] = await self._turns.take(shard % buckets)

    async def renew(self, shard: int) -> None:
        """Return when `shard`, which is connected, may identify at once."""
        if shard in self._latest:
            await self._latest[shard].renew()

    def note(self, shard: int) -> None:
        """Count an identify of `shard`; a handshake that fails before it does not count."""
        self._recent.setdefault(shard, deque()).append(asyncio.get_running_loop().time())

    async def _within_the_limit(self, client: discord.Client) -> int:
        """Wait for the next day where this one's identifies are spent; return the buckets."""
        while True:
            try:
                _, _, limit = await client.http.get_bot_gateway()
            except LOST:
                return 1  # the gateway may work even so, and the pauses apply
            if limit["remaining"] > min(RESERVE, limit["total"] // 2):
                return max(limit["max_concurrency"], 1)
            seconds = limit["reset_after"] / 1000
            log.error(
                "Discord allows this bot %d starts a day and %d are left; waiting for %.0f "
                "minutes. Beyond the limit Discord would reset the token.",
                limit["total"],
                limit["remaining"],
                seconds / 60,
            )
            await asyncio.sleep(max(seconds, self._timeouts.identify_seconds))


class Shard:
    """One shard's connection, in the place of discord.py's own."""

    def __init__(
        self,
        client: Any,
        number: int,
        identify_limiter: IdentifyLimiter,
        timeouts: GatewayTimeouts,
        metrics: DiscordMetrics,
    ) -> None:
        self.id = number
        self.ws: Any = None  # of the latest connection, discord.gateway.DiscordWebSocket
        self._client = client
        self._identify_limiter = identify_limiter
        self._timeouts = timeouts
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None
        self.up = False

    def launch(self) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._stay_connected(), name=f"shard {self.id}")
        return self._task

    def mark_connected(self, how: str) -> None:
        """Note that Discord has said READY or RESUMED."""
        self._note(up=True)
        self._metrics.connects.labels(str(self.id), how).inc()

    async def close(self) -> None:
        self._note(up=False)
        if self._task is not None:
            self._task.cancel()
        if self.ws is not None:
            await self.ws.close(code=1000)

    disconnect = close

    async def _stay_connected(self) -> None:
        """Be connected until cancelled; raise ConnectionClosed or PrivilegedIntentsRequired."""
        failures = 0
        while True:
            resume = self.ws is not None and self.ws.session_id is not None
            was_up, asked = False, 0.0
            try:
                await self._connect(resume=resume)
                await self._listen()
            except ReconnectWebSocket as order:
                was_up = self.up
                self._mark_disconnected(self._close_code())
                if not order.resume:
                    self._lose_session()
            except discord.ConnectionClosed as closed:
                was_up = self.up
                self._mark_disconnected(str(closed.code))
                if closed.code == INTENT_REFUSED:
                    raise discord.PrivilegedIntentsRequired(self.id) from None
                if closed.code in FINAL_CODES:
                    raise
            except LOST as error:
                was_up, asked = self.up, retry_after_of(error)
                self._mark_disconnected(type(error).__name__)
                log.warning(
                    "shard %d: the gateway cannot be reached: %s", self.id, brief_error(error)
                )
            failures = 0 if was_up else failures + 1
            if resume and failures >= MAX_RESUMES:
                self.ws.session_id = None
                self._lose_session()
            if failures:
                timeouts = self._timeouts
                pause = backoff(timeouts.pause_seconds, failures, timeouts.max_pause_seconds)
                await asyncio.sleep(max(uniform(pause / 2, pause), asked))

    async def _connect(self, *, resume: bool) -> None:
        if not resume:
            await self._identify_limiter.wait(self._client, self.id)
        earlier = self.ws
        async with asyncio.timeout(self._timeouts.connect_seconds):
            self.ws = await DiscordWebSocket.from_client(
                self._client,
                shard_id=self.id,
                gateway=earlier.gateway if resume else None,
                session=earlier.session_id if resume else None,
                sequence=earlier.sequence if resume else None,
                resume=resume,
            )
        if not resume:
            self._identify_limiter.note(self.id)

    async def _listen(self) -> None:
        """Handle events until the connection ends; skip those that discord.py cannot read."""
        unreadable = 0
        while unreadable < MAX_UNREADABLE:
            try:
                await self.ws.poll_event()
            except (ReconnectWebSocket, discord.ConnectionClosed, *LOST):
                raise
            except Exception as error:
                unreadable += 1
                self._metrics.unreadable_events.inc()
                log.warning("an unreadable event was skipped: %r", error)
                log.debug("its stack:", exc_info=error)
            else:
                unreadable = 0
                self._metrics.observe_latency(self.id, self.ws.latency)
        await self.ws.close(code=4000)
        raise ReconnectWebSocket(self.id)

    def _close_code(self) -> str:
        code = self.ws.socket.close_code if self.ws is not None else None
        return str(code or "none")

    def _mark_disconnected(self, why: str) -> None:
        self._note(up=False)
        self._metrics.disconnects.labels(str(self.id), why).inc()
        self._client.dispatch("disconnect")
        self._client.dispatch("shard_disconnect", self.id)
        log.info("shard %d: the connection ended (%s)", self.id, why)

    def _lose_session(self) -> None:
        self._metrics.sessions_lost.labels(str(self.id)).inc()
        log.warning("shard %d: the session was lost; commands sent meanwhile were missed", self.id)

    def _note(self, *, up: bool) -> None:
        self.up = up
        self._metrics.shard_up.labels(str(self.id)).set(up)


class Gateway:
    """All shards of this process, for one client after another.

    Without a `shard_range` there are as many as Discord recommends, all here. `folder` is where the
    processes of one machine take turns.
    """

    def __init__(
        self,
        shard_range: ShardRange | None = None,
        *,
        metrics: DiscordMetrics | None = None,
        timeouts: GatewayTimeouts | None = None,
        folder: Path | None = None,
        turns: IdentifyTurns | None = None,
    ) -> None:
        self.shard_range = shard_range
        self.metrics = metrics or DiscordMetrics()
        self.rate_limit = GlobalRateLimit(
            1.0 if shard_range is None else len(shard_range.ids) / shard_range.total
        )
        self.clock = ClockWatch()
        self.timeouts = timeouts or GatewayTimeouts()
        if turns is None and folder is not None:
            turns = FolderTurns(folder, self.timeouts.identify_seconds)
        self._identify_limiter = IdentifyLimiter(self.timeouts, turns)
        self._shards: dict[int, Shard] = {}

    def trace(self) -> aiohttp.TraceConfig:
        """Return what discord.py's HTTP client needs, to pace and to count its requests.

        Its answers also tell the time.
        """
        config = self.metrics.trace()
        config.on_request_end.append(self.clock.compare)
        config.on_request_start.append(self.rate_limit.before_request)
        config.on_request_end.append(self.rate_limit.after_request)
        return config

    @property
    def health(self) -> Mapping[int, bool]:
        """Which shards are up."""
        return {number: shard.up for number, shard in self._shards.items()}

    async def before_identify(self, shard: int) -> None:
        """Return when a shard that is connected may identify at once."""
        await self._identify_limiter.renew(shard)

    def mark_connected(self, shard: int, how: str) -> None:
        """Note that a shard was "identified" or "resumed"."""
        if shard in self._shards:
            self._shards[shard].mark_connected(how)

    async def run(self, client: Any) -> None:
        """Keep a client's shards connected until it is closed.

        Raises ConnectionClosed and PrivilegedIntentsRequired where trying again would not help.
        """
        shard_range = self.shard_range
        if shard_range is None:
            total, _, _ = await client.http.get_bot_gateway()
            shard_range = ShardRange(0, total - 1, total)
        client.shard_count = client._connection.shard_count = shard_range.total
        client.shard_ids = client._connection.shard_ids = list(shard_range.ids)
        self._shards = {
            number: Shard(client, number, self._identify_limiter, self.timeouts, self.metrics)
            for number in shard_range.ids
        }
        # Where discord.py looks for them when it closes, or asks for the members of a guild.
        getattr(client, "_AutoShardedClient__shards").update(self._shards)  # noqa: B009
        tasks = [shard.launch() for shard in self._shards.values()]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                if not task.cancelled():
                    task.result()
        finally:
            await cancel_tasks(tasks)
