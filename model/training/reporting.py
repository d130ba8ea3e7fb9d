"""Who tells of a training: sentences and a bar for a person, JSON lines for a program."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import NoReturn, Protocol

from tqdm import tqdm

from model.characters import printable
from model.training.loop import StepEnd

PROGRESS_EVERY_SECONDS = 0.5


class Reporter(Protocol):
    """Who tells the world: a person's terminal or a program's pipe."""

    def say(self, event: str, sentence: str, **facts: object) -> None: ...
    def progress(self, progress: StepEnd) -> None: ...
    def write_character(self, character: str) -> None: ...
    def close(self) -> None: ...


class TerminalReporter:
    """Sentences on stdout, a progress bar on stderr."""

    def __init__(self) -> None:
        self._bar: tqdm[NoReturn] | None = None
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal may lack the book's letters

    def say(self, event: str, sentence: str, **facts: object) -> None:
        tqdm.write(printable(sentence), file=sys.stdout)
        sys.stdout.flush()

    def progress(self, progress: StepEnd) -> None:
        if self._bar is None:
            left = (progress.epochs - progress.epoch + 1) * progress.steps - progress.step + 1
            self._bar = tqdm(
                total=left * progress.characters,
                unit=" characters",
                unit_scale=True,
                mininterval=PROGRESS_EVERY_SECONDS if sys.stderr.isatty() else 10.0,
                dynamic_ncols=True,
                smoothing=0.05,
            )
        self._bar.set_description(f"Epoch {progress.epoch}/{progress.epochs}", refresh=False)
        self._bar.set_postfix_str(f"loss {progress.loss:.4f}", refresh=False)
        self._bar.update(progress.characters)

    def write_character(self, character: str) -> None:
        sys.stdout.write(printable(character))
        sys.stdout.flush()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class JsonReporter:
    """One JSON object per event on stdout; progress at most twice a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: tuple[float, int] | None = None  # when, and after how many characters
        self._characters = 0

    def say(self, event: str, sentence: str, **facts: object) -> None:
        if event != "progress":
            self._told = None  # saving and measuring are no part of the learning's speed
        sys.stdout.write(json.dumps({"event": event, **facts}, allow_nan=False) + "\n")
        sys.stdout.flush()

    def progress(self, progress: StepEnd) -> None:
        self._characters += progress.characters
        now, speed, seconds_left = self._clock(), None, None
        if self._told is not None:
            then, before = self._told
            if now - then < PROGRESS_EVERY_SECONDS:
                return
            speed = (self._characters - before) / (now - then)
            left = (progress.epochs - progress.epoch + 1) * progress.steps - progress.step
            seconds_left = round(left * progress.characters / speed, 1)
        self._told = now, self._characters
        self.say(
            "progress",
            "",
            **asdict(progress),
            characters_per_second=speed and round(speed),
            seconds_left=seconds_left,
        )

    def write_character(self, character: str) -> None:
        pass  # the whole text follows as an event

    def close(self) -> None:
        pass
