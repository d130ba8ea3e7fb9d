"""The model side's door: numerics, synchronous, knowing nothing of Discord, HTTP or asyncio."""

from model.book import MAX_BOOK_BYTES, MIN_BOOK_CHARACTERS, Book, openings, read_book, read_books
from model.checkpoint import (
    Card,
    EpochLosses,
    Model,
    load_model,
    read_card,
    save_model,
    write_atomically,
)
from model.config import (
    MAX_CHARACTERS,
    MAX_LINES,
    MAX_STOPS,
    LengthConfig,
    NetworkConfig,
    SamplingConfig,
    Tensors,
)
from model.engine import CROWDS, MAX_RANDOM_SEED, Engine
from model.errors import (
    BookError,
    BookMissing,
    BookTooLong,
    EngineFull,
    ModelError,
    SettingError,
)
from model.extent import Finish
from model.requests import Piece, Request
from model.verse import (
    FORMS,
    Form,
    Lexicon,
    NoVerse,
    Opening,
    SeedTooLong,
    ShownLine,
    Verse,
    lay_out,
    look_at,
    title_of,
)
from model.vocabulary import Folding, Vocabulary

__all__ = [
    "CROWDS",
    "FORMS",
    "MAX_BOOK_BYTES",
    "MAX_CHARACTERS",
    "MAX_LINES",
    "MAX_RANDOM_SEED",
    "MAX_STOPS",
    "MIN_BOOK_CHARACTERS",
    "Book",
    "BookError",
    "BookMissing",
    "BookTooLong",
    "Card",
    "Engine",
    "EngineFull",
    "EpochLosses",
    "Finish",
    "Folding",
    "Form",
    "LengthConfig",
    "Lexicon",
    "Model",
    "ModelError",
    "NetworkConfig",
    "NoVerse",
    "Opening",
    "Piece",
    "Request",
    "SamplingConfig",
    "SeedTooLong",
    "SettingError",
    "ShownLine",
    "Tensors",
    "Verse",
    "Vocabulary",
    "lay_out",
    "load_model",
    "look_at",
    "openings",
    "read_book",
    "read_books",
    "read_card",
    "save_model",
    "title_of",
    "write_atomically",
]
