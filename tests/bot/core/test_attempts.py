"""How often somebody may try something within an hour."""

from __future__ import annotations

import pytest

from bot.core.errors import TooMuch
from bot.core.fairness import MAX_REMEMBERED, WINDOW_SECONDS, AttemptLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_budget_is_used_up_and_comes_back(clock: Clock) -> None:
    attempts = AttemptLimit(3, clock)
    for clock.now in (0.0, 600.0, 1200.0):
        attempts.spend("guild", "member")
    with pytest.raises(TooMuch, match=r"add 3 books an hour.*Try again in 40 min"):
        attempts.spend("guild", "member")
    clock.now = WINDOW_SECONDS
    attempts.spend("guild", "member")
    with pytest.raises(TooMuch, match="in 10 min"):
        attempts.spend("guild", "member")


def test_a_member_has_one_budget_for_all_guilds(clock: Clock) -> None:
    attempts = AttemptLimit(3, clock)
    for guild in ("a", "b", "c"):
        attempts.spend(guild, "eve")
    with pytest.raises(TooMuch):
        attempts.spend("d", "eve")
    attempts.spend("d", "adam")


def test_a_guild_has_one_budget_for_all_members(clock: Clock) -> None:
    attempts = AttemptLimit(3, clock)
    for member in ("a", "b", "c"):
        attempts.spend("guild", member)
    with pytest.raises(TooMuch):
        attempts.spend("guild", "d")


def test_an_attempt_that_is_refused_costs_nothing(clock: Clock) -> None:
    attempts = AttemptLimit(1, clock)
    attempts.spend("a", "eve")
    for _ in range(5):
        with pytest.raises(TooMuch):
            attempts.spend("b", "eve")
    attempts.spend("b", "adam")


def test_no_budget_is_no_attempt(clock: Clock) -> None:
    with pytest.raises(TooMuch, match="add 0 books"):
        AttemptLimit(0, clock).spend("a")


def test_it_remembers_so_many_at_most(clock: Clock) -> None:
    attempts = AttemptLimit(1, clock)
    for number in range(MAX_REMEMBERED + 10):
        attempts.spend(str(number))
    assert len(attempts._attempts) == MAX_REMEMBERED
