"""A model's verse: its words, ready for the kernel, and what is known of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

from model.characters import APOSTROPHES
from model.kernel.constraints import Trie
from model.kernel.syllables import EVEN
from model.verse.lexicon import MIN_RHYMES, Lexicon, LexiconEntry, Variant, variants_of
from model.verse.pronunciation import Pronouncer, Pronunciation, look_up, look_up_cmudict
from model.verse.spoken import SpokenWord, spoken_words
from model.verse.trie import (
    TrieWord,
    build_trie,
    make_final_mask,
    make_inner_mask,
    turns,
    walks,
)
from model.verse.words import CANNOT_END_LINE, KnownWords
from model.vocabulary import Vocabulary

VOWEL_INITIALS = "AEIOU"  # of the names of phones
MAX_SAID = 2_000  # words beyond the lexicon that are remembered; a poem has some hundred at most
MAX_END = 8  # phones of a rhyme that are compared; English words have some six
# What is left of a word that an apostrophe cut off, as of th', has none of these.
_VOWEL_LETTER = re.compile("[aeiouy]")
# Consonants that differ in their voice alone, or are made alike.
ALIKE = tuple(
    frozenset(kind.split())
    for kind in (
        *("P B", "T D", "K G", "F V", "TH DH", "S Z", "SH ZH", "CH JH"),
        *("M N NG", "P T K", "B D G", "F TH S SH", "V DH Z ZH", "B V", "L R"),
    )
)


class Prosody:
    """What a model needs to write verse: its lexicon in its tokens."""

    def __init__(self, lexicon: Lexicon, vocabulary: Vocabulary, book_loss: float) -> None:
        """`book_loss` is what the book costs the model, nats a character."""
        self.lexicon = lexicon
        self.words = KnownWords(lexicon.numbers)
        self._vocabulary = vocabulary
        # A book's printer may have set other apostrophes than the lexicon has.
        self._apostrophe = next((mark for mark in f"'{APOSTROPHES}" if mark in vocabulary.ids), "'")
        self.book_loss = book_loss
        self._pronouncer = Pronouncer()
        self._said: dict[str, tuple[Variant, ...]] = {}  # words beyond the lexicon
        look_up("a")  # reads the dictionary now, not when somebody waits

    @cached_property
    def trie(self) -> Trie:
        """The words within lines, and at the end of a line that others are to rhyme with."""
        return build_trie(
            (
                TrieWord(
                    entry.word,
                    number + 1,  # 0 is no word
                    make_inner_mask(entry.word, entry.variants),
                    make_final_mask(entry.word, entry.variants) if self._can_open(entry) else 0,
                )
                for number, entry in enumerate(self.lexicon.entries)
                if self.can_write(entry.word) and _VOWEL_LETTER.search(entry.word)
            ),
            self.encode,
        )

    def can_write(self, word: str) -> bool:
        """Whether the model knows all characters of `word`."""
        ids = self._vocabulary.ids
        return all(c in ids for c in word.replace("'", self._apostrophe))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a word that can be written, or of one after a space."""
        return self._vocabulary.encode(text.replace("'", self._apostrophe))

    def pronounce(self, word: str) -> tuple[Variant, ...]:
        """Return how a word is said, whoever knows it."""
        if (entry := self.lexicon.get(word)) is not None:
            return entry.variants
        found = self._said.get(word)
        if found is None:
            found = variants_of(self._pronouncer.pronounce(word))
            if len(self._said) >= MAX_SAID:  # strangers make up words without end
                self._said.clear()
            self._said[word] = found
        return found

    def patterns(self, spoken: SpokenWord) -> dict[int, str]:
        """Return the stresses that a token may have, by how many syllables they are."""
        found: dict[int, str] = {}
        for way in spoken.ways:
            ways = {0: ""}
            for word in way:
                longer: dict[int, str] = {}
                for begun in ways.values():
                    for stresses in self._stresses(word):
                        longer.setdefault(len(begun + stresses), begun + stresses)
                ways = longer
            found = {**ways, **found}
        return found

    def _stresses(self, word: str) -> list[str]:
        found = [variant.stresses for variant in self.pronounce(word)]
        # Verse says fire and flower in one syllable, the dictionary in two; who reads, in either.
        found += [Pronunciation(phones).stresses for phones in look_up_cmudict(word)]
        if not found:  # longer than any word of a line may be, or no word at all
            found = [long.stresses for long in self._pronouncer.pronounce(word)]
        return found or ["1"]

    def scan(self, text: str) -> int:
        """Return the numbers of syllables that a text may have, a bit each."""
        result = 1
        for spoken in spoken_words(text):
            before, result = result, 0
            for size in self.patterns(spoken):
                result |= before << size
        return result

    def scan_beats(self, text: str, stress: str) -> int:
        """Return the numbers of syllables that a text may have with `stress`, a bit each.

        As a line of verse does: no main stress is off the beat, but in a line's first word.
        """
        rising = stress == "-+"
        result = 1
        for spoken in spoken_words(text):
            before, result = result, 0
            for way in spoken.ways:
                reached = before
                for word in way:
                    reached = self._reach(reached, self._stresses(word), rising)
                result |= reached
        return result

    def _reach(self, reached: int, sayings: Iterable[str], rising: bool) -> int:
        """Return the set of numbers of syllables that follows when a word is said on the beat."""
        result = 0
        for stresses in sayings:
            for first in (0, 1):
                if walks(stresses, first):
                    places = EVEN if rising == (first == 0) else ~EVEN
                    result |= (reached & places) << len(stresses)
            if rising and turns(stresses):
                result |= (reached & 1) << len(stresses)
        return result

    def can_be_rhymed(self, word: str) -> bool:
        """Whether any word of the book rhymes perfectly with `word`."""
        return bool(word and self._perfect_rhymes(word, ()))

    def has_rhymes(self, word: str) -> bool:
        """Whether a line that ends with `word` finds perfect rhymes, and a choice of them."""
        return len(self._perfect_rhymes(word, ())) >= MIN_RHYMES

    def rhymes_with(self, word: str, without: Collection[str]) -> dict[str, int]:
        """Return words that rhyme with `word`, each with its mask at the end of a line.

        Perfect rhymes; where there is none, as a reader's own word may have none, words with the
        same last syllable, then those with the same vowel that sound the most alike.
        """
        return (
            self._perfect_rhymes(word, without)
            or self._rhymes_by(_by_syllable, word, without)
            or self._nearest(word, without)
        )

    def _rhymes_by(
        self, nearness: Callable[[Variant, str], bool], word: str, without: Collection[str]
    ) -> dict[str, int]:
        variants = self.pronounce(word)
        rhymes = (
            rhyme for rhyme in self._rhymes if any(nearness(variant, rhyme) for variant in variants)
        )
        return self._fresh(rhymes, word, variants, without)

    def _perfect_rhymes(self, word: str, without: Collection[str]) -> dict[str, int]:
        variants = self.pronounce(word)
        rhymes = {variant.rhyme for variant in variants} & self._rhymes.keys()
        return self._fresh(sorted(rhymes, key=self._rhymes.__getitem__), word, variants, without)

    def _fresh(
        self,
        rhymes: Iterable[str],
        word: str,
        variants: Sequence[Variant],
        without: Collection[str],
    ) -> dict[str, int]:
        """Return the words that end in one of the rhymes and may follow `word`, with masks."""
        found: dict[str, int] = {}
        for rhyme in rhymes:
            for entry in self.lexicon.rhymes[rhyme]:
                mask = self._mask_if_fresh(entry, rhyme, word, variants, without)
                if mask:
                    found[entry.word] = found.get(entry.word, 0) | mask
        return found

    def _nearest(self, word: str, without: Collection[str]) -> dict[str, int]:
        """Return the words with the same vowel whose last consonants are the most alike."""
        rhymes = self._rhymes_by(_by_vowel, word, without)
        ends = [variant.rhyme for variant in self.pronounce(word)]
        far = {
            other: min(_distance(end, said.rhyme) for end in ends for said in self.pronounce(other))
            for other in rhymes
        }
        nearest = min(far.values(), default=0)
        return {other: mask for other, mask in rhymes.items() if far[other] == nearest}

    def end_alike(self, one: str, other: str) -> bool:
        """Whether two words end alike, be they the same."""
        theirs = {variant.rhyme for variant in self.pronounce(other)}
        return any(variant.rhyme in theirs for variant in self.pronounce(one))

    def rhymes(self, one: str, other: str) -> bool:
        """Whether two words rhyme perfectly; a word does not with itself.

        Whatever can be said in more than one way rhymes in any of them.
        """
        ours, theirs = self.pronounce(one), self.pronounce(other)
        return one != other and any(
            a.rhyme == b.rhyme and a.onset != b.onset for a in ours for b in theirs
        )

    def _mask_if_fresh(
        self,
        entry: LexiconEntry,
        rhyme: str,
        word: str,
        variants: Sequence[Variant],
        without: Collection[str],
    ) -> int:
        if entry.word == word or entry.word in without or entry.word in CANNOT_END_LINE:
            return 0
        if not self.can_write(entry.word):
            return 0
        onsets = {variant.onset for variant in variants}
        fresh = [s for s in entry.variants if s.rhyme == rhyme and s.onset not in onsets]
        # A word that does not always rhyme is no rhyme to a reader who says it the other way.
        if len(fresh) < len(entry.variants) and len({s.rhyme for s in entry.variants}) > 1:
            return 0
        return make_final_mask(entry.word, fresh, rhyme) if fresh else 0

    def _can_open(self, entry: LexiconEntry) -> bool:
        if len({variant.rhyme for variant in entry.variants}) > 1:
            return False
        variant = entry.variants[0]
        onsets = self._onsets.get(variant.rhyme, Counter())
        return onsets.total() - onsets[variant.onset] >= MIN_RHYMES

    @cached_property
    def _rhymes(self) -> Mapping[str, int]:
        """The rhymes of the lexicon, each with its place there."""
        return {rhyme: place for place, rhyme in enumerate(self.lexicon.rhymes)}

    @cached_property
    def _onsets(self) -> Mapping[str, Counter[str]]:
        """By rhyme, how many words that end in it have which onset."""
        return {
            rhyme: Counter(entry.variants[0].onset for entry in entries)
            for rhyme, entries in self.lexicon.rhymes.items()
        }


def _by_syllable(variant: Variant, rhyme: str) -> bool:
    phones = variant.rhyme.split("_")
    vowels = [place for place, phone in enumerate(phones) if phone[0] in VOWEL_INITIALS]
    return "_".join(phones[vowels[-1] :]) == rhyme if vowels else False


def _by_vowel(variant: Variant, rhyme: str) -> bool:
    return variant.rhyme.split("_")[0] == rhyme.split("_")[0]


@lru_cache(4096)
def _distance(ours: str, theirs: str) -> int:
    """Return how far the ends of two rhymes are from each other; their first vowels are the same.

    The least cost of changes, as Levenshtein's: 1 for a sound that is missing or of another voice,
    2 for another sound.

    >>> [_distance("AH_V_D", other) for other in ("AH_V", "AH_B_D", "AH_CH")]
    [1, 1, 3]
    """
    end, other_end = (rhyme.split("_")[1:MAX_END] for rhyme in (ours, theirs))
    costs = list(range(len(other_end) + 1))
    for number, one in enumerate(end, 1):
        diagonal, costs[0] = costs[0], number
        for place, other in enumerate(other_end, 1):
            changed = diagonal + _apart(one, other)
            diagonal = costs[place]
            costs[place] = min(changed, diagonal + 1, costs[place - 1] + 1)
    return costs[-1]


def _apart(one: str, other: str) -> int:
    """Return how unlike two sounds are: 0 the same, 1 of one kind, 2."""
    if one == other:
        return 0
    return 1 if any(one in kind and other in kind for kind in ALIKE) else 2
