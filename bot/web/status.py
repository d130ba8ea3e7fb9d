"""What operators look at: /healthz, /metrics, and /api/models for the page's picker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.core.poems import PoemService
from bot.core.records import FORMS, FREE, MAX_SEED_CHARACTERS, RANGES, ModelRecord
from bot.web.security import MetricsAccess

# Of a model, one by one, so that a new field is not told by itself; /api/books tells the losses.
SHOWN = (
    "name",
    "sha256",
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
    """`shards` tells which of Discord's are up; None when Discord is not on."""

    def __init__(
        self,
        service: PoemService,
        figures: MetricsAccess,
        *,
        shards: Callable[[], Mapping[int, bool]] | None,
    ) -> None:
        self._service = service
        self._metrics_access = figures
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
                "models": [_shown(model) for model in models],
                "forms": [*FORMS, FREE],
                "defaults": self._service.defaults.as_dict(),
                "ranges": {name: [range_.low, range_.high] for name, range_ in RANGES.items()},
                "max_seed_characters": MAX_SEED_CHARACTERS,
            },
            headers={hdrs.CACHE_CONTROL: "no-store"},
        )


def _shown(model: ModelRecord) -> dict[str, object]:
    """Return what strangers may know of a model: not where its file lies, nor whose it is."""
    return {name: getattr(model, name) for name in SHOWN}
