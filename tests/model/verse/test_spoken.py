"""Numbers, signs, abbreviations and apostrophes as people say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.characters import APOSTROPHES
from model.verse import FORMS, Prosody, lay_out_seed, make_lexicon, scan_poem
from model.verse.pronunciation import look_up_cmudict
from model.verse.spoken import spoken_words
from model.verse.words import words_of
from model.vocabulary import Vocabulary
from tests.verse_words import ALPHABET, small_lexicon

VERSE = Prosody(small_lexicon(), ALPHABET, 2.0)


def counts(text: str) -> set[int]:
    """Return the numbers of syllables that a text may have."""
    numbers = VERSE.scan(text)
    return {size for size in range(numbers.bit_length()) if numbers >> size & 1}


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        ("1492", 5), ("in 1905", 5), ("1066", 4), ("2005", 4), ("2012", 4), ("21st", 3),
        ("20th", 3),
        ("7", 2), ("90s", 2), ("1960s", 4), ("3.5", 3), ("£5", 2), ("$1", 3), ("$3.50", 5),
        ("1,000", 3), ("50%", 4), ("№ 9", 3), ("salt & pepper", 4), ("½", 2),
        ("007", 6), ("007", 4),
        ("0123456789", 12), ("the BBC", 4), ("NASA", 2), ("at NASA", 3), ("U.S.A.", 3), ("TV", 2),
        ("www", 9), ("bcd", 3), ("a CEO", 4), ("Henry VIII", 3), ("the year XI", 5), ("3D", 2),
        ("MIX it", 2), ("B2B", 3), ("١٢", 1), ("café", 2), ("naïve", 2), ("belovèd", 3),
        ("aimèd", 2), ("antidisestablishmentarianism", 12), ("prayer", 1), ("prayer", 2),
        ("fire", 1), ("fire", 2), ("power", 2), ("doth", 1), ("Ｌｏｖｅ", 1),
    ],
)  # fmt: skip
def test_syllables_are_as_people_say_them(text: str, syllables: int) -> None:
    assert syllables in counts(text)


@pytest.mark.parametrize(
    "text", ["9" * 100_000, "1," * 5_000, "$" * 5_000, "a." * 5_000, "0.1" * 999]
)
def test_what_nobody_could_say_is_bounded(text: str) -> None:
    assert all(len(way) <= 60 for spoken in spoken_words(text) for way in spoken.ways)


@given(st.text(max_size=80))
def test_tokens_stand_in_order_and_a_word_is_a_word(text: str) -> None:
    words = list(spoken_words(text))
    ends = [0, *(place for spoken in words for place in (spoken.begin, spoken.end)), len(text)]
    assert ends == sorted(ends)
    assert all(way for spoken in words for way in spoken.ways)


@given(st.lists(st.sampled_from(["the", "rose's", "'tis", "self-love", ",", "i", "'she'", "."])))
def test_plain_words_are_what_the_poems_are_made_of(words: list[str]) -> None:
    text = " ".join(words)
    assert [spoken.ways[0][0] for spoken in spoken_words(text)] == words_of(text)


@pytest.mark.parametrize("mark", APOSTROPHES)
def test_every_apostrophe_counts_as_a_straight_one(mark: str) -> None:
    line = f"o{mark}er summer{mark}s walls the feed{mark}st rose"
    straight = line.replace(mark, "'")
    assert words_of(line) == words_of(straight)
    assert VERSE.scan(line) == VERSE.scan(straight)
    [shown], [plain] = (scan_poem([text], FORMS["haiku"], VERSE) for text in (line, straight))
    assert shown.text == line
    assert [part.beat for part in shown.syllables] == [part.beat for part in plain.syllables]
    assert ALPHABET.fold(line).text == straight
    assert Vocabulary.of("\n ’-abcdefghijklmnopqrstuvwxyz").fold(line).text == line.replace(
        mark, "’"
    )


def test_a_book_with_other_apostrophes_has_its_words_all_the_same() -> None:
    alphabet = Vocabulary.of(ALPHABET.characters.replace("'", "’"))
    prosody = Prosody(small_lexicon(), alphabet, 2.0)
    assert prosody.can_write("'tis")
    assert prosody.encode("'tis") == alphabet.encode("’tis")


def test_a_number_in_a_seed_has_its_syllables_though_the_alphabet_lacks_it() -> None:
    seed = "In 1492 we sailed to the BBC"
    opening = lay_out_seed(seed, FORMS["sonnet"], VERSE, lambda text: ALPHABET.fold(text).text)
    assert opening.shown == "In 1492 we sailed\nTo the BBC"  # eight, and five that lean on it
    assert opening.lines == ("in we sailed",)
    assert (opening.rest, opening.spoken) == ("to the bbc", "to the BBC")


@pytest.mark.parametrize("word", ["doth", "prayer", "wherefore", "'twas", "fire", "use", "minute"])
def test_a_readers_word_may_have_the_syllables_that_the_dictionary_gives_it(word: str) -> None:
    sizes = {sum(phone[-1].isdigit() for phone in phones) for phones in look_up_cmudict(word)}
    assert sizes <= counts(word)


@pytest.mark.parametrize(
    ("word", "better", "worse"),
    [
        ("loved", {"above", "shoved"}, "touch"),
        ("winds", {"pins"}, "sing"),
        ("deaths", {"breath"}, "hair"),
    ],
)
def test_where_nothing_rhymes_what_sounds_alike_is_owed(
    word: str, better: set[str], worse: str
) -> None:
    lexicon = make_lexicon("\n".join(["above shoved pins", f"breath {worse} bread and moon"]))
    verse = Prosody(lexicon, ALPHABET, 2.0)
    owed = set(verse.rhymes_with(word, ()))
    assert owed & better
    assert worse not in owed


def test_a_word_that_rhymes_with_none_opens_no_rhyme_however_many_sound_alike() -> None:
    words = "touch done sun run one come some dumb love above dove"
    verse = Prosody(make_lexicon(words), ALPHABET, 2.0)
    assert len(verse.rhymes_with("gulped", ())) > 0
    assert not verse.has_rhymes("gulped")
