"""How English words are said: the CMU dictionary, corrections, and rules for what it lacks.

A dictionary of American English knows four fifths of the words of Shakespeare's sonnets. The
others are its words with an old ending (feed'st, buriest), an elision (o'er, flow'r), a prefix or
another spelling (colour). What is left, a member's name for example, is read letter by letter.

Copyright of the dictionary's data: see cmudict.LICENSE beside it.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

Phones = tuple[str, ...]  # ARPAbet; a vowel ends with its stress: 0 none, 1 primary, 2 secondary

DICTIONARY = Path(__file__).with_name("cmudict.dict.gz")
CORRECTIONS = Path(__file__).with_name("corrections.dict")  # by hand, in the same form
PREFIX = 4  # letters of a name by which its lines are found; 24,477 beginnings are different
MAX_REMEMBERED = 10_000  # words that were looked up; a lexicon has some 6,000

VOICELESS = frozenset(["P", "T", "K", "F", "TH"])
SIBILANT = frozenset(["S", "Z", "SH", "ZH", "CH", "JH"])
MAX_WORD = 30  # characters; what is longer is no word
MAX_SYLLABLES = 6
MAX_KNOWN = 50_000  # words that a Pronouncer remembers
MAX_LETTERS = 6  # of an abbreviation that are said
MAX_LOOKUPS = 60  # at parts of a word: "whene'er" takes 25, a stranger's word would take 650

VOICED = "èd"  # the one ending that keeps its accent, for it has a syllable

# Endings: letters, what they sound like, what they may have replaced at the end of the stem.
ENDINGS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("'st", "S T", ("", "e")),
    ("iest", "IH0 S T", ("y",)),
    ("est", "IH0 S T", ("", "e")),
    ("ieth", "IH0 TH", ("y",)),
    ("eth", "IH0 TH", ("", "e")),
    ("'d", "D", ("", "e", "y")),
    ("ied", "D", ("y",)),
    (VOICED, "IH0 D", ("", "e")),
    ("ed", "D", ("", "e")),
    ("iness", "N AH0 S", ("y",)),
    ("ness", "N AH0 S", ("",)),
    ("less", "L AH0 S", ("",)),
    ("eous", "AH0 S", ("y",)),
    ("'s", "S", ("",)),
    ("ies", "S", ("y",)),
    ("es", "S", ("", "e")),
    ("s", "S", ("",)),
    ("ing", "IH0 NG", ("", "e")),
    ("in'", "IH0 N", ("", "e")),
    ("ier", "ER0", ("y",)),
    ("er", "ER0", ("", "e")),
    ("ily", "L IY0", ("y",)),
    ("ly", "L IY0", ("",)),
    ("ful", "F AH0 L", ("", "l")),
    ("some", "S AH0 M", ("",)),
    ("ward", "W ER0 D", ("",)),
    ("like", "L AY2 K", ("",)),
    ("ish", "IH0 SH", ("", "e")),
    ("able", "AH0 B AH0 L", ("", "e")),
    ("y", "IY0", ("", "e")),
)
PREFIXES = (
    ("un", "AH0 N"),
    ("out", "AW2 T"),
    ("over", "OW2 V ER0"),
    ("o'er", "AO2 R"),
    ("fore", "F AO2 R"),
    ("dis", "D IH0 S"),
    ("mis", "M IH0 S"),
    ("re", "R IY0"),
    ("be", "B IH0"),
    ("en", "EH0 N"),
    ("up", "AH0 P"),
    ("where", "W EH0 R"),
    ("there", "DH EH0 R"),
    ("here", "HH IH0 R"),
    ("a", "AH0"),
)
SPELLINGS = (
    ("our", "or"),
    ("re", "er"),
    ("ise", "ize"),
    ("yze", "yse"),
    ("ence", "ense"),
    ("ful", "full"),
)
# A last syllable with a short vowel, as in hat: one consonant, one vowel, one consonant.
SHORT_SYLLABLE = re.compile(r"(?:^|[^aeiouy])[aeiouy][^aeiouwxy]$")

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
VOWEL_PHONES = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
LONG_VOWELS = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW", "y": "AY"}


# The dictionary


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
    """Return the pronunciations of `word`, lower-case: as verse says it, else by the dictionary.

    A correction selects one of the dictionary's pronunciations, or comes before them.
    """
    by_hand, ways = corrections().get(word), look_up_cmudict(word)
    if by_hand is None:
        return ways
    return (by_hand,) if by_hand in ways else (by_hand, *ways)


@lru_cache(MAX_REMEMBERED)
def look_up_cmudict(word: str) -> tuple[Phones, ...]:
    """Return the dictionary's own pronunciations of `word`, lower-case; () if it has none."""
    if not word.isascii() or not word:
        return ()
    if not (first := _entry(word)):
        return ()  # without a first entry there is no second
    others = (_entry(f"{word}({n})") for n in range(2, 5))
    return tuple(dict.fromkeys([first, *(entry for entry in others if entry)]))


@cache
def _beginnings() -> tuple[array[int], array[int]]:
    """Return the beginnings of names, sorted, and where the lines of each begin; then the end."""
    text = np.frombuffer(_dictionary(), np.uint8)
    starts = np.flatnonzero(text[:-PREFIX] == ord("\n")) + 1
    starts = np.concatenate([[0], starts[starts <= len(text) - PREFIX]])
    letters = text[starts[:, None] + np.arange(PREFIX)]  # (lines, PREFIX) bytes
    letters[np.logical_or.accumulate(letters == ord(" "), axis=1)] = 0  # after a short name
    codes = letters.view(">u4").ravel()  # (lines,): four letters as one number
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


# Rules for what it lacks


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """One way to say a word."""

    phones: Phones

    @property
    def stresses(self) -> str:
        """A digit for each syllable.

        >>> Pronunciation(("D", "IH0", "Z", "AY1", "ER0")).stresses
        '010'
        """
        return "".join(phone[-1] for phone in self.phones if phone[-1].isdigit())

    @property
    def rhyme(self) -> str:
        """What a perfect rhyme shares: everything from the last stressed vowel on.

        >>> Pronunciation(("D", "IH0", "Z", "AY1", "ER0")).rhyme
        'AY ER'
        """
        return " ".join(_bare(phone) for phone in self.phones[self._last_stressed() :])

    @property
    def onset(self) -> str:
        """The consonants before that vowel, which must differ."""
        end = begin = self._last_stressed()
        while begin and not self.phones[begin - 1][-1].isdigit():
            begin -= 1
        return " ".join(self.phones[begin:end])

    def _last_stressed(self) -> int:
        vowels = [place for place, phone in enumerate(self.phones) if phone[-1].isdigit()]
        stressed = [place for place in vowels if self.phones[place][-1] != "0"]
        return stressed[-1] if stressed else (vowels[-1] if vowels else 0)


def _without_accents(word: str) -> str:
    """Return a word as the dictionary would have it: café as cafe, belovèd with its ending said."""
    word = unicodedata.normalize("NFC", word.lower())
    voiced = word.endswith(("èd", "éd")) and len(word) <= MAX_WORD
    parts = unicodedata.normalize("NFKD", word[:MAX_WORD])
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    return f"{bare[:-2]}{VOICED}" if voiced else bare


def _bare(phone: str) -> str:
    return phone.rstrip("012")


class Pronouncer:
    """Says words; remembers what it has worked out."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Pronunciation, ...]] = {}

    def by_rule(self, word: str) -> tuple[Pronunciation, ...]:
        """Return how a dictionary and rules of word-building say `word`; () if they do not.

        It depends on nothing that was asked before.
        """
        found = self._known.get(word)
        if found is None:
            bare = word if word.isascii() else _without_accents(word)
            found = tuple(dict.fromkeys(map(Pronunciation, _Parts().pronounce(bare, depth=0))))
            if len(self._known) >= MAX_KNOWN:  # strangers make up words without end
                self._known.clear()
            self._known[word] = found
        return found

    def pronounce(self, word: str) -> tuple[Pronunciation, ...]:
        """Return how `word` is said, read letter by letter if need be; () without a letter."""
        found = self.by_rule(word)
        if not found and any(map(str.isalpha, word)):
            found = (Pronunciation(spell_out(word)),)
        return found


class _Parts:
    """The parts of a word that is being worked out, as far as they have been looked at."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, int], tuple[Phones, ...]] = {}
        self._lookups = 0

    def pronounce(self, word: str, depth: int) -> tuple[Phones, ...]:
        """Return how `word` is said, itself a part if `depth` is above 0."""
        if len(word) > MAX_WORD:
            return ()
        found = self._said.get((word, depth))
        if found is None:
            if self._lookups >= MAX_LOOKUPS:
                return ()
            self._lookups += 1
            found = look_up(word) or (tuple(self._build(word, depth + 1)) if depth < 3 else ())
            self._said[word, depth] = found
        return found

    def _build(self, word: str, depth: int) -> Iterator[Phones]:
        """Yield a pronunciation from parts of `word`: the first way that works."""
        for way in (self._compound, self._ending, self._elision, self._spelling, self._prefix):
            # Nothing may be left of a word whose vowels are all elided.
            found = [phones for phones in way(word, depth) if phones]
            if found:
                yield from found[:3]
                return

    def _compound(self, word: str, depth: int) -> Iterator[Phones]:
        if "-" in word.strip("-"):
            parts = [self.pronounce(part, depth) for part in word.split("-") if part]
            if parts and all(parts):
                yield tuple(phone for part in parts for phone in part[0])

    def _ending(self, word: str, depth: int) -> Iterator[Phones]:
        for letters, sound, replaced in ENDINGS:
            if not word.endswith(letters) or len(word) < len(letters) + 2:
                continue
            bare = word[: -len(letters)]
            stems = [bare + end for end in replaced]
            if SHORT_SYLLABLE.search(bare):  # hateth comes of hate: of hat it would be hatteth
                stems.reverse()
            if len(bare) > 2 and bare[-1] == bare[-2] and letters[0] in "'eiy":
                stems.append(bare[:-1])  # stop, stopp'd
            # What the dictionary has comes before what would have to be built first.
            for find in (look_up, lambda stem: self.pronounce(stem, depth)):
                for found in map(find, stems):
                    if found:
                        yield from (join_ending(phones, sound) for phones in found)
                        return

    def _elision(self, word: str, depth: int) -> Iterator[Phones]:
        """An apostrophe within a word stands for a vowel that is not said."""
        at = word.find("'", 1)
        if at < 0 or at == len(word) - 1:
            if word.startswith("'") and len(word) > 2:  # 'mongst: among... minus its beginning
                for whole in ("a", "be", "e", "i", "un"):
                    found = self.pronounce(whole + word[1:], depth)
                    if found:
                        phones = found[0]
                        vowels = (n for n, p in enumerate(phones) if p[-1].isdigit())
                        first = next(vowels, -1)
                        yield phones[first + 1 :]
                        return
            return
        for vowel in ("e", "i", "o", "a", "u", "ve"):
            for phones in self.pronounce(word[:at] + vowel + word[at + 1 :], depth):
                place = _elided(phones)
                if place is not None:
                    yield phones[:place] + _remnant(phones[place]) + phones[place + 1 :]
                    return

    def _spelling(self, word: str, depth: int) -> Iterator[Phones]:
        for ours, theirs in SPELLINGS:
            if ours in word:
                yield from self.pronounce(word.replace(ours, theirs), depth)

    def _prefix(self, word: str, depth: int) -> Iterator[Phones]:
        for letters, sound in PREFIXES:
            if word.startswith(letters) and len(word) > len(letters) + 1:
                for phones in self.pronounce(word[len(letters) :], depth):
                    yield (*sound.split(), *phones)
        for cut in range(4, len(word) - 3):  # two words in one
            first, second = look_up(word[:cut]), look_up(word[cut:])
            if first and second:
                yield (*first[0], *(phone.replace("1", "2") for phone in second[0]))
                return


def join_ending(phones: Phones, ending: str) -> Phones:
    """Add an ending to a stem, its voice and vowel by what it follows.

    >>> join_ending(("W", "IH1", "SH"), "S"), join_ending(("K", "AE1", "T"), "S")
    (('W', 'IH1', 'SH', 'IH0', 'Z'), ('K', 'AE1', 'T', 'S'))
    """
    last = _bare(phones[-1])
    if ending == "S":
        if last in SIBILANT:
            return (*phones, "IH0", "Z")
        return (*phones, "S" if last in VOICELESS else "Z")
    if ending == "D":
        if last in ("T", "D"):
            return (*phones, "IH0", "D")
        return (*phones, "T" if last in VOICELESS or last in ("S", "SH", "CH") else "D")
    return (*phones, *ending.split())


def _elided(phones: Phones) -> int | None:
    """Return the place of the last unstressed vowel that stands beside a consonant."""
    places = [place for place, phone in enumerate(phones) if phone.endswith("0")]
    return places[-1] if places else None


def _remnant(vowel: str) -> Phones:
    return ("R",) if vowel.startswith("ER") else ()


# Letter by letter


def spell_out(word: str) -> Phones:
    """Say an unknown word letter by letter, with the stress on the last syllable but one.

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
            phones += [LONG_VOWELS[rest[0]], *LETTERS[rest[1]].split()]
            break
        if len(rest) == 1 and rest in "aeo" and phones:
            phones.append({"a": "AH", "e": "IY", "o": "OW"}[rest])
            break
        size = next(n for n in (4, 3, 2, 1) if rest[:n] in LETTERS)
        phones += LETTERS[rest[:size]].split()
        place += size
    phones = [phone.rstrip("012") for phone in phones]
    vowels = [place for place, phone in enumerate(phones) if phone in VOWEL_PHONES]
    if not vowels:  # an abbreviation: its letters' names, roughly
        return tuple(part for _ in letters[:MAX_LETTERS] for part in ("IY1",)) or ("AH1",)
    stressed = vowels[max(len(vowels) - 2, 0)]
    return tuple(
        phone + ("1" if place == stressed else "0") if phone in VOWEL_PHONES else phone
        for place, phone in enumerate(phones)
    )
