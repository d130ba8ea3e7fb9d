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
from model.folder import TrainingFolder, check_name, new_folder, safe_name
from model.keeper import Keeper
from model.network import CharLSTM
from model.processor import choose_device
from model.recipes import Recipe, Wishes, adapt_recipe, recipe_for
from model.reporting import JsonVoice, PlainVoice, Voice
from model.training import EpochEnd, Progress, Training
from model.tutorial import summarise, write_by_window
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
    "EpochEnd",
    "EpochLosses",
    "Finish",
    "Folding",
    "JsonVoice",
    "Keeper",
    "LengthConfig",
    "Model",
    "ModelError",
    "NetworkConfig",
    "Piece",
    "PlainVoice",
    "Progress",
    "Recipe",
    "Request",
    "SamplingConfig",
    "SettingError",
    "Training",
    "TrainingFolder",
    "Vocabulary",
    "Voice",
    "Wishes",
    "adapt_recipe",
    "check_name",
    "choose_device",
    "load_model",
    "new_folder",
    "openings",
    "read_book",
    "read_books",
    "read_card",
    "recipe_for",
    "safe_name",
    "save_model",
    "set_threads",
    "summarise",
    "write_atomically",
    "write_by_window",
]
