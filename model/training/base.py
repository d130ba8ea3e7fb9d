"""The base model: what it reads, what it must not have read, and how it is trained.

Whatever is held out to measure a book's model by must be out of the base's text too. Books of many
authors hold other people's poems, so every passage that shares a line with the book is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from model.capitals import find_names
from model.training.recipes import Recipe
from model.verse.lexicon import MIN_COUNT, Lexicon, make_lexicon

MIN_LETTERS = 16  # of a line that proves a common origin; shorter ones are common property
# Characters that a book of English may have although the base's text does not.
WIDE = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

_READING = Recipe(  # what all stages have in common
    name="default",
    hidden_size=512,
    rows=32,
    held_out=0.0,
    warmup=0.02,
    monitor="training",
    patience=0,
)
# Learn to spell; then to begin anywhere; then again and again from a high rate down to nothing,
# with ever less dropout: a network of this size does not learn three megabytes by heart.
STAGES = (
    _READING.model_copy(
        update={
            "dropout": 0.1,
            "epochs": 4,
            "learning_rate": 4e-3,
            "warmup": 0.03,
            "final_rate": 0.1,
            "weight_decay": 0.03,
            "average": 0.995,
        }
    ),
    *(
        _READING.model_copy(
            update={
                "dropout": dropout,
                "weight_drop": weight_drop,
                "cold_starts": 0.03,
                "epochs": epochs,
                "learning_rate": learning_rate,
                "final_rate": final_rate,
                "weight_decay": 0.05,
                "average": average,
            }
        )
        for dropout, weight_drop, epochs, learning_rate, final_rate, average in (
            (0.2, 0.2, 2, 3e-3, 0.03, 0.998),
            (0.2, 0.2, 3, 2e-3, 0.02, 0.999),
            (0.15, 0.15, 3, 2.5e-3, 0.02, 0.999),
            (0.1, 0.12, 2, 2.5e-3, 0.02, 0.999),
        )
    ),
)


def base_text(texts: Iterable[str], unseen: Iterable[str]) -> str:
    """Join texts of verse, lower-cased, without the passages that share a line with `unseen`."""
    known = {key for text in unseen for line in text.split("\n") if (key := _key(line))}
    passages = [passage for text in texts for passage in _passages(text.lower())]
    kept = [
        passage
        for passage in passages
        if not any(_key(line) in known for line in passage.split("\n"))
    ]
    return "\n\n".join([*kept, WIDE]) + "\n\n"


def base_lexicon(text: str, sources: Iterable[str]) -> Lexicon:
    """Return the words of the base's text that other books may borrow.

    Neither slips of the pen nor names, as the `sources` write them with a capital.
    """
    people = {name.lower() for source in sources for name in find_names(source)}
    return Lexicon(
        tuple(
            entry
            for entry in make_lexicon(text).entries
            if entry.count >= MIN_COUNT and entry.word not in people
        )
    )


def _passages(text: str) -> Iterator[str]:
    for passage in re.split(r"\n\s*\n", text):
        if passage.strip():
            yield passage.strip("\n")


def _key(line: str) -> str:
    """Return a line's letters, or nothing where they are too few to tell its origin."""
    letters = "".join(filter(str.isalpha, line.lower()))
    return letters if len(letters) >= MIN_LETTERS else ""
