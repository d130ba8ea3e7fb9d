"""The base model: what it reads, what it must not have read, and how it is trained.

Whatever is held out to measure a book's model by must be out of the base's text too. Books of many
authors hold other people's poems, so every stanza that shares a line with the book is left out.

It reads from far to near: first all verse whose words are today's, then what walks as sonnets do.
A base that is trained on reads the first of these twice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from model.capitals import find_names
from model.training.recipes import Recipe
from model.verse.lexicon import MIN_COUNT, Lexicon, make_lexicon, variants_of
from model.verse.pronunciation import Pronouncer
from model.verse.words import FUNCTION_WORDS, words_of

MIN_LETTERS = 16  # of a line that proves a common origin; shorter ones are common property
MIN_LINES = 4  # of a poem
# Characters that a book of English may have although the base's text does not.
WIDE = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
PIECES = 4_096  # tokens in all, see bench/results/base-model.md
SELDOM = 400_000  # characters; a word that comes less often may be a slip of the pen
BETWEEN_POEMS = "\n\n\n"
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n[^\S\n]*\n\s*")
_NUMBER = re.compile(r"[\W\dIVXLC]+")  # over a poem or stanza


@dataclass(frozen=True, slots=True)
class Poem:
    """A poem of a text, and how near it is to what the base is for."""

    text: str  # as its printer set it; a blank line between stanzas
    lines: int
    pentameter: float  # share of the lines that can have nine to eleven syllables
    known: float  # share of the words that can be said by dictionary and rules

    @property
    def is_sonnet(self) -> bool:
        return self.lines == 14


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training: what is read, how often in a row, and how."""

    copies: Callable[[Poem], int]  # 0: a poem is left out
    recipe: Recipe
    share: float  # of the time


def _far(poem: Poem) -> int:
    return int(poem.pentameter >= 0.7 and poem.known >= 0.97)


def _near(poem: Poem) -> int:
    if poem.pentameter < 0.8 or poem.known < 0.985:
        return 0
    return 2 if poem.is_sonnet else 1


_READING = Recipe(  # what all stages have in common
    name="default",
    embedding_size=512,
    hidden_size=512,
    residual=True,
    tied=True,
    topic_size=128,
    dropout=0.0,  # it reads nothing often enough to learn it by heart
    rows=32,
    window=96,
    shuffle=False,  # poems are in another order in each stage, their stanzas are not
    cold_starts=0.03,
    held_out=0.0,
    epochs=1,
    learning_rate=3e-3,
    warmup=0.01,
    weight_decay=0.03,
    average=0.998,
    monitor="training",
    patience=0,
)
STAGES = (
    Stage(_far, _READING.model_copy(update={"schedule": "constant"}), 0.7),
    Stage(_near, _READING.model_copy(update={"dropout": 0.05, "final_rate": 0.01}), 0.3),
)
# Of a base that is trained on. Its rate falls from stage to stage: a constant one gained no more.
FALLING = {"learning_rate": 2.4e-3, "final_rate": 0.15}
LOW = {"learning_rate": 3.6e-4, "final_rate": 0.01, "dropout": 0.05}
LATER_STAGES = (
    Stage(_far, _READING.model_copy(update=FALLING), 0.6),
    Stage(_far, _READING.model_copy(update=LOW), 0.4),
)


class PoemReader:
    """Finds the poems of texts: two blank lines end one, one blank line ends a stanza.

    Headings, numbers, and stanzas that share a line with an `unseen` text are left out.
    """

    def __init__(self, unseen: Iterable[str]) -> None:
        self._unseen = {key for text in unseen for line in text.split("\n") if (key := _key(line))}
        self._pronouncer = Pronouncer()
        self._syllables: dict[str, int] = {}  # bits of the numbers that a word may have

    def read(self, text: str) -> Iterator[Poem]:
        for passage in _BLANK_LINES.split(text):
            stanzas = [lines for part in re.split(r"\n\s*\n", passage) if (lines := _lines(part))]
            kept = [lines for lines in stanzas if not any(_key(x) in self._unseen for x in lines)]
            lines = [line for stanza in kept for line in stanza]
            if len(lines) >= MIN_LINES:
                yield self._measure("\n\n".join(map("\n".join, kept)), lines)

    def _measure(self, text: str, lines: Sequence[str]) -> Poem:
        walking = known = words = 0
        for line in lines:
            found = 1  # the numbers of syllables that the line may have, a bit each
            for word in words_of(line):
                sizes = self._sizes(word)
                known, words = known + (sizes > 0), words + 1
                sizes = sizes or 1 << len(re.findall("[aeiouy]+", word))
                found = _sums(found, sizes)
            walking += found & 0b111 << 9 != 0
        return Poem(text, len(lines), walking / len(lines), known / max(words, 1))

    def _sizes(self, word: str) -> int:
        found = self._syllables.get(word)
        if found is None:
            ways = variants_of(self._pronouncer.by_rule(word)) if word.isascii() else ()
            found = 0
            for variant in ways:
                found |= 1 << len(variant.stresses)
            self._syllables[word] = found
        return found


def stage_text(stage: Stage, poems: Iterable[Poem], seed: int) -> str:
    """Return what a stage reads, in lower case, in an order that `seed` decides."""
    texts = [poem.text for poem in poems for _ in range(stage.copies(poem))]
    random.Random(seed).shuffle(texts)
    return BETWEEN_POEMS.join([*texts, WIDE]).lower() + BETWEEN_POEMS


def base_lexicon(text: str, sources: Iterable[str]) -> Lexicon:
    """Return the words of the base's text that other books may borrow.

    Neither slips of the pen nor names, as the `sources` write them with a capital, nor letters
    that stand alone.
    """
    least = max(MIN_COUNT, len(text) // SELDOM)
    # Over all of them: there are printers who set every noun with a capital.
    people = {name.lower() for name in find_names("\n".join(sources))}
    return Lexicon(
        tuple(
            entry
            for entry in make_lexicon(text).entries
            if entry.count >= least
            and entry.word not in people
            and (len(entry.word) > 2 or entry.word in FUNCTION_WORDS)
        )
    )


def _sums(numbers: int, sizes: int) -> int:
    """Return the sums of a number of one set and one of the other; bit n stands for n."""
    result = 0
    while sizes:
        result |= numbers * (sizes & -sizes)
        sizes &= sizes - 1
    return result


def _lines(stanza: str) -> list[str]:
    """Return a stanza's lines of verse, without headings and numbers."""
    lines = [line.strip() for line in stanza.split("\n")]
    return [
        line
        for line in lines
        if line and not (line.isupper() and len(line) > 3) and not _NUMBER.fullmatch(line)
    ]


def _key(line: str) -> str:
    """Return a line's letters, or nothing where they are too few to tell its origin."""
    letters = "".join(filter(str.isalpha, line.lower()))
    return letters if len(letters) >= MIN_LETTERS else ""
