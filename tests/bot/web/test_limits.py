"""Counting by client."""

from __future__ import annotations

import pytest

from bot.core.fairness import MAX_REMEMBERED
from bot.web.admission import (
    BURST,
    MAX_BEHIND_SECONDS,
    REQUESTS_PER_SECOND,
    ClientLimits,
    RequestThrottle,
)
from bot.web.errors import TooManyAtOnce, TooManyPoems
from tests.fakes import Clock


def ask(limits: ClientLimits, client: str = "a") -> None:
    with limits.poem(client):
        pass


def test_one_client_does_not_use_up_what_another_may() -> None:
    limits = ClientLimits(max_at_once=1, per_minute=1, clock=Clock())
    with limits.poem("a"):
        ask(limits, "b")


def test_a_poem_that_fails_no_longer_counts_as_being_written() -> None:
    limits = ClientLimits(max_at_once=1, per_minute=0)
    with pytest.raises(RuntimeError), limits.poem("a"):
        raise RuntimeError
    ask(limits)


def test_a_refused_poem_does_not_count_as_being_written() -> None:
    limits = ClientLimits(max_at_once=1, per_minute=0)
    with limits.poem("a"):
        with pytest.raises(TooManyAtOnce):
            ask(limits)
        with pytest.raises(TooManyAtOnce):
            ask(limits)
    ask(limits)


def test_the_allowance_refills_evenly_and_not_beyond_a_minute() -> None:
    clock = Clock()
    limits = ClientLimits(max_at_once=0, per_minute=2, clock=clock)
    clock.now += 3600
    ask(limits)
    ask(limits)
    with pytest.raises(TooManyPoems) as refused:
        ask(limits)
    assert refused.value.retry_seconds == 30
    clock.now += 29
    with pytest.raises(TooManyPoems):
        ask(limits)
    clock.now += 1
    ask(limits)


def test_zero_turns_both_limits_off() -> None:
    limits = ClientLimits(max_at_once=0, per_minute=0, clock=Clock())
    with limits.poem("a"):
        for _ in range(1000):
            ask(limits)


def test_only_so_many_clients_are_remembered() -> None:
    limits = ClientLimits(max_at_once=1, per_minute=1, clock=Clock())
    for number in range(MAX_REMEMBERED + 10):
        ask(limits, str(number))
    assert limits._paces is not None
    assert len(limits._paces._paces) == MAX_REMEMBERED
    assert not limits._at_once


def test_a_page_and_its_files_need_not_wait() -> None:
    pace = RequestThrottle(Clock())
    assert {pace.wait_seconds("a") for _ in range(int(BURST))} == {0.0}


def test_requests_that_come_too_fast_wait_and_those_of_others_do_not() -> None:
    clock = Clock()
    pace = RequestThrottle(clock)
    waits = [pace.wait_seconds("a") for _ in range(int(BURST) + 5)]
    assert waits[-1] == pytest.approx(5 / REQUESTS_PER_SECOND, abs=2 / REQUESTS_PER_SECOND)
    assert pace.wait_seconds("b") == 0.0
    clock.now += 10.0
    assert pace.wait_seconds("a") == 0.0


def test_nobody_waits_for_long_whatever_they_did() -> None:
    pace = RequestThrottle(Clock())
    waits = [pace.wait_seconds("a") for _ in range(10_000)]
    assert max(waits) <= MAX_BEHIND_SECONDS


def test_clients_whose_pace_is_remembered_are_bounded() -> None:
    pace = RequestThrottle(Clock())
    for number in range(MAX_REMEMBERED + 10):
        pace.wait_seconds(str(number))
    assert len(pace._paces._paces) == MAX_REMEMBERED
