"""The model side's door: numerics, synchronous, knowing nothing of Discord, HTTP or asyncio."""

from model.checkpoint import Card, Model, load_model, read_card, save_model
from model.config import (
    MAX_CHARACTERS,
    MAX_LINES,
    LengthConfig,
    NetworkConfig,
    SamplingConfig,
)
from model.engine import MAX_RANDOM_SEED, Engine, Finish, Piece, Request, set_threads
from model.errors import EngineFull, ModelError, SettingError
from model.network import CharLSTM
from model.vocabulary import Folding, Vocabulary

__all__ = [
    "MAX_CHARACTERS",
    "MAX_LINES",
    "MAX_RANDOM_SEED",
    "Card",
    "CharLSTM",
    "Engine",
    "EngineFull",
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
    "read_card",
    "save_model",
    "set_threads",
]
