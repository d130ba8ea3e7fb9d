"""A poem in a form, written line by line: what each line must be, and which of many to keep.

Each line is written by many particles (sequential Monte Carlo, after Lew et al. 2023 and
Loula et al. 2025): rows of the batch that keep within the form by masks, and are resampled by the
share of probability that the masks have left them. Of the lines that come out one is chosen, by
likelihood up to that of the book itself, against repetition, for closeness to the seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.kernel.batch import LineSpec
from model.kernel.constraints import (
    AFTER_PAUSE,
    AFTER_STOP,
    AFTER_WORD,
    FALLING,
    FREE,
    IN_WORD,
    MAX_POEM_NODES,
    RISING,
    trigram_code,
)
from model.verse.choice import Candidate, LineScorer
from model.verse.forms import Form
from model.verse.opening import Opening
from model.verse.prosody import Prosody
from model.verse.trie import TrieWord, build_trie, make_final_mask, make_inner_mask
from model.verse.words import words_of
from model.vocabulary import APOSTROPHES

PARTICLES = 24
MAX_ATTEMPTS = 12  # at one line, each with other chances and the warmer
LAST_RHYME = 8  # attempts that keep to the rhyme
HEAT, MAX_HEAT = 0.4, 2.0  # least temperature of the second attempt, and of the last ones
THEME_BOOST = 8.0  # how many times likelier each letter of a word of the seed is made


@dataclass(eq=False, slots=True)
class Composer:
    """The state of one poem; who writes it asks for `line_spec`, and then tells what came of it."""

    prosody: Prosody
    form: Form
    opening: Opening  # the seed, laid out
    random_seed: int
    avoided: frozenset[str]
    lines: list[str] = field(default_factory=list)  # as far as they are decided
    attempt: int = 0  # at the next line: how often every particle has come to nothing
    _draws: int = 0
    _poem_word_numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = list(self.opening.lines)

    @property
    def beginning(self) -> str:
        """What of the line under way is given: the end of the seed, or nothing."""
        return self.opening.rest if len(self.lines) == len(self.opening.lines) else ""

    @property
    def is_complete(self) -> bool:
        return len(self.lines) >= len(self.form)

    @property
    def is_stuck(self) -> bool:
        return self.attempt >= MAX_ATTEMPTS

    def random_states(self, count: int) -> NDArray[np.uint64]:
        """Return `count` numbers to begin random streams with, none twice."""
        self._draws += 1
        # The raw stream, which no version of numpy may change.
        raw = np.random.PCG64([self.random_seed, self._draws]).random_raw(count)
        return np.asarray(raw, np.uint64)

    def line_spec(self) -> LineSpec:
        """Return what the particles of the next line are to do."""
        number = len(self.lines)
        whole = self.form.syllables[number]
        metre = {"": FREE, "-+": RISING, "+-": FALLING}[self.form.stress]
        # Where nothing comes of it, the rhyme is given up rather than the poem.
        rhyme_masks = self._rhyme_masks(number) if self.attempt < LAST_RHYME else None
        own = self._poem_words(rhyme_masks, final=not self.form.opens_rhyme(number))
        shortest = _shortest(part.final_mask for part in own.values()) if rhyme_masks else 1
        words = self._words()
        initial_syllables, phase, may_end = self._start_of_line(whole, rhyme_masks is not None)
        return LineSpec(
            syllables=whole,
            continue_mask=(1 << (whole - shortest + 1)) - 1,
            metre=metre,
            must_rhyme=rhyme_masks is not None,
            must_close=number == len(self.form) - 1,
            boost=THEME_BOOST if number and self._scorer().wanted else 1.0,
            poem_trie=build_trie(own.values(), self.prosody.ids),
            trigrams=[
                trigram_code(*map(self._number, words[n : n + 3])) for n in range(len(words) - 2)
            ],
            initial_syllables=initial_syllables,
            phase=phase,
            may_end=may_end,
            last_words=self._last_two_words(words),
            min_temperature=min(HEAT * self.attempt, MAX_HEAT),
        )

    def choose(self, candidates: Sequence[Candidate]) -> str | None:
        """Take the best line on and return it; None, and another attempt, where there is none."""
        given, scorer = self.beginning, self._scorer()
        scored = [
            (scorer.score(words_of(given), candidate), candidate.text)
            for candidate in dict.fromkeys(candidates)
        ]
        best = max(scored, default=(-math.inf, ""))
        if best[0] == -math.inf:
            self.attempt += 1
            return None
        self.attempt = 0
        line = given + best[1]
        self.lines.append(line)
        return line

    def _scorer(self) -> LineScorer:
        opening = self.opening
        return LineScorer(self.lines, self.form, opening.theme, len(opening.lines), self.prosody)

    # What is owed

    def _rhyme_masks(self, number: int) -> dict[str, int] | None:
        """Return the words that may rhyme with the line's partner, with their masks."""
        partner = self.form.partner(number)
        if partner is None:
            return None
        [word] = words_of(self.lines[partner])[-1:] or [""]
        without = {words_of(line)[-1] for line in self.lines if words_of(line)} | self.avoided
        rhyme_masks = self.prosody.rhymes_with(word, without)
        for own in self.opening.theme.words:  # the reader's words may be in no book
            if own not in without and self.prosody.rhymes(own, word):
                rhyme_masks[own] = make_final_mask(own, self.prosody.pronounce(own))
        return rhyme_masks

    def _poem_words(
        self, rhyme_masks: dict[str, int] | None, *, final: bool
    ) -> dict[str, TrieWord]:
        poem_words: dict[str, TrieWord] = {}
        for word in self.opening.theme.words:
            if word in self.avoided:
                continue
            variants = self.prosody.pronounce(word)
            last = 0
            if rhyme_masks is None and (final or self.prosody.has_rhymes(word)):
                last = make_final_mask(word, variants)
            poem_words[word] = TrieWord(
                word, self._number(word), make_inner_mask(word, variants), last
            )
        letters = sum(map(len, poem_words))
        for word, mask in (rhyme_masks or {}).items():
            letters += len(word)
            if letters >= MAX_POEM_NODES:  # a stranger's model may have thousands of rhymes
                break
            inside = poem_words[word].inner_mask if word in poem_words else 0
            poem_words[word] = TrieWord(word, self._number(word), inside, mask)
        return poem_words

    # Where a line begins

    def _start_of_line(self, whole: int, must_rhyme: bool) -> tuple[int, int, bool]:
        """Return the syllables that the line may have, its phase, and whether it may end."""
        given = self.beginning
        if not given.strip():
            return 1, IN_WORD, False
        initial_syllables = self.prosody.scan(self.opening.spoken or given) & ((1 << whole + 1) - 1)
        last = given.rstrip()[-1]
        phase = AFTER_WORD if last.isalpha() or last in APOSTROPHES else AFTER_PAUSE
        if last in ".!?":
            phase = AFTER_STOP
        may_end = not must_rhyme and bool(initial_syllables >> whole & 1)
        return initial_syllables, phase, may_end

    def _words(self) -> list[str]:
        return words_of("\n".join([*self.lines, self.beginning]))

    def _last_two_words(self, words: Sequence[str]) -> tuple[int, int]:
        numbers = [0, 0, *map(self._number, words[-2:])]
        return numbers[-2], numbers[-1]

    def _number(self, word: str) -> int:
        """Return a word's number: the lexicon's, or the next one of the poem's own."""
        known = self.prosody.lexicon.numbers.get(word)
        if known is not None:
            return known + 1
        own = self._poem_word_numbers
        return own.setdefault(word, len(self.prosody.lexicon) + 1 + len(own))


def _shortest(masks: Iterable[int]) -> int:
    """Return the fewest syllables that one of the masks has; 1 where there is none."""
    union = 0
    for mask in masks:
        union |= mask
    sizes = [n for n in range(1, 7) if any(union >> (6 * group + n - 1) & 1 for group in range(4))]
    return min(sizes, default=1)
