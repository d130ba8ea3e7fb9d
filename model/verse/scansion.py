"""How a poem is shown: its title, its rhyme letters, its syllables and where the beat falls."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from model.verse.forms import UNRHYMED, Form
from model.verse.prosody import Prosody
from model.verse.spoken import spoken_words
from model.verse.words import is_content_word, last_word, straighten

BEFORE_NOUNS = frozenset(
    """the my thy his her our their your this no every each mine thine""".split()
)
MOST_BEFORE_OF = 4  # words; a longer title has no second half
VOWEL_RUNS = re.compile(r"[aeiouy]+", re.IGNORECASE)
TOGETHER = ("th", "sh", "ch", "ph", "wh", "gh", "ck", "st", "br", "bl", "tr", "dr", "gr", "gl")


@dataclass(frozen=True, slots=True)
class Syllable:
    """A part of a line: every character of it is in one of them."""

    text: str
    beat: bool


@dataclass(frozen=True, slots=True)
class ScannedLine:
    """A line of a poem as a reader may look at it."""

    rhyme: str  # a letter, or "" where it rhymes with none
    syllables: tuple[Syllable, ...]

    @property
    def text(self) -> str:
        return "".join(syllable.text for syllable in self.syllables)


def scan_poem(lines: Sequence[str], form: Form, prosody: Prosody) -> tuple[ScannedLine, ...]:
    """Return the lines of a finished poem with their rhyme letters and beats."""
    known = lines[: len(form)]
    return tuple(scan_line(line, number, form, prosody) for number, line in enumerate(known))


def scan_line(line: str, number: int, form: Form, prosody: Prosody) -> ScannedLine:
    """Return one line with its rhyme letter and beats; `number` counts from 0."""
    letter, whole = form.rhymes[number], form.syllables[number]
    syllables = tuple(_scan(line, whole, form.stress, prosody))
    return ScannedLine("" if letter == UNRHYMED else letter, syllables)


@dataclass(frozen=True, slots=True)
class LineFit:
    """How a line keeps to its form."""

    syllables: int  # that it has; the form's number where it can be said so
    on_beat: bool  # whether it can be said with that number and its stresses under the beat
    end: str  # its last word, "" for none
    unrhymed: int | None  # the line before that it does not rhyme with, though it should
    can_be_rhymed: bool  # by the line after that should rhyme with it; also where none should


def fit_line(lines: Sequence[str], number: int, line: str, form: Form, prosody: Prosody) -> LineFit:
    """Compare a line with its form; `line` is how it is shown, `lines` are on the alphabet.

    A line need not rhyme with a word that nothing rhymes with.
    """
    whole, partner, end = form.syllables[number], form.partner(number), last_word(lines[number])
    counts = prosody.scan(line)
    had = [n for n in range(counts.bit_length()) if counts >> n & 1]
    nearest = min(had, key=lambda n: abs(n - whole), default=0)
    beats = prosody.scan_beats(line, form.stress) if form.stress else counts
    other = "" if partner is None else last_word(lines[partner])
    should = prosody.can_be_rhymed(other) and not prosody.rhymes(other, end)
    return LineFit(
        nearest,
        bool(beats >> nearest & 1),
        end,
        partner if should else None,
        not form.opens_rhyme(number) or prosody.can_be_rhymed(end),
    )


def make_title(lines: Sequence[str], prosody: Prosody, theme: Sequence[str] = ()) -> str:
    """Return a title from the poem's own words: the rarest thing that it names.

    Something like "The Summer's Breath" or "The Silence of the Sea"; where it names nothing, how
    it begins. What of `theme` is in it counts more.
    """
    best: tuple[float, int, str] | None = None
    for number, line in enumerate(lines):
        for clause in re.split(r"[^\w' -]+", straighten(line)):
            words = clause.split()
            for at in range(len(words)):
                named = _named(words[at:])
                said = [w.lower() for w in named if is_content_word(w.lower())]
                if not said:
                    continue
                worth = sum(_rarity(w, prosody) for w in said) / math.sqrt(len(said))
                worth += 4.0 * any(w in theme for w in said)
                found = (worth, -number, " ".join(named))
                best = max(best, found) if best else found
    if best is not None:
        return _title_case(best[2])
    first = lines[0].split() if lines else []
    begun = " ".join(first[:4]).strip(" ,;:.!?")
    return begun[:1].upper() + begun[1:]


def _named(words: Sequence[str]) -> list[str]:
    """Return what `words` begin by naming, or nothing: "the king's daughter of the sea".

    Only what needs no grammar to be told from a sentence.
    """
    if not words or words[0].lower() not in BEFORE_NOUNS:
        return []
    named, rest = [words[0]], list(words[1:])
    while rest and rest[0].lower().endswith("'s") and is_content_word(rest[0].lower()):
        named.append(rest.pop(0))
    if not rest or not is_content_word(rest[0].lower()):
        return []
    named.append(rest.pop(0))
    if rest[:1] == ["of"]:
        after = rest[1:]
        small = [after.pop(0)] if after and after[0].lower() in BEFORE_NOUNS else []
        whole = after and is_content_word(after[0].lower()) and not after[0].endswith("'s")
        if whole and len(named) < MOST_BEFORE_OF:
            named += ["of", *small, after[0]]
    return named


def _title_case(text: str) -> str:
    """Write a title's words with capitals, but for the smallest within."""
    first, *others = text.split()
    rest = [w if w in ("of", "the") else w[:1].upper() + w[1:] for w in others]
    return " ".join([first[:1].upper() + first[1:], *rest])


def _rarity(word: str, prosody: Prosody) -> float:
    """Return how much a word tells, in nats; little for one that the book hardly knows."""
    entry = prosody.lexicon.get(word)
    return 5.0 if entry is None or entry.count < 2 else 8.0 - math.log(entry.count)


def _scan(line: str, whole: int, stress: str, prosody: Prosody) -> list[Syllable]:
    """Cut a line into syllables, as many as its form has if it can be said so."""
    words = list(spoken_words(line))
    patterns = [prosody.patterns(spoken) for spoken in words]
    found: list[Syllable] = []
    end = position = 0
    for spoken, pattern, size in zip(words, patterns, _sizes(patterns, whole), strict=True):
        if spoken.begin > end:
            found.append(Syllable(line[end : spoken.begin], False))
        for number, part in enumerate(split_syllables(line[spoken.begin : spoken.end], size)):
            if stress:
                beat = stress[(position + number) % len(stress)] == "+"
            else:
                beat = size > 1 and pattern[size][number] == "1"
            found.append(Syllable(part, beat))
        position += size
        end = spoken.end
    if line[end:]:
        found.append(Syllable(line[end:], False))
    return found


def _sizes(patterns: Sequence[Iterable[int]], whole: int) -> list[int]:
    """Choose how many syllables each word has, so that the line has `whole`, if it can."""
    ways: dict[int, list[int]] = {0: []}
    for sizes in patterns:
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
    groups = [match.span() for match in VOWEL_RUNS.finditer(word)]
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
