"""POST /api/poems and POST /api/cards: what a body may say, and the poem or picture it gets.

A poem is one JSON object, or a stream of server-sent events while it is being written. Ranges are
the service's business. A body is a page of text at most, but 64 KiB may hold ten thousand mistakes:
keys are counted before anything is checked, and a list is given up at its first mistake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, create_model
from pydantic_core import from_json

from bot.core.languages import translate
from bot.core.poem_stream import PoemStream
from bot.core.poems import AdmittedRequest, PoemService
from bot.core.records import (
    FORMS,
    FREE,
    MAX_AVOIDED,
    MAX_LINE_CHARACTERS,
    MAX_SEED_CHARACTERS,
    MAX_STOP_CHARACTERS,
    MAX_STOPS,
    RANGES,
    SAMPLING_SETTINGS,
    Asker,
    Poem,
    PoemRequest,
    PoemScansion,
    PoemSettings,
    Sampling,
)
from bot.web.admission import Admission
from bot.web.errors import BadBody, has_disconnected, plain_error
from bot.web.events import MEDIA_TYPE, EventStream, StreamTiming

MODEL_DIGITS = 12  # of a model's hash in a permanent link: no two models of a library share them
MAX_EXACT = 2**53  # every whole number below is a float
MAX_TEXT, MAX_LINE = 4_000, 200  # characters; a picture of more would be no card
NO_STORE = {hdrs.CACHE_CONTROL: "no-store"}

Body = TypeVar("Body", bound=BaseModel)
KINDS = {setting.name: setting.kind for setting in SAMPLING_SETTINGS}
STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)
ALLOWED_ON_CARDS = {
    "title": f"a text of at most {MAX_LINE} characters",
    "text": f"a text of 1 to {MAX_TEXT} characters",
    "model": f"a text of at most {MAX_LINE} characters",
    "random_seed": f"a whole number {RANGES['random_seed']}",
}


class PoemEndpoint:
    """Answers POST /api/poems; a client that goes away frees its row."""

    def __init__(
        self, service: PoemService, admission: Admission, stream_timing: StreamTiming
    ) -> None:
        self._service = service
        self._admission = admission
        self._stream_timing = stream_timing

    async def post(self, request: web.Request) -> web.StreamResponse:
        with self._admission.admit(request) as asker:
            self._service.require_room(asker)
            raw = await self._admission.read(request)
            body = await self._service.run_in_thread(asker, PoemBody.parse, raw)
            admitted = await self._service.admit(body.request(asker))
            if MEDIA_TYPE in request.headers.get(hdrs.ACCEPT, ""):
                return await self._stream(request, body, admitted)
            async with self._service.write(admitted) as poem_stream:
                poem = await poem_stream.finish()
            return web.json_response(poem.as_dict(), headers=NO_STORE)

    async def _stream(
        self, request: web.Request, body: PoemBody, admitted: AdmittedRequest
    ) -> web.StreamResponse:
        """Send a poem as it comes; what goes wrong after the first event becomes the last one."""
        stream = EventStream(request, self._stream_timing)
        try:
            async with self._service.write(admitted) as poem_stream:
                await stream.open()
                await stream.send("start", _start(body, poem_stream))
                async with stream.signs_of_life(self._tell_place(stream, poem_stream)):
                    async for text in poem_stream:
                        if text:
                            await stream.send("text", text)
            await stream.send("end", poem_stream.poem.as_dict())
        except Exception as error:
            if not stream.response.prepared:
                raise
            if not has_disconnected(request):
                await stream.send("error", plain_error(error))
        return stream.response

    async def _tell_place(self, stream: EventStream, poem_stream: PoemStream) -> None:
        told = ""
        while True:
            queue_position = poem_stream.queue_position
            sentence = translate(queue_position.sentence) if queue_position.place else ""
            if sentence != told:  # it says times in round figures
                await stream.send("place", {**asdict(queue_position), "sentence": sentence})
                told = sentence
            if not queue_position.place:
                return
            await asyncio.sleep(self._stream_timing.place_seconds)


def _start(body: PoemBody, poem_stream: PoemStream) -> dict[str, object]:
    return {
        "seed": poem_stream.seed,
        "notes": [translate(note) for note in poem_stream.notes],
        "model": poem_stream.model.name,
        "model_sha256": poem_stream.model.sha256,
        "random_seed": poem_stream.random_seed,
        "settings": poem_stream.settings.as_dict(),
        "link": permanent_query(body, poem_stream),
    }


class CardEndpoint:
    """Answers POST /api/cards: a poem that the page shows, as a picture to share.

    The service draws one card at a time.
    """

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


class _PoemWords(BaseModel):
    model_config = STRICT

    seed: str = ""
    model: Annotated[str, Field(max_length=100)] | None = None
    lines: int | None = None
    characters: int | None = None


SAMPLING_FIELDS: dict[str, Any] = {
    each.name: (bool, False) if each.kind is bool else (each.kind | None, None)
    for each in SAMPLING_SETTINGS
}
_WithSampling: Any = create_model("_WithSampling", __base__=_PoemWords, **SAMPLING_FIELDS)


class PoemBody(_WithSampling):
    """The settings of a poem; what is absent or null gets its default."""

    stop: Annotated[list[str], FailFast()] = Field(default=[], max_length=MAX_STOPS)
    form: str | None = None
    avoid: Annotated[list[str], FailFast()] = Field(default=[], max_length=MAX_AVOIDED)
    written: Annotated[list[str], FailFast()] = Field(default=[], max_length=max(FORMS.values()))
    random_seed: int | None = None

    @classmethod
    def parse(cls, body: bytes) -> PoemBody:
        """Read a body, or raise BadBody with what is wrong first."""
        return read_body(cls, body, allowed_values)

    def request(self, asker: Asker, *, line_by_line: bool = False) -> PoemRequest:
        values = self.model_dump()
        return PoemRequest(
            asker=asker,
            line_by_line=line_by_line,
            sampling={each.name: values.pop(each.name) for each in SAMPLING_SETTINGS},
            **{**values, **{name: tuple(values[name]) for name in ("stop", "avoid", "written")}},
        )


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
        return read_body(cls, body, ALLOWED_ON_CARDS.__getitem__)

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


def read_body(kind: type[Body], raw: bytes, allowed: Callable[[str], str]) -> Body:
    """Read a body, or raise BadBody with what is wrong first; `allowed` says what a key may be."""
    return validate(kind, read_object(raw, list(kind.model_fields)), allowed)


def read_object(raw: bytes, known: Sequence[str]) -> dict[str, Any]:
    """Read a JSON object whose keys are known; raise BadBody."""
    try:
        values = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise BadBody.not_an_object(f"Invalid JSON: {error}") from error
    if not isinstance(values, dict):
        raise BadBody.not_an_object(f"This is {_json_name(values)}")
    for key in values:
        if key not in known:
            raise BadBody.unknown_key(key, known)
    return {key: _without_zeros(value) for key, value in values.items()}


def _without_zeros(value: object) -> object:
    """Return 7 for 7.0: JSON does not tell them apart, and some languages write the latter."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT
    return int(value) if is_whole and isinstance(value, float) else value


def validate(kind: type[Body], values: dict[str, Any], allowed: Callable[[str], str]) -> Body:
    """Make a body of its values, or raise BadBody with what is wrong first."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise BadBody.wrong_value(path, first["input"], allowed(str(first["loc"][0]))) from error


def _json_name(value: object) -> str:
    """Say what a JSON value other than an object is.

    >>> _json_name([1]), _json_name(True)
    ('an array', 'true or false')
    """
    names = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def permanent_query(body: PoemBody, poem_stream: PoemStream) -> str:
    """Return the query that writes this poem again: `?model=…&seed=…`, no setting left open.

    The seed is the one that was asked for, empty included: the opening that was drawn for it
    depends on the random seed alone. Of a seed that was cut, what was left of it is enough.
    """
    settings = poem_stream.settings
    is_cut = len(body.seed) > MAX_SEED_CHARACTERS
    values = {
        "model": poem_stream.model.sha256[:MODEL_DIGITS],
        "seed": poem_stream.seed if is_cut else body.seed,
        "random_seed": poem_stream.random_seed,
        "form": settings.form,
        "lines": settings.lines if settings.form == FREE else None,
        "characters": settings.characters,
        **{name: _in_query(value) for name, value in settings.sampling},
        "stop": settings.stop,
        "avoid": settings.avoid,
        "written": body.written,
    }
    known = {name: value for name, value in values.items() if value is not None}
    return "?" + urlencode(known, doseq=True)


def _in_query(value: float) -> float | str | None:
    """Return a setting as a link has it; what is not turned on is left out."""
    return value if not isinstance(value, bool) else "true" if value else None


def allowed_values(key: str) -> str:
    """Say what a setting may be.

    >>> allowed_values("lines"), allowed_values("greedy")
    ('a whole number between 1 and 500', 'true or false')
    """
    match key:
        case "seed":
            return "text"
        case "model":
            return "a model's name or hash, of at most 100 characters"
        case "stop":
            return f"a list of at most {MAX_STOPS} texts of 1 to {MAX_STOP_CHARACTERS} characters"
        case "form":
            return f"one of {', '.join(FORMS)} and {FREE}"
        case "avoid":
            return f"a list of at most {MAX_AVOIDED} words"
        case "written":
            texts = f"texts of 1 to {MAX_LINE_CHARACTERS} characters"
            return f"a list of {texts}, at most as many as the form has lines"
        case _ if KINDS.get(key) is bool:
            return "true or false"
        case _:
            number = "number" if KINDS.get(key) is float else "whole number"
            return f"a {number} {RANGES[key]}"
