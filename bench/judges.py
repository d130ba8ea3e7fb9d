"""Judges of verse that share nothing with what writes it.

Sounds are espeak-ng's (a program, Debian's package of that name) beside the entries of the CMU
dictionary; a word is one if Debian's wamerican-large or the book has it. Where two judges differ,
a line or a rhyme is good if one of them finds it so.
"""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

DICTIONARY = Path(__file__).parents[1] / "model" / "verse" / "cmudict.dict.gz"
WORD_LIST = Path("/usr/share/dict/american-english-large")
WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
IPA_VOWEL = re.compile("[aeiouæɑɐəɚɛɜɪɔʊʌᵻɒ]")
TWO_SYLLABLES = ("aɪɚ", "aʊɚ", "iə", "aɪə", "aʊə")
SMALL = frozenset(
    """a an the and or but nor if that this these those than then as of to in on at by for from
    with upon into i me my mine myself you your yours thou thee thy thine he him his she her
    hers it its we us our ours they them their theirs who whom whose which what when where why
    how is are was were am be been being do does did done have has had will would shall should
    can could may might must not no so all any some there here now o oh let just very too up out
    about over whats dont im ive its youre one get got like""".split()
)


@dataclass(frozen=True, slots=True)
class Sound:
    """A way to say a word."""

    syllables: tuple[int, ...]  # how many, where more than one count is fair
    stresses: str  # a digit for each vowel: 0, 1 (primary), 2
    rhyme: tuple[str, ...]  # from the last stressed vowel on
    onset: tuple[str, ...]


def words_of(text: str) -> list[str]:
    """Return the words of a text, lower-case.

    >>> words_of("Feed'st thy 'self-love'")
    ["feed'st", 'thy', 'self-love']
    """
    return WORD.findall(text.lower().replace("’", "'"))


@dataclass
class Judges:
    """Knows how words sound and which are words."""

    book: str
    _sounds: dict[str, tuple[Sound, ...]] = field(default_factory=dict)

    def learn(self, words: Iterable[str]) -> None:
        """Ask for the sounds of words, all at once."""
        fresh = sorted(set(words) - self._sounds.keys())
        spoken = _speak(fresh)
        for word in fresh:
            sounds = [_of_ipa(spoken[word])] + [_of_arpabet(p) for p in self._entries.get(word, ())]
            self._sounds[word] = tuple(dict.fromkeys(s for s in sounds if s is not None))

    def syllables(self, words: Sequence[str]) -> set[int]:
        """Return how many syllables the words may have together."""
        counts = {0}
        for word in words:
            sizes = {size for sound in self._sounds[word] for size in sound.syllables} or {1}
            counts = {count + size for count in counts for size in sizes}
        return counts

    def is_iambic(self, words: Sequence[str], syllables: int = 10) -> bool:
        """Whether the main stress of every longer word can fall on an even syllable.

        A word of two syllables may begin a line the other way round.
        """
        places = {0}
        for number, word in enumerate(words):
            reached = set()
            for sound in self._sounds[word]:
                stresses = sound.stresses
                for place in places:
                    walks = len(stresses) < 2 or all(
                        (place + n) % 2 == 1 for n, stress in enumerate(stresses) if stress == "1"
                    )
                    if walks or (number == 0 and len(stresses) == 2 and stresses[0] == "1"):
                        reached |= {place + size for size in sound.syllables}
            places = reached or set()
        return syllables in places

    def rhymes(self, one: str, other: str) -> bool:
        """Whether two different words rhyme perfectly."""
        return one != other and any(
            a.rhyme == b.rhyme and a.onset != b.onset
            for a in self._sounds[one]
            for b in self._sounds[other]
        )

    def is_word(self, word: str) -> bool:
        """Whether a list has `word`, its parts, or what it is an old or short form of."""
        if "-" in word:
            return all(self.is_word(part) for part in word.split("-") if part)
        if word in self._words:
            return True
        for ending in ("'s", "'d", "'st", "s'", "'ll", "'re", "'ve"):
            if word.endswith(ending):
                stem = word.removesuffix(ending)
                return any(form in self._words for form in (stem, stem + "e", stem + "ed"))
        return False

    def shared_run(self, text: str) -> int:
        """Return the length of the longest run that `text` has in common with the book."""
        text = _plain(text)
        low, high = 0, len(text)
        while low < high:  # a run has all shorter runs in it
            size = (low + high + 1) // 2
            grams = self._grams(size)
            if any(text[n : n + size] in grams for n in range(len(text) - size + 1)):
                low = size
            else:
                high = size - 1
        return low

    def _grams(self, size: int) -> frozenset[str]:
        if size not in self._kept:
            book = _plain(self.book)
            self._kept[size] = frozenset(book[n : n + size] for n in range(len(book) - size + 1))
        return self._kept[size]

    @cached_property
    def _kept(self) -> dict[int, frozenset[str]]:
        return {}

    @cached_property
    def _words(self) -> frozenset[str]:
        listed = WORD_LIST.read_text("utf-8").lower().split()
        return frozenset([*listed, *words_of(self.book)])

    @cached_property
    def _entries(self) -> dict[str, list[list[str]]]:
        entries: dict[str, list[list[str]]] = {}
        for line in gzip.decompress(DICTIONARY.read_bytes()).decode("latin-1").splitlines():
            word, *phones = line.partition("#")[0].split()
            entries.setdefault(re.sub(r"\(\d\)$", "", word), []).append(phones)
        return entries


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("’", "'").split())


def _speak(words: Sequence[str]) -> dict[str, str]:
    """Return the phonemes of each word, as espeak-ng says it alone."""
    spoken = subprocess.run(
        ["espeak-ng", "-q", "--ipa", "--sep=_", "-v", "en-us"],  # noqa: S607 - where it is varies
        input="\n".join(words) + "\n",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = [line.strip() for line in spoken.splitlines()]
    if len(lines) != len(words):  # a word that it spells out or leaves out shifts all others
        lines = [
            subprocess.run(
                ["espeak-ng", "-q", "--ipa", "--sep=_", "-v", "en-us", word],  # noqa: S607
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for word in words
        ]
    return dict(zip(words, lines, strict=True))


def _of_ipa(spoken: str) -> Sound | None:
    phones = [phone for phone in re.split(r"[_\s]+", spoken) if phone]
    vowels = [n for n, phone in enumerate(phones) if IPA_VOWEL.search(phone)]
    if not vowels:
        return None
    marks = ["1" if "ˈ" in phones[n] else "2" if "ˌ" in phones[n] else "0" for n in vowels]
    bare = [re.sub("[ˈˌː]", "", phone) for phone in phones]
    wide = sum(bare[n] in TWO_SYLLABLES for n in vowels)
    sizes = tuple(range(len(vowels), len(vowels) + wide + 1))
    return _sound(sizes, marks, bare, vowels, IPA_VOWEL)


def _of_arpabet(phones: list[str]) -> Sound | None:
    phones = list(phones)
    sizes: set[int] = set()
    vowels = [n for n, phone in enumerate(phones) if phone[-1].isdigit()]
    sizes.add(len(vowels))
    if len(phones) > 1 and phones[-1] == "ER0" and phones[-2][:2] in ("AY", "AW"):
        phones[-1] = "R"  # fire, hour: one syllable or two
        vowels = vowels[:-1]
        sizes.add(len(vowels))
    if not vowels:
        return None
    marks = [phones[n][-1] for n in vowels]
    bare = [phone.rstrip("012") for phone in phones]
    return _sound(tuple(sorted(sizes)), marks, bare, vowels, re.compile("^[AEIOU]"))


def _sound(
    sizes: tuple[int, ...],
    marks: list[str],
    phones: list[str],
    vowels: list[int],
    is_vowel: re.Pattern[str],
) -> Sound:
    stressed = [place for place, mark in zip(vowels, marks, strict=True) if mark != "0"]
    begin = stressed[-1] if stressed else vowels[-1]
    onset = begin
    while onset and not is_vowel.search(phones[onset - 1]):
        onset -= 1
    return Sound(sizes, "".join(marks), tuple(phones[begin:]), tuple(phones[onset:begin]))
