"""Runs of the book: hashed alike on both sides, and never written, whatever the settings."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.checkpoint import expected_shapes
from model.config import NetworkConfig, SamplingConfig
from model.kernel import Batch, checked_instruction_set, quantize_network
from model.kernel.filters import GRAM, MAX_RUN, RING, grams_of, is_in_book, note_gram

ALPHABET = "\n abc"
SPACES = np.array([character.isspace() for character in ALPHABET])
CONFIG = NetworkConfig(vocabulary_size=5, embedding_size=4, hidden_size=16, layers=1)


def ids_of(text: str) -> list[int]:
    return [ALPHABET.index(character) for character in text]


def collapse(text: str) -> str:
    text = text.replace("\n", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text


@settings(max_examples=50)
@given(st.text(ALPHABET, max_size=60), st.text(ALPHABET, max_size=60))
def test_a_row_finds_the_grams_that_the_book_has(book: str, text: str) -> None:
    known = grams_of(np.array(ids_of(book), np.int64), SPACES)
    ring, state = np.zeros(RING, np.uint64), np.zeros(3, np.int64)
    read = ""
    for character in book[7:] + text:
        id_ = ALPHABET.index(character)
        space = bool(SPACES[id_])
        if not (space and state[1] == 1):
            gram = collapse(read + character)[-GRAM:]
            expected = len(gram) == GRAM and gram in collapse(book)
            assert is_in_book(id_, space, ring, state, known) == expected
        note_gram(id_, space, ring, state, known)
        read += character


def test_a_book_shorter_than_a_run_has_none() -> None:
    assert len(grams_of(np.array(ids_of("abc abc")), SPACES)) == 0


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingConfig(greedy=True),
        SamplingConfig(temperature=0.05),
        SamplingConfig(temperature=1.0, top_k=1),
        SamplingConfig(temperature=1.0, top_p=0.01, repetition_guard=5),
        SamplingConfig(temperature=2.0, min_p=0.9),
    ],
    ids=["greedy", "cold", "top-k", "top-p", "min-p"],
)
def test_no_run_of_the_book_longer_than_may_be_is_written(sampling: SamplingConfig) -> None:
    """The book is what this very network writes when nothing holds it back."""
    generator = np.random.default_rng(4)
    tensors = {
        name: generator.normal(0, 1, shape).astype(np.float32)
        for name, shape in expected_shapes(CONFIG).items()
    }

    def write(grams: np.ndarray) -> str:
        batch = Batch(
            quantize_network(CONFIG, tensors),
            1,
            checked_instruction_set(),
            characters=ALPHABET,
            grams=grams,
        )
        batch.begin(sampling, 7)
        batch.join(2)
        return "".join(ALPHABET[id_] for id_ in batch.write(400)[0])

    book = write(np.empty(0, np.uint32))
    text = write(grams_of(np.array(ids_of(book)), SPACES))
    runs = {collapse(book)[n : n + MAX_RUN + 1] for n in range(len(collapse(book)) - MAX_RUN)}
    written = collapse(text)
    longest = [written[n : n + MAX_RUN + 1] for n in range(len(written) - MAX_RUN)]
    assert book != text
    assert len(longest) > 20
    assert not runs & set(longest)


def test_random_text_is_seldom_taken_for_the_book() -> None:
    chance = random.Random(3)
    book = chance.choices(range(5), k=5_000)
    known = grams_of(np.array(book), SPACES)
    ring, state = np.zeros(RING, np.uint64), np.zeros(3, np.int64)
    found = 0
    for _ in range(5_000):
        id_ = chance.randrange(5)
        found += is_in_book(id_, bool(SPACES[id_]), ring, state, known)
        note_gram(id_, bool(SPACES[id_]), ring, state, known)
    assert found == 0
