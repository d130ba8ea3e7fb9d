"""The trials of tests/faults.py, played with a real poet and Discord's real pauses."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.outcomes import Outcome
from bench.town import Town
from bot.composition import compose_library, open_parts
from bot.config import BooksConfig, Config
from bot.core.office import Office
from bot.core.service import Service
from bot.discord_app.client import SonneteerBot
from bot.discord_app.door import DiscordDoor
from bot.discord_app.gateway import Gateway, Patience
from bot.discord_app.live import Tempo
from tests.fake_discord import TOKEN, Fault
from tests.fault_stage import Stage
from tests.faults import Trial

MAX_SECONDS = 120.0  # of a trial; the longest fault takes 60
BEATS = 4  # heartbeats in the time after which a silent gateway counts as dead

Prepare = Callable[[Town], None]


@dataclass
class Scene:
    """A bot on a Discord, and the clients that it has had."""

    stage: Stage
    town: Town
    bots: list[SonneteerBot] = field(default_factory=list)


@dataclass
class Theatre:
    """What all trials are played with.

    A minute of silence, and a minute for a handshake, are seconds here; everything else takes
    as long as with Discord.
    """

    service: Service
    patience: Patience = field(
        default_factory=lambda: Patience(connect_seconds=5.0, silence_seconds=4.0)
    )
    tempo: Tempo = field(default_factory=Tempo)
    pause_seconds: float = 2.0  # before a client is begun anew
    late_seconds: float = 0.5  # for an answer too many

    @asynccontextmanager
    async def open(
        self, prepare: Prepare = lambda _: None, office: Office | None = None
    ) -> AsyncIterator[Scene]:
        """Put a bot on a Discord that `prepare` may break first; it is closed at the end."""
        town = Town()
        gateway = Gateway(patience=self.patience)
        scene = Scene(Stage(town, lambda: scene.bots[-1], gateway.gauges), town)

        def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
            scene.bots.append(
                SonneteerBot(
                    self.service,
                    office,
                    message_content=message_content,
                    api_url=town.url,
                    tempo=self.tempo,
                    gateway=gateway,
                )
            )
            return scene.bots[-1]

        async with town.serve():
            town.gateway.heartbeat_ms = round(self.patience.silence_seconds * 1000 / BEATS)
            prepare(town)
            scene.stage.strike()
            door = DiscordDoor(make_bot, gateway, pause_seconds=self.pause_seconds)
            running = asyncio.create_task(door.run(TOKEN))
            try:
                await town.until(lambda: town.gateway.identified)
                yield scene
                await asyncio.sleep(self.late_seconds)
            finally:
                await door.close()
                await running

    async def play(self, trial: Trial) -> Outcome:
        """Play a trial; survived is what needs no new client and leaves no row."""
        outcome = Outcome(trial.group, trial.name)
        try:
            async with (
                asyncio.timeout(MAX_SECONDS),
                _office(needed=trial.office) as office,
                self.open(office=office) as scene,
            ):
                await trial.play(scene.stage)
                outcome.seconds = await scene.stage.recover()
        except Exception as error:  # whatever it was, the others are played, too
            outcome.wrong.append(repr(error))
            return outcome
        outcome.counts = scene.stage.counts()
        return outcome.judge(rows=self.rows_left(), restarts=len(scene.bots) - 1)

    async def start(self, name: str, prepare: Prepare, *, restarts: bool = False) -> Outcome:
        """Start a bot on a Discord that is not well; `restarts` is where a new client is meant."""
        outcome = Outcome("start", name)
        try:
            async with asyncio.timeout(MAX_SECONDS), self.open(prepare) as scene:
                outcome.seconds = await scene.stage.recover()
        except Exception as error:
            outcome.wrong.append(repr(error))
            return outcome
        outcome.counts = scene.stage.counts()
        again = 0 if restarts else len(scene.bots) - 1
        return outcome.judge(rows=self.rows_left(), restarts=again)

    def rows_left(self) -> float:
        return self.service.metrics.registry.get_sample_value("sonneteer_rows_running") or 0.0


@asynccontextmanager
async def _office(*, needed: bool) -> AsyncIterator[Office | None]:
    """Open a data folder where a trial has commands that are no poems."""
    if not needed:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        config = Config(home=Path(folder), books=BooksConfig(max_minutes=0.1))  # of learning
        async with open_parts(config, compose_library(config)) as parts:
            yield parts.office


def shakes(*faults: int | str) -> Prepare:
    """Return what lets the first handshakes fail."""

    def prepare(town: Town) -> None:
        town.gateway.handshakes = list(faults)

    return prepare


def refuses(method: str, path: str, times: int) -> Prepare:
    """Return what answers the first requests with 503."""
    return lambda town: town.fail(method, path, [Fault(503)] * times)


STARTS: tuple[tuple[str, Prepare, bool], ...] = (
    ("first handshake 503, twice", shakes(503, 503), False),
    ("first handshake cut, twice", shakes("cut", "cut"), False),
    ("first handshake without HELLO", shakes("silent"), False),
    ("REST 503: who am I", refuses("GET", "/users/@me", 2), True),
    ("REST 503: the gateway's address", refuses("GET", "/gateway/bot", 2), True),
    ("REST 503: the slash commands", refuses("PUT", "/commands", 2), True),
)
