"""Rows through the network: against plain sums, in any width, read at once or in parts."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.checkpoint import expected_shapes
from model.config import NetworkConfig, Sampling, Tensors
from model.kernel import Batch, checked_instruction_set, quantize_network
from model.kernel.quantization import TABLE_CHUNK, quantize
from model.kernel.reference import ACTIVATION_ONE, reference_logits, topic_vector
from model.kernel.state import CHUNK

GREEDY = Sampling(greedy=True)
SHAPES = [
    NetworkConfig(vocabulary_size=30, embedding_size=5, hidden_size=12, layers=1),
    NetworkConfig(vocabulary_size=70, embedding_size=9, hidden_size=40, layers=3, residual=True),
    NetworkConfig(vocabulary_size=5, input="scalar", hidden_size=64, layers=4),
    NetworkConfig(vocabulary_size=TABLE_CHUNK + 76, embedding_size=5, hidden_size=12, layers=1),
]
every_shape = pytest.mark.parametrize(
    "config", SHAPES, ids=["narrow", "residual", "scalar", "wide"]
)


def some_tensors(config: NetworkConfig) -> Tensors:
    generator = np.random.default_rng(3)
    return {
        name: generator.normal(0, 1.2 / np.sqrt(shape[-1]), shape).astype(np.float32)
        for name, shape in expected_shapes(config).items()
    }


def batch_of(config: NetworkConfig, max_rows: int = 4) -> Batch:
    return Batch(
        quantize_network(config, some_tensors(config)), max_rows, checked_instruction_set()
    )


def some_ids(config: NetworkConfig, count: int) -> list[int]:
    return random.Random(4).choices(range(config.vocabulary_size), k=count)


@every_shape
def test_the_logits_are_those_of_plain_sums(config: NetworkConfig) -> None:
    ids = some_ids(config, 100)
    batch = batch_of(config)
    batch.begin(GREEDY, 0)
    logits = batch.predict(ids)
    exact = reference_logits(config, some_tensors(config), ids)
    assert logits.shape == exact.shape == (100, config.vocabulary_size)
    assert np.abs(logits - exact).mean() < 0.05 * exact.std()  # weights are rounded, too


@every_shape
def test_what_is_read_costs_what_the_logits_say(config: NetworkConfig) -> None:
    ids = some_ids(config, CHUNK + 7)  # in two parts
    batch = batch_of(config)
    batch.begin(GREEDY, 0)
    logits = batch.predict(ids[:-1]).astype(np.float64)
    costs = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(ids) - 1), ids[1:]]
    batch.begin(GREEDY, 0)
    assert batch.surprisals(ids) == pytest.approx(costs, abs=1e-5)
    assert batch.surprisals(ids[:1]).shape == (0,)


def test_a_topic_is_added_to_the_first_layers_output_and_is_forgotten_at_a_new_beginning() -> None:
    config = SHAPES[1].model_copy(update={"topic_size": 4})
    tensors, ids = some_tensors(config), some_ids(config, 50)
    topic = topic_vector(tensors["topics.weight"].astype(np.float64), np.linspace(-3, 3, 12))
    batch = Batch(quantize_network(config, tensors), 2, checked_instruction_set())
    batch.begin(GREEDY, 0)
    untold = batch.predict(ids)
    batch.begin(GREEDY, 0)
    batch.set_topic(topic)
    told = batch.predict(ids)
    exact = reference_logits(config, tensors, ids, topic)
    assert np.abs(told - exact).mean() < 0.05 * exact.std()
    assert np.abs(told - untold).mean() > 0.2 * exact.std()
    batch.begin(GREEDY, 0)
    assert (batch.predict(ids) == untold).all()
    batch.begin(GREEDY, 0)
    batch.set_topic(topic)
    batch.join(ids[0])  # whoever writes is told what the one that read was
    assert batch.write(1)[0][0] == told[0].argmax()


@every_shape
@settings(max_examples=10)
@given(cuts=st.lists(st.integers(0, 150), max_size=4))
def test_a_prompt_read_in_parts_is_the_same_prompt(config: NetworkConfig, cuts: list[int]) -> None:
    ids = some_ids(config, 150)
    batch = batch_of(config)
    batch.begin(GREEDY, 0)
    whole = batch.predict(ids)
    batch.begin(GREEDY, 0)
    parts = [batch.predict(ids[begin:end]) for begin, end in pairwise([0, *sorted(cuts), len(ids)])]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@every_shape
def test_what_a_row_writes_is_what_reading_expects(config: NetworkConfig) -> None:
    """Writing steps all rows through each block, reading one row through each layer."""
    prompt = some_ids(config, 20)
    batch = batch_of(config)
    batch.begin(GREEDY, 0)
    batch.read(prompt[:-1])
    batch.join(prompt[-1])
    [written] = batch.write(40)
    batch.begin(GREEDY, 0)
    expected = batch.predict([*prompt, *written])[len(prompt) - 1 : -1].argmax(axis=1)
    assert written == expected.tolist()


@every_shape
def test_rows_that_join_move_and_leave_go_on_as_they_would_alone(config: NetworkConfig) -> None:
    kinds = [
        GREEDY,
        Sampling(temperature=1.3, repetition_guard=3),
        Sampling(temperature=1.0, top_k=3),
        Sampling(temperature=1.0, top_p=0.7),
        Sampling(temperature=1.5, min_p=0.1),
    ]
    prompts = [some_ids(config, 3 + n) for n in range(10)]

    def join(batch: Batch, number: int) -> None:
        batch.begin(kinds[number % len(kinds)], 1000 + number)
        batch.read(prompts[number][:-1])
        batch.join(prompts[number][-1])

    alone = []
    for number in range(10):
        batch = batch_of(config)
        join(batch, number)
        alone.append(batch.write(60)[0])
    batch, chance = batch_of(config, 7), random.Random(5)
    rows: list[int] = []
    texts: list[list[int]] = [[] for _ in range(10)]
    waiting = list(range(10))
    while waiting or rows:
        while waiting and len(rows) < chance.randrange(1, 8):
            rows.append(waiting.pop())
            join(batch, rows[-1])
        assert len(batch) == len(rows)
        for number, ids in zip(rows, batch.write(chance.randrange(1, 6)), strict=True):
            texts[number] += ids
        for place in reversed(range(len(rows))):
            if len(texts[rows[place]]) >= 50 or chance.random() < 0.05:
                batch.leave(place)
                last = rows.pop()
                if place < len(rows):
                    rows[place] = last
    for text, expected in zip(texts, alone, strict=True):
        assert text == expected[: len(text)]


def test_a_row_that_begins_anew_remembers_nothing() -> None:
    config = SHAPES[1]
    batch = batch_of(config)
    sampling = Sampling(temperature=1.0, repetition_guard=2)
    texts = []
    for _ in range(2):
        batch.begin(sampling, 7)
        batch.read([1, 2, 3, 1, 2, 3])
        batch.join(1)
        texts.append(batch.write(30)[0])
        batch.leave(0)
    assert texts[0] == texts[1]


def test_a_packed_matrix_is_itself_within_half_a_step() -> None:
    matrix = np.random.default_rng(1).normal(0, 1, (128, 24)).astype(np.float32)
    matrix[5] = 0.0
    quantized = quantize(matrix, np.zeros(128, np.float32))
    scale = quantized.scale.reshape(128, 1) * ACTIVATION_ONE
    # (2 blocks, 6 quads, 4, 16, 4) → (2, 4, 16, 6, 4) → (128, 24)
    whole = quantized.blocks.transpose(0, 2, 3, 1, 4).reshape(128, 24)
    assert np.abs(whole).max() == 64
    assert (np.abs(whole * scale - matrix) <= scale / 2 + 1e-6).all()
    assert (quantized.initial_sums.ravel() == -128 * whole.sum(axis=1, dtype=np.int32)).all()
