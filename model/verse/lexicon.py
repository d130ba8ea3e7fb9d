"""The words a model may write verse with, and how they are said: made when it is trained."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from model.errors import ModelError
from model.verse.pronunciation import MAX_SYLLABLES, Pronouncer, Pronunciation
from model.verse.related import RelatedWords
from model.verse.words import words_of

MIN_KNOWN = 0.85  # share of a book's words that must be English; the sonnets have 0.995
MAX_LINE = 60  # characters of the middle line of a book of verse
MAX_WORDS = 30_000
MAX_LETTERS = 300_000  # of all words, so that a stranger's file makes no giant of a trie
MIN_RHYMES = 6  # others that a word must rhyme with to open a rhyme: the last line wants a choice
MIN_OPENERS = 50  # words that can; the sonnets and what they borrow have some 2,000
MAX_VARIANTS = 3  # ways to say one word
# Beyond the book's own words, those that other books had often enough to be no slip of the pen.
MIN_COUNT = 8
MAX_FAMILY = 2_000  # words that end alike; the sonnets have 47
_PHONES = "[A-Z]{1,2}(?:_[A-Z]{1,2}){0,30}"
_SAYING = re.compile(rf"([012]{{1,6}})/((?:{_PHONES})?)/({_PHONES})")
_LINE = re.compile(
    rf"([a-z'-]{{1,30}}) (\d{{1,9}})((?: [012]{{1,6}}/(?:{_PHONES})?/{_PHONES}){{1,3}})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Variant:
    """What of a pronunciation verse goes by."""

    stresses: str  # a digit for each syllable
    onset: str  # consonants before the last stressed vowel
    rhyme: str  # phones from that vowel on

    @property
    def ends_stressed(self) -> bool:
        return self.stresses.endswith("1")


@dataclass(frozen=True, slots=True)
class LexiconEntry:
    """A word."""

    word: str
    count: int  # in the book; 0: from elsewhere
    variants: tuple[Variant, ...]


def variants_of(pronunciations: Iterable[Pronunciation]) -> tuple[Variant, ...]:
    """Return what verse goes by, without repetitions.

    >>> variants_of([Pronunciation(("F", "AY1", "ER0"))])
    (Variant(stresses='1', onset='F', rhyme='AY_R'),)
    """
    found: dict[Variant, None] = {}
    for pronunciation in pronunciations:
        phones = list(pronunciation.phones)
        if len(phones) > 1 and phones[-1] == "ER0" and phones[-2][:2] in ("AY", "AW"):
            phones[-1] = "R"  # fire and desire, in verse, have one syllable less
        said = Pronunciation(tuple(phones))
        if 1 <= len(said.stresses) <= MAX_SYLLABLES:
            onset, rhyme = said.onset.replace(" ", "_"), said.rhyme.replace(" ", "_")
            # One syllable alone is stressed if it ends a line.
            stresses = "1" if len(said.stresses) == 1 else said.stresses
            found[Variant(stresses, onset, rhyme)] = None
    return tuple(found)[:MAX_VARIANTS]


@dataclass(frozen=True)
class Lexicon:
    """Words in alphabetical order; a word's number is its place."""

    entries: tuple[LexiconEntry, ...] = ()
    related: RelatedWords = field(default_factory=RelatedWords)  # words of seeds

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        return {entry.word: number for number, entry in enumerate(self.entries)}

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, word: str) -> LexiconEntry | None:
        number = self.numbers.get(word)
        return None if number is None else self.entries[number]

    @cached_property
    def rhymes(self) -> Mapping[str, tuple[LexiconEntry, ...]]:
        """By rhyme, the words that end in it under stress."""
        found: dict[str, list[LexiconEntry]] = {}
        for entry in self.entries:
            for rhyme in {variant.rhyme for variant in entry.variants if variant.ends_stressed}:
                found.setdefault(rhyme, []).append(entry)
        return {rhyme: tuple(entries) for rhyme, entries in found.items()}

    @property
    def can_rhyme(self) -> bool:
        """Whether there are enough words that rhyme for poems to be made of them."""
        families = [len(words) for words in self.rhymes.values()]
        return sum(size for size in families if size > MIN_RHYMES) >= MIN_OPENERS

    def write(self) -> str:
        """Return the lexicon as lines: word, count, sayings; below them related words, if any."""
        lines = "\n".join(
            " ".join(
                [
                    entry.word,
                    str(entry.count),
                    *(f"{s.stresses}/{s.onset}/{s.rhyme}" for s in entry.variants),
                ]
            )
            for entry in self.entries
        )
        return f"{lines}\n\n{self.related.text}" if self.related.text else lines

    @classmethod
    def read(cls, text: str) -> Lexicon:
        """Read what `write` wrote; raise ValueError for anything else."""
        words, blank, related = text.partition("\n\n")
        if blank and not related:
            raise ValueError("the lexicon has a blank line at its end")
        lines = words.split("\n") if words else []
        if len(lines) > MAX_WORDS:
            raise ValueError(f"the lexicon has more than {MAX_WORDS:,} words")
        entries = []
        for line in lines:
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"the lexicon has a line that is not valid: {line[:60]!r}")
            variants = tuple(Variant(*found) for found in _SAYING.findall(match[3]))
            entries.append(LexiconEntry(match[1], int(match[2]), variants))
        spelled = [entry.word for entry in entries]
        if sum(map(len, spelled)) > MAX_LETTERS:
            raise ValueError(f"the lexicon has more than {MAX_LETTERS:,} letters")
        if spelled != sorted(set(spelled)):
            raise ValueError("the lexicon is not sorted")
        lexicon = cls(tuple(entries), RelatedWords.read(related))
        if any(len(family) > MAX_FAMILY for family in lexicon.rhymes.values()):
            raise ValueError(f"the lexicon has more than {MAX_FAMILY:,} words that end alike")
        return lexicon


class NoVerse(ModelError):
    """The book is not English verse, so that its model writes free text alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The model will write free text without metre or rhyme: {reason}.")


def make_lexicon(text: str, elsewhere: Lexicon | None = None) -> Lexicon:
    """Return the words of a book that can be said, and those of a lexicon that may help out.

    Raises NoVerse for prose, and for other languages.
    """
    lines = sorted(len(line) for line in text.split("\n") if line.strip())
    if not lines or lines[len(lines) // 2] > MAX_LINE:
        length = lines[len(lines) // 2] if lines else 0
        raise NoVerse(f"half of its lines have {length} characters or more, too many for verse")
    counts = Counter(words_of(text))
    pronouncer = Pronouncer()
    found: dict[str, LexiconEntry] = {}
    known = 0
    for word, count in counts.items():
        variants = variants_of(pronouncer.by_rule(word)) if word.isascii() else ()
        if variants:
            known += count
            found[word] = LexiconEntry(word, count, variants)
    share = known / max(counts.total(), 1)
    if share < MIN_KNOWN:
        raise NoVerse(f"{1 - share:.0%} of its words are not English")
    for entry in elsewhere.entries if elsewhere else ():
        if entry.count >= MIN_COUNT:
            found.setdefault(entry.word, LexiconEntry(entry.word, 0, entry.variants))
    entries = tuple(found[word] for word in sorted(_most_used(found)))
    return Lexicon(entries, RelatedWords() if elsewhere is None else elsewhere.related)


def _most_used(found: Mapping[str, LexiconEntry]) -> list[str]:
    """Return as many words as a lexicon may have, the book's most frequent ones first."""
    ordered = sorted(found, key=lambda word: -found[word].count)[:MAX_WORDS]
    letters = list(itertools.accumulate(map(len, ordered)))
    return ordered[: bisect_right(letters, MAX_LETTERS)]
