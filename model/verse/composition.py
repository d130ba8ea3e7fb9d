"""A poem in a form, written line by line: what each line must be, and which of many to keep.

Each line is written by a crowd of particles (sequential Monte Carlo, after Lew et al. 2023 and
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

from model.kernel.batch import Line
from model.kernel.guide import (
    AFTER_PAUSE,
    AFTER_STOP,
    AFTER_WORD,
    FALLING,
    FREE,
    IN_WORD,
    MAX_OWN,
    RISING,
    phrase_of,
)
from model.verse.choice import Candidate, Critic
from model.verse.forms import Form
from model.verse.seed import Opening
from model.verse.trie import Part, build_trie, mask_inside, mask_last
from model.verse.verse import Verse
from model.verse.words import words_of
from model.vocabulary import APOSTROPHES

PARTICLES = 24
MAX_ATTEMPTS = 12  # at one line, each with other chances and the warmer
LAST_RHYME = 8  # attempts that keep to the rhyme
HEAT, MAX_HEAT = 0.4, 2.0  # least temperature of the second attempt, and of the last ones
FAVOUR = 8.0  # how many times likelier each letter of a word of the seed is made


@dataclass(eq=False, slots=True)
class Composition:
    """The state of one poem; who writes it asks for `task`, and then tells what came of it."""

    verse: Verse
    form: Form
    opening: Opening  # the seed, laid out
    random_seed: int
    avoided: frozenset[str]
    lines: list[str] = field(default_factory=list)  # as far as they are decided
    attempt: int = 0  # at the next line: how often every particle has come to nothing
    _draws: int = 0
    _own_numbers: dict[str, int] = field(default_factory=dict)

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

    def randoms(self, count: int) -> NDArray[np.uint64]:
        """Return `count` numbers to begin random streams with, none twice."""
        self._draws += 1
        # The raw stream, which no version of numpy may change.
        raw = np.random.PCG64([self.random_seed, self._draws]).random_raw(count)
        return np.asarray(raw, np.uint64)

    def task(self) -> Line:
        """Return what the particles of the next line are to do."""
        number = len(self.lines)
        whole = self.form.syllables[number]
        metre = {"": FREE, "-+": RISING, "+-": FALLING}[self.form.stress]
        # Where nothing comes of it, the rhyme is given up rather than the poem.
        owed = self._owed(number) if self.attempt < LAST_RHYME else None
        own = self._own_parts(owed, final=not self.form.opens_rhyme(number))
        shortest = _shortest(part.last for part in own.values()) if owed else 1
        words = self._words()
        begun, phase, may_end = self._standing(whole, owed is not None)
        return Line(
            syllables=whole,
            may_go_on=(1 << (whole - shortest + 1)) - 1,
            metre=metre,
            owes=owed is not None,
            closes=number == len(self.form) - 1,
            favour=FAVOUR if number and self._critic().wanted else 1.0,
            own=build_trie(own.values(), self.verse.ids),
            phrases=[
                phrase_of(*map(self._number, words[n : n + 3])) for n in range(len(words) - 2)
            ],
            begun=begun,
            phase=phase,
            may_end=may_end,
            words=self._last_two(words),
            least_temperature=min(HEAT * self.attempt, MAX_HEAT),
        )

    def choose(self, candidates: Sequence[Candidate]) -> str | None:
        """Take the best line on and return it; None, and another attempt, where there is none."""
        given, critic = self.beginning, self._critic()
        scored = [
            (critic.score(words_of(given), candidate), candidate.text)
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

    def _critic(self) -> Critic:
        opening = self.opening
        return Critic(self.lines, self.form, opening.theme, len(opening.lines), self.verse)

    # What is owed

    def _owed(self, number: int) -> dict[str, int] | None:
        """Return the words that may rhyme with the line's partner, with their masks."""
        partner = self.form.partner(number)
        if partner is None:
            return None
        [word] = words_of(self.lines[partner])[-1:] or [""]
        without = {words_of(line)[-1] for line in self.lines if words_of(line)} | self.avoided
        owed = self.verse.rhymes_with(word, without)
        for own in self.opening.theme.words:  # the reader's words may be in no book
            if own not in without and self.verse.rhymes(own, word):
                owed[own] = mask_last(own, self.verse.say(own))
        return owed

    def _own_parts(self, owed: dict[str, int] | None, *, final: bool) -> dict[str, Part]:
        parts: dict[str, Part] = {}
        for word in self.opening.theme.words:
            if word in self.avoided:
                continue
            sayings = self.verse.say(word)
            last = 0
            if owed is None and (final or self.verse.has_rhymes(word)):
                last = mask_last(word, sayings)
            parts[word] = Part(word, self._number(word), mask_inside(word, sayings), last)
        letters = sum(map(len, parts))
        for word, mask in (owed or {}).items():
            letters += len(word)
            if letters >= MAX_OWN:  # a stranger's model may have thousands of rhymes
                break
            inside = parts[word].inside if word in parts else 0
            parts[word] = Part(word, self._number(word), inside, mask)
        return parts

    # Where a line begins

    def _standing(self, whole: int, owes: bool) -> tuple[int, int, bool]:
        """Return the syllables that the line may have, its phase, and whether it may end."""
        given = self.beginning
        if not given.strip():
            return 1, IN_WORD, False
        begun = self.verse.scan(self.opening.spoken or given) & ((1 << whole + 1) - 1)
        last = given.rstrip()[-1]
        phase = AFTER_WORD if last.isalpha() or last in APOSTROPHES else AFTER_PAUSE
        if last in ".!?":
            phase = AFTER_STOP
        may_end = not owes and bool(begun >> whole & 1)
        return begun, phase, may_end

    def _words(self) -> list[str]:
        return words_of("\n".join([*self.lines, self.beginning]))

    def _last_two(self, words: Sequence[str]) -> tuple[int, int]:
        numbers = [0, 0, *map(self._number, words[-2:])]
        return numbers[-2], numbers[-1]

    def _number(self, word: str) -> int:
        """Return a word's number: the lexicon's, or the next one of the poem's own."""
        known = self.verse.lexicon.numbers.get(word)
        if known is not None:
            return known + 1
        own = self._own_numbers
        return own.setdefault(word, len(self.verse.lexicon) + 1 + len(own))


def _shortest(masks: Iterable[int]) -> int:
    """Return the fewest syllables that one of the masks has; 1 where there is none."""
    union = 0
    for mask in masks:
        union |= mask
    sizes = [n for n in range(1, 7) if any(union >> (6 * group + n - 1) & 1 for group in range(4))]
    return min(sizes, default=1)
