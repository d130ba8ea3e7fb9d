"""GET /api/books: what the shared models learnt, and how well, for the page's cards and charts."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from aiohttp import hdrs, web

from bot.core.poems import PoemService
from bot.core.records import ModelRecord

SHOWN = (
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


class BookEndpoint:
    """Answers GET /api/books; a guild's own models are none of the web's business."""

    def __init__(self, service: PoemService) -> None:
        self._service = service

    async def get(self, _request: web.Request) -> web.Response:
        models = await asyncio.to_thread(self._service.models)  # looks at the disk
        return web.json_response(
            {"books": [_shown(model) for model in models]},
            headers={hdrs.CACHE_CONTROL: "no-store"},
        )


def _shown(model: ModelRecord) -> dict[str, object]:
    """Return what strangers may know: named one by one, so that a new field is not told by itself.

    `losses` are nats per character, an entry for each epoch.
    """
    facts = {name: getattr(model, name) for name in SHOWN}
    return {**facts, "losses": [asdict(epoch) for epoch in model.losses]}
