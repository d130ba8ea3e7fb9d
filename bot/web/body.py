"""What a client may put in a body; ranges are the service's business.

A body is a page of text at most, but 64 KiB may hold ten thousand mistakes. So keys are counted
before anything is checked, and a list is given up at its first mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, create_model
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
    SAMPLING_SETTINGS,
    Asker,
    PoemRequest,
)
from bot.web.errors import BadBody

MODEL_DIGITS = 12  # of a model's hash in a permanent link: no two models of a library share them


Body = TypeVar("Body", bound=BaseModel)
KINDS = {setting.name: setting.kind for setting in SAMPLING_SETTINGS}
STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)


def read_body(kind: type[Body], raw: bytes, allowed: Callable[[str], str]) -> Body:
    """Read a body, or raise BadBody with what is wrong first; `allowed` says what a key may be."""
    try:
        values = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise BadBody.not_an_object(f"Invalid JSON: {error}") from error
    if not isinstance(values, dict):
        raise BadBody.not_an_object(f"This is {_json_name(values)}")
    for key in values:
        if key not in kind.model_fields:
            raise BadBody.unknown_key(key, list(kind.model_fields))
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


class _PoemWords(BaseModel):
    model_config = STRICT

    seed: str = ""
    model: Annotated[str, Field(max_length=100)] | None = None
    lines: int | None = None
    characters: int | None = None


_SAMPLING_FIELDS: dict[str, Any] = {
    each.name: (bool, False) if each.kind is bool else (each.kind | None, None)
    for each in SAMPLING_SETTINGS
}
_WithSampling: Any = create_model("_WithSampling", __base__=_PoemWords, **_SAMPLING_FIELDS)


class PoemBody(_WithSampling):
    """The settings of a poem; what is absent or null gets its default."""

    stop: Annotated[list[str], FailFast()] = Field(default=[], max_length=MAX_STOPS)
    form: str | None = None
    avoid: Annotated[list[str], FailFast()] = Field(default=[], max_length=MAX_AVOIDED)
    random_seed: int | None = None

    @classmethod
    def parse(cls, body: bytes) -> PoemBody:
        """Read a body, or raise BadBody with what is wrong first."""
        return read_body(cls, body, _allowed)

    def request(self, asker: Asker) -> PoemRequest:
        values = self.model_dump()
        return PoemRequest(
            asker=asker,
            sampling={each.name: values.pop(each.name) for each in SAMPLING_SETTINGS},
            **{**values, "stop": tuple(self.stop), "avoid": tuple(self.avoid)},
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
        **{name: _in_query(value) for name, value in settings.sampling},
        "stop": settings.stop,
        "avoid": settings.avoid,
    }
    known = {name: value for name, value in values.items() if value is not None}
    return "?" + urlencode(known, doseq=True)


def _in_query(value: float) -> float | str | None:
    """Return a setting as a link has it; what is not turned on is left out."""
    return value if not isinstance(value, bool) else "true" if value else None


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
        case _ if KINDS.get(key) is bool:
            return "true or false"
        case _:
            number = "number" if KINDS.get(key) is float else "whole number"
            return f"a {number} {RANGES[key]}"
