"""Admins of servers, who change a setting over and over on Discord, and what became of that.

PostgreSQL's own log of changes tells what was kept: a replication slot gives every committed
change of a row once, in order, over kills and restarts too. The bot has no part in that.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

import asyncpg

from tests.fake_discord import shown
from tests.rigs.cluster.processes import GUILDS, Cluster
from tests.rigs.populated_discord import FIRST_MEMBER

SLOT = "changes"
PAUSE_SECONDS = 0.15  # between two changes of one server
ANSWER_SECONDS = 40.0
SETTING = "cooldown_seconds"
ROW = re.compile(
    r"table public\.settings: (?:INSERT|UPDATE): guild\[text\]:'(\d+)' "
    rf"name\[text\]:'{SETTING}' value\[text\]:'([\d.]+)'"
)
CONFIRMED = re.compile(r"^- cooldown: (\d+) s$", re.MULTILINE)

Change = tuple[int, int]  # a guild, and the value that it was to have; each value comes once


class Outcome(Enum):
    """What an admin was told."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"  # nothing was changed
    UNKNOWN = "unknown"  # the bot does not know
    UNANSWERED = "unanswered"


def read_outcome(answer: str, value: int) -> Outcome:
    """Read what an admin is told.

    >>> read_outcome("- cooldown: 7 s", 7), read_outcome("- cooldown: 6 s", 7)
    (<Outcome.CONFIRMED: 'confirmed'>, <Outcome.REFUSED: 'refused'>)
    """
    if (found := CONFIRMED.search(answer)) is not None:
        return Outcome.CONFIRMED if int(found[1]) == value else Outcome.REFUSED
    return Outcome.UNKNOWN if "It is not known" in answer else Outcome.REFUSED


def read_changes(lines: Iterable[str]) -> list[Change]:
    """Read PostgreSQL's log of changes.

    >>> read_changes(["BEGIN 7", "table public.settings: UPDATE: guild[text]:'20' "
    ... "name[text]:'cooldown_seconds' value[text]:'3.0'", "COMMIT 7"])
    [(20, 3)]
    """
    found = (ROW.search(line) for line in lines)
    return [(int(each[1]), int(float(each[2]))) for each in found if each is not None]


@dataclass
class Changes:
    """What was asked for, and what became of it."""

    told: dict[Change, Outcome] = field(default_factory=dict)
    sentences: set[str] = field(default_factory=set)  # of what was not confirmed
    answered: list[float] = field(default_factory=list)  # when each confirmation came
    logged: list[Change] = field(default_factory=list)  # that were committed, in order
    rows: dict[int, int] = field(default_factory=dict)  # what each guild has in the end

    def count(self, outcome: Outcome) -> int:
        return sum(each is outcome for each in self.told.values())

    @property
    def lost(self) -> int:
        """Confirmed, and not there."""
        there = set(self.logged)
        lost = [c for c, outcome in self.told.items() if outcome is Outcome.CONFIRMED]
        latest = dict(self.logged)
        other_rows = sum(self.rows.get(guild) != value for guild, value in latest.items())
        return sum(change not in there for change in lost) + other_rows

    @property
    def doubled(self) -> int:
        return sum(count - 1 for count in Counter(self.logged).values())

    @property
    def false(self) -> int:
        """There, though the admin was told that nothing was changed."""
        there = set(self.logged)
        return sum(c in there for c, outcome in self.told.items() if outcome is Outcome.REFUSED)

    @property
    def pause(self) -> float:
        """The longest time in which no change was confirmed."""
        return max((b - a for a, b in pairwise(self.answered)), default=0.0)


class Admins:
    """One admin in each server; its values go on over all trials, so that each comes once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._values: Counter[int] = Counter()  # of each guild, the latest

    async def open(self) -> None:
        """Let the server keep a log of changes; needs a connection that may replicate."""
        await self._ask(f"SELECT pg_create_logical_replication_slot('{SLOT}', 'test_decoding')")

    @asynccontextmanager
    async def at_work(self, guilds: Sequence[int] = GUILDS) -> AsyncIterator[Changes]:
        """Change settings until the block ends; then everything is counted."""
        changes, stop = Changes(), asyncio.Event()
        tasks = [
            asyncio.create_task(self._change(guild, FIRST_MEMBER + n, changes, stop))
            for n, guild in enumerate(guilds)
        ]
        try:
            yield changes
        finally:
            stop.set()
            await asyncio.gather(*tasks)
        # A server that was killed may tell of changes that it has told of before.
        changes.logged = [c for c in read_changes(await self._read_log()) if c in changes.told]
        rows = await self._ask(f"SELECT guild, value FROM settings WHERE name = '{SETTING}'")  # noqa: S608
        changes.rows = {int(guild): int(float(value)) for guild, value in rows}

    async def _change(self, guild: int, member: int, changes: Changes, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._values[guild] += 1
            value = self._values[guild]
            name, options = "settings cooldown", {"seconds": float(value)}
            number = await self._cluster.discord.command(name, options, member, guild, admin=True)
            answer = await self._answer(number)
            outcome = Outcome.UNANSWERED if answer is None else read_outcome(answer, value)
            changes.told[guild, value] = outcome
            if outcome is Outcome.CONFIRMED:
                changes.answered.append(time.perf_counter())
            else:
                changes.sentences.add(f"{outcome.value}: {answer}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _answer(self, number: int) -> str | None:
        until = time.perf_counter() + ANSWER_SECONDS
        while time.perf_counter() < until:
            if answers := self._cluster.discord.answers_to(number):
                return shown(answers[-1])
            await asyncio.sleep(0.02)
        return None

    async def _read_log(self) -> list[str]:
        read = f"SELECT data FROM pg_logical_slot_get_changes('{SLOT}', NULL, NULL)"  # noqa: S608
        return [line for (line,) in await self._ask(read)]

    async def _ask(self, sql: str) -> list[tuple[str, ...]]:
        connection = await asyncpg.connect(**self._cluster.login.options())
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()
