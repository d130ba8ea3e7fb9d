"""Names and files of a training."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import NameTaken, SettingError, TrainingElsewhere
from model.naming import NAME_PATTERN, check_name, safe_name
from model.training.folder import TrainingFolder, new_folder
from tests.timeouts import HANG_SECONDS


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def test_a_book_gives_its_name() -> None:
    assert new_folder(Path("models"), "old_walks (1609)", None).name == "old-walks-1609"


def test_a_taken_name_gets_the_next_number(tmp_path: Path) -> None:
    touch(tmp_path / "walks.safetensors")
    touch(tmp_path / "walks-2" / "resume.safetensors")  # killed before its first model
    assert new_folder(tmp_path, "walks", None).name == "walks-3"


def test_a_name_chosen_by_hand_is_never_replaced(tmp_path: Path) -> None:
    touch(tmp_path / "walks.safetensors")
    with pytest.raises(NameTaken, match="--resume"):
        new_folder(tmp_path, "walks", "walks")


def test_a_book_beside_the_models_is_not_replaced_by_its_poem(tmp_path: Path) -> None:
    """`train.py walks.txt --out .` once wrote the sample poem over the book."""
    touch(tmp_path / "walks.txt")
    assert new_folder(tmp_path, "walks", None).poem.name == "walks-2.txt"


def test_an_empty_folder_takes_no_name(tmp_path: Path) -> None:
    (tmp_path / "walks").mkdir()
    assert new_folder(tmp_path, "walks", "walks").name == "walks"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "-x", "a b", "x" * 65, "a\n"])
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(SettingError, match="--name"):
        check_name(name)


@given(st.text())
def test_any_stem_gives_a_name_that_is_allowed(stem: str) -> None:
    assert NAME_PATTERN.fullmatch(safe_name(stem))


def test_improvements_are_ranked_by_loss_and_pruned_to_the_best(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path, "walks")
    for epoch, loss in ((1, 2.5), (2, 1.75), (10, 1.5), (11, 10.25)):
        touch(folder.improvement(epoch, loss))
    touch(folder.resume)
    assert [path.name for path in folder.improvements()] == [
        "weights-improvement-10-1.5000.safetensors",
        "weights-improvement-02-1.7500.safetensors",
        "weights-improvement-01-2.5000.safetensors",
        "weights-improvement-11-10.2500.safetensors",
    ]
    folder.prune(0)
    assert len(folder.improvements()) == 4
    folder.prune(2)
    assert [path.name[20:22] for path in folder.improvements()] == ["10", "02"]
    assert folder.resume.exists()


def test_what_killed_writers_left_is_swept_away(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path, "walks")
    touch(tmp_path / ".walks.safetensors.123.tmp")
    touch(folder.kept / ".resume.safetensors.123.tmp")
    touch(tmp_path / ".other.safetensors.123.tmp")
    touch(folder.model)
    folder.sweep()
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {".other.safetensors.123.tmp", "walks.safetensors"}


def test_a_name_that_is_being_trained_is_not_trained_twice(tmp_path: Path) -> None:
    folder, again = TrainingFolder(tmp_path, "walks"), TrainingFolder(tmp_path, "walks")
    with folder.hold(), pytest.raises(TrainingElsewhere, match="'walks' is"), again.hold(0.0):
        pass
    with again.hold(0.0):
        pass


def test_a_training_that_saves_nothing_leaves_nothing(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "new" / "models", "walks")
    with pytest.raises(RuntimeError), folder.hold():
        raise RuntimeError("no such device")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_stays(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "models", "walks")
    folder.out.mkdir()
    with folder.hold():
        pass
    assert list(tmp_path.rglob("*")) == [folder.out]
    touch(folder.resume)
    with folder.hold():
        pass
    assert folder.resume.exists()


def test_whoever_waits_for_a_training_that_leaves_nothing_gets_its_turn(tmp_path: Path) -> None:
    folder, again = TrainingFolder(tmp_path, "walks"), TrainingFolder(tmp_path, "walks")

    def wait_and_save() -> None:
        with again.hold():
            touch(again.resume)

    thread = threading.Thread(target=wait_and_save)
    with folder.hold():
        thread.start()
    thread.join(HANG_SECONDS)
    assert folder.resume.exists()
