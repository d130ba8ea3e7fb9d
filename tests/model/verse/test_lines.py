"""Lines of a form one by one: what is offered, and how a line is compared with its form."""

from dataclasses import replace

import pytest

from model.config import LengthConfig, Sampling
from model.engine import MAX_FORM_POEMS, Engine
from model.requests import Request
from model.stopping import FinishReason
from model.verse import FORMS, Opening, Plan, fit_line, follow, take_lines
from model.verse.composer import differ
from model.verse.words import last_word, words_of
from tests.model.verse.test_poems import VERSE, asking, by_tokens, fits, lines_of, shared_engine
from tests.verse_words import ALPHABET, PIECES

QUATRAIN, SONNET, HAIKU = FORMS["quatrain"], FORMS["sonnet"], FORMS["haiku"]
FIRST = "The silver river runs away to sea"


def fold(text: str) -> str:
    return ALPHABET.fold(text).text


def offer(
    engine: Engine,
    lines: tuple[str, ...] = (),
    *,
    form: str = "quatrain",
    candidates: int = 3,
    random_seed: int = 7,
) -> tuple[list[str], FinishReason | None]:
    shape = FORMS[form]
    opening = take_lines(lines, "", shape, VERSE, fold) if lines else Opening()
    ticket = engine.add(
        Request(
            opening=opening,
            sampling=Sampling(temperature=1.0),
            random_seed=random_seed,
            length=LengthConfig(lines=1),
            form=shape,
            candidates=candidates,
        )
    )
    text, finish = "", None
    while engine.has_work:
        for piece in engine.step():
            assert piece.ticket == ticket
            text, finish = text + piece.text, piece.finished
    return lines_of(text), finish


@by_tokens
@pytest.mark.parametrize("form", sorted(FORMS))
def test_three_candidates_differ_and_fit_the_form(pieces: tuple[str, ...], form: str) -> None:
    engine = shared_engine(pieces)
    written: tuple[str, ...] = ()
    for number, syllables in enumerate(FORMS[form].syllables):
        offered, finish = offer(engine, written, form=form)
        assert finish is FinishReason.LENGTH
        assert 1 <= len(offered) <= 3
        assert all(fits(line, syllables) for line in offered)
        said = [words_of(line) for line in offered]
        assert all(differ(a, b) for n, a in enumerate(said) for b in said[:n])
        partner = FORMS[form].partner(number)
        if partner is not None:
            end = last_word(written[partner])
            assert all(VERSE.rhymes(end, words[-1]) for words in said)
        written += (offered[-1],)
    assert offer(engine, written, form=form) == ([], FinishReason.LENGTH)


def test_the_same_lines_get_the_same_candidates_and_another_random_seed_others() -> None:
    engine = shared_engine()
    first = offer(engine, (FIRST,))
    assert offer(engine, (FIRST,)) == first
    assert offer(engine, (FIRST,), random_seed=8) != first


def test_a_line_does_not_wait_for_whole_poems() -> None:
    engine = shared_engine()
    whole = [engine.add(asking(random_seed=n)) for n in range(MAX_FORM_POEMS + 1)]
    line = engine.add(replace(asking(), candidates=3))
    ended: list[int] = []
    while engine.has_work:
        ended += [piece.ticket for piece in engine.step() if piece.finished is not None]
    assert ended[0] == line
    assert ended[-1] == whole[-1]


def test_a_line_that_the_reader_wrote_is_rhymed() -> None:
    offered, _ = offer(shared_engine(), (FIRST, "my own line, and as long as I like, of rain"))
    assert all(VERSE.rhymes("sea", last_word(line)) for line in offered)
    offered, _ = offer(shared_engine(), (FIRST, "what falls is rain", "a tree"))
    assert all(VERSE.rhymes("rain", last_word(line)) for line in offered)


@pytest.mark.parametrize("line", ["I eat an orange", "...", "x" * 200, "ЖЖЖ"])
def test_after_a_line_that_nothing_rhymes_with_the_poem_goes_on(line: str) -> None:
    offered, finish = offer(shared_engine(PIECES), (line, FIRST))
    assert offered
    assert finish is FinishReason.LENGTH
    assert all(fits(each, 10) for each in offered)


def test_the_lines_so_far_stand_as_they_were_left() -> None:
    lines = ["My  LINE, with 3 signs", FIRST]
    opening = take_lines(lines, "", QUATRAIN, VERSE, fold)
    assert opening.shown == f"{lines[0]}\n{FIRST}\n"
    assert opening.lines[1] == fold(FIRST)
    whole = take_lines([*lines, *lines], "", QUATRAIN, VERSE, fold)
    assert whole.shown == "\n".join([*lines, *lines])
    four = take_lines([FIRST] * 4, "", SONNET, VERSE, fold)
    assert four.shown.endswith(f"{FIRST}\n\n")


def test_the_next_line_may_have_a_beginning() -> None:
    opening = take_lines([FIRST], "garden", QUATRAIN, VERSE, fold, "Garden")
    assert opening.shown == f"{FIRST}\nGarden"
    assert (opening.rest, opening.spoken) == (fold("Garden"), fold("Garden"))
    assert take_lines([FIRST], "ЖЖЖ", QUATRAIN, VERSE, fold, "ЖЖЖ").rest == ""


def test_the_theme_is_the_seeds_or_else_the_first_lines() -> None:
    assert "garden" in take_lines([FIRST], "My garden", QUATRAIN, VERSE, fold).theme.words
    assert "river" in take_lines([FIRST, "a tree"], "", QUATRAIN, VERSE, fold).theme.words


def test_a_plan_follows_the_last_words_that_the_reader_chose() -> None:
    plan = Plan(("sea",), ("a", "b", "c", "d"), ("day", "sea", "way", "free"))
    assert follow(plan, ["at day", "by the sea"], QUATRAIN) == plan
    followed = follow(plan, ["in the rain"], QUATRAIN)
    assert followed.ends == ("rain", "sea", "", "free")
    assert (followed.topic, followed.keywords) == (plan.topic, plan.keywords)
    assert follow(Plan(), ["in the rain"], QUATRAIN) == Plan()


@pytest.mark.parametrize(
    ("line", "syllables", "on_beat"),
    [
        ("The silver river runs away to sea", 10, True),
        ("Silver the river runs away to sea", 10, True),  # against the beat, as a line may begin
        ("The river silver away runs to sea", 10, False),
        ("The river", 3, True),
        ("", 0, True),
        ("🙂", 0, True),
        ("river " * 30, 60, False),
    ],
)
def test_a_line_is_compared_with_the_metre(line: str, syllables: int, on_beat: bool) -> None:
    fit = fit_line([line], 0, line, QUATRAIN, VERSE)
    assert (fit.syllables, fit.on_beat) == (syllables, on_beat)


def test_a_line_is_compared_with_its_rhyme() -> None:
    lines = ["the sea", "the orange", "a tree", "in the rain", "a zzzz"]
    fits_ = [fit_line(lines, number, lines[number], SONNET, VERSE) for number in range(4)]
    assert [fit.unrhymed for fit in fits_] == [None, None, None, None]  # orange has no rhyme
    assert [fit.can_be_rhymed for fit in fits_] == [True, False, True, True]
    assert fit_line(["the sea", "rain", "in the rain"], 2, "", SONNET, VERSE).unrhymed == 0
    assert fit_line(["the sea", "rain", "the sea"], 2, "", SONNET, VERSE).unrhymed == 0
    haiku = fit_line(["the orange"], 0, "the orange", HAIKU, VERSE)
    assert (haiku.unrhymed, haiku.can_be_rhymed) == (None, True)
