"""A poem a day: when it is due in a server, and what it begins with. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from bot.core.errors import BadSetting
from bot.core.languages import sentence
from bot.core.records import FORMS, FREE

MAX_SEEDS = 60
MAX_SEED = 100  # characters
TIME_OF_DAY, TIMEZONE = "08:00", "UTC"  # where an admin names none
TIME = re.compile(r"([01]?[0-9]|2[0-3])[:.]([0-5][0-9])")
DOUBT = timedelta(days=2)  # by which a day may be ahead when a server or the clock moves
DOOR = "daily"  # of the asker: what a server's admins have set up needs no role and no channel
ALLOWED_TIME = sentence("a time such as 8:00 or 18:30")
ALLOWED_ZONE = sentence("a time zone such as Europe/Berlin, America/New_York or UTC")


@dataclass(frozen=True, slots=True)
class DailyPoem:
    """Where, when and how a server gets its poem of the day."""

    channel: str
    time: str = TIME_OF_DAY  # in `timezone`
    timezone: str = TIMEZONE
    model: str | None = None  # None: what the channel uses
    form: str | None = None  # None: the server's default
    seeds: tuple[str, ...] = ()  # one a day, in turn; none: a word from the day's date
    paused: bool = False

    def today(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def due(self, now: datetime, last: str) -> date | None:
        """Return the day whose poem has to be sent now, None if there is none.

        `last` is the day of the latest one, ISO 8601. A poem that could not be sent in time is due
        until the day ends. What the clock skips in spring is due right after. A day that is far
        ahead is one of a wrong clock, and counts as none.
        """
        local = now.astimezone(ZoneInfo(self.timezone))
        is_time = local.time() >= time.fromisoformat(self.time)
        today, latest = local.date(), (local + DOUBT).date().isoformat()
        is_due = is_time and not self.paused and not today.isoformat() <= last <= latest
        return today if is_due else None

    def seed(self, day: date) -> str:
        """Return the first words for a day: of the list, or a word from the date."""
        if self.seeds:
            return self.seeds[day.toordinal() % len(self.seeds)]
        return day.strftime("%B" if day.day == 1 else "%A")  # the month's name on its first day

    def random_seed(self, guild: str, day: date) -> int:
        """Return a day's random seed: a poem that is sent again after a restart is the same."""
        digest = hashlib.sha256(f"{guild} {day.isoformat()}".encode()).digest()
        return int.from_bytes(digest[:6], "big")

    def note(self, day: date) -> str:
        """Return the line under the poem of a day."""
        return sentence("Poem of the day, {date}", date=day)


def read_daily(name: str, value: object) -> DailyPoem:
    """Return what a setting says; raise BadSetting."""
    if isinstance(value, DailyPoem):
        return value
    if not isinstance(value, Mapping) or not re.fullmatch(
        "[1-9][0-9]{0,19}", str(value.get("channel"))
    ):
        raise BadSetting(name, str(value), sentence("set with /settings daily, or none"))
    form, model = value.get("form"), value.get("model")
    if form is not None and form not in (*FORMS, FREE):
        allowed = sentence("one of {forms} and {last}", forms=", ".join(FORMS), last=FREE)
        raise BadSetting("form", form, allowed)
    return DailyPoem(
        channel=str(value["channel"]),
        time=read_time(value.get("time", TIME_OF_DAY)),
        timezone=read_timezone(value.get("timezone", TIMEZONE)),
        model=None if model is None else str(model)[:100],
        form=None if form is None else str(form),
        seeds=_seeds(value.get("seeds", ())),
        paused=value.get("paused") is True,
    )


def read_time(value: Any) -> str:
    """Return a time of day as HH:MM; raise BadSetting.

    >>> read_time("8.05")
    '08:05'
    """
    match = TIME.fullmatch(str(value).strip())
    if match is None:
        raise BadSetting("time", value, ALLOWED_TIME)
    return f"{int(match[1]):02}:{match[2]}"


def read_timezone(value: Any) -> str:
    """Return the name of a time zone as it is written, whatever its capitals; raise BadSetting.

    >>> read_timezone("europe/berlin")
    'Europe/Berlin'
    """
    found = timezones().get(str(value).strip().casefold().replace(" ", "_"))
    if found is None:
        raise BadSetting("timezone", value, ALLOWED_ZONE)
    return found


@lru_cache(maxsize=1)
def timezones() -> Mapping[str, str]:
    """Return the names of all time zones, by the same in small letters."""
    names = {name for name in available_timezones() if not name.startswith(("Etc/", "SystemV/"))}
    return {name.casefold(): name for name in sorted(names | {"UTC"})}


def _seeds(value: Any) -> tuple[str, ...]:
    seeds = (value,) if isinstance(value, str) else value
    if not isinstance(seeds, Sequence) or len(seeds) > MAX_SEEDS:
        allowed = sentence("at most {most} openings", most=MAX_SEEDS)
        raise BadSetting("seeds", "these", allowed)
    kept = tuple(" ".join(str(seed).split()) for seed in seeds)
    for seed in kept:
        if not 1 <= len(seed) <= MAX_SEED:
            allowed = sentence("openings of 1 to {most} characters", most=MAX_SEED)
            raise BadSetting("seeds", seed, allowed)
    return kept


def utc_now() -> datetime:
    return datetime.now(UTC)
