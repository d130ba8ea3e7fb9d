"""A model on disk: one safetensors file, saved atomically, loaded strictly.

Layout: the tensors of `expected_shapes` in half precision, hashes of the book's runs (GRAMS), and
one metadata entry, METADATA_KEY, with the JSON of `Contents`. A file from a stranger is measured
before it is read: nothing larger than its settings allow is ever allocated.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Self

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import AfterValidator, FailFast, Field, ValidationError, model_validator
from safetensors import SafetensorError

from model.capitals import MAX_NAME, MAX_NAMES
from model.characters import printable
from model.config import NetworkConfig, StrictSettings, Tensors
from model.errors import (
    CheckpointForeign,
    CheckpointMissing,
    CheckpointNotFinite,
    CheckpointShape,
    CheckpointTooLarge,
    CheckpointTruncated,
    CheckpointUnwritable,
    CheckpointVersion,
)
from model.files import write_durably
from model.kernel.quantization import input_table_bytes
from model.verse.lexicon import Lexicon
from model.vocabulary import MAX_PIECE, Vocabulary

FORMAT_VERSION = 6  # with words that are related to others
TOPICS_VERSION = 5  # with topics
PIECES_VERSION = 4  # with pieces of words as tokens
CHARACTERS_VERSION = 3  # characters alone, words and hashes of the book; 2 had none, 1 float32
METADATA_KEY = "sonneteer"
SUFFIX = ".safetensors"
GRAMS = "book.grams"  # the one entry that is not a weight
MAX_GRAMS = 64 * 2**20  # as many as the longest book has characters
MAX_LEXICON = 6 * 2**20
# Of a server's own model, which may come from a backup: train.py's have 15 MB, and 24 with the
# largest alphabet that it learns. The table grows with characters × hidden units, up to four times
# as fast as the file; 8,000 characters and 512 units, the most that a book can have, make 33 MB.
MAX_GUILD_MODEL_BYTES = 2**25
MAX_GUILD_TABLE_BYTES = 2**25
# A history of 10,000 epochs, the longest, takes 2 MB; the library allows 100 MB.
MAX_HEADER_BYTES = 2**23
MAX_EPOCHS = 10_000
# JSON is counted before it is parsed: a value of two bytes takes hundreds, and so does each
# complaint about one. That history has some 50,000 values, and nothing has many members.
MAX_VALUES, MAX_MEMBERS = 100_000, 100
MAX_PIECES = 20_000
MAX_OPENINGS, MAX_OPENING = 1_000, 500  # characters of one; a book gives 300 of 40
BYTES = {"F16": 2, "F32": 4}  # F32 until version 1
LARGEST = float(np.finfo(np.float16).max)


Grams = NDArray[np.uint32]  # sorted
Shown = Annotated[str, AfterValidator(printable)]  # to people, and from a stranger perhaps
Name = Annotated[Shown, Field(min_length=1, max_length=MAX_NAME)]
Piece = Annotated[str, Field(min_length=2, max_length=MAX_PIECE)]  # of a word
OpeningText = Annotated[str, Field(max_length=MAX_OPENING)]  # on the alphabet


class EpochLosses(StrictSettings):
    """One line of a training's history; losses in nats per character."""

    epoch: int = Field(ge=0)
    running_loss: float = Field(allow_inf_nan=False)  # while training, dropout on
    held_out_loss: float | None = Field(default=None, allow_inf_nan=False)
    seconds: float = Field(ge=0.0, allow_inf_nan=False)  # since the training began
    training_loss: None = Field(default=None, exclude=True)  # the first files have it, and nothing


class Card(StrictSettings):
    """What a model file says of itself."""

    format_version: int = CHARACTERS_VERSION  # set when it is saved
    name: Shown = Field(min_length=1, max_length=100)
    book_title: Shown = Field(max_length=500)
    book_sha256: str = Field(max_length=64)
    book_characters: int = Field(ge=0)
    created: Shown = Field(max_length=40)  # ISO 8601, UTC
    recipe: Shown = Field(max_length=40)  # "default" or "tutorial"
    lower_case: bool
    loss: float = Field(allow_inf_nan=False)  # nats per character of the monitored text
    names: Annotated[tuple[Name, ...], FailFast()] = Field(
        default=(), max_length=MAX_NAMES
    )  # written with a capital
    openings: Annotated[tuple[OpeningText, ...], FailFast()] = Field(
        default=(), max_length=MAX_OPENINGS
    )  # beginnings of passages of the book
    training_loss: float | None = Field(default=None, allow_inf_nan=False)
    held_out_loss: float | None = Field(default=None, allow_inf_nan=False)
    epoch: int = Field(default=0, ge=0)  # after which these weights stood
    training: dict[str, Shown | int | float | bool | None] = Field(default_factory=dict)
    history: Annotated[tuple[EpochLosses, ...], FailFast()] = Field(
        default=(), max_length=MAX_EPOCHS
    )


class Contents(StrictSettings):
    """Everything in a model file that is not a tensor."""

    alphabet: str = Field(min_length=1, max_length=65_536)
    pieces: Annotated[tuple[Piece, ...], FailFast()] = Field(default=(), max_length=MAX_PIECES)
    network: NetworkConfig
    card: Card
    lexicon: str = Field(default="", max_length=MAX_LEXICON)  # see model.verse.lexicon

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if list(self.alphabet) != sorted(set(self.alphabet)):
            raise ValueError("the alphabet is not sorted and distinct")
        if len(set(self.pieces)) < len(self.pieces):
            raise ValueError("a piece comes twice")
        if not set("".join(self.pieces)) <= set(self.alphabet):
            raise ValueError("the pieces have characters that the alphabet lacks")
        if len(self.alphabet) + len(self.pieces) != self.network.vocabulary_size:
            raise ValueError("the alphabet and the network differ in size")
        return self


def no_grams() -> Grams:
    return np.empty(0, np.uint32)


@dataclass(frozen=True)
class Model:
    """Everything a poem needs: the network's shape and weights, its alphabet, and its card."""

    network: NetworkConfig
    tensors: Tensors
    vocabulary: Vocabulary
    card: Card
    sha256: str  # of the file it came from; the model's identity in links and buttons
    lexicon: Lexicon = field(default_factory=Lexicon)  # of a model that can write verse
    grams: Grams = field(default_factory=no_grams)  # of what the book has, see model.kernel.filters
    size_bytes: int = 0  # of the file

    @property
    def memory_bytes(self) -> int:
        """About what an engine of it takes: with a wide alphabet far more than its file."""
        places = 8 * self.network.vocabulary_size * self.network.topic_size  # the planner's
        return self.size_bytes + input_table_bytes(self.network) + places


def save_model(
    path: Path,
    network: NetworkConfig,
    tensors: Tensors,
    vocabulary: Vocabulary,
    card: Card,
    *,
    lexicon: Lexicon | None = None,
    grams: Grams | None = None,
) -> None:
    """Write a model file in one stroke; raise CheckpointUnwritable, the earlier file intact."""
    # A file without what is new in it can be read by versions that know nothing else.
    left_out: dict[str, Any] = {}
    version = FORMAT_VERSION if lexicon and lexicon.related.text else TOPICS_VERSION
    if not network.topic_size:
        version, left_out = PIECES_VERSION, {"network": {"topic_size"}}
        if not vocabulary.pieces and not network.tied:
            version, left_out = (
                CHARACTERS_VERSION,
                {"pieces": True, "network": {"topic_size", "tied"}},
            )
    card = card.model_copy(update={"format_version": version})
    contents = Contents(
        alphabet=vocabulary.characters,
        pieces=vocabulary.pieces,
        network=network,
        card=card,
        lexicon=lexicon.write() if lexicon else "",
    )
    # One entry only: safetensors writes several in no fixed order, and the file is its hash.
    metadata = {METADATA_KEY: contents.model_dump_json(exclude=left_out)}
    with np.errstate(over="ignore"):  # a weight beyond 65,504 becomes infinite: refused on reading
        halves: dict[str, NDArray[np.generic]] = {
            name: tensor.astype(np.float16) for name, tensor in tensors.items()
        }
    if grams is not None and len(grams):
        halves[GRAMS] = grams
    write_atomically(path, safetensors.numpy.save(halves, metadata))


def load_model(path: Path, *, for_guild: bool = False) -> Model:
    """Read a model file of whatever origin; raise the CheckpointError that says what is wrong.

    A server's `own` is refused, unread, where it or what it takes in memory is too large.
    """
    try:
        with path.open("rb") as file:
            if for_guild and (there := os.fstat(file.fileno()).st_size) > MAX_GUILD_MODEL_BYTES:
                raise CheckpointTooLarge(path, f"has {there:,} bytes", MAX_GUILD_MODEL_BYTES)
            header, head, size = _read_header(path, file)
            contents = _contents(path, header)
            if for_guild:
                _check_table(path, contents.network)
            _check_shapes(path, header, contents.network, size - len(head))
            # Nothing is read twice: somebody may write to the file, and this header was checked.
            raw = head + file.read(size - len(head))
    except OSError as error:
        raise CheckpointMissing(path, error.strerror or str(error)) from error
    try:
        tensors = safetensors.numpy.load(raw)
    except SafetensorError as error:
        raise CheckpointTruncated(path, str(error)) from error
    for name, tensor in tensors.items():
        if name != GRAMS and not (np.abs(tensor) <= LARGEST).all():  # no number is not, either
            raise CheckpointNotFinite(path, name)
    grams = np.unique(tensors.pop(GRAMS, no_grams()))
    tensors = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    sha256 = hashlib.sha256(raw).hexdigest()
    vocabulary = Vocabulary(contents.alphabet, contents.pieces)
    try:
        lexicon = Lexicon.read(contents.lexicon)
    except ValueError as error:
        raise CheckpointForeign(path, str(error)) from error
    return Model(contents.network, tensors, vocabulary, contents.card, sha256, lexicon, grams, size)


def read_card(path: Path) -> Card:
    """Read only what a model file says of itself: quick, its weights neither read nor checked."""
    try:
        with path.open("rb") as file:
            header, _, _ = _read_header(path, file)
    except OSError as error:
        raise CheckpointMissing(path, error.strerror or str(error)) from error
    return _contents(path, header).card


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`, and make its folder; raise CheckpointUnwritable.

    A kill at any moment leaves the old file or the new one.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, [content])
    except OSError as error:
        raise CheckpointUnwritable(path, error.strerror or str(error)) from error


def _read_header(path: Path, file: BinaryIO) -> tuple[dict[str, object], bytes, int]:
    """Return the header, the bytes that it was read from, and those that the file has in all."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointForeign(path, "it is not a regular file")
    size = status.st_size
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if size < 8:
        raise CheckpointTruncated(path, f"it has only {size} bytes")
    if length > MAX_HEADER_BYTES:
        raise CheckpointForeign(path, f"it has no header of at most {MAX_HEADER_BYTES:,} bytes")
    if 8 + length > size:
        raise CheckpointTruncated(path, f"it ends within its header, after {size:,} bytes")
    try:
        text = file.read(length)
        header = _parse(path, text)
        ends = [
            entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"
        ]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise CheckpointForeign(path, "its header is not that of a safetensors file") from error
    if size < expected:
        raise CheckpointTruncated(path, f"it has {size:,} of {expected:,} bytes")
    if size > expected:
        raise CheckpointForeign(path, f"{size - expected:,} bytes follow its end")
    return header, prefix + text, size


def _parse(path: Path, text: str | bytes) -> Any:
    """Parse JSON; raise CheckpointForeign for more of it than a model file has, or ValueError."""
    if isinstance(text, str):
        values = sum(map(text.count, ",[{"))
    else:
        values = sum(map(text.count, (b",", b"[", b"{")))
    if values > MAX_VALUES:
        raise CheckpointForeign(path, f"its header has more than {MAX_VALUES:,} values")
    try:
        parsed = json.loads(text)
    except RecursionError as error:
        raise ValueError("too deep") from error
    left = [parsed]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if len(value) > MAX_MEMBERS:
                raise CheckpointForeign(path, f"its header has {len(value):,} keys in one place")
            left += value.values()
        elif isinstance(value, list):
            left += value
    return parsed


def _contents(path: Path, header: dict[str, object]) -> Contents:
    metadata = header.get("__metadata__")
    text = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise CheckpointForeign(path, f"it has no {METADATA_KEY!r} entry in its metadata")
    try:
        version = _parse(path, text)["card"]["format_version"]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointForeign(path, "it does not say its format version") from error
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CheckpointForeign(path, f"its format version is {version!r}")
    if version > FORMAT_VERSION:
        raise CheckpointVersion(path, version, FORMAT_VERSION)
    try:
        return Contents.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise CheckpointForeign(path, reason[0].lower() + reason[1:]) from error


def _check_shapes(
    path: Path, header: dict[str, object], config: NetworkConfig, size_bytes: int
) -> None:
    """Raise CheckpointShape unless the tensors are those of `config`, in so many bytes."""
    expected = expected_shapes(config)
    needed = 0
    if GRAMS in header:
        kind, shape = _kind_and_shape(header[GRAMS])
        sound = isinstance(shape, list) and len(shape) == 1 and type(shape[0]) is int
        if kind != "U32" or not sound or not 0 <= shape[0] <= MAX_GRAMS:
            raise CheckpointShape(path, f"{GRAMS} is {kind, shape}, not ('U32', [≤ {MAX_GRAMS:,}])")
        needed += 4 * shape[0]
    for name in expected.keys() ^ (header.keys() - {"__metadata__", GRAMS}):
        raise CheckpointShape(path, f"{name} is {'missing' if name in expected else 'not known'}")
    for name, shape in expected.items():
        found = _kind_and_shape(header[name])
        if found not in [(kind, list(shape)) for kind in BYTES]:
            raise CheckpointShape(path, f"{name} is {found}, not ('F16', {list(shape)})")
        needed += BYTES[found[0]] * prod(shape)
    if size_bytes != needed:
        raise CheckpointShape(path, f"they take {size_bytes:,} bytes, not {needed:,}")


def _check_table(path: Path, config: NetworkConfig) -> None:
    """Raise CheckpointTooLarge where the characters would take too much memory."""
    if (needed := input_table_bytes(config)) > MAX_GUILD_TABLE_BYTES:
        what = f"needs {needed:,} bytes for its {config.vocabulary_size:,} tokens"
        raise CheckpointTooLarge(path, what, MAX_GUILD_TABLE_BYTES)


def _kind_and_shape(entry: object) -> tuple[Any, Any]:
    return (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)


def expected_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each stored tensor of a network, without making one."""
    vocabulary, hidden = config.vocabulary_size, config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {}
    size = 1
    if config.input == "embedding":
        size = config.embedding_size
        shapes["embedding.weight"] = (vocabulary, size)
    for layer in range(config.layers):
        shapes[f"lstms.{layer}.weight_ih_l0"] = (4 * hidden, hidden if layer else size)
        shapes[f"lstms.{layer}.weight_hh_l0"] = (4 * hidden, hidden)
        shapes[f"lstms.{layer}.bias_ih_l0"] = (4 * hidden,)
    if not config.tied:
        shapes["head.weight"] = (vocabulary, hidden)
    shapes["head.bias"] = (vocabulary,)
    if config.topic_size:
        shapes["topics.vectors"] = (vocabulary, config.topic_size)
        shapes["topics.weight"] = (hidden, 3 * config.topic_size)
    return shapes
