"""What a word means, in other words: for seeds of which the model has read nothing.

The words are those of WordNet 3.0's definitions (Fellbaum 1998; see wordnet.LICENSE beside this),
as far as verse has them. The file is made by `make definitions`.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

DEFINITIONS = Path(__file__).with_name("definitions.txt.gz")


@cache
def _lines() -> bytes:
    """Return "word near near …" a line; searched, not parsed, to save memory."""
    return b"\n" + gzip.decompress(DEFINITIONS.read_bytes())


def look_up_definition(word: str) -> tuple[str, ...]:
    """Return up to six words that tell what `word`, in lower case, means; none if it is unknown.

    >>> look_up_definition("pizza")
    ('open', 'thin', 'bread', 'spread')
    """
    if not word.isalpha() or not word.isascii():
        return ()
    key = f"\n{word} ".encode()
    begin = _lines().find(key)
    if begin < 0:
        return ()
    begin += len(key)
    return tuple(_lines()[begin : _lines().index(b"\n", begin)].decode("ascii").split())
