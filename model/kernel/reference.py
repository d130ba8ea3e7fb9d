"""The network in plain numpy: read this first, the rest of the kernel is the same made quick.

One row, one token after another, float64, no batch. Names of shapes: T tokens, V tokens that the
model knows, E numbers of an embedding, H hidden units, L layers. The four gates of an LSTM are
i (input), f (forget), g (candidate) and o (output), in this order in the weights of a model file.

The quick network must equal this one: `selfcheck.py` compares them at every start. Both round what
one layer gives to the next to a byte, 254 steps between -1 and 1; the quick one rounds weights too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.config import NetworkConfig, Sampling, Tensors

Float64s = NDArray[np.float64]
ACTIVATION_ONE = 127  # steps of a byte that stand for an activation of 1
TOPIC_STEPS = 1024  # in what a topic adds


def reference_logits(
    config: NetworkConfig,
    tensors: Tensors,
    ids: Sequence[int],
    topic: NDArray[np.floating] | None = None,
) -> Float64s:
    """Return the logits (T, V) of what follows each of `ids` (T,), read from the beginning.

    `topic` (H,) is what they are about, see `topic_vector`.

    With all weights 0 the network says what its head's bias says, whatever it reads:

    >>> config = NetworkConfig(vocabulary_size=3, embedding_size=1, hidden_size=1, layers=1)
    >>> shapes = {"embedding.weight": (3, 1), "lstms.0.weight_ih_l0": (4, 1)}
    >>> shapes |= {"lstms.0.weight_hh_l0": (4, 1), "lstms.0.bias_ih_l0": (4,)}
    >>> tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    >>> tensors |= {"head.weight": np.zeros((3, 1), np.float32)}
    >>> tensors |= {"head.bias": np.array([1, 2, 3], np.float32)}
    >>> reference_logits(config, tensors, [0, 2]).tolist()
    [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]

    Let each token's embedding be its id, let i and o be open and f be shut, and let the head's
    first logit be the hidden value. What it says is then tanh(tanh(id)), to a byte:

    >>> tensors["embedding.weight"] = np.array([[0], [1], [2]], np.float32)
    >>> tensors["lstms.0.weight_ih_l0"] = np.array([[0], [0], [1], [0]], np.float32)  # i f g o
    >>> tensors["lstms.0.bias_ih_l0"] = np.array([99, -99, 0, 99], np.float32)
    >>> tensors["head.weight"] = np.array([[1], [0], [0]], np.float32)
    >>> [round(x - 1, 3) for x in reference_logits(config, tensors, [0, 1, 2])[:, 0].tolist()]
    [0.0, 0.646, 0.748]
    """
    hidden = np.zeros((config.layers, config.hidden_size))  # (L, H)
    cell = np.zeros((config.layers, config.hidden_size))  # (L, H)
    vectors = input_vectors(config, tensors).astype(np.float64)  # (V, E)
    logits = []
    for id_ in ids:
        below = vectors[id_]  # (E,); (H,) from the second layer on
        # (H,), the sum of outputs of a residual network
        stream = np.zeros(config.hidden_size) if topic is None else topic
        for layer in range(config.layers):
            gates = (
                tensors[f"lstms.{layer}.weight_ih_l0"] @ below  # (4H, E or H) @ (E or H,)
                + tensors[f"lstms.{layer}.weight_hh_l0"] @ _rounded(hidden[layer])  # (4H, H) @ (H,)
                + tensors[f"lstms.{layer}.bias_ih_l0"]  # (4H,)
            )
            i, f, g, o = np.split(gates, 4)  # (H,) each
            cell[layer] = _sigmoid(f) * cell[layer] + _sigmoid(i) * np.tanh(g)
            hidden[layer] = _sigmoid(o) * np.tanh(cell[layer])
            stream = hidden[layer] + (stream if config.residual else 0.0)
            bound = activation_bound(config, layer)
            below = _rounded(stream / bound) * bound
        logits.append(head_weights(config, tensors) @ below + tensors["head.bias"])  # (V, H) @ (H,)
    return np.array(logits).reshape(-1, config.vocabulary_size)  # (T, V), for T = 0 too


def reference_probs(logits: Float64s, sampling: Sampling) -> Float64s:
    """Return the probabilities (V,) from which the next token is drawn, of its logits (V,).

    >>> two = Sampling(temperature=1.0, top_k=2)
    >>> reference_probs(np.log([0.5, 0.3, 0.2]), two).round(3).tolist()
    [0.625, 0.375, 0.0]
    """
    if sampling.greedy:
        likeliest: Float64s = np.eye(len(logits))[logits.argmax()]  # a row of (V, V)
        return likeliest
    probs: Float64s = np.exp((logits - logits.max()) / sampling.temperature)  # (V,)
    order = np.argsort(-probs, kind="stable")  # (V,), ids, the likeliest first
    if sampling.top_k:
        probs[order[sampling.top_k :]] = 0.0
    likelier = np.cumsum(probs[order]) - probs[order]  # (V,), how much is before each in `order`
    probs[order[likelier >= sampling.top_p * probs.sum()]] = 0.0
    probs[probs < sampling.min_p * probs.max()] = 0.0
    probs /= probs.sum()
    return probs


def activation_bound(config: NetworkConfig, layer: int) -> float:
    """Return what a layer's output stays within: hidden values do within 1, as does a topic, and
    residuals add.
    """
    return float(layer + 1 + (config.topic_size > 0)) if config.residual else 1.0


def topic_vector(weight: Float64s, topic: Float64s) -> NDArray[np.float32]:
    """Return what is added to the first layer's output (H,), within 1, for `topic` (3K,): the
    poem's topic, the line's keyword and its last word.

    `weight` (H, 3K) is the tensor "topics.weight". Rounded, so that all processors agree.
    """
    values: Float64s = np.tanh(weight @ topic)  # (H, 3K) @ (3K,)
    rounded: Float64s = np.rint(values * TOPIC_STEPS) / TOPIC_STEPS
    return rounded.astype(np.float32)


def input_vectors(config: NetworkConfig, tensors: Tensors) -> NDArray[np.float32]:
    """Return what the first layer reads for each token (V, E), or (V, 1)."""
    if config.input == "embedding":
        return tensors["embedding.weight"]
    size = config.vocabulary_size
    return (np.arange(size, dtype=np.float32) / np.float32(size))[:, None]  # (V,) → (V, 1)


def head_weights(config: NetworkConfig, tensors: Tensors) -> NDArray[np.float32]:
    """Return what makes logits of the last layer's output (V, H)."""
    return tensors["embedding.weight" if config.tied else "head.weight"]


def _rounded(values: Float64s) -> Float64s:
    return np.rint(values * ACTIVATION_ONE) / ACTIVATION_ONE


def _sigmoid(values: Float64s) -> Float64s:
    return (1 + np.tanh(values / 2)) / 2
