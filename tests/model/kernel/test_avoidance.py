"""Words to avoid: never whole, whatever their case; longer words that begin so may come."""

import re

import numpy as np
import pytest

from model.checkpoint import expected_shapes
from model.config import NetworkConfig, SamplingConfig
from model.kernel import Batch, checked_arithmetic, pack_network

ALPHABET = "\n AaBb'"
CONFIG = NetworkConfig(vocabulary_size=7, embedding_size=4, hidden_size=16, layers=1)
WORDS = re.compile(r"[^\W\d_]+")


def write(avoided: tuple[str, ...], prompt: str = "\n", alphabet: str = ALPHABET) -> str:
    generator = np.random.default_rng(4)
    tensors = {
        name: generator.normal(0, 1, shape).astype(np.float32)
        for name, shape in expected_shapes(CONFIG).items()
    }
    batch = Batch(pack_network(CONFIG, tensors), 1, checked_arithmetic(), characters=alphabet)
    batch.begin(SamplingConfig(temperature=1.5), 7, avoided)
    ids = [alphabet.index(character) for character in prompt]
    batch.read(ids[:-1])
    batch.join(ids[-1])
    return "".join(alphabet[id_] for id_ in batch.write(1000)[0])


@pytest.mark.parametrize("avoided", [("a",), ("ab", "ba", "a"), ("aa", "bb", "aba", "a", "b")])
def test_no_avoided_word_is_written(avoided: tuple[str, ...]) -> None:
    usual = {word.lower() for word in WORDS.findall(write(()))}
    held_back = {word.lower() for word in WORDS.findall(write(avoided)[:-40])}
    assert usual & set(avoided)  # or the test shows nothing
    assert not held_back & set(avoided)
    assert held_back  # other words came instead


def test_a_word_that_the_prompt_began_is_avoided_too() -> None:
    for number in range(3):
        written = write(("ab", "aba", "abb"), "\n" + "b" * number + " ab")
        word = WORDS.match("ab" + written)
        assert word is not None
        assert word[0].lower() not in ("ab", "aba", "abb")


@pytest.mark.parametrize("unseen", "\N{COMBINING GRAPHEME JOINER}\u3164\u200b\ufe0f\U000e0041")
def test_what_nobody_sees_hides_no_avoided_word(unseen: str) -> None:
    alphabet = ALPHABET.replace("'", unseen)
    usual, held_back = (
        {word.lower() for word in WORDS.findall(text.replace(unseen, ""))}
        for text in (
            write((), alphabet=alphabet),
            write(("ab", "ba", "a"), alphabet=alphabet)[:-40],
        )
    )
    assert usual & {"ab", "ba", "a"}
    assert not held_back & {"ab", "ba", "a"}
    assert held_back
