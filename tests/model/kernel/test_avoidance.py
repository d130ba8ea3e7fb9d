"""Words to avoid: never whole, whatever their case; longer words that begin so may come."""

import re
import sys

import numpy as np
import pytest
import regex

from model.checkpoint import expected_shapes
from model.config import NetworkConfig, SamplingConfig
from model.kernel import Batch, checked_instruction_set, quantize_network
from model.kernel.avoidance import add_letter, begin_word, hash_of, letters_of
from model.vocabulary import skeleton

ALPHABET = "\n AaBb'"
CONFIG = NetworkConfig(vocabulary_size=7, embedding_size=4, hidden_size=16, layers=1)
WORDS = re.compile(r"[^\W\d_]+")
MARKS = regex.findall(r"\p{M}", "".join(map(chr, range(sys.maxunicode + 1))))


def write(avoided: tuple[str, ...], prompt: str = "\n", alphabet: str = ALPHABET) -> str:
    generator = np.random.default_rng(4)
    tensors = {
        name: generator.normal(0, 1, shape).astype(np.float32)
        for name, shape in expected_shapes(CONFIG).items()
    }
    batch = Batch(
        quantize_network(CONFIG, tensors), 1, checked_instruction_set(), characters=alphabet
    )
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
    alphabet = ALPHABET.replace("'", sign)
    assert "'" in write(())  # the same network
    assert sign not in write((), alphabet=alphabet)
    assert set(write((), alphabet=alphabet)) == set(alphabet) - {sign}


def test_a_model_that_knows_nothing_but_such_signs_writes_on() -> None:
    assert len(write((), "\x01", "\x01\x02\x03\x04\x05\x06\ufffd")) == 1000
