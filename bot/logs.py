"""The log, on stderr: lines for a terminal, or a JSON object on each line.

Every line has the number of the request that it belongs to. The last thing done to a line takes
out tokens: the bot's own, and those in addresses with which Discord lets interactions be answered.
"""

from __future__ import annotations

import json
import logging
import os
import re
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from bot.core.tracing import request_number

Style = Literal["text", "json"]
STYLES: tuple[Style, ...] = ("text", "json")

HIDDEN = "[token]"
_SHAPED = re.compile(r"[\w-]{20,}\.[\w-]{4,}\.[\w-]{20,}")  # as Discord's are, whosever it is
_IN_ADDRESS = re.compile(r"(/(?:webhooks|interactions)/\d+/)[^/\s?#\"']+")
_USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}

_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}


def set_up(
    style: Style,
    level: int,
    out: TextIO,
    *,
    token: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Log to `out` from now on: our own lines from `level`, of everybody else's the warnings.

    discord.py tells the keys of its sessions at INFO, and at DEBUG all that members write.
    """
    redact = Redactor(token)
    form = JsonLines(redact) if style == "json" else TextLines(redact, colours(out, environment))
    handler = Handler(out)
    handler.setFormatter(form)
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if isinstance(each, Handler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("bot").setLevel(level)


def colours(out: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether to tell levels by colour: on a terminal, where nobody objects (no-color.org)."""
    dumb = environment.get("TERM", "") == "dumb"
    return out.isatty() and not environment.get("NO_COLOR") and not dumb


class Redactor:
    """Takes tokens out of a text and says `hidden` in their place."""

    def __init__(self, token: str | None = None, hidden: str = HIDDEN) -> None:
        self._token = token
        self._hidden = hidden

    def __call__(self, text: str) -> str:
        if self._token:
            text = text.replace(self._token, self._hidden)
        return _SHAPED.sub(self._hidden, _IN_ADDRESS.sub(rf"\1{self._hidden}", text))


class Handler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be written is lost, for there is nobody to tell."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do without the complaint of `logging`, which would show the record as it was."""


class TextLines(logging.Formatter):
    """Time, level, logger, [request], message, key=value; a stack stands below, set off."""

    def __init__(self, redact: Redactor, colourful: bool = False) -> None:
        super().__init__()
        self._redact = redact
        self._colourful = colourful

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone()
        level = record.levelname.ljust(7)
        if self._colourful and (colour := _COLOURS.get(record.levelno)):
            level = f"\x1b[{colour}m{level}\x1b[0m"
        number = request_number()
        words = [
            time.strftime("%Y-%m-%d %H:%M:%S"),
            level,
            record.name,
            *([f"[{number}]"] if number else []),
            one_line(self._redact(_message(record))),
            *(f"{key}={_shown(self._redact(str(v)))}" for key, v in _extras(record).items()),
        ]
        stack = [f"  | {one_line(line)}" for line in self._redact(_stack(record)).splitlines()]
        return "\n".join([" ".join(words), *stack])


class JsonLines(logging.Formatter):
    """One object a record: time (UTC), level, logger, message, request, error, and its extras."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        content: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redact(_message(record)),
        }
        if number := request_number():
            content["request"] = number
        for key, value in _extras(record).items():
            plain = value is None or isinstance(value, bool | int | float)
            content.setdefault(key, value if plain else self._redact(str(value)))
        if stack := _stack(record):
            content["error"] = self._redact(stack)
        return json.dumps(content)  # in ASCII: no sign of a stranger's can break the line


def one_line(text: str) -> str:
    r"""Write out what would end the line, or what a terminal would obey.

    >>> print(one_line("a rose\n2026-11-25 \x1b[2J"))
    a rose\n2026-11-25 \x1b[2J
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _shown(value: str) -> str:
    """Return an extra as it stands behind its key: quoted where it would not be one word."""
    plain = re.fullmatch(r"[\w.:/+-]+", value, re.ASCII)
    return value if plain else json.dumps(value)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # whoever logs it made a mistake; what is left of it is worth having
        return f"{record.msg} (its arguments do not fit)"


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _USUAL}


def _stack(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[1] is not None:
        parts.append("".join(traceback.format_exception(record.exc_info[1])))
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(part.rstrip("\n") for part in parts)
