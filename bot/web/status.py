"""The state of the bot: /healthz and /metrics, /api/models and /api/books."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict

from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.core.poems import PoemService
from bot.core.records import FORMS, FREE, MAX_SEED_CHARACTERS, RANGES, ModelRecord
from bot.web.security import MetricsAccess

# What strangers may know of a model: not where its file is, nor whose it is. The fields are named
# one by one so that a new one is not published by accident.
PUBLIC = (
    "name",
    "book",
    "characters",
    "loss",
    "held_out_loss",
    "size_bytes",
    "created",
    "shipped",
    "default",
)


class StatusEndpoints:
    """Answers these addresses; a guild's own models are not shown.

    `shards` tells which of Discord's shards are up; None if the bot does not use Discord.
    """

    def __init__(
        self,
        service: PoemService,
        metrics_access: MetricsAccess,
        *,
        shards: Callable[[], Mapping[int, bool]] | None,
    ) -> None:
        self._service = service
        self._metrics_access = metrics_access
        self._shards = shards

    async def healthz(self, _request: web.Request) -> web.Response:
        shards = None if self._shards is None else self._shards()
        gateway = None if shards is None else bool(shards) and all(shards.values())
        well = self._service.ready and gateway is not False and not self._service.closing
        lag = self._service.metrics.last_loop_lag_seconds
        figures = {
            "ok": well,
            "model_loaded": self._service.ready,
            "gateway_ready": gateway,
            "shards": shards,
            "closing": self._service.closing,
            "loop_lag_ms": round(lag * 1000, 1),
        }
        headers = {hdrs.CACHE_CONTROL: "no-store"}
        return web.json_response(figures, status=200 if well else 503, headers=headers)

    async def metrics(self, request: web.Request) -> web.Response:
        self._metrics_access.check(request)
        return web.Response(
            body=self._service.metrics.render(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST}
        )

    async def models(self, _request: web.Request) -> web.Response:
        """List the models, and what a request may ask of them."""
        models = await asyncio.to_thread(self._service.models)  # looks at the disk
        return web.json_response(
            {
                "models": [{**_public(model), "sha256": model.sha256} for model in models],
                "forms": [*FORMS, FREE],
                "defaults": self._service.defaults.as_dict(),
                "ranges": {name: [range_.low, range_.high] for name, range_ in RANGES.items()},
                "max_seed_characters": MAX_SEED_CHARACTERS,
            },
            headers={hdrs.CACHE_CONTROL: "no-store"},
        )

    async def books(self, _request: web.Request) -> web.Response:
        """List the books that the shared models learnt, with their losses.

        `losses` has an entry for each epoch, in nats per character.
        """
        models = await asyncio.to_thread(self._service.models)  # looks at the disk
        books = [
            {**_public(model), "losses": [asdict(epoch) for epoch in model.losses]}
            for model in models
        ]
        return web.json_response({"books": books}, headers={hdrs.CACHE_CONTROL: "no-store"})


def _public(model: ModelRecord) -> dict[str, object]:
    return {name: getattr(model, name) for name in PUBLIC}
