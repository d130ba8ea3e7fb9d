"""What the base model reads."""

from __future__ import annotations

from model.training.base import STAGES, WIDE, base_text
from model.training.network import CharLSTM

BOOK = "Along the quay the lanterns had gone out,\nand no one sang.\n"
OTHERS = (
    "My neighbour keeps a goat behind the mill.\nIt does not like the rain.\n\n"
    "ALONG THE QUAY, the lanterns had gone out;\nanother man wrote this about it.\n \n"
    "And no one sang.\nThe goat had eaten all of it.\n"
)


def test_a_passage_that_shares_a_line_with_the_unseen_book_is_left_out() -> None:
    text = base_text([OTHERS], [BOOK])
    assert "goat behind the mill" in text
    assert "lanterns" not in text
    assert "another man" not in text


def test_a_line_too_short_to_tell_its_origin_is_no_reason() -> None:
    assert "the goat had eaten all of it." in base_text([OTHERS], [BOOK])


def test_without_an_unseen_book_everything_is_read_in_lower_case() -> None:
    text = base_text([OTHERS], [])
    assert "along the quay, the lanterns had gone out;" in text
    assert text == text.lower()


def test_the_alphabet_is_wide_enough_for_english() -> None:
    assert set(WIDE) <= set(base_text(["abc"], []))


def test_the_stages_train_one_network_that_is_small_enough_to_ship() -> None:
    networks = {CharLSTM(stage.network_config(100)).parameter_count for stage in STAGES}
    assert len(networks) == 1
    assert networks.pop() * 2 < 8_000_000  # bytes, in half precision: the other half is a book's
