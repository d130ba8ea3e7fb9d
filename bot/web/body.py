"""What a client may put in a body; ranges are the service's business.

A body is a page of text at most, but 64 KiB may hold ten thousand mistakes. So keys are counted
before anything is checked, and a list is given up at its first mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError
from pydantic_core import from_json

from bot.core.poem_stream import PoemStream
from bot.core.records import (
    FORMS,
    FREE,
    MAX_AVOIDED,
    MAX_SEED_CHARACTERS,
    MAX_STOP_CHARACTERS,
    MAX_STOPS,
    RANGES,
    Asker,
    PoemRequest,
)
from bot.web.errors import BadBody

MODEL_DIGITS = 12  # of a model's hash in a permanent link: no two models of a library share them


Body = TypeVar("Body", bound=BaseModel)
STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)


def read_body(kind: type[Body], raw: bytes, allowed: Callable[[str], str]) -> Body:
    """Read a body, or raise BadBody with what is wrong first; `allowed` says what a key may be."""
    try:
        values = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise BadBody.not_an_object(f"Invalid JSON: {error}") from error
    if not isinstance(values, dict):
        raise BadBody.not_an_object("It is none")
    for key in values:
        if key not in kind.model_fields:
            raise BadBody.unknown_key(key, list(kind.model_fields))
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise BadBody.wrong_value(path, first["input"], allowed(str(first["loc"][0]))) from error


class PoemBody(BaseModel):
    """The settings of a poem; what is absent or null gets its default."""

    model_config = STRICT

    seed: str = ""
    model: Annotated[str, Field(max_length=100)] | None = None
    lines: int | None = None
    characters: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_guard: int | None = None
    greedy: bool = False
    stop: Annotated[list[str], Field(max_length=MAX_STOPS), FailFast()] = []
    form: str | None = None
    avoid: Annotated[list[str], Field(max_length=MAX_AVOIDED), FailFast()] = []
    random_seed: int | None = None

    @classmethod
    def parse(cls, body: bytes) -> PoemBody:
        """Read a body, or raise BadBody with what is wrong first."""
        return read_body(cls, body, _allowed)

    def request(self, asker: Asker) -> PoemRequest:
        return PoemRequest(
            asker=asker,
            **{**self.model_dump(), "stop": tuple(self.stop), "avoid": tuple(self.avoid)},
        )


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
        "temperature": settings.temperature,
        "top_k": settings.top_k,
        "top_p": settings.top_p,
        "min_p": settings.min_p,
        "repetition_guard": settings.repetition_guard,
        "greedy": "true" if settings.greedy else None,
        "stop": settings.stop,
        "avoid": settings.avoid,
    }
    known = {name: value for name, value in values.items() if value is not None}
    return "?" + urlencode(known, doseq=True)


def _allowed(key: str) -> str:
    """Say what a setting may be.

    >>> _allowed("lines"), _allowed("greedy")
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
        case "greedy":
            return "true or false"
        case "temperature" | "top_p" | "min_p":
            return f"a number {RANGES[key]}"
        case _:
            return f"a whole number {RANGES[key]}"
