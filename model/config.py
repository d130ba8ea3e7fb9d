"""Settings of the network and of sampling: strict, frozen, each with its unit and range.

Those of training are in `model/training/recipes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from model.errors import SettingError

MAX_CHARACTERS = 10_000
MAX_LINES = 500
MAX_STOPS = 8
Tensors = Mapping[str, NDArray[np.float32]]  # a network's weights, named as in a model file
StopString = Annotated[str, Field(min_length=1, max_length=100)]


class StrictSettings(BaseModel):
    """Base of every settings class: unknown keys and silent conversions are refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    @classmethod
    def checked(cls, **values: object) -> Self:
        """Build from keyword values; raise SettingError naming the first bad one and its range."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"]) or cls.__name__
            raise SettingError(name, first["input"], _allowed(first)) from error


def _allowed(error: ErrorDetails) -> str:
    """Return what pydantic allows instead, to follow "it must be"."""
    if error["type"] == "extra_forbidden":
        return "left out: there is no such setting"
    message = re.sub(r"^\w+ should have ", "one with ", error["msg"])
    return message.removeprefix("Input should be ")


class NetworkConfig(StrictSettings):
    """Shape of a StackedLSTM.

    `scalar` input is the tutorial's: the character's id divided by V, one number per step.
    """

    vocabulary_size: int = Field(ge=1, le=65_536)  # V
    input: Literal["embedding", "scalar"] = "embedding"
    embedding_size: int = Field(default=64, ge=1, le=1024)  # E; 1 for scalar input
    hidden_size: int = Field(default=256, ge=1, le=4096)  # H
    layers: int = Field(default=2, ge=1, le=8)  # L
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)  # between layers and before the head
    residual: bool = False  # add a layer's input to its output from the second layer on
    tied: bool = False  # the embedding is the head's weights too: Press and Wolf 2017
    topic_size: int = Field(default=0, ge=0, le=512)  # K; 0: it is not told what a text is about

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tied and (self.input != "embedding" or self.embedding_size != self.hidden_size):
            raise ValueError("a tied network has an embedding as wide as its hidden state")
        if self.topic_size and not self.residual:
            raise ValueError("topics are added to the outputs of a residual network")
        return self


@dataclass(frozen=True, slots=True)
class Setting:
    """What the users of a sampling setting must know besides its type and range."""

    usual: bool | int | float  # where nobody asked for anything else
    help: str  # of its option on the command line; "": its range
    narrows: bool = False  # leaves tokens out; a line that finds no way on goes without


class Sampling(StrictSettings):
    """How the next token is chosen from the network's logits: `Sampling()` draws as they say.

    Order: repetition guard, temperature, top-k, top-p, min-p. Greedy overrides the last four.

    Each setting is defined here alone, with the value that turns it off as its default. The
    command line, config.toml, the HTTP API, the buttons and the kernel's rows go through
    SAMPLING_SETTINGS. Buttons hold the settings in this order, so a new one comes last.
    """

    temperature: Annotated[float, Setting(0.5, "")] = Field(default=1.0, ge=0.05, le=2.0)
    top_k: Annotated[int, Setting(0, "the N likeliest tokens; 0: off", narrows=True)] = Field(
        default=0, ge=0, le=1000
    )
    top_p: Annotated[float, Setting(1.0, "the likeliest X of 1; 1: off", narrows=True)] = Field(
        default=1.0, ge=0.01, le=1.0
    )
    min_p: Annotated[float, Setting(0.05, "X of the likeliest; 0: off", narrows=True)] = Field(
        default=0.0, ge=0.0, le=0.99
    )
    # From so many repeated characters on, more become ever less likely. A usual phrase may come
    # back, a loop may not.
    repetition_guard: Annotated[int, Setting(12, "repeated characters allowed; 0: any")] = Field(
        default=0, ge=0, le=200
    )
    greedy: Annotated[bool, Setting(False, "always the likeliest token", narrows=True)] = False


@dataclass(frozen=True, slots=True)
class SamplingSetting:
    """A field of Sampling, with all that its users must know."""

    name: str
    kind: type[bool] | type[int] | type[float]
    off: bool | int | float
    low: float  # both ends included
    high: float
    usual: bool | int | float
    help: str
    narrows: bool


def _read_setting(name: str, field: FieldInfo) -> SamplingSetting:
    kind: Any = field.annotation
    (setting,) = (each for each in field.metadata if isinstance(each, Setting))
    low = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), 0)
    high = next((bound.le for bound in field.metadata if isinstance(bound, Le)), 1)
    return SamplingSetting(
        *(name, kind, field.default, kind(low), kind(high)),
        *(setting.usual, setting.help, setting.narrows),
    )


SAMPLING_SETTINGS = tuple(
    _read_setting(name, field) for name, field in Sampling.model_fields.items()
)
USUAL_SAMPLING = Sampling.model_validate({each.name: each.usual for each in SAMPLING_SETTINGS})


class LengthConfig(StrictSettings):
    """When a poem ends: after `lines` lines or exactly `characters` characters, seed included.

    It ends sooner where one of the strings `stop` would come.
    Only one of the two is set; a poem by lines is cut off at MAX_CHARACTERS at the latest.
    """

    lines: int | None = Field(default=None, ge=1, le=MAX_LINES)
    characters: int | None = Field(default=None, ge=1, le=MAX_CHARACTERS)
    stop: tuple[StopString, ...] = Field(default=(), max_length=MAX_STOPS)
