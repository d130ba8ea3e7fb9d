"""The queue of poems: who waits for a row, whose turn it is, how many are written before.

A pure structure: it knows names and numbers, neither text nor time nor threads. Rows are shared
by who holds them, not by who asks: the next one goes to the guild with the fewest poems being
written, among equals to the one whose last turn is longest ago, whether or not it has waited since;
inside the guild the same among its members, and a member's own poems come in the order they were
asked for. So the members of a guild that floods wait for one another, and a guild that asks now and
then has its poem before a hundred that flood. Plain round-robin would let guilds with long poems
gather rows, and least service by characters would let a guild that was quiet for an hour take all
rows at once.

A row is not taken back from who has it. So a guild must leave one row free for every four that it
holds (the dynamic threshold of Choudhury and Hahne, 1998): a flood of long poems finds 52 of 64
rows at most, fewer when others write too, and the next guild need not wait for one of them to end.

A place in the queue can be taken back. Where there is none left, the newest poem of the guild with
most waiting leaves for the poem of a guild that has fewer, also afterwards; else inside the guild
a member's for another's (McKenney's buffer stealing, Stochastic Fairness Queueing, 1990). So a
hundred guilds that flood do not keep the next one out.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bot.core.errors import GuildFull, MemberFull, QueueFull

# A newcomer counts as having had a turn at most so long ago. Otherwise the others would wait for
# ever while people come who never had one. Some 500 turns; odd, as turns have the even numbers.
CREDIT = 1023
ROWS_PER_FREE_ROW = 4  # with 7, a flood of long poems delays others 2 to 4 times as long

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many poems there may be; poems that are written and that wait count together."""

    max_rows: int = 64  # written at once
    max_waiting: int = 256  # in addition to those being written
    max_per_guild: int = 160  # half of all
    max_per_member: int = 4


@dataclass(slots=True)
class _Account:
    """What one guild, or one member of it, has."""

    since: int = 0  # when it had its last turn, or a while ago; smaller is earlier
    running: int = 0
    waiting: int = 0


class _Turns(Generic[Key]):
    """Whose turn it is among equals: fewest running first, then longest without a turn.

    Those who wait are kept in groups of the same numbers. There are few groups, however many wait:
    n poems in all make some n ** (2/3) groups at the very most.
    """

    def __init__(self) -> None:
        self.accounts: dict[Key, _Account] = {}
        self._groups: dict[tuple[int, int], list[int]] = {}  # (running, waiting) → since, rising
        self._keys: dict[int, Key] = {}  # since → key, of those who wait
        self._moments = itertools.count(0, 2)
        self._last_turns: OrderedDict[Key, int] = OrderedDict()  # of those who have gone

    def join(self, key: Key) -> None:
        if key not in self.accounts:
            credited = next(self._moments) - CREDIT
            self.accounts[key] = _Account(max(self._last_turns.pop(key, credited), credited))
        self._change(key, waiting=1)

    def next(self) -> Key | None:
        """Return whose turn it is, None when no one waits."""
        if not self._groups:
            return None
        return self._keys[
            min((running, since[0]) for (running, _), since in self._groups.items())[1]
        ]

    def longest(self) -> Key | None:
        """Return who has most waiting, among equals the last to have a turn; None if no one."""
        if not self._groups:
            return None
        return self._keys[
            max(
                (waiting, running, since[-1]) for (running, waiting), since in self._groups.items()
            )[2]
        ]

    def giver(self, key: Key) -> Key | None:
        """Return who has more waiting than `key`, also when one of theirs has left for it."""
        longest = self.longest()
        if longest is None or self._waiting(longest) <= self._waiting(key) + 1:
            return None
        return longest

    def _waiting(self, key: Key) -> int:
        account = self.accounts.get(key)
        return account.waiting if account is not None else 0

    def take(self, key: Key) -> None:
        """Let `key` have its turn."""
        self._change(key, running=1, waiting=-1, touch=True)

    def leave(self, key: Key) -> None:
        """Count a poem of `key` out that waited."""
        self._change(key, waiting=-1)

    def end(self, key: Key) -> None:
        """Count a poem of `key` out that was being written."""
        self._change(key, running=-1)

    def before(self, key: Key, nth: int) -> int:
        """Return how many will be taken before the poem of `key` that `nth` own ones precede.

        Each turn adds one that runs, so the poem has its turn when `running + nth` of `key` run;
        the others have had theirs up to that level. Who comes to the level with more that run
        already has it before those who have climbed there.
        """
        own = self.accounts[key]
        level = own.running + nth
        total = 0
        for (running, waiting), since in self._groups.items():
            total += len(since) * min(max(level - running, 0), waiting)
            if running <= level < running + waiting and running >= own.running:
                earlier = running > own.running
                total += len(since) if earlier else bisect_left(since, own.since)
        return total

    def _change(self, key: Key, *, running: int = 0, waiting: int = 0, touch: bool = False) -> None:
        account = self.accounts[key]
        if account.waiting:
            self._leave_group(account)
        account.running += running
        account.waiting += waiting
        if touch:
            account.since = next(self._moments)
        if account.waiting:
            insort(self._groups.setdefault((account.running, account.waiting), []), account.since)
            self._keys[account.since] = key
        elif not account.running:
            del self.accounts[key]
            self._last_turns[key] = account.since
            if len(self._last_turns) > CREDIT:
                self._last_turns.popitem(last=False)

    def _leave_group(self, account: _Account) -> None:
        numbers = (account.running, account.waiting)
        group = self._groups[numbers]
        del group[bisect_left(group, account.since)]
        if not group:
            del self._groups[numbers]
        del self._keys[account.since]


@dataclass(slots=True)
class _GuildQueue(Generic[Item]):
    members: _Turns[str] = field(default_factory=lambda: _Turns[str]())
    poems: dict[str, OrderedDict[Item, None]] = field(default_factory=dict)  # that wait


class FairQueue(Generic[Item]):
    """Poems that wait or are being written, each under a guild and a member.

    Each operation looks once at each group of guilds with the same numbers, and at each
    such group of members of one guild: microseconds, with hundreds waiting.
    """

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._turns: _Turns[str] = _Turns()
        self._guilds: dict[str, _GuildQueue[Item]] = {}
        self._waiting: dict[Item, tuple[str, str]] = {}
        self._running: dict[Item, tuple[str, str]] = {}  # longest being written first
        self._blocked = False  # the poem whose turn it is does not fit, so a free row is of no use

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    def __contains__(self, item: Item) -> bool:
        return item in self._waiting or item in self._running

    def items(self) -> list[Item]:
        """Return all poems, those that wait first."""
        return [*self._waiting, *self._running]

    def runs(self, item: Item) -> bool:
        return item in self._running

    def oldest(self, nth: int) -> Item | None:
        """Return the poem that is the `nth` of those being written, by their turns, from 0."""
        return next(itertools.islice(self._running, nth, None), None)

    def join(self, item: Item, guild: str, member: str) -> Item | None:
        """Put a poem into the queue; raise QueueFull or a child of it.

        Return the poem that had to leave the queue for it, None where there was a place.
        """
        leaving = self.check(guild, member)
        if leaving is not None:
            self.end(leaving)
        if guild not in self._guilds:
            self._guilds[guild] = _GuildQueue()
        self._turns.join(guild)
        self._guilds[guild].members.join(member)
        self._guilds[guild].poems.setdefault(member, OrderedDict())[item] = None
        self._waiting[item] = (guild, member)
        return leaving

    def check(self, guild: str, member: str) -> Item | None:
        """Return the poem that has to leave for another, None where there is a place.

        Raises QueueFull or a child of it where there is no room.
        """
        limits, account = self._limits, self._turns.accounts.get(guild)
        siblings = self._guilds[guild].members if account is not None else _Turns[str]()
        if account is not None:
            own = siblings.accounts.get(member)
            if own is not None and own.running + own.waiting >= limits.max_per_member:
                raise MemberFull(own.running + own.waiting)
            if account.running + account.waiting >= limits.max_per_guild:
                if siblings.giver(member) is None:
                    raise GuildFull(account.running + account.waiting)
                return self._newest(guild)
        has_row = not self._blocked and self._has_row_for(account)
        if self.waiting < limits.max_waiting or has_row:
            return None
        if (giver := self._turns.giver(guild)) is not None:
            return self._newest(giver)
        if siblings.giver(member) is None:
            raise QueueFull(self.waiting)
        return self._newest(guild)

    def _newest(self, guild: str) -> Item:
        """Return the newest poem of the member of a guild who has most waiting."""
        guild_queue = self._guilds[guild]
        member = guild_queue.members.longest()
        assert member is not None  # noqa: S101 - a guild waits as long as its members do
        return next(reversed(guild_queue.poems[member]))

    def take(self, fits: Callable[[Item], bool] = lambda _: True) -> Item | None:
        """Give a free row to the poem whose turn it is; None when no row is free.

        None also where the poem whose turn it is does not fit: it keeps its turn.
        """
        guild, self._blocked = self._turns.next(), False
        if guild is None or not self._has_row_for(self._turns.accounts[guild]):
            return None
        guild_queue = self._guilds[guild]
        member = guild_queue.members.next()
        assert member is not None  # noqa: S101 - a guild waits as long as its members do
        item = next(iter(guild_queue.poems[member]))
        self._blocked = not fits(item)
        if self._blocked:
            return None
        del guild_queue.poems[member][item]
        self._forget_if_empty(guild_queue, member)
        guild_queue.members.take(member)
        self._turns.take(guild)
        self._running[item] = self._waiting.pop(item)
        return item

    def end(self, item: Item) -> None:
        """Take a poem away, whether it waits or is being written; nothing if neither."""
        if item in self._waiting:
            guild, member = self._waiting.pop(item)
            guild_queue = self._guilds[guild]
            del guild_queue.poems[member][item]
            self._forget_if_empty(guild_queue, member)
            guild_queue.members.leave(member)
            self._turns.leave(guild)
        elif item in self._running:
            guild, member = self._running.pop(item)
            self._guilds[guild].members.end(member)
            self._turns.end(guild)
        else:
            return
        if guild not in self._turns.accounts:
            del self._guilds[guild]

    def place_of(self, item: Item) -> int:
        """Return the place in the queue: 1 for the next, 0 for a poem that does not wait."""
        if item not in self._waiting:
            return 0
        guild, member = self._waiting[item]
        guild_queue = self._guilds[guild]
        own = next(n for n, other in enumerate(guild_queue.poems[member]) if other == item)
        return self._turns.before(guild, guild_queue.members.before(member, own)) + 1

    def _has_row_for(self, account: _Account | None) -> bool:
        free = self._limits.max_rows - self.running
        held = account.running if account is not None else 0
        return free > 0 and (held == 0 or held < ROWS_PER_FREE_ROW * free)

    def _forget_if_empty(self, guild_queue: _GuildQueue[Item], member: str) -> None:
        if not guild_queue.poems[member]:
            del guild_queue.poems[member]
