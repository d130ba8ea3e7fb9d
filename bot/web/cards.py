"""POST /api/cards: a poem that the page shows, as a picture to share."""

from __future__ import annotations

from typing import Annotated

from aiohttp import hdrs, web
from pydantic import BaseModel, Field

from bot.core.poems import PoemService
from bot.core.records import RANGES, Poem, PoemScansion, PoemSettings, Sampling
from bot.web.admission import Admission
from bot.web.body import STRICT, read_body
from bot.web.errors import BadBody

MAX_TEXT, MAX_LINE = 4_000, 200  # characters; a picture of more would be no card
ALLOWED = {
    "title": f"a text of at most {MAX_LINE} characters",
    "text": f"a text of 1 to {MAX_TEXT} characters",
    "model": f"a text of at most {MAX_LINE} characters",
    "random_seed": f"a whole number {RANGES['random_seed']}",
}


class CardBody(BaseModel):
    """What is drawn; nothing of it is kept."""

    model_config = STRICT

    title: Annotated[str, Field(max_length=MAX_LINE)] = ""
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    model: Annotated[str, Field(max_length=MAX_LINE)] = ""
    random_seed: Annotated[int, Field(ge=0, le=int(RANGES["random_seed"].high))] = 0

    @classmethod
    def parse(cls, body: bytes) -> CardBody:
        """Read a body, or raise BadBody with what is wrong first."""
        return read_body(cls, body, ALLOWED.__getitem__)

    def poem(self) -> Poem:
        settings = PoemSettings(Sampling(), lines=1, characters=None)
        return Poem(
            self.text,
            "",
            self.model,
            "",
            self.random_seed,
            settings,
            (),
            looks=PoemScansion(self.title),
        )


class CardEndpoint:
    """Lets the service draw, which has one card drawn at a time."""

    def __init__(self, service: PoemService, admission: Admission) -> None:
        self._service = service
        self._admission = admission

    async def post(self, request: web.Request) -> web.Response:
        with self._admission.admit(request) as asker:
            raw = await self._admission.read(request)
            try:
                body = await self._service.run_in_thread(asker, CardBody.parse, raw)
            except BadBody as error:
                sentence = f"{error} A card needs a text of 1 to {MAX_TEXT} characters."
                raise BadBody(sentence) from error
            picture = await self._service.draw(asker, body.poem())
        return web.Response(
            body=picture, content_type="image/png", headers={hdrs.CACHE_CONTROL: "no-store"}
        )
