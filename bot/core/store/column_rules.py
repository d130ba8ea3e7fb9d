"""What each column of the database may contain; everything else was put there by another program.

A rule returns what is kept of a value, and raises ValueError for what no Sonneteer ever wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from bot.core.errors import BadSetting
from bot.core.guild_settings import GuildSettings, is_snowflake
from bot.core.jobs import JobState, TrainingLength
from bot.core.names import MAX_TITLE, is_name, one_line
from bot.core.store.backup_file import STEM

MAX_ID = 2**53 - 1  # of a row; near SQLite's largest number there would soon be none left
MAX_CHARACTERS = 2**31 - 1  # of a book
MAX_SECONDS = 3e9  # of a training: a hundred years
MAX_LOSS = 1e6  # nats per character; a network that knows nothing has some 10
MAX_SETTING = 2**16  # characters of JSON; 200 words of 30 letters have a tenth of it
MAX_SENTENCE = 10_000  # what a training process complained of is kept up to 4,000 bytes

Rule = Callable[[object], object]


def _whole(low: int, high: int) -> Rule:
    def rule(value: object) -> object:
        if type(value) is int and low <= value <= high:
            return value
        raise ValueError

    return rule


def _real(high: float) -> Rule:
    def rule(value: object) -> object:
        if type(value) in (int, float) and 0 <= value <= high:  # type: ignore[operator]
            return value
        raise ValueError

    return rule


def _optional(rule: Rule, nothing: object) -> Rule:
    return lambda value: nothing if value == nothing else rule(value)


def _text(pattern: str) -> Rule:
    compiled = re.compile(pattern)

    def rule(value: object) -> object:
        if isinstance(value, str) and compiled.fullmatch(value):
            return value
        raise ValueError

    return rule


def _shown(most: int) -> Rule:
    """Words that people read: nothing invisible is kept of them."""

    def rule(value: object) -> object:
        if isinstance(value, str):
            return "\n".join(map(one_line, value[:most].splitlines()))
        raise ValueError

    return rule


def _number(value: object) -> object:
    if isinstance(value, str) and is_snowflake(value):
        return value
    raise ValueError


def _model(value: object) -> object:
    if isinstance(value, str) and is_name(value):
        return value
    raise ValueError


def _time(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError
    when = datetime.fromisoformat(value)
    if when.tzinfo is None:
        raise ValueError
    return when.astimezone(UTC).isoformat(timespec="seconds")


def setting(name: object, value: object) -> tuple[str, str]:
    """Return a setting as it is kept today; raise ValueError, or its child BadSetting's sentence.

    Settings that are no longer known are dropped: they are never read.
    """
    if not isinstance(name, str) or not isinstance(value, str) or len(value) > MAX_SETTING:
        raise ValueError
    try:
        guild_settings = GuildSettings().change(name, json.loads(value))
    except (BadSetting, RecursionError, TypeError) as error:
        raise ValueError from error
    return name, json.dumps(asdict(guild_settings)[name])


guild = _optional(_number, "")
member = _optional(_text(r"discord:[0-9]{1,20}|terminal:|web:[!-~]{0,100}"), "")
sha256 = _text(r"[0-9a-f]{0,64}")
row_id = _whole(1, MAX_ID)

COLUMN_RULES: Mapping[
    str, Mapping[str, Rule]
] = {  # in an order in which each row finds what it names
    "guilds": {"guild": guild},
    "settings": {"guild": guild, "name": _text(r".{1,100}"), "value": _text(r"(?s:.*)")},
    "jobs": {
        "id": row_id,
        "guild": guild,
        "name": _model,
        "title": _shown(MAX_TITLE),
        "source": _shown(MAX_TITLE),
        "characters": _whole(0, MAX_CHARACTERS),
        "state": _text("|".join(JobState)),
        "asker": member,
        "channel": guild,
        "message": guild,
        "created": _time,
        "ended": _optional(_time, ""),
        "seconds": _real(MAX_SECONDS),
        "loss": _optional(_real(MAX_LOSS), None),
        "sentence": _shown(MAX_SENTENCE),
        "told": _whole(0, 1),
        "length": _text("|".join(TrainingLength)),
    },
    "models": {
        "guild": guild,
        "name": _model,
        "sha256": sha256,
        "book": _shown(MAX_TITLE),
        "source": _shown(MAX_TITLE),
        "added": _time,
        "added_by": member,
        "job": _optional(row_id, None),
    },
    "choices": {
        "id": row_id,
        "guild": guild,
        "name": _optional(_text(STEM), ""),
        "sha256": sha256,
        "chosen": _time,
        "chosen_by": member,
    },
    "days": {
        "guild": guild,
        "day": _text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
        "message": _optional(_text(r"[0-9]{1,20}|lost"), ""),
    },
    "kept": {"message": _number, "guild": guild, "channel": guild, "copy": guild},
    "keepers": {"message": _number, "member": member},
}
# What is true of the moment of the backup alone: a poem that was half written then has ended since,
# and a bot that took it for one left behind would take a whole poem back.
NOT_KEPT = ("unfinished",)
NUMBERED = ("jobs", "choices")  # tables whose numbers never come again
