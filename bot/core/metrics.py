"""Counters and timings, in a registry of their own so that tests and embedders do not collide."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

WRITTEN = ("complete", "cut_off")  # outcomes of a poem that reached its reader
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Every figure the bot keeps of itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sonneteer_requests",
            "Poems asked for, by door and by what became of them: how they ended, or the refusal.",
            ["door", "outcome"],
            registry=self.registry,
        )
        self.first_text_seconds = Histogram(
            "sonneteer_first_text_seconds",
            "From the request to the first text.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.poem_seconds = Histogram(
            "sonneteer_poem_seconds",
            "From the request to the whole poem; those that were cancelled do not count.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.characters = Counter(
            "sonneteer_characters", "Characters written.", registry=self.registry
        )
        self.rows_running = Gauge(
            "sonneteer_rows_running", "Poems being written now.", registry=self.registry
        )
        self.rows_waiting = Gauge(
            "sonneteer_rows_waiting", "Poems waiting in line.", registry=self.registry
        )
        self.trainings = Counter(
            "sonneteer_trainings",
            "Trainings that ended, by how.",
            ["outcome"],
            registry=self.registry,
        )
        self.trainings_waiting = Gauge(
            "sonneteer_trainings_waiting",
            "Trainings that wait for the one under way.",
            registry=self.registry,
        )
        self.loop_lag_seconds = Gauge(
            "sonneteer_loop_lag_seconds",
            "How late the event loop was at the last look.",
            registry=self.registry,
        )

    @property
    def poems_written(self) -> int:
        """How many poems were written to their ends."""
        counted = (sample for metric in self.requests.collect() for sample in metric.samples)
        return sum(
            int(sample.value)
            for sample in counted
            if sample.name.endswith("_total") and sample.labels["outcome"] in WRITTEN
        )

    def render(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return generate_latest(self.registry)


async def watch_loop_lag(metrics: Metrics, *, every_seconds: float = 0.5) -> None:
    """Keep `loop_lag_seconds` true until cancelled: how late a sleep of `every_seconds` ends."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every_seconds
        await asyncio.sleep(every_seconds)
        metrics.loop_lag_seconds.set(max(0.0, loop.time() - due))
