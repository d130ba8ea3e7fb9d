"""How long a poem is so far, and where it ends: text alone, nothing of networks."""

from __future__ import annotations

from enum import StrEnum

from model.config import MAX_CHARACTERS, LengthConfig


class Finish(StrEnum):
    """Why a poem ended."""

    LENGTH = "length"  # it has the lines or characters that were asked for
    CUT_OFF = "cut off"  # MAX_CHARACTERS came first
    CANCELLED = "cancelled"


class Extent:
    """How far a poem has come, and whether it ends here.

    By lines, a line counts when it is complete and not blank. Of blank lines in a row only the
    first is shown, before the first words none, and not the line break after the last line.
    By characters, everything is shown as it comes.
    """

    def __init__(self, length: LengthConfig, prompt: str) -> None:
        self._length = length
        *complete, current = prompt.split("\n")
        self._characters = len(prompt)  # read so far, shown or not, so that it ends in any case
        self._lines = sum(1 for line in complete if line.strip())
        self._line_is_blank = not current.strip()
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
        """Count `character` and return what of it is shown: itself or nothing."""
        self._characters += 1
        if character != "\n":
            self._line_is_blank = self._line_is_blank and character.isspace()
            return character
        shown = self._blank_may_follow or not self._line_is_blank
        self._blank_may_follow = not self._line_is_blank
        self._lines += not self._line_is_blank
        self._line_is_blank = True
        if self._length.lines is None:
            return character
        return character if shown and self._lines < self._length.lines else ""
