"""Forms of verse, as values: a new form is a new line of FORMS."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

UNRHYMED = "-"


@dataclass(frozen=True, slots=True)
class Form:
    """Lines, their syllables, their stress, and which of them rhyme.

    >>> FORMS["haiku"].syllables, len(FORMS["sonnet"])
    ((5, 7, 5), 14)
    """

    name: str
    syllables: tuple[int, ...]  # of each line, 2 … 16
    stress: str  # of a line, repeated as often as needed: "-+" iambic, "+-" trochaic, "" free
    rhymes: str  # a letter for each line; the same letter rhymes, UNRHYMED does not
    stanzas: tuple[int, ...]  # lines between blank ones

    def __post_init__(self) -> None:
        if self.stress not in ("-+", "+-", ""):
            raise ValueError(f"no way to walk in {self.stress!r} is known")
        if not len(self.syllables) == len(self.rhymes) == sum(self.stanzas):
            raise ValueError(f"the parts of the form {self.name} differ in lines")

    def __len__(self) -> int:
        return len(self.syllables)

    def partner(self, line: int) -> int | None:
        """Return the line before `line` that it must rhyme with, the nearest one."""
        letter = self.rhymes[line]
        before = self.rhymes[:line].rfind(letter) if letter != UNRHYMED else -1
        return None if before < 0 else before

    def opens_rhyme(self, line: int) -> bool:
        """Whether a later line must rhyme with `line`."""
        letter = self.rhymes[line]
        return letter != UNRHYMED and letter in self.rhymes[line + 1 :]

    def break_after(self, line: int) -> str:
        """Return what stands between `line` and the next: a line break, or a blank line.

        >>> [FORMS["quatrain"].break_after(0), FORMS["sonnet"].break_after(3)]
        ['\\n', '\\n\\n']
        """
        return "\n\n" if self.closes_stanza(line) else "\n"

    def closes_stanza(self, line: int) -> bool:
        """Whether a stanza ends with `line`, and a sentence too."""
        return line + 1 in itertools.accumulate(self.stanzas)


def _iambic(name: str, rhymes: str, stanzas: tuple[int, ...]) -> Form:
    return Form(name, (10,) * len(rhymes), "-+", rhymes, stanzas)


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        form.name: form
        for form in (
            _iambic("sonnet", "ABABCDCDEFEFGG", (4, 4, 4, 2)),
            _iambic("quatrain", "ABAB", (4,)),
            _iambic("couplet", "AA", (2,)),
            Form("haiku", (5, 7, 5), "", "---", (3,)),
        )
    }
)
