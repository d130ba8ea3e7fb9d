"""Fixtures that many tests share."""

from __future__ import annotations

import gc
import io
import json
import logging
import random
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

from bot.app import SHIPPED
from bot.core import model_library
from bot.logs import Handler, set_up
from model.checkpoint import METADATA_KEY, Card, Contents, Model, load_model, save_model
from model.config import NetworkConfig
from model.training.network import StackedLSTM, tensors_of
from model.vocabulary import Vocabulary
from tests import leaks, memory_disk, warm_kernel

ALPHABET = "\n !',.abcdefghijklmnopqrstuvwxyz"
# The same examples in each run, and no stopwatch on a machine that has other work. Fixtures that
# are made once for all examples are meant.
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("steady")

# Files whose tests train for many seconds, one after the other. Trainings give way to all else.
LONG = (
    *("test_train.py", "test_process.py", "test_end_to_end.py", "test_without_posix.py"),
    *("test_trainings.py", "test_main.py"),
)
# Without a GPU, `torch.manual_seed` makes each time three traces of the stack, and keeps them.
SEED_TORCH = torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed
OPENINGS = ("the morning opens", "a quiet harbour", "when lamps are lit")


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)  # as below, and for what is made while tests are collected
    leaks.pytest_configure(config)
    memory_disk.pytest_configure(config)
    warm_kernel.pytest_configure(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    warm_kernel.pytest_configure_node(node)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes long: what is left for the end can be shared among all cores.

    Not while the kernel is being compiled, for which that would have to wait.
    """
    if not warm_kernel.is_being_compiled(config):
        items.sort(key=lambda item: item.path.name not in LONG)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what was imported out of the garbage collector's rounds: it lives to the end."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    warm_kernel.pytest_runtest_setup(item)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    memory_disk.pytest_sessionfinish(session, exitstatus)


def write_header(path: Path, network: NetworkConfig) -> Path:
    """Write the beginning of a model file, up to where its weights would be."""
    card = Card(
        name=path.stem,
        book_title="A Wide Book",
        book_sha256="0" * 64,
        book_characters=5_000,
        created="2026-11-25T00:00:00+00:00",
        recipe="default",
        lower_case=False,
        loss=2.5,
    )
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + network.vocabulary_size)))
    contents = Contents(alphabet=alphabet, network=network, card=card).model_dump_json()
    header = json.dumps({"__metadata__": {METADATA_KEY: contents}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def write_model(path: Path, *, seed: int = 1, alphabet: str = ALPHABET) -> Path:
    """Save an untrained network of a few thousand weights as a model file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_model_file(path.stem, seed, alphabet))
    return path


@cache
def _model_file(name: str, seed: int, alphabet: str) -> bytes:
    """Make the file once for all tests, and leave PyTorch's random numbers as they are."""
    vocabulary = Vocabulary.of(alphabet)
    with torch.random.fork_rng(devices=[]):
        SEED_TORCH(seed)
        network = StackedLSTM(
            NetworkConfig(
                vocabulary_size=len(vocabulary), embedding_size=5, hidden_size=12, layers=2
            )
        )
    card = Card(
        name=name,
        book_title=f"The Book of {name.title()}",
        book_sha256="0" * 64,
        book_characters=5_000,
        created="2026-11-25T00:00:00+00:00",
        recipe="default",
        lower_case=True,
        loss=2.5,
        openings=OPENINGS,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.safetensors"
        save_model(path, network.config, tensors_of(network), vocabulary, card)
        return path.read_bytes()


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Give PyTorch one thread, here and in the trainings that tests start.

    Each core runs tests of its own, and networks this small wait longer for a second thread than
    it saves: their tests took up to twenty times as long.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        yield


@pytest.fixture(autouse=True, scope="session")
def _shipped_models_read_once() -> Iterator[None]:
    """Let the library of each test know the models that ship from one reading of all their weights.

    That takes a tenth of a second. Other models are read as ever.
    """
    shipped = cache(load_model)

    def read(path: Path, *, for_guild: bool = False) -> Model:
        return shipped(path) if path.parent == SHIPPED else load_model(path, for_guild=for_guild)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_library, "load_model", read)
        yield


@pytest.fixture(autouse=True)
def _same_beginning() -> Iterator[None]:
    """Begin each test with the same random numbers, and with as many threads as the one before.

    A training takes the number of threads that wins a race, which a busy machine decides.
    """
    random.seed(0)
    SEED_TORCH(0)
    yield
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_log() -> Iterator[None]:
    """Leave no log set up that a test has set up."""
    loggers = (logging.getLogger(), logging.getLogger("bot"))
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    for handler in [each for each in loggers[0].handlers if isinstance(each, Handler)]:
        loggers[0].removeHandler(handler)


LogLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log_lines() -> LogLines:
    """Return a function that reads all that was logged so far, as `--log json` writes it."""
    out = io.StringIO()
    set_up("json", logging.DEBUG, out)
    return lambda: [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def model_file(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a tiny model: `model_file("harbour", seed=2)`."""

    def make(name: str = "tiny", *, folder: str = "models", seed: int = 1) -> Path:
        return write_model(tmp_path / folder / f"{name}.safetensors", seed=seed)

    return make
