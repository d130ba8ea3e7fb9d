"""The app on a real data folder, with a trainer that only pretends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from bot.app import make_library, open_app
from bot.config import BooksConfig, Config, DiscordConfig, ModelsConfig
from bot.core.application import App
from bot.core.jobs import JobState, Proposal
from bot.core.records import Asker
from bot.core.shards import ShardRange
from bot.core.training.process import TrainingEvent, TrainingExit, TrainingSpec
from bot.core.training_requests import AttachedFile, TrainingRequests
from tests.conftest import write_model
from tests.fakes import Clock

GUILD, OTHER_GUILD, OWNER = "10", "20", "99"
ADMIN = Asker("discord:1", GUILD, manages=True)
MEMBER = Asker("discord:2", GUILD)
STRANGER = Asker("discord:3", OTHER_GUILD, manages=True)  # manages another server
HOST = Asker(f"discord:{OWNER}", GUILD)

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class FakeTrainer:
    """Leaves a tiny model, as train.py would; `endings` are how the first attempts end instead.

    With a `gate` it waits for it after the first epoch, the checkpoint written; with `saving` it
    waits for that when it is stopped, as one does that has much to save.
    """

    endings: list[TrainingExit] = field(default_factory=list)
    gate: asyncio.Event | None = None
    saving: asyncio.Event | None = None
    specs: list[TrainingSpec] = field(default_factory=list)
    stopped: int = 0
    saved: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    def go(self) -> None:
        """Open the gate."""
        if self.gate is not None:
            self.gate.set()

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        self.specs.append(spec)
        tell({"event": "training", "epoch": 0})
        checkpoint = spec.out / spec.name / "resume.safetensors"
        checkpoint.parent.mkdir(exist_ok=True)
        checkpoint.write_bytes(b"where it stands")
        chart = spec.out / f"{spec.name}.png"
        chart.write_bytes(PNG)
        tell(epoch(1 if not spec.resume else 2))
        tell({"event": "sample", "text": "a line of verse", "chart": str(chart)})
        self.began.set()
        try:
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            self.stopping.set()
            if self.saving is not None:
                await self.saving.wait()
            self.saved += 1
            raise
        if self.endings:
            return self.endings.pop(0)
        write_model(spec.out / f"{spec.name}.safetensors", seed=len(self.specs))
        (spec.out / f"{spec.name}.txt").write_text("a poem\n")
        tell(done(chart))
        return TrainingExit(0, "")


def attached(content: bytes | str, name: str = "walks.txt") -> AttachedFile:
    """Return a file that came with a message."""
    raw = content.encode() if isinstance(content, str) else content

    async def read() -> bytes:
        return raw

    return AttachedFile(name, len(raw), read)


async def trained(
    training_requests: TrainingRequests, proposal: Proposal, asker: Asker = ADMIN
) -> JobState:
    """Say yes to a book and wait for the end of its training."""
    await training_requests.accept(asker, proposal.job.id)
    return [view async for view in training_requests.queue.watch(proposal.job.id)][-1].job.state


def epoch(number: int, epochs: int = 2) -> TrainingEvent:
    """Return what train.py says at the end of an epoch."""
    return {
        "event": "epoch",
        "epoch": number,
        "epochs": epochs,
        "running_loss": 2.0 / number,
        "held_out_loss": 2.5 / number,
        "seconds": 10.0 * number,
        "watched": 2.5 / number,
        "improved": True,
    }


def done(chart: Path) -> TrainingEvent:
    """Return what train.py says at the very end."""
    losses = {"training_loss": 1.0, "held_out_loss": 1.25}
    return {"event": "done", **losses, "chart": str(chart), "seconds": 20.0}


def make_config(home: Path, **books: object) -> Config:
    """Return the settings of an installation in `home`; `books` are those of the books."""
    write_model(home / "models" / "sonnets.safetensors")
    return Config(
        models=ModelsConfig(folder="models", default="sonnets"),
        books=BooksConfig.model_validate(books),
        discord=DiscordConfig(owners=[OWNER], cooldown_seconds=0.0),
        home=home,
    )


@asynccontextmanager
async def open_test_app(
    config: Config, trainer: FakeTrainer, shard_range: ShardRange | None = None
) -> AsyncIterator[App]:
    """Open it with a clock that stands still: pauses are as long as they are set."""
    library = make_library(config)
    async with open_app(config, library, trainer, shard_range=shard_range, clock=Clock()) as app:
        yield app


@asynccontextmanager
async def serve(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """Answer every GET on loopback with `answer`; the context has the site's address."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()
