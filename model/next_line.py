"""Which line comes next? Poems, questions about them, and what becomes of the answers.

A judge reads the lines before and gives each of eight candidates a score: the true next line, and
lines from the same place of other poems. How often the true line has the highest is the figure.
Pure functions; whatever scores is handed in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

LINES = 14
LENGTHS = range(25, 66)  # characters of a line of five feet, with room
OTHERS = 7  # candidates beside the true line: chance is 12.5 %
PLACES = (3, 6, 9, 12)  # lines read before a choice


@dataclass(frozen=True, slots=True)
class Poem:
    """Fourteen lines, and where they come from."""

    lines: tuple[str, ...]
    source: str = ""  # candidates come from poems of the same
    own: int = 0  # the first line that has nothing of the seed
    start: int = 0  # the first line that counts as context


@dataclass(frozen=True, slots=True)
class Question:
    """Which line comes next?"""

    poem: int  # its number
    place: int  # of the line that is asked for
    context: tuple[str, ...]
    candidates: tuple[str, ...]  # the true one first


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over poems and its standard error."""

    mean: float
    error: float
    poems: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Figure:
        """Count each poem's value once; nan, for a poem that was not measured, is left out.

        >>> Figure.of([1.0, 3.0, math.nan])
        Figure(mean=2.0, error=1.0, poems=2)
        """
        kept = [value for value in values if not math.isnan(value)]
        if len(kept) < 2:
            return cls(_mean(kept), math.nan, len(kept))
        middle = _mean(kept)
        variance = math.fsum((value - middle) ** 2 for value in kept) / (len(kept) - 1)
        return cls(middle, math.sqrt(variance / len(kept)), len(kept))

    def above(self, other: Figure) -> float:
        """Return by how many standard errors of the difference this is above `other`."""
        return (self.mean - other.mean) / math.hypot(self.error, other.error)


def sonnets_of(text: str, source: str) -> list[Poem]:
    """Return the poems of fourteen lines of about five feet.

    Poems stand between two blank lines, where a book has such, or else between single ones.
    """
    wide = re.search(r"\n\s*\n\s*\n", text)
    parts = re.split(r"\n[ \t]*\n[ \t]*\n\s*" if wide else r"\n\s*\n", text)
    poems = []
    for part in parts:
        lines = tuple(line.strip() for line in part.split("\n") if _has_letters(line))
        if len(lines) == LINES and all(len(line) in LENGTHS for line in lines):
            poems.append(Poem(lines, source))
    return poems


def stretches_of(text: str, source: str) -> list[Poem]:
    """Return every fourteen lines of a text that has no sonnets, lines without letters left out.

    >>> [len(each.lines) for each in stretches_of("a line\\n\\n" * 30, "book")]
    [14, 14]
    """
    lines = [line.strip() for line in text.split("\n") if _has_letters(line)]
    starts = range(0, len(lines) - LINES + 1, LINES)
    return [Poem(tuple(lines[start : start + LINES]), source) for start in starts]


def sample(poems: Sequence[Poem], count: int, random: Random) -> list[Poem]:
    """Return `count` of the poems, or all, in the order of the book."""
    chosen = sorted(random.sample(range(len(poems)), min(count, len(poems))))
    return [poems[number] for number in chosen]


def questions(poems: Sequence[Poem], places: Sequence[int], random: Random) -> Iterator[Question]:
    """Yield, for each poem and place, the true line and seven at that place of other poems.

    Lines with words of a seed are never asked for, nor offered. Places without a line before, and
    sources with too few other poems, are passed over.
    """
    groups = by_source(poems)
    for number, poem in enumerate(poems):
        for place in places:
            if place < poem.own or place <= poem.start:
                continue
            others = [
                other.lines[place]
                for other in groups[poem.source]
                if other is not poem and other.own <= place
            ]
            others = [line for line in dict.fromkeys(others) if line != poem.lines[place]]
            if len(others) < OTHERS:
                continue
            candidates = (poem.lines[place], *random.sample(others, OTHERS))
            yield Question(number, place, poem.lines[poem.start : place], candidates)


def chosen(scores: Sequence[float]) -> float:
    """Return 1 where the first score is the highest, a share where it ties, else 0.

    >>> chosen([3.0, 1.0, 2.0]), chosen([2.0, 2.0, 1.0]), chosen([1.0, 2.0])
    (1.0, 0.5, 0.0)
    """
    best = max(scores)
    return 1.0 / sum(score == best for score in scores) if scores[0] == best else 0.0


def by_poem(values: Iterable[tuple[int, float]]) -> list[float]:
    """Return the mean for each poem.

    >>> by_poem([(0, 1.0), (0, 0.0), (2, 1.0)])
    [0.5, 1.0]
    """
    groups: dict[int, list[float]] = {}
    for number, value in values:
        groups.setdefault(number, []).append(value)
    return [_mean(group) for group in groups.values()]


def by_source(poems: Iterable[Poem]) -> dict[str, list[Poem]]:
    groups: dict[str, list[Poem]] = {}
    for poem in poems:
        groups.setdefault(poem.source, []).append(poem)
    return groups


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _has_letters(line: str) -> bool:
    return any(map(str.isalpha, line))
