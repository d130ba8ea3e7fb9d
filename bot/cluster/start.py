"""Joins the parts of a cluster in one process: what a gateway writes with, and a whole worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.app import data_folder, make_library, spare_processors
from bot.cluster.bus import Bus, BusConfig
from bot.cluster.identify import ClusterTurns
from bot.cluster.model_files import ModelFiles
from bot.cluster.remote import ClusterWriter
from bot.cluster.worker import Capacity, PoemWorker
from bot.config import Config
from bot.core.engine_client import EngineClient
from bot.core.errors import BadConfig
from bot.core.fair_queue import QueueLimits
from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.shards import ShardRange

log = logging.getLogger(__name__)

FOLDER = "cluster-models"  # in the data folder: what was fetched
OPEN_WIDE = 10_000


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a gateway has of its cluster."""

    writer: ClusterWriter
    turns: ClusterTurns


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
        await writer.open()
        try:
            yield Cluster(writer, turns)
        finally:
            await writer.close()
            await turns.close()
    finally:
        await bus.close()


async def run_worker(config: Config, stop: asyncio.Event) -> None:
    """Write for the gateways until `stop` is set; raise BadConfig."""
    if not config.cluster.nats:
        raise BadConfig(
            "A worker needs NATS, and [cluster] nats in config.toml is empty. Set it to the "
            "address of the cluster's server, such as nats://10.0.0.1:4222."
        )
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
