"""What a person and a program are told of a training."""

from __future__ import annotations

import json

import pytest

from model.training.loop import StepEnd
from model.training.reporting import JsonReporter, TerminalReporter


def step(number: int) -> StepEnd:
    return StepEnd(
        epoch=2,
        epochs=5,
        step=number,
        steps=10,
        loss=1.5,
        characters=512,
        learning_rate=0.004,
        seconds=number / 10,
    )


def test_a_person_gets_sentences_on_stdout_and_a_bar_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = TerminalReporter()
    reporter.progress(step(1))
    reporter.say("note", "A note.", note="A note.")
    reporter.write_character("a")
    reporter.write_character("b")
    reporter.close()
    out, bar = capsys.readouterr()
    assert out == "A note.\nab"
    assert "Epoch 2/5" in bar
    assert "loss 1.5000" in bar
    assert "characters/s" in bar


def test_a_program_gets_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = JsonReporter()
    reporter.say("note", "A note.", note="naïve\n")
    reporter.write_character("a")
    reporter.progress(step(1))
    reporter.close()
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == {"event": "note", "note": "naïve\n"}
    assert (second["event"], second["step"], second["loss"]) == ("progress", 1, 1.5)


def test_a_program_is_not_flooded_and_is_told_the_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 100.0
    reporter = JsonReporter(clock=lambda: now)
    for number in range(1, 11):
        reporter.progress(step(number))
        now += 0.25
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["step"] for event in told] == [1, 3, 5, 7, 9]
    assert told[0]["characters_per_second"] is None
    assert told[-1]["characters_per_second"] == 2048
    assert told[-1]["seconds_left"] == 7.8  # a step and three epochs at four steps a second


def test_a_pause_for_measuring_is_no_part_of_the_speed(capsys: pytest.CaptureFixture[str]) -> None:
    now = 100.0
    reporter = JsonReporter(clock=lambda: now)
    reporter.progress(step(1))
    now += 60.0
    reporter.say("epoch", "An epoch has ended.")
    for number in (2, 3):
        reporter.progress(step(number))
        now += 0.5
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event.get("characters_per_second") for event in told] == [None, None, None, 1024]
