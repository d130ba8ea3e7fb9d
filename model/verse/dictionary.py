"""The CMU dictionary of pronunciations, and what verse says otherwise.

Copyright of its data: see cmudict.LICENSE beside it.
"""

from __future__ import annotations

import gzip
from array import array
from bisect import bisect_left
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

DICTIONARY = Path(__file__).with_name("cmudict.dict.gz")
PREFIX = 4  # letters of a name by which its lines are found; 24,477 beginnings are different

MAX_REMEMBERED = 10_000  # words that were looked up; a lexicon has some 6,000

Phones = tuple[str, ...]  # ARPAbet; a vowel ends with its stress: 0 none, 1 primary, 2 secondary

# What rules would get wrong, or what the dictionary says otherwise than verse does.
CORRECTIONS = {
    "o'er": "AO1 R",
    "e'er": "EH1 R",
    "ne'er": "N EH1 R",
    "where'er": "W EH0 R EH1 R",
    "whate'er": "W AH0 T EH1 R",
    "howe'er": "HH AW0 EH1 R",
    "e'en": "IY1 N",
    "ta'en": "T EY1 N",
    "i'": "IH1",
    "'t": "T",
    "t'": "T",
    "th'": "DH",
    "'tis": "T IH1 Z",
    "'twas": "T W AA1 Z",
    "'twere": "T W ER1",
    "'twill": "T W IH1 L",
    "'twould": "T W UH1 D",
    "'twixt": "T W IH1 K S T",
    "'gainst": "G EH1 N S T",
    "'gins": "G IH1 N Z",
    "'gan": "G AE1 N",
    "'scape": "S K EY1 P",
    "'scaped": "S K EY1 P T",
    "ev'n": "IY1 V N",
    "heav'n": "HH EH1 V N",
    "giv'n": "G IH1 V N",
    "driv'n": "D R IH1 V N",
    "fall'n": "F AO1 L N",
    "stol'n": "S T OW1 L N",
    "thou": "DH AW1",
    "thee": "DH IY1",
    "thy": "DH AY1",
    "thine": "DH AY1 N",
    "ye": "Y IY1",
    "hath": "HH AE1 TH",
    "doth": "D AH1 TH",
    "dost": "D AH1 S T",
    "hast": "HH AE1 S T",
    "wilt": "W IH1 L T",
    "shalt": "SH AE1 L T",
    "wert": "W ER1 T",
    "canst": "K AE1 N S T",
    "didst": "D IH1 D S T",
    "hadst": "HH AE1 D S T",
    "mayst": "M EY1 S T",
    "wouldst": "W UH1 D S T",
    "couldst": "K UH1 D S T",
    "shouldst": "SH UH1 D S T",
    "whilst": "W AY1 L S T",
    "a": "AH0",
    "the": "DH AH0",
    "live": "L IH1 V",
    "lov'd": "L AH1 V D",
    "wind": "W IH1 N D",
    "winds": "W IH1 N D Z",
    "read": "R IY1 D",
    "tear": "T IH1 R",
    "tears": "T IH1 R Z",
    "lead": "L IY1 D",
    "bow": "B OW1",
    "used": "Y UW1 Z D",
    "use": "Y UW1 Z",
    "wound": "W UW1 N D",
    "close": "K L OW1 Z",
    "minute": "M IH1 N AH0 T",
    "prayer": "P R EH1 R",
    "prayers": "P R EH1 R Z",
    "woe": "W OW1",
    "beauteous": "B Y UW1 T IY0 AH0 S",
    "nought": "N AO1 T",
    "churl": "CH ER1 L",
    "raiment": "R EY1 M AH0 N T",
    "erst": "ER1 S T",
    "saith": "S EH1 TH",
    "vaunt": "V AO1 N T",
    "attaint": "AH0 T EY1 N T",
    "is't": "IH1 Z T",
    "were't": "W ER1 T",
    "wherefore": "W EH1 R F AO2 R",
    "therefore": "DH EH1 R F AO2 R",
    "unto": "AH1 N T UW0",
    "methinks": "M IY0 TH IH1 NG K S",
}


@cache
def _dictionary() -> bytes:
    """Return the dictionary's lines, sorted; searched, not parsed: it is 3.6 MB."""
    return gzip.decompress(DICTIONARY.read_bytes())


def look_up(word: str) -> tuple[Phones, ...]:
    """Return how `word`, lower-case, is said: as verse says it, else as the dictionary does.

    What is written by hand chooses among the dictionary's ways, or comes before them.
    """
    if word not in CORRECTIONS:
        return look_up_cmudict(word)
    by_hand, ways = tuple(CORRECTIONS[word].split()), look_up_cmudict(word)
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
    line = lines[begin : lines.find(b"\n", begin)]
    return tuple(line[len(wanted) :].decode("ascii").partition("#")[0].split())
