"""Events of the training process, folded."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.jobs import Progress, TrainingStage
from bot.core.training.events import apply_event, read_event
from tests.apps import done, epoch

PROGRESS = {
    "event": "progress",
    "epoch": 2,
    "epochs": 4,
    "step": 5,
    "steps": 10,
    "loss": 1.5,
    "characters_per_second": 7000,
    "seconds_left": 12.5,
}


def test_progress_tells_the_share_of_the_whole_learning() -> None:
    now = apply_event(Progress(), PROGRESS)
    assert now.share == pytest.approx(1.5 / 4)
    assert (now.epoch, now.epochs, now.loss, now.seconds_left) == (2, 4, 1.5, 12.5)


def test_a_speed_that_is_not_known_leaves_the_one_before() -> None:
    unknown = {**PROGRESS, "characters_per_second": None, "seconds_left": None}
    now = reduce(apply_event, [PROGRESS, unknown], Progress())
    assert (now.characters_per_second, now.seconds_left) == (7000, 12.5)


def test_the_best_loss_is_kept_when_a_later_epoch_is_worse() -> None:
    worse = {**epoch(2), "watched": 3.0}
    now = reduce(apply_event, [epoch(1), worse], Progress())
    assert now.best_loss == 2.5


def test_after_the_last_epoch_there_is_measuring_left() -> None:
    now = apply_event(apply_event(Progress(), PROGRESS), epoch(2))
    assert (now.stage, now.share, now.seconds_left) == (TrainingStage.FINISHING, 1.0, None)


def test_a_new_chart_is_counted() -> None:
    sample = {"event": "sample", "text": "O rose", "chart": "loss.png"}
    now = reduce(apply_event, [sample, sample, done(Path("x.png"))], Progress())
    assert (now.drawn, now.sample, now.chart) == (3, "O rose", Path("x.png"))


def test_what_is_no_event_changes_nothing() -> None:
    before = replace(Progress(), share=0.5)
    for line in (
        b"",
        b"not json",
        b"[1]",
        b'"x"',
        b'{"event": "summary"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ):
        assert apply_event(before, read_event(line)) == before


@given(st.binary())
def test_no_line_is_too_strange_to_be_read(line: bytes) -> None:
    assert isinstance(read_event(line), dict)
