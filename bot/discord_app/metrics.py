"""What is counted of Discord: connections to the gateway, requests, and answers of 429."""

from __future__ import annotations

import math
from types import SimpleNamespace

import aiohttp
from prometheus_client import CollectorRegistry, Counter, Gauge

TOO_MANY_REQUESTS = 429
SCOPES = ("user", "shared", "global")  # of a rate limit, as Discord names them


class DiscordMetrics:
    """The figures of one door, which outlive its clients."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.shard_up = Gauge(
            "sonneteer_discord_shard_up",
            "Whether the shard has a session on an open gateway.",
            ["shard"],
            registry=registry,
        )
        self.shard_latency_seconds = Gauge(
            "sonneteer_discord_shard_latency_seconds",
            "Time from the last heartbeat to its acknowledgement.",
            ["shard"],
            registry=registry,
        )
        self.connects = Counter(
            "sonneteer_discord_connects",
            "Sessions started (identified) and resumed.",
            ["shard", "how"],
            registry=registry,
        )
        self.disconnects = Counter(
            "sonneteer_discord_disconnects",
            "Connections to the gateway that were lost, by close code or reason.",
            ["shard", "why"],
            registry=registry,
        )
        self.sessions_lost = Counter(
            "sonneteer_discord_sessions_lost",
            "Sessions that could not be resumed: commands sent in between were missed.",
            ["shard"],
            registry=registry,
        )
        self.http_requests = Counter(
            "sonneteer_discord_http_requests",
            "Requests to Discord, by status; 0 without an answer.",
            ["status"],
            registry=registry,
        )
        self.rate_limits = Counter(
            "sonneteer_discord_rate_limits",
            "Answers 429, by the scope that Discord names.",
            ["scope"],
            registry=registry,
        )
        self.repeated_events = Counter(
            "sonneteer_discord_repeated_events",
            "Commands that arrived twice and were answered once.",
            registry=registry,
        )
        self.unreadable_events = Counter(
            "sonneteer_discord_unreadable_events",
            "Events that discord.py could not read; each was skipped.",
            registry=registry,
        )

    def observe_latency(self, shard: int, seconds: float) -> None:
        if math.isfinite(seconds):
            self.shard_latency_seconds.labels(str(shard)).set(seconds)

    def trace(self) -> aiohttp.TraceConfig:
        """Return what discord.py's HTTP client needs, to count its requests."""
        config = aiohttp.TraceConfig()
        config.on_request_end.append(self._count_answer)
        config.on_request_exception.append(self._count_failure)
        return config

    async def _count_answer(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestEndParams
    ) -> None:
        response = end.response
        self.http_requests.labels(str(response.status)).inc()
        if response.status == TOO_MANY_REQUESTS:
            scope = response.headers.get("X-RateLimit-Scope", "")
            self.rate_limits.labels(scope if scope in SCOPES else "unknown").inc()

    async def _count_failure(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, failure: object
    ) -> None:
        self.http_requests.labels("0").inc()
