"""What never comes out, whatever the settings: runs of the book, and words to avoid.

Runs are hashed alike on both sides. A word to avoid is known whatever its case; longer words that
begin so may come.
"""

import random
import re
import sys

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from model.characters import skeleton
from model.checkpoint import expected_shapes
from model.config import NetworkConfig, Sampling, Tensors
from model.kernel import Batch, checked_instruction_set, quantize_network
from model.kernel.filters import (
    GRAM,
    MAX_RUN,
    WHITE_SPACE,
    add_letter,
    begin_word,
    grams_of,
    hash_of,
    is_in_book,
    letters_of,
    note_symbol,
    symbols_of,
)
from model.kernel.state import AFTER_SPACE, COUNT, RING

BOOK_ALPHABET = "\n abc"
SPACES = np.array([character.isspace() for character in BOOK_ALPHABET])
SYMBOLS = symbols_of(BOOK_ALPHABET)[:, 0].tolist()
WORD_ALPHABET = "\n AaBb'"
WORDS = re.compile(r"[^\W\d_]+")
MARKS = regex.findall(r"\p{M}", "".join(map(chr, range(sys.maxunicode + 1))))


def network_of(alphabet: str) -> tuple[NetworkConfig, Tensors]:
    config = NetworkConfig(
        vocabulary_size=len(alphabet), embedding_size=4, hidden_size=16, layers=1
    )
    generator = np.random.default_rng(4)
    return config, {
        name: generator.normal(0, 1, shape).astype(np.float32)
        for name, shape in expected_shapes(config).items()
    }


# Runs of the book


def ids_of(text: str) -> list[int]:
    return [BOOK_ALPHABET.index(character) for character in text]


def collapse(text: str) -> str:
    text = text.replace("\n", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text


@settings(max_examples=50)
@given(st.text(BOOK_ALPHABET, max_size=60), st.text(BOOK_ALPHABET, max_size=60))
def test_a_row_finds_the_grams_that_the_book_has(book: str, text: str) -> None:
    known = grams_of(np.array(ids_of(book), np.int64), SPACES)
    ring, state = np.zeros(RING, np.uint64), np.zeros(3, np.int64)
    read = ""
    for character in book[7:] + text:
        symbol = SYMBOLS[BOOK_ALPHABET.index(character)]
        if symbol != WHITE_SPACE or state[AFTER_SPACE] == 0:
            gram = collapse(read + character)[-GRAM:]
            expected = len(gram) == GRAM and gram in collapse(book)
            assert is_in_book(symbol, ring, state[COUNT], known) == expected
        note_symbol(symbol, ring, state, known)
        read += character


def test_a_book_shorter_than_a_run_has_none() -> None:
    assert len(grams_of(np.array(ids_of("abc abc")), SPACES)) == 0


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(greedy=True),
        Sampling(temperature=0.05),
        Sampling(temperature=1.0, top_k=1),
        Sampling(temperature=1.0, top_p=0.01, repetition_guard=5),
        Sampling(temperature=2.0, min_p=0.9),
    ],
    ids=["greedy", "cold", "top-k", "top-p", "min-p"],
)
def test_no_run_of_the_book_longer_than_may_be_is_written(sampling: Sampling) -> None:
    """The book is what this very network writes when nothing holds it back."""
    network = quantize_network(*network_of(BOOK_ALPHABET))

    def write(grams: np.ndarray) -> str:
        batch = Batch(
            network,
            1,
            checked_instruction_set(),
            tokens=BOOK_ALPHABET,
            grams=grams,
        )
        batch.begin(sampling, 7)
        batch.join(2)
        return "".join(BOOK_ALPHABET[id_] for id_ in batch.write(400)[0])

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
        symbol = SYMBOLS[chance.randrange(5)]
        found += is_in_book(symbol, ring, state[COUNT], known)
        note_symbol(symbol, ring, state, known)
    assert found == 0


# Words to avoid


def write(avoided: tuple[str, ...], prompt: str = "\n", alphabet: str = WORD_ALPHABET) -> str:
    network = quantize_network(*network_of(alphabet))
    batch = Batch(network, 1, checked_instruction_set(), tokens=alphabet)
    batch.begin(Sampling(temperature=1.5), 7, avoided)
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
    alphabet = WORD_ALPHABET.replace("'", unseen)
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


def word_of(text: str) -> int:
    """Return the hash that a row has of `text`, character by character."""
    word = np.zeros(1, np.uint64)
    begin_word(word, 0)
    for codes in letters_of(text):
        add_letter(codes, word, 0)
    return int(word[0])


def words_in(text: str) -> set[str]:
    return set(regex.findall(r"[\p{L}\p{M}]+", skeleton(text)))


def test_no_mark_hides_a_word_of_a_script_that_is_written_without() -> None:
    assert len(MARKS) > 2400
    hidden = [mark for mark in MARKS if word_of(f"ro{mark}se{mark}") != hash_of("rose")]
    assert hidden == []
    assert word_of("ros") != hash_of("rose")


def test_no_mark_that_only_decorates_hides_a_word_of_another_script() -> None:
    for mark in "\u0336\u0489\u20dd\u0301":
        assert word_of(f"क{mark}ी") == hash_of("की")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        *(("ｆｉｒｅ", "fire"), ("ﬁre", "fire"), ("Ⓕ𝓲re", "fire"), ("oﬃce", "office")),
        *(("CAFÉ", "café"), ("Cafe\u0301", "café"), ("cafe", "café"), ("café", "cafe")),
        *(("Straße", "strasse"), ("STRASSE", "straße"), ("ΛΌΓΟΣ", "λόγος"), ("한글", "한글")),
        *(("की", "की"), ("हिन्दी", "हिन्दी"), ("น้ำ", "น้ำ"), ("שָׁלוֹם", "שָׁלוֹם"), ("x™", "")),
    ],
)
def test_a_word_is_known_however_it_is_written(text: str, word: str) -> None:
    assert word_of(text) == (hash_of(word) if word else word_of(" "))


@pytest.mark.parametrize(
    ("text", "word"), [("की", "का"), ("की", "क"), ("น้ำ", "นา"), ("roe", "rose")]
)
def test_words_that_differ_in_their_letters_or_vowel_signs_are_two(text: str, word: str) -> None:
    assert word_of(text) != hash_of(word)


@pytest.mark.parametrize(
    ("alphabet", "avoided"),
    [
        ("\n ＡａbB'", ("ab", "ba", "a")),
        ("\n ﬁfiA'", ("fi", "fif", "fia")),
        ("\n Aab\u0336'", ("ab", "ba", "a")),
        ("\n Aa\u0489\u20ddb", ("ab", "ba", "a")),
        ("\n Aa\u0941bB", ("ab", "ba", "a")),
        ("\n áàbB'", ("ab", "ba", "a")),
        ("\n कखीु'", ("की", "कु", "कख")),
    ],
)
def test_no_character_of_an_alphabet_hides_a_word(alphabet: str, avoided: tuple[str, ...]) -> None:
    assert words_in(write((), alphabet=alphabet)) & set(avoided)
    held_back = words_in(write(avoided, alphabet=alphabet).rsplit(None, 1)[0])
    assert held_back
    assert not held_back & set(avoided)


def test_a_part_of_a_word_that_has_no_letter_forbids_nothing() -> None:
    alphabet = "\n Aab\u0940'"
    assert write(("\u0940",), alphabet=alphabet) == write((), alphabet=alphabet)


# What is shown as a sign of replacement


@pytest.mark.parametrize("sign", "\ufffd\x1b\u202e\x85")
def test_what_is_shown_as_a_sign_of_replacement_is_never_written(sign: str) -> None:
    alphabet = WORD_ALPHABET.replace("'", sign)
    assert "'" in write(())  # the same network
    assert sign not in write((), alphabet=alphabet)
    assert set(write((), alphabet=alphabet)) == set(alphabet) - {sign}


def test_a_model_that_knows_nothing_but_such_signs_writes_on() -> None:
    assert len(write((), "\x01", "\x01\x02\x03\x04\x05\x06\ufffd")) == 1000
