"""What the training process says, an event on each line, folded into how far it has come. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.core.jobs import Progress, TrainingStage

TrainingEvent = Mapping[str, Any]


def read_event(line: bytes) -> TrainingEvent:
    """Return an event, an empty one for a line that is none."""
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
        case "done":
            return replace(
                progress,
                share=1.0,
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
