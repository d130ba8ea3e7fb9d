"""The CMU dictionary of pronunciations, and what verse says otherwise.

Copyright of its data: see cmudict.LICENSE beside it.
"""

from __future__ import annotations

import gzip
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

DICTIONARY = Path(__file__).with_name("cmudict.dict.gz")
CORRECTIONS = Path(__file__).with_name("corrections.dict")  # by hand, in the same form
PREFIX = 4  # letters of a name by which its lines are found; 24,477 beginnings are different

MAX_REMEMBERED = 10_000  # words that were looked up; a lexicon has some 6,000

Phones = tuple[str, ...]  # ARPAbet; a vowel ends with its stress: 0 none, 1 primary, 2 secondary


@cache
def _dictionary() -> bytes:
    """Return the dictionary's lines, sorted; searched, not parsed: it is 3.6 MB."""
    return gzip.decompress(DICTIONARY.read_bytes())


@cache
def corrections() -> Mapping[str, Phones]:
    """Return the pronunciations by hand, which come before those of the dictionary."""
    lines = CORRECTIONS.read_text("ascii").splitlines()
    return dict(_parse_line(line) for line in lines if not line.startswith("#"))


def _parse_line(line: str) -> tuple[str, Phones]:
    """Return the word and the phones of a line: "word PHONE PHONE # comment"."""
    word, *phones = line.partition("#")[0].split()
    return word, tuple(phones)


def look_up(word: str) -> tuple[Phones, ...]:
    """Return how `word`, lower-case, is said: as verse says it, else as the dictionary does.

    What is written by hand chooses among the dictionary's ways, or comes before them.
    """
    by_hand, ways = corrections().get(word), look_up_cmudict(word)
    if by_hand is None:
        return ways
    return (by_hand,) if by_hand in ways else (by_hand, *ways)


@lru_cache(MAX_REMEMBERED)
def look_up_cmudict(word: str) -> tuple[Phones, ...]:
    """Return what the dictionary itself has of `word`, lower-case."""
    if not word.isascii() or not word:
        return ()
    if not (first := _entry(word)):
        return ()  # nor is there another way to say it
    others = (_entry(f"{word}({n})") for n in range(2, 5))
    return tuple(dict.fromkeys([first, *(entry for entry in others if entry)]))


@cache
def _beginnings() -> tuple[array[int], array[int]]:
    """Return the beginnings of names, sorted, and where the lines of each begin; then the end."""
    text = np.frombuffer(_dictionary(), np.uint8)
    starts = np.flatnonzero(text[:-PREFIX] == ord("\n")) + 1
    starts = np.concatenate([[0], starts[starts <= len(text) - PREFIX]])
    letters = text[starts[:, None] + np.arange(PREFIX)]
    letters[np.logical_or.accumulate(letters == ord(" "), axis=1)] = 0
    codes = letters.view(">u4").ravel()
    firsts = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])
    return array("I", codes[firsts].tolist()), array("I", [*starts[firsts].tolist(), len(text)])


def _entry(name: str) -> Phones:
    """Find the line of `name` among those that begin alike."""
    lines, wanted = _dictionary(), f"{name} ".encode()
    codes, bounds = _beginnings()
    code = int.from_bytes(wanted[:-1][:PREFIX].ljust(PREFIX, b"\0"), "big")
    place = bisect_left(codes, code)
    if place == len(codes) or codes[place] != code:
        return ()
    begin, end = bounds[place], bounds[place + 1]
    if not lines.startswith(wanted, begin):
        begin = lines.find(b"\n" + wanted, begin, end) + 1
        if not begin:
            return ()
    return _parse_line(lines[begin : lines.find(b"\n", begin)].decode("ascii"))[1]
