"""Builds the app from its settings; the entry points add the doors."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from yarl import URL

from bot.config import Config
from bot.core.application import VERSION, App
from bot.core.engine_client import EngineClient
from bot.core.engine_worker import RemoteWriter
from bot.core.errors import BadConfig
from bot.core.fair_queue import QueueLimits
from bot.core.fetching.addresses import Trust
from bot.core.fetching.client import FetchRules
from bot.core.fetching.fetcher import Fetcher
from bot.core.fetching.gutenberg import Gutenberg
from bot.core.fetching.process import SandboxedClient
from bot.core.guilds import Guilds, utc_now
from bot.core.installation import COMMAND, ROOT, how_to_install
from bot.core.machine import COMPILING_BYTES, Memory, count_processors
from bot.core.metrics import Metrics
from bot.core.model_library import GuildModels, ModelLibrary
from bot.core.permissions import Permissions
from bot.core.poems import PoemService
from bot.core.policies import Operator
from bot.core.ports import GuildPreferences
from bot.core.proxies import Proxies, Proxy, read_proxies
from bot.core.records import Defaults
from bot.core.shards import ALL_SHARDS, ShardRange
from bot.core.store.any_database import AnyDatabase
from bot.core.store.books import BookStore
from bot.core.store.database import FILE_NAME, Database
from bot.core.store.days import DayStore
from bot.core.store.guilds import GuildStore
from bot.core.store.kept import KeptStore
from bot.core.store.lock import lock_folder
from bot.core.store.poems import PoemStore
from bot.core.store.server_address import Login, ServerAddress
from bot.core.training.process import (
    ExclusiveTrainer,
    ProcessTrainer,
    Trainer,
    TrainersElsewhere,
)
from bot.core.training.queue import TrainingQueue
from bot.core.training_requests import BookLimits, TrainingRequests

if TYPE_CHECKING:  # imported where a server is named: it needs a library of its own
    from bot.core.store.postgres import PostgresDatabase

log = logging.getLogger(__name__)

SHIPPED = ROOT / "model" / "pretrained"
USER_AGENT = f"Sonneteer/{VERSION} (a Discord bot that writes verse)"


def data_folder(config: Config) -> Path:
    return config.home / config.data.folder


def operator_of(config: Config) -> Operator:
    return Operator(**config.operator.model_dump())


def make_library(config: Config, private: Path | None = None) -> ModelLibrary:
    """Return what is installed; `private` has the models of strangers, in a folder for each."""
    return ModelLibrary(
        [config.home / config.models.folder],
        shipped=SHIPPED,
        default=config.models.default,
        private=private or data_folder(config) / "guilds",
    )


def require_default(config: Config, library: ModelLibrary) -> None:
    """Raise BadConfig where the default model of config.toml is not installed."""
    installed = [model.name for model in library.models()]
    if config.models.default not in installed:
        choice = f"Choose one of: {', '.join(installed)}." if installed else "None is installed."
        raise BadConfig(
            f"models.default in config.toml is {config.models.default!r}, "
            f"and no usable model of that name is installed. {choice}"
        )


def tell_memory(memory: Memory, *, compiled: bool) -> None:
    """Log that the first start may take more memory than there is, before it is killed for it."""
    free = memory.total if memory.available is None else memory.available
    if not compiled and free is not None and free < COMPILING_BYTES:
        log.warning(
            "the first start takes some %d MB of memory, because it compiles, and %d MB are free: "
            "if it is killed, stop other programs or raise the limit for this once",
            COMPILING_BYTES // 1_000_000,
            free // 1_000_000,
        )


def make_poem_service(
    config: Config,
    library: ModelLibrary | None = None,
    *,
    metrics: Metrics | None = None,
    preferences: GuildPreferences | None = None,
    permissions: Permissions | None = None,
    elsewhere: RemoteWriter | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> PoemService:
    """Join library, engine and limits; nothing is loaded yet. `clock` tells seconds.

    With a writer `elsewhere` this process writes itself only on the threads that are asked for.
    """
    writing = config.writing
    metrics = metrics or Metrics()
    limits = QueueLimits(**{each.name: getattr(writing, each.name) for each in fields(QueueLimits)})
    defaults = Defaults(writing.lines, writing.sampling, writing.form, writing.verse_temperature)
    return PoemService(
        library or make_library(config),
        EngineClient(
            metrics,
            limits=limits,
            max_models=config.models.max_loaded,
            max_bytes=config.models.max_loaded_megabytes * 1_000_000,
            threads=writing.threads or (0 if elsewhere else spare_processors()),
            elsewhere=elsewhere,
        ),
        metrics,
        defaults=defaults,
        preferences=preferences,
        permissions=permissions,
        cooldown_seconds={"discord": config.discord.cooldown_seconds},
        clock=clock,
    )


@asynccontextmanager
async def open_app(
    config: Config,
    library: ModelLibrary,
    trainer: Trainer | None = None,
    *,
    shard_range: ShardRange | None = None,
    elsewhere: RemoteWriter | None = None,
    trainers: TrainersElsewhere | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[App]:
    """Open the data folder and continue the trainings of an earlier run; raise DataFolderUnusable.

    With a `shard_range`, other processes may serve the rest on the same folder. Poems that are
    being written at the end are cut short; to have them finished, close the service first.
    """
    async with open_data(
        config,
        library,
        trainer,
        shard_range=shard_range,
        elsewhere=elsewhere,
        trainers=trainers,
        clock=clock,
        serves=True,
    ) as app:
        await app.training_requests.open()
        try:
            yield app
        finally:
            await app.training_requests.close()
            await app.service.close(grace_seconds=0)


@asynccontextmanager
async def open_data(
    config: Config,
    library: ModelLibrary,
    trainer: Trainer | None = None,
    *,
    shard_range: ShardRange | None = None,
    elsewhere: RemoteWriter | None = None,
    trainers: TrainersElsewhere | None = None,
    clock: Callable[[], float] = time.monotonic,
    serves: bool = False,
) -> AsyncIterator[App]:
    """Open the data folder and join everything; nothing is started, which is all a shell needs.

    What `serves` has its shards alone, also where several machines have one database.
    """
    folder = data_folder(config)
    async with open_database(config, shard_range, serves=serves) as database:
        books, metrics = BookStore(database, shard_range or ALL_SHARDS), Metrics()
        metrics.build.info({"version": VERSION, "shards": str(shard_range or "")})
        trainer = trainer or make_trainer(config)
        permissions = Permissions(frozenset(f"discord:{owner}" for owner in config.discord.owners))
        guilds = await Guilds.read(GuildStore(database), permissions)
        database.watch(guilds.read_again)
        guild_models = GuildModels(library, guilds, books)
        training_queue = TrainingQueue(
            books,
            ExclusiveTrainer(trainer, folder / "training") if shard_range else trainer,
            folder / "jobs",
            metrics,
            install=guild_models.install,
            withdraw=guild_models.withdraw,
            now=utc_now,
            max_seconds=60 * config.books.max_minutes,
            elsewhere=trainers,
        )
        fetcher = make_fetcher(config)
        training_requests = TrainingRequests(
            library,
            guilds,
            books,
            training_queue,
            fetcher=fetcher,
            gutenberg=Gutenberg(fetcher, template=config.books.gutenberg, folder=folder / "books"),
            incoming=folder / (f"incoming-{shard_range.first}" if shard_range else "incoming"),
            limits=BookLimits(
                **{each.name: getattr(config.books, each.name) for each in fields(BookLimits)}
            ),
        )
        service = make_poem_service(
            config,
            library,
            metrics=metrics,
            preferences=guilds,
            permissions=permissions,
            elsewhere=elsewhere,
            clock=clock,
        )
        half_poems = PoemStore(database, shard_range or ALL_SHARDS)
        yield App(
            service,
            training_requests,
            guild_models,
            guilds,
            books,
            half_poems,
            DayStore(database),
            KeptStore(database),
            operator_of(config),
            clock,
            clock(),
        )


@asynccontextmanager
async def open_database(
    config: Config, shard_range: ShardRange | None = None, *, serves: bool = False
) -> AsyncIterator[AnyDatabase]:
    """Open the database of an installation and lock its data folder.

    Raises DataFolderUnusable, DatabaseUnusable, and BadConfig where a library is missing.
    """
    folder = data_folder(config)
    if not config.cluster.database:
        file = await Database.open(folder, shard_range)
        try:
            yield file
        finally:
            await file.close()
        return
    lock = await asyncio.to_thread(lock_folder, folder, shard_range)
    try:
        if (folder / FILE_NAME).exists():
            log.warning(
                "%s is not used, as [cluster] database names a server; to bring it there: "
                "%s database copy %s %s",
                *(folder / FILE_NAME, COMMAND, folder, config.cluster.database),
            )
        server = await open_server(config, shard_range=shard_range, serves=serves)
        lock.let_others_start()
        try:
            yield server
        finally:
            await server.close()
    finally:
        lock.release()


async def open_server(
    config: Config,
    address: str = "",
    *,
    shard_range: ShardRange | None = None,
    serves: bool = False,
    alone: bool = False,
    migrates: bool = True,
) -> PostgresDatabase:
    """Open the database on the server that is named, in the settings if not as `address`.

    For `alone` and `migrates` see `Claim` and `PostgresDatabase.open`. Raises DatabaseUnusable, and
    BadConfig where a library is missing.
    """
    postgres = postgres_module()
    claim = postgres.Claim(serves, shard_range, alone)
    opened: PostgresDatabase = await postgres.PostgresDatabase.open(
        server_login(config, address), claim, migrates=migrates
    )
    return opened


def server_login(config: Config, address: str = "") -> Login:
    """Return how to log in to a server: that of the settings, or of a sound `address`."""
    password = config.database_password
    return Login(
        ServerAddress.read(address or config.cluster.database),
        password.get_secret_value() if password else None,
    )


def postgres_module() -> ModuleType:
    """Return the module that speaks to a server; raise BadConfig where a library is missing."""
    try:
        return importlib.import_module("bot.core.store.postgres")
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise BadConfig(
            "A database on a server needs a library that is not installed: "
            + how_to_install("cluster")
        ) from error


def discord_proxy(config: Config) -> Proxy | None:
    """Return the proxy that Discord is asked through; raise BadConfig for one of another kind."""
    return _proxies(config, config.discord.proxy).choose(URL(config.discord.api_url))


def book_proxies(config: Config) -> Proxies:
    """Return the proxies that books are fetched through; raise BadConfig as `discord_proxy`."""
    return _proxies(config, config.books.proxy)


def _proxies(config: Config, setting: str) -> Proxies:
    variables = {name: value.get_secret_value() for name, value in config.proxies.items()}
    password = config.proxy_password.get_secret_value() if config.proxy_password else ""
    return read_proxies(setting, variables, config.proxy_user, password)


def make_fetcher(config: Config) -> Fetcher:
    """Return a fetcher of books, limited to what the settings allow."""
    books = config.books
    trust = Trust(books.gutenberg, tuple(books.allowed_hosts), tuple(books.forbidden_networks))
    rules = FetchRules(
        USER_AGENT, books.max_bytes, books.fetch_seconds, trust, book_proxies(config)
    )
    return Fetcher(SandboxedClient(rules), max_bytes=books.max_bytes)


def make_trainer(config: Config) -> Trainer:
    """Return what trains on this machine."""
    return ProcessTrainer(threads=config.books.threads or spare_processors())


def spare_processors() -> int:
    """Return how many processors are left where one is for everything else, at least one."""
    return max(int(count_processors()) - 1, 1)
