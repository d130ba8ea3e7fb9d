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
    LengthConfig,
    NetworkConfig,
    SamplingConfig,
)
from model.engine import MAX_RANDOM_SEED, Engine, Piece, Request, set_threads
from model.errors import (
    BookError,
    BookMissing,
    BookTooLong,
    EngineFull,
    ModelError,
    SettingError,
)
from model.extent import Finish
from model.network import CharLSTM
from model.vocabulary import Folding, Vocabulary

__all__ = [
    "MAX_BOOK_BYTES",
    "MAX_CHARACTERS",
    "MAX_LINES",
    "MAX_RANDOM_SEED",
    "MIN_BOOK_CHARACTERS",
    "Book",
    "BookError",
    "BookMissing",
    "BookTooLong",
    "Card",
    "CharLSTM",
    "Engine",
    "EngineFull",
    "EpochLosses",
    "Finish",
    "Folding",
    "LengthConfig",
    "Model",
    "ModelError",
    "NetworkConfig",
    "Piece",
    "Request",
    "SamplingConfig",
    "SettingError",
    "Vocabulary",
    "load_model",
    "openings",
    "read_book",
    "read_books",
    "read_card",
    "save_model",
    "set_threads",
    "write_atomically",
]
