"""The trials of tests/faults.py, played with a real engine and Discord's real pauses."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path

from bench.stats import quantile
from bench.tables import number, table
from bot.app import make_library, open_app
from bot.config import BooksConfig, Config
from bot.core.application import App
from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot
from bot.discord_app.gateway import Gateway, GatewayTimeouts
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.supervisor import ClientSupervisor
from tests.fake_discord import TOKEN, Fault
from tests.fakes import app_with
from tests.fault_run import FaultRun
from tests.faults import FaultCase
from tests.rigs.populated_discord import PopulatedDiscord

HEAD = (
    *("group", "fault", "tried", "survived"),
    *("answers 0", "of these meant", "1", "more", "s, median", "s, most"),
)


@dataclass
class TrialResult:
    """How a fault went once."""

    group: str
    name: str
    counts: list[tuple[int, int]] = field(default_factory=list)  # answers: to be given, given
    seconds: float = nan  # from the fault to the answer to a new command
    wrong: list[str] = field(default_factory=list)  # what was not as it ought to be

    def judge(self, *, rows: float = 0.0, restarts: int = 0) -> TrialResult:
        """Note wrong numbers of answers, rows that are left, and clients that were begun anew."""
        for expected, got in self.counts:
            if got != expected:
                self.wrong.append(f"{got} answers instead of {expected}")
        if rows:
            self.wrong.append(f"{rows:.0f} rows left")
        if restarts:
            self.wrong.append(f"{restarts} clients begun anew")
        return self


@dataclass
class Row:
    """How a fault went each time."""

    group: str
    name: str
    tried: int = 0
    survived: int = 0
    none: int = 0  # commands without an answer
    none_meant: int = 0  # of them, where there could be none
    one: int = 0
    more: int = 0
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, result: TrialResult) -> None:
        self.tried += 1
        self.survived += not result.wrong
        for expected, got in result.counts:
            self.none += got == 0
            self.none_meant += got == expected == 0
            self.one += got == 1
            self.more += got > 1
        if not isnan(result.seconds):
            self.seconds.append(result.seconds)
        self.wrong += result.wrong


def gather(results: Iterable[TrialResult]) -> list[Row]:
    """Put together what was tried several times, in the order of the first times."""
    rows: dict[tuple[str, str], Row] = {}
    for result in results:
        key = result.group, result.name
        rows.setdefault(key, Row(*key)).add(result)
    return list(rows.values())


def total(rows: Sequence[Row]) -> Row:
    """Add everything up."""
    whole = Row("all", f"{len(rows)} faults")
    for name in ("tried", "survived", "none", "none_meant", "one", "more"):
        setattr(whole, name, sum(getattr(row, name) for row in rows))
    whole.seconds = [seconds for row in rows for seconds in row.seconds]
    return whole


def show(rows: Sequence[Row]) -> str:
    """Set the table."""
    return table(HEAD, [_cells(row) for row in (*rows, total(rows))], left=2)


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.tried, row.survived, row.none, row.none_meant, row.one, row.more)
    slowest = max(row.seconds, default=nan)
    times = (number(quantile(row.seconds, 0.5), 1), number(slowest, 1))
    return (row.group, row.name, *map(str, counts), *times)


MAX_SECONDS = 120.0  # of a trial; the longest fault takes 60
BEATS = 4  # heartbeats in the time after which a silent gateway counts as dead

Prepare = Callable[[PopulatedDiscord], None]


@dataclass
class TrialSetup:
    """A bot on a Discord, and the clients that it has had."""

    stage: FaultRun
    discord: PopulatedDiscord
    bots: list[SonneteerBot] = field(default_factory=list)


@dataclass
class TrialRunner:
    """What all trials are played with.

    A minute of silence, and a minute for a handshake, are seconds here; everything else takes
    as long as with Discord.
    """

    service: PoemService
    timeouts: GatewayTimeouts = field(
        default_factory=lambda: GatewayTimeouts(connect_seconds=5.0, silence_seconds=4.0)
    )
    timing: ReplyTiming = field(default_factory=ReplyTiming)
    pause_seconds: float = 2.0  # before a client is begun anew
    late_seconds: float = 0.5  # for an answer too many

    @asynccontextmanager
    async def open(
        self, prepare: Prepare = lambda _: None, app: App | None = None
    ) -> AsyncIterator[TrialSetup]:
        """Put a bot on a Discord that `prepare` may break first; it is closed at the end."""
        discord = PopulatedDiscord()
        gateway = Gateway(timeouts=self.timeouts)
        setup = TrialSetup(FaultRun(discord, lambda: setup.bots[-1], gateway.metrics), discord)

        def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
            setup.bots.append(
                SonneteerBot(
                    app_with(self.service, app),
                    message_content=message_content,
                    api_url=discord.url,
                    timing=self.timing,
                    gateway=gateway,
                )
            )
            return setup.bots[-1]

        async with discord.serve():
            discord.gateway.heartbeat_ms = round(self.timeouts.silence_seconds * 1000 / BEATS)
            prepare(discord)
            setup.stage.strike()
            door = ClientSupervisor(make_bot, gateway, pause_seconds=self.pause_seconds)
            running = asyncio.create_task(door.run(TOKEN))
            try:
                await discord.until(lambda: discord.gateway.identified)
                yield setup
                await asyncio.sleep(self.late_seconds)
            finally:
                await door.close()
                await running

    async def play(self, trial: FaultCase) -> TrialResult:
        """Scenario a trial; survived is what needs no new client and leaves no row."""
        result = TrialResult(trial.group, trial.name)
        try:
            async with (
                asyncio.timeout(MAX_SECONDS),
                _app(needed=trial.app) as app,
                self.open(app=app) as setup,
            ):
                await trial.play(setup.stage)
                result.seconds = await setup.stage.recover()
        except Exception as error:  # whatever it was, the others are played, too
            result.wrong.append(repr(error))
            return result
        result.counts = setup.stage.counts()
        return result.judge(rows=self.rows_left(), restarts=len(setup.bots) - 1)

    async def start(self, name: str, prepare: Prepare, *, restarts: bool = False) -> TrialResult:
        """Start a bot on a Discord that is not well; `restarts` is where a new client is meant."""
        result = TrialResult("start", name)
        try:
            async with asyncio.timeout(MAX_SECONDS), self.open(prepare) as setup:
                result.seconds = await setup.stage.recover()
        except Exception as error:
            result.wrong.append(repr(error))
            return result
        result.counts = setup.stage.counts()
        again = 0 if restarts else len(setup.bots) - 1
        return result.judge(rows=self.rows_left(), restarts=again)

    def rows_left(self) -> float:
        return self.service.metrics.registry.get_sample_value("sonneteer_rows_running") or 0.0


@asynccontextmanager
async def _app(*, needed: bool) -> AsyncIterator[App | None]:
    """Open a data folder where a trial has commands that are no poems."""
    if not needed:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        config = Config(home=Path(folder), books=BooksConfig(max_minutes=0.1))  # of learning
        async with open_app(config, make_library(config)) as app:
            yield app


def fails_handshakes(*faults: int | str) -> Prepare:
    """Return what lets the first handshakes fail."""

    def prepare(discord: PopulatedDiscord) -> None:
        discord.gateway.handshakes = list(faults)

    return prepare


def fails_requests(method: str, path: str, times: int) -> Prepare:
    """Return what answers the first requests with 503."""
    return lambda discord: discord.fail(method, path, [Fault(503)] * times)


STARTS: tuple[tuple[str, Prepare, bool], ...] = (
    ("first handshake 503, twice", fails_handshakes(503, 503), False),
    ("first handshake cut, twice", fails_handshakes("cut", "cut"), False),
    ("first handshake without HELLO", fails_handshakes("silent"), False),
    ("REST 503: who am I", fails_requests("GET", "/users/@me", 2), True),
    ("REST 503: the gateway's address", fails_requests("GET", "/gateway/bot", 2), True),
    ("REST 503: the slash commands", fails_requests("PUT", "/commands", 2), True),
)
