"""How words are said: by the dictionary, by rules, letter by letter."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.verse.pronunciation import DICTIONARY, Pronouncer, corrections, look_up, spell_out
from model.verse.prosody import MAX_SAID, Prosody
from tests.verse_words import ALPHABET, small_lexicon

SAY = Pronouncer()


def said(word: str) -> str:
    return " ".join(SAY.by_rule(word)[0].phones) if SAY.by_rule(word) else ""


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("increase", "IH2 N K R IY1 S"),  # the dictionary
        ("o'er", "AO1 R"),  # by hand
        ("feed'st", "F IY1 D S T"),
        ("buriest", "B EH1 R IY0 IH0 S T"),
        ("hateth", "HH EY1 T IH0 TH"),
        ("lov'd", "L AH1 V D"),
        ("stopp'd", "S T AA1 P T"),
        ("unkindness", "AH0 N K AY1 N D N AH0 S"),
        ("colours", "K AH1 L ER0 Z"),
        ("self-love", "S EH1 L F L AH1 V"),
        ("flow'r", "F L AW1 R"),
        ("whereto", "W EH0 R T UW1"),
        ("summer's", "S AH1 M ER0 Z"),
    ],
)
def test_words_are_said_by_rules_of_word_building(word: str, phones: str) -> None:
    assert phones in [" ".join(p.phones) for p in SAY.by_rule(word)]


def test_what_is_no_word_has_no_rule_but_is_spelled_out() -> None:
    assert SAY.by_rule("zlorp") == ()
    assert [p.stresses for p in SAY.pronounce("zlorp")] == ["1"]
    assert [p.rhyme for p in SAY.pronounce("zlorp")] == ["AO R P"]


def test_the_dictionary_is_found_from_its_first_entry_to_its_last() -> None:
    assert look_up("'bout") == (("B", "AW1", "T"),)
    assert look_up("zyuganov") != ()
    assert look_up("hour") == (("AW1", "ER0"), ("AW1", "R"))
    assert look_up("") == look_up("no such entry") == look_up("été") == ()


def test_what_is_written_by_hand_has_known_sounds() -> None:
    sounds = {phone for word in ("judge", "vision", "thought") for phone in look_up(word)[0]}
    assert sounds  # the dictionary is there
    assert corrections()
    for word, phones in corrections().items():
        assert phones, word
        assert all(phone.rstrip("012").isalpha() for phone in phones), word


@given(st.text(max_size=40))
def test_anything_at_all_can_be_asked_for(text: str) -> None:
    for pronunciation in SAY.pronounce(text):
        assert pronunciation.stresses
        assert pronunciation.rhyme


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20))
def test_whatever_is_spelled_out_has_one_stress_and_a_vowel(word: str) -> None:
    phones = spell_out(word)
    assert sum(phone.endswith("1") for phone in phones) >= 1


def test_the_dictionary_has_its_first_and_last_words_and_none_beside_them() -> None:
    lines = gzip.decompress(DICTIONARY.read_bytes()).decode("ascii").split("\n")
    names = [line.partition(" ")[0] for line in lines if line]
    for name in (*names[:40], *names[5_000::997], *names[-40:]):
        if name not in corrections():
            assert look_up(name), name
        for other in (f"{name}qq", name[:-1] + "qq", f"qq{name}"):
            assert look_up(other) == (), other
    assert look_up("") == look_up("é") == look_up("zzzzzz") == ()


def test_a_word_beyond_the_lexicon_is_worked_out_once_and_so_many_are_remembered() -> None:
    prosody = Prosody(small_lexicon(), ALPHABET, 1.5)
    assert prosody.pronounce("quixotically") is prosody.pronounce("quixotically")
    for number in range(MAX_SAID + 10):
        prosody.pronounce(f"q{'x' * (number % 20)}{number}")
    assert len(prosody._said) <= MAX_SAID
