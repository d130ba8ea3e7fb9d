"""How the parts are put together from their settings; the entry points add the doors."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from bot.config import Config
from bot.core.bookcase import Bookcase
from bot.core.desk import BookLimits, Desk
from bot.core.errors import BadConfig
from bot.core.fetching.addresses import Trust
from bot.core.fetching.client import Rules
from bot.core.fetching.fetcher import Fetcher
from bot.core.fetching.gutenberg import Gutenberg
from bot.core.fetching.remote import ClientApart
from bot.core.guilds import Guilds, utc_now
from bot.core.household import VERSION, Household
from bot.core.library import Library
from bot.core.line import Limits
from bot.core.metrics import Metrics
from bot.core.office import Office
from bot.core.poet import EnginePoet
from bot.core.ports import Ways
from bot.core.records import Defaults
from bot.core.rights import Rights
from bot.core.service import Service
from bot.core.share import WHOLE, Share
from bot.core.store.book_rows import BookRows
from bot.core.store.database import Database
from bot.core.store.guild_rows import GuildRows
from bot.core.store.poem_rows import PoemRows
from bot.core.training.child import ChildTrainer, Trainer
from bot.core.training.foreman import Foreman
from bot.core.training.turns import TakingTurns

SHIPPED = Path(__file__).resolve().parent.parent / "model" / "pretrained"
USER_AGENT = f"Sonneteer/{VERSION} (a Discord bot that writes verse)"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the doors talk to."""

    service: Service
    office: Office


def data_folder(config: Config) -> Path:
    return config.home / config.data.folder


def compose_library(config: Config) -> Library:
    return Library(
        [config.home / config.models.folder],
        shipped=SHIPPED,
        default=config.models.default,
        private=data_folder(config) / "guilds",
    )


def require_default(config: Config, library: Library) -> None:
    """Raise BadConfig where the default model of config.toml is not installed."""
    installed = [model.name for model in library.models()]
    if config.models.default not in installed:
        choice = f"Choose one of: {', '.join(installed)}." if installed else "None is installed."
        raise BadConfig(
            f"models.default in config.toml is {config.models.default!r}, "
            f"and no usable model of that name is installed. {choice}"
        )


def compose_service(
    config: Config,
    library: Library | None = None,
    *,
    metrics: Metrics | None = None,
    ways: Ways | None = None,
    rights: Rights | None = None,
) -> Service:
    """Join library, poet and limits; nothing is loaded yet."""
    writing = config.writing
    metrics = metrics or Metrics()
    limits = Limits(**{each.name: getattr(writing, each.name) for each in fields(Limits)})
    defaults = Defaults(**{each.name: getattr(writing, each.name) for each in fields(Defaults)})
    return Service(
        library or compose_library(config),
        EnginePoet(
            metrics,
            limits=limits,
            max_models=config.models.max_loaded,
            max_bytes=config.models.max_loaded_megabytes * 1_000_000,
        ),
        metrics,
        defaults=defaults,
        ways=ways,
        rights=rights,
        cooldown_seconds={"discord": config.discord.cooldown_seconds},
    )


@asynccontextmanager
async def open_parts(
    config: Config,
    library: Library,
    trainer: Trainer | None = None,
    *,
    share: Share | None = None,
) -> AsyncIterator[Parts]:
    """Open the data folder and join everything; the trainings are taken up.

    With a `share` other processes may serve theirs on the same folder.
    Raises DataFolderUnusable. Poems that are being written at the end are cut short: whoever
    wants them finished closes the service before.
    """
    folder = data_folder(config)
    database = await Database.open(folder, share)
    try:
        rows, metrics = BookRows(database, share or WHOLE), Metrics()
        metrics.build.info({"version": VERSION, "shards": str(share or "")})
        trainer = trainer or ChildTrainer(threads=_training_threads(config))
        rights = Rights(frozenset(f"discord:{owner}" for owner in config.discord.owners))
        guilds = await Guilds.read(GuildRows(database), rights)
        bookcase = Bookcase(library, guilds, rows)
        foreman = Foreman(
            rows,
            TakingTurns(trainer, folder / "training") if share else trainer,
            folder / "jobs",
            metrics,
            install=bookcase.install,
            withdraw=bookcase.withdraw,
            now=utc_now,
            max_seconds=60 * config.books.max_minutes,
        )
        fetcher = compose_fetcher(config)
        desk = Desk(
            library,
            guilds,
            rows,
            foreman,
            fetcher=fetcher,
            gutenberg=Gutenberg(fetcher, template=config.books.gutenberg, folder=folder / "books"),
            incoming=folder / (f"incoming-{share.first}" if share else "incoming"),
            limits=BookLimits(
                **{each.name: getattr(config.books, each.name) for each in fields(BookLimits)}
            ),
        )
        service = compose_service(config, library, metrics=metrics, ways=guilds, rights=rights)
        await desk.open()
        try:
            poems = PoemRows(database, share or WHOLE)
            household = Household(guilds, rows, metrics)
            yield Parts(service, Office(desk, bookcase, household, poems))
        finally:
            await desk.close()
            await service.close(grace_seconds=0)
    finally:
        await database.close()


@asynccontextmanager
async def open_shelves(
    config: Config, library: Library
) -> AsyncIterator[tuple[Bookcase, Household]]:
    """Open the data folder for an admin at the shell; nothing is trained or written."""
    database = await Database.open(data_folder(config))
    try:
        rows = BookRows(database)
        guilds = await Guilds.read(GuildRows(database))
        yield Bookcase(library, guilds, rows), Household(guilds, rows, Metrics())
    finally:
        await database.close()


def compose_fetcher(config: Config) -> Fetcher:
    """Return what fetches books from anywhere that the settings allow."""
    books = config.books
    trust = Trust(books.gutenberg, tuple(books.allowed_hosts), tuple(books.forbidden_networks))
    rules = Rules(USER_AGENT, books.max_bytes, books.fetch_seconds, trust)
    return Fetcher(ClientApart(rules), max_bytes=books.max_bytes)


def _training_threads(config: Config) -> int:
    return config.books.threads or max((os.cpu_count() or 2) - 1, 1)
