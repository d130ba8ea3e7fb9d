"""A room: a poem that everybody at a venue has a hand in, line by line.

Visitors give a word, about which the bot writes the next line, or a whole line, which stays as it
is. A room is in memory alone, and all of it is bounded.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import secrets
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from hmac import compare_digest
from typing import Any, TypeVar

from bot.core.errors import (
    BotError,
    LinesImpossible,
    NotTheHost,
    QueueFull,
    ShuttingDown,
    TooSoon,
)
from bot.core.languages import sentence
from bot.core.poems import PoemService
from bot.core.records import FORMS, Asker, PoemRequest, Range, VerseLine
from bot.core.room_turns import SECRET_BYTES, Contribution, Kind, Turns, Visitor, screen
from bot.core.tasks import cancel_tasks

log = logging.getLogger(__name__)

Value = TypeVar("Value")

ALONE_SECONDS = Range(5, 600)
ENDINGS = r"(?:'?s|es|d|ed|ing|y|ly)?"  # of other forms of a word


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """What rooms may take, and their paces."""

    rooms: int = 20
    per_client: int = 5
    visitors: int = 200  # of a room
    idle_seconds: float = 3600.0  # without a contribution or a host's wish, then a room ends
    line_seconds: float = 4.0  # between two lines at least: people read them
    busy_seconds: float = 5.0  # between two tries where the engine has no room


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """What the host has chosen."""

    form: str | None = None  # of FORMS; None: the default
    avoid: tuple[str, ...] = ()  # words that no word, no line and no poem may have
    alone_seconds: float | None = None  # of ALONE_SECONDS, then the bot writes by itself; None: not


class RoomEnd(StrEnum):
    """Why a room ended."""

    CLOSED = "closed"  # by the host
    IDLE = "idle"
    STOPPING = "stopping"  # the bot is
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RoomLine:
    """A line of a room's poem."""

    text: str
    kind: Kind
    word: str = ""  # that it was written for
    has_word: bool = False  # in any form
    notes: tuple[str, ...] = ()  # how a visitor's line differs from what the form wants

    def as_dict(self) -> dict[str, object]:
        return {
            "text": self.text,
            "kind": self.kind.value,
            "word": self.word,
            "has_word": self.has_word,
            "notes": list(self.notes),
        }


class Room:
    """One poem, many hands. It lives on one event loop, whose time it goes by.

    `client` opened it; `asker` asks for its lines, in turns with all others.
    """

    def __init__(
        self,
        service: PoemService,
        settings: RoomSettings,
        limits: RoomLimits,
        *,
        code: str,
        form: str,
        client: str,
        asker: Asker,
    ) -> None:
        self.code, self.form, self.client = code, form, client
        self.secret = secrets.token_urlsafe(SECRET_BYTES)  # the host's
        self.turns = Turns(limits.visitors)
        self.lines: list[RoomLine] = []
        self.title = ""
        self.busy = False  # the engine has no room
        self.trouble: str = ""  # what went wrong last, a sentence
        self.ended: RoomEnd | None = None
        self.version = 0  # counts changes
        self._service, self._settings, self._limits, self._asker = service, settings, limits, asker
        self._changed = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None  # what is being written
        self._current: Contribution | None = None  # that it is written for
        self._is_asked = False  # whether the host wants a line of the bot's own
        self._active = self._last = self._now()  # a person's last act; the last line or change
        self._retry = -math.inf  # no line before
        self._places: tuple[int, dict[int, int]] = (-1, {})  # of what waits, in a version

    @property
    def is_whole(self) -> bool:
        return len(self.lines) >= FORMS[self.form]

    # What is shown

    def state(self) -> dict[str, object]:
        """Return what everybody in the room may see."""
        return {
            "code": self.code,
            "form": self.form,
            "count": FORMS[self.form],
            "title": self.title,
            "lines": [line.as_dict() for line in self.lines],
            "whole": self.is_whole,
            "people": self.turns.people,
            "waiting": len(self.turns),
            "writing": self._task is not None,
            "busy": self.busy,
            "trouble": self.trouble,
        }

    def state_for_host(self) -> dict[str, object]:
        """Return what the screen shows: what waits, too."""
        return {**self.state(), "contributions": [each.as_dict() for each in self.turns]}

    def own_state(self, visitor: Visitor) -> dict[str, object]:
        """Return what a visitor's phone shows besides: what became of their own."""
        own = visitor.contribution
        yours = None if own is None else {**own.as_dict(), "place": self._place_of(own)}
        return {"yours": yours, "outcome": visitor.outcome}

    def _place_of(self, contribution: Contribution) -> int:
        """Return 1 for the next one, and so on; all places are counted once a change."""
        version, places = self._places
        if version != self.version:
            places = {each.number: place for place, each in enumerate(self.turns, 1)}
            self._places = self.version, places
        return places[contribution.number]

    async def wait_beyond(self, version: int) -> None:
        """Wait until there is something newer to show, or the room has ended."""
        while self.version == version and self.ended is None:
            await self._changed.wait()

    # Visitors

    @contextmanager
    def attend(self, token: str) -> Iterator[Visitor]:
        """Be in the room within the context, as the visitor who has `token`, or a new one.

        Raises RoomFull.
        """
        visitor = self.turns.enter(token)
        self._tell()
        try:
            yield visitor
        finally:
            self.turns.leave(visitor)
            self._tell()

    async def give(self, token: str, kind: Kind, text: str) -> Visitor:
        """Take a visitor's word or line; it takes the place of their one that waits.

        Raises NothingThere, BadSetting or AvoidedSeed.
        """
        avoid = self._settings.avoid
        text = await self._service.run_in_thread(self._asker, screen, kind, text, avoid)
        visitor = self.turns.give(token, kind, text, self._current)
        self._active = self._now()
        self._tell()
        return visitor

    # The host

    def knows(self, key: str) -> bool:
        """Tell whether `key` is the host's secret or the token of a visitor."""
        return self._is_secret(key) or self.turns.knows(key)

    def require_host(self, secret: str) -> None:
        """Raise NotTheHost."""
        if not self._is_secret(secret):
            raise NotTheHost

    def _is_secret(self, key: str) -> bool:
        return compare_digest(self.secret.encode(), key.encode("utf-8", "replace"))

    def write(self) -> None:
        """Let the bot write the next line by itself, now."""
        self._is_asked = not self.is_whole
        self._act()

    def skip(self) -> None:
        """Drop what is being written, else what would be next."""
        self._drop(self.turns.first if self._task is None else self._current)
        self._stop_writing()
        self._act()

    def remove(self, number: int) -> None:
        """Drop a contribution; one that has had its turn meanwhile is no error."""
        found = self.turns.find(number)
        if found is not None and found is self._current:
            self._stop_writing()
        self._drop(found)
        self._act()

    def clear(self) -> None:
        """Drop all contributions."""
        if self._current is not None:
            self._stop_writing()
        for each in list(self.turns):
            self._drop(each)
        self._act()

    def undo(self) -> None:
        """Take back the last line."""
        self._stop_writing()
        self.title = ""
        del self.lines[-1:]
        self._act()

    def begin_next(self) -> None:
        """Begin the next poem; what waits stays."""
        self._stop_writing()
        self.lines, self.title = [], ""
        self._act()

    def end(self, reason: RoomEnd) -> None:
        """End the room for everybody."""
        if self.ended is None:
            self.ended = reason
            self._stop_writing()
            self._tell()

    def _act(self) -> None:
        self._active = self._now()
        self.busy, self.trouble = False, ""
        self._tell()

    def _stop_writing(self) -> None:
        """Stop what is under way; a contribution that is not dropped keeps its turn."""
        self._is_asked, self._last = False, self._now()
        if self._task is not None:
            self._task.cancel()

    def _drop(self, contribution: Contribution | None) -> None:
        if contribution is not None:
            self.turns.take(contribution, {"kind": "removed"})

    # Writing

    async def run(self) -> None:
        """Write what is due until the room has ended."""
        try:
            while self.ended is None:
                now, idle = self._now(), self._active + self._limits.idle_seconds
                due = self._due()
                if now >= idle:
                    self.end(RoomEnd.IDLE)
                elif due <= now:
                    await self._write_next()
                else:
                    version = self.version
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(min(due, idle)):
                            await self.wait_beyond(version)
        except Exception:
            log.exception("a room failed")
            self.end(RoomEnd.FAILED)

    def _due(self) -> float:
        """Return when the next line is due, of the loop's time."""
        if self.is_whole:
            return math.inf
        if self._is_asked:
            return self._retry
        if self.turns.first is not None:
            return max(self._last + self._limits.line_seconds * bool(self.lines), self._retry)
        alone = self._settings.alone_seconds
        return math.inf if alone is None else max(self._last + alone, self._retry)

    async def _write_next(self) -> None:
        current = None if self._is_asked else self.turns.first
        written = await self._finish(self._compose(current), current)
        if written.cancelled():
            self._tell()
            return
        error = written.exception()
        self.busy = isinstance(error, QueueFull | TooSoon)
        if self.busy:
            self._retry = self._now() + self._limits.busy_seconds
        elif isinstance(error, ShuttingDown):
            self.end(RoomEnd.STOPPING)
        elif error is not None:
            self._fail(error, current)
        else:
            self._add(written.result(), current)
        self._tell()
        if self.is_whole and self.ended is None:
            await self._find_title()

    async def _finish(
        self, work: Coroutine[Any, Any, Value], current: Contribution | None = None
    ) -> asyncio.Task[Value]:
        """Do what the host can stop; return the task, which has ended."""
        task = self._task = asyncio.create_task(work)
        self._current = current
        self._tell()
        try:
            await asyncio.wait([task])
        finally:
            await cancel_tasks([task])
            self._task = self._current = None
        return task

    def _add(self, line: RoomLine, current: Contribution | None) -> None:
        self.lines.append(line)
        self._last, self._is_asked, self.trouble = self._now(), False, ""
        if current is not None:
            what = {"gift": current.kind.value, "line": len(self.lines), "has_word": line.has_word}
            self.turns.take(current, {"kind": "used", **what})

    def _fail(self, error: BaseException, current: Contribution | None) -> None:
        """Tell why there is no line; the next contribution has its turn."""
        self.trouble = sentence("Something went wrong. The next contribution is tried.")
        if isinstance(error, BotError):
            self.trouble = error.sentence
        else:
            log.error("a line of a room failed", exc_info=error)
        self._is_asked, self._last = False, self._now()
        self._retry = self._last + self._limits.busy_seconds
        if current is not None:
            self.turns.take(current, {"kind": "failed", "sentence": self.trouble})

    async def _compose(self, current: Contribution | None) -> RoomLine:
        if current is None:
            [line, *_] = await self._offer(self._request())
            return RoomLine(line.text, Kind.BOT)
        if current.kind is Kind.LINE:
            written = (*(line.text for line in self.lines), current.text)
            looked_at = await self._service.scan(replace(self._request(), written=written))
            return RoomLine(current.text, Kind.LINE, notes=looked_at.notes)
        word = current.text
        line = await self._line_with(word)
        return RoomLine(line.text, Kind.WORD, word, has_word(line.text, word))

    async def _line_with(self, word: str) -> VerseLine:
        """Return a line about a word; where the word is in none, one that begins with it."""
        request = self._request(word)
        offered = await self._offer(request)
        found = [line for line in offered if has_word(line.text, word)]
        if not found and self.lines:  # the first line begins with it anyway
            beginning = word[:1].upper() + word[1:]
            begun = await self._offer(replace(request, beginning=beginning))
            found = [line for line in begun if has_word(line.text, word)]
        return (found or offered)[0]

    async def _offer(self, request: PoemRequest) -> tuple[VerseLine, ...]:
        """Return what the next line may be, at least one."""
        answer = await self._service.suggest(await self._service.admit(request))
        if len(answer.lines) > len(request.written):  # a word that fills a line
            return answer.lines[len(request.written) :]
        if not answer.candidates:
            raise LinesImpossible(self.form, "No line was found that fits.")
        return answer.candidates

    async def _find_title(self) -> None:
        """Give the whole poem its title; it can do without."""

        async def find() -> str:
            request = await self._service.admit(self._request())
            async with self._service.write(request) as poem_stream:
                return (await poem_stream.finish()).looks.title

        found = await self._finish(find())
        if not found.cancelled():
            error = found.exception()
            if error is None:
                self.title = found.result()
            elif not isinstance(error, BotError):
                log.error("a room's poem got no title", exc_info=error)
        self._tell()

    def _request(self, seed: str = "") -> PoemRequest:
        return PoemRequest(
            self._asker,
            seed=seed,
            form=self.form,
            avoid=self._settings.avoid,
            written=tuple(line.text for line in self.lines),
            line_by_line=True,
        )

    def _tell(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def has_word(line: str, word: str) -> bool:
    """Tell whether a word is in a line, in any form.

    >>> has_word("And all the rains", "rain"), has_word("The train", "rain")
    (True, False)
    """
    pattern = rf"\b{re.escape(_straighten(word))}{ENDINGS}\b"
    return re.search(pattern, _straighten(line), re.IGNORECASE) is not None


def _straighten(text: str) -> str:
    return text.replace("’", "'")
