"""What a member is told when something went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from bot.core import tracing
from bot.core.errors import BadSetting, BotError, NotAllowed, NothingThere, UnknownModel
from bot.discord_app.apologies import sentence_for
from bot.discord_app.replies import MAX_MESSAGE, measure
from tests.fuzz.discord_markdown import read


def test_a_sentence_that_no_message_holds_is_cut() -> None:
    told = sentence_for(NothingThere("x" + "🌹" * MAX_MESSAGE))
    assert told.startswith("x🌹🌹")
    assert told.endswith("🌹…")
    assert MAX_MESSAGE - 2 < measure(told) <= MAX_MESSAGE


def test_a_sentence_that_fits_is_told_as_it_is() -> None:
    assert sentence_for(NothingThere("x" * MAX_MESSAGE)) == "x" * MAX_MESSAGE


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
    told = read(sentence_for(quoting(typed)))
    assert told.live == ()
    assert told.shown == str(quoting(typed))


def test_what_is_cut_after_it_was_escaped_stays_without_its_marks() -> None:
    told = read(sentence_for(NothingThere("*" * MAX_MESSAGE)))
    assert told.live == ()
    assert told.shown.endswith("*…")


def test_a_sentence_of_ours_shows_its_commands_and_names_channels() -> None:
    assert read(sentence_for(NothingThere("See /book list."))).shown == "See /book list."
    assert sentence_for(NotAllowed("Elsewhere: <#12>.")) == "Elsewhere: <#12>."


def test_the_number_that_a_member_is_told_is_that_of_the_request() -> None:
    with tracing.request() as number:
        assert sentence_for(RuntimeError("the pen broke")).endswith(f"in the log as {number}.")


def test_without_a_request_the_line_of_the_log_has_a_number_of_its_own() -> None:
    numbers: list[str] = []

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            numbers.append(tracing.request_number())

    seen = Seen()
    logging.getLogger("bot.discord_app.apologies").addHandler(seen)
    told = sentence_for(RuntimeError("the pen broke"))
    logging.getLogger("bot.discord_app.apologies").removeHandler(seen)
    assert told.endswith(f"in the log as {numbers[0]}.")
