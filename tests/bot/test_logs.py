"""The log as a terminal and as a program reads it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import datetime

import pytest

from bot import logs
from bot.core import request_log
from bot.core.redaction import Redactor
from tests.fake_discord import TOKEN

log = logging.getLogger("bot.tests")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def begin(
    style: logs.Style = "text", level: int = logging.INFO, out: io.StringIO | None = None
) -> io.StringIO:
    out = out or io.StringIO()
    logs.set_up(style, level, out, secrets=[TOKEN], environment={})
    return out


def fail(sentence: str) -> None:
    try:
        raise RuntimeError(sentence)
    except RuntimeError:
        log.exception("it failed")


def test_a_line_has_time_level_logger_request_message_and_extras() -> None:
    out = begin()
    with request_log.request("job 12"):
        log.info("a poem of %d lines", 14, extra={"outcome": "complete", "model": "sea songs"})
    time, rest = out.getvalue()[:19], out.getvalue()[19:]
    assert datetime.strptime(time, "%Y-%m-%d %H:%M:%S").astimezone()
    assert rest == (
        ' INFO    bot.tests [job 12] a poem of 14 lines outcome=complete model="sea songs"\n'
    )


def test_a_stream_ends_after_the_one_it_writes_to_without_a_complaint() -> None:
    """From Python 3.13 on, one that was thrown away complained on stderr."""
    stream = logs.for_terminal(out := io.StringIO())
    stream.write("a rose")
    out.close()
    stream.close()


def test_without_a_request_the_brackets_are_left_out() -> None:
    out = begin()
    log.warning("a rose")
    assert out.getvalue().endswith(" WARNING bot.tests a rose\n")


def test_an_object_has_the_same_under_names_and_is_one_line() -> None:
    out = begin("json")
    with request_log.request("job 12"):
        log.info("a poem\nof %d lines", 14, extra={"outcome": "complete", "queue_ms": 3})
    told = json.loads(out.getvalue())
    assert out.getvalue().count("\n") == 1
    time = datetime.fromisoformat(told.pop("time"))
    assert time.utcoffset() is not None
    assert told == {
        "level": "info",
        "logger": "bot.tests",
        "message": "a poem\nof 14 lines",
        "request": "job 12",
        "outcome": "complete",
        "queue_ms": 3,
    }


def test_the_stack_of_an_error_is_one_text_in_an_object() -> None:
    out = begin("json")
    fail("the engine broke")
    error = json.loads(out.getvalue())["error"]
    assert error.startswith("Traceback")
    assert error.endswith("RuntimeError: the engine broke")


def test_what_strangers_type_makes_no_line_of_its_own() -> None:
    out = begin()
    forged = "rose\n2026-11-25 12:00:00 INFO    bot all is well\x1b[2J\u202e"
    log.warning("a seed: %s", forged)
    fail(forged)
    lines = out.getvalue().splitlines()
    assert lines[0].endswith(r"rose\n2026-11-25 12:00:00 INFO    bot all is well\x1b[2J\u202e")
    assert lines[1].endswith("it failed")
    assert all(line.startswith("  | ") for line in lines[2:])
    assert any("all is well" in line for line in lines[2:])


@pytest.mark.parametrize("style", logs.STYLES)
@pytest.mark.parametrize(
    "secret",
    [
        TOKEN,
        f"Bot {TOKEN}.",
        "MTA1MjM0NTY3ODkwMTIzNDU2.GhIjKl.0123456789abcdefghijklmnopqrstuv",
        "https://discord.com/api/v10/webhooks/12/a-secret_one/messages/@original",
        "/interactions/34/a-secret_one/callback",
        "/webhooks/12/a-secret_one?wait=true",
    ],
)
@pytest.mark.token_on_purpose("log")
def test_no_token_is_logged_wherever_it_stands(style: logs.Style, secret: str) -> None:
    out = begin(style)
    log.warning("%s", secret)
    log.warning(secret, extra={"address": secret})
    fail(secret)
    log.warning("%r", RuntimeError(secret), stack_info=True)
    told = out.getvalue()
    assert told.count("[token]") >= 5
    assert not any(part in told for part in (TOKEN, "a-secret_one", "GhIjKl"))


def test_a_line_whose_arguments_do_not_fit_is_logged_without_them() -> None:
    """Python's own complaint of it would show the arguments as they are."""
    record = logging.makeLogRecord({"name": "bot", "msg": "%d poems", "args": (TOKEN,)})
    line = logs.TextLines(Redactor()).format(record)
    assert line.endswith("%d poems (its arguments do not fit)")


def test_of_others_the_warnings_are_logged_and_of_ours_what_was_asked_for() -> None:
    out = begin(level=logging.DEBUG)
    log.debug("ours")
    logging.getLogger("discord.gateway").info("Session ID: abc")
    logging.getLogger("discord.http").warning("slow down")
    assert "ours" in out.getvalue()
    assert "slow down" in out.getvalue()
    assert "Session" not in out.getvalue()


def test_setting_up_again_takes_the_place_of_what_was() -> None:
    first, second = begin(), begin("json")
    log.info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_only_a_terminal_gets_colours() -> None:
    out = begin(out=Terminal())
    log.warning("a rose")
    assert "\x1b[33mWARNING\x1b[0m" in out.getvalue()
    assert logs.colours(Terminal(), {}) is True
    assert logs.colours(Terminal(), {"NO_COLOR": "1"}) is False
    assert logs.colours(Terminal(), {"TERM": "dumb"}) is False
    assert logs.colours(io.StringIO(), {}) is False


def test_a_log_that_nobody_can_take_any_more_disturbs_nobody() -> None:
    out = begin()
    out.close()
    log.warning("a rose")


@contextmanager
def guarded() -> Iterator[io.StringIO]:
    """Give what comes through the guard in the place of stderr."""
    out = io.StringIO()
    with redirect_stderr(out):
        logs.guard_stderr(TOKEN)
        yield out


def test_a_stack_that_python_prints_has_no_token() -> None:
    with guarded() as out:
        try:
            raise RuntimeError(f"no answer to {TOKEN}")
        except RuntimeError as error:
            error.add_note(f"with {TOKEN}")
            sys.__excepthook__(type(error), error, error.__traceback__)
    assert out.getvalue().endswith("RuntimeError: no answer to [token]\nwith [token]\n")


def test_a_token_in_pieces_is_put_together_and_taken_out() -> None:
    with guarded() as out:
        for piece in ("a line with ", TOKEN[:5], TOKEN[5:], "\nand ", TOKEN[:9], TOKEN[9:]):
            sys.stderr.write(piece)
        sys.stderr.flush()
    assert out.getvalue() == "a line with [token]\nand [token]"


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    with guarded() as out:
        sys.stderr.write(" " * (logs.MAX_HELD + 1))
        assert out.tell() == logs.MAX_HELD + 1


def test_the_guard_is_one_however_often_it_is_set_up() -> None:
    with guarded() as out:
        stream = sys.stderr
        logs.guard_stderr("another-token")
        assert sys.stderr is stream
        sys.stderr.write("to another-token\n")
    assert out.getvalue() == "to [token]\n"


@pytest.mark.parametrize("style", logs.STYLES)
def test_a_secret_that_is_known_later_is_hidden_from_then_on(style: logs.Style) -> None:
    out = begin(style)
    with guarded() as err:
        logs.hide("from-a-file")
        log.info("with from-a-file")
        sys.stderr.write("with from-a-file\n")
    assert "with [token]" in out.getvalue()
    assert err.getvalue() == "with [token]\n"
