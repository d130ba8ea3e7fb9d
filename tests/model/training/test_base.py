"""What the base model reads."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from model.training.base import (
    LATER_STAGES,
    STAGES,
    WIDE,
    PoemReader,
    Stage,
    base_lexicon,
    stage_text,
)
from model.training.network import StackedLSTM
from model.training.optim import learning_rate
from model.verse.lexicon import MIN_COUNT

BOOK = "Along the quay the lanterns had gone out,\nand no one sang.\n"
OTHERS = (
    "My neighbour keeps a goat behind the mill.\nIt does not like the rain.\nIt eats the hill\n"
    "And sleeps beside the drain.\n\n"
    "ALONG THE QUAY, the lanterns had gone out;\nanother man wrote this about it.\n \n"
    "And no one sang.\nThe goat had eaten all of it.\n\n\n"
    "XII\n\nTHE GOAT\n\nThe goat came down the little path to me\n"
    "and ate the roses underneath the tree\n"
    "and when I spoke to him of what he did\nhe turned his yellow eyes on me and hid.\n"
)
FAR, NEAR = STAGES


def test_poems_keep_their_stanzas_and_lose_headings() -> None:
    first, second = PoemReader([]).read(OTHERS)
    assert first.text.count("\n\n") == 2
    assert first.lines == 8
    assert second.text.startswith("The goat came down")
    assert (second.lines, second.pentameter, second.known) == (4, 1.0, 1.0)


def test_a_stanza_that_shares_a_line_with_the_unseen_book_is_left_out() -> None:
    [first, _] = PoemReader([BOOK]).read(OTHERS)
    assert "goat behind the mill" in first.text
    assert "lanterns" not in first.text
    assert "another man" not in first.text


def test_a_line_too_short_to_tell_its_origin_is_no_reason() -> None:
    [first, _] = PoemReader([BOOK]).read(OTHERS)
    assert "The goat had eaten all of it." in first.text


def test_each_stage_reads_what_is_nearer_in_lower_case_and_whole_poems() -> None:
    poems = list(PoemReader([]).read(OTHERS))
    far, near = (stage_text(stage, poems, 1) for stage in STAGES)
    assert "roses underneath" in far
    assert "behind the mill" not in near  # its lines are short
    assert far == far.lower()
    assert set(WIDE) <= set(far)
    assert "he turned his yellow eyes on me and hid.\n\n\n" in near


def test_sonnets_are_read_twice_at_the_end() -> None:
    line = "The goat came down the little path to me"
    [sonnet] = PoemReader([]).read("\n".join([line] * 14))
    assert (FAR.copies(sonnet), NEAR.copies(sonnet)) == (1, 2)


def test_the_rate_of_a_base_that_is_trained_on_falls_once_it_is_warm() -> None:
    rates = [
        round(learning_rate(stage.recipe, share), 9)
        for stage in LATER_STAGES
        for share in (stage.recipe.warmup, 0.5, 1.0)
    ]
    assert rates == sorted(rates, reverse=True)


def test_other_spelling_and_free_verse_are_left_out() -> None:
    [odd] = PoemReader([]).read("\n".join(["Quhan gaes yblent thilke swinck ywroken hiere"] * 4))
    [free] = PoemReader([]).read("\n".join(["The goat came down"] * 4))
    assert (FAR.copies(odd), FAR.copies(free)) == (0, 0)


def test_words_that_others_may_borrow_are_common_and_no_names() -> None:
    text = "the goat walks over the hill\nand sees ann by a w\n" * (MIN_COUNT + 1)
    words = base_lexicon(text, ["I saw Ann, and Ann saw Ann."] * 3).numbers
    assert {"goat", "hill", "by"} <= words.keys()
    assert not {"ann", "w"} & words.keys()


@pytest.mark.parametrize("stages", [STAGES, LATER_STAGES])
def test_the_stages_train_one_network_that_is_small_enough_to_ship(
    stages: Sequence[Stage],
) -> None:
    networks = {StackedLSTM(stage.recipe.network_config(4096)).parameter_count for stage in stages}
    assert len(networks) == 1
    assert networks.pop() * 2 < 13_000_000  # bytes, in half precision
    assert sum(stage.share for stage in stages) == 1.0
