"""Batches: streams that continue, windows that are views."""

from __future__ import annotations

import pytest
import torch

from model.training.batches import (
    count_stream_batches,
    encode_book,
    shuffle_passages,
    sliding_windows,
    stream_batches,
    window_batches,
)
from model.vocabulary import Vocabulary
from tests.texts import VERSES


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("text", ["hello", VERSES, "žluť 🙂 \U0010ffff"])
def test_encoding_a_book_is_encoding_each_character(text: str) -> None:
    vocabulary = Vocabulary.of(text)
    assert encode_book(text, vocabulary).tolist() == vocabulary.encode(text)


def test_a_character_outside_the_alphabet_is_an_error() -> None:
    with pytest.raises(KeyError, match="z"):
        encode_book("abz", Vocabulary("abc"))


def test_an_encoded_book_takes_a_byte_per_character() -> None:
    assert encode_book(VERSES, Vocabulary.of(VERSES)).element_size() == 1


def test_a_wide_alphabet_is_encoded_too() -> None:
    text = "".join(chr(0x4E00 + place) for place in range(300))
    assert encode_book(text, Vocabulary.of(text)).tolist() == list(range(300))


@pytest.mark.parametrize(("length", "rows", "window"), [(103, 3, 8), (50, 7, 5), (33, 1, 4)])
def test_streams_read_every_stretch_in_order(length: int, rows: int, window: int) -> None:
    batches = list(stream_batches(torch.arange(length), rows, window))
    each = (length - 1) // rows
    inputs = torch.cat([x for x, _ in batches], dim=1)
    targets = torch.cat([y for _, y in batches], dim=1)
    assert inputs.flatten().tolist() == list(range(rows * each))
    assert torch.equal(targets, inputs + 1)
    assert len(batches) == count_stream_batches(length, rows, window)


def test_sliding_windows_share_the_books_memory() -> None:
    """A copy of every window would take a hundred times the book's memory."""
    book = torch.zeros(10_000_000, dtype=torch.uint8)
    windows = sliding_windows(book, 100)
    assert windows.shape == (9_999_900, 101)
    assert windows.untyped_storage().nbytes() == 10_000_000
    assert windows.data_ptr() == book.data_ptr()


def test_window_batches_give_every_pattern_once_with_the_character_after_it() -> None:
    book = torch.arange(40)
    batches = list(window_batches(sliding_windows(book, 6), 8, seeded()))
    inputs = torch.cat([x for x, _ in batches])
    targets = torch.cat([y for _, y in batches])
    assert [len(x) for x, _ in batches] == [8, 8, 8, 8, 2]
    assert sorted(inputs[:, 0].tolist()) == list(range(34))
    assert torch.equal(targets, inputs[:, -1] + 1)


def test_window_batches_come_in_an_order_that_the_generator_decides() -> None:
    windows = sliding_windows(torch.arange(40), 6)

    def order(seed: int) -> list[int]:
        return [int(x) for _, y in window_batches(windows, 8, seeded(seed)) for x in y]

    assert order(1) == order(1) != order(2)


def test_shuffled_passages_are_the_same_passages() -> None:
    text = "one\nline\n\ntwo\n\nthree\n\nfour\n\n"
    vocabulary = Vocabulary.of(text)
    blank = torch.tensor(vocabulary.encode("\n\n"))
    shuffled = shuffle_passages(encode_book(text, vocabulary), blank, seeded(3))
    written = vocabulary.decode(shuffled.tolist())
    assert written != text
    assert sorted(written.split("\n\n")) == sorted(text.split("\n\n"))


def test_a_book_without_blank_lines_is_not_shuffled() -> None:
    ids = torch.tensor([0, 1, 2, 0, 3])
    assert torch.equal(shuffle_passages(ids, torch.tensor([0, 0]), seeded()), ids)
