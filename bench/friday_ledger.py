"""What became of every command of a long evening: a ledger, and what it says in the end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import nan

POEM_MARK = "random seed"  # in the last line of every poem
FOOTER = "\n-# "  # above it; a sentence has none
APOLOGY = "Something went wrong"
IN_A_FAULT, IN_A_CROWD = "in a fault", "in a crowd"  # kinds of commands that faults bring along


class Wants(StrEnum):
    """What a command is to get."""

    POEM = "poem"
    WORDS = "words"  # a sentence, or a poem: one answer
    NOTHING = "nothing"  # there is nobody to tell, or nowhere
    GONE = "gone"  # a message, the victim's, is to vanish


class End(StrEnum):
    """What became of a command."""

    POEM = "a poem"
    WORDS = "a sentence"
    NOTHING = "none, as was meant"
    GONE = "the message vanished"
    DELETED = "a poem, deleted on request"
    LOST = "lost with a session, counted"
    LEFT = "the reader left"
    # What must not be:
    MISSING = "NO ANSWER"
    DOUBLE = "MORE THAN ONE"
    REFUSED = "A SENTENCE IN A POEM'S PLACE"
    APOLOGY = "AN APOLOGY"
    UNBIDDEN = "AN ANSWER WHERE NONE WAS DUE"


FAULTS = (End.MISSING, End.DOUBLE, End.REFUSED, End.APOLOGY, End.UNBIDDEN)


@dataclass
class Entry:
    """A command."""

    kind: str
    wants: Wants
    asked_at: float  # seconds since the beginning
    command: int = 0
    guild: int | None = None
    member: int = 0
    calm: bool = True  # no fault was in the air when it was asked
    seconds: float = nan  # until it was answered
    answers: int = 0
    said: str = ""  # the first answer
    lost: bool = False  # with a session of the gateway
    deleted: bool = False  # the answer, by a later command
    left: bool = False  # the reader, before the end
    victim: Entry | None = None  # whose answer is to vanish

    def end(self) -> End:
        """Say what became of it."""
        if self.lost and not self.answers:
            return End.LOST
        if self.left:
            return End.LEFT
        if self.answers > 1:
            return End.DOUBLE
        if self.deleted:
            return End.DELETED
        if APOLOGY in self.said:
            return End.APOLOGY
        if self.wants is Wants.GONE:
            gone = self.victim is not None and self.victim.deleted
            return End.GONE if gone else End.MISSING
        if self.wants is Wants.NOTHING:
            return End.UNBIDDEN if self.answers else End.NOTHING
        if not self.answers:
            return End.MISSING
        if POEM_MARK in self.said:
            return End.POEM
        return End.WORDS if self.wants is Wants.WORDS else End.REFUSED


def is_whole(content: str) -> bool:
    """Whether an answer will not grow any more.

    >>> is_whole("O rose\\n-# writing…"), is_whole("O rose\\n-# sonnets · random seed 7")
    (False, True)
    >>> is_whole("One poem at a time: please wait 4 s and ask again.")
    True
    """
    return bool(content) and (POEM_MARK in content or FOOTER not in content)


@dataclass
class Ledger:
    """All commands, in the order in which they were asked."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> Entry:
        self.entries.append(entry)
        return entry

    def ends(self) -> Counter[End]:
        return Counter(entry.end() for entry in self.entries)

    def by_kind(self) -> dict[str, Counter[End]]:
        """Return the ends of each kind of command."""
        kinds: dict[str, Counter[End]] = {}
        for entry in self.entries:
            kinds.setdefault(entry.kind, Counter())[entry.end()] += 1
        return kinds

    def faults(self) -> list[Entry]:
        """Return the commands with which something was wrong."""
        return [entry for entry in self.entries if entry.end() in FAULTS]

    def poem_seconds(self, *, calm: bool | None = None, crowd: bool | None = None) -> list[float]:
        """Return how long poems took, where `calm` and `crowd` are so of those asked about.

        `calm` are those that were asked for while nothing was wrong, `crowd` those of many members
        at once in one channel, whose edits have to take turns.
        """
        return [
            entry.seconds
            for entry in self.entries
            if entry.end() in (End.POEM, End.DELETED)
            and entry.seconds == entry.seconds
            and calm in (None, entry.calm)
            and crowd in (None, entry.kind == IN_A_CROWD)
        ]


@dataclass
class Strike:
    """A fault that was played."""

    name: str
    at: float
    seconds: float = nan  # to recover
    note: str = ""  # why it could not be played to its end


def by_fault(strikes: Sequence[Strike]) -> dict[str, list[Strike]]:
    """Put the faults of one kind together."""
    kinds: dict[str, list[Strike]] = {}
    for strike in strikes:
        kinds.setdefault(strike.name, []).append(strike)
    return dict(sorted(kinds.items()))
