"""How often somebody may try something within an hour."""

from __future__ import annotations

import pytest

from bot.core.budget import MAX_REMEMBERED, WINDOW_SECONDS, Budget
from bot.core.errors import TooMuch


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_budget_is_used_up_and_comes_back(clock: Clock) -> None:
    budget = Budget(3, clock)
    for clock.now in (0.0, 600.0, 1200.0):
        budget.spend("guild", "member")
    with pytest.raises(TooMuch, match=r"bring 3 books in an hour.*Ask again in 40 min"):
        budget.spend("guild", "member")
    clock.now = WINDOW_SECONDS
    budget.spend("guild", "member")
    with pytest.raises(TooMuch, match="in 10 min"):
        budget.spend("guild", "member")


def test_a_member_has_one_budget_for_all_guilds(clock: Clock) -> None:
    budget = Budget(3, clock)
    for guild in ("a", "b", "c"):
        budget.spend(guild, "eve")
    with pytest.raises(TooMuch):
        budget.spend("d", "eve")
    budget.spend("d", "adam")


def test_a_guild_has_one_budget_for_all_members(clock: Clock) -> None:
    budget = Budget(3, clock)
    for member in ("a", "b", "c"):
        budget.spend("guild", member)
    with pytest.raises(TooMuch):
        budget.spend("guild", "d")


def test_an_attempt_that_is_refused_costs_nothing(clock: Clock) -> None:
    budget = Budget(1, clock)
    budget.spend("a", "eve")
    for _ in range(5):
        with pytest.raises(TooMuch):
            budget.spend("b", "eve")
    budget.spend("b", "adam")


def test_no_budget_is_no_attempt(clock: Clock) -> None:
    with pytest.raises(TooMuch, match="bring 0 books"):
        Budget(0, clock).spend("a")


def test_it_remembers_so_many_at_most(clock: Clock) -> None:
    budget = Budget(1, clock)
    for number in range(MAX_REMEMBERED + 10):
        budget.spend(str(number))
    assert len(budget._attempts) == MAX_REMEMBERED
