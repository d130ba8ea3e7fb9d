"""The check at every start: does this processor compute what plain numpy does?

The quickest instruction set is taken that passes; `reference.py` says what is right.
"""

from __future__ import annotations

import logging
from functools import cache

import numpy as np

from model.config import NetworkConfig, Sampling, Tensors
from model.kernel import compilation
from model.kernel.batch import Batch
from model.kernel.instruction_sets import InstructionSet, Plain, best_instruction_set
from model.kernel.quantization import Floats, quantize_network
from model.kernel.reference import reference_logits

log = logging.getLogger(__name__)

# Enough for padding, two blocks of logits, and sums as large as a wide network has.
TRIAL = NetworkConfig(vocabulary_size=70, embedding_size=6, hidden_size=200, layers=2)
TRIAL_STEPS = 6
ROWS = 7  # 4 + 2 + 1, or 3 + 3 + 1: every width in which rows are computed
TOLERANCE = 0.01  # of a logit, where logits are about 2: a byte may be rounded otherwise


@cache
def checked_instruction_set() -> InstructionSet:
    """Return the quickest one that passes `agrees_with_reference`; compile it if need be."""
    if not compilation.is_compiled():
        log.warning(compilation.announcement(compilation.CACHE, compilation.PLACES))
    best = best_instruction_set()
    with compilation.one_at_a_time(compilation.CACHE):
        if agrees_with_reference(best):
            return best
    log.warning("%s does not compute rightly here; a slower way is taken", type(best).__name__)
    return Plain()


def agrees_with_reference(isa: InstructionSet) -> bool:
    """Whether a trial network gives the logits that plain sums give, in rows of every width."""
    tensors = trial_tensors(TRIAL)
    batch = Batch(quantize_network(TRIAL, tensors), ROWS, isa)
    greedy = Sampling(greedy=True)
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
