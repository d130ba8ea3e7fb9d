"""Which words a word goes with: for seeds that the network cannot be told of.

A plan hangs on words that have a place among the topics, and those are words of one token. A model
file has others that came together with some of them in what the base model read. For the rest
there are the words of WordNet 3.0's definitions (Fellbaum 1998; see wordnet.LICENSE beside this),
as far as verse knows them. `make definitions` makes that file.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DEFINITIONS = Path(__file__).with_name("definitions.txt.gz")
MAX_RELATED = 6  # to one word
MAX_LISTED = 30_000  # words of a model file, which may come from a stranger
_LINE = re.compile(rf"[a-z]{{1,30}}(?: [a-z'-]{{1,30}}){{1,{MAX_RELATED}}}")


@dataclass(frozen=True, slots=True)
class RelatedWords:
    """A list of words, each with others that it goes with, the nearest first.

    >>> RelatedWords("candle light night\\nclock hour door\\n").of("clock")
    ('hour', 'door')
    """

    text: str = ""  # "word near near" a line, sorted; searched, not parsed, to save memory

    def of(self, word: str) -> tuple[str, ...]:
        """Return the words that `word`, in lower case, goes with; none if it is not listed."""
        low, high = 0, len(self.text)
        while low < high:
            middle = (low + high) // 2
            begin = self.text.rfind("\n", low, middle) + 1 or low
            end = self.text.index("\n", middle)
            listed, *near = self.text[begin:end].split(" ")
            if listed == word:
                return tuple(near)
            low, high = (end + 1, high) if listed < word else (low, begin)
        return ()

    @classmethod
    def read(cls, text: str) -> RelatedWords:
        """Return the list that `text` is; raise ValueError for anything else."""
        *lines, rest = text.split("\n")
        if len(lines) > MAX_LISTED:
            raise ValueError(f"the lexicon has more than {MAX_LISTED:,} related words")
        if rest or lines != sorted(lines) or not all(map(_LINE.fullmatch, lines)):
            raise ValueError("the lexicon has related words that are not valid")
        return cls(text)


@cache
def definitions() -> RelatedWords:
    """Return the words of definitions."""
    return RelatedWords(gzip.decompress(DEFINITIONS.read_bytes()).decode("ascii"))
