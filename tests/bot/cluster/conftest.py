"""Gateways and workers in one process, on a NATS server of loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.core.engine_client import EngineClient
from bot.core.fair_queue import QueueLimits
from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.records import ModelRecord
from model import save_model
from tests.nats_server import NATS_SERVER, WITHOUT, NatsServer
from tests.verse_words import verse_model

nats = pytest.importorskip("nats", reason="nats-py is not installed: requirements-cluster.txt")

from bot.cluster import file_store, identify, remote, worker  # noqa: E402
from bot.cluster.bus import Bus, BusConfig  # noqa: E402
from bot.cluster.model_files import ModelFiles  # noqa: E402
from bot.cluster.remote import ClusterWriter  # noqa: E402
from bot.cluster.worker import Capacity, PoemWorker  # noqa: E402

LIMITS = QueueLimits(max_rows=20, max_waiting=20, max_per_guild=20, max_per_member=20)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever is lost be missed within parts of a second."""
    for module in (remote, worker):
        monkeypatch.setattr(module, "BEAT_SECONDS", 0.1)
        monkeypatch.setattr(module, "GONE_SECONDS", 1.0)
    monkeypatch.setattr(remote, "LOST_SECONDS", 0.5)
    monkeypatch.setattr(identify, "CLAIM_SECONDS", 2.0)
    monkeypatch.setattr(identify, "IDENTIFY_SECONDS", 0.3)
    monkeypatch.setattr(identify, "MARGIN_SECONDS", 0.2)
    monkeypatch.setattr(identify, "PROMPT_SECONDS", 0.1)
    monkeypatch.setattr(identify, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(file_store, "TRANSFER_SECONDS", 5.0)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    if NATS_SERVER is None:
        pytest.skip(WITHOUT)
    server = NatsServer(tmp_path / "nats")
    await server.start()
    yield server
    await server.stop(kill=True)


@dataclass(frozen=True, slots=True)
class Machine:
    """A gateway, or a worker, with models and a folder of its own."""

    bus: Bus
    client: EngineClient
    library: ModelLibrary
    poem_worker: PoemWorker | None = None

    @property
    def model(self) -> ModelRecord:
        return self.library.find(None)


MakeMachine = Callable[..., Awaitable[Machine]]


@pytest.fixture
async def machine(tmp_path: Path, server: NatsServer) -> AsyncIterator[MakeMachine]:
    """Return a function that starts a machine: `machine("a", worker=True)`."""
    async with AsyncExitStack() as running:

        async def start(
            name: str, *, is_worker: bool = False, threads: int = 1, has_model: bool = True
        ) -> Machine:
            home = tmp_path / name
            (home / "models").mkdir(parents=True)
            if has_model:
                small = verse_model()
                save_model(
                    home / "models" / "small.safetensors",
                    *(small.network, small.tensors, small.vocabulary, small.card),
                    lexicon=small.lexicon,
                )
            fetched = home / "fetched"
            library = ModelLibrary(
                [home / "models"], shipped=home / "shipped", default="small", private=fetched
            )
            bus = await Bus.connect(BusConfig(server.address, "tests"), name)
            running.push_async_callback(bus.close)
            files = ModelFiles(bus, library, fetched, "tests")
            if not is_worker:
                writer = ClusterWriter(bus, files)
                await writer.open()
                client = EngineClient(Metrics(), limits=LIMITS, threads=0, elsewhere=writer)
                running.push_async_callback(client.close)
                await client.load(library.find(None))
                return Machine(bus, client, library)
            capacity = Capacity(threads, LIMITS.max_rows)
            client = EngineClient(
                Metrics(), limits=replace(LIMITS, max_rows=40), max_models=2, threads=threads
            )
            poem_worker = PoemWorker(bus, client, files, capacity)
            await poem_worker.open()
            running.push_async_callback(poem_worker.close, 0.0)
            return Machine(bus, client, library, poem_worker)

        yield start
