"""Books, trainings and settings as messages: inert, and within Discord's limits."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.guild_settings import GuildSettings
from bot.core.jobs import FoundBook, Job, JobState, JobView, Progress, Proposal, TrainingStage
from bot.core.model_library import AvailableModels
from bot.core.records import Defaults
from bot.core.training_requests import BookLimits
from bot.discord_app.formatting import (
    format_books,
    format_job,
    format_proposal,
    format_queue,
    format_settings,
)
from bot.discord_app.poem_formatting import MAX_MESSAGE, measure
from tests.fakes import SEA_SONGS, SONNETS

JOB = Job(7, "10", "walks", "Walks", "an attachment", 30_000, JobState.RUNNING)
LEARNING = Progress(
    stage=TrainingStage.LEARNING,
    share=0.4,
    epoch=2,
    epochs=5,
    loss=1.5,
    held_out_loss=1.625,
    characters_per_second=6800,
    seconds_left=75,
    sample="a line\nanother line",
    chart=Path("loss.png"),
)
FOUND = FoundBook("Walks", 30_000, 40, 6_000, ("A miller went by",), "utf-8", (), "0" * 64)
LIVE = "@everyone <@1> **bold** `code` [x](http://x) # head\n> quote || spoiler ||"


def test_a_running_training_tells_share_epoch_losses_speed_time_and_verse() -> None:
    shown = format_job(JobView(JOB, LEARNING))
    for words in (
        "▰▰▰▰▰▰▰▰▱▱▱▱▱▱▱▱▱▱▱▱ 40% · epoch 2 of 5",
        "loss 1.500 · on held-out text 1.625 · 6,800 characters/s · about 1 min left",
        "> a line\n> another line",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (JobState.WAITING, "Waiting for training: 2 ahead of it."),
        (JobState.DONE, "It is there."),
        (JobState.FAILED, "The training failed. It is there."),
        (JobState.CANCELLED, "The training was stopped. It is there."),
    ],
)
def test_every_state_is_told(state: JobState, words: str) -> None:
    ended = replace(JOB, state=state, sentence="It is there.")
    assert words in format_job(JobView(ended, LEARNING, place=3))


def test_a_long_sample_ends_with_a_whole_line() -> None:
    long = replace(LEARNING, sample="\n".join(f"line number {n} of a poem" for n in range(90)))
    last = format_job(JobView(JOB, long)).rsplit("\n", 1)[-1]
    assert last.endswith("of a poem")


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_no_message_is_too_long(title: str, sample: str) -> None:
    job = replace(JOB, title=title[:200], sentence=sample)
    for state in JobState:
        view = JobView(replace(job, state=state), replace(LEARNING, sample=sample))
        assert measure(format_job(view)) <= MAX_MESSAGE
    found = replace(FOUND, title=title[:200], first_lines=(sample[:80],) * 4, notes=(sample,) * 9)
    assert measure(format_proposal(Proposal(job, found, 60.0, True))) <= MAX_MESSAGE


def test_what_strangers_wrote_is_shown_inert() -> None:
    book = replace(FOUND, title=LIVE, first_lines=(LIVE,))
    view = JobView(replace(JOB, title=LIVE, sentence=LIVE), replace(LEARNING, sample=LIVE))
    for shown in (format_proposal(Proposal(JOB, book, 60.0, False)), format_job(view)):
        live = re.sub(r"\\.", "", shown)  # what no backslash takes the meaning from
        for mark in ("@everyone", "<@1>", "**bold**", "`code`", "[x]", "http://", "||"):
            assert mark not in live


def test_the_longest_settings_fit() -> None:
    numbers = tuple(str(10**18 + n) for n in range(50))
    words = tuple(f"{'avoid' * 5}{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(200))
    guild_settings = GuildSettings(
        numbers, numbers, numbers, 5.0, "haiku", 9, 0.9, words, switch=False
    )
    assert measure(format_settings(guild_settings, Defaults())) <= MAX_MESSAGE


def test_a_long_shelf_fits_and_says_how_many_are_left_out() -> None:
    models = tuple(replace(SEA_SONGS, name=f"{'n' * 60}{n}", book="b" * 500) for n in range(60))
    shown = format_books(AvailableModels((SONNETS, *models), SONNETS, ()))
    assert measure(shown) <= MAX_MESSAGE


def test_the_queue_hides_the_names_of_other_servers() -> None:
    other = replace(JOB, name="", state=JobState.WAITING)
    shown = format_queue([JobView(JOB, LEARNING), JobView(other, place=1)], BookLimits())
    assert "`walks` (number 7) · 40% · epoch 2 of 5" in shown
    assert "1. another server's" in shown
