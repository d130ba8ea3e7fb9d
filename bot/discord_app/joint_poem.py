"""A joint poem: its lines so far, the lines that may come next, and the vote for one of them.

Pure: Discord, the engine and the clock are somebody else's. It lives in memory only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from bot.core.errors import TooMuch
from bot.core.languages import ENGLISH, counted, sentence, translate
from bot.core.records import NextLine, Poem, PoemRequest, VerseLine
from bot.discord_app.poem_formatting import MAX_VERSE, escape, measure

PREFIX = "together"  # of the custom_ids of its buttons and its form
BOT = 0  # in place of a member who wrote a line
MAX_LINE = 100  # characters of a member's line, so that fourteen of them fit a message
MAX_PROPOSALS = 7  # in a vote; with the bot's three lines, two rows of buttons
EMPTY_VOTES = 2  # in a row, after which the poem pauses
LINE_ROOM = 60  # kept in a message for each line to come
TOO_LONG = sentence(
    "With this line the poem is too long for a message on Discord. Write a shorter line."
)
PROPOSED_BEFORE = sentence(
    "You have proposed a line in this vote already. You can vote for any line."
)
NO_ROOM = sentence(
    "This vote has {most} proposals already. Vote for one of the lines.", most=MAX_PROPOSALS
)
NOBODY_VOTED = sentence(
    "Nobody took part in the last two votes, so I wait. Press Go on to continue."
)
NO_NEXT_LINE = sentence("I found no next line. Write one, or take back the last one.")


@dataclass(frozen=True, slots=True)
class JointLine:
    """A line, and the member who wrote it or BOT."""

    line: VerseLine
    author: int = BOT

    @property
    def text(self) -> str:
        return self.line.text


class Vote:
    """What members choose from, and who chose what: each has one vote and one proposal.

    Options are counted from 1. A member's latest vote counts.
    """

    def __init__(self, candidates: Sequence[VerseLine]) -> None:
        self.options = [JointLine(line) for line in candidates]
        self._votes: dict[int, int] = {}  # member → option, the earliest vote first

    @property
    def voters(self) -> frozenset[int]:
        return frozenset(self._votes)

    @property
    def counts(self) -> Counter[int]:
        """How many votes each option has."""
        return Counter(self._votes.values())

    def cast(self, member: int, option: int) -> None:
        """Vote for an option that is there; the same vote again keeps its place in time."""
        if self._votes.get(member) != option and 1 <= option <= len(self.options):
            self._votes.pop(member, None)
            self._votes[member] = option

    def propose(self, member: int, line: VerseLine) -> int:
        """Add a member's line, and their vote for it; return its option. Raise TooMuch.

        A line that is there already gets the vote.
        """
        self.require_room(member)
        texts = [option.text for option in self.options]
        if line.text not in texts:
            self.options.append(JointLine(line, member))
            texts.append(line.text)
        option = texts.index(line.text) + 1
        self.cast(member, option)
        return option

    def require_room(self, member: int) -> None:
        """Raise TooMuch where a member may not propose a line."""
        authors = [option.author for option in self.options if option.author != BOT]
        if member in authors:
            raise TooMuch(PROPOSED_BEFORE)
        if len(authors) >= MAX_PROPOSALS:
            raise TooMuch(NO_ROOM)

    @property
    def winner(self) -> JointLine | None:
        """The option with the most votes, of several the one that was voted for first."""
        counts = self.counts
        if not counts:
            return None
        most = max(counts.values())
        first = next(option for option in self._votes.values() if counts[option] == most)
        return self.options[first - 1]


class Phase(Enum):
    """What a joint poem is doing."""

    LOOKING = auto()  # for the next lines
    CHOOSING = auto()
    PAUSED = auto()  # something was in the way; `notice` says what
    FINISHING = auto()  # the bot writes the rest
    ENDED = auto()


@dataclass(eq=False)
class JointPoem:
    """A poem that a member, or by vote a channel, writes with the bot line by line.

    Every change of what may be pressed is a new `step`, by which a button of an earlier one is
    known.
    """

    key: str  # in its custom_ids
    owner: int  # the member who began it
    by_vote: bool
    request: PoemRequest
    language: str = ENGLISH  # that its message speaks
    lines: list[JointLine] = field(default_factory=list)
    candidates: tuple[VerseLine, ...] = ()
    vote: Vote | None = None
    phase: Phase = Phase.LOOKING
    notice: str = ""  # a sentence for the members, in Discord's Markdown
    step: int = 0
    length: int = 0  # lines of the form; 0 before the first answer
    members: set[int] = field(default_factory=set)  # who chose or wrote a line
    _given: int = 0  # lines that the seed has
    _empty: int = 0  # votes in a row that nobody took part in

    @property
    def is_whole(self) -> bool:
        return 0 < self.length <= len(self.lines)

    @property
    def is_busy(self) -> bool:
        return self.phase in (Phase.LOOKING, Phase.FINISHING)

    def takes(self, *, is_edit: bool) -> bool:
        """Whether a member may write a line now: the next one, or with `is_edit` the last again."""
        if self.is_busy or self.phase is Phase.ENDED:
            return False
        if is_edit:
            return self.can_undo and not self.by_vote
        return self.vote is not None if self.by_vote else not self.is_whole

    @property
    def can_undo(self) -> bool:
        return len(self.lines) > self._given

    @property
    def verse(self) -> str:
        return "\n".join(line.text for line in self.lines)

    def request_with(self, *more: str, instead: bool = False) -> PoemRequest:
        """Return the request for what comes after the lines so far, and after `more`.

        `instead` says that `more` replaces the last line. Where only the seed stands, the next line
        begins with what the seed has of it.
        """
        before = self.lines[:-1] if instead else self.lines
        written = (*(line.text for line in before), *more)
        is_begun = len(written) > self._given
        return replace(self.request, written=written if is_begun else (), line_by_line=True)

    def enter(self, phase: Phase, notice: str = "") -> None:
        """Go into another phase; what could be pressed before is no longer valid."""
        self.phase, self.notice = phase, notice
        self.candidates, self.vote = (), None
        self.step += 1

    def offer(self, answer: NextLine) -> None:
        """Take over the engine's answer; model, form and random seed stay the same from now on."""
        if not self.length:
            self._given = len(answer.lines)
            self.length = answer.settings.lines or 0
        authors = [line.author for line in self.lines]
        authors += [self.owner] * (len(answer.lines) - len(authors))  # the seed's lines
        self.lines = [JointLine(*each) for each in zip(answer.lines, authors, strict=True)]
        self.request = replace(
            self.request,
            model=answer.model_sha256,
            form=answer.settings.form,
            random_seed=answer.random_seed,
        )
        notice = escape(" ".join(translate(note, self.language) for note in answer.notes))
        if self.is_whole or answer.candidates:
            self.enter(Phase.CHOOSING, notice)
        else:
            self.enter(Phase.PAUSED, NO_NEXT_LINE)
        self.candidates = answer.candidates
        if self.by_vote and answer.candidates:
            self.vote = Vote(answer.candidates)

    def require_room(self, text: str, *, instead: bool = False) -> None:
        """Raise TooMuch for a line with which a message could not hold the poem.

        `instead` says that it replaces the last one.
        """
        before = self.lines[:-1] if instead else self.lines
        verse = "\n".join([*(line.text for line in before), text])
        to_come = max(self.length - len(before) - 1, 0)
        if measure(escape(verse)) + LINE_ROOM * to_come > MAX_VERSE:
            raise TooMuch(TOO_LONG)

    def take(self, line: JointLine, member: int) -> None:
        """Add a line that a member chose or wrote."""
        self.lines.append(line)
        self.members.add(member)

    def undo(self) -> None:
        if self.can_undo:
            self.lines.pop()

    def count_votes(self) -> bool:
        """Take the line that the vote chose; False where the poem pauses, as nobody votes."""
        if self.vote is None:
            return False
        self.members |= self.vote.voters
        winner = self.vote.winner
        self._empty = 0 if winner else self._empty + 1
        if self._empty >= EMPTY_VOTES:
            self._empty = 0
            self.enter(Phase.PAUSED, NOBODY_VOTED)
            return False
        self.lines.append(winner or self.vote.options[0])
        return True

    def sign(self, poem: Poem) -> Poem:
        """Return the finished poem with a note on who wrote it, and its opening as its seed.

        The buttons under a poem read its seed from its first characters, and take short ones only.
        """
        own = sum(line.author != BOT for line in self.lines)
        seed = self.request.seed.strip()
        is_opening = bool(seed) and "\n" not in seed and poem.text.startswith(seed)
        opening = seed if is_opening else poem.text.strip().partition("\n")[0]
        note = counted(
            "Written line by line with a member; lines of theirs: {own} of {length}.",
            "Written line by line with {count} members; lines of theirs: {own} of {length}.",
            max(len(self.members), 1),
            own=own,
            length=self.length,
        )
        return replace(poem, seed=opening, notes=(*poem.notes, note))
