"""The training loop: batch, loss, step. It saves nothing and reports to nobody.

`Training.run` is a generator of events. Between two events the training stands still: the caller
may save the model or the position, or stop. Another Training may then `continue_from` the position
and reach the same weights (`resume.py`).

Shapes: N rows, T tokens in a window, E embedding, H hidden, L layers, V vocabulary, C tokens
of the book. Losses are in nats per character, so that vocabularies can be compared.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from model.checkpoint import EpochLosses, Model
from model.config import StrictSettings
from model.errors import TrainingDiverged
from model.training.batches import (
    count_stream_batches,
    encode_book,
    shuffle_passages,
    sliding_windows,
    stream_batches,
    stream_windows,
    token_lengths,
    window_batches,
)
from model.training.device import Precision, choose_precision
from model.training.evaluation import evaluate_stream, evaluate_windows
from model.training.network import LSTMState, StackedLSTM, adopt_weights
from model.training.optim import learning_rate, make_optimizer
from model.training.processes import Processes
from model.training.recipes import Recipe
from model.training.topics import read_topics
from model.vocabulary import Vocabulary

# Nats per character; the base has 1.2 on Shakespeare's sonnets, 1.7 on verse in old spelling.
FAMILIAR = 1.5
MAX_ASKED = 20_000  # tokens of a book by which it is found to be familiar
MAX_MEASURED = 500_000  # tokens; enough for three decimals, and some seconds of work


@dataclass(frozen=True, slots=True)
class StepEnd:
    """One step of training was made."""

    epoch: int  # from 1
    epochs: int
    step: int  # within the epoch, from 1
    steps: int
    loss: float  # mean over the epoch so far, nats per character
    characters: int  # read in this step
    learning_rate: float
    seconds: float  # since the training began


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """An epoch is over; `improved` tells whether its weights are the best so far."""

    epoch: int
    epochs: int
    losses: EpochLosses
    watched: float
    best_before: float  # infinite at first
    improved: bool


class TrainingPosition(StrictSettings):
    """How far a training is, without its tensors."""

    recipe: Recipe
    seed: int = Field(ge=0, lt=2**63)
    precision: Precision
    threads: int = Field(ge=1)  # their number decides how sums are split, so the last bits too
    epoch: int = Field(default=1, ge=1)  # the current one
    step: int = Field(default=0, ge=0)  # steps of it that are done
    steps_made: int = Field(default=0, ge=0)  # in all epochs
    loss_sum: float = 0.0  # nats, over the targets of the current epoch
    loss_count: int = 0  # characters of the targets
    best: float | None = None  # of the watched loss, nats per character
    best_epoch: int = 0
    history: tuple[EpochLosses, ...] = ()
    seconds: float = Field(default=0.0, ge=0.0)


class Training:
    """One training of one book by one recipe: network, optimizer, and position."""

    def __init__(
        self,
        text: str,
        recipe: Recipe,
        *,
        device: torch.device | None = None,
        seed: int = 0,
        start: Model | None = None,
        vocabulary: Vocabulary | None = None,
        seconds_limit: float | None = None,
        processes: Processes | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Train on `text`, cut into the tokens of `vocabulary`: by default its characters, and the
        pieces of words that `start` knows. Of several `processes` each makes the same Training.

        Raises RowsIndivisible where they cannot share a batch.
        """
        torch.manual_seed(seed)
        self.text = text
        self.recipe = recipe
        self.device = device or torch.device("cpu")
        self.processes = processes or Processes(self.device)
        self._own_rows = self.processes.own_rows(recipe.rows)
        self.seconds_limit = seconds_limit
        pieces = start.vocabulary.pieces if start else ()
        self.vocabulary = vocabulary or Vocabulary.of(text, pieces)
        self._lengths = token_lengths(self.vocabulary)  # (V,)
        ids = encode_book(text, self.vocabulary)  # (C,)
        share = recipe.held_out if recipe.monitor == "validation" else 0.0
        self.trained_on = len(ids) - round(len(ids) * share)  # tokens; the rest is held out
        self.ids = ids.to(self.device)
        network = StackedLSTM(recipe.network_config(len(self.vocabulary)))
        if start is not None:
            adopt_weights(network, self.vocabulary, start)
        self.network = network.to(self.device)
        # What is measured and saved: a running average of the weights where the recipe has one.
        self.averaged = deepcopy(self.network) if recipe.average else self.network
        # Model files hold 16 bits of a weight, so half precision loses nothing of the first ones.
        keeps_first = recipe.average and recipe.first_weights
        self.first = deepcopy(self.network).half() if keeps_first else None
        self._learner = self.processes.parallel(self.network)
        self.optimizer = make_optimizer(self.network, recipe)
        self.state: LSTMState | None = None
        self.position = TrainingPosition(
            recipe=recipe,
            seed=seed,
            precision=self._best_precision(),
            threads=torch.get_num_threads(),
        )
        self._clock = clock
        self._time_of_first = 0.0
        self._agree(0.0, 0)
        self._began = self._now()

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        rows, window = self.recipe.rows, self.recipe.window
        if self.recipe.reads == "windows":
            return -(-(self.trained_on - window) // rows)
        return count_stream_batches(self.trained_on, rows, window)

    def characters_of(self, ids: Tensor) -> int:
        """Return how many characters the tokens are."""
        return int(self._lengths[ids.cpu().long()].sum())

    @property
    def held_out_characters(self) -> int:
        """How many characters are not trained on, only measured."""
        return self.characters_of(self.ids[self.trained_on :])

    @property
    def seconds(self) -> float:
        """Since the training began, without the pauses between interruption and resumption."""
        return self._now() - self._began

    def _now(self) -> float:
        # The rate and the end follow the clock: several processes need the same one.
        return self._clock() if self.processes.count == 1 else self._time_of_first

    def _agree(self, loss: float, characters: int) -> tuple[float, int]:
        """Return the mean loss and the characters of all processes; take the first's time."""
        count = self.processes.count
        if count == 1:
            return loss, characters
        time_of_first = self._clock() if self.processes.is_first else 0.0
        summed = self.processes.sums(loss, characters, time_of_first)
        self._time_of_first = summed[2]
        return summed[0] / count, int(summed[1])

    def whole_state(self) -> LSTMState | None:
        """Return the state of all rows, those of other processes too, if there is one."""
        if self.state is None:
            return None
        return LSTMState(*(self.processes.joined(part, 1) for part in self.state))  # (L, N, H)

    def _best_precision(self) -> Precision:
        # bfloat16 cannot tell apart the scalars of an alphabet of more than 128 characters.
        scalar = self.recipe.input == "scalar"
        able = not scalar and choose_precision(self.device) == "bfloat16"
        return "float32" if self.processes.largest(not able) else "bfloat16"

    def use_threads(self, threads: int) -> None:
        """Compute with this many threads from now on."""
        torch.set_num_threads(threads)
        self.position = self.position.model_copy(update={"threads": threads})

    def use_precision(self, precision: Precision) -> None:
        """Compute activations and gradients in this precision from now on."""
        self.position = self.position.model_copy(update={"precision": precision})

    def forget_unfamiliar(self) -> None:
        """Keep nothing of the first weights if they are far from the book, as verse is from prose,
        and learn it for longer.

        Before the first step. The loss of a book that is near to the base is below FAMILIAR.
        """
        some = min(len(self.ids), MAX_ASKED)
        if self.first is not None and self._evaluate(self.network, 0, some) > FAMILIAR:
            self.first = None
            epochs = self.recipe.unfamiliar_epochs or self.recipe.epochs
            update = {"first_weights": 0.0, "epochs": epochs}
            self.recipe = self.recipe.model_copy(update=update)
            self.position = self.position.model_copy(update={"recipe": self.recipe})

    def rehearse(self) -> None:
        """Do the work of one step without any effect, so that it can be timed."""
        position, state = self.position, self.state
        inputs, targets, topics = next(self._batches(position.epoch))
        with torch.random.fork_rng(devices=[]):
            self._loss(inputs, targets, topics).backward()  # type: ignore[no-untyped-call]
        self.optimizer.zero_grad()
        self.position, self.state = position, state

    def continue_from(self, position: TrainingPosition, state: LSTMState | None) -> None:
        """Go on from another Training's position; its tensors must be in place already."""
        self.position = position.model_copy(update={"recipe": self.recipe})
        if self._best_precision() == "float32":  # another machine than before
            self.use_precision("float32")
        # (L, N, H), of which each process goes on with its own rows
        self.state = state and LSTMState(*(part[:, self._own_rows] for part in state))
        self._began = self._now() - position.seconds
        torch.set_num_threads(position.threads)

    def run(self) -> Iterator[StepEnd | EpochEnd]:
        """Train from the current position to the end; raise TrainingDiverged."""
        while self.position.epoch <= self.recipe.epochs and not self._should_end():
            yield from self._run_epoch()
            yield self._end_epoch()

    def _run_epoch(self) -> Iterator[StepEnd]:
        self.network.train()
        already = self.position.step
        batches = self._batches(self.position.epoch)
        for step, (inputs, targets, topics) in enumerate(batches, start=1):
            if step <= already:
                continue
            rate = self._set_learning_rate()
            loss, characters = self._agree(
                self._step(inputs, targets, topics), self.characters_of(targets)
            )
            if not math.isfinite(loss):
                raise TrainingDiverged(self.position.epoch, rate)
            position = self.position
            self.position = position.model_copy(
                update={
                    "step": step,
                    "steps_made": position.steps_made + 1,
                    "loss_sum": position.loss_sum + loss * (targets.numel() * self.processes.count),
                    "loss_count": position.loss_count + characters,
                    "seconds": self.seconds,
                }
            )
            yield StepEnd(
                epoch=position.epoch,
                epochs=self.recipe.epochs,
                step=step,
                steps=self.steps,
                loss=self.position.loss_sum / self.position.loss_count,
                characters=characters,
                learning_rate=rate,
                seconds=self.seconds,
            )
            if self._out_of_time():
                return

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Yield an epoch's batches (N, T), with what their targets are about (N, T, 3K), if that is
        told; the same ones each time this epoch is started. Of several processes each has its rows.
        """
        own = self._own_rows
        order = torch.Generator().manual_seed((self.position.seed * 10_007 + epoch) % 2**63)
        ids = self.ids[: self.trained_on]
        if self.recipe.reads == "windows":
            windows = sliding_windows(ids, self.recipe.window)
            for inputs, targets in window_batches(windows, self.recipe.rows, order):
                yield inputs[own], targets[own], None
            return
        if self.recipe.shuffle:
            newline = self.vocabulary.ids.get("\n")
            if newline is not None:
                ids = shuffle_passages(ids, torch.full((2,), newline), order)
            # The seams between windows fall elsewhere each time.
            ids = ids.roll(int(torch.randint(len(ids), (), generator=order)))
        rows, window = self.recipe.rows, self.recipe.window
        batches = stream_batches(ids, rows, window)
        if self.network.topics is None:
            for inputs, targets in batches:
                yield inputs[own], targets[own], None
            return
        table = read_topics(ids, self.vocabulary, self.network.topics.vectors, order)
        lines = stream_windows(table.line_of[1:], rows, window)  # of the targets
        for (inputs, targets), numbers in zip(batches, lines, strict=True):
            yield inputs[own], targets[own], table.of_lines(numbers[own])

    def _step(self, inputs: Tensor, targets: Tensor, topics: Tensor | None) -> float:
        """Learn from one batch; return its loss, the mean over its targets."""
        if self.recipe.reads == "windows" or self.position.step == 0:
            self.state = None
        with dropped_recurrence(self.network, self.recipe.weight_drop):
            loss = self._loss(inputs, targets, topics)
            loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._average_weights()
        return loss.item()

    def _loss(self, inputs: Tensor, targets: Tensor, topics: Tensor | None) -> Tensor:
        """Read a batch from the carried state, which moves on; return its mean loss."""
        with self._autocast():
            before = self._state_for(len(inputs))
            with self.processes.own_randomness(self.position.seed + self.position.steps_made):
                loss: Tensor
                loss, state = self._learner(inputs, before, topics, targets)
        self.state = LSTMState(state.hidden.detach().float(), state.cell.detach().float())
        return loss

    def _state_for(self, rows: int) -> LSTMState:
        """Return the rows' state; a share of the rows, `cold_starts`, begins with zeros."""
        if self.state is None:
            return self.network.initial_state(rows)
        if not self.recipe.cold_starts:
            return self.state
        # Drawn for the rows of all processes, (N,), so that their number makes no difference.
        drawn = torch.rand(rows * self.processes.count, device=self.device)
        kept = drawn[self._own_rows] >= self.recipe.cold_starts
        hidden, cell = (part * kept[:, None] for part in self.state)  # (L, N, H) * (N, 1)
        return LSTMState(hidden, cell)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.position.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    @torch.no_grad()
    def _average_weights(self) -> None:
        if self.averaged is self.network:
            return
        made = self.position.steps_made
        decay = min(self.recipe.average, (1 + made) / (10 + made))  # shorter at the beginning
        first = self.first or self.network
        parameters = (network.parameters() for network in (self.averaged, self.network, first))
        for mean, now, before in zip(*parameters, strict=True):
            mixed = now.lerp(before.to(now.dtype), self.recipe.first_weights)
            mean.lerp_(mixed, 1 - decay)

    def _end_epoch(self) -> EpochEnd:
        """Measure the losses, note them, and move on to the next epoch."""
        position = self.position
        losses = EpochLosses(
            epoch=position.epoch,
            running_loss=position.loss_sum / position.loss_count,
            held_out_loss=self.held_out_loss(),
            seconds=self.seconds,
        )
        watched = losses.running_loss if losses.held_out_loss is None else losses.held_out_loss
        before = math.inf if position.best is None else position.best
        improved = watched < before
        self.position = position.model_copy(
            update={
                "epoch": position.epoch + 1,
                "step": 0,
                "loss_sum": 0.0,
                "loss_count": 0,
                "best": min(watched, before),
                "best_epoch": position.epoch if improved else position.best_epoch,
                "history": (*position.history, losses),
                "seconds": self.seconds,
            }
        )
        return EpochEnd(position.epoch, self.recipe.epochs, losses, watched, before, improved)

    def measure(self, network: StackedLSTM) -> tuple[float, float | None]:
        """Return the losses of `network` on the text trained on and on the held-out tail.

        Dropout off, float32, state carried; of a long book only the last MAX_MEASURED characters
        trained on. A network that reads windows has the losses of its best epoch.
        """
        if self.recipe.reads == "windows":
            best = self.position.history[self.position.best_epoch - 1]
            return best.running_loss, best.held_out_loss
        begin = max(self.trained_on - MAX_MEASURED, 0)
        training_loss = self._evaluate(network, begin, self.trained_on)
        if self.trained_on == len(self.ids):
            return training_loss, None
        return training_loss, self._evaluate(network, self.trained_on, len(self.ids))

    def release(self) -> None:
        """Let go of all weights, once there is nothing more to train or to measure."""
        del self.network, self.averaged, self.first, self.optimizer, self._learner
        self.state = None

    def held_out_loss(self) -> float | None:
        """Measure the loss on the held-out tail, dropout off; None where nothing is held out."""
        if self.trained_on == len(self.ids):
            return None
        if self.recipe.reads == "windows":
            tail = self.ids[self.trained_on - self.recipe.window :]
            return evaluate_windows(self.averaged, tail, self.recipe.window)
        return self._evaluate(self.averaged, self.trained_on, len(self.ids))

    def _evaluate(self, network: StackedLSTM, begin: int, end: int) -> float:
        return evaluate_stream(network, self.ids, begin, end, self._lengths)

    def _should_end(self) -> bool:
        position = self.position
        stale = position.epoch - 1 - position.best_epoch
        return self._out_of_time() or 0 < self.recipe.patience <= stale

    def _out_of_time(self) -> bool:
        """Whether the time is over; one step is always made, so that there is a model."""
        if self.seconds_limit is None or self.position.steps_made == 0:
            return False
        return self.seconds >= self.seconds_limit

    def _set_learning_rate(self) -> float:
        share = self.position.steps_made / (self.steps * self.recipe.epochs)
        if self.seconds_limit is not None:
            share = max(share, min(1.0, self.seconds / self.seconds_limit))
        rate = learning_rate(self.recipe, share)
        self.optimizer.learning_rate = rate
        return rate


@contextmanager
def dropped_recurrence(network: StackedLSTM, share: float) -> Iterator[None]:
    """Switch off a share of the recurrent weights for one step (Merity et al. 2017).

    `backward` belongs inside: the gradient must meet the weights that made the loss.
    """
    if share == 0.0:
        yield
        return
    weights = [layer.get_parameter("weight_hh_l0") for layer in network.lstms]
    whole = [weight.detach().clone() for weight in weights]
    masks = [torch.empty_like(w, dtype=torch.bool).bernoulli_(1 - share) for w in whole]
    scale = 1 / (1 - share)
    for weight, mask in zip(weights, masks, strict=True):
        weight.data.mul_(mask).mul_(scale)
    try:
        yield
    finally:
        for weight, mask, before in zip(weights, masks, whole, strict=True):
            weight.data.copy_(before)
            if weight.grad is not None:
                weight.grad.mul_(mask).mul_(scale)
