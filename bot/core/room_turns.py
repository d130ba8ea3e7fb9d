"""Whose turn it is in a room: its visitors, and the words and lines that wait.

Each visitor has one contribution that waits, and the oldest is next. So all who take part have
their turns one after the other. Who has gone waits for those who are there: tokens cost nothing,
and open streams are bounded.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import regex

from bot.core.errors import AvoidedSeed, BadSetting, NothingThere, RoomFull
from bot.core.languages import sentence
from bot.core.poem_settings import avoided_word, clean_lines
from bot.core.records import MAX_LINE_CHARACTERS

SECRET_BYTES = 16  # of a token: nobody guesses it
MAX_WORD_CHARACTERS = 30
WORD = regex.compile(
    rf"(?=.{{1,{MAX_WORD_CHARACTERS}}}$)[\p{{L}}\p{{M}}]+(?:['’-][\p{{L}}\p{{M}}]+)*"
)


class Kind(StrEnum):
    """What a line comes from."""

    WORD = "word"  # a visitor's word
    LINE = "line"  # a visitor wrote it
    BOT = "bot"


@dataclass(eq=False, slots=True)
class Visitor:
    """Somebody with a phone; `token` is known to that phone alone."""

    token: str
    streams: int = 0  # of events that are open; 0: away
    contribution: Contribution | None = None  # that waits
    outcome: dict[str, object] | None = None  # of the one before


@dataclass(frozen=True, eq=False, slots=True)
class Contribution:
    """A word or a line that waits for its turn."""

    number: int
    visitor: Visitor
    kind: Kind
    text: str

    def as_dict(self) -> dict[str, object]:
        return {"number": self.number, "kind": self.kind.value, "text": self.text}


class Turns:
    """The visitors of a room, at most `most`, and what they gave."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._visitors: dict[str, Visitor] = {}  # by token; of those away, the longest first
        self._waiting: dict[int, Contribution] = {}  # by number, the oldest first
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Contribution]:
        """Iterate over what waits, the next one first."""
        return iter(sorted(self._waiting.values(), key=lambda each: not each.visitor.streams))

    @property
    def first(self) -> Contribution | None:
        return next(iter(self), None)

    @property
    def people(self) -> int:
        """How many visitors are there."""
        return sum(visitor.streams > 0 for visitor in self._visitors.values())

    def knows(self, token: str) -> bool:
        return token in self._visitors

    def find(self, number: int) -> Contribution | None:
        return self._waiting.get(number)

    def enter(self, token: str) -> Visitor:
        """Let a visitor in, one of before if `token` is known; raise RoomFull.

        Who is away makes room for who is there.
        """
        visitor = self._visitors.get(token)
        if visitor is None:
            if len(self._visitors) >= self._most:
                self._make_room()
            visitor = Visitor(secrets.token_urlsafe(SECRET_BYTES))
            self._visitors[visitor.token] = visitor
        visitor.streams += 1
        return visitor

    def leave(self, visitor: Visitor) -> None:
        """Take one of a visitor's streams for closed."""
        visitor.streams -= 1
        self._visitors[visitor.token] = self._visitors.pop(visitor.token)

    def _make_room(self) -> None:
        away = next((each for each in self._visitors.values() if not each.streams), None)
        if away is None:
            raise RoomFull(self._most)
        del self._visitors[away.token]
        if away.contribution is not None:
            self.take(away.contribution, {})

    def give(self, token: str, kind: Kind, text: str, current: Contribution | None) -> Visitor:
        """Take a contribution; it takes the place of one that waits and is not `current`.

        Raises NothingThere for an unknown token.
        """
        visitor = self._visitors.get(token)
        if visitor is None:
            raise NothingThere(sentence("You are not in this room any more. Join it again."))
        own = visitor.contribution
        number = next(self._numbers) if own is None or own is current else own.number
        visitor.contribution = Contribution(number, visitor, kind, text)
        visitor.outcome = None
        self._waiting[number] = visitor.contribution
        return visitor

    def take(self, contribution: Contribution, outcome: dict[str, object]) -> None:
        """Take a contribution out, and have its visitor told what became of it."""
        if self._waiting.get(contribution.number) is contribution:
            del self._waiting[contribution.number]
        if contribution.visitor.contribution is contribution:
            contribution.visitor.contribution = None
            contribution.visitor.outcome = outcome


def screen(kind: Kind, typed: str, avoid: tuple[str, ...]) -> str:
    """Return a word or line as it is used; raise BadSetting or AvoidedSeed.

    It takes the longer the odder the words are, and belongs on another thread than the loop's.
    """
    [text] = clean_lines((typed,))
    if kind is Kind.WORD and not WORD.fullmatch(text):
        allowed = sentence("one word of 1 to {most} letters", most=MAX_WORD_CHARACTERS)
        raise BadSetting("word", typed, allowed)
    is_visible = any(map(str.isprintable, text.replace(" ", "")))
    if len(text) > MAX_LINE_CHARACTERS or not is_visible:
        allowed = sentence("text of 1 to {most} characters", most=MAX_LINE_CHARACTERS)
        raise BadSetting("line", typed, allowed)
    if (word := avoided_word(text, avoid)) is not None:
        raise AvoidedSeed(word, gift=kind.value)
    return text
