"""Counters and timings, in a registry of their own so that tests and embedders do not collide.

Where servers of language models have a usual name for a figure, it is used here, with texts and
characters for tokens.
"""

from __future__ import annotations

import asyncio

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

WRITTEN = ("complete", "cut_off")  # outcomes of a poem that reached its reader
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LAG_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """The bot's own figures; the doors add theirs to the same registry."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, processor time, open files; Linux only
        self.build = Info("sonneteer_build", "What is running.", registry=registry)
        self.requests = Counter(
            "sonneteer_requests",
            "Poems asked for, by door and outcome: how they ended, or the refusal.",
            ["door", "outcome"],
            registry=registry,
        )
        self.unanswered_commands = Counter(
            "sonneteer_unanswered_commands",
            "Commands that got no answer because there were too many.",
            registry=registry,
        )
        self.queue_time_seconds = Histogram(
            "sonneteer_request_queue_time_seconds",
            "Wait in the queue before a poem is written.",
            buckets=(0.001, *SECONDS),
            registry=registry,
        )
        self.time_to_first_text_seconds = Histogram(
            "sonneteer_time_to_first_text_seconds",
            "Time from the request to the first text.",
            buckets=SECONDS,
            registry=registry,
        )
        self.request_latency_seconds = Histogram(
            "sonneteer_e2e_request_latency_seconds",
            "Time from the request to the finished poem; cancelled poems do not count.",
            buckets=SECONDS,
            registry=registry,
        )
        self.characters = Counter(
            "sonneteer_generated_characters", "Characters written.", registry=registry
        )
        self.steps = Counter(
            "sonneteer_engine_steps",
            "Steps of the engines: each writes one token in every row.",
            registry=registry,
        )
        self.rows_running = Gauge(
            "sonneteer_rows_running", "Poems being written now.", registry=registry
        )
        self.rows_waiting = Gauge(
            "sonneteer_rows_waiting", "Poems waiting in the queue.", registry=registry
        )
        self.training_jobs = Counter(
            "sonneteer_training_jobs",
            "Trainings that ended, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.training_jobs_running = Gauge(
            "sonneteer_training_jobs_running", "Trainings running now: 0 or 1.", registry=registry
        )
        self.training_jobs_waiting = Gauge(
            "sonneteer_training_jobs_waiting",
            "Trainings waiting in the queue.",
            registry=registry,
        )
        self.loop_lag_seconds = Histogram(
            "sonneteer_event_loop_lag_seconds",
            "How late the event loop was, measured twice a second.",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        self.last_loop_lag_seconds = 0.0

    @property
    def poems_written(self) -> int:
        """How many poems were finished."""
        counted = (sample for metric in self.requests.collect() for sample in metric.samples)
        return sum(
            int(sample.value)
            for sample in counted
            if sample.name.endswith("_total") and sample.labels["outcome"] in WRITTEN
        )

    def observe_loop_lag(self, seconds: float) -> None:
        self.last_loop_lag_seconds = seconds
        self.loop_lag_seconds.observe(seconds)

    def render(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return generate_latest(self.registry)


async def watch_loop_lag(metrics: Metrics, *, every_seconds: float = 0.5) -> None:
    """Observe until cancelled how late a sleep of `every_seconds` ends."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every_seconds
        await asyncio.sleep(every_seconds)
        metrics.observe_loop_lag(max(0.0, loop.time() - due))
