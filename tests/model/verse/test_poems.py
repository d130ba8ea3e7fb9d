"""Poems in form, whatever the network: here one that knows nothing."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.config import LengthConfig, Sampling
from model.engine import PROMPT_TOKENS_PER_STEP, Engine, make_engine
from model.errors import SettingError
from model.kernel import Batch
from model.kernel.constraints import LINE_START, Trie
from model.kernel.filters import MAX_RUN, grams_of
from model.requests import PoemPiece, Request
from model.stopping import FinishReason
from model.verse import FORMS, NO_PLAN, Composer, Form, Opening, lay_out_seed
from model.verse.prosody import Prosody
from model.verse.words import family_of, words_of
from tests.verse_words import ALPHABET, PIECES, RHYMES, small_lexicon, verse_model

SONNET = FORMS["sonnet"]
MODEL = verse_model()
VERSE = Prosody(small_lexicon(), ALPHABET, 2.0)
TOPIC_WORDS = tuple(f" {word}" for word in RHYMES[1].split() + RHYMES[2].split())
by_tokens = pytest.mark.parametrize("pieces", [(), PIECES], ids=["characters", "pieces"])


@cache
def shared_engine(pieces: tuple[str, ...] = ()) -> Engine:
    """Return the engine that most tests write with, made when the first one needs it."""
    return make_engine(verse_model(pieces), max_rows=8)


def asking(
    seed: str = "",
    form: Form = SONNET,
    *,
    random_seed: int = 7,
    avoided: frozenset[str] = frozenset(),
    sampling: Sampling | None = None,
) -> Request:
    opening = lay_out_seed(seed, form, VERSE, lambda text: ALPHABET.fold(text).text)
    return Request(
        sampling=sampling or Sampling(temperature=1.0),
        random_seed=random_seed,
        length=LengthConfig(lines=1),
        form=form,
        opening=opening,
        avoided=avoided,
    )


def write(request: Request, engine: Engine | None = None) -> str:
    engine = engine or shared_engine()
    ticket = engine.add(request)
    text, finish = request.opening.shown, None
    while engine.has_work:
        for piece in engine.step():
            assert piece.ticket == ticket
            text += piece.text
            finish = piece.finished
    assert finish is FinishReason.LENGTH
    return text


def lines_of(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def fits(line: str, syllables: int) -> bool:
    counts = {0}
    for word in words_of(line):
        sizes = {len(variant.stresses) for variant in VERSE.pronounce(word)} or {1}
        counts = {count + size for count in counts for size in sizes}
    return syllables in counts


@by_tokens
def test_a_sonnet_has_its_lines_stanzas_syllables_and_rhymes(pieces: tuple[str, ...]) -> None:
    text = write(asking(), shared_engine(pieces))
    assert [len(stanza.split("\n")) for stanza in text.split("\n\n")] == [4, 4, 4, 2]
    lines = lines_of(text)
    assert all(fits(line, 10) for line in lines)
    ends = [words_of(line)[-1] for line in lines]
    pairs = [(0, 2), (1, 3), (4, 6), (5, 7), (8, 10), (9, 11), (12, 13)]
    assert all(VERSE.rhymes(ends[a], ends[b]) for a, b in pairs)
    assert not VERSE.end_alike(ends[0], ends[1])
    assert re.search(r"[.!?]$", text)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([(), PIECES]),
    st.sampled_from(sorted(FORMS)),
    st.integers(0, 2**32),
    st.sampled_from([0.05, 0.7, 2.0]),
    st.sampled_from(["", "the river", "Zlorp, my", "o, the garden of", "pizza!"]),
)
def test_whatever_is_asked_words_are_real_and_lines_are_whole(
    pieces: tuple[str, ...], form: str, random_seed: int, temperature: float, seed: str
) -> None:
    request = asking(
        seed,
        FORMS[form],
        random_seed=random_seed,
        sampling=Sampling(temperature=temperature, min_p=0.02),
    )
    lines = lines_of(write(request, shared_engine(pieces)))
    own = set(words_of(ALPHABET.fold(seed).text))
    assert len(lines) == len(FORMS[form])
    given_lines = len(request.opening.lines)  # may be shorter: what leans on the next is there
    for number, (line, syllables) in enumerate(zip(lines, FORMS[form].syllables, strict=True)):
        assert number < given_lines or fits(line, syllables)
        for word in words_of(line):
            assert word in own or word in small_lexicon().numbers


@by_tokens
@pytest.mark.parametrize("seed", ["", "the river", "o, the garden of the garden"])
def test_a_line_has_no_two_words_of_a_family(pieces: tuple[str, ...], seed: str) -> None:
    for form in ("sonnet", "haiku", "couplet"):
        for random_seed in range(4):
            request = asking(seed, FORMS[form], random_seed=random_seed)
            lines = lines_of(write(request, shared_engine(pieces)))
            for line in lines[1:]:  # the reader's own may have them
                families = [family for word in words_of(line) if (family := family_of(word))]
                assert len(families) == len(set(families)), line


def test_what_the_reader_gave_of_a_line_does_not_come_again_in_it() -> None:
    for random_seed in range(8):
        request = asking("the river", FORMS["couplet"], random_seed=random_seed)
        first = lines_of(write(request))[0]
        assert words_of(first).count("river") == 1, first


def test_a_new_form_is_a_new_value() -> None:
    cinquain = Form("cinquain", (2, 4, 6, 8, 2), "-+", "-----", (5,))
    lines = lines_of(write(asking(form=cinquain)))
    assert [fits(line, size) for line, size in zip(lines, cinquain.syllables, strict=True)] == [
        True
    ] * 5
    with pytest.raises(ValueError, match="differ in lines"):
        Form("wrong", (2, 4), "-+", "---", (3,))
    with pytest.raises(ValueError, match="no way to walk"):
        Form("wrong", (9,), "--+", "-", (1,))


def test_a_falling_line_begins_with_the_beat() -> None:
    falling = Form("falling", (7, 7), "+-", "AA", (2,))
    lines = lines_of(write(asking(form=falling)))
    assert all(fits(line, 7) for line in lines)


def test_the_same_request_gives_the_same_poem_whatever_else_is_written() -> None:
    alone = write(asking("the river", random_seed=3))
    engine = make_engine(MODEL, max_rows=8)
    tickets = [engine.add(asking("the river", random_seed=number)) for number in range(1, 7)]
    free = Request(Opening(rest="in the "), Sampling(), 1, LengthConfig(characters=500))
    tickets.append(engine.add(free))
    texts = dict.fromkeys(tickets, "")
    while engine.has_work:
        for piece in engine.step():
            texts[piece.ticket] += piece.text
    assert "the river".capitalize() + texts[tickets[2]] == alone
    assert len(set(texts.values())) == 7


def test_the_choice_of_a_line_leaves_alone_what_is_half_read() -> None:
    engine = make_engine(MODEL, max_rows=2)
    prompt = "in the river " * PROMPT_TOKENS_PER_STEP  # read in thirteen steps
    length = LengthConfig(characters=len(prompt) + 30)
    free = Request(Opening(rest=prompt), Sampling(), 1, length)
    alone = write(free, engine)
    engine.add(asking("the river"))
    ticket, lines = engine.add(free), 0
    text = ""
    while engine.has_work:
        for piece in engine.step():
            text += piece.text if piece.ticket == ticket else ""
            lines += piece.ticket != ticket and not text
    assert lines  # were chosen while it read
    assert alone.endswith(text)
    assert text


def test_another_random_seed_gives_another_poem() -> None:
    assert write(asking(random_seed=1)) != write(asking(random_seed=2))


def test_lines_come_one_by_one() -> None:
    engine = make_engine(MODEL, max_rows=1)
    engine.add(asking())
    pieces: list[PoemPiece] = []
    while engine.has_work:
        pieces += engine.step()
    assert [piece.text.count("\n") > 0 for piece in pieces] == [True] * 13 + [False]


def test_a_cancelled_poem_frees_its_rows_at_once() -> None:
    engine = make_engine(MODEL, max_rows=8)
    tickets = [engine.add(asking(random_seed=number)) for number in range(8)]
    for _ in range(3):
        engine.step()
    assert all(engine.cancel(ticket) for ticket in tickets)
    assert not engine.cancel(tickets[0])
    assert {piece.finished for piece in engine.step()} == {FinishReason.CANCELLED}
    assert not engine.has_work
    assert write(asking(random_seed=3), engine) == write(asking(random_seed=3))


@by_tokens
def test_words_to_avoid_are_masked(pieces: tuple[str, ...]) -> None:
    engine = shared_engine(pieces)
    usual = set(words_of(write(asking(), engine)))
    avoided = frozenset(sorted(word for word in usual if word.isalpha())[:8])
    assert avoided
    assert not set(words_of(write(asking(avoided=avoided), engine))) & avoided


@pytest.mark.parametrize("pieces", [(), PIECES], ids=["characters", "pieces"])
def test_no_long_run_of_the_book_comes_out(pieces: tuple[str, ...]) -> None:
    model = verse_model(pieces)
    book = write(asking(random_seed=5), make_engine(model)).lower()
    ids = np.array(ALPHABET.encode(book))
    spaces = np.array([character.isspace() for character in ALPHABET.characters])
    holding_back = make_engine(
        type(model)(
            model.network,
            model.tensors,
            model.vocabulary,
            model.card,
            "",
            model.lexicon,
            grams_of(ids, spaces),
        )
    )
    text = " ".join(write(asking(random_seed=5), holding_back).lower().split())
    plain = " ".join(book.split())
    assert text != plain
    runs = {plain[n : n + MAX_RUN + 1] for n in range(len(plain) - MAX_RUN)}
    assert not any(text[n : n + MAX_RUN + 1] in runs for n in range(len(text)))


def test_no_three_words_come_twice() -> None:
    for random_seed in range(5):
        words = words_of(write(asking("the river sings", random_seed=random_seed)))
        phrases = [tuple(words[n : n + 3]) for n in range(len(words) - 2)]
        assert len(phrases) == len(set(phrases))


def test_a_poem_comes_back_to_the_seed() -> None:
    answered = 0
    for random_seed in range(6):
        text = write(asking("my zlorp", random_seed=random_seed))
        later = words_of(text)[2:]
        answered += "zlorp" in later or any(VERSE.rhymes("zlorp", word) for word in later)
    assert answered >= 3


def test_what_was_typed_to_the_end_of_a_line_is_rhymed_with() -> None:
    lines = lines_of(write(asking("the river sings to me and to the night")))
    assert VERSE.end_alike("night", words_of(lines[2])[-1])


def test_a_last_word_without_rhyme_gets_the_nearest() -> None:
    lines = lines_of(write(asking("the river sings to me and to my miracle")))
    assert len(lines) == 14


def test_a_poem_follows_its_plan_and_without_one_says_nothing_to_the_network() -> None:
    engine = make_engine(verse_model(TOPIC_WORDS, topic_size=3), max_rows=1)
    assert engine.planner is not None
    assert shared_engine().planner is None
    asked = asking("my garden")
    plans = [engine.planner.plan([word], SONNET, (), 1) for word in ("rain", "night")]
    poems = [write(replace(asked, plan=plan), engine) for plan in (NO_PLAN, *plans)]
    assert len(set(poems)) == 3
    assert poems[1] == write(replace(asked, plan=plans[0]), engine)


def test_particles_that_are_alike_are_computed_as_one_and_write_as_each_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[tuple[int, int]] = []  # of particles, and of kinds among them
    make_twins = Batch._make_twins

    def watched(batch: Batch, places: NDArray[np.int64], kinds: NDArray[np.int64]) -> None:
        told.append((len(places), len(set(kinds.tolist()))))
        make_twins(batch, places, kinds)

    model = verse_model(TOPIC_WORDS, topic_size=3)
    engine = make_engine(model, max_rows=1)
    assert engine.planner is not None
    asked = replace(asking("my garden"), plan=engine.planner.plan(["rain"], SONNET, (), 1))
    monkeypatch.setattr(Batch, "_make_twins", watched)
    together = write(asked, engine)
    assert len({particles for particles, _ in told}) > 1  # lines begun, and particles resampled
    assert all(kinds < particles for particles, kinds in told)
    monkeypatch.setattr(Batch, "_make_twins", lambda *_: None)
    assert write(asked, make_engine(model, max_rows=1)) == together


def test_a_model_without_words_refuses_a_form() -> None:
    model = verse_model()
    bare = make_engine(type(model)(model.network, model.tensors, model.vocabulary, model.card, ""))
    assert bare.prosody is None
    with pytest.raises(SettingError, match="free text"):
        bare.add(asking())


def test_characters_that_the_model_lacks_are_refused() -> None:
    asked = Request(Opening(rest="É"), Sampling(), 1, LengthConfig(lines=1), SONNET)
    with pytest.raises(SettingError, match="knows"):
        shared_engine().add(asked)


def test_a_seed_may_repeat_itself() -> None:
    assert len(lines_of(write(asking("the river the river the river")))) == 14


def last_words(own: Trie) -> set[str]:
    """Return the words of a trie that may end the line."""
    words, found = {LINE_START: ""}, set()
    for node in range(len(own.token)):
        if node not in words:  # after a space
            continue
        for child in range(own.first_child[node], own.first_child[node + 1]):
            words[child] = words[node] + ALPHABET.characters[own.token[child]]
            if own.final_mask[child]:
                found.add(words[child])
    return found


def test_a_word_that_nobody_knows_may_be_a_rhyme() -> None:
    opening = lay_out_seed("o dray, the river sings to me today", SONNET, VERSE, lambda text: text)
    composer = Composer(VERSE, SONNET, opening, 7, frozenset())
    composer.lines.append("and walks with me")
    ends = last_words(composer.line_spec().poem_trie)
    assert "dray" not in small_lexicon().numbers
    assert {"dray", "way", "away"} <= ends
    assert not {"today", "me", "river"} & ends
