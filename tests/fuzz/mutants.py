"""Model files that somebody has tampered with: the same number gives the same file."""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from model.checkpoint import GRAMS, METADATA_KEY, Model, expected_shapes, save_model
from model.config import NetworkConfig
from model.vocabulary import Vocabulary
from tests.verse_words import verse_model

HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 0.5, -0.0, 2**31, 2**63, 2**64, 10**30, 1e308, 1e-320),
    *(float("nan"), float("inf"), "", "x", "\u202e", "\x00", "\ud800", "💀" * 9, "a" * 5_000),
    *([], {}, [[]], [0], [-1], ["x"], [None], [2**62, 2**62], {"a": {}}, [[[[[]]]]]),
    *("F16", "F32", "F64", "BF16", "U32", "I8", "BOOL", "F8_E4M3", "scalar", "embedding"),
    *([0, 0], [0, 2**63], [8, 4], [4, 8], [1.0, 2], ["0", "4"], [False, True]),
]
ALPHABETS = (
    *("\u0300\u0301", "\ue000\uffff", "\U0001f339\U0010ffff", "\u202a\u202e", "İı", "\x00\x01"),
    *("\r\n", "\u2028\u2029", "ﬁﬂ", "0123456789", "ÀÉ", "한글", "אב", "\x7f\x85", "ǅß"),
)
# Half-precision numbers: the largest, the smallest, 1 and 0; and what is none.
FINITE = [0x7BFF, 0xFBFF, 0x0001, 0x8001, 0x3C00, 0xBC00, 0x0000, 0x8000]
INFINITE = [0x7C00, 0xFC00, 0x7E00, 0x7C01, 0xFFFF, 0x7BFF]


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Return a file's header and what comes after it."""
    length = struct.unpack("<Q", raw[:8])[0]
    return raw[8 : 8 + length], raw[8 + length :]


def join(header: bytes, rest: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + rest


def dump(header: object) -> bytes:
    return json.dumps(header).encode("utf-8", "surrogatepass")


@cache
def good_files(folder: Path) -> tuple[bytes, ...]:
    """Return three small files: one that writes verse, one of free text, one with residuals."""
    verse = verse_model()
    grams = np.arange(1, 4_000, 37, dtype=np.uint32)
    return (
        _saved(folder, _shrunk(verse, NetworkConfig(vocabulary_size=36, hidden_size=8)), grams),
        _saved(folder, _shrunk(verse, NetworkConfig(vocabulary_size=36, hidden_size=5, layers=1))),
        _saved(
            folder,
            _shrunk(
                verse,
                NetworkConfig(
                    vocabulary_size=36, hidden_size=4, layers=3, input="scalar", residual=True
                ),
            ),
        ),
    )


def _shrunk(model: Model, config: NetworkConfig) -> Model:
    config = config.model_copy(update={"embedding_size": 3})
    generator = np.random.default_rng(1)
    tensors = {
        name: generator.normal(0, 0.5, shape).astype(np.float32)
        for name, shape in expected_shapes(config).items()
    }
    return Model(config, tensors, model.vocabulary, model.card, "", model.lexicon)


def _saved(folder: Path, model: Model, grams: Any = None) -> bytes:
    path = folder / "good.safetensors"
    lexicon = None if grams is None else model.lexicon
    card = model.card.model_copy(update={"openings": ("a garden", "my thy"), "training": {"a": 1}})
    save_model(
        path, model.network, model.tensors, model.vocabulary, card, lexicon=lexicon, grams=grams
    )
    return path.read_bytes()


def mutant(goods: tuple[bytes, ...], number: int) -> bytes:
    """Return the mutated file of that number; most have one fault, some several."""
    chance = random.Random(number)
    raw = chance.choice(goods)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        raw = chance.choice(WAYS)(raw, chance)
        if len(raw) < 8 or len(split(raw)[0]) < 2:
            break
    return raw


def _flip(raw: bytes, chance: random.Random) -> bytes:
    changed = bytearray(raw)
    end = len(raw) if chance.random() < 0.5 else min(400, len(raw))
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _truncate(raw: bytes, chance: random.Random) -> bytes:
    return raw[: chance.randrange(len(raw))]


def _append(raw: bytes, chance: random.Random) -> bytes:
    return raw + chance.randbytes(chance.choice((1, 2, 4, 100)))


def _splice(raw: bytes, chance: random.Random) -> bytes:
    """Copy, cut out or double a piece."""
    begin, to = sorted(chance.randrange(len(raw)) for _ in range(2))
    piece = raw[begin : min(to, begin + 200)]
    at = chance.randrange(len(raw))
    return chance.choice(
        [
            raw[:at] + piece + raw[at + len(piece) :],
            raw[:begin] + raw[begin + len(piece) :],
            raw[:at] + piece + raw[at:],
        ]
    )


def _length(raw: bytes, chance: random.Random) -> bytes:
    length = struct.unpack("<Q", raw[:8])[0]
    wrong = (length + chance.choice((-8, -1, 1, 8)), 0, 1, 2**23, 2**31, 2**63, 2**64 - 1)
    return struct.pack("<Q", chance.choice(wrong) % 2**64) + raw[8:]


def _numbers(raw: bytes, chance: random.Random) -> bytes:
    """Put another number, or two of the header's in each other's place."""
    header, rest = split(raw)
    places = list(re.finditer(rb"\d+", header))
    if not places:
        return raw
    one, other = chance.choice(places), chance.choice(places)
    new = (
        other[0]
        if chance.random() < 0.5
        else str(chance.randrange(2 ** chance.randrange(70))).encode()
    )
    return join(header[: one.start()] + new + header[one.end() :], rest)


def _header(raw: bytes, chance: random.Random) -> bytes:
    header, rest = split(raw)
    try:
        parsed = json.loads(header)
    except (ValueError, RecursionError):
        return raw
    _change(parsed, chance)
    return join(dump(parsed), rest)


def _metadata(raw: bytes, chance: random.Random) -> bytes:
    header, rest = split(raw)
    try:
        parsed = json.loads(header)
        contents = json.loads(parsed["__metadata__"][METADATA_KEY])
        if chance.random() < 0.5:
            _change_text(contents, chance)
        else:
            _change(contents, chance)
        text = json.dumps(contents)
        if chance.random() < 0.1:  # a key twice
            text = text.replace('"card":', '"card": {"format_version": 3}, "card":', 1)
        parsed["__metadata__"][METADATA_KEY] = text
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return raw
    return join(dump(parsed), rest)


def _change(parsed: Any, chance: random.Random) -> None:
    """Change a value somewhere within, or a key."""
    while isinstance(parsed, dict | list) and parsed:
        places = list(parsed) if isinstance(parsed, dict) else range(len(parsed))
        place = chance.choice(list(places))
        inner = parsed[place]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.8:
            parsed = inner
            continue
        what = chance.randrange(8)
        if what == 0:
            del parsed[place]
        elif what == 1 and isinstance(parsed, dict):
            parsed[chance.choice(["", "x", GRAMS, "__metadata__", "card", "\ud800"])] = inner
        elif what == 2 and isinstance(parsed, dict):
            other = chance.choice(list(parsed))
            parsed[place], parsed[other] = parsed[other], inner
        else:
            parsed[place] = chance.choice(HOSTILE)
        return


def _change_text(contents: Any, chance: random.Random) -> None:
    """Change the alphabet, keeping it sorted, the words, or what is said of the book."""
    what = chance.randrange(3)
    if what == 0:
        taken, odd = list(contents["alphabet"]), chance.choice(ALPHABETS)
        kept = chance.sample(taken, max(len(taken) - len(odd), 0))
        contents["alphabet"] = "".join(sorted({*kept, *odd}))
        contents["network"]["vocabulary_size"] = len(contents["alphabet"])
    elif what == 1:
        words = contents["lexicon"].split("\n")
        place = chance.randrange(len(words))
        words[place] = chance.choice(
            [
                "",
                "a",
                words[0],
                words[place] + " 1/B/AE",
                "zzz 1 1/_/_",
                "a 1 1//AE_",
                "aa 999999999 222222/A/A",
                "- 1 1/B/AE",
                "' 0 0//A",
                words[place][::-1],
                words[place].replace("1/", "0/"),
                words[place].replace("_", "__"),
            ]
        )
        contents["lexicon"] = "\n".join(sorted(words) if chance.random() < 0.7 else words)
    else:
        contents["card"]["lower_case"] = chance.random() < 0.5
        contents["card"]["openings"] = ["\u202e", "", "x" * 400, "\n\n\n", "💀"]
        contents["card"]["names"] = ["ǅ", "İ", "ß", "a", "' '"]


def _twice(raw: bytes, chance: random.Random) -> bytes:
    """Say an entry of the header twice, the first time or the second one otherwise."""
    header, rest = split(raw)
    entry = b'"head.bias":{"dtype":"F16","shape":[36],"data_offsets":[0,72]}'
    kind = chance.choice((b'"dtype":"F64",', b'"shape":[9],', b'"data_offsets":[8,4],', b""))
    odd = chance.choice(
        (
            entry,
            entry.replace(b"[0,72]}", b"[0,72]," + kind.rstrip(b",") + b"}"),
            b'"__metadata__":{}',
            b'"__metadata__":{"sonneteer":"{}"}',
        )
    )
    if chance.random() < 0.5:
        return join(header[:1] + odd + b"," + header[1:], rest)
    return join(header.rstrip()[:-1] + b"," + odd + b"}", rest)


def _weights(raw: bytes, chance: random.Random) -> bytes:
    """Put weights that are no numbers, or as large as can be, or noise."""
    header, rest = split(raw)
    count = len(rest) // 2
    if not count:
        return raw
    values = np.frombuffer(rest[: 2 * count], np.uint16).copy()
    generator = np.random.default_rng(chance.randrange(2**32))
    if chance.random() < 0.3:  # all finite
        values[:] = generator.integers(0, 0x7C00, count) | generator.integers(0, 2, count) << 15
    kinds = FINITE if chance.random() < 0.7 else INFINITE
    some = generator.integers(0, count, chance.choice((1, 4, 60, count)))
    values[some] = generator.choice(kinds, len(some))
    return join(header, values.tobytes() + rest[2 * count :])


def _single(raw: bytes, chance: random.Random) -> bytes:
    """Write all weights in single precision, as version 1 had them, some beyond all measure."""
    header, rest = split(raw)
    try:
        parsed = json.loads(header)
        entries = sorted(
            (e["data_offsets"][0], n) for n, e in parsed.items() if n != "__metadata__"
        )
        parts, begin = [], 0
        for _, name in entries:
            entry = parsed[name]
            low, high = entry["data_offsets"]
            part = rest[low:high]
            if entry["dtype"] == "F16":
                values = np.frombuffer(part, np.float16).astype(np.float32)
                if chance.random() < 0.5:
                    with np.errstate(all="ignore"):
                        values *= np.float32(chance.choice((1e36, 1e4, 1e-30, 1.0)))
                entry["dtype"], part = "F32", values.tobytes()
            entry["data_offsets"] = [begin, begin + len(part)]
            begin += len(part)
            parts.append(part)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return raw
    return join(dump(parsed), b"".join(parts))


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _truncate, _append, _splice, _length, _numbers, _header, _header, _header),
    *(
        _metadata,
        _metadata,
        _metadata,
        _metadata,
        _twice,
        _weights,
        _weights,
        _weights,
        _weights,
        _weights,
        _single,
    ),
)


def trap(vocabulary: Vocabulary) -> Model:
    """Return a model of which every letter would complete a run of its book, whatever it writes."""
    from model.kernel.filters import grams_of

    size = len(vocabulary)
    config = NetworkConfig(vocabulary_size=size, embedding_size=1, hidden_size=1, layers=1)
    tensors = {name: np.zeros(shape, np.float32) for name, shape in expected_shapes(config).items()}
    tensors["head.bias"][0] = 60_000.0
    runs = [grams_of(np.array([0] * 15 + [last]), np.zeros(size, np.bool_)) for last in range(size)]
    card = verse_model().card
    return Model(config, tensors, vocabulary, card, "", grams=np.unique(np.concatenate(runs)))
