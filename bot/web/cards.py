"""POST /api/cards: a poem that the page shows, as a picture to share."""

from __future__ import annotations

import asyncio
from typing import Annotated

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.core.card import draw_card
from bot.core.records import RANGES, Looks, Poem, PoemSettings
from bot.web.errors import BadBody
from bot.web.limits import ClientLimits
from bot.web.poems import read_json
from bot.web.security import Clients, HostGuard

MAX_TEXT, MAX_LINE = 4_000, 200  # characters; a picture of more would be no card


class CardBody(BaseModel):
    """What is drawn; nothing of it is kept."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    title: Annotated[str, Field(max_length=MAX_LINE)] = ""
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    model: Annotated[str, Field(max_length=MAX_LINE)] = ""
    random_seed: Annotated[int, Field(ge=0, le=int(RANGES["random_seed"].high))] = 0

    def poem(self) -> Poem:
        settings = PoemSettings(
            temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, greedy=False, lines=1, characters=None
        )
        return Poem(
            self.text, "", self.model, "", self.random_seed, settings, (), looks=Looks(self.title)
        )


class CardHandler:
    """Draws on a thread; a card counts as a poem against a client's limits."""

    def __init__(
        self, *, hosts: HostGuard, clients: Clients, limits: ClientLimits, max_body_seconds: float
    ) -> None:
        self._hosts = hosts
        self._clients = clients
        self._limits = limits
        self._max_body_seconds = max_body_seconds

    async def post(self, request: web.Request) -> web.Response:
        self._hosts.check_origin(request)
        raw = await read_json(request, self._max_body_seconds)
        try:
            body = CardBody.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise BadBody.wrong_value(
                key or "body", str(first["input"])[:40], f"a text of 1 to {MAX_TEXT} characters"
            ) from error
        with self._limits.poem(self._clients.client(request)):
            picture = await asyncio.to_thread(draw_card, body.poem())
        return web.Response(
            body=picture, content_type="image/png", headers={hdrs.CACHE_CONTROL: "no-store"}
        )
