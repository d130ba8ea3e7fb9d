"""The training process: what it is told, what it says, how it ends, and whose turn it is."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.installation import ROOT
from bot.core.jobs import Progress, TrainingStage
from bot.core.training.process import (
    ExclusiveTrainer,
    ProcessTrainer,
    TrainingEvent,
    TrainingExit,
    TrainingSpec,
    apply_event,
    read_event,
    training_environment,
)
from tests.apps import done, epoch
from tests.fake_discord import TOKEN
from tests.texts import VERSES, in_cyrillic
from tests.timeouts import HANG_SECONDS

SECRETS = {
    "DISCORD_TOKEN": TOKEN,
    "AWS_SECRET_ACCESS_KEY": "a-key",
    "DATABASE_URL": "postgres://user:password@host",
    "PYTHONPATH": "/somewhere",
    "LD_PRELOAD": "/somewhere/evil.so",
}


def test_of_the_environment_only_what_is_named_is_passed_on() -> None:
    passed = training_environment({**SECRETS, "PATH": "/bin", "LC_ALL": "C.UTF-8"}, threads=3)
    assert passed == {
        "PATH": "/bin",
        "LC_ALL": "C.UTF-8",
        "MALLOC_MMAP_THRESHOLD_": "8388608",
        "OMP_NUM_THREADS": "3",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def spec(tmp_path: Path) -> TrainingSpec:
    book = tmp_path / "book.txt"
    book.write_text(VERSES)
    return TrainingSpec(book, "--Walks in the Rain", "walks", tmp_path, seconds=1.0, resume=False)


@pytest.fixture
def small(spec: TrainingSpec) -> TrainingSpec:
    """A training of a small network, where it does not matter which."""
    spec.book.write_text(in_cyrillic(VERSES), encoding="utf-8")
    return spec


async def test_a_training_that_is_cancelled_saves_and_the_next_goes_on_and_leaves_its_files(
    small: TrainingSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a title that looks like an option, and secrets around."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    learning = asyncio.Event()
    events: list[TrainingEvent] = []
    looked: list[tuple[bytes, str]] = []

    def tell(event: TrainingEvent) -> None:
        events.append(event)
        if not looked and sys.platform == "linux":
            looked.append(_look_at_child("train.py"))
        if event.get("event") == "progress":
            learning.set()

    longer = replace(small, seconds=600.0)
    task = asyncio.create_task(ProcessTrainer(threads=1).train(longer, tell))
    async with asyncio.timeout(HANG_SECONDS):
        await learning.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (small.out / "walks" / "resume.safetensors").exists()

    events.clear()
    ended = await ProcessTrainer(threads=1).train(replace(small, resume=True), tell)
    assert (ended.status, ended.complaint) == (0, "")
    names = [event.get("event") for event in events]
    for name in ("training", "progress", "epoch", "sample", "poem", "done"):
        assert name in names
    trained = next(event for event in events if event["event"] == "training")
    assert (trained["title"], trained["threads"]) == ("--Walks in the Rain", 1)
    assert all((small.out / f"walks.{kind}").exists() for kind in ("safetensors", "png", "txt"))
    for environment, limits in looked:
        assert not any(value.encode() in environment for value in SECRETS.values())
        (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4] == "0"


def _look_at_child(script: str) -> tuple[bytes, str]:
    """Return the environment and the limits of our child that runs `script`."""
    ours = Path("/proc/self/task").glob("*/children")  # of whichever thread has started it
    children = [Path("/proc") / number for each in ours for number in each.read_text().split()]
    child = next(each for each in children if script in (each / "cmdline").read_text())
    return (child / "environ").read_bytes(), (child / "limits").read_text()


async def test_a_book_that_cannot_be_read_ends_with_its_sentence(spec: TrainingSpec) -> None:
    spec.book.write_bytes(b"%PDF-1.7 and so on")
    ended = await ProcessTrainer(threads=1).train(spec, lambda _: None)
    assert ended.status == 2
    assert "it is a PDF" in ended.complaint


async def test_a_training_that_is_cancelled_again_while_it_saves_saves_all_the_same(
    small: TrainingSpec,
) -> None:
    """The second time broke off the wait for it, and it lived on beside the next one."""
    learning = asyncio.Event()

    def tell(event: TrainingEvent) -> None:
        if event.get("event") == "progress":
            learning.set()

    longer = replace(small, seconds=600.0)
    task = asyncio.create_task(ProcessTrainer(threads=1).train(longer, tell))
    async with asyncio.timeout(HANG_SECONDS):
        await learning.wait()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
    assert task.cancelled()
    assert (small.out / "walks" / "resume.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_training_ends_when_the_bot_that_began_it_is_killed(small: TrainingSpec) -> None:
    """A parent that dies without a word; its child notices, saves and goes."""
    parent = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from bot.core.training.process import ProcessTrainer, TrainingSpec\n"
        "async def main():\n"
        "    given = [Path(a) if '/' in a else a for a in sys.argv[1:5]]\n"
        "    order = TrainingSpec(*given, 600.0, False)\n"
        "    def tell(event):\n"
        "        if event.get('event') == 'progress':\n"
        "            os.kill(os.getpid(), 9)\n"
        "    await ProcessTrainer(threads=1).train(order, tell)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", parent, small.book, "Walks", "walks", small.out],
        check=False,
        cwd=ROOT,
        timeout=HANG_SECONDS,
    )
    assert ended.returncode == -9
    # The next training of that name waits for its lock, so it ends only if the first one did.
    command = [sys.executable, str(ROOT / "train.py"), str(small.book), "--name", "walks"]
    again = subprocess.run(
        [*command, "--out", str(small.out), "--resume", "--seconds", "1", "--json"],
        check=False,
        capture_output=True,
        timeout=HANG_SECONDS,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout.splitlines()[-1])["event"] == "done"


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


def test_a_training_that_its_time_limit_has_ended_has_nothing_left() -> None:
    now = reduce(apply_event, [PROGRESS, done(Path("x.png"))], Progress())
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


class Slow:
    """Trains until it is let go."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.go = asyncio.Event()

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        self.began.set()
        await self.go.wait()
        return TrainingExit(0, "")


ORDER = TrainingSpec(Path("book"), "title", "name", Path("out"), 1.0, resume=False)


async def test_the_second_process_waits_for_the_first(tmp_path: Path) -> None:
    slow = [Slow(), Slow()]
    first, second = (
        ExclusiveTrainer(each, tmp_path / "training", look_seconds=0.01) for each in slow
    )
    async with asyncio.timeout(HANG_SECONDS):
        one = asyncio.create_task(first.train(ORDER, print))
        await slow[0].began.wait()
        two = asyncio.create_task(second.train(ORDER, print))
        await asyncio.sleep(0.05)
        assert not slow[1].began.is_set()
        slow[0].go.set()
        await one
        await slow[1].began.wait()
        slow[1].go.set()
        await two


async def test_who_is_cancelled_while_it_waits_leaves_the_turn_alone(tmp_path: Path) -> None:
    slow = [Slow(), Slow()]
    first, second = (
        ExclusiveTrainer(each, tmp_path / "training", look_seconds=0.01) for each in slow
    )
    async with asyncio.timeout(HANG_SECONDS):
        one = asyncio.create_task(first.train(ORDER, print))
        await slow[0].began.wait()
        two = asyncio.create_task(second.train(ORDER, print))
        await asyncio.sleep(0)
        two.cancel()
        await asyncio.wait([two])
        slow[0].go.set()
        await one
    assert two.cancelled()
