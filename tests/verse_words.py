"""A small model that can write verse: words of our own, and a network that knows nothing."""

from __future__ import annotations

from functools import cache

import numpy as np

from model.checkpoint import Card, Model, expected_shapes
from model.config import NetworkConfig
from model.verse import Lexicon, make_lexicon
from model.vocabulary import Vocabulary

ALPHABET = Vocabulary.of("\n ',-.:;?!abcdefghijklmnopqrstuvwxyz")
# Some words whole, some in parts, some letter by letter.
PIECES = (" the", " riv", "er", " s", " an", "ing", "in", " lant", "da", " da", " pl", "ai", " rem")
# Families of rhyme, and words to fill lines with; enough of each for a sonnet.
RHYMES = (
    "day way say play stay away delay today grey may",
    "night light sight bright delight white kite tonight height might",
    "rain plain lane again chain train remain explain vain grain",
    "sea tree free be key agree degree knee bee decree",
    "old cold gold told bold fold hold behold sold unfold",
    "rose nose those close grows knows flows suppose shows blows",
    "fair hair air care share bear compare despair declare pear",
    "true new blue through few grew threw renew view shoe",
)
FILLERS = """the a of and to in my thy river garden little lantern silver water mountain
over under winter summer lazy yellow forget remember tomorrow is was with sings runs walks
beautiful miracle apple table window mother father morning evening never always"""


@cache
def small_lexicon() -> Lexicon:
    """Return the words above, as if a book had them."""
    words = " ".join([*RHYMES, FILLERS]).split()
    lines = [" ".join(words[n : n + 6]) for n in range(0, len(words), 6)]
    return make_lexicon("\n".join(lines))


def verse_model(pieces: tuple[str, ...] = (), seed: int = 5, topic_size: int = 0) -> Model:
    """Return a model with random weights; `seed` chooses them."""
    vocabulary = Vocabulary(ALPHABET.characters, pieces)
    config = NetworkConfig(
        vocabulary_size=len(vocabulary),
        embedding_size=32 if pieces else 8,
        hidden_size=32,
        residual=topic_size > 0,
        tied=bool(pieces),
        topic_size=topic_size,
    )
    generator = np.random.default_rng(seed)
    tensors = {
        name: generator.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in expected_shapes(config).items()
    }
    card = Card(
        name="small",
        book_title="A small book",
        book_sha256="",
        book_characters=0,
        created="2026-01-01T00:00:00Z",
        recipe="default",
        lower_case=True,
        loss=2.0,
        names=("Mary",),
    )
    return Model(config, tensors, vocabulary, card, "", small_lexicon())
