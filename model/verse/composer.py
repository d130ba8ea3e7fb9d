"""A poem in a form, written line by line: what each line must be, and which of many to keep.

Each line is written by many particles (sequential Monte Carlo, after Lew et al. 2023 and
Loula et al. 2025): rows of the batch that keep to the form by masks, and are resampled by the
share of probability that the masks have left them. Of the finished lines `LineScorer` finds the
best: likely up to the loss of the book itself, little repetition, close to the seed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model.characters import APOSTROPHES
from model.kernel.batch import LineSpec
from model.kernel.constraints import (
    AFTER_PAUSE,
    AFTER_STOP,
    AFTER_WORD,
    IN_WORD,
    MAX_POEM_NODES,
    trigram_code,
)
from model.kernel.syllables import FALLING, FREE, RISING, fewest_syllables, up_to
from model.verse.forms import Form
from model.verse.opening import Opening, Theme
from model.verse.plan import NO_PLAN, Plan, Planner
from model.verse.prosody import Prosody
from model.verse.trie import TrieWord, build_trie, make_final_mask, make_inner_mask
from model.verse.words import (
    family_of,
    is_content_word,
    is_wrong_article,
    last_word,
    stem_of,
    words_of,
)

PARTICLES = 32
MAX_ROUNDS = 6  # of particles, to find lines that differ; there is one for each at least
DRAWS_PER_LINE = 1_000  # more than a line takes; each line of a poem has chances of its own
MAX_ATTEMPTS = 12  # at one line, each with other chances and the warmer
LAST_STRICT = 4  # attempts at a line without two words of a family
LAST_RHYME = 8  # attempts that keep to the rhyme
HEAT, MAX_HEAT = 0.4, 2.0  # least temperature of the second attempt, and of the last ones
WISHED = 6  # last words that the particles of a line are told by turns
THEME_BOOST = 4.0  # how many times likelier each token of a word of the seed is made

# Of LineScorer: nats per line of LINE_CHARACTERS. They were found by reading and by
# `python -m bench.poems`, see bench/results/poems.md.
LINE_CHARACTERS = 40
BOOK_LOSS_SHARE = 0.65  # of the book's own loss; a line likelier than that is no better for it
REPEATED = 5.0  # for each time that the poem has had a word
SMALL_REPEATED = 1.2  # the same of small words, for each time that their number doubles
FAMILY = 3.0  # for each time that it has had another word of the family: love, lovely
SAME_BEGINNING = 4.0  # as an earlier line, for each of them
TWICE = 8.0  # a word twice in a row, or two words twice in a line
WRONG_ARTICLE = 8.0  # "an" before a consonant, "a" before a vowel
SAME_RHYME = 30.0  # where the form wants another
WORDS_PER_LINE, EACH_WORD_OFF = 7.9, 6.0
FAIR_SMALL, SMALL_WORD = 2, 5.0  # small words of a haiku's line, which has no room for more
# Nats of a last word, with all after it; what each one more costs, because the word fits less.
FAIR_END, EACH_MORE = 5.0, 2.0
FAIR_COPY, COPIED = 14, 2.5  # characters of the book in a row, and what each one more costs
ANSWER = 8.0  # an answer to the seed, as long as it has not had
LINES_AN_ANSWER = 7  # short poems come to no answer: they would say the seed again and again


@dataclass(eq=False, slots=True)
class Composer:
    """The state of one poem; who writes it asks for `line_spec`, and then tells what came of it."""

    prosody: Prosody
    form: Form
    opening: Opening  # the seed, laid out
    random_seed: int
    avoided: frozenset[str]
    plan: Plan = NO_PLAN
    planner: Planner | None = None  # for a plan that is not empty
    lines: list[str] = field(default_factory=list)  # as far as they are decided
    attempt: int = 0  # at the next line: how often every particle has come to nothing
    _draws: int = 0
    _rounds: int = 0  # at a choice of lines
    _found: dict[Candidate, float] = field(default_factory=dict)  # in all rounds, with their scores
    _taken: set[str] = field(default_factory=set)  # last words of the lines that are chosen so far
    _poem_word_numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = list(self.opening.lines)
        if self.opening.line_by_line:
            self._draws = DRAWS_PER_LINE * len(self.lines)

    def topics(self) -> NDArray[np.float32] | None:
        """Return what the particles of the next line are told by turns (T, H); None: nothing.

        They are told several last words, so that their lines are not too much alike.
        """
        number = len(self.lines)
        ends = self._wished_ends(number) if self.plan.topic else []
        told = [topic for end in ends if (topic := self._told(number, end)) is not None]
        return np.stack(told) if told else None

    def topic_without_end(self) -> NDArray[np.float32] | None:
        """Return what the next line is about (H,), with nothing said of its last word."""
        return self._told(len(self.lines), "")

    def topic_before(self) -> NDArray[np.float32] | None:
        """Return what the last line was about (H,), with the last word that it has."""
        number = len(self.lines) - 1
        return self._told(max(number, 0), self._last_word(number) if number >= 0 else "")

    def _told(self, number: int, end: str) -> NDArray[np.float32] | None:
        """Return what the network is told of a line (H,); None: nothing."""
        if self.planner is None or not self.plan.topic:
            return None
        return self.planner.told(self.plan, number, end)

    def _wished_ends(self, number: int) -> list[str]:
        """Return last words that the next line may well have, [""] for any."""
        planned = self.plan.ends[number]
        partner = self.form.partner(number)
        if partner is None:
            return [planned] if planned not in self._taken else [""]
        last = self._last_word(partner)
        without = {self._last_word(line) for line in range(number)} | self.avoided | self._taken
        nearest = self.planner.nearest_rhymes(self.plan, last, without) if self.planner else []
        fits = last == self.plan.ends[partner] and planned not in self._taken
        wished = [planned] * fits + nearest
        return list(dict.fromkeys(wished))[:WISHED] or [""]

    def _last_word(self, number: int) -> str:
        return last_word(self.lines[number])

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
            continue_mask=up_to(whole - shortest),
            metre=metre,
            must_rhyme=rhyme_masks is not None,
            must_close=self.form.closes_stanza(number),
            boost=THEME_BOOST if number and self._scorer().wanted else 1.0,
            poem_trie=build_trie(own.values(), self.prosody.encode),
            trigrams=[
                trigram_code(*map(self._number, words[n : n + 3])) for n in range(len(words) - 2)
            ],
            initial_syllables=initial_syllables,
            phase=phase,
            may_end=may_end,
            last_words=self._last_two_words(words),
            no_doubles=self.attempt < LAST_STRICT,
            families=[family for word in words_of(self.beginning) if (family := family_of(word))],
            min_temperature=min(HEAT * self.attempt, MAX_HEAT),
        )

    def choose(self, candidates: Sequence[Candidate], weigh: Weigh) -> str | None:
        """Add the best line to the poem and return its text; return None if all are refused.

        The text is the candidate's: the `beginning` of the line, if it has one, is not in it.
        Only lines that may still be the best are weighed.
        """
        given, scorer = words_of(self.beginning), self._scorer()
        merits = {each: scorer.merit(given, each) for each in candidates}
        best = (-math.inf, "")
        for candidate, merit in sorted(merits.items(), key=_best_first):
            if merit == -math.inf or merit < best[0]:
                break
            score = merit - scorer.cost(candidate, *weigh(candidate))
            best = max(best, (score, candidate.text))
        if best[0] == -math.inf:
            self.attempt += 1
            return None
        self.attempt = 0
        self.lines.append(self.beginning + best[1])
        return best[1]

    def offer(self, candidates: Sequence[Candidate], weigh: Weigh, count: int) -> list[str] | None:
        """Return up to `count` lines that differ, the best first; None to look for more of them.

        Nothing is added to the poem.
        """
        given, scorer = words_of(self.beginning), self._scorer()
        self._rounds += 1
        new = [each for each in dict.fromkeys(candidates) if each not in self._found]
        self._found |= {
            each: scorer.merit(given, each) - scorer.cost(each, *weigh(each)) for each in new
        }
        chosen: list[list[str]] = []
        texts: list[str] = []
        for candidate, score in sorted(self._found.items(), key=_best_first):
            words = words_of(candidate.text)
            if score > -math.inf and all(differ(words, other) for other in chosen):
                chosen.append(words)
                texts.append(candidate.text)
        self.attempt = 0 if chosen else self.attempt + 1
        self._taken = {words[-1] for words in chosen if words}
        enough = count if len(chosen) >= count else MAX_ROUNDS
        return texts[:count] if chosen and self._rounds >= enough else None

    def _scorer(self) -> LineScorer:
        opening = self.opening
        given = 1 if opening.line_by_line else len(opening.lines)
        return LineScorer(self.lines, self.form, opening.theme, given, self.prosody)

    # What is owed

    def _rhyme_masks(self, number: int) -> dict[str, int] | None:
        """Return the words that may rhyme with the line's partner, with their masks."""
        partner = self.form.partner(number)
        if partner is None:
            return None
        word = self._last_word(partner)
        if not word:  # nothing of the reader's line is known to the model
            return None
        without = {self._last_word(line) for line in range(number)} | self.avoided
        rhyme_masks = self.prosody.rhymes_with(word, without)
        for own in self.opening.theme.words:  # the reader's words may be in no book
            if own not in without and self.prosody.rhymes(own, word):
                rhyme_masks[own] = make_final_mask(own, self.prosody.pronounce(own))
        return rhyme_masks or None

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
        nodes = sum(map(_most_nodes, poem_words))
        for word, mask in (rhyme_masks or {}).items():
            nodes += _most_nodes(word)
            if nodes >= MAX_POEM_NODES:  # a stranger's model may have thousands of rhymes
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
        initial_syllables = self.prosody.scan(self.opening.spoken or given) & up_to(whole)
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


def _most_nodes(word: str) -> int:
    """Return how many nodes of a trie a word may take, as a line begins and after a space."""
    return 2 * len(word) + 3


def _shortest(masks: Iterable[int]) -> int:
    """Return the fewest syllables that one of the masks has; 1 where there is none."""
    union = 0
    for mask in masks:
        union |= mask
    return fewest_syllables(union)


# Which line to keep


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line as a particle wrote it, without its beginning if that was given."""

    text: str
    ids: tuple[int, ...] = ()  # of its tokens
    copied: int = 0  # characters of the longest run of the book in it; 0 for a short one


Weigh = Callable[[Candidate], tuple[float, float]]  # nats: of the line, of its end


def _best_first(found: tuple[Candidate, float]) -> tuple[float, str]:
    candidate, score = found
    return -score, candidate.text


def differ(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two lines end in other words, and share less than half of the shorter one's.

    >>> differ("the rose is red".split(), "the rose is blue".split())
    False
    """
    shared = set(words) & set(others)
    return words[-1:] != others[-1:] and 2 * len(shared) < min(len(set(words)), len(set(others)))


class LineScorer:
    """Judges lines that may come after `lines`."""

    def __init__(
        self,
        lines: Sequence[str],
        form: Form,
        theme: Theme,
        given: int,
        prosody: Prosody,
    ) -> None:
        """The first `given` of the lines are the reader's own."""
        self._prosody = prosody
        self._form = form
        self._theme = theme
        said = [words for line in lines if (words := words_of(line))]
        self._before = Counter(word for words in said for word in words)
        contents = (word for word in self._before.elements() if is_content_word(word))
        self._stems = Counter(map(stem_of, contents))
        self._firsts = [words[0] for words in said]
        self._ends = [words[-1] for words in said]
        self._is_later = bool(lines)
        answered = sum(theme.answers(words_of(line), prosody) for line in lines[max(given, 1) :])
        self.wanted = max(len(form) // LINES_AN_ANSWER - answered, 0)  # answers to the seed
        number = len(lines)
        self._opens = form.opens_rhyme(number) and form.partner(number) is None

    def cost(self, candidate: Candidate, nats: float, end_nats: float) -> float:
        """Return what is taken from a line's merit, in nats, at least 0.

        The line costs the network `nats`, of which its last word and what comes after are
        `end_nats`. Being likelier than the book makes it no better.
        """
        fair = BOOK_LOSS_SHARE * self._prosody.book_loss
        unlikely = max(nats / max(len(candidate.text), 1) - fair, 0.0)
        return LINE_CHARACTERS * unlikely + EACH_MORE * max(end_nats - FAIR_END, 0.0)

    def merit(self, given: Sequence[str], candidate: Candidate) -> float:
        """Return how good a likely line would be, in nats; -inf for one that must not be.

        `given` are the words that it begins with by the reader's will.
        """
        words = [*given, *words_of(candidate.text)]
        if len(words) == len(given) == 0 or _repeats(words, len(given)):
            return -math.inf
        score = -COPIED * max(candidate.copied - FAIR_COPY, 0)
        score -= self._repetition_penalty(words)
        score -= WRONG_ARTICLE * sum(is_wrong_article(*pair) for pair in pairwise(words))
        if self._opens and any(self._prosody.end_alike(words[-1], end) for end in self._ends):
            score -= SAME_RHYME
        if self._form.stress:
            score -= EACH_WORD_OFF * max(abs(len(words) - WORDS_PER_LINE) - 0.5, 0.0)
        else:
            small = sum(not is_content_word(word) for word in words)
            score -= SMALL_WORD * max(small - FAIR_SMALL, 0)
        if self.wanted and self._is_later:
            score += ANSWER * min(self._theme.answers(words, self._prosody), self.wanted)
        return score

    def _repetition_penalty(self, words: Sequence[str]) -> float:
        contents = [word for word in words if is_content_word(word)]
        small = Counter(word for word in words if not is_content_word(word))
        pairs = list(pairwise(words))
        said = (self._before[word] + more for word, times in small.items() for more in range(times))
        return (
            REPEATED * sum(self._before[word] for word in contents)
            + REPEATED * (len(contents) - len(set(contents)))
            + FAMILY * self._of_a_family(contents)
            + SMALL_REPEATED * sum(math.log2(1 + times) for times in said)
            + TWICE * sum(a == b for a, b in pairs)
            + TWICE * (len(pairs) - len(set(pairs)))
            + SAME_BEGINNING * self._firsts.count(words[0])
        )

    def _of_a_family(self, contents: Sequence[str]) -> int:
        """Return how often other words of the families of these were said, repetitions aside."""
        fresh = set(contents) - self._before.keys()
        stems = [stem_of(word) for word in fresh]
        return sum(self._stems[stem] for stem in stems) + len(stems) - len(set(stems))


def _repeats(words: Sequence[str], given: int) -> bool:
    """Whether three words in a row come twice, not both times among the first `given`."""
    phrases = [tuple(words[n : n + 3]) for n in range(len(words) - 2)]
    return any(
        phrase in phrases[:place] for place, phrase in enumerate(phrases) if place + 3 > given
    )
