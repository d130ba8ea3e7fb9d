"""A word that nobody knows, said letter by letter."""

from __future__ import annotations

import re

from model.verse.dictionary import Phones

MAX_LETTERS = 6  # of an abbreviation that are said

# Letter by letter: the longest spelling that fits, from the left.
LETTERS = {
    "tion": "SH AH0 N", "sion": "ZH AH0 N", "ough": "AO", "augh": "AO", "eigh": "EY",
    "igh": "AY", "tch": "CH", "dge": "JH", "sch": "SH", "eau": "OW",
    "ai": "EY", "ay": "EY", "au": "AO", "aw": "AO", "ee": "IY", "ea": "IY", "ei": "EY",
    "ey": "IY", "eu": "Y UW", "ew": "UW", "ie": "IY", "oa": "OW", "oo": "UW", "ou": "AW",
    "ow": "OW", "oi": "OY", "oy": "OY", "ue": "UW", "ui": "UW",
    "er": "ER", "ir": "ER", "ur": "ER", "ar": "AA R", "or": "AO R",
    "ch": "CH", "ck": "K", "gh": "G", "kn": "N", "ng": "NG", "ph": "F", "qu": "K W",
    "sh": "SH", "th": "TH", "wh": "W", "wr": "R", "ps": "P S", "zz": "T S",
    "ce": "S EH", "ci": "S IH", "cy": "S IY", "ge": "JH EH", "gi": "G IH",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH",
    "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P",
    "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S",
    "y": "IY", "z": "Z",
}  # fmt: skip
VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
LONG = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW", "y": "AY"}


def spell_out(word: str) -> Phones:
    """Say a word that nobody knows, letter by letter; stress on the last syllable but one.

    >>> spell_out("zlorp"), spell_out("miko")
    (('Z', 'L', 'AO1', 'R', 'P'), ('M', 'IH1', 'K', 'OW0'))
    """
    letters = re.sub(r"[^a-z]", "", word)
    letters = re.sub(r"([b-df-hj-np-tv-y])\1", r"\1", letters)
    phones: list[str] = []
    place = 0
    while place < len(letters):
        rest = letters[place:]
        if re.fullmatch(r"[aeiouy][b-df-hj-np-tvxz]e", rest) and phones:  # a silent e
            phones += [LONG[rest[0]], *LETTERS[rest[1]].split()]
            break
        if len(rest) == 1 and rest in "aeo" and phones:
            phones.append({"a": "AH", "e": "IY", "o": "OW"}[rest])
            break
        size = next(n for n in (4, 3, 2, 1) if rest[:n] in LETTERS)
        phones += LETTERS[rest[:size]].split()
        place += size
    phones = [phone.rstrip("012") for phone in phones]
    vowels = [place for place, phone in enumerate(phones) if phone in VOWELS]
    if not vowels:  # an abbreviation: its letters' names, roughly
        return tuple(part for _ in letters[:MAX_LETTERS] for part in ("IY1",)) or ("AH1",)
    stressed = vowels[max(len(vowels) - 2, 0)]
    return tuple(
        phone + ("1" if place == stressed else "0") if phone in VOWELS else phone
        for place, phone in enumerate(phones)
    )
