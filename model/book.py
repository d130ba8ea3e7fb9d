"""A book: bytes of any origin to clean text. Only `read_book_files` opens files.

The encoding is that of a byte order mark, else UTF-8, else UTF-16 by the pattern of its NULs, else
charset-normalizer's guess. Line ends become newlines. Project Gutenberg's headers and licences are
left out (see `model.gutenberg`). Tabs and indentation stay: source code is a book too.
"""

from __future__ import annotations

import codecs
import hashlib
import random
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import charset_normalizer

from model.characters import REPLACEMENT
from model.chat_logs import is_chat_log
from model.errors import (
    BookBinary,
    BookIsChat,
    BookMissing,
    BookMonotonous,
    BookTooLong,
    BookTooShort,
)
from model.gutenberg import unwrap

MIN_BOOK_CHARACTERS = 2_000  # less than that is learnt by heart, word for word
MAX_BOOK_BYTES = 64 * 2**20
MIN_ALPHABET = 8  # different letters or signs; binary digits, DNA and "aaaa" have fewer
LONG_BYTES = 100_000
MAX_COMPRESSION = 25.0  # verse shrinks to a half or third, source code to a fifth
MAX_OPENINGS = 300
OPENING_CHARACTERS = 40  # about a line of verse

# UTF-32's mark begins with UTF-16's, so it is looked for first.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# In the order in which they win a draw: the commonest of what books on the Internet are in.
LEGACY_ENCODINGS = [
    *("cp1252", "cp1250", "cp1251", "koi8_r", "cp866", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "mac_roman"),
]
SIGNATURES = (
    (b"%PDF-", "it is a PDF"),
    (b"PK\x03\x04", "it is a ZIP archive (or a .docx, .odt or .epub, which are ZIP archives)"),
    (b"\x1f\x8b", "it is compressed with gzip"),
    (b"\x89PNG", "it is a PNG picture"),
    (b"\xff\xd8\xff", "it is a JPEG picture"),
    (b"\x7fELF", "it is a program"),
    *((bytes((0x80, protocol)), "it is a Python pickle") for protocol in range(2, 6)),
    (b"{\\rtf", "it is an RTF document"),
)
BREAKS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
# Control characters, marks of direction (which could reorder a chat line), and invisible spaces.
UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd-\uffff]"
)
# Different characters of a book; each costs an embedding and a row of the output layer, in training
# some 12 kB. Chinese in its simplified form has 6,763 in GB 2312, and a novel 4,000 of them.
MAX_ALPHABET = 8_000
# No script needs more marks in a row; putting them in order takes time by their number's square.
MAX_MARKS = 30  # https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
PILE = re.compile(rf"[^\w\s\x00-\u02ff]{{{MAX_MARKS + 1},}}")  # whatever may be one
MAX_UNWANTED_SHARE = 0.005  # old text files have a stray one here and there; binaries have 10 %
# What Polish and its neighbours turn into when cp1250 is read as cp1252: symbols inside words.
SYMBOL_IN_WORD = re.compile(r"[^\W\d_][¹²³¿£¥¼½¾ª°±¤][^\W\d_]")


@dataclass(frozen=True, slots=True)
class Book:
    """A clean text and where it came from."""

    text: str
    title: str
    encoding: str
    notes: tuple[str, ...]  # sentences on what was done to the text
    sha256: str  # of the bytes as they came


def read_book(raw: bytes, title: str) -> Book:
    """Turn the bytes of a text file into a Book; raise the BookError that says why not."""
    return read_books([(title, raw)])


def read_books(sources: Sequence[tuple[str, bytes]]) -> Book:
    """Read (title, bytes) pairs as one Book, a blank line between them; limits hold for all."""
    title = " + ".join(title for title, _ in sources)
    size = sum(len(raw) for _, raw in sources)
    if size > MAX_BOOK_BYTES:
        raise BookTooLong(title, size, MAX_BOOK_BYTES)
    parts = [_read_part(raw, title) for title, raw in sources]
    text = "\n\n".join(part.text.rstrip("\n") if parts[1:] else part.text for part in parts)
    if len(text.strip()) < MIN_BOOK_CHARACTERS:
        left_out = any("Project Gutenberg" in note for part in parts for note in part.notes)
        raise BookTooShort(title, len(text.strip()), MIN_BOOK_CHARACTERS, left_out=left_out)
    _insist_on_variety(text, title)
    text, alphabet_notes = _bound_alphabet(text)
    prefixes = [f"{part.title}: " if parts[1:] else "" for part in parts]
    return Book(
        text,
        " + ".join(part.title for part in parts),
        ", ".join(dict.fromkeys(part.encoding for part in parts)),
        (
            *alphabet_notes,
            *(p + note for p, part in zip(prefixes, parts, strict=True) for note in part.notes),
        ),
        hashlib.sha256(b"".join(raw for _, raw in sources)).hexdigest(),
    )


def read_book_files(paths: Sequence[Path]) -> Book:
    """Read text files as one Book, MAX_BOOK_BYTES of them at most; raise a BookError."""
    sources = []
    room = MAX_BOOK_BYTES
    for path in paths:
        try:
            with path.open("rb") as file:
                raw = file.read(room + 1)
        except OSError as error:
            raise BookMissing(path, error.strerror or str(error)) from error
        if len(raw) > room:
            raise BookTooLong(path.name, max(path.stat().st_size, len(raw)), MAX_BOOK_BYTES)
        room -= len(raw)
        sources.append((path.stem, raw))
    return read_books(sources)


def _bound_alphabet(text: str) -> tuple[str, tuple[str, ...]]:
    """Put one sign for the rarest characters where there are too many; say so."""
    counts = Counter(text)
    if len(counts) <= MAX_ALPHABET:
        return text, ()
    kept = {character for character, _ in counts.most_common(MAX_ALPHABET - 1)}
    rare = counts.keys() - kept
    share = sum(counts[character] for character in rare) / len(text)
    note = (
        f"It has {len(counts):,} different characters, and a model can learn {MAX_ALPHABET:,} at "
        f"most. The rarest {len(rare):,} ({share:.1%} of the text) are read as {REPLACEMENT}."
    )
    return text.translate(dict.fromkeys(map(ord, rare), REPLACEMENT)), (note,)


def find_openings(text: str, limit: int = MAX_OPENINGS) -> tuple[str, ...]:
    """Return distinct beginnings of passages, or of lines where passages are few, shuffled.

    Each has at most OPENING_CHARACTERS characters and is cut between words where it can be.

    >>> find_openings("1\\nWhat is the matter?\\nNothing.\\n\\nThen go to sleep, my dear.")
    ('What is the matter?', 'Then go to sleep, my dear.')
    """
    found: dict[str, None] = {}
    for passage in re.split(r"\n\s*\n", text):
        first = next((line for line in passage.split("\n") if _begins_something(line)), "")
        found[_cut(first.strip())] = None
    if len(found) < 10:
        found = dict.fromkeys(_cut(line.strip()) for line in text.split("\n"))
    kept = [opening for opening in found if _begins_something(opening)]
    random.Random(0).shuffle(kept)
    return tuple(kept[:limit])


def check_beginning(raw: bytes, title: str) -> None:
    """Raise BookBinary where a file's first bytes are those of another kind of file."""
    for signature, reason in SIGNATURES:
        if raw.startswith(signature):
            raise BookBinary(title, reason)


def _insist_on_variety(text: str, title: str) -> None:
    """Raise BookMonotonous for a text that has next to nothing to learn."""
    distinct = len({character for character in text if not character.isspace()})
    if distinct < MIN_ALPHABET:
        raise BookMonotonous(title, f"it has only {distinct} different characters")
    raw = text.encode()
    if len(raw) < LONG_BYTES:
        return  # a short one costs no more than a minute
    if len(raw) / len(zlib.compress(raw, 1)) > MAX_COMPRESSION:
        raise BookMonotonous(title, "it repeats the same text over and over")


def _begins_something(line: str) -> bool:
    """Numbers, rules and headings of one word begin nothing."""
    letters = sum(character.isalpha() for character in line)
    return letters >= 8 and (" " in line.strip() or not line.isascii())


def _cut(line: str) -> str:
    if len(line) <= OPENING_CHARACTERS:
        return line
    words = line[: OPENING_CHARACTERS + 1].rsplit(None, 1)
    return words[0] if len(words) > 1 else line[:OPENING_CHARACTERS]


def _read_part(raw: bytes, title: str) -> Book:
    text, encoding, notes = _decode(raw, title)
    text = BREAKS.sub("\n", text)
    text, unwanted = UNWANTED.subn("", text)
    if unwanted > MAX_UNWANTED_SHARE * (len(text) + unwanted) + 2:
        raise BookBinary(title, f"{unwanted:,} of its characters are control characters")
    if unwanted:
        notes.append(f"{unwanted:,} control characters and invisible marks were left out.")
    thinned = PILE.sub(_thin, text)
    if len(thinned) < len(text):
        notes.append(
            f"{len(text) - len(thinned):,} accents were left out: at most {MAX_MARKS} on a letter."
        )
    text = unicodedata.normalize("NFC", thinned)
    text = "\n".join(line.rstrip(" \t\xa0") for line in text.split("\n"))
    if is_chat_log(text):
        raise BookIsChat(title)
    stripped = unwrap(text)
    return Book(stripped.text, stripped.title or title, encoding, (*stripped.notes, *notes), "")


def _thin(pile: re.Match[str]) -> str:
    """Leave MAX_MARKS of the marks that stand in a row."""
    kept, marks = [], 0
    for character in pile[0]:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def _decode(raw: bytes, title: str) -> tuple[str, str, list[str]]:
    """Return the text, the encoding it was read in, and notes."""
    check_beginning(raw, title)
    for mark, encoding in BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return (
                *_decode_as(raw[len(mark) :], encoding),
                [f"Read as {encoding}, by its byte order mark."],
            )
    wide = _wide_encoding(raw)
    if wide:
        return (*_decode_as(raw, wide), [f"Read as {wide}, judging by its NUL bytes."])
    if b"\0" in raw:
        raise BookBinary(title, "it contains NUL bytes")
    text = raw.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if not broken:
        return text, "utf-8", []
    # Mostly sound UTF-8 is UTF-8 with damage; the share settles it against a legacy encoding.
    if len(text) - len(text.encode("ascii", "ignore")) > 10 * broken:
        places = "place" if broken == 1 else "places"
        return text, "utf-8", [f"Invalid UTF-8 in {broken:,} {places} was left out."]
    legacy = _legacy_encoding(raw)
    if legacy is None:
        raise BookBinary(title, "its bytes match no known text encoding")
    return (*_decode_as(raw, legacy), [f"Read as {legacy}, the most likely encoding."])


def _decode_as(raw: bytes, encoding: str) -> tuple[str, str]:
    return raw.decode(encoding, "replace"), encoding


def _wide_encoding(raw: bytes) -> str | None:
    """Tell UTF-16 without a mark by where its zero bytes stand: every second one in most texts."""
    sample = raw[:4096]
    half = max(len(sample) // 2, 1)
    even, odd = sample[0::2].count(0) / half, sample[1::2].count(0) / half
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    if even > 0.4 and odd < 0.05:
        return "utf-16-be"
    return None


def _legacy_encoding(raw: bytes) -> str | None:
    """Guess an encoding from before Unicode; the plainest reading wins, then the commonest."""
    sample = raw[: 2**20]
    if len(raw) > len(sample):
        sample = sample[: sample.rfind(b"\n") + 1] or sample  # not within a character
    matches = charset_normalizer.from_bytes(sample, cp_isolation=LEGACY_ENCODINGS)
    names = {name for match in matches for name in (match.encoding, *match.could_be_from_charset)}
    chaos = {name: match.chaos for match in matches for name in match.could_be_from_charset}
    ranked = sorted(
        names & set(LEGACY_ENCODINGS),
        key=lambda name: (
            chaos[name],
            len(SYMBOL_IN_WORD.findall(sample.decode(name, "replace"))),
            LEGACY_ENCODINGS.index(name),
        ),
    )
    return ranked[0] if ranked else None
