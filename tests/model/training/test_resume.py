"""A training that is stopped and taken up again arrives where an uninterrupted one arrives."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError

from model.errors import (
    CheckpointForeign,
    CheckpointTruncated,
    CheckpointUnwritable,
    CheckpointVersion,
    ResumeMissing,
)
from model.training.loop import Training
from model.training.recipes import TUTORIAL, Recipe
from model.training.resume import (
    FORMAT_VERSION,
    METADATA_KEY,
    load_training,
    restore_training,
    save_training,
)
from tests.texts import VERSES

STREAMS = Recipe(
    name="default",
    embedding_size=6,
    hidden_size=10,
    rows=4,
    window=16,
    epochs=2,
    dropout=0.3,
    weight_drop=0.2,
)
WINDOWS = TUTORIAL.model_copy(update={"hidden_size": 4, "window": 10, "epochs": 2, "layers": 2})


def everything(training: Training) -> dict[str, torch.Tensor]:
    return {
        **{f"now.{name}": t for name, t in training.network.state_dict().items()},
        **{f"mean.{name}": t for name, t in training.averaged.state_dict().items()},
    }


KEEPING = STREAMS.model_copy(update={"first_weights": 0.4})


@pytest.fixture(
    scope="module", params=[STREAMS, WINDOWS, KEEPING], ids=["streams", "windows", "keeping"]
)
def whole(request: pytest.FixtureRequest) -> Training:
    """Return a training that was never stopped, to compare with those that were."""
    training = Training(VERSES, request.param, seed=3)
    list(training.run())
    return training


@pytest.mark.parametrize("stop", [0, 1, 17, 41, 42, 43, 60])
def test_resumed_equals_uninterrupted_to_the_last_bit(
    whole: Training, stop: int, tmp_path: Path
) -> None:
    path = tmp_path / "resume.safetensors"
    stopped = Training(VERSES, whole.recipe, seed=3)
    list(islice(stopped.run(), stop))
    save_training(path, stopped, "ab")
    torch.manual_seed(99)  # another process, another beginning

    saved = load_training(path)
    resumed = Training(VERSES, saved.standing.recipe, seed=saved.standing.seed)
    restore_training(resumed, saved)
    list(resumed.run())

    expected = everything(whole)
    assert all(torch.equal(t, expected[name]) for name, t in everything(resumed).items())
    losses = [(e.running_loss, e.held_out_loss) for e in resumed.position.history]
    assert losses == [(e.running_loss, e.held_out_loss) for e in whole.position.history]


def test_the_seconds_of_a_pause_are_not_counted(tmp_path: Path) -> None:
    path, now = tmp_path / "resume.safetensors", 100.0
    training = Training(VERSES, STREAMS, clock=lambda: now)
    now = 130.0
    next(training.run())
    save_training(path, training, "ab")
    now = 5_000.0
    again = Training(VERSES, STREAMS, clock=lambda: now)
    restore_training(again, load_training(path))
    now = 5_001.0
    assert again.seconds == 31.0


def test_nothing_to_resume_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResumeMissing, match="--resume"):
        load_training(tmp_path / "resume.safetensors")


def test_a_damaged_resume_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "resume.safetensors"
    save_training(path, Training(VERSES, STREAMS), "ab")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointTruncated):
        load_training(path)


def rewrite_version(path: Path, version: object) -> None:
    """Give a resume file another format version, as a later Sonneteer might."""
    with safetensors.safe_open(path, framework="pt") as file:
        contents = json.loads(file.metadata()[METADATA_KEY])
    metadata = {METADATA_KEY: json.dumps({**contents, "format_version": version})}
    path.write_bytes(safetensors.torch.save(safetensors.torch.load_file(path), metadata))


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 10**30])
def test_a_resume_file_of_a_later_format_is_told(tmp_path: Path, version: int) -> None:
    path = tmp_path / "resume.safetensors"
    save_training(path, Training(VERSES, STREAMS), "ab")
    rewrite_version(path, version)
    with pytest.raises(CheckpointVersion, match=f"format version {version}.*Update Sonneteer"):
        load_training(path)


@pytest.mark.parametrize("version", [0, -1, True, "1", None])
def test_a_resume_file_whose_format_makes_no_sense_is_told(tmp_path: Path, version: object) -> None:
    path = tmp_path / "resume.safetensors"
    save_training(path, Training(VERSES, STREAMS), "ab")
    rewrite_version(path, version)
    with pytest.raises(CheckpointForeign):
        load_training(path)


def test_a_resume_file_of_another_network_is_told(tmp_path: Path) -> None:
    path = tmp_path / "resume.safetensors"
    save_training(path, Training(VERSES, STREAMS), "ab")
    other = Training(VERSES, STREAMS.model_copy(update={"hidden_size": 11}))
    with pytest.raises(CheckpointForeign):
        restore_training(other, load_training(path))


def test_a_full_disk_is_told_and_the_earlier_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "resume.safetensors"
    training = Training(VERSES, STREAMS, seed=3)
    save_training(path, training, "a book")
    before = path.read_bytes()

    def fail(tensors: object, file: Path, metadata: object) -> None:
        file.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left (os error 28)")

    monkeypatch.setattr(safetensors, "serialize_file", fail)
    with pytest.raises(CheckpointUnwritable, match=r"resume\.safetensors.*: No space left"):
        save_training(path, training, "a book")
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_what_a_kill_left_half_written_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "resume.safetensors"
    half = tmp_path / ".resume.safetensors.new" / "half"
    half.parent.mkdir()
    half.write_bytes(b"half")
    save_training(path, Training(VERSES, STREAMS, seed=3), "a book")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
