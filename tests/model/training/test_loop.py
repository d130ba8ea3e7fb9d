"""The training loop: it learns, it can be stopped between any two steps, and it is repeatable."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from model.config import NetworkConfig
from model.errors import TrainingDiverged
from model.training import loop
from model.training.loop import (
    EpochEnd,
    StepEnd,
    Training,
    dropped_recurrence,
)
from model.training.network import LSTMState, StackedLSTM
from model.training.recipes import TUTORIAL, Recipe
from model.vocabulary import Vocabulary
from tests.texts import RHYME, VERSES

TINY = Recipe(
    name="default", embedding_size=6, hidden_size=10, rows=4, window=16, epochs=2, dropout=0.2
)


def finish(training: Training) -> list[EpochEnd]:
    return [event for event in training.run() if isinstance(event, EpochEnd)]


def weights(training: Training) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in training.averaged.parameters()])


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that goes on by so many seconds each time it is read."""
    now = 0.0

    def read() -> float:
        nonlocal now
        now += seconds
        return now

    return read


def test_a_tiny_text_is_learnt_by_heart() -> None:
    recipe = Recipe(
        name="default",
        embedding_size=16,
        hidden_size=64,
        rows=2,
        window=32,
        epochs=60,
        dropout=0.0,
        learning_rate=1e-2,
        average=0.9,
        shuffle=False,
        monitor="training",
        patience=0,
    )
    training = Training(RHYME * 4, recipe)
    finish(training)
    network, vocabulary = training.averaged.eval(), training.vocabulary
    ids = torch.tensor([vocabulary.encode("the kettle sings,")])
    logits, state = network(ids)
    written = ""
    while len(written) < 80:
        choice = logits[:, -1:].argmax(-1)
        written += vocabulary.decode([int(choice)])
        logits, state = network(choice, state)
    assert RHYME.startswith("the kettle sings," + written)


def test_the_loss_falls_and_the_held_out_tail_is_measured() -> None:
    first, last = finish(Training(VERSES.lower(), TINY))
    assert first.losses.held_out_loss is not None
    assert last.losses.held_out_loss is not None
    assert last.losses.held_out_loss < first.losses.held_out_loss < math.log(40)
    assert (first.best_before, first.improved, last.improved) == (math.inf, True, True)
    assert last.best_before == first.watched == first.losses.held_out_loss


def test_the_last_tenth_is_held_out_and_nothing_of_it_is_trained_on() -> None:
    training = Training(VERSES, TINY.model_copy(update={"shuffle": False}))
    assert training.trained_on == len(VERSES) - round(len(VERSES) / 10)
    seen = sum(targets.numel() for _, targets, _ in training._batches(1))
    assert training.trained_on - TINY.rows <= seen < training.trained_on


def test_what_is_held_out_is_counted_in_characters_whatever_the_tokens() -> None:
    plain = Training(VERSES, TINY)
    assert plain.held_out_characters == round(len(VERSES) / 10)
    pieces = Training(VERSES, TINY, vocabulary=Vocabulary.of(VERSES, (" the", "ing", " of")))
    assert pieces.held_out_characters == pytest.approx(len(VERSES) / 10, rel=0.1)


def test_watching_the_training_holds_nothing_out() -> None:
    training = Training(VERSES, TINY.model_copy(update={"monitor": "training", "epochs": 1}))
    (end,) = finish(training)
    assert training.trained_on == len(VERSES)
    assert end.losses.held_out_loss is None
    assert end.watched == end.losses.running_loss
    assert training.measure(training.averaged)[1] is None


def test_the_same_random_seed_gives_the_same_weights_and_another_gives_others() -> None:
    results = []
    for seed in (5, 5, 6):
        training = Training(VERSES, TINY, seed=seed)
        finish(training)
        results.append(weights(training))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_a_rehearsal_leaves_no_trace() -> None:
    plain = Training(VERSES, TINY)
    finish(plain)
    rehearsed = Training(VERSES, TINY)
    rehearsed.rehearse()
    finish(rehearsed)
    assert torch.equal(weights(plain), weights(rehearsed))


def test_progress_counts_steps_and_the_epoch_ends_after_the_last() -> None:
    training = Training(VERSES, TINY)
    events = list(training.run())
    steps = [event for event in events if isinstance(event, StepEnd)]
    assert [event.step for event in steps] == [*range(1, training.steps + 1)] * 2
    assert isinstance(events[training.steps], EpochEnd)
    assert isinstance(events[-1], EpochEnd)


def test_windows_see_the_last_step_only_and_carry_nothing() -> None:
    recipe = TUTORIAL.model_copy(update={"hidden_size": 4, "window": 10, "epochs": 1, "layers": 2})
    training = Training(VERSES, recipe)
    (end,) = finish(training)
    assert training.steps == -(-(len(VERSES) - 10) // 64)
    assert end.losses.held_out_loss is None
    assert end.losses.running_loss < math.log(len(training.vocabulary))


def test_it_stops_early_when_the_held_out_loss_no_longer_falls() -> None:
    recipe = TINY.model_copy(update={"epochs": 50, "patience": 1})
    training = Training(VERSES, recipe)
    training.position = training.position.model_copy(update={"best": 0.1})  # beyond reach
    assert len(finish(training)) == 1


def test_it_ends_when_its_time_is_over_and_takes_note_of_what_it_learnt() -> None:
    training = Training(VERSES, TINY, seconds_limit=100.0, clock=ticking(1.0))
    ends = finish(training)
    assert len(ends) == 1
    assert training.position.steps_made < training.steps
    assert ends[0].improved


def test_a_time_that_is_over_before_it_began_is_worth_one_step() -> None:
    """On a busy machine one second passed during the start, and no model was there to generate."""
    training = Training(VERSES, TINY, seconds_limit=0.5, clock=ticking(1.0))
    (end,) = finish(training)
    assert training.position.steps_made == 1
    assert end.improved


def test_a_loss_that_is_no_number_is_an_error() -> None:
    training = Training(VERSES, TINY)
    with torch.no_grad():
        training.network.head.bias.fill_(math.nan)
    with pytest.raises(TrainingDiverged, match="epoch 1"):
        list(training.run())


@pytest.mark.parametrize(("share", "cold"), [(0.0, 0), (1.0, 1), (0.5, 0.5)])
def test_a_share_of_the_rows_begins_each_window_cold(
    share: float, cold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = TINY.model_copy(update={"cold_starts": share, "epochs": 1, "rows": 8, "window": 4})
    training = Training(VERSES, recipe)
    cells = []
    features = training.network.features

    def watched(
        ids: torch.Tensor, state: LSTMState, topics: None
    ) -> tuple[torch.Tensor, LSTMState]:
        cells.append(state.cell.clone())
        return features(ids, state)

    monkeypatch.setattr(training.network, "features", watched)
    finish(training)
    began = torch.stack(cells[1:]) == 0.0  # (steps, L, N, H); of the first all rows are cold
    assert (began.all(dim=(1, 3)) == began.any(dim=(1, 3))).all()  # whole rows or nothing of them
    assert began.all(dim=(1, 3)).float().mean().item() == pytest.approx(cold, abs=0.1)


# How the weights are moved


def test_a_share_of_the_first_weights_stays_in_what_is_kept() -> None:
    first = weights(Training(VERSES, TINY)).half().float()  # as they are kept
    plain = Training(VERSES, TINY)
    finish(plain)
    sharing = Training(VERSES, TINY.model_copy(update={"first_weights": 0.25}))
    finish(sharing)
    assert torch.allclose(weights(sharing), first.lerp(weights(plain), 0.75), atol=1e-6)


def test_first_weights_that_are_far_from_the_book_are_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = TINY.model_copy(update={"first_weights": 0.25, "unfamiliar_epochs": 9})
    strange = Training(VERSES, recipe)
    strange.forget_unfamiliar()  # they know nothing yet
    assert strange.first is None
    assert strange.recipe == strange.position.recipe
    assert (strange.recipe.first_weights, strange.recipe.epochs) == (0.0, 9)
    monkeypatch.setattr(loop, "FAMILIAR", 10.0)
    known = Training(VERSES, recipe)
    known.forget_unfamiliar()
    assert known.first is not None
    assert known.recipe == recipe


def test_dropped_recurrent_weights_come_back_and_have_no_gradient() -> None:
    torch.manual_seed(0)
    network = StackedLSTM(NetworkConfig(vocabulary_size=5, embedding_size=3, hidden_size=6))
    weight = network.lstms[0].get_parameter("weight_hh_l0")
    before = weight.detach().clone()
    with dropped_recurrence(network, 0.5):
        dropped = weight.detach() == 0.0
        network(torch.tensor([[1, 2, 3, 4]]))[0].sum().backward()
    assert torch.equal(weight, before)
    assert 0.3 < dropped.float().mean().item() < 0.7
    assert weight.grad is not None
    assert torch.equal(weight.grad == 0.0, dropped)
