"""How long a poem is so far, and where it ends: text alone, nothing of networks."""

from __future__ import annotations

from enum import StrEnum

from model.config import MAX_CHARACTERS, LengthConfig

MAX_NUMBER = 4  # digits of a number that may stand over a poem; a longer line of digits is text


class Finish(StrEnum):
    """Why a poem ended."""

    LENGTH = "length"  # it has the lines or characters that were asked for
    CUT_OFF = "cut off"  # MAX_CHARACTERS came first
    CANCELLED = "cancelled"


class Extent:
    """How far a poem has come, and whether it ends here.

    By lines, only lines of verse count. One without words is blank; so is one that holds but a
    short number, as books number their poems. Of blank lines in a row the first is shown, empty,
    before the first words none, and not the line break after the last line.
    By characters, everything is shown as it comes.
    """

    def __init__(self, length: LengthConfig, prompt: str) -> None:
        self._length = length
        *complete, current = prompt.split("\n")
        self._characters = len(prompt)  # read so far, shown or not, so that it ends in any case
        self._lines = sum(1 for line in complete if line.strip())
        self._is_verse = bool(current.strip())  # the line under way, as far as it has come
        self._held = ""  # of a line that is not verse yet
        self._blank_may_follow = bool(complete and complete[-1].strip())

    @property
    def finish(self) -> Finish | None:
        """Why the poem ends here, or None if it goes on."""
        lines, characters = self._length.lines, self._length.characters
        if lines is not None and self._lines >= lines:
            return Finish.LENGTH
        if characters is not None and self._characters >= characters:
            return Finish.LENGTH
        return Finish.CUT_OFF if self._characters >= MAX_CHARACTERS else None

    def write(self, character: str) -> str:
        """Count `character` and return what is to be shown now: often itself, sometimes nothing."""
        self._characters += 1
        if self._length.lines is None:
            return character
        if character == "\n":
            return self._end_line(self._length.lines)
        self._held += character
        number = self._held.strip()
        self._is_verse |= bool(number) and not (number.isdecimal() and len(number) <= MAX_NUMBER)
        if not self._is_verse:
            return ""
        shown, self._held = self._held, ""
        return shown

    def _end_line(self, lines: int) -> str:
        shown = self._is_verse or self._blank_may_follow
        self._lines += self._is_verse
        self._blank_may_follow = self._is_verse
        self._is_verse, self._held = False, ""
        return "\n" if shown and self._lines < lines else ""
