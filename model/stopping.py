"""How long a poem is so far, and where it ends: text alone, nothing of networks."""

from __future__ import annotations

from enum import StrEnum

from model.config import MAX_CHARACTERS, LengthConfig

MAX_NUMBER = 4  # digits of a number that may stand over a poem; a longer line of digits is text


class FinishReason(StrEnum):
    """Why a poem ended."""

    LENGTH = "length"  # it has the lines or characters that were asked for
    STOP = "stop"  # a stop string came
    CUT_OFF = "cut off"  # MAX_CHARACTERS came first
    CANCELLED = "cancelled"


class StoppingCriteria:
    """How far a poem has come, and whether it ends here.

    By lines, only lines of verse count. One without words is blank; so is one that holds but a
    short number, as books number their poems. Of blank lines in a row the first is shown, empty,
    before the first words none, and not the line break after the last line.
    By characters, everything is shown as it comes.
    Where a stop string comes the poem ends, and neither it nor its beginning is shown.
    """

    def __init__(self, length: LengthConfig, prompt: str) -> None:
        self._length = length
        *complete, current = prompt.split("\n")
        self._characters = len(prompt)  # read so far, shown or not, so that it ends in any case
        self._lines = sum(1 for line in complete if line.strip())
        self._is_verse = bool(current.strip())  # the line under way, as far as it has come
        self._held = ""  # of a line that is not verse yet
        self._blank_may_follow = bool(complete and complete[-1].strip())
        self._stops = StopStrings(length.stop)

    @property
    def finished(self) -> FinishReason | None:
        """Why the poem ends here, or None if it goes on."""
        lines, characters = self._length.lines, self._length.characters
        if self._stops.found:
            return FinishReason.STOP
        if lines is not None and self._lines >= lines:
            return FinishReason.LENGTH
        if characters is not None and self._characters >= characters:
            return FinishReason.LENGTH
        return FinishReason.CUT_OFF if self._characters >= MAX_CHARACTERS else None

    def write(self, text: str) -> str:
        """Count `text`, as far as the poem goes; return what of it is shown now.

        Often that is all of it, sometimes nothing, and what was held back comes later.
        """
        if self._length.lines is None:
            limit = self._length.characters or MAX_CHARACTERS
            shown = text[: limit - self._characters]
            self._characters += len(shown)
        else:
            shown = "".join(self._shown_of(text, self._length.lines))
        if not self._length.stop:
            return shown
        shown = self._stops.write(shown)
        return shown if self.finished in (None, FinishReason.STOP) else shown + self._stops.rest()

    def _shown_of(self, text: str, lines: int) -> list[str]:
        shown = []
        for character in text[: MAX_CHARACTERS - self._characters]:
            self._characters += 1
            if character == "\n":
                shown.append(self._end_line(lines))
                if self._lines >= lines:
                    break
            elif self._is_verse:
                shown.append(character)
            else:
                shown.append(self._begin_line(character))
        return shown

    def _begin_line(self, character: str) -> str:
        self._held += character
        number = self._held.strip()
        self._is_verse = bool(number) and not (number.isdecimal() and len(number) <= MAX_NUMBER)
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


class StopStrings:
    """Lets text through up to the first of some strings, and holds back what may begin one.

    >>> stops = StopStrings(("the end",))
    >>> stops.write("and the e"), stops.write("lm"), stops.write(" is the end."), stops.found
    ('and ', 'the elm', ' is ', True)
    """

    def __init__(self, strings: tuple[str, ...]) -> None:
        self._strings = strings
        self._held = ""
        self.found = False

    def write(self, text: str) -> str:
        """Return what of the text so far cannot be part of a stop string any more."""
        if not self._strings or self.found:
            return "" if self.found else text
        text = self._held + text
        found = [(at + len(stop), at) for stop in self._strings if (at := text.find(stop)) >= 0]
        if found:  # the one that is complete first, however the text comes in parts
            self.found, self._held = True, ""
            return text[: min(found)[1]]
        held = max(map(_overlap, [text] * len(self._strings), self._strings))
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """Return what was held back: no more text comes."""
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of `text` begin `stop`."""
    most = min(len(text), len(stop) - 1)
    return next(n for n in range(most, -1, -1) if text.endswith(stop[:n]))
