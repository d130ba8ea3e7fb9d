"""When a poem of the day is due, and what it begins with."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest

from bot.core.daily import DailyPoem, read_daily, read_time, read_timezone
from bot.core.errors import BadSetting
from bot.core.guild_settings import GuildSettings, read_guild_settings

BERLIN = DailyPoem("7", "08:00", "Europe/Berlin")
DAY = date(2026, 11, 29)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_it_is_due_from_its_time_to_the_end_of_the_day_where_the_server_lives() -> None:
    assert BERLIN.due(at("2026-11-29 06:59"), "") is None
    assert BERLIN.due(at("2026-11-29 07:00"), "") == DAY
    assert BERLIN.due(at("2026-11-29 22:59"), "2026-11-28") == DAY
    assert BERLIN.due(at("2026-11-29 23:00"), "2026-11-28") is None  # the next day has begun


def test_a_system_without_time_zones_gets_them_from_a_package() -> None:
    """Windows has none, and small containers: there only UTC was taken."""
    try:
        zoneinfo.reset_tzpath(())
        assert {"Europe/Berlin", "America/New_York", "UTC"} <= zoneinfo.available_timezones()
    finally:
        zoneinfo.reset_tzpath()


def test_it_is_due_once_a_day() -> None:
    assert BERLIN.due(at("2026-11-29 12:00"), "2026-11-29") is None
    assert BERLIN.due(at("2026-11-29 12:00"), "2026-11-30") is None  # the clock was set back


def test_a_day_that_a_wrong_clock_told_does_not_silence_it_for_years() -> None:
    assert BERLIN.due(at("2026-11-29 12:00"), "2040-01-01") == DAY


def test_paused_it_is_never_due() -> None:
    assert DailyPoem("7", paused=True).due(at("2026-11-29 12:00"), "") is None


@pytest.mark.parametrize("begin", ["2026-03-28 00:00", "2026-10-24 00:00"])
def test_when_the_clock_changes_it_is_still_due_once_a_day(begin: str) -> None:
    """At 2:30 there is no such time in spring, and in autumn there are two."""
    daily, last, days = DailyPoem("7", "02:30", "Europe/Berlin"), "", []
    for minute in range(0, 3 * 24 * 60, 10):
        day = daily.due(at(begin) + timedelta(minutes=minute), last)
        if day is not None:
            days.append(day)
            last = day.isoformat()
    assert len(days) == len(set(days)) == 3


def test_its_first_words_come_in_turn_or_from_the_date() -> None:
    listed = DailyPoem("7", seeds=("a rose", "a lily"))
    assert {listed.seed(DAY), listed.seed(DAY + timedelta(days=1))} == {"a rose", "a lily"}
    assert listed.seed(DAY) == listed.seed(DAY + timedelta(days=2))
    assert BERLIN.seed(DAY) == "Sunday"
    assert BERLIN.seed(date(2026, 12, 1)) == "December"


def test_a_day_has_one_random_seed_in_each_server() -> None:
    seeds = {BERLIN.random_seed(guild, day) for guild in "12" for day in (DAY, date(2026, 1, 1))}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**53 for seed in seeds)


@pytest.mark.parametrize("typed", ["8:00", "08.00", " 8:00 "])
def test_a_time_may_be_typed_in_many_ways(typed: str) -> None:
    assert read_time(typed) == "08:00"


@pytest.mark.parametrize("typed", ["24:00", "8", "8:60", "noon", "", "8:00 pm"])
def test_what_is_no_time_is_refused(typed: str) -> None:
    with pytest.raises(BadSetting, match="a time such as 8:00"):
        read_time(typed)


@pytest.mark.parametrize("typed", ["Mars/Olympus", "../etc/passwd", "", "Etc/GMT+1", 5])
def test_what_is_no_time_zone_is_refused(typed: object) -> None:
    with pytest.raises(BadSetting, match="a time zone such as Europe/Berlin"):
        read_timezone(typed)


def test_it_is_stored_and_read_again() -> None:
    daily = DailyPoem("7", "18:30", "America/New_York", "walks", "haiku", ("a rose",), paused=True)
    settled = GuildSettings().change("daily", daily)
    assert read_guild_settings(settled.as_dict()).daily == daily
    assert settled.change("daily", None) == GuildSettings()


@pytest.mark.parametrize(
    "value",
    [
        "8:00",
        {},
        {"channel": "x"},
        {"channel": "0"},
        {"channel": "7", "form": "epic"},
        {"channel": "7", "time": "late"},
        {"channel": "7", "timezone": "Mars"},
        {"channel": "7", "seeds": ["x" * 101]},
        {"channel": "7", "seeds": [" "]},
        {"channel": "7", "seeds": ["a"] * 61},
        {"channel": "7", "seeds": 5},
    ],
)
def test_what_makes_no_sense_is_refused(value: object) -> None:
    with pytest.raises(BadSetting):
        read_daily("daily", value)
