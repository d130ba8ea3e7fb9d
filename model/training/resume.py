"""A training on disk between two of its steps: everything that decides what comes next.

One safetensors file: weights, their average, the optimizer's moments, the carried state and the
random generators as tensors; the TrainingPosition as JSON. No pickle, so nothing in it can run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from pydantic import Field
from safetensors import SafetensorError
from torch import Tensor

from model.config import StrictSettings
from model.errors import (
    CheckpointForeign,
    CheckpointTruncated,
    CheckpointUnwritable,
    CheckpointVersion,
    ResumeMissing,
    ResumeOutdated,
)
from model.files import save_durably
from model.training.loop import Training, TrainingPosition
from model.training.network import LSTMState
from model.verse import Lexicon

FORMAT_VERSION = 1
METADATA_KEY = "sonneteer-training"


class _Contents(StrictSettings):
    format_version: int = Field(default=FORMAT_VERSION, ge=1)
    book_sha256: str
    standing: TrainingPosition
    pieces: tuple[str, ...] = ()  # of words, that are tokens beside the book's characters
    lexicon: str = ""


@dataclass(frozen=True)
class Saved:
    """What a resume file holds."""

    path: Path
    book_sha256: str
    standing: TrainingPosition
    tensors: dict[str, Tensor]
    pieces: tuple[str, ...]
    lexicon: Lexicon


def save_training(
    path: Path, training: Training, book_sha256: str, lexicon: Lexicon | None = None
) -> None:
    """Write where `training` stands, and the words that its model is to have.

    Of several processes all call this, and the first writes. Any number of them can go on from it.
    Raises CheckpointUnwritable, the earlier file intact.
    """
    contents = _Contents(
        book_sha256=book_sha256,
        standing=training.position,
        pieces=training.vocabulary.pieces,
        lexicon=lexicon.write() if lexicon else "",
    )
    metadata = {METADATA_KEY: contents.model_dump_json()}
    tensors = _tensors(training)
    if training.processes.is_first:
        _write(path, tensors, metadata)


def load_training(path: Path) -> Saved:
    """Read a resume file.

    Raises ResumeMissing, CheckpointTruncated, CheckpointVersion or CheckpointForeign.
    """
    if not path.is_file():
        raise ResumeMissing(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        version = json.loads(metadata[METADATA_KEY])["format_version"]
        if version > FORMAT_VERSION:
            raise CheckpointVersion(path, version, FORMAT_VERSION)
        contents = _Contents.model_validate_json(metadata[METADATA_KEY])
        lexicon = Lexicon.read(contents.lexicon)
    except (SafetensorError, OSError) as error:
        raise CheckpointTruncated(path, str(error)) from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointForeign(path, "it does not say how far a training was") from error
    return Saved(path, contents.book_sha256, contents.standing, tensors, contents.pieces, lexicon)


def restore_training(training: Training, saved: Saved) -> None:
    """Put `training`, made with the same text and recipe, exactly where the saved one stood.

    Raises ResumeOutdated where the book has another alphabet than then, and CheckpointForeign.
    """
    head = saved.tensors.get("network.head.bias")
    if head is not None and head.numel() != len(training.vocabulary):
        raise ResumeOutdated(saved.path, head.numel(), len(training.vocabulary))
    tensors = {name: tensor.to(training.device) for name, tensor in saved.tensors.items()}
    state = None
    try:
        training.network.load_state_dict(_under(tensors, "network."))
        training.averaged.load_state_dict(_under(tensors, "averaged."))
        if training.first is not None:
            training.first.load_state_dict(_under(tensors, "first."))
        training.optimizer.restore(_under(tensors, "optimizer."))
        if "state.hidden" in tensors:
            state = LSTMState(tensors["state.hidden"], tensors["state.cell"])
        torch.set_rng_state(saved.tensors["random.cpu"])
        if training.device.type == "cuda":
            torch.cuda.set_rng_state(saved.tensors["random.cuda"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointForeign(saved.path, "its tensors are not those of a training") from error
    training.continue_from(saved.standing, state)


def _tensors(training: Training) -> dict[str, Tensor]:
    tensors = {f"network.{name}": t for name, t in training.network.state_dict().items()}
    tensors |= {f"averaged.{name}": t for name, t in training.averaged.state_dict().items()}
    if training.first is not None:
        tensors |= {f"first.{name}": t for name, t in training.first.state_dict().items()}
    tensors |= {f"optimizer.{name}": t for name, t in training.optimizer.tensors().items()}
    state = training.whole_state()
    if state is not None:
        tensors |= {"state.hidden": state.hidden, "state.cell": state.cell}
    tensors["random.cpu"] = torch.get_rng_state()
    if training.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a file of tensors on the processor straight from where they are.

    Made in memory first, it would take its size two or three times more.
    """
    specs = {
        name: safetensors.TensorSpec(
            dtype=str(tensor.dtype).removeprefix("torch."),
            shape=list(tensor.shape),
            data_ptr=tensor.data_ptr(),
            data_len=tensor.nbytes,
        )
        for name, tensor in tensors.items()
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_durably(path, lambda file: safetensors.serialize_file(specs, file, metadata=metadata))
    except OSError as error:
        raise CheckpointUnwritable(path, error.strerror or str(error)) from error
    except SafetensorError as error:  # "… I/O error: No space left on device (os error 28)"
        reason = str(error).rpartition(": ")[2].partition(" (")[0]
        raise CheckpointUnwritable(path, reason) from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
