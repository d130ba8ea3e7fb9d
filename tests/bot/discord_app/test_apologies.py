"""What a member is told when something went wrong."""

from __future__ import annotations

from bot.core.errors import NothingThere
from bot.discord_app.apologies import sentence_for
from bot.discord_app.replies import MAX_MESSAGE, measure


def test_a_sentence_that_no_message_holds_is_cut() -> None:
    told = sentence_for(NothingThere("x" + "🌹" * MAX_MESSAGE))
    assert told.startswith("x🌹🌹")
    assert told.endswith("🌹…")
    assert MAX_MESSAGE - 2 < measure(told) <= MAX_MESSAGE


def test_a_sentence_that_fits_is_told_as_it_is() -> None:
    assert sentence_for(NothingThere("x" * MAX_MESSAGE)) == "x" * MAX_MESSAGE
