"""The three ways through the code in CONTRIBUTING.md are the ways that the code takes.

Each way is done for real while every Python call is watched. The modules that are entered must be
those of the list, in its order; what is compiled, or runs before or after, stands below the list.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
import torch

from bot.app import make_library, make_poem_service
from bot.config import Config, ModelsConfig
from bot.core.poems import PoemService
from bot.core.records import Asker, PoemRequest
from model import LengthConfig, Opening, Request, Sampling, load_model, make_engine
from model.training import Training, recipe_for
from model.training.loop import StepEnd
from tests.bot.discord_app.conftest import (  # noqa: F401 - fixtures
    Simulation,
    official_api,
    simcord_bot,
    simcord_env,
    simulation,
)

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "CONTRIBUTING.md"
MakeModel = Callable[..., Path]
SMALL = {"hidden_size": 16, "embedding_size": 8, "rows": 4, "window": 20}
STEP = re.compile(r"^\d+\. `([\w/]+\.py)`", re.MULTILINE)
BESIDE = re.compile(r"^Beside the way: (.*?)\n\n", re.MULTILINE | re.DOTALL)


class Way:
    """One of the guide's lists."""

    def __init__(self, heading: str) -> None:
        text = GUIDE.read_text("utf-8").partition(f"### {heading}\n")[2].partition("\n#")[0]
        beside = BESIDE.search(text + "\n\n")
        self.files = STEP.findall(text)
        self.beside = set(re.findall(r"`([\w/]+\.py)`", beside[1])) if beside else set()

    def check(self, entered: list[str]) -> None:
        """Hold the list against the modules that were entered, in the order of their first call."""
        assert self.files, "the list is empty"
        assert len(set(self.files)) == len(self.files), "a file is entered twice"
        gone = [name for name in [*self.files, *self.beside] if not (ROOT / name).is_file()]
        assert not gone, f"files that are gone: {gone}"
        missing = [name for name in entered if name not in {*self.files, *self.beside}]
        assert not missing, f"modules on the way that are missing: {missing}"
        seen = [name for name in entered if name in self.files]
        assert seen == [name for name in self.files if name in seen], "another order"
        for name in [name for name in self.files if name not in seen]:
            assert is_compiled(name), f"{name} is not on the way"
            module = name.removesuffix(".py").replace("/", ".")
            earlier = self.files[: self.files.index(name)]
            assert any(module in source(other) for other in earlier), f"nothing imports {name}"


def source(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def is_compiled(name: str) -> bool:
    """Whether the calls of a file cannot be watched: numba or LLVM runs them."""
    return any(mark in source(name) for mark in ("@inner", "@entry", "@intrinsic"))


@contextmanager
def watched() -> Iterator[list[str]]:
    """Give the files of ours whose functions are called in the block, each once."""
    entered: dict[str, None] = {}
    prefixes = tuple(f"{ROOT}/{folder}/" for folder in ("bot", "model"))

    def note(frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(prefixes) and frame.f_code.co_name != "<module>":
            entered.setdefault(str(Path(name).relative_to(ROOT)))

    files: list[str] = []
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield files
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        files += entered


def test_one_training_step_takes_the_way_of_the_guide(tmp_path: Path) -> None:
    text = "\n".join(f"The rain falls on the harbour, {number} times" for number in range(300))
    recipe = recipe_for("default", len(text), None).model_copy(update=SMALL)
    training = Training(text, recipe, device=torch.device("cpu"), seed=1)
    with watched() as entered:
        assert isinstance(next(iter(training.run())), StepEnd)
    Way("One training step").check(entered)


def test_one_token_takes_the_way_of_the_guide(model_file: MakeModel) -> None:
    engine = make_engine(load_model(model_file()), max_rows=1)
    sampling = Sampling(repetition_guard=12, top_k=5)
    length = LengthConfig(characters=9)
    with watched() as entered:
        engine.add(Request(Opening(rest="rain"), sampling, 1, length))
        while engine.has_work:
            engine.step()
    Way("One token").check(entered)


@pytest.fixture
async def service(model_file: MakeModel, tmp_path: Path) -> AsyncIterator[PoemService]:
    """A real service with a small model, which is in memory already."""
    model_file("harbour")
    config = Config(models=ModelsConfig(default="harbour"), home=tmp_path)
    service = make_poem_service(config, make_library(config))
    request = PoemRequest(Asker("test:1"), "rain", characters=20)
    async with service.write(await service.admit(request)) as stream:
        await stream.finish()
    yield service
    await service.close()


async def test_a_command_takes_the_way_of_the_guide_to_the_engine(
    simulation: Simulation,  # noqa: F811
) -> None:
    with watched() as entered:
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
        await simulation.env.settle()
    assert simulation.answers
    inside = [name for name in entered if name.startswith("bot/") or name == "model/engine.py"]
    Way("`!sonnet` to the engine").check(inside)
