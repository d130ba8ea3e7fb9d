"""What of a book its model keeps beside the weights: the words of its verse, hashes of its runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from model.checkpoint import Grams, no_grams
from model.kernel.filters import grams_of
from model.verse import Lexicon, NoVerse, make_lexicon
from model.vocabulary import Vocabulary


@dataclass(frozen=True)
class BookExtract:
    """Of one book."""

    lexicon: Lexicon = field(default_factory=Lexicon)  # empty: its model writes free text alone
    grams: Grams = field(default_factory=no_grams)
    note: str = ""  # why there is no verse, for whoever trains


def extract_from_book(
    text: str, ids: Tensor, vocabulary: Vocabulary, elsewhere: Lexicon | None
) -> BookExtract:
    """Return what to keep of a book, `text` or its `ids` (C,), as the network reads it.

    `elsewhere` has words that the book may lack: the base model's.
    """
    grams = book_grams(ids, vocabulary)
    if text != text.lower():
        return BookExtract(
            grams=grams, note="A model that tells capitals apart writes free text alone."
        )
    try:
        lexicon = make_lexicon(text, elsewhere)
        if not lexicon.can_rhyme:
            raise NoVerse("too few of its words rhyme")
    except NoVerse as reason:
        return BookExtract(grams=grams, note=str(reason))
    return BookExtract(lexicon, grams)


def book_grams(ids: Tensor, vocabulary: Vocabulary) -> Grams:
    """Return the hashes of the runs of a book; see `model.kernel.filters`."""
    spaces = np.array([character.isspace() for character in vocabulary.characters])
    return grams_of(ids.cpu().numpy(), spaces)
