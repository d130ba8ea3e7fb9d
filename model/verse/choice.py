"""Which of many lines to keep: likelihood as far as the book's own, and against it what tires.

All weights are nats per line of LINE_CHARACTERS; they were found by reading and by
`python -m bench.poems`, see bench/results/poems.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from model.verse.forms import Form
from model.verse.opening import Theme
from model.verse.prosody import Prosody
from model.verse.words import is_content_word, words_of

LINE_CHARACTERS = 40
BOOK_LOSS_SHARE = 0.65  # of the book's own loss; a line likelier than that is no better for it
REPEATED, SMALL_REPEATED = 3.0, 1.0  # a word that the poem has had, by whether it says something
SAME_BEGINNING = 1.5  # as an earlier line
TWICE = 8.0  # a word twice in a row, or two words twice in a line
SAME_RHYME = 30.0  # where the form wants another
WORDS_PER_LINE, EACH_WORD_OFF = 7.9, 3.0
FAIR_COPY, COPIED = 14, 2.5  # characters of the book in a row, and what each one more costs
ANSWER = 8.0  # an answer to the seed, as long as it has not had
ANSWERS_WANTED = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line as a particle wrote it, without its beginning if that was given."""

    text: str
    nats: float
    copied: int = 0  # characters of the longest run of the book in it; 0 for a short one


class LineScorer:
    """Judges lines that may come after `lines`."""

    def __init__(
        self, lines: Sequence[str], form: Form, theme: Theme, given: int, prosody: Prosody
    ):
        """The first `given` of the lines are the reader's own."""
        self._prosody = prosody
        self._form = form
        self._theme = theme
        said = [words for line in lines if (words := words_of(line))]
        self._before = {word for words in said for word in words}
        self._firsts = [words[0] for words in said]
        self._ends = [words[-1] for words in said]
        self._is_later = bool(lines)
        answered = sum(theme.answers(words_of(line), prosody) for line in lines[max(given, 1) :])
        self.wanted = max(ANSWERS_WANTED - answered, 0)  # answers to the seed
        number = len(lines)
        self._opens = form.opens_rhyme(number) and form.partner(number) is None

    def score(self, given: Sequence[str], candidate: Candidate) -> float:
        """Return how good a line is, in nats; -inf for one that must not be.

        `given` are the words that it begins with by the reader's will.
        """
        words = [*given, *words_of(candidate.text)]
        if len(words) == len(given) == 0 or _repeats(words, len(given)):
            return -math.inf
        per_letter = candidate.nats / max(len(candidate.text), 1)
        score = -LINE_CHARACTERS * max(per_letter, BOOK_LOSS_SHARE * self._prosody.book_loss)
        score -= COPIED * max(candidate.copied - FAIR_COPY, 0)
        score -= self._repetition_penalty(words)
        if self._opens and any(self._prosody.end_alike(words[-1], end) for end in self._ends):
            score -= SAME_RHYME
        if self._form.stress:
            score -= EACH_WORD_OFF * max(abs(len(words) - WORDS_PER_LINE) - 0.5, 0.0)
        if self.wanted and self._is_later:
            score += ANSWER * min(self._theme.answers(words, self._prosody), self.wanted)
        return score

    def _repetition_penalty(self, words: Sequence[str]) -> float:
        contents = [word for word in words if is_content_word(word)]
        pairs = list(pairwise(words))
        return (
            REPEATED * sum(word in self._before for word in contents)
            + REPEATED * (len(contents) - len(set(contents)))
            + SMALL_REPEATED * sum(w in self._before for w in words if not is_content_word(w))
            + TWICE * sum(a == b for a, b in pairs)
            + TWICE * (len(pairs) - len(set(pairs)))
            + SAME_BEGINNING * self._firsts.count(words[0])
        )


def _repeats(words: Sequence[str], given: int) -> bool:
    """Whether three words in a row come twice, not both times among the first `given`."""
    phrases = [tuple(words[n : n + 3]) for n in range(len(words) - 2)]
    return any(
        phrase in phrases[:place] for place, phrase in enumerate(phrases) if place + 3 > given
    )
