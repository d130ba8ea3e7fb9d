"""The training process: train.py, started, listened to, and ended.

It saves and stops by itself once its stdin is closed, so also when the bot is killed. Of the bot's
environment it gets what it needs by name, and so none of its secrets. On stdout it writes an event
on each line; `apply_event` updates the progress of a training with one.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from bot.core.child_process import COMMON_VARIABLES, start_child, stop_child
from bot.core.installation import ROOT
from bot.core.jobs import Progress, TrainingStage
from bot.core.store.lock import wait_for_lock
from bot.core.tasks import wait_uninterrupted

STOP_SECONDS = 60.0  # for saving; a step takes one at most, on a slow disk the files a few
LOOK_SECONDS = 1.0  # between two looks whether it is our turn
MAX_EVENT_BYTES = 2**20
MAX_COMPLAINT_BYTES = 4_000
TRAINING_VARIABLES = {
    *COMMON_VARIABLES,
    *("LANGUAGE", "TMPDIR"),
    *("CUDA_VISIBLE_DEVICES", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"),
}
# glibc then gives blocks back at once that are larger, which saves some 35 MB and costs 15 % of the
# time. With smaller ones it saves 80 MB and costs 60 %.
MALLOC_VARIABLES = {"MALLOC_MMAP_THRESHOLD_": "8388608"}

WRONG_USE = 2  # train.py's status for a sentence on stderr

TrainingEvent = Mapping[str, Any]  # a line of JSON that the process says


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """A training to be run: of the file `book`, into the folder `out`."""

    book: Path
    title: str
    name: str
    out: Path
    seconds: float  # of learning, at most
    resume: bool


@dataclass(frozen=True, slots=True)
class TrainingExit:
    """How a training process ended."""

    status: int  # as its exit status; below 0 it was killed by that signal
    complaint: str  # what it said on stderr, the end of it


class Trainer(Protocol):
    """What can train; tests put a fake in the place of a process."""

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        """Train until the end; when cancelled, stop the training first, with everything saved."""


class TrainersElsewhere(Trainer, Protocol):
    """Other machines that train; a training that is cancelled here goes on there."""

    @property
    def at_once(self) -> int:
        """How many trainings can run, at least one."""

    def stand_in(self, here: Trainer) -> None:
        """Let `here` train what no other machine can."""

    async def forget(self, out: Path) -> None:
        """Stop the training into the folder `out`, if it goes on, and keep nothing of it."""


def training_environment(environment: Mapping[str, str], *, threads: int) -> dict[str, str]:
    """Return what the training process may know of the bot's environment."""
    passed = {
        name: value
        for name, value in environment.items()
        if name.upper() in TRAINING_VARIABLES or name.startswith("LC_")
    }
    return {**passed, **MALLOC_VARIABLES, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}


class ProcessTrainer:
    """Trains in a process of its own, with `threads` threads."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        process = await start_child(
            *_command(spec),
            environment=training_environment(os.environ, threads=self._threads),
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_EVENT_BYTES,
        )
        listening = asyncio.gather(_listen(process, tell), _complaint(process))
        try:
            _, complaint = await asyncio.shield(listening)
            return TrainingExit(await process.wait(), complaint)
        finally:
            await wait_uninterrupted(asyncio.create_task(_stop(process, listening)))


class ExclusiveTrainer:
    """Trains once no other process does; the order of those that wait is not fixed."""

    def __init__(self, trainer: Trainer, file: Path, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._trainer = trainer
        self._file = file
        self._look_seconds = look_seconds

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        lock = await wait_for_lock(self._file, self._look_seconds)
        try:
            return await self._trainer.train(spec, tell)
        finally:
            lock.release()


def _command(spec: TrainingSpec) -> list[str]:
    paths = ["--name", spec.name, "--out", str(spec.out), f"--title={spec.title}"]
    seconds = ["--seconds", f"{max(spec.seconds, 1.0):.0f}"]
    resume = ["--resume"] if spec.resume else []
    switches = ["--show", "--json", "--leash", *resume]
    return [str(ROOT / "train.py"), *paths, *seconds, *switches, "--", str(spec.book)]


async def _listen(
    process: asyncio.subprocess.Process, tell: Callable[[TrainingEvent], None]
) -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:
            continue  # longer than an event can be; what is left of it is no event either
        if not line:
            return
        tell(read_event(line))


async def _complaint(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    kept: deque[bytes] = deque()
    while piece := await process.stderr.read(MAX_COMPLAINT_BYTES):
        kept.append(piece)
        while sum(map(len, kept)) - len(kept[0]) >= MAX_COMPLAINT_BYTES:
            kept.popleft()
    return b"".join(kept)[-MAX_COMPLAINT_BYTES:].decode("utf-8", "replace").strip()


async def _stop(process: asyncio.subprocess.Process, listening: asyncio.Future[Any]) -> None:
    """Have the training saved and ended; no effect on a process that has ended."""
    await stop_child(process, process.wait, grace_seconds=STOP_SECONDS)
    with suppress(Exception):  # `train` raises it
        await listening


def read_event(line: bytes) -> TrainingEvent:
    """Return an event, an empty one for a line that is not an event."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def apply_event(progress: Progress, event: TrainingEvent) -> Progress:
    """Return how far a training has come once `event` has happened.

    >>> apply_event(Progress(), {"event": "poem", "text": "O rose"}).sample
    'O rose'
    """
    match event.get("event"):
        case "training":
            return replace(progress, stage=TrainingStage.LEARNING)
        case "progress":
            epoch, epochs = event["epoch"], event["epochs"]
            share = (epoch - 1 + event["step"] / event["steps"]) / epochs
            return replace(
                progress,
                stage=TrainingStage.LEARNING,
                share=min(share, 1.0),
                epoch=epoch,
                epochs=epochs,
                loss=event["loss"],
                # Not known yet after a pause for measuring: what was said before holds.
                characters_per_second=_either(event, progress, "characters_per_second"),
                seconds_left=_either(event, progress, "seconds_left"),
            )
        case "epoch":
            return _end_epoch(progress, event)
        case "sample":
            chart = Path(event["chart"])
            return replace(progress, sample=event["text"], chart=chart, drawn=progress.drawn + 1)
        case "note":
            return replace(progress, notes=(*progress.notes, event["note"]))
        case "poem":
            return replace(progress, sample=event["text"])
        case "elsewhere":  # of another machine, which tells everything at once
            told: Progress = event["progress"]
            return told
        case "done":
            return replace(
                progress,
                stage=TrainingStage.FINISHING,
                share=1.0,
                seconds_left=None,
                loss=event["training_loss"],
                held_out_loss=event["held_out_loss"],
                chart=Path(event["chart"]),
                drawn=progress.drawn + 1,
                seconds=event["seconds"],
            )
    return progress


def _either(event: TrainingEvent, progress: Progress, name: str) -> float | None:
    value: float | None = event[name]
    return getattr(progress, name) if value is None else value


def _end_epoch(progress: Progress, event: TrainingEvent) -> Progress:
    epoch, epochs = event["epoch"], event["epochs"]
    watched = event["watched"]
    best = watched if progress.best_loss is None else min(watched, progress.best_loss)
    return replace(
        progress,
        stage=TrainingStage.LEARNING if epoch < epochs else TrainingStage.FINISHING,
        share=epoch / epochs,
        epoch=epoch,
        epochs=epochs,
        loss=event["running_loss"],
        held_out_loss=event["held_out_loss"],
        best_loss=best,
        seconds=event["seconds"],
        seconds_left=progress.seconds_left if epoch < epochs else None,
    )
