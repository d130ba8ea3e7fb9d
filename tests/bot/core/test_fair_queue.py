"""The line against a slow one that does what is said in words, and what it promises to guilds."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.errors import GuildFull, MemberFull, QueueFull
from bot.core.fair_queue import CREDIT, FairQueue, QueueLimits

WIDE = QueueLimits(max_rows=10_000, max_waiting=10_000, max_per_guild=10_000, max_per_member=10_000)


def take_all(queue: FairQueue[str]) -> list[str]:
    taken = []
    while (item := queue.take()) is not None:
        taken.append(item)
    return taken


def joined(names: Iterable[str], limits: QueueLimits = WIDE) -> FairQueue[str]:
    """Make a line of poems named by guild, member and number, such as "a1-0"."""
    queue: FairQueue[str] = FairQueue(limits)
    for name in names:
        queue.join(name, name[0], name[:2])
    return queue


def test_guilds_are_taken_in_turn() -> None:
    queue = joined(["a1-0", "a1-1", "a1-2", "b1-0", "b1-1", "c1-0"])
    assert take_all(queue) == ["a1-0", "b1-0", "c1-0", "a1-1", "b1-1", "a1-2"]


def test_members_of_a_guild_are_taken_in_turn() -> None:
    queue = joined(["a1-0", "a1-1", "a1-2", "a2-0", "a3-0", "a2-1"])
    assert take_all(queue) == ["a1-0", "a2-0", "a3-0", "a1-1", "a2-1", "a1-2"]


def test_whose_poems_are_being_written_waits_for_those_who_have_none() -> None:
    queue = joined(["a1-0", "a1-1", "a2-0"], WIDE)
    assert [queue.take(), queue.take()] == ["a1-0", "a2-0"]
    queue.join("b1-0", "b", "b1")
    queue.join("b1-1", "b", "b1")
    assert take_all(queue) == ["b1-0", "b1-1", "a1-1"]


def test_turns_go_round_when_every_poem_ends_before_the_next_is_taken() -> None:
    """By the rows held alone the first guild would have every turn."""
    queue = joined(["a1-0", "a1-1", "b1-0", "b1-1"], QueueLimits(max_rows=1))
    taken = []
    while (item := queue.take()) is not None:
        taken.append(item)
        queue.end(item)
    assert taken == ["a1-0", "b1-0", "a1-1", "b1-1"]


def test_who_has_not_asked_for_a_while_goes_before_all_who_have() -> None:
    queue = joined(["c1-0", "a1-0", "b1-0"], QueueLimits(max_rows=1))
    for name in ("c1-0", "a1-0", "b1-0"):
        assert queue.take() == name
        queue.end(name)
    for name in ("b1-1", "b1-2", "a1-1", "a1-2", "c1-1", "c1-2", "d1-0"):
        queue.join(name, name[0], name[:2])
    assert queue.take() == "d1-0"  # who has never had a turn
    queue.end("d1-0")
    taken = []
    while (item := queue.take()) is not None:
        taken.append(item)
        queue.end(item)
    assert taken == ["c1-1", "a1-1", "b1-1", "c1-2", "a1-2", "b1-2"]


def test_nobody_waits_for_ever_while_strangers_come() -> None:
    queue = joined(["a1-0"], QueueLimits(max_rows=1, max_waiting=10))
    assert queue.take() == "a1-0"
    queue.end("a1-0")
    queue.join("a1-1", "a", "a1")
    for number in range(2 * CREDIT):
        queue.join(f"stranger {number}", f"guild {number}", "member")
        taken = queue.take()
        assert taken is not None
        queue.end(taken)
        if taken == "a1-1":
            return
    raise AssertionError("it was never taken")


def test_a_guild_that_fills_the_line_makes_room_among_its_members() -> None:
    queue = joined(["a1-0"], QueueLimits(max_rows=1, max_waiting=2))
    assert queue.take() == "a1-0"
    for name in ("a1-1", "a1-2"):
        queue.join(name, "a", "a1")
    assert queue.join("a2-0", "a", "a2") == "a1-2"
    with pytest.raises(QueueFull):
        queue.join("a3-0", "a", "a3")


def test_one_guild_cannot_have_every_row() -> None:
    queue = joined([f"a{n}-0" for n in range(10)], QueueLimits(max_rows=10))
    assert len(take_all(queue)) == 8
    queue.join("b1-0", "b", "b1")
    queue.join("b1-1", "b", "b1")
    assert take_all(queue) == ["b1-0", "b1-1"]


def test_a_few_rows_may_all_be_one_guilds() -> None:
    assert len(take_all(joined(["a1-0", "a2-0", "a3-0"], QueueLimits(max_rows=2)))) == 2


def test_a_member_a_guild_and_the_line_have_limits_of_their_own() -> None:
    limits = QueueLimits(max_rows=1, max_waiting=5, max_per_guild=3, max_per_member=2)
    queue = joined(["a1-0", "a1-1", "a2-0"], limits)
    assert queue.take() == "a1-0"
    with pytest.raises(MemberFull, match="already have 2 poems"):
        queue.join("a1-2", "a", "a1")
    with pytest.raises(GuildFull, match="server already has 3 poems"):
        queue.join("a2-1", "a", "a2")
    for name in ("b1-0", "c1-0", "d1-0"):
        queue.join(name, name[0], name[:2])
    with pytest.raises(QueueFull, match="5 poems waiting"):
        queue.join("d1-1", "d", "d1")
    queue.end("a1-0")
    queue.join("a1-2", "a", "a1")


def test_a_full_line_makes_room_for_a_guild_that_has_less_in_it() -> None:
    limits = QueueLimits(max_rows=1, max_waiting=5)
    queue = joined(["x1-0"], limits)
    assert queue.take() == "x1-0"
    for name in ("a1-0", "a1-1", "a2-0", "b1-0", "b1-1"):
        assert queue.join(name, name[0], name[:2]) is None
    assert queue.join("c1-0", "c", "c1") == "a1-1"
    assert "a1-1" not in queue
    with pytest.raises(QueueFull):  # all have as much, or would have less
        queue.join("c1-1", "c", "c1")
    assert queue.join("d1-0", "d", "d1") in ("a2-0", "b1-1")
    assert queue.waiting == 5


def test_a_full_guild_makes_room_for_a_member_who_has_less_in_line() -> None:
    queue = joined(["a1-0", "a1-1", "a1-2"], QueueLimits(max_rows=1, max_per_guild=3))
    assert queue.take() == "a1-0"
    assert queue.join("a2-0", "a", "a2") == "a1-2"
    with pytest.raises(GuildFull):
        queue.join("a3-0", "a", "a3")
    assert queue.join("b1-0", "b", "b1") is None


@settings(max_examples=200)
@given(
    names=st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("123")), max_size=60),
    limits=st.builds(
        QueueLimits,
        max_rows=st.integers(1, 3),
        max_waiting=st.integers(0, 8),
        max_per_guild=st.integers(1, 6),
        max_per_member=st.integers(1, 3),
    ),
)
def test_who_is_refused_has_as_much_in_line_as_the_others(
    names: list[tuple[str, str]], limits: QueueLimits
) -> None:
    queue: FairQueue[str] = FairQueue(limits)
    for number, (guild, member) in enumerate(names):
        before = [name for name in queue.items() if not queue.runs(name)]
        inline = Counter(name[0] for name in before)
        try:
            leaving = queue.join(f"{guild}{member}-{number}", guild, f"{guild}{member}")
        except MemberFull:
            assert sum(name[:2] == guild + member for name in queue.items()) == (
                limits.max_per_member
            )
        except GuildFull:
            assert sum(name[0] == guild for name in queue.items()) == limits.max_per_guild
            own = Counter(name[:2] for name in before if name[0] == guild)
            assert max(own.values(), default=0) <= own[guild + member] + 1
        except QueueFull:
            own = Counter(name[:2] for name in before if name[0] == guild)
            assert max(own.values(), default=0) <= own[guild + member] + 1
            assert max(inline.values(), default=0) <= inline[guild] + 1
            assert len(before) >= limits.max_waiting
        else:
            if leaving is not None:
                assert leaving in before
                assert leaving not in queue
                siblings = [name for name in before if name[:2] == leaving[:2]]
                assert leaving == siblings[-1]
                if leaving[0] != guild:
                    assert inline[leaving[0]] == max(inline.values()) > inline[guild] + 1
        if number % 4 == 0:
            queue.take()
        if number % 7 == 0 and (oldest := queue.oldest(0)) is not None:
            queue.end(oldest)
        waiting = [name for name in queue.items() if not queue.runs(name)]
        assert len(waiting) == queue.waiting
        assert sorted(queue.place_of(name) for name in waiting) == [
            place + 1 for place in range(len(waiting))
        ]


def test_nobody_needs_a_place_in_line_where_a_row_is_free() -> None:
    queue = joined(["a1-0"], QueueLimits(max_rows=2, max_waiting=0))
    assert queue.take() == "a1-0"
    queue.join("b1-0", "b", "b1")
    assert queue.take() == "b1-0"
    with pytest.raises(QueueFull, match=r"The queue is full\. Try"):
        queue.join("c1-0", "c", "c1")


def test_a_free_row_that_nobody_can_have_makes_the_line_no_longer() -> None:
    """Poems in a form are rows by the dozen: long before all rows are taken, no more fit."""
    queue = joined(["a1-0"], QueueLimits(max_rows=64, max_waiting=2))
    assert queue.take() == "a1-0"
    for name in ("b1-0", "c1-0"):
        queue.join(name, name[0], name[:2])
        assert queue.take(lambda _: False) is None
    with pytest.raises(QueueFull):
        queue.join("d1-0", "d", "d1")
    assert take_all(queue) == ["b1-0", "c1-0"]
    queue.join("d1-0", "d", "d1")


def test_a_poem_that_has_ended_twice_is_counted_once() -> None:
    queue = joined(["a1-0", "a1-1"])
    queue.take()
    queue.end("a1-0")
    queue.end("a1-0")
    assert (queue.running, queue.waiting, queue.items()) == (0, 1, ["a1-1"])


# ---- Against a line that is slow and plain ----


@dataclass
class PlainLine:
    """The rule in its own words: lists, and a look at everybody each time."""

    waiting: list[str] = field(default_factory=list)  # by when they came
    running: list[str] = field(default_factory=list)
    moment: int = 0
    came: dict[str, int] = field(default_factory=dict)  # guilds "a" and members "a1"
    turns: dict[str, int] = field(default_factory=dict)  # the last one of each

    def join(self, name: str) -> None:
        for key in (name[0], name[:2]):
            self.moment += 1
            self.came.setdefault(key, self.moment)
        self.waiting.append(name)

    def leave(self, name: str) -> None:
        for names in (self.waiting, self.running):
            if name in names:
                names.remove(name)
        for key in (name[:2], name[0]):
            if not any(other.startswith(key) for other in self.waiting + self.running):
                del self.came[key]
                if len(key) == 1:  # a guild's members are forgotten with its last poem
                    self.turns = {k: v for k, v in self.turns.items() if k == key or k[0] != key}

    def take(self) -> str | None:
        if not self.waiting:
            return None
        guild = min({name[0] for name in self.waiting}, key=self._rank)
        member = min({name[:2] for name in self.waiting if name[0] == guild}, key=self._rank)
        name = next(name for name in self.waiting if name[:2] == member)
        self.waiting.remove(name)
        self.running.append(name)
        self._touch(guild)
        self._touch(member)
        return name

    def order(self) -> list[str]:
        copy = PlainLine(
            [*self.waiting], [*self.running], self.moment, dict(self.came), dict(self.turns)
        )
        return [copy.take() or "" for _ in self.waiting]

    def _touch(self, key: str) -> None:
        self.moment += 1
        self.turns[key] = self.moment

    def _rank(self, key: str) -> tuple[int, int, int]:
        running = sum(name.startswith(key) for name in self.running)
        return running, self.turns.get(key, 0), self.came[key]


@settings(max_examples=200)
@given(
    deeds=st.lists(
        st.sampled_from(["join", "join", "join", "join", "take", "take", "end", "cancel"])
    ),
    random=st.randoms(use_true_random=False),
)
def test_turns_and_places_are_those_of_the_plain_line(deeds: list[str], random: Random) -> None:
    queue, plain = joined([]), PlainLine()
    for number, deed in enumerate(deeds):
        if deed == "join":
            name = f"{random.choice('abcd')}{random.choice('12')}-{number}"
            queue.join(name, name[0], name[:2])
            plain.join(name)
        elif deed == "take":
            assert queue.take() == plain.take()
        else:
            names = plain.running if deed == "end" else plain.waiting
            if names:
                name = random.choice(names)
                plain.leave(name)
                queue.end(name)
        assert (queue.running, queue.waiting) == (len(plain.running), len(plain.waiting))
        assert [queue.place_of(name) for name in plain.order()] == [
            place + 1 for place in range(len(plain.waiting))
        ]
    assert queue.items() == [*plain.waiting, *plain.running]


@given(
    flood=st.integers(1, 40),
    rows=st.integers(1, 16),
    ends=st.lists(st.integers(0, 15), max_size=60),
)
def test_a_flood_passes_the_first_poem_of_another_guild_once_at_most(
    flood: int, rows: int, ends: list[int]
) -> None:
    queue: FairQueue[str] = FairQueue(QueueLimits(rows, 10_000, 10_000, 10_000))
    for number in range(flood):
        queue.join(f"a{number}", "a", f"a{number % 5}")
    running = take_all(queue)
    queue.join("b", "b", "b1")
    passed = 0
    for number, end in enumerate(ends):
        queue.join(f"more {number}", "a", "a1")
        while (item := queue.take()) is not None:
            if item == "b":
                return
            passed += 1
            running.append(item)
        queue.end(running.pop(end % len(running)))
    assert passed <= 1


def test_an_empty_line_keeps_nothing_of_those_who_were_in_it() -> None:
    queue = joined([f"{guild}{member}-0" for guild in "abcdef" for member in "123"])
    taken = take_all(queue)
    for name in taken:
        queue.end(name)
    assert (queue._guilds, queue._turns.accounts, queue._waiting, queue._running) == (
        {},
        {},
        {},
        {},
    )


def test_hundreds_who_wait_have_places_without_gaps() -> None:
    queue: FairQueue[int] = FairQueue(
        QueueLimits(max_rows=64, max_waiting=1000, max_per_guild=1000)
    )
    for number in range(600):
        queue.join(number, f"guild {number % 40}", f"member {number % 200}")
    while queue.take() is not None:
        pass
    waiting = [item for item in range(600) if not queue.runs(item)]
    assert sorted(map(queue.place_of, waiting)) == list(range(1, 537))


# ---- A simulation: one guild sends nine tenths of more than can be written ----


@dataclass
class Street:
    """What became of a made-up hour: seconds in line by guild, and how many were turned away."""

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)

    def mean_wait(self, guilds: Sequence[str]) -> float:
        waits = [wait for guild in guilds for wait in self.waits[guild]]
        return sum(waits) / len(waits)


QUIET = tuple("bcdefghijk")
LIMITS = QueueLimits(max_rows=16, max_waiting=64, max_per_guild=40)


def live(flood_per_second: float, *, flood_poem_seconds: float) -> Street:
    """Let ten guilds ask for a poem every other second each, and guild a for many; 300 seconds."""
    random, street = Random(3), Street()
    queue: FairQueue[str] = FairQueue(LIMITS)
    rates = {**dict.fromkeys(QUIET, 0.5), "a": flood_per_second}
    events: list[tuple[float, str, str]] = []  # when, what, whose
    for guild, rate in rates.items():
        now = 0.0
        while rate and (now := now + random.expovariate(rate)) < 300:
            events.append((now, "ask", f"{guild}-{now}"))
    heapq.heapify(events)
    asked: dict[str, float] = {}
    while events:
        now, what, name = heapq.heappop(events)
        if what == "end":
            queue.end(name)
        else:
            try:
                leaving = queue.join(name, name[0], f"{name[0]}{random.randrange(50)}")
                asked[name] = now
                if leaving is not None:
                    street.refused[leaving[0]] += 1
            except QueueFull:
                street.refused[name[0]] += 1
        while (taken := queue.take()) is not None:
            street.waits[taken[0]].append(now - asked[taken])
            seconds = flood_poem_seconds if taken[0] == "a" else 1.0
            heapq.heappush(events, (now + seconds * random.uniform(0.5, 1.5), "end", taken))
    return street


def jain(values: Sequence[float]) -> float:
    """Return how even `values` are: 1 when all are equal, 1/n when one has all."""
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))


@pytest.mark.parametrize(("flood_poem_seconds", "delay"), [(1.0, 0.03), (8.0, 0.4)])
def test_guilds_beside_a_flood_are_served_alike_and_nearly_as_without(
    flood_poem_seconds: float, delay: float
) -> None:
    """Where a flood may take the last row, the others wait 0.09 s and 0.77 s."""
    calm = live(0.0, flood_poem_seconds=1.0)
    flooded = live(45.0, flood_poem_seconds=flood_poem_seconds)
    served = [
        len(flooded.waits[guild]) / (len(flooded.waits[guild]) + flooded.refused[guild])
        for guild in QUIET
    ]
    assert min(served) == 1.0
    assert jain(served) >= 0.95
    assert calm.mean_wait(QUIET) < 0.01
    assert flooded.mean_wait(QUIET) < delay
    assert flooded.mean_wait("a") > 0.5
    assert flooded.refused["a"] > 1000


def test_a_poem_that_does_not_fit_keeps_its_turn() -> None:
    queue: FairQueue[str] = FairQueue(QueueLimits(max_rows=4))
    queue.join("large", "one", "ann")
    queue.join("small", "two", "ben")
    assert queue.take(lambda poem: poem != "large") is None
    assert queue.place_of("large") == 1
    assert queue.take() == "large"
    assert queue.take() == "small"
