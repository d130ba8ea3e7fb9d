"""How a poem is shown: its title, its rhyme letters, its syllables and where the beat falls."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from model.verse.forms import UNRHYMED, Form
from model.verse.verse import Verse
from model.verse.words import WORD, is_content

BEFORE_NOUNS = frozenset(
    """the my thy his her our their your this no every each mine thine""".split()
)
TITLE_WORDS = 3
VOWELS = re.compile(r"[aeiouy]+", re.IGNORECASE)
TOGETHER = ("th", "sh", "ch", "ph", "wh", "gh", "ck", "st", "br", "bl", "tr", "dr", "gr", "gl")


@dataclass(frozen=True, slots=True)
class Syllable:
    """A part of a line: every character of it is in one of them."""

    text: str
    beat: bool


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of a poem as a reader may look at it."""

    rhyme: str  # a letter, or "" where it rhymes with none
    syllables: tuple[Syllable, ...]

    @property
    def text(self) -> str:
        return "".join(syllable.text for syllable in self.syllables)


def look_at(lines: Sequence[str], form: Form, verse: Verse) -> tuple[ShownLine, ...]:
    """Return the lines of a finished poem with their rhyme letters and beats."""
    return tuple(
        ShownLine(
            "" if letter == UNRHYMED else letter, tuple(_scan(line, whole, form.stress, verse))
        )
        for line, letter, whole in zip(lines, form.rhymes, form.syllables, strict=False)
    )


def title_of(lines: Sequence[str], verse: Verse, theme: Sequence[str] = ()) -> str:
    """Return a title from the poem's own words: the rarest thing that it names.

    Something like "The Summer's Breath"; where it names nothing, how it begins.
    """
    best: tuple[float, int, str] | None = None
    for number, line in enumerate(lines):
        for clause in re.split(r"[^\w' -]+", line):
            words = clause.split()
            for at, word in enumerate(words):
                if word.lower() not in BEFORE_NOUNS:
                    continue
                named = []
                for following in words[at + 1 : at + TITLE_WORDS]:
                    if not is_content(following.lower()):
                        break
                    named.append(following)
                if not named or named[-1].endswith("'s"):
                    continue
                rarity = sum(_rarity(w.lower(), verse) for w in named) / math.sqrt(len(named))
                rarity += 4.0 * any(w.lower() in theme for w in named)
                found = (rarity, -number, " ".join([word, *named]))
                best = max(best, found) if best else found
    if best is not None:
        return " ".join(word[:1].upper() + word[1:] for word in best[2].split())
    first = lines[0].split() if lines else []
    begun = " ".join(first[:4]).strip(" ,;:.!?")
    return begun[:1].upper() + begun[1:]


def _rarity(word: str, verse: Verse) -> float:
    """Return how much a word tells, in nats; little for one that the book hardly knows."""
    entry = verse.lexicon.get(word)
    return 5.0 if entry is None or entry.count < 2 else 8.0 - math.log(entry.count)


def _scan(line: str, whole: int, stress: str, verse: Verse) -> list[Syllable]:
    """Cut a line into syllables, as many as its form has if it can be said so."""
    places = list(WORD.finditer(line))
    words = [match[0] for match in places]
    sizes = _sizes([word.lower() for word in words], whole, verse)
    found: list[Syllable] = []
    end = position = 0
    for match, word, size in zip(places, words, sizes, strict=True):
        if match.start() > end:
            found.append(Syllable(line[end : match.start()], False))
        said = [s.stresses for s in verse.say(word.lower()) if len(s.stresses) == size]
        for number, part in enumerate(split_syllables(word, size)):
            if stress:
                beat = stress[(position + number) % len(stress)] == "+"
            else:
                beat = bool(said) and size > 1 and said[0][number] == "1"
            found.append(Syllable(part, beat))
        position += size
        end = match.end()
    if line[end:]:
        found.append(Syllable(line[end:], False))
    return found


def _sizes(words: Sequence[str], whole: int, verse: Verse) -> list[int]:
    """Choose how many syllables each word has, so that the line has `whole`, if it can."""
    ways: dict[int, list[int]] = {0: []}
    for word in words:
        sizes = {len(saying.stresses): None for saying in verse.say(word)} or {1: None}
        longer: dict[int, list[int]] = {}
        for count, way in ways.items():
            for size in sizes:
                longer.setdefault(count + size, [*way, size])
        ways = longer
    return ways[min(ways, key=lambda count: abs(count - whole))]


def split_syllables(word: str, size: int) -> list[str]:
    """Cut a written word into `size` parts, about where it is divided when it is sung.

    >>> split_syllables("increase", 2), split_syllables("memory", 3), split_syllables("world", 1)
    (['in', 'crease'], ['me', 'mo', 'ry'], ['world'])
    """
    groups = [match.span() for match in VOWELS.finditer(word)]
    silent = word.lower().endswith(("e", "ed", "es", "e's", "est"))
    while len(groups) > size and len(groups) > 1:
        groups.pop(-1 if silent else -2 if len(groups) > 2 else -1)
        silent = False
    while len(groups) < size:
        wide = [n for n, (begin, end) in enumerate(groups) if end - begin > 1]
        if not wide:
            break
        begin, end = groups[wide[0]]
        groups[wide[0] : wide[0] + 1] = [(begin, begin + 1), (begin + 1, end)]
    cuts = [0]
    for (_, before), (after, _) in pairwise(groups):
        between = word[before:after]
        if len(between) < 2 or between.lower() in TOGETHER:
            cuts.append(before)
        else:
            cuts.append(before + len(between) // 2)
    parts = [word[a:b] for a, b in zip(cuts, [*cuts[1:], len(word)], strict=True)]
    return parts + [""] * (size - len(parts))
