"""Open load on the service: runs one phase of it in a process of its own, as the bot starts.

    python -m bench.load_phase '{"rate": 20, "seconds": 10}' FILE

writes down what became of every poem, as JSON. The load is open: when somebody asks is settled
before the phase begins, a slow answer keeps nobody from asking, and waiting counts from the moment
that was settled, not from the moment that a busy event loop got to it.

Whoever asks gets a live reply as on Discord, by the bot's own code for it; only what Discord
itself would do is put on: a round trip and a count for each request.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import annotated_types
import discord

import bot.__main__
import bot.web.app  # noqa: F401 - every door, as the bot has them
from bench.gauges import peak_resident_mb, watch_lag
from bench.load_report import FLOOD, Outcome, Phase
from bench.stats import poisson_arrivals
from bot.app import make_poem_service
from bot.config import Config, WritingConfig, load_config
from bot.core.errors import BotError
from bot.core.poem_stream import PoemStream
from bot.core.poems import PoemService
from bot.core.records import Asker, PoemRequest
from bot.discord_app.live_message import EditThrottle, LiveMessage, ReplyTiming
from bot.discord_app.poem_buttons import finished_view, growing_view
from bot.discord_app.poem_formatting import MessagePart, format_finished, format_growing

ROUND_TRIP_SECONDS = 0.1  # of a request to Discord; a guess
SAMPLE_SECONDS = 0.1  # between two looks at the rows
SEEDS = ("Shall I compare thee", "The sea", "When lamps are lit", "", "O winter", "My love")


def loosened(config: Config) -> Config:
    """Return a config whose limits on waiting refuse nobody: open load must not be turned away."""
    limits = {}
    for name, about in WritingConfig.model_fields.items():
        highest = next((m.le for m in about.metadata if isinstance(m, annotated_types.Le)), None)
        if name.startswith("max_") and name != "max_rows" and highest is not None:
            limits[name] = highest
    return config.model_copy(update={"writing": config.writing.model_copy(update=limits)})


class CountingScreen:
    """Counts what Discord would be asked for; see `bot.discord_app.responders.Responder`."""

    is_rationed, is_external = True, False

    def __init__(self, number: int, outcome: Outcome) -> None:
        self.command_id = self.channel_id = self.asker_id = number
        self.asker = Asker(f"discord:{number}", outcome.guild)
        self._outcome = outcome

    async def begin(self) -> None:
        await self._request()

    async def send(self, part: MessagePart, view: discord.ui.View | None, number: int) -> Any:
        await self._request()
        return discord.Object(number + 1)

    async def edit(
        self, message: discord.Message, part: MessagePart, view: discord.ui.View | None
    ) -> None:
        await self._request()

    async def delete(self, message: discord.Message) -> None:
        await self._request()

    async def refuse(self, sentence: str) -> None:
        await self._request()

    async def tell_privately(self, sentence: str) -> None:
        await self._request()

    async def _request(self) -> None:
        self._outcome.requests += 1
        await asyncio.sleep(ROUND_TRIP_SECONDS)


class LoadGenerator:
    """Asks the service for poems and keeps what became of each."""

    def __init__(self, service: PoemService, phase: Phase) -> None:
        self.outcomes: list[Outcome] = []
        self.own_cpu_seconds = 0.0  # of making requests, replies not included
        self._service = service
        self._phase = phase
        self._began = 0.0
        self._tempo = ReplyTiming()
        self._pace = EditThrottle(self._tempo.edit_seconds, max_channels=10_000)
        self._random = Random(phase.random_seed)

    async def come(self) -> float:
        """Ask at the settled moments, wait for the answers; return the seconds of asking."""
        phase = self._phase
        arrivals = poisson_arrivals(phase.rate, phase.seconds, self._random)
        self._began = time.perf_counter()
        tasks = []
        for number, due in enumerate(arrivals):
            await asyncio.sleep(max(0.0, due - self._now()))
            before = time.thread_time()
            tasks.append(self._ask(number, due, self._live))
            self.own_cpu_seconds += time.thread_time() - before
        await asyncio.sleep(max(0.0, phase.seconds - self._now()))
        asking = self._now()
        await self._leave(tasks, phase.drain_seconds)
        return asking

    async def come_at_once(self) -> float:
        """Ask for `burst` poems at the same moment, `rounds` times; return the seconds."""
        self._began = time.perf_counter()
        for _ in range(self._phase.rounds):
            due, first = self._now(), len(self.outcomes)
            members = range(first, first + self._phase.burst)
            await asyncio.gather(*[self._ask(number, due, self._plain) for number in members])
        return self._now()

    def _now(self) -> float:
        return time.perf_counter() - self._began

    def _ask(
        self, number: int, due: float, read: Callable[[int, PoemStream, Outcome], Awaitable[None]]
    ) -> asyncio.Task[None]:
        flood = self._random.random() < self._phase.flood_share
        guild = FLOOD if flood else f"guild-{self._random.randrange(self._phase.guilds)}"
        outcome = Outcome(guild, due)
        self.outcomes.append(outcome)
        return asyncio.create_task(self._answer(number, outcome, read))

    async def _answer(
        self,
        number: int,
        outcome: Outcome,
        read: Callable[[int, PoemStream, Outcome], Awaitable[None]],
    ) -> None:
        request = PoemRequest(
            asker=Asker(f"discord:{number}", outcome.guild),
            seed=SEEDS[number % len(SEEDS)],
            random_seed=number,
            **self._phase.poem,
        )
        try:
            async with self._service.write(await self._service.admit(request)) as writing:
                await read(number, writing, outcome)
        except BotError as error:
            outcome.ended, outcome.ending = self._now(), type(error).__name__
            outcome.refused = True

    async def _plain(self, number: int, writing: PoemStream, outcome: Outcome) -> None:
        """Read a poem to its end."""
        async for _ in writing:
            if outcome.first is None and len(writing.text) > len(writing.seed):
                outcome.first = self._now()
        outcome.ended, outcome.ending = self._now(), writing.poem.ending.value
        outcome.characters = len(writing.text) - len(writing.seed)

    async def _live(self, number: int, writing: PoemStream, outcome: Outcome) -> None:
        """Read a poem as the Discord door does: typing, a message, edits, the last edit."""
        responder = CountingScreen(number, outcome)
        reply = LiveMessage(responder, self._pace, self._tempo)
        typing = asyncio.create_task(responder.begin())
        view = growing_view(number)
        following = asyncio.create_task(
            reply.follow(lambda: format_growing(writing.text, writing.queue_position), view)
        )
        try:
            await self._plain(number, writing, outcome)
        finally:
            reply.stop()
            await asyncio.gather(following, typing)
        poem = writing.poem
        await reply.finish(
            format_finished(poem), lambda earlier: finished_view(poem, number, earlier)
        )

    async def _leave(self, tasks: list[asyncio.Task[None]], drain_seconds: float) -> None:
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=drain_seconds)
        for task in late:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def watch_rows(service: PoemService, rows: list[float]) -> None:
    """Add to `rows` how many poems are being written, until cancelled."""
    while True:
        running = service.metrics.registry.get_sample_value("sonneteer_rows_running")
        rows.append(running or 0.0)
        await asyncio.sleep(SAMPLE_SECONDS)


async def run(phase: Phase) -> dict[str, object]:
    """Start as the bot does, put the load on, and tell what was seen."""
    config = load_config(environment={})
    service = make_poem_service(config if phase.limits else loosened(config))
    await service.warm_up()
    gc.collect()
    gc.freeze()
    ready = time.time()
    lags: list[float] = []
    rows: list[float] = []
    load = LoadGenerator(service, phase)
    watches = [asyncio.create_task(watch_lag(lags)), asyncio.create_task(watch_rows(service, rows))]
    process, loop_thread, began = time.process_time(), time.thread_time(), time.perf_counter()
    asking = await (load.come_at_once() if phase.rounds else load.come())
    wall = time.perf_counter() - began
    process, loop_thread = time.process_time() - process, time.thread_time() - loop_thread
    for watch in watches:
        watch.cancel()
    await service.close(grace_seconds=0.0)
    return {
        "phase": asdict(phase),
        "ready": ready,  # by the clock of all processes
        "outcomes": [dataclasses.astuple(outcome) for outcome in load.outcomes],
        "lags": [round(lag, 6) for lag in lags],
        "rows": rows,
        "asking_seconds": asking,
        "wall_seconds": wall,
        "cpu_seconds": process,
        "loop_cpu_seconds": loop_thread,
        "asking_cpu_seconds": load.own_cpu_seconds,
        "peak_mb": peak_resident_mb(),
        "threads": threading.active_count(),
    }


def main() -> None:
    phase = Phase(**json.loads(sys.argv[1]))
    report = asyncio.run(run(phase))
    Path(sys.argv[2]).write_text(json.dumps(report), "utf-8")


if __name__ == "__main__":
    main()
