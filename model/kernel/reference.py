"""Which arithmetic to take: the quickest that computes rightly on the processor at hand."""

from __future__ import annotations

import logging
from functools import cache

import numpy as np
from numpy.typing import NDArray

from model.config import NetworkConfig, SamplingConfig, Tensors
from model.kernel import compilation
from model.kernel.batch import Batch
from model.kernel.quantization import Floats, activation_bound, input_vectors, quantize_network
from model.kernel.tiles import InstructionSet, Plain, best_instruction_set

log = logging.getLogger(__name__)

# Enough for padding, two blocks of logits, and sums as large as a wide network has.
TRIAL = NetworkConfig(vocabulary_size=70, embedding_size=6, hidden_size=200, layers=2)
TRIAL_STEPS = 6
ROWS = 7  # 4 + 2 + 1: every width in which rows are computed
TOLERANCE = 0.01  # of a logit, where logits are about 2: a byte may be rounded otherwise


@cache
def checked_instruction_set() -> InstructionSet:
    """Return the quickest one that passes `agrees_with_reference`; compile it if need be."""
    if not compilation.is_compiled():
        log.warning(compilation.announcement(compilation.CACHE, compilation.PLACES))
    best = best_instruction_set()
    if agrees_with_reference(best):
        return best
    log.warning("%s does not compute rightly here; a slower way is taken", type(best).__name__)
    return Plain()


def agrees_with_reference(isa: InstructionSet) -> bool:
    """Whether a trial network gives the logits that plain sums give, in rows of every width."""
    tensors = trial_tensors(TRIAL)
    batch = Batch(quantize_network(TRIAL, tensors), ROWS, isa)
    greedy = SamplingConfig(greedy=True)
    first = [3]
    for _ in range(ROWS):
        batch.begin(greedy, 0)
        batch.join(first[0])
    written = batch.write(TRIAL_STEPS)
    ids = [*first, *written[0][:-1]]
    batch.begin(greedy, 0)
    logits = batch.predict(ids)
    return bool(
        (np.array(written) == logits.argmax(axis=1)).all()
        and np.abs(logits - reference_logits(TRIAL, tensors, ids)).max() < TOLERANCE
    )


def trial_tensors(config: NetworkConfig) -> Tensors:
    """Return weights on the grid of the bytes, large ones many, so that hidden values saturate."""
    generator = np.random.default_rng(0)
    hidden, vocabulary = config.hidden_size, config.vocabulary_size

    def weights(rows: int, columns: int, largest: float) -> Floats:
        whole = generator.choice([-64, -63, -20, -1, 0, 7, 63, 64], (rows, columns))
        whole[:, 0] = 64
        return (whole * (largest / 64)).astype(np.float32)

    tensors = {"embedding.weight": weights(vocabulary, config.embedding_size, 1.0)}
    for layer in range(config.layers):
        inputs = hidden if layer else config.embedding_size
        tensors[f"lstms.{layer}.weight_ih_l0"] = weights(4 * hidden, inputs, 0.1)
        tensors[f"lstms.{layer}.weight_hh_l0"] = weights(4 * hidden, hidden, 0.1)
        tensors[f"lstms.{layer}.bias_ih_l0"] = weights(4 * hidden, 1, 1.0)[:, 0]
    tensors["head.weight"] = weights(vocabulary, hidden, 0.1)
    tensors["head.bias"] = weights(vocabulary, 1, 1.0)[:, 0]
    return tensors


def reference_logits(
    config: NetworkConfig, tensors: Tensors, ids: list[int]
) -> NDArray[np.float64]:
    """Return logits (T, V) in float64, activations rounded to the kernel's bytes."""
    size, layers = config.hidden_size, config.layers
    hidden, cell = np.zeros((layers, size)), np.zeros((layers, size))
    inputs = input_vectors(config, tensors).astype(np.float64)
    logits = []
    for id_ in ids:
        below = inputs[id_]
        stream = np.zeros(size)
        for layer in range(layers):
            i, f, g, o = np.split(
                tensors[f"lstms.{layer}.weight_ih_l0"] @ below
                + tensors[f"lstms.{layer}.weight_hh_l0"] @ _rounded(hidden[layer])
                + tensors[f"lstms.{layer}.bias_ih_l0"],
                4,
            )
            cell[layer] = _sigmoid(f) * cell[layer] + _sigmoid(i) * np.tanh(g)
            hidden[layer] = _sigmoid(o) * np.tanh(cell[layer])
            stream = hidden[layer] + (stream if config.residual else 0.0)
            bound = activation_bound(config, layer)
            below = _rounded(stream / bound) * bound
        logits.append(tensors["head.weight"] @ below + tensors["head.bias"])
    return np.array(logits)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.rint(values * 127) / 127


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 + np.tanh(values / 2)) / 2
