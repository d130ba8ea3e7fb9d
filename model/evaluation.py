"""How well a model knows a text that it may never have seen: its loss, and its choice of lines.

The network in float32 with its weights as the file has them, in numpy: a machine that writes poems
needs no PyTorch for it. `model.kernel` rounds weights and outputs and writes; this measures. The
loss is that of `model.training.evaluation`, which measures while a network is trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.checkpoint import Model
from model.kernel.reference import head_weights, input_vectors
from model.next_line import (
    OTHERS,
    PLACES,
    Figure,
    by_poem,
    chosen,
    questions,
    sample,
    sonnets_of,
    stretches_of,
)
from model.vocabulary import WORD_WITH_SPACE, Vocabulary

ROWS = 64  # of a text, read side by side
RUN_UP = 256  # tokens that a row reads before its own; then it is as if it had read everything
WINDOW = 16  # tokens whose logits are made at once: 16 MB for 64 rows and 4,000 tokens
BATCH = 32  # questions that are asked at once
POEMS = 100  # whose lines are asked for, at most
BEFORE = "\n\n"  # a poem begins after a blank line

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Told = Callable[[float], None]  # is called with the share that is done, 0 to 1


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model makes of a text."""

    characters: int  # on the model's alphabet
    tokens: int
    words: int  # what stands between spaces and line breaks
    nats: float  # of all but the first token
    left_out: tuple[str, ...]  # characters that the model lacks
    known_share: float  # of the characters that are no space
    choice: Figure | None  # how often the next line is chosen; None: too few lines
    has_sonnets: bool  # whether `choice` is about sonnets, not about fourteen lines in a row

    @property
    def nats_per_character(self) -> float:
        return self.nats / self.characters

    @property
    def bits_per_character(self) -> float:
        return self.nats_per_character / math.log(2)

    @property
    def perplexity_per_word(self) -> float:
        """Among how many equally likely words the model would be as uncertain."""
        nats = self.nats / max(self.words, 1)
        return math.exp(nats) if nats < math.log(1e300) else math.inf


def fold_text(text: str, vocabulary: Vocabulary) -> tuple[str, tuple[str, ...], float]:
    """Put a text onto a model's alphabet; return it, what it lacks, and the share it knows.

    The share is of the characters that are no space.
    """
    folded = vocabulary.fold(text)
    lacking = set(folded.left_out)
    written = [character for character in text if not character.isspace()]
    known = sum(character not in lacking for character in written)
    return folded.text, folded.left_out, known / max(len(written), 1)


def evaluate(model: Model, text: str, told: Told = lambda share: None) -> Evaluation:
    """Measure a model on a text that has at least two tokens on its alphabet.

    `told` hears how far it is, from 0 to 1.
    """
    network = Network(model)
    folded, left_out, known_share = fold_text(text, model.vocabulary)
    ids = np.array(encode_all(model.vocabulary, folded), np.int64)
    poems = sonnets_of(text, "")
    has_sonnets = len(poems) > OTHERS
    poems = sample(poems if has_sonnets else stretches_of(text, ""), POEMS, Random(0))
    asked = list(questions(poems, PLACES, Random(0)))
    lines = list(dict.fromkeys(line for question in asked for line in question.candidates))
    cold = [Lines((), tuple(lines[at : at + OTHERS])) for at in range(0, len(lines), OTHERS)]
    warm = [Lines(question.context, question.candidates) for question in asked]
    # About how much is read, of either part: so that the share that is told goes up evenly.
    to_score = sum(map(len, lines)) + sum(each.characters for each in warm)
    share = len(folded) / max(len(folded) + to_score, 1)
    nats = text_nats(network, ids, lambda done: told(share * done))
    scorer = LineScorer(network, model.vocabulary)
    scores = scorer.score([*cold, *warm], lambda done: told(share + (1 - share) * done))
    of_cold = dict(zip(lines, [each for row in scores[: len(cold)] for each in row], strict=True))
    found = []
    for question, row in zip(asked, scores[len(cold) :], strict=True):
        pairs = zip(row, question.candidates, strict=True)
        found.append((question.poem, chosen([(s - of_cold[x]) / len(x) for s, x in pairs])))
    return Evaluation(
        characters=len(folded) - len(model.vocabulary.tokens[ids[0]]),
        tokens=len(ids) - 1,
        words=len(folded.split()),
        nats=nats,
        left_out=left_out,
        known_share=known_share,
        choice=Figure.of(by_poem(found)) if found else None,
        has_sonnets=has_sonnets,
    )


def encode_all(vocabulary: Vocabulary, text: str) -> list[int]:
    """Encode a long text: each different word is cut into tokens once."""
    if not vocabulary.pieces:
        return vocabulary.encode(text)
    words, known = WORD_WITH_SPACE.findall(text), dict[str, list[int]]()
    for word in words:
        if word not in known:
            known[word] = vocabulary.encode_word(word)
    return [id_ for word in words for id_ in known[word]]


@dataclass(frozen=True, slots=True)
class State:
    """What the layers remember of N rows: (N, H) for each layer."""

    hidden: list[Floats]
    cell: list[Floats]

    def of_rows(self, rows: NDArray[np.intp]) -> State:
        return State([h[rows] for h in self.hidden], [c[rows] for c in self.cell])


class Network:
    """A model's network, N rows at a time, one token after another, nothing said of topics."""

    def __init__(self, model: Model) -> None:
        config, tensors = model.network, model.tensors
        self._config = config
        self._inputs = input_vectors(config, tensors)  # (V, E)
        self._head = np.ascontiguousarray(head_weights(config, tensors).T)  # (H, V)
        self._head_bias = tensors["head.bias"]
        self._layers = []
        for layer in range(config.layers):
            names = (f"lstms.{layer}.weight_ih_l0", f"lstms.{layer}.weight_hh_l0")
            weights = np.concatenate([tensors[name] for name in names], axis=1)  # (4H, E or H + H)
            bias = tensors[f"lstms.{layer}.bias_ih_l0"]
            self._layers.append((np.ascontiguousarray(weights.T), bias))

    def begin(self, rows: int) -> State:
        """Return the state of rows that have read nothing."""
        size = (rows, self._config.hidden_size)
        layers = range(self._config.layers)
        return State(
            [np.zeros(size, np.float32) for _ in layers],
            [np.zeros(size, np.float32) for _ in layers],
        )

    def read(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Read a token in each row (N,); return what the last layer says (N, H), and the state."""
        below = self._inputs[ids]  # (N, E)
        hidden, cell = [], []
        for layer, (weights, bias) in enumerate(self._layers):
            together = np.concatenate([below, state.hidden[layer]], axis=1)  # (N, E or H + H)
            i, f, g, o = np.split(together @ weights + bias, 4, axis=1)  # (N, H) each
            cell.append(_sigmoid(f) * state.cell[layer] + _sigmoid(i) * np.tanh(g))
            hidden.append(_sigmoid(o) * np.tanh(cell[-1]))
            is_added = self._config.residual and layer > 0
            below = hidden[-1] + below if is_added else hidden[-1]
        return below, State(hidden, cell)

    def losses(self, features: Floats, targets: Ids) -> NDArray[np.floating[Any]]:
        """Return what tokens (N,) cost after features (N, H), in nats (N,)."""
        logits = features @ self._head + self._head_bias  # (N, V)
        highest = logits.max(axis=1, keepdims=True)  # (N, 1)
        of_all = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]  # (N,)
        costs: NDArray[np.floating[Any]] = of_all - logits[np.arange(len(targets)), targets]
        return costs


def _sigmoid(values: Floats) -> Floats:
    return ((1 + np.tanh(values / 2)) / 2).astype(np.float32, copy=False)


def text_nats(network: Network, ids: Ids, told: Told = lambda share: None) -> float:
    """Return what all tokens but the first cost, each after all before it, in nats."""
    count = len(ids) - 1
    rows = min(ROWS, max(count // RUN_UP, 1))
    each = -(-count // rows)
    run_up = RUN_UP if rows > 1 else 0
    starts = each * np.arange(rows)  # (N,), places of the first tokens that rows read as their own
    state, total = network.begin(rows), 0.0
    features: list[Floats] = []
    targets: list[Ids] = []
    for step in range(-run_up, each):
        if step == 0:
            for part in (*state.hidden, *state.cell):
                part[0] = 0.0  # before the first row is nothing
        places = starts + step
        said, state = network.read(ids[places.clip(0, count - 1)], state)
        if step < 0:
            continue
        within = places < count
        features.append(said[within])
        targets.append(ids[places[within] + 1])
        if len(features) == WINDOW or step == each - 1:
            costs = network.losses(np.concatenate(features), np.concatenate(targets))
            total += float(costs.sum(dtype=np.float64))
            features, targets = [], []
            told((step + 1) / each)
    return total


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines to be scored, each right after the lines of a context."""

    context: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def characters(self) -> int:
        return sum(map(len, self.context)) + sum(map(len, self.lines))


class LineScorer:
    """Log-probabilities of lines after others, in nats; many are read side by side."""

    def __init__(self, network: Network, vocabulary: Vocabulary) -> None:
        self._network = network
        self._vocabulary = vocabulary

    def score(self, asked: Sequence[Lines], told: Told = lambda share: None) -> list[list[float]]:
        """Return the scores of each one's lines."""
        found: list[list[float]] = []
        for at in range(0, len(asked), BATCH):
            part = asked[at : at + BATCH]
            found += self._score_batch(part)
            told(min((at + BATCH) / len(asked), 1.0))
        return found

    def _score_batch(self, asked: Sequence[Lines]) -> list[list[float]]:
        contexts = [self._encode(BEFORE + "".join(f"{x}\n" for x in a.context)) for a in asked]
        features, state = self._read_all(contexts)
        counts = [len(each.lines) for each in asked]
        of = np.repeat(np.arange(len(asked)), counts)  # (N,), the context of each line
        features, state = features[of], state.of_rows(of)
        texts = [self._encode(line) for each in asked for line in each.lines]
        totals = np.zeros(len(texts))
        for step in range(max(map(len, texts), default=0)):
            going = np.array([n for n, ids in enumerate(texts) if len(ids) > step])
            ids = np.array([texts[n][step] for n in going], np.int64)
            totals[going] -= self._network.losses(features[going], ids)
            features[going], now = self._network.read(ids, state.of_rows(going))
            _put(state, going, now)
        ends = np.cumsum(counts)
        return [totals[end - n : end].tolist() for end, n in zip(ends, counts, strict=True)]

    def _read_all(self, rows: Sequence[list[int]]) -> tuple[Floats, State]:
        """Read rows of different lengths; return the state of each at its end."""
        state = self._network.begin(len(rows))
        features = np.zeros_like(state.hidden[-1])
        for step in range(max(map(len, rows))):
            going = np.array([n for n, ids in enumerate(rows) if len(ids) > step])
            ids = np.array([rows[n][step] for n in going], np.int64)
            features[going], now = self._network.read(ids, state.of_rows(going))
            _put(state, going, now)
        return features, state

    def _encode(self, text: str) -> list[int]:
        """Encode a text; of an alphabet without a line break nothing may be left."""
        return self._vocabulary.encode(self._vocabulary.fold(text).text) or [0]


def _put(state: State, rows: NDArray[np.intp], now: State) -> None:
    for whole, part in zip((*state.hidden, *state.cell), (*now.hidden, *now.cell), strict=True):
        whole[rows] = part
