"""A book's ids as batches: streams that continue from batch to batch, or windows that slide by one.

Neither copies the book: batches are views, widened to int64 only when they are yielded.
Shapes: C tokens of the book, N rows, T tokens in a window, P = C - T patterns.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from model.vocabulary import WORD_WITH_SPACE, Vocabulary


def encode_book(text: str, vocabulary: Vocabulary) -> Tensor:
    """Map a whole book to ids (C,) of the narrowest type that holds V: 1 byte per character mostly.

    Like `Vocabulary.encode`, but without a Python object per token; KeyError if one is unknown.
    """
    return _encode_words(text, vocabulary) if vocabulary.pieces else _encode(text, vocabulary)


def _encode_words(text: str, vocabulary: Vocabulary) -> Tensor:
    words: dict[str, array[int]] = {}  # a book has each word many times
    ids = array("h" if len(vocabulary) < 2**15 else "i")
    for match in WORD_WITH_SPACE.finditer(text):
        word = match[0]
        found = words.get(word)
        if found is None:
            found = words[word] = array(ids.typecode, vocabulary.encode_word(word))
        ids.extend(found)
    return torch.from_numpy(np.array(ids))


def token_lengths(vocabulary: Vocabulary) -> Tensor:
    """Return how many characters each token has (V,)."""
    return torch.tensor([len(token) for token in vocabulary.tokens])


def _encode(text: str, vocabulary: Vocabulary) -> Tensor:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)  # (C,)
    alphabet = np.array([ord(character) for character in vocabulary.characters], dtype=np.uint32)
    ids = np.searchsorted(alphabet, points)  # (C,), by an alphabet (V,) in order
    unknown = alphabet[np.minimum(ids, len(alphabet) - 1)] != points
    if unknown.any():
        raise KeyError(text[int(unknown.argmax())])
    narrow = np.uint8 if len(alphabet) <= 2**8 else np.int32
    return torch.from_numpy(ids.astype(narrow))


def stream_batches(ids: Tensor, rows: int, window: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and targets (N, T) of N equal stretches of the book, read side by side.

    Row n of a batch continues row n of the batch before, so that state can be carried.
    The last batch may be narrower in T; fewer than N tokens at the end are not read.

    >>> [(x.tolist(), y.tolist()) for x, y in stream_batches(torch.arange(7), 2, 2)]
    [([[0, 1], [3, 4]], [[1, 2], [4, 5]]), ([[2], [5]], [[3], [6]])]
    """
    inputs = stream_windows(ids[:-1], rows, window)
    targets = stream_windows(ids[1:], rows, window)  # the same, one token later
    yield from zip(inputs, targets, strict=True)


def stream_windows(values: Tensor, rows: int, window: int) -> Iterator[Tensor]:
    """Yield windows (N, T) of N equal stretches of what a book's tokens have each (C,)."""
    length = len(values) // rows
    stretches = values[: rows * length].view(rows, length)  # (C,) to (N, C // N)
    for start in range(0, length, window):
        yield stretches[:, start : start + window].long()


def count_stream_batches(tokens: int, rows: int, window: int) -> int:
    return -(-((tokens - 1) // rows) // window)


def sliding_windows(ids: Tensor, window: int) -> Tensor:
    """Return the view (P, T + 1) of every window of T tokens and the one after it.

    P = C - T: what the tutorial calls patterns. A 10 MB book stays 10 MB.

    >>> sliding_windows(torch.tensor([5, 6, 7, 8]), 2).tolist()
    [[5, 6, 7], [6, 7, 8]]
    """
    return ids.unfold(0, window + 1, 1)  # (C,) to (P, T + 1)


def window_batches(
    windows: Tensor, rows: int, order: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs (N, T) and the next tokens (N,), every pattern once in shuffled order."""
    for places in torch.split(torch.randperm(len(windows), generator=order), rows):
        batch = windows[places.to(windows.device)].long()  # (P, T + 1) to (N, T + 1)
        yield batch[:, :-1], batch[:, -1]


def shuffle_passages(ids: Tensor, blank_line: Tensor, order: torch.Generator) -> Tensor:
    """Return the book with its passages (poems, paragraphs) in another order.

    A passage ends with `blank_line`, the ids of two newlines (2,). A book without one comes back
    unchanged.
    """
    ends = (ids[:-1] == blank_line[0]) & (ids[1:] == blank_line[1])  # (C - 1,)
    cuts = (ends.nonzero().flatten() + 2).tolist()
    if not cuts:
        return ids
    passages = ids.tensor_split([cut for cut in cuts if cut < len(ids)])
    places = torch.randperm(len(passages), generator=order).tolist()
    return torch.cat([passages[place] for place in places])
