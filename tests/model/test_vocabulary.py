import sys
import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.characters import printable
from model.vocabulary import MAX_FOUND, FoldedText, TokenSplitter, Vocabulary

# Of any character that Unicode has, lone surrogates included: Discord and shells both let them by.
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
SONNETS = Vocabulary.of("\n abcdefghijklmnopqrstuvwxyz!'(),-.:;?")


def test_words_are_cut_into_the_longest_pieces_from_their_beginning() -> None:
    vocabulary = Vocabulary.of("a summer's day,\n", (" summ", " sum", "er's", "er", "zz"))
    assert vocabulary.pieces == (" summ", " sum", "er's", "er")  # no z in the text
    tokens = vocabulary.tokens
    assert [tokens[id_] for id_ in vocabulary.encode("a summer's day,\ner")] == [
        *("a", " summ", "er's", " ", "d", "a", "y", ",", "\n", "er")
    ]
    with pytest.raises(KeyError):
        vocabulary.encode("a zebra")


@given(st.text("\n a'-.bé", max_size=40))
def test_pieces_lose_nothing_and_no_word_depends_on_its_neighbours(text: str) -> None:
    vocabulary = Vocabulary("\n '-.abé", (" a", "ab", "a'b", " ab-"))
    assert vocabulary.decode(vocabulary.encode(text)) == text
    one = vocabulary.encode("ab-ba")
    assert vocabulary.encode(f"ab-ba\n{text}")[: len(one)] == one


@given(st.lists(st.text("\n a'-.bé", max_size=9), max_size=9), st.booleans())
def test_a_text_in_parts_has_the_tokens_of_the_whole(parts: list[str], has_pieces: bool) -> None:
    vocabulary = Vocabulary("\n '-.abé", (" a", "ab", "a'b", " ab-") if has_pieces else ())
    splitter, text = TokenSplitter(vocabulary), "".join(parts)
    found = [token for part in parts for token in splitter.write(part)] + splitter.rest()
    assert found == [vocabulary.tokens[id_] for id_ in vocabulary.encode(text)]


@given(ANY_TEXT, ANY_TEXT)
def test_the_tokens_of_any_text_are_the_text_again(one: str, other: str) -> None:
    splitter = TokenSplitter(Vocabulary(" abe", (" ab", "ab")))
    found = splitter.write(one) + splitter.write(other) + splitter.rest()
    assert "".join(found) == one + other
    assert all(found)


def test_an_id_is_the_place_in_the_sorted_alphabet() -> None:
    assert Vocabulary.of("hello").characters == "ehlo"
    assert Vocabulary.of("hello").encode("hole") == [1, 3, 2, 0]


def test_decoding_undoes_encoding() -> None:
    assert SONNETS.decode(SONNETS.encode("thou art,\nthen")) == "thou art,\nthen"


def test_encoding_an_unknown_character_is_an_error() -> None:
    with pytest.raises(KeyError):
        SONNETS.encode("Thou")


@given(ANY_TEXT)
def test_decoding_undoes_encoding_for_any_text(text: str) -> None:
    vocabulary = Vocabulary.of(text)
    assert len(vocabulary) == len(set(text))
    assert vocabulary.decode(vocabulary.encode(text)) == printable(text)


def test_nothing_that_commands_a_terminal_is_ever_shown() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = printable(every)
    assert len(shown) == len(every)
    replaced = [c for c, other in zip(every, shown, strict=True) if c != other]
    kinds = Counter(map(unicodedata.category, replaced))
    # Nine of the formats turn text around; a line and a paragraph separator end lines.
    assert kinds == {"Cc": 63, "Cs": 2048, "Cf": 9, "Zl": 1, "Zp": 1}
    assert "\x1b" in replaced
    assert not set("\n\t") & set(replaced)


def test_a_model_with_an_escape_in_its_alphabet_writes_none() -> None:
    vocabulary = Vocabulary.of("\x1b\x9b[2J\n\u202e")
    assert vocabulary.decode(range(len(vocabulary))) == "\n�2J[��"


@given(ANY_TEXT, ANY_TEXT)
def test_folding_leaves_only_known_characters(alphabet: str, text: str) -> None:
    vocabulary = Vocabulary.of(alphabet)
    assert set(vocabulary.fold(text).text) <= set(alphabet)


@given(ANY_TEXT, ANY_TEXT)
def test_folding_twice_is_folding_once(alphabet: str, text: str) -> None:
    vocabulary = Vocabulary.of(alphabet + "abc ")
    once = vocabulary.fold(text).text
    assert vocabulary.fold(once) == FoldedText(once, ())


@given(ANY_TEXT)
@example("e\u0301")  # a letter and its accent apart: composing them would lose both
@example("\u212b")  # the sign for ångström, which composes to the letter
@example("a\r\nb")
def test_a_text_of_known_characters_is_kept(text: str) -> None:
    assert Vocabulary.of(text).fold(text) == FoldedText(text, ())


@given(ANY_TEXT)
def test_what_is_left_out_is_said_and_is_not_known(text: str) -> None:
    folding = SONNETS.fold(text)
    assert not set(folding.left_out) & set(SONNETS.characters)
    assert len(set(folding.left_out)) == len(folding.left_out)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Shall I", "shall i"),
        ("“Thou” — ‘art’…", "'thou' - 'art'..."),
        ("Café Société", "cafe societe"),
        ("cafe\u0301", "cafe"),
        ("ﬁre", "fire"),
        ("ＷＩＤＥ", "wide"),
        ("Æther, œuvre", "aether, oeuvre"),
        ("straße", "strasse"),
        ("a\u00a0b\tc", "a b c"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("½", ""),  # 1⁄2 has no digit here
        ("", ""),
    ],
)
def test_a_strangers_text_is_put_on_the_alphabet(text: str, folded: str) -> None:
    assert SONNETS.fold(text).text == folded


def test_an_accent_joins_its_letter_where_the_alphabet_has_them_as_one() -> None:
    assert Vocabulary.of("café").fold("cafe\u0301") == FoldedText("café", ())


def test_hangul_in_parts_becomes_the_syllables_of_the_alphabet() -> None:
    assert Vocabulary.of("한글").fold("\u1112\u1161\u11ab\u1100\u1173\u11af") == FoldedText(
        "한글", ()
    )


def test_a_capital_stands_in_where_the_alphabet_has_no_small_letter() -> None:
    assert Vocabulary.of("ABC").fold("cab").text == "CAB"


def test_characters_without_equivalent_are_named_once_in_order() -> None:
    assert SONNETS.fold("🙂 да 🙂 д") == FoldedText("   ", ("🙂", "д", "а"))


def test_the_parts_of_an_emoji_are_not_named_one_by_one() -> None:
    assert SONNETS.fold("❤\ufe0f").left_out == ("❤",)


def test_double_quotes_stay_double_where_the_alphabet_has_them() -> None:
    assert Vocabulary.of("a\"'").fold("“a”").text == '"a"'


def test_so_many_equivalents_are_remembered_and_all_are_right() -> None:
    fresh, used = Vocabulary("aeo"), Vocabulary("aeo")
    text = "".join(map(chr, range(0xC0, 0xC0 + MAX_FOUND + 50)))
    once = used.fold(text)
    assert used.fold(text) == fresh.fold(text) == once
    assert len(used._equivalents) <= MAX_FOUND
