"""train_base.py, with a network that is small enough for a test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model.checkpoint import Model, load_model
from model.next_line import sonnets_of
from model.training import Processes
from model.training.base import LATER_STAGES, STAGES, PoemReader, Stage
from model.training.resume import load_training
from tests.conftest import write_model
from tests.model.training.test_base import OTHERS
from tests.model.training.test_processes import outcomes
from train_base import ALONE, BaseTraining, main

SMALL = {"embedding_size": 8, "hidden_size": 8, "rows": 2, "window": 16}
# Nine of fourteen lines, no two alike.
SONNETS = "\n\n\n".join(
    "\n".join(
        f"the goat came {'down up by past over along near'.split()[n % 7]} the {thing} to me again"
        for n in range(14)
    )
    for thing in "hill river house garden window water table road mill".split()
)
SMALL_STAGES = [
    replace(stage, copies=lambda poem: 30, recipe=stage.recipe.model_copy(update=SMALL))
    for stage in STAGES
]


@dataclass
class FakeInterruption:
    """A signal after so many questions."""

    left: int

    @property
    def signal(self) -> int:
        self.left -= 1
        return 15 if self.left < 0 else 0


def make_small(
    folder: Path, questions: int, stages: list[Stage], processes: Processes = ALONE
) -> BaseTraining:
    return BaseTraining(
        folder / "verse.safetensors",
        list(PoemReader([]).read(OTHERS)),
        {"goats": OTHERS},
        sonnets_of(SONNETS, "goats"),
        torch.device("cpu"),
        FakeInterruption(questions),  # type: ignore[arg-type]
        stages=stages,
        processes=processes,
    )


def train(folder: Path, questions: int, stages: list[Stage] = SMALL_STAGES) -> bool:
    return make_small(folder, questions, stages).run()


def train_until(processes: Processes, folder: Path) -> None:
    """Train beside others; the second process of two gets a signal after twenty steps."""
    training = make_small(folder, 20 if processes.rank else 10_000, SMALL_STAGES, processes)
    assert not training.run()
    assert training.signal == 15


def test_a_signal_to_one_process_ends_all_and_one_alone_goes_on(tmp_path: Path) -> None:
    assert outcomes(tmp_path, train_until) == ["done", "done"]
    kept = tmp_path / "verse.training"
    names = {"pieces.txt", "topics.safetensors", "related.txt", "stage-1.resume"}
    assert {path.name for path in kept.iterdir()} == names  # no line, and no second folder
    assert load_training(kept / "stage-1.resume").standing.steps_made == 21
    assert train(tmp_path, 10_000)


def same(one: Model, other: Model) -> bool:
    return all(np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_the_base_is_trained_stage_by_stage_with_a_curve(tmp_path: Path) -> None:
    assert train(tmp_path, 10_000)
    model = load_model(tmp_path / "verse.safetensors")
    assert model.network.tied
    assert " goat" in model.vocabulary.pieces
    assert "goat" in model.lexicon.numbers
    assert model.tensors["topics.vectors"][model.vocabulary.ids[" goat"]].any()
    assert model.tensors["topics.weight"].any()
    assert set(model.lexicon.related.of("barn")) <= {"goat"}
    head, *rows = (tmp_path / "verse.training" / "curve.tsv").read_text().splitlines()
    facts = ["stage", "step", "seconds", "characters"]
    assert head.split("\t") == [*facts, "training", "goats", "next line"]
    losses = [float(row.split("\t")[-2]) for row in rows]
    assert all(0 <= float(row.split("\t")[-1]) <= 1 for row in rows)
    assert [row[0] for row in rows] == ["1", "2"]
    assert losses[1] < losses[0] < 3.0


def test_a_training_of_the_base_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    assert train(tmp_path / "whole", 10_000)
    assert not train(tmp_path / "parts", 5)
    while not train(tmp_path / "parts", 100):
        pass
    whole, parts = (
        load_model(tmp_path / name / "verse.safetensors") for name in ("whole", "parts")
    )
    assert same(whole, parts)
    assert whole.vocabulary == parts.vocabulary


def test_a_base_is_trained_on_with_its_tokens_its_words_and_its_weights(tmp_path: Path) -> None:
    assert train(tmp_path / "first", 10_000)
    first = load_model(tmp_path / "first" / "verse.safetensors")
    still = {"learning_rate": 1e-9, "weight_decay": 0.0}
    stages = [
        replace(stage, recipe=stage.recipe.model_copy(update=still)) for stage in SMALL_STAGES
    ]
    training = make_small(tmp_path / "second", 10_000, stages)
    others = list(PoemReader([]).read(OTHERS.replace("e", "o")))
    assert replace(training, start=first, poems=others).run()
    second = load_model(tmp_path / "second" / "verse.safetensors")
    assert second.vocabulary == first.vocabulary
    assert second.lexicon.entries == first.lexicon.entries
    for name, tensor in first.tensors.items():
        assert np.allclose(second.tensors[name], tensor, atol=0.01), name


@pytest.mark.parametrize("start", [False, True])
def test_a_base_that_is_trained_on_has_stages_of_its_own(
    start: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []

    def begin(*arguments: object, **options: object) -> object:
        begun.extend([arguments[6], options["start"]])
        return SimpleNamespace(run=lambda: True)

    book = tmp_path / "goats.txt"
    book.write_text(SONNETS)
    options = ["--start", str(write_model(tmp_path / "first.safetensors"))] if start else []
    command = ["train_base.py", str(book), "--unseen", str(book), "--out", "x", *options]
    monkeypatch.setattr("sys.argv", command)
    monkeypatch.setattr("train_base.Interruption", lambda: FakeInterruption(0))
    monkeypatch.setattr("train_base.BaseTraining", begin)
    assert main() == 0
    assert begun[0] is (LATER_STAGES if start else STAGES)
    assert (begun[1] is not None) == start
