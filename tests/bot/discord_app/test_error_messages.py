"""What a member is told when something went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import aiohttp
import discord
import pytest
from discord.ext import commands

from bot.core import request_log
from bot.core.errors import BadSetting, BotError, NotAllowed, NothingThere, UnknownModel
from bot.discord_app.error_messages import (
    FORBIDDEN,
    MAX_BRIEF,
    NO_ANSWER,
    QUIET_SECONDS,
    ThrottledLog,
    error_message,
)
from bot.discord_app.poem_formatting import MAX_MESSAGE, measure
from bot.discord_app.retries import UnreadableResponse
from tests.fuzz.discord_markdown import read


def test_a_sentence_that_no_message_holds_is_cut() -> None:
    told = error_message(NothingThere("x" + "🌹" * MAX_MESSAGE))
    assert told.startswith("x🌹🌹")
    assert told.endswith("🌹…")
    assert MAX_MESSAGE - 2 < measure(told) <= MAX_MESSAGE


def test_a_sentence_that_fits_is_told_as_it_is() -> None:
    assert error_message(NothingThere("x" * MAX_MESSAGE)) == "x" * MAX_MESSAGE


HOSTILE = (
    "[a](https://b.example)",
    "discord.gg/abc",
    "<@1>",
    "@everyone",
    "**bold** `code` ||spoiler||",
    "# heading",
    "-# small print",
    "<t:1:R> :rose: </sonnet:1>",
)


@pytest.mark.parametrize("typed", HOSTILE)
@pytest.mark.parametrize(
    "quoting",
    [
        lambda typed: UnknownModel(typed, [typed]),
        lambda typed: BadSetting(typed, typed, "a name"),
        NothingThere,
    ],
)
def test_what_a_stranger_typed_is_quoted_without_its_marks(
    typed: str, quoting: Callable[[str], BotError]
) -> None:
    told = read(error_message(quoting(typed)))
    assert told.live == ()
    assert told.shown == str(quoting(typed))


def test_what_is_cut_after_it_was_escaped_stays_without_its_marks() -> None:
    told = read(error_message(NothingThere("*" * MAX_MESSAGE)))
    assert told.live == ()
    assert told.shown.endswith("*…")


def test_a_sentence_of_ours_shows_its_commands_and_names_channels() -> None:
    assert read(error_message(NothingThere("See /book list."))).shown == "See /book list."
    assert error_message(NotAllowed("Elsewhere: <#12>.")) == "Elsewhere: <#12>."


def test_the_number_that_a_member_is_told_is_that_of_the_request() -> None:
    with request_log.request() as number:
        assert error_message(RuntimeError("the engine broke")).endswith(f"this ID: {number}")


def test_without_a_request_the_line_of_the_log_has_a_number_of_its_own() -> None:
    numbers: list[str] = []

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            numbers.append(request_log.request_number())

    seen = Seen()
    logging.getLogger("bot.discord_app.error_messages").addHandler(seen)
    told = error_message(RuntimeError("the engine broke"))
    logging.getLogger("bot.discord_app.error_messages").removeHandler(seen)
    assert told.endswith(f"this ID: {numbers[0]}")


def _refusal(kind: type[discord.HTTPException], status: int) -> discord.HTTPException:
    response = cast(aiohttp.ClientResponse, SimpleNamespace(status=status, reason="No"))
    return kind(response, {"code": 50013, "message": "Missing Permissions"})


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (_refusal(discord.Forbidden, 403), FORBIDDEN),
        (_refusal(discord.NotFound, 404), FORBIDDEN),
        (_refusal(discord.DiscordServerError, 503), NO_ANSWER),
        (_refusal(discord.HTTPException, 429), NO_ANSWER),
        (UnreadableResponse(TypeError()), NO_ANSWER),
        (aiohttp.ServerDisconnectedError(), NO_ANSWER),
        (ConnectionResetError(), NO_ANSWER),
    ],
)
def test_what_is_discords_doing_gets_a_sentence_and_no_stack(
    error: Exception, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert error_message(commands.CommandInvokeError(error)) == sentence
    assert all(record.exc_info is None for record in caplog.records)


def test_a_request_that_makes_no_sense_is_our_fault_and_has_its_stack(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert error_message(_refusal(discord.HTTPException, 400)).startswith("Something went wrong")
    assert caplog.records[-1].exc_info


def test_a_cause_is_logged_once_in_ten_minutes_however_many_members_ask(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = SimulatedClock()
    throttled_log = ThrottledLog(now=clock)
    for _ in range(100):
        throttled_log.warn("no answer", _refusal(discord.Forbidden, 403))
        throttled_log.warn("no answer", ConnectionResetError("by peer"))
    assert len(caplog.records) == 2
    assert "ConnectionResetError: by peer" in caplog.text
    clock.now += QUIET_SECONDS
    throttled_log.warn("no answer", ConnectionResetError("by peer"))
    assert len(caplog.records) == 3


class SimulatedClock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_whole_page_of_an_error_is_one_short_line(caplog: pytest.LogCaptureFixture) -> None:
    ThrottledLog().warn("no answer", ConnectionError("<html>\n" * 1000))
    (line,) = caplog.messages
    assert "\n" not in line
    assert len(line) < 2 * MAX_BRIEF
