"""The judges of verse, as far as they need no other program."""

import pytest

from bench.judges import Judges, Sound, _of_arpabet, _of_ipa
from bench.poem_seeds import HOSTILE, LONG, ORDINARY, SEEDS, SINGLE
from bench.poems import Sample, _distinct, _kin, _repeats, shakespeare

BOOK = "Along the quay the lanterns\nhad gone out, and no one sang."


def spoken(phones: str) -> tuple[Sound, ...]:
    sound = _of_arpabet(phones.split())
    assert sound is not None
    return (sound,)


def judges_of(**sounds: tuple[Sound, ...]) -> Judges:
    return Judges(BOOK, dict(sounds))


def test_a_hundred_seeds_of_four_kinds_are_asked_for() -> None:
    assert (len(ORDINARY), len(SINGLE), len(LONG), len(HOSTILE)) == (50, 20, 15, 15)
    assert len(set(SEEDS)) == 100


def test_the_sounds_of_espeak_and_of_the_dictionary_are_read() -> None:
    assert _of_ipa("ə_b_ˈʌ_v") == Sound((2,), "01", ("ʌ", "v"), ("b",))
    assert _of_arpabet("AH0 B AH1 V".split()) == Sound((2,), "01", ("AH", "V"), ("B",))
    assert _of_ipa("f_ˈaɪɚ") == Sound((1, 2), "1", ("aɪɚ",), ("f",))
    assert _of_ipa("s") is None


def test_lines_are_iambic_where_stresses_can_fall_so() -> None:
    judges = judges_of(
        above=spoken("AH0 B AH1 V"),
        river=spoken("R IH1 V ER0"),
        the=spoken("DH AH0"),
    )
    assert judges.is_iambic(["above", "the", "river"], 5)
    assert judges.is_iambic(["river", "the", "the"], 4)  # a trochee may begin
    assert not judges.is_iambic(["the", "above"], 3)
    assert judges.syllables(["above", "the", "river"]) == {5}


def test_a_rhyme_has_another_beginning() -> None:
    glove = Sound((1,), "1", ("AH", "V"), ("G", "L"))
    love = Sound((1,), "1", ("AH", "V"), ("L",))
    judges = judges_of(glove=(glove,), love=(love,), luv=(love,))
    assert judges.rhymes("love", "glove")
    assert not judges.rhymes("love", "luv")
    assert not judges.rhymes("love", "love")


@pytest.mark.parametrize(
    ("text", "run"),
    [("They sang: the LANTERNS had gone home", len(" the lanterns had gone ")), ("jxj", 0)],
)
def test_the_longest_run_of_the_book_is_found_across_lines(text: str, run: int) -> None:
    assert Judges(BOOK).shared_run(text) == run


def test_lines_of_the_seed_do_not_count() -> None:
    sample = Sample("one two three four", "one two\nthree four five\nsix\n\nseven")
    assert list(sample.own_lines) == [2, 3]
    assert list(Sample("", "one\ntwo").own_lines) == [0, 1]


def test_forms_of_a_word_are_kin() -> None:
    assert _kin("summer", "summer's")
    assert _kin("remember", "remembered")
    assert not _kin("sea", "seal")
    assert not _kin("remember", "rememberest-me")


def test_repetition_is_counted() -> None:
    words = "a b c a b c d".split()
    assert _repeats(words) == 1
    assert _distinct(words, 1) == 4 / 7
    assert _distinct(words, 2) == 4 / 6


def test_sonnets_of_the_tail_are_taken_whole() -> None:
    poem = "\n".join(f"line {chr(97 + n)}" for n in range(14))
    book = ("x" * 5000) + "\n\n" + "12\n" + poem + "\n\nhalf\na poem"
    assert [sample.text for sample in shakespeare(book)] == [poem]
