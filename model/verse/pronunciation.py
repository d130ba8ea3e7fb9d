"""How English words are said: the CMU dictionary, and rules for what it lacks.

A dictionary of American English knows four fifths of the words of Shakespeare's sonnets. The
others are its words with an old ending (feed'st, buriest), an elision (o'er, flow'r), a prefix or
another spelling (colour); what is left, a member's name say, is read letter by letter.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DICTIONARY = Path(__file__).with_name("cmudict.dict.gz")  # see cmudict.LICENSE beside it
VOICELESS = frozenset(["P", "T", "K", "F", "TH"])
SIBILANT = frozenset(["S", "Z", "SH", "ZH", "CH", "JH"])
MAX_WORD = 30  # characters; what is longer is no word
MAX_SYLLABLES = 6
MAX_KNOWN = 50_000  # words that a Pronouncer remembers

Phones = tuple[str, ...]  # ARPAbet; a vowel ends with its stress: 0 none, 1 primary, 2 secondary

# What rules would get wrong, or what the dictionary says otherwise than verse does.
BY_HAND = {
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
# Endings: letters, what they sound like, what they may have replaced at the end of the stem.
ENDINGS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("'st", "S T", ("", "e")),
    ("iest", "IH0 S T", ("y",)),
    ("est", "IH0 S T", ("", "e")),
    ("ieth", "IH0 TH", ("y",)),
    ("eth", "IH0 TH", ("", "e")),
    ("'d", "D", ("", "e", "y")),
    ("ied", "D", ("y",)),
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


SHORT = re.compile(r"(?:^|[^aeiouy])[aeiouy][^aeiouwxy]$")


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


def _bare(phone: str) -> str:
    return phone.rstrip("012")


@cache
def _dictionary() -> bytes:
    """Return the dictionary's lines, sorted; searched, not parsed: it is 3.6 MB."""
    return gzip.decompress(DICTIONARY.read_bytes())


def look_up(word: str) -> tuple[Phones, ...]:
    """Return what the dictionary has of `word`, lower-case."""
    if word in BY_HAND:
        return (tuple(BY_HAND[word].split()),)
    if not word.isascii() or not word:
        return ()
    entries = (_entry(name) for name in (word, *(f"{word}({n})" for n in range(2, 5))))
    return tuple(dict.fromkeys(entry for entry in entries if entry))


def _entry(name: str) -> Phones:
    """Find the line of `name` by halving the dictionary."""
    lines, wanted = _dictionary(), f"{name} ".encode()
    low, high = 0, len(lines)
    while low < high:
        begin = lines.rfind(b"\n", 0, (low + high) // 2) + 1
        end = lines.index(b"\n", begin)
        if lines[begin:end] < wanted:
            low = end + 1
        else:
            high = begin
    line = lines[low : lines.find(b"\n", low)]
    if not line.startswith(wanted):
        return ()
    return tuple(line[len(wanted) :].decode("ascii").partition("#")[0].split())


class Pronouncer:
    """Says words; remembers what it has worked out."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Phones, ...]] = {}

    def by_rule(self, word: str) -> tuple[Pronunciation, ...]:
        """Return how a dictionary and rules of word-building say `word`; () if they do not."""
        return tuple(dict.fromkeys(Pronunciation(phones) for phones in self._say(word, depth=0)))

    def say(self, word: str) -> tuple[Pronunciation, ...]:
        """Return how `word` is said, read letter by letter if need be; () without a letter."""
        found = self.by_rule(word)
        if not found and any(map(str.isalpha, word)):
            found = (Pronunciation(spell_out(word)),)
        return found

    def _say(self, word: str, depth: int) -> tuple[Phones, ...]:
        if len(word) > MAX_WORD:
            return ()
        found = self._known.get(word)
        if found is None:
            found = look_up(word) or (tuple(self._build(word, depth + 1)) if depth < 3 else ())
            if len(self._known) >= MAX_KNOWN:  # strangers make up words without end
                self._known.clear()
            self._known[word] = found
        return found

    def _build(self, word: str, depth: int) -> Iterator[Phones]:
        """Yield a pronunciation from parts of `word`: the first way that works."""
        for way in (self._compound, self._ending, self._elision, self._spelling, self._prefix):
            found = list(way(word, depth))
            if found:
                yield from found[:3]
                return

    def _compound(self, word: str, depth: int) -> Iterator[Phones]:
        if "-" in word.strip("-"):
            parts = [self._say(part, depth) for part in word.split("-") if part]
            if parts and all(parts):
                yield tuple(phone for part in parts for phone in part[0])

    def _ending(self, word: str, depth: int) -> Iterator[Phones]:
        for letters, sound, replaced in ENDINGS:
            if not word.endswith(letters) or len(word) < len(letters) + 2:
                continue
            bare = word[: -len(letters)]
            stems = [bare + end for end in replaced]
            if SHORT.search(bare):  # hateth comes of hate: of hat it would be hatteth
                stems.reverse()
            if len(bare) > 2 and bare[-1] == bare[-2] and letters[0] in "'eiy":
                stems.append(bare[:-1])  # stop, stopp'd
            # What the dictionary has comes before what would have to be built first.
            for find in (look_up, lambda stem: self._say(stem, depth)):
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
                    found = self._say(whole + word[1:], depth)
                    if found:
                        phones = found[0]
                        first = next(n for n, p in enumerate(phones) if p[-1].isdigit())
                        yield phones[first + 1 :]
                        return
            return
        for vowel in ("e", "i", "o", "a", "u", "ve"):
            for phones in self._say(word[:at] + vowel + word[at + 1 :], depth):
                place = _elided(phones)
                if place is not None:
                    yield phones[:place] + _remnant(phones[place]) + phones[place + 1 :]
                    return

    def _spelling(self, word: str, depth: int) -> Iterator[Phones]:
        for ours, theirs in SPELLINGS:
            if ours in word:
                yield from self._say(word.replace(ours, theirs), depth)

    def _prefix(self, word: str, depth: int) -> Iterator[Phones]:
        for letters, sound in PREFIXES:
            if word.startswith(letters) and len(word) > len(letters) + 1:
                for phones in self._say(word[len(letters) :], depth):
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
    phones = [_bare(phone) for phone in phones]
    vowels = [place for place, phone in enumerate(phones) if phone in VOWELS]
    if not vowels:  # an abbreviation: its letters' names, roughly
        return tuple(part for _ in letters[:MAX_SYLLABLES] for part in ("IY1",)) or ("AH1",)
    stressed = vowels[max(len(vowels) - 2, 0)]
    return tuple(
        phone + ("1" if place == stressed else "0") if phone in VOWELS else phone
        for place, phone in enumerate(phones)
    )
