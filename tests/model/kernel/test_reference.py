"""The plain network is torch's, and its probabilities are those that the kernel draws from."""

import numpy as np
import pytest
import torch

from model.config import NetworkConfig, Sampling
from model.kernel import Batch, checked_instruction_set, quantize_network
from model.kernel.reference import reference_logits, reference_probs, topic_vector
from model.kernel.sampling import draw_uniform
from model.kernel.selfcheck import trial_tensors
from model.training.network import StackedLSTM, tensors_of

V = 40
SHAPES = [
    NetworkConfig(vocabulary_size=V, embedding_size=5, hidden_size=24),
    NetworkConfig(vocabulary_size=V, input="scalar", hidden_size=16, layers=3, residual=True),
]


@pytest.mark.parametrize("config", SHAPES, ids=["embedding", "scalar"])
def test_the_plain_network_is_torchs_but_for_the_rounding_of_activations(
    config: NetworkConfig,
) -> None:
    torch.manual_seed(5)
    network = StackedLSTM(config).eval()
    ids = [n * n % V for n in range(50)]
    with torch.inference_mode():
        theirs = network(torch.tensor([ids]))[0][0].numpy()  # (1, T, V) → (T, V)
    ours = reference_logits(config, tensors_of(network), ids)
    assert ours.shape == theirs.shape == (50, V)
    assert np.abs(ours - theirs).max() < 0.02


def test_a_topic_is_what_torch_makes_of_it() -> None:
    config = NetworkConfig(
        vocabulary_size=V, embedding_size=5, hidden_size=24, residual=True, topic_size=3
    )
    torch.manual_seed(5)
    network = StackedLSTM(config).eval()
    assert network.topics is not None
    torch.nn.init.normal_(network.topics.weight)
    ids, told = [n * n % V for n in range(50)], torch.randn(1, 1, 9)
    with torch.inference_mode():
        features, _ = network.features(
            torch.tensor([ids]), network.initial_state(1), told.expand(1, 50, 9)
        )
        theirs = network.head(features)[0].numpy()  # (1, T, V) → (T, V)
    tensors = tensors_of(network)
    topic = topic_vector(
        tensors["topics.weight"].astype(np.float64), told.numpy().ravel().astype(np.float64)
    )
    assert np.abs(reference_logits(config, tensors, ids, topic) - theirs).max() < 0.03


def test_nothing_read_is_nothing_expected() -> None:
    assert reference_logits(SHAPES[0], trial_tensors(SHAPES[0]), []).shape == (0, V)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(greedy=True),
        Sampling(temperature=0.7),
        Sampling(temperature=1.0, top_k=7),
        Sampling(temperature=1.0, top_p=0.6),
        Sampling(temperature=2.0, min_p=0.3),
        Sampling(temperature=1.5, top_k=20, top_p=0.9, min_p=0.05),
    ],
    ids=["greedy", "temperature", "top-k", "top-p", "min-p", "all"],
)
def test_a_row_draws_from_the_probabilities_of_plain_numpy(sampling: Sampling) -> None:
    """A network of zeros expects what its head's bias says, after whatever it has read."""
    tensors = {name: 0 * values for name, values in trial_tensors(SHAPES[0]).items()}
    logits = np.random.default_rng(2).normal(0, 2, V).astype(np.float32)
    tensors["head.bias"] = logits
    batch = Batch(quantize_network(SHAPES[0], tensors), 1, checked_instruction_set())
    batch.begin(sampling, 11)
    batch.join(0)
    [written] = batch.write(300)
    edges = np.concatenate([[0.0], np.cumsum(reference_probs(logits.astype(np.float64), sampling))])
    states = np.array([11], np.uint64)
    for id_ in written:
        uniform = draw_uniform(states, 0)
        assert edges[id_] - 1e-6 <= uniform < edges[id_ + 1] + 1e-6
        assert edges[id_ + 1] > edges[id_]
