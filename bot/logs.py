"""The log, on stderr: lines for a terminal, or a JSON object on each line.

Every line has the number of the request that it belongs to. The last thing done to a line takes
out secrets. `guard_stderr` does so with all else that is written there: sentences of argparse,
warnings, stacks of uncaught errors.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

from bot.core.redaction import Redactor
from bot.core.request_log import request_number
from model import printable

Style = Literal["text", "json"]
STYLES: tuple[Style, ...] = ("text", "json")

MAX_HELD = 65_536  # characters of a line that does not end
_USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}

_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}


def set_up(
    style: Style,
    level: int,
    out: TextIO,
    *,
    secrets: Collection[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Log to `out` from now on: our own lines from `level`, of everybody else's the warnings.

    discord.py tells the keys of its sessions at INFO, and at DEBUG all that members write.
    """
    redact = Redactor(*secrets)
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
    """Whether to show levels in colour: on a terminal, unless NO_COLOR is set (no-color.org)."""
    dumb = environment.get("TERM", "") == "dumb"
    return out.isatty() and not environment.get("NO_COLOR") and not dumb


class RedactingStream(io.TextIOBase):
    """A stream whose text goes on line by line, each through `redact`: without secrets, say."""

    def __init__(self, out: TextIO, redact: Callable[[str], str]) -> None:
        self._out = out
        self.redact = redact
        self._held = ""  # of a line that has not ended
        self._lock = threading.RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._out.encoding

    def isatty(self) -> bool:
        return self._out.isatty()

    def fileno(self) -> int:
        return self._out.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            lines, end, rest = (self._held + text).rpartition("\n")
            if len(rest) > MAX_HELD:
                lines, end, rest = lines + end + rest, "", ""
            self._held = rest
            if lines or end:
                self._out.write(self.redact(lines) + end)
        return len(text)

    def flush(self) -> None:
        if self._out.closed:  # as when both are garbage
            return
        with self._lock:
            held, self._held = self._held, ""
            if held:
                self._out.write(self.redact(held))
            self._out.flush()


def guard_stderr(*secrets: str) -> TextIO:
    """Remove secrets from all that is written to sys.stderr from now on; return the stream."""
    out = sys.stderr
    if isinstance(out, RedactingStream):
        out.redact = Redactor(*secrets)
        return cast(TextIO, out)
    sys.stderr = guarded = cast(TextIO, RedactingStream(out, Redactor(*secrets)))
    return guarded


def hide(*secrets: str) -> None:
    """From now on, remove these secrets and no others from the log and all else on stderr."""
    redact = Redactor(*secrets)
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, TextLines | JsonLines):
            handler.formatter.redact = redact
    if isinstance(sys.stderr, RedactingStream):
        sys.stderr.redact = redact


def for_terminal(out: TextIO) -> TextIO:
    """Return a stream for what strangers wrote: nothing of it is obeyed by the terminal."""
    return cast(TextIO, RedactingStream(out, printable))


class Handler(logging.StreamHandler[TextIO]):
    """Writes lines; a line that cannot be written is dropped without a word."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do without the complaint of `logging`, which would show the record as it was."""


class TextLines(logging.Formatter):
    """Time, level, logger, [request], message, key=value; a stack comes below, indented."""

    def __init__(self, redact: Redactor, colourful: bool = False) -> None:
        super().__init__()
        self.redact = redact
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
            escape_line(self.redact(_message(record))),
            *(f"{key}={_shown(self.redact(str(v)))}" for key, v in _extras(record).items()),
        ]
        stack = [f"  | {escape_line(line)}" for line in self.redact(_stack(record)).splitlines()]
        return "\n".join([" ".join(words), *stack])


class JsonLines(logging.Formatter):
    """One object a record: time (UTC), level, logger, message, request, error, and its extras."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self.redact = redact

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        content: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.redact(_message(record)),
        }
        if number := request_number():
            content["request"] = number
        for key, value in _extras(record).items():
            plain = value is None or isinstance(value, bool | int | float)
            content.setdefault(key, value if plain else self.redact(str(value)))
        if stack := _stack(record):
            content["error"] = self.redact(stack)
        return json.dumps(content)  # in ASCII: no sign of a stranger's can break the line


def escape_line(text: str) -> str:
    r"""Write out what would end the line, or what a terminal would obey.

    >>> print(escape_line("a rose\n2026-11-25 \x1b[2J"))
    a rose\n2026-11-25 \x1b[2J
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _shown(value: str) -> str:
    """Return the value of an extra: quoted where it would not be one word."""
    plain = re.fullmatch(r"[\w.:/+-]+", value, re.ASCII)
    return value if plain else json.dumps(value)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # the call is wrong; what can be shown of it is worth having
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
