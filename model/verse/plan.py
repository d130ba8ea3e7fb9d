"""What a poem is to be about: a topic, and for each line a keyword and its last word.

Words stand near each other that come together in what the base model read. The topic is where the
words of the seed stand. Pairs of rhymes are chosen near it, then a keyword for each line, near the
topic, the line's last word and the keyword before. Plans for small networks: Wang et al. 2016,
Ghazvininejad et al. 2016, Yao et al. 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.kernel.reference import topic_vector
from model.verse.forms import Form
from model.verse.lexicon import Lexicon
from model.verse.prosody import Prosody
from model.verse.related import RelatedWords, definitions
from model.verse.words import KnownWords, base_forms, last_word, stem_of
from model.vocabulary import Vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Draw = Callable[[], float]  # the next random number, 0 … 1

# What a likeness of 1 is worth, nats: to the topic, the word before, and the line's last word.
NEAR_TOPIC, NEAR_BEFORE, NEAR_END = 7.0, 6.0, 3.0
SELDOM = 0.5  # what it costs a word to be seldom, of the log of how seldom
RELATED = 4  # words that stand for one that has no place
PAIRS = 8  # of rhymes, of which the nearest to the topic is taken
ROUND = 6  # digits of a likeness: all processors choose the same


@dataclass(frozen=True, slots=True)
class Plan:
    """The words that a poem hangs on."""

    topic: tuple[str, ...] = ()  # words of the seed or related to them, or else one by chance
    keywords: tuple[str, ...] = ()  # one for each line of the form, "" for none
    ends: tuple[str, ...] = ()  # the last word of each line, "" for none


NO_PLAN = Plan()


def follow(plan: Plan, lines: Sequence[str], form: Form) -> Plan:
    """Return a plan with the last words that the first lines have.

    A line that is to rhyme with another word than was planned is open.
    """
    if not plan.topic:
        return plan
    ends = [last_word(line) for line in lines]
    found = [*ends, *plan.ends[len(ends) :]]
    for line in range(len(ends), len(found)):
        partner = form.partner(line)
        if partner is not None and found[partner] != plan.ends[partner]:
            found[line] = ""
    return replace(plan, ends=tuple(found))


def placed_words(
    vectors: NDArray[np.float32], vocabulary: Vocabulary, lexicon: Lexicon
) -> dict[str, int]:
    """Return the words that have a place among the topics (V, K), each with its token."""
    tokens = [(vocabulary.tokens[id_], id_) for id_ in np.flatnonzero(vectors.any(axis=1)).tolist()]
    return {
        token[1:]: id_ for token, id_ in tokens if token[0] == " " and token[1:] in lexicon.numbers
    }


class Planner:
    """Knows which words go together, and how the network is told.

    Shapes: V tokens, W words that have a place, K numbers of a place, H hidden units.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        weight: NDArray[np.float32],
        vocabulary: Vocabulary,
        prosody: Prosody,
    ) -> None:
        """`vectors` (V, K) and `weight` (H, 3K) are tensors of a model file."""
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)  # (V,)
        words = placed_words(vectors, vocabulary, prosody.lexicon)
        ids = list(words.values())
        self._words = list(words)
        self._numbers = {word: number for number, word in enumerate(self._words)}
        self._vectors = vectors[ids].astype(np.float64)  # (W, K)
        self._lengths = np.round(lengths[ids], ROUND)  # (W,)
        self._weight = weight.astype(np.float64)
        self._families: dict[str, list[int]] = {}  # by stem
        for number, word in enumerate(self._words):
            self._families.setdefault(stem_of(word), []).append(number)
        self._known = KnownWords(self._numbers)
        self._related: RelatedWords = prosody.lexicon.related
        self._prosody = prosody
        self._rhymes: dict[str, list[int]] = {}

    def known_words(self, word: str) -> list[str]:
        """Return words with a place for one of a seed: itself, another form, or related ones."""
        if (form := self._known.form_of(word)) is not None:
            return [form]
        forms = (word, *base_forms(word))
        for listed in (self._related, definitions()):
            near = next(filter(None, map(listed.of, forms)), ())
            found = dict.fromkeys(filter(None, map(self._known.form_of, near)))
            if found:
                return list(found)[:RELATED]
        return []

    def plan(
        self, seed: Sequence[str], form: Form, avoided: Collection[str], random_seed: int
    ) -> Plan:
        """Choose what a poem is to be about; the same for the same random seed.

        `seed` are words to be near to, the most important first; those `avoided` are not chosen.
        """
        raw = np.random.PCG64([random_seed, 0])  # which no version of numpy may change

        def draw() -> float:
            return float(raw.random_raw() >> 11) * 2.0**-53

        free = np.array([word not in avoided for word in self._words], np.bool_)  # (W,)
        if not free.any():
            return NO_PLAN
        # Of other forms of a word one is enough.
        known = [word for each in reversed(seed) for word in self.known_words(each)]
        topic = tuple({stem_of(word): word for word in known}.values())
        if not topic:
            topic = (self._words[_choose(np.where(free, 0.0, -np.inf), draw)],)
        score = NEAR_TOPIC * self._likeness(self._sum(topic)) - SELDOM * self._lengths  # (W,)
        score[~free] = -np.inf
        ends = self._choose_ends(form, score.copy(), draw)
        for word in filter(None, ends):
            score[self._same_stem(word)] = -np.inf
        keywords: list[str] = []
        before = self._sum(topic)
        for end in ends:
            near = score + NEAR_BEFORE * self._likeness(before)
            if end:
                near += NEAR_END * self._likeness(self._sum([end]))
            if not np.isfinite(near).any():
                keywords.append("")
                continue
            chosen = _choose(near, draw)
            keywords.append(self._words[chosen])
            score[self._same_stem(self._words[chosen])] = -np.inf
            before = self._vectors[chosen]
        return Plan(topic, tuple(keywords), ends)

    def _choose_ends(self, form: Form, score: Floats, draw: Draw) -> tuple[str, ...]:
        ends = [""] * len(form)
        for line in range(len(form)):
            partner = form.partner(line)
            if partner is None and form.opens_rhyme(line):
                found: list[tuple[float, int, int]] = []
                for _ in range(PAIRS):
                    if not np.isfinite(score).any():
                        break
                    opener = _choose(score, draw)
                    rhymes = self.rhymes_of(self._words[opener])
                    if rhymes:
                        best = max(rhymes, key=lambda n: (score[n], -n))
                        found.append((float(score[best]), opener, best))
                found = [each for each in found if each[0] > -np.inf]
                if not found:
                    continue
                _, *pair = max(found)
                ends[line] = self._words[pair[0]]
                for line_after in range(line + 1, len(form)):
                    if form.partner(line_after) == line:
                        ends[line_after] = self._words[pair[1]]
                for number in pair:
                    score[self._same_stem(self._words[number])] = -np.inf
        return tuple(ends)

    def rhymes_of(self, word: str) -> list[int]:
        """Return the known words that rhyme with `word` and may end a line after it."""
        found = self._rhymes.get(word)
        if found is None:
            found = []
            if self._prosody.has_rhymes(word):
                rhymes = self._prosody.rhymes_with(word, ())
                found = [self._numbers[other] for other in rhymes if other in self._numbers]
            self._rhymes[word] = found
        return found

    def nearest_rhymes(self, plan: Plan, word: str, without: Collection[str]) -> list[str]:
        """Return the words that rhyme with `word`, those nearest to a plan's topic first."""
        rhymes = [n for n in self.rhymes_of(word) if self._words[n] not in without]
        likeness = self._likeness(self._sum([*plan.topic, *plan.keywords]))
        return [self._words[n] for n in sorted(rhymes, key=lambda n: (-likeness[n], n))]

    def told(self, plan: Plan, line: int, end: str) -> NDArray[np.float32]:
        """Return what is added to the network's first outputs (H,) while it writes a line."""
        words = [plan.topic, plan.keywords, plan.ends]
        topic = self._sum(word for part in words for word in part)
        parts = (topic, self._sum(plan.keywords[line : line + 1]), self._sum([end]))
        return topic_vector(self._weight, np.concatenate([_scaled(part) for part in parts]))

    def _sum(self, words: Iterable[str]) -> Floats:
        numbers = [self._numbers[word] for word in words if word in self._numbers]
        total: Floats = self._vectors[numbers].sum(axis=0)  # (n, K) to (K,); zeros of none
        return total

    def _likeness(self, vector: Floats) -> Floats:
        """Return the cosines of all words (W,) with a vector (K,)."""
        length = float(np.linalg.norm(vector)) or 1.0
        cosines: Floats = self._vectors @ (vector / length) / self._lengths  # (W, K) @ (K,)
        return cosines.round(ROUND)

    def _same_stem(self, word: str) -> list[int]:
        return self._families.get(stem_of(word), [])


def _choose(score: Floats, draw: Draw) -> int:
    """Return the place of one of the scores (n,), in nats, of which one at least is finite."""
    shares = np.exp(score - score.max())
    marks = np.cumsum(shares)
    return min(int(np.searchsorted(marks, draw() * marks[-1], side="right")), len(score) - 1)


def _scaled(vector: Floats) -> Floats:
    """Return a vector (K,) at the length that training gave it, √K; zeros stay."""
    length = float(np.linalg.norm(vector))
    return vector * (len(vector) ** 0.5 / length) if length else vector
