"""The whole bot as a process of its own, `python -m bot`, on a Discord of ours."""

from __future__ import annotations

import asyncio
import math
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from bench.gauges import MB, ROOT
from bench.stats import mean, slope

ADDRESS = re.compile(r"the page is at (http://\S+)")
LOOK_SECONDS = 0.05
STOP_SECONDS = 40.0  # poems are finished first, for ten of them

CONFIG = """\
[discord]
api_url = "{api_url}"
message_content = true
{discord}
[web]
port = 0
{web}
{rest}
"""


def write_config(
    home: Path, api_url: str, *, discord: str = "", web: str = "", rest: str = ""
) -> Path:
    """Write a config.toml whose folders are in `home`; the further texts are lines of it."""
    path = home / "config.toml"
    path.write_text(CONFIG.format(api_url=api_url, discord=discord, web=web, rest=rest), "utf-8")
    return path


class BotProcess:
    """A bot that is ended, by its own number, when the block ends, however that does."""

    def __init__(
        self,
        config: Path,
        token: str | None = None,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        inside: Sequence[str] = (),
    ) -> None:
        """Take arguments of `python -m bot`; `inside` is a command that runs another."""
        self._inside = tuple(inside)
        self._arguments = ("-m", "bot", "--config", str(config), *arguments)
        self._token = token
        self._variables = dict(variables or {})  # of its environment, besides ours
        self.log_path = config.with_suffix(".log")
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> BotProcess:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self._variables}
        if self._token is not None:
            environment["DISCORD_TOKEN"] = self._token
        with self.log_path.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*self._inside, sys.executable, *self._arguments),
                cwd=ROOT,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to hear; we end it
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it was never started"
        return self._process

    @property
    def status(self) -> int | None:
        return self.process.returncode

    def set_priority(self, nice: int) -> None:
        """Let all its threads go before others, or after; those to come do the same."""
        for thread in self.seen().threads():
            os.setpriority(os.PRIO_PROCESS, thread.id, nice)

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def seen(self) -> psutil.Process:
        """Return it as the system sees it."""
        return psutil.Process(self.process.pid)

    async def address(self) -> str:
        """Wait for its page and return where that is."""
        while (found := ADDRESS.search(self.log())) is None:
            if self.status is not None:
                raise RuntimeError(f"the bot ended with {self.status}: {self.log()[-2000:]}")
            await asyncio.sleep(LOOK_SECONDS)
        return found[1]

    async def ended(self, seconds: float) -> int | None:
        """Return its exit status, None where it has not ended within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self.process.wait()
        return None

    async def stop(self) -> int:
        """Ask it to stop, end it if it does not; return its exit status."""
        if self.status is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            if await self.ended(STOP_SECONDS) is None:
                with suppress(ProcessLookupError):
                    self.process.kill()
        return await self.process.wait()


HOUR = 3600.0
LOOK_SECONDS = 2.0
ASK_SECONDS = 5.0
WINDOW_SECONDS = 60.0  # whose lowest memory counts: what stays when poems have ended
LAG = "sonneteer_event_loop_lag_seconds_bucket"

Figures = dict[str, float]  # name and labels as in the text format → value


@dataclass
class Looks:
    """What was seen, with seconds since the beginning."""

    memory: list[tuple[float, float]] = field(default_factory=list)  # MB
    files: list[tuple[float, int]] = field(default_factory=list)
    threads: list[tuple[float, int]] = field(default_factory=list)
    health: dict[int, int] = field(default_factory=dict)  # status of /healthz → how often
    health_seconds: list[float] = field(default_factory=list)
    scrapes: int = 0
    scrape_seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # questions without an answer


async def watch_process(process: psutil.Process, looks: Looks, began: float) -> None:
    """Look at a process until cancelled."""
    while True:
        with suppress(psutil.Error):
            now = time.perf_counter() - began
            looks.memory.append((now, process.memory_info().rss / MB))
            looks.files.append((now, process.num_fds()))
            looks.threads.append((now, process.num_threads()))
        await asyncio.sleep(LOOK_SECONDS)


def loop_time(pid: int) -> tuple[float, float]:
    """Return for how long a process's first thread has run, and waited for a processor, in s."""
    told = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text("ascii").split()
    return int(told[0]) / 1e9, int(told[1]) / 1e9


async def watch_pages(session: aiohttp.ClientSession, address: str, looks: Looks) -> None:
    """Ask for /healthz and /metrics, as a monitor does, until cancelled."""
    while True:
        for path in ("/healthz", "/metrics"):
            began = time.perf_counter()
            try:
                async with session.get(address + path) as response:
                    await response.read()
                    status = response.status
            except (aiohttp.ClientError, TimeoutError) as error:
                looks.failed.append(f"{path}: {error!r}")
                continue
            seconds = time.perf_counter() - began
            if path == "/healthz":
                looks.health[status] = looks.health.get(status, 0) + 1
                looks.health_seconds.append(seconds)
            else:
                looks.scrapes += 1
                looks.scrape_seconds.append(seconds)
        await asyncio.sleep(ASK_SECONDS)


async def scrape(session: aiohttp.ClientSession, address: str) -> Figures:
    """Return all figures of /metrics."""
    async with session.get(address + "/metrics") as response:
        return read_figures(await response.text())


def read_figures(text: str) -> Figures:
    """Read Prometheus' text format.

    >>> read_figures('# TYPE a counter\\na_total{how="x"} 2.0\\n')
    {'a_total{how=x}': 2.0}
    """
    figures: Figures = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sample.labels.items())
            figures[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return figures


def of_family(figures: Figures, name: str) -> Iterator[tuple[str, float]]:
    """Yield what a figure has by its labels."""
    for key, value in figures.items():
        if key == name or key.startswith(f"{name}{{"):
            yield key[len(name) + 1 : -1], value


def total_of(figures: Figures, name: str) -> float:
    return math.fsum(value for _, value in of_family(figures, name))


def buckets_between(before: Figures, after: Figures) -> dict[float, float]:
    """Return the loop's lags between two looks: upper bound in seconds → how many, summed up."""
    earlier = dict(of_family(before, LAG))
    return {
        float(labels.removeprefix("le=")): value - earlier.get(labels, 0.0)
        for labels, value in of_family(after, LAG)
    }


def quantile_of(buckets: Mapping[float, float], share: float) -> tuple[float, float]:
    """Return a histogram's quantile: the bound of its bucket, and a line drawn through the bucket.

    >>> quantile_of({0.01: 90.0, 0.02: 100.0, float("inf"): 100.0}, 0.95)
    (0.02, 0.015)
    """
    bounds = sorted(buckets)
    wanted, below, low = share * buckets[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted and buckets[bound]:
            inside = (wanted - below) / (buckets[bound] - below)
            return bound, low if math.isinf(bound) else low + (bound - low) * inside
        below, low = buckets[bound], bound
    return math.nan, math.nan


def lowest_by_minute(memory: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the lowest memory of each window, with the window's middle."""
    lowest: dict[int, float] = {}
    for seconds, megabytes in memory:
        window = int(seconds // WINDOW_SECONDS)
        lowest[window] = min(lowest.get(window, math.inf), megabytes)
    return [((window + 0.5) * WINDOW_SECONDS, low) for window, low in sorted(lowest.items())]


def growth(memory: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the rise over the second half in MB an hour, and its standard error."""
    points = lowest_by_minute(memory)
    points = [(seconds / HOUR, megabytes) for seconds, megabytes in points[len(points) // 2 :]]
    if len(points) < 3:
        return math.nan, math.nan
    rise = slope(points)
    hour, level = mean([x for x, _ in points]), mean([y for _, y in points])
    spread = math.fsum((x - hour) ** 2 for x, _ in points)
    off = math.fsum((y - level - rise * (x - hour)) ** 2 for x, y in points)
    return rise, math.sqrt(off / (len(points) - 2) / spread)
