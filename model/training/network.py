"""StackedLSTM: a stacked LSTM over tokens whose state is a value, handed in and handed back.

Also its way from and to a model file, and how it starts with another model's weights.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.checkpoint import Model, load_model
from model.config import NetworkConfig, Tensors
from model.errors import StartMismatch
from model.training.head_loss import head_loss
from model.training.recipes import SHAPE
from model.vocabulary import Vocabulary

EMBEDDING, HEAD = "embedding.weight", "head.weight"  # one tensor where they are tied
TOPIC_WEIGHT = "topics.weight"
FROZEN = "bias_hh_l0"  # PyTorch's second bias: always zero, so not worth a byte in a file
# The model that knows English verse, from which a book's own model is made.
BASE_MODEL = Path(__file__).resolve().parent.parent / "pretrained" / "base" / "verse.safetensors"
KNOWN_SHARE = 0.9  # of a book's characters; with fewer known, it is in another script


class LSTMState(NamedTuple):
    """What an LSTM remembers: both tensors (L, N, H)."""

    hidden: Tensor
    cell: Tensor


class StackedLSTM(nn.Module):
    """Ids of tokens (N, T) and a state to logits (N, T, V) and the next state.

    PyTorch's LSTM has two bias vectors per layer where one does the same; the second is kept at
    zero and frozen, so that the parameters are those that Keras and the textbooks count.
    Orthogonal weights take a while: `initialise=False` is for a network whose weights are loaded.
    """

    def __init__(self, config: NetworkConfig, *, initialise: bool = True) -> None:
        super().__init__()
        self.config = config
        if config.input == "embedding":
            self.embedding: nn.Embedding | None = nn.Embedding(
                config.vocabulary_size, config.embedding_size
            )
            input_size = config.embedding_size
        else:
            self.embedding = None
            input_size = 1
        sizes = [input_size] + [config.hidden_size] * (config.layers - 1)
        self.lstms = nn.ModuleList(
            _lstm_layer(size, config.hidden_size, initialise) for size in sizes
        )
        self.topics = Topics(config) if config.topic_size else None
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden_size, config.vocabulary_size)
        nn.init.zeros_(self.head.bias)
        if self.embedding is not None and config.tied:
            nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
            self.head.weight = self.embedding.weight
        else:
            nn.init.xavier_uniform_(self.head.weight)

    @property
    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters() if p.requires_grad)  # tied ones once

    def initial_state(self, rows: int) -> LSTMState:
        """Return a state of zeros for N = `rows` rows."""
        config = self.config
        zeros = self.head.weight.new_zeros(config.layers, rows, config.hidden_size)
        return LSTMState(zeros, zeros.clone())

    def inputs(self, ids: Tensor) -> Tensor:
        """Return what the first layer reads: (N, T) ids to (N, T, E), or (N, T, 1) in 0–1."""
        if self.embedding is None:
            scaled = ids.to(self.head.weight.dtype) / self.config.vocabulary_size
            return scaled.unsqueeze(-1)  # (N, T) to (N, T, 1)
        embedded: Tensor = self.embedding(ids)
        return embedded

    def features(
        self, ids: Tensor, state: LSTMState, topics: Tensor | None = None
    ) -> tuple[Tensor, LSTMState]:
        """Return the last layer's outputs (N, T, H), dropout applied, and the next state.

        `topics` (N, T, 3K) are what each next token is about; None: nobody says.
        """
        outputs = self.inputs(ids)
        hidden, cell = [], []
        for index, layer in enumerate(self.lstms):
            before = outputs
            outputs, (h, c) = layer(  # (N, T, E or H) to (N, T, H); states are (1, N, H)
                before, (state.hidden[index : index + 1], state.cell[index : index + 1])
            )
            if self.config.residual and index > 0:
                outputs = outputs + before
            if self.topics is not None and topics is not None and index == 0:
                outputs = outputs + self.topics(topics)
            outputs = self.dropout(outputs)
            hidden.append(h)
            cell.append(c)
        return outputs, LSTMState(torch.cat(hidden), torch.cat(cell))  # (L, N, H)

    def forward(
        self,
        ids: Tensor,
        state: LSTMState | None = None,
        topics: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> tuple[Tensor, LSTMState]:
        """Read `ids` (N, T) from `state` (zeros if None); return logits (N, T, V) and the state.

        With `targets` (N, T), or (N,) after the last token, their mean loss (), in nats, instead of
        logits. `topics` as in `features`.
        """
        outputs, state = self.features(ids, state or self.initial_state(ids.shape[0]), topics)
        if targets is None:
            return self.head(outputs), state
        if targets.ndim == 1:
            outputs = outputs[:, -1]
        return head_loss(outputs.flatten(0, -2), self.head, targets.flatten()), state


class Topics(nn.Module):
    """What a line is about, as a vector that is added to the first layer's outputs.

    It is added for every token, so that it cannot be forgotten, and computed once a line.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        size = config.topic_size
        self.vectors: Tensor
        self.register_buffer("vectors", torch.zeros(config.vocabulary_size, size))
        self.weight = nn.Parameter(torch.zeros(config.hidden_size, 3 * size))

    def forward(self, topics: Tensor) -> Tensor:
        """Return vectors (N, T, H) within 1, for what lines are about (N, T, 3K): the poem's topic,
        the line's keyword and its last word.
        """
        return torch.tanh(nn.functional.linear(topics, self.weight))


def _lstm_layer(inputs: int, hidden: int, initialise: bool) -> nn.LSTM:
    """Make a layer: Glorot inputs, orthogonal recurrence per gate (Saxe et al. 2014), and a
    forget bias of 1 (Jozefowicz et al. 2015)."""
    layer = nn.LSTM(inputs, hidden, batch_first=True)
    nn.init.zeros_(layer.get_parameter("bias_hh_l0")).requires_grad_(False)
    if not initialise:
        return layer
    nn.init.xavier_uniform_(layer.get_parameter("weight_ih_l0"))
    for gate in layer.get_parameter("weight_hh_l0").data.chunk(4):  # (4 * H, H) to 4 of (H, H)
        nn.init.orthogonal_(gate)
    bias = nn.init.zeros_(layer.get_parameter("bias_ih_l0"))
    bias.data[hidden : 2 * hidden] = 1.0  # gates stand in the order i f g o
    return layer


def network_of(model: Model) -> StackedLSTM:
    """Make a model's network, in eval mode."""
    network = StackedLSTM(model.network, initialise=False)
    own = {name: zeros for name, zeros in network.state_dict().items() if name.endswith(FROZEN)}
    given = {name: torch.from_numpy(values) for name, values in model.tensors.items()}
    if model.network.tied:
        given[HEAD] = given[EMBEDDING]
    network.load_state_dict(own | given)
    return network.eval()


def tensors_of(network: StackedLSTM) -> Tensors:
    """Return a network's weights as a model file holds them."""
    return {
        name: tensor.detach().to("cpu", torch.float32).contiguous().numpy()
        for name, tensor in network.state_dict().items()
        if not (name.endswith(FROZEN) or (network.config.tied and name == HEAD))
    }


# Starting with another model's weights


def known_share(text: str, vocabulary: Vocabulary) -> float:
    """Return which share of `text` is made of characters of `vocabulary`; spaces do not count."""
    counts = Counter("".join(text.split()))
    known = sum(count for character, count in counts.items() if character in vocabulary.ids)
    return known / max(counts.total(), 1)


def choose_start(
    requested: str | None, text: str, base: Path = BASE_MODEL
) -> tuple[Model | None, str]:
    """Return the model to start with, if any, and a sentence about it for the person who trains.

    `requested` is a path or "none"; None is the base model, where it knows the book's script.
    Raises a CheckpointError for a file that cannot be used.
    """
    if requested == "none":
        return None, ""
    if requested is not None:
        start = load_model(Path(requested))
        return start, f"Starting with the weights of {requested}."
    if not base.exists():
        return None, "The base model is not installed, so the training starts without it."
    start = load_model(base)
    share = known_share(text.lower(), start.vocabulary)
    if share < KNOWN_SHARE:
        return None, (
            f"The base model knows {share:.0%} of the book's characters, which is too few, "
            "so the training starts without it."
        )
    return start, f"Starting with the base model, {start.card.book_title}."


@torch.no_grad()
def adopt_weights(network: StackedLSTM, vocabulary: Vocabulary, start: Model) -> None:
    """Copy a model's weights; tokens that both vocabularies have keep their rows.

    A character that the other one lacks begins as what it is folded to, é as e, if that is one.

    Raises StartMismatch where the networks differ in more than the vocabulary and dropout.
    """
    theirs, ours = start.network, network.config
    for field in SHAPE:
        if getattr(theirs, field) != getattr(ours, field):
            raise StartMismatch(field, getattr(theirs, field), getattr(ours, field))
    known = start.vocabulary.ids
    nearest = {x: x if x in known else start.vocabulary.fold(x).text for x in vocabulary.tokens}
    rows = [(vocabulary.ids[x], known[near]) for x, near in nearest.items() if near in known]
    to, of = zip(*rows, strict=True) if rows else ((), ())
    own, given = network.state_dict(), network_of(start).state_dict()
    for name, weight in own.items():
        if name.startswith("lstms.") or name == TOPIC_WEIGHT:
            weight.copy_(given[name])
        else:  # embedding.weight (V, E), head.weight (V, H), head.bias (V,), topics.vectors (V, K)
            weight[list(to)] = given[name][list(of)]
