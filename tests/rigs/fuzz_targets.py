"""What is fuzzed: three parsers of what strangers send, each as a function of bytes.

Importing this loads the project, so whoever instruments it does so around the import. A function
raises nothing but what escapes: errors of the project's own trees are its answers.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.gauges import ROOT
from bot.core.errors import BotError
from bot.core.poem_settings import complete_settings, printable_seed
from bot.core.records import Asker, Defaults, PoemRequest
from bot.discord_app.messages import read_flags
from bot.discord_app.poem_formatting import escape, plain_words, read_verse, split_verse, unescape
from model import (
    FORMS,
    LengthConfig,
    ModelError,
    Opening,
    Prosody,
    Request,
    Sampling,
    Vocabulary,
    lay_out_seed,
    load_model,
    make_engine,
    make_title,
    read_book,
    save_model,
    scan_poem,
)
from tests.texts import VERSES
from tests.verse_words import verse_model

SHIPPED = ROOT / "model" / "pretrained" / "sonnets.safetensors"
BOOK_SEEDS = (
    VERSES.encode(),
    b"\xff\xfe" + VERSES[:1200].encode("utf-16-le"),
    "\u00fcber den Fl\u00fcssen ".encode("cp1252") * 120,
    b"Title: Walks\n\n*** START OF THE PROJECT GUTENBERG EBOOK WALKS ***\n\nProduced by Ann\n\n"
    + VERSES.encode()
    + b"\n*** END OF THE PROJECT GUTENBERG EBOOK WALKS ***\n",
)
SEEDS = (
    b"Shall I compare thee to a summer's day?\nThou art more lovely",
    b"--form haiku --lines 8 --temperature 0.5 --random-seed 7 the old pond",
    "O’er the ﬁelds… “Ann’s” self-love 🌹 e\u0301\u0316 <@12> **loud** https://a.example".encode(),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Something to fuzz, and inputs to begin with; none is longer than `max_bytes`."""

    run: Callable[[bytes], None]
    corpus: Sequence[bytes]
    max_bytes: int


def read_a_book(raw: bytes) -> None:
    """Read a book; one too short to be one is repeated, so that all of the reading is seen."""
    with suppress(ModelError):
        read_book(raw, "fuzz")
    with suppress(ModelError):
        read_book(raw * (6_000 // max(len(raw), 1) + 1), "fuzz")


def load_a_model(raw: bytes) -> None:
    """Load a model file, and write a few characters with what loads.

    After an odd first byte the header's length is set right, so that more than it is seen.
    """
    if raw[:1] and raw[0] % 2:
        header, _, rest = raw[1:].partition(b"\n\xff\n")
        raw = struct.pack("<Q", len(header)) + header + rest
    path = _room() / "fuzz.safetensors"
    path.write_bytes(raw)
    try:
        model = load_model(path)
    except ModelError:
        return
    engine = make_engine(model, max_rows=1)
    with suppress(ModelError):
        engine.add(Request(Opening(), Sampling(), 1, LengthConfig(characters=20)))
    for _ in range(20):
        engine.step()


def lay_out_a_seed(raw: bytes) -> None:
    """Take a member's words the way that `!sonnet` goes, up to what the network would read."""
    typed = raw.decode("utf-8", "surrogatepass" if raw[:1] == b"\xed" else "replace")
    request = read_flags(plain_words(typed, {}), PoemRequest(Asker("discord:1")))
    with suppress(BotError):
        complete_settings(request, Defaults())
    prosody, vocabulary = _verse()
    seed = printable_seed(request.seed).strip()[-500:]
    vocabulary.fold(seed)
    for form in FORMS.values():
        with suppress(ModelError):
            opening = lay_out_seed(seed, form, prosody, lambda text: vocabulary.fold(text).text)
            scan_poem(opening.shown.split("\n"), form, prosody)
            make_title(opening.shown.split("\n"), prosody)
    assert unescape(escape(seed)) == seed
    read_verse(seed)
    split_verse(seed)


def targets() -> dict[str, Target]:
    return {
        "book": Target(read_a_book, BOOK_SEEDS, 8_000),
        "model file": Target(load_a_model, _model_files(), 60_000),
        "seed": Target(lay_out_a_seed, SEEDS, 4_000),
    }


@cache
def _room() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-"))


@cache
def _verse() -> tuple[Prosody, Vocabulary]:
    model = load_model(SHIPPED)
    return Prosody(model.lexicon, model.vocabulary, 1.5), model.vocabulary


def _model_files() -> list[bytes]:
    """Return a small good file, as it is and in the form whose length is set right."""
    small, path = verse_model(), _room() / "good.safetensors"
    save_model(
        path, small.network, small.tensors, small.vocabulary, small.card, lexicon=small.lexicon
    )
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    json.loads(raw[8 : 8 + length])
    return [raw, b"\1" + raw[8 : 8 + length] + b"\n\xff\n" + raw[8 + length :]]
