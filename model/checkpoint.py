"""A model on disk: one safetensors file, saved atomically, loaded strictly."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from model.config import NetworkConfig, Settings
from model.network import CharLSTM
from model.vocabulary import Vocabulary

FORMAT_VERSION = 1


class Card(Settings):
    """What a model file says of itself; stored as JSON in the safetensors metadata."""

    format_version: int = FORMAT_VERSION
    name: str
    book_title: str
    book_sha256: str
    book_characters: int = Field(ge=0)
    created: str  # ISO 8601, UTC
    recipe: str  # "default" or "tutorial"
    lower_case: bool
    loss: float  # nats per character of the monitored text
    openings: tuple[str, ...] = ()  # beginnings of passages of the book, on the alphabet


@dataclass(frozen=True)
class Model:
    """Everything a poem needs: the network in eval mode, its alphabet, and its card."""

    network: CharLSTM
    vocabulary: Vocabulary
    card: Card
    sha256: str  # of the file it came from; the model's identity in links and buttons


__all__ = ["Card", "Model", "NetworkConfig"]
