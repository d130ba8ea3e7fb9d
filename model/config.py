"""Settings of the network and of sampling: strict, frozen, each with its unit and range.

Those of training stand beside the training recipes that use them, in `training.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
            raise SettingError(name, first["input"], first["msg"]) from error


class NetworkConfig(StrictSettings):
    """Shape of a CharLSTM.

    `scalar` input is the tutorial's: the character's id divided by V, one number per step.
    """

    vocabulary_size: int = Field(ge=1, le=65_536)  # V
    input: Literal["embedding", "scalar"] = "embedding"
    embedding_size: int = Field(default=64, ge=1, le=1024)  # E; 1 for scalar input
    hidden_size: int = Field(default=256, ge=1, le=4096)  # H
    layers: int = Field(default=2, ge=1, le=8)  # L
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)  # between layers and before the head
    residual: bool = False  # add a layer's input to its output from the second layer on


class SamplingConfig(StrictSettings):
    """How the next character is chosen from the network's logits.

    Order: repetition guard, temperature, top-k, top-p, min-p. Greedy overrides the last four.
    """

    greedy: bool = False
    temperature: float = Field(default=0.6, ge=0.05, le=2.0)
    top_k: int = Field(default=0, ge=0, le=1000)  # 0: off
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)  # 1: off
    min_p: float = Field(default=0.0, ge=0.0, lt=1.0)  # 0: off
    # Characters repeated from which on going on with them gets ever less likely; 0: off.
    repetition_guard: int = Field(default=0, ge=0, le=200)


class LengthConfig(StrictSettings):
    """When a poem ends: after `lines` lines or exactly `characters` characters, seed included.

    It ends sooner where one of the strings `stop` would come.
    Only one of the two is set; a poem by lines is cut off at MAX_CHARACTERS at the latest.
    """

    lines: int | None = Field(default=None, ge=1, le=MAX_LINES)
    characters: int | None = Field(default=None, ge=1, le=MAX_CHARACTERS)
    stop: tuple[StopString, ...] = Field(default=(), max_length=MAX_STOPS)
