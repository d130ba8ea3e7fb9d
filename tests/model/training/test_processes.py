"""Several processes train as one does: forked here, since each import of torch takes seconds."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import distributed

from model.errors import DeviceMissing, ProcessesDiffer, ProcessLost, RowsIndivisible
from model.training.loop import StepEnd, Training
from model.training.processes import Processes, is_lost, join_processes
from model.training.recipes import Recipe
from model.training.resume import load_training, restore_training, save_training
from tests.texts import VERSES
from tests.timeouts import HANG_SECONDS

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork"),
    # Python 3.12 warns of threads in a process that forks; the children here use none of them.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
CPU = torch.device("cpu")
ALIKE = 2e-5  # nats per character, and of weights: sums of float32 in another order, 40 steps long
RECIPE = Recipe(
    name="default",
    embedding_size=8,
    hidden_size=16,
    rows=4,
    window=16,
    epochs=2,
    dropout=0.0,
    weight_drop=0.2,
    cold_starts=0.2,
    clip=0.5,
)
Work = Callable[[Processes, Path], None]


@contextmanager
def started(folder: Path, work: Work, count: int = 2) -> Iterator[list[BaseProcess]]:
    """Start processes as torchrun does; what each says is in a file by its rank."""
    store = distributed.TCPStore(  # type: ignore[attr-defined]
        "127.0.0.1", 0, is_master=True, wait_for_workers=False
    )
    fork = multiprocessing.get_context("fork")
    children: list[BaseProcess] = [
        fork.Process(target=_child, args=(folder, work, rank, count, store.port))
        for rank in range(count)
    ]
    for child in children:
        child.start()
    try:
        yield children
    finally:
        for child in children:
            child.kill()
            child.join()
            child.close()


def _child(folder: Path, work: Work, rank: int, count: int, port: int) -> None:
    environment = {
        "TORCHELASTIC_RUN_ID": "test",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0",
    }
    os.environ |= environment
    tempfile.tempdir = str(folder)
    said = folder / str(rank)
    try:
        with join_processes(CPU) as processes:
            work(processes, folder)
        said.write_text("done")
    except Exception as error:  # its class is what tests ask for
        said.write_text(f"{type(error).__name__}: {error}")
        os._exit(0)


def outcomes(folder: Path, work: Work) -> list[str]:
    """Return what each of two processes said at its end."""
    with started(folder, work) as children:
        for child in children:
            child.join(HANG_SECONDS)
            assert child.exitcode == 0
    return [(folder / str(rank)).read_text() for rank in range(2)]


def make(processes: Processes, recipe: Recipe = RECIPE) -> Training:
    training = Training(VERSES, recipe, processes=processes, seed=3)
    training.use_precision("float32")
    return training


def losses(training: Training, steps: int = 10_000) -> list[float]:
    """Train for up to `steps` steps; return the loss after each."""
    found: list[float] = []
    for event in training.run():
        if isinstance(event, StepEnd):
            found.append(event.loss)
            if len(found) == steps:
                break
    return found


def weights(training: Training) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in training.averaged.parameters()])


def write_losses(processes: Processes, folder: Path) -> None:
    training = make(processes)
    found = {"losses": torch.tensor(losses(training)), "weights": weights(training)}
    save_file(found, folder / f"{processes.rank}.safetensors")


def test_two_processes_learn_what_one_learns_with_twice_the_rows(tmp_path: Path) -> None:
    alone = make(Processes(CPU))
    expected = losses(alone)
    assert outcomes(tmp_path, write_losses) == ["done", "done"]
    one, other = (load_file(tmp_path / f"{rank}.safetensors") for rank in range(2))
    assert len(expected) > 40
    assert expected[-1] < expected[0] - 0.2
    torch.testing.assert_close(one["losses"], torch.tensor(expected), rtol=0, atol=ALIKE)
    torch.testing.assert_close(one["weights"], weights(alone), rtol=0, atol=ALIKE)
    assert torch.equal(one["weights"], other["weights"])


def save_in_the_middle(processes: Processes, folder: Path) -> None:
    training = make(processes)
    losses(training, 20)
    save_training(folder / "resume", training, "book")


def test_one_process_goes_on_from_what_two_saved(tmp_path: Path) -> None:
    assert outcomes(tmp_path, save_in_the_middle) == ["done", "done"]
    going_on = make(Processes(CPU))
    restore_training(going_on, load_training(tmp_path / "resume"))
    assert going_on.position.steps_made == 20
    losses(going_on)
    alone = make(Processes(CPU))
    losses(alone)
    torch.testing.assert_close(weights(going_on), weights(alone), rtol=0, atol=ALIKE)


def go_on_with_dropout(processes: Processes, folder: Path) -> None:
    recipe = RECIPE.model_copy(update={"dropout": 0.3})
    whole = make(processes, recipe)
    losses(whole, 12)
    first = make(processes, recipe)
    losses(first, 6)
    save_training(folder / "resume", first, "book")
    processes.wait()
    second = make(processes, recipe)
    restore_training(second, load_training(folder / "resume"))
    losses(second, 6)
    same = torch.equal(weights(whole), weights(second))
    drawn = processes.joined(torch.rand(1), 0)
    with processes.own_randomness(1):
        own = processes.joined(torch.rand(1), 0)
    assert (same, bool(drawn[0] == drawn[1]), bool(own[0] == own[1])) == (True, True, False)


def test_two_processes_go_on_to_the_bit_with_dropout_of_their_own(tmp_path: Path) -> None:
    assert outcomes(tmp_path, go_on_with_dropout) == ["done", "done"]


def differ(processes: Processes, folder: Path) -> None:
    processes.insist_on_same(["the same", f"text {processes.rank}"])


def test_processes_with_other_texts_are_refused(tmp_path: Path) -> None:
    said = f"ProcessesDiffer: {ProcessesDiffer()}"
    assert outcomes(tmp_path, differ) == [said, said]


def copy(processes: Processes, folder: Path) -> None:
    path = processes.folder / "kept" if processes.folder else folder / "kept"
    processes.copy_file(path)
    assert not path.exists()
    if processes.is_first:
        path.write_bytes(b"\x00" * 100_000)
    processes.copy_file(path)
    assert path.read_bytes() == b"\x00" * 100_000


def test_the_others_get_the_files_of_the_first(tmp_path: Path) -> None:
    assert outcomes(tmp_path, copy) == ["done", "done"]


def train_for_ever(processes: Processes, folder: Path) -> None:
    training = make(processes, RECIPE.model_copy(update={"epochs": 10_000, "patience": 0}))
    losses(training, 5)
    save_training(folder / "resume", training, "book")
    if processes.rank == 1:
        os.kill(os.getpid(), 9)
    losses(training)


def test_a_process_that_is_killed_ends_the_others_and_what_was_saved_is_whole(
    tmp_path: Path,
) -> None:
    with started(tmp_path, train_for_ever) as [first, second]:
        first.join(HANG_SECONDS)
        second.join(HANG_SECONDS)
        assert (first.exitcode, second.exitcode) == (0, -9)
    assert (tmp_path / "0").read_text() == f"ProcessLost: {ProcessLost()}"
    assert load_training(tmp_path / "resume").standing.steps_made == 5


@pytest.mark.parametrize("count", [3, 8])
def test_rows_that_cannot_be_divided_are_refused(count: int) -> None:
    with pytest.raises(RowsIndivisible, match=rf"4 rows .* {count} processes\. Start 1, 2 or 4"):
        make(Processes(CPU, count=count))


def test_rows_are_divided_in_order() -> None:
    assert [Processes(CPU, rank, 4).own_rows(32) for rank in (0, 3)] == [slice(0, 8), slice(24, 32)]


def test_each_process_needs_a_gpu_of_its_own() -> None:
    rank = torch.cuda.device_count()
    environment = {
        "TORCHELASTIC_RUN_ID": "test",
        "WORLD_SIZE": str(rank + 1),
        "LOCAL_RANK": str(rank),
    }
    if rank == 0:
        environment["WORLD_SIZE"] = "2"
    with (
        pytest.raises(DeviceMissing, match=f"cuda:{rank}"),
        join_processes(torch.device("cuda"), environment),
    ):
        pass


def test_without_torchrun_a_process_is_alone() -> None:
    with join_processes(CPU, {"WORLD_SIZE": "2"}) as processes:
        assert (processes.is_first, processes.count) == (True, 1)


def test_other_errors_of_torch_are_no_lost_process() -> None:
    assert not is_lost(RuntimeError("out of memory"))
    assert is_lost(RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer"))
