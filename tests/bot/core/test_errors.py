"""Sentences of errors, whatever a stranger typed."""

from __future__ import annotations

import pytest

from bot.core.errors import BadSetting, BotError, SourceFailed, SourceRefused, UnknownModel

BOOK = "All the world's a stage. " * 100


@pytest.mark.parametrize(
    "error",
    [
        BadSetting("form", BOOK, "one of sonnet and free"),
        BadSetting(BOOK, "x", "one of channels and roles"),
        BadSetting("avoid", [BOOK, BOOK], "single words"),
        UnknownModel(BOOK, ["sonnets"]),
        SourceRefused(BOOK, "it is no address"),
        SourceFailed(BOOK, "nobody answers"),
    ],
)
def test_of_what_was_typed_the_beginning_is_quoted(error: BotError) -> None:
    assert "All the world's a stage." in str(error)
    assert len(str(error)) < 400


def test_a_short_value_is_quoted_whole() -> None:
    assert str(BadSetting("lines", 0, "1 or more")) == "lines is 0; it must be 1 or more."
    assert str(BadSetting("form", "ode", "free")) == "form is 'ode'; it must be free."


def test_of_many_models_some_are_named() -> None:
    names = [f"model-{number}" for number in range(1, 24)]
    sentence = str(UnknownModel("dunes", names))
    assert sentence.endswith("model-19, model-20 and 3 more.")
    assert UnknownModel("dunes", names).known == tuple(names)
