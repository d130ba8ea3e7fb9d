"""The model side: a book becomes a model file, and a model file writes poems.

Synchronous numerics that know nothing of Discord, HTTP or asyncio. The bot imports these names
only. The parts, in the order in which data passes them:

    book, gutenberg      bytes of any origin to a clean text
    vocabulary           characters and their ids; any other text put onto them
    training/            a text to weights, with PyTorch; the bot never loads it
    naming, checkpoint   a model and its card as one file
    requests             what is asked for: seed, sampling, length, form
    verse/               a poem in a form: how words are said, what each line must be
    evaluation           what a model makes of a text; next_line asks which line comes next
    engine               many poems at once, some tokens at each step
    kernel/              one token of every row: LSTM, constraints, sampling, compiled
    stopping, capitals   where a poem ends; capital letters put back into it
    config, errors       settings with their ranges; what can go wrong
    files, heap          writing that survives a power cut; memory given back
"""

from model.book import (
    MAX_BOOK_BYTES,
    Book,
    check_beginning,
    find_openings,
    read_book,
    read_book_files,
    read_books,
)
from model.characters import (
    CONTROL_CHARACTERS,
    printable,
    skeleton,
    without_decoration,
    without_invisible,
)
from model.checkpoint import (
    MAX_GUILD_MODEL_BYTES,
    Card,
    EpochLosses,
    Model,
    load_model,
    read_card,
    save_model,
    write_atomically,
)
from model.config import (
    SAMPLING_SETTINGS,
    USUAL_SAMPLING,
    LengthConfig,
    NetworkConfig,
    Sampling,
    SamplingSetting,
    Tensors,
)
from model.engine import LINE_SLOTS, MAX_FORM_POEMS, Engine, make_engine, make_engines, make_verse
from model.errors import BookError, ModelError, SettingError
from model.evaluation import Evaluation, evaluate, fold_text
from model.files import sync_folder, write_durably
from model.heap import map_large_blocks, share_one_heap, trim_heap
from model.kernel.compilation import is_compiled
from model.naming import check_name, safe_name
from model.requests import PoemPiece, Request
from model.stopping import FinishReason
from model.verse import (
    FORMS,
    NO_PLAN,
    Form,
    Lexicon,
    LineFit,
    Opening,
    Plan,
    Planner,
    Prosody,
    ScannedLine,
    SeedTooLong,
    fit_line,
    follow,
    lay_out_seed,
    make_title,
    scan_line,
    scan_poem,
    take_lines,
)
from model.vocabulary import TokenSplitter, Vocabulary

__all__ = [
    "CONTROL_CHARACTERS",
    "FORMS",
    "LINE_SLOTS",
    "MAX_BOOK_BYTES",
    "MAX_FORM_POEMS",
    "MAX_GUILD_MODEL_BYTES",
    "NO_PLAN",
    "SAMPLING_SETTINGS",
    "USUAL_SAMPLING",
    "Book",
    "BookError",
    "Card",
    "Engine",
    "EpochLosses",
    "Evaluation",
    "FinishReason",
    "Form",
    "LengthConfig",
    "Lexicon",
    "LineFit",
    "Model",
    "ModelError",
    "NetworkConfig",
    "Opening",
    "Plan",
    "Planner",
    "PoemPiece",
    "Prosody",
    "Request",
    "Sampling",
    "SamplingSetting",
    "ScannedLine",
    "SeedTooLong",
    "SettingError",
    "Tensors",
    "TokenSplitter",
    "Vocabulary",
    "check_beginning",
    "check_name",
    "evaluate",
    "find_openings",
    "fit_line",
    "fold_text",
    "follow",
    "is_compiled",
    "lay_out_seed",
    "load_model",
    "make_engine",
    "make_engines",
    "make_title",
    "make_verse",
    "map_large_blocks",
    "printable",
    "read_book",
    "read_book_files",
    "read_books",
    "read_card",
    "safe_name",
    "save_model",
    "scan_line",
    "scan_poem",
    "share_one_heap",
    "skeleton",
    "sync_folder",
    "take_lines",
    "trim_heap",
    "without_decoration",
    "without_invisible",
    "write_atomically",
    "write_durably",
]
