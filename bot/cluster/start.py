"""Joins the parts of a cluster in one process: a gateway's, a whole worker, a whole trainer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.app import data_folder, make_library, make_trainer, spare_processors
from bot.cluster.bus import Bus, BusConfig
from bot.cluster.identify import ClusterTurns
from bot.cluster.model_files import ModelFiles
from bot.cluster.remote import ClusterWriter
from bot.cluster.remote_trainer import RemoteTrainer
from bot.cluster.trainer import TrainingMachine
from bot.cluster.training_orders import TrainingOrders
from bot.cluster.worker import Capacity, PoemWorker
from bot.config import Config
from bot.core.engine_client import EngineClient
from bot.core.errors import BadConfig
from bot.core.fair_queue import QueueLimits
from bot.core.installation import has_extra, how_to_install
from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.shards import ShardRange
from bot.core.store.lock import lock_for_trainer

log = logging.getLogger(__name__)

FOLDER, TRAININGS = "cluster-models", "cluster-trainings"  # in the data folder
OPEN_WIDE = 10_000


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a gateway has of its cluster."""

    writer: ClusterWriter
    turns: ClusterTurns
    trainers: RemoteTrainer


@asynccontextmanager
async def open_cluster(
    config: Config, library: ModelLibrary, shard_range: ShardRange | None
) -> AsyncIterator[Cluster]:
    """Connect a gateway; raise BadConfig where NATS cannot be used or the shards are taken."""
    bus = await Bus.connect(_bus_config(config), "gateway")
    try:
        turns = ClusterTurns(bus, config.cluster.name)
        await turns.open(shard_range)
        writer = ClusterWriter(bus, _files(config, library, bus))
        orders = TrainingOrders(bus, config.cluster.name)
        trainers = RemoteTrainer(bus, orders, may_train_here=config.cluster.gateway_trains)
        await trainers.open()
        await writer.open()
        try:
            yield Cluster(writer, turns, trainers)
        finally:
            await trainers.close()
            await writer.close()
            await turns.close()
    finally:
        await bus.close()


async def run_worker(config: Config, stop: asyncio.Event) -> None:
    """Write for the gateways until `stop` is set; raise BadConfig."""
    _require_nats(config, "A worker")
    library = make_library(config, private=data_folder(config) / FOLDER)
    bus = await Bus.connect(_bus_config(config), "worker")
    capacity = Capacity(config.writing.threads or spare_processors(), config.writing.max_rows)
    client = EngineClient(
        Metrics(),
        limits=QueueLimits(
            max_rows=capacity.max_rows + capacity.poems + capacity.lines,
            max_waiting=OPEN_WIDE,
            max_per_guild=OPEN_WIDE,
            max_per_member=OPEN_WIDE,
        ),
        max_models=config.models.max_loaded,
        max_bytes=config.models.max_loaded_megabytes * 1_000_000,
        threads=capacity.threads,
    )
    worker = PoemWorker(bus, client, _files(config, library, bus), capacity)
    try:
        await client.load(await asyncio.to_thread(library.find, None))
        await worker.open()
        log.info("the worker %s writes on %d threads", bus.id[:8], capacity.threads)
        await stop.wait()
        log.info("stopping: poems being written are finished first")
    finally:
        await worker.close(config.writing.stop_seconds)
        await bus.close()


async def run_trainer(config: Config, stop: asyncio.Event) -> None:
    """Train for the gateways until `stop` is set; raise BadConfig and DataFolderUnusable."""
    _require_nats(config, "A trainer")
    if not has_extra("train"):
        raise BadConfig(
            "A trainer needs libraries that are not installed: " + how_to_install("train")
        )
    folder = data_folder(config)
    lock = await asyncio.to_thread(lock_for_trainer, folder)
    try:
        bus = await Bus.connect(_bus_config(config), "trainer")
        try:
            machine = TrainingMachine(
                bus,
                TrainingOrders(bus, config.cluster.name),
                make_trainer(config),
                folder / TRAININGS,
                max_book_bytes=config.books.max_bytes,
                max_seconds=60 * config.books.max_minutes,
            )
            log.info("the trainer %s waits for trainings", bus.id[:8])
            await machine.run(stop)
        finally:
            await bus.close()
    finally:
        lock.release()


def _require_nats(config: Config, who: str) -> None:
    if not config.cluster.nats:
        raise BadConfig(
            f"{who} needs NATS, and [cluster] nats in config.toml is empty. Set it to the "
            "address of the cluster's server, such as nats://10.0.0.1:4222."
        )


def _files(config: Config, library: ModelLibrary, bus: Bus) -> ModelFiles:
    return ModelFiles(bus, library, data_folder(config) / FOLDER, config.cluster.name)


def _bus_config(config: Config) -> BusConfig:
    password = config.nats_password
    return BusConfig(
        config.cluster.nats,
        config.cluster.name,
        config.nats_user,
        "" if password is None else password.get_secret_value(),
        config.cluster.ca_file,
    )
