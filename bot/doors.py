"""The bot as a server: opens the doors that are configured, until a signal asks to stop."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from bot.app import (
    book_proxies,
    data_folder,
    discord_proxy,
    make_library,
    open_app,
    operator_of,
    require_default,
    tell_memory,
)
from bot.config import Config
from bot.core.application import App
from bot.core.core_dumps import forbid_core_dumps, hide_memory
from bot.core.errors import BadConfig
from bot.core.installation import how_to_install
from bot.core.machine import read_memory
from bot.core.metrics import watch_loop_lag
from bot.core.model_cache import has_compiled
from bot.core.model_library import ModelLibrary
from bot.core.poems import PoemService
from bot.core.records import ModelRecord
from bot.core.room import RoomLimits
from bot.core.shards import ShardRange
from bot.sources import TOKEN_VARIABLE

if TYPE_CHECKING:  # imported when they are opened: the command line starts sooner without
    from bot.cluster.start import Cluster
    from bot.discord_app.gateway import IdentifyTurns
    from bot.discord_app.supervisor import ClientSupervisor

log = logging.getLogger("bot")


async def serve(config: Config, shard_range: ShardRange | None = None) -> None:
    """Open every door that is configured; return when a signal asks to stop.

    The page's port is that of the settings plus the first shard of `shard_range`.
    """
    if not config.web.enabled and config.token is None:
        raise BadConfig(
            f"There is nothing to run: {TOKEN_VARIABLE} is not set and the web page is turned "
            "off ([web] enabled in config.toml). Turn one of them on."
        )
    library = make_library(config)
    await asyncio.to_thread(require_default, config, library)
    _tell_proxies(config)
    stop = _stop_signal()
    forbid_core_dumps()
    hide_memory()
    async with (
        _open_cluster(config, library, shard_range) as cluster,
        open_app(
            config,
            library,
            shard_range=shard_range,
            elsewhere=None if cluster is None else cluster.writer,
            trainers=None if cluster is None else cluster.trainers,
        ) as app,
        AsyncExitStack() as doors,
    ):
        service = app.service
        lag = asyncio.create_task(watch_loop_lag(service.metrics))
        doors.callback(lag.cancel)
        if config.web.enabled:  # before the first start compiles, which takes minutes on some
            await _require_port(config, shard_range)
        tell_memory(read_memory(), compiled=has_compiled())
        model = await _warm_up(service, stop)
        if model is None:
            return
        log.info("the model %s (%s) is ready", model.name, model.book)
        # What stays until the end need not be collected again: a full collection stopped
        # the event loop for up to 97 ms, and then for 3.
        gc.collect()
        gc.freeze()
        turns = None if cluster is None else cluster.turns
        discord = _make_supervisor(config, app, shard_range, turns)
        if config.web.enabled:
            await _open_page(config, service, doors, discord, shard_range)
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
        if discord is not None and config.token is not None:
            waits.append(asyncio.create_task(discord.run(config.token.get_secret_value())))
            doors.push_async_callback(discord.close)
        else:
            log.info("not on Discord; to be, set %s (docs/discord.md explains how)", TOKEN_VARIABLE)
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping: poems being written are finished first")
        await service.close(grace_seconds=config.writing.stop_seconds)
    waits[0].cancel()
    await asyncio.gather(*waits[1:])  # raises what ended Discord, such as a refused token


async def _warm_up(service: PoemService, stop: asyncio.Event) -> ModelRecord | None:
    """Load the default model; return None where a signal asked to stop meanwhile."""
    loading = asyncio.ensure_future(service.warm_up())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():
        log.info("stopping: what is being compiled is finished first, and kept for the next start")
    model = await loading
    stopping.cancel()
    return None if stop.is_set() else model


def _tell_proxies(config: Config) -> None:
    """Log what goes through a proxy; raise BadConfig where one cannot be used."""
    books = book_proxies(config)
    for what, proxy in (
        ("Discord is", discord_proxy(config) if config.token else None),
        ("books from https:// addresses are", books.https),
        ("books from http:// addresses are", books.http),
    ):
        if proxy is not None:
            log.info("%s asked for through the proxy %s", what, proxy)


async def work(config: Config, command: str) -> None:
    """Write poems for a cluster, or train for it, until a signal asks to stop."""
    start = _cluster_parts()
    stop = _stop_signal()
    forbid_core_dumps()
    hide_memory()
    run = start.run_worker if command == "worker" else start.run_trainer
    await run(config, stop)


@asynccontextmanager
async def _open_cluster(
    config: Config, library: ModelLibrary, shard_range: ShardRange | None
) -> AsyncIterator[Cluster | None]:
    if not config.cluster.nats:
        yield None
        return
    async with _cluster_parts().open_cluster(config, library, shard_range) as cluster:
        yield cluster


def _cluster_parts() -> ModuleType:
    """Return what a cluster needs; raise BadConfig where its library is not installed."""
    try:
        return importlib.import_module("bot.cluster.start")
    except ModuleNotFoundError as error:
        if error.name != "nats":
            raise
        raise BadConfig(
            "A cluster needs a library that is not installed: " + how_to_install("cluster")
        ) from error


def _stop_signal() -> asyncio.Event:
    """Return an event that Ctrl-C, SIGTERM, or Ctrl-Break on Windows sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(stop.set)

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if number := getattr(signal, name, None):
            try:
                loop.add_signal_handler(number, stop.set)
            except NotImplementedError:  # Windows
                signal.signal(number, note)
    return stop


def _port_of(config: Config, shard_range: ShardRange | None) -> int:
    return config.web.port and config.web.port + (shard_range.first if shard_range else 0)


async def _require_port(config: Config, shard_range: ShardRange | None) -> None:
    """Raise CannotListen where the page cannot be served."""
    from bot.web.addresses import listen

    for listener in await listen(config.web.hosts, _port_of(config, shard_range)):
        listener.close()


async def _open_page(
    config: Config,
    service: PoemService,
    doors: AsyncExitStack,
    discord: ClientSupervisor | None,
    shard_range: ShardRange | None,
) -> None:
    from bot.web.app import create_app
    from bot.web.server import WebServer

    web = config.web
    app = create_app(
        service,
        allowed_hosts=[*web.hosts, *web.allowed_hosts],
        trusted_proxies=web.trusted_proxies,
        metrics_public=web.metrics_public,
        operator=operator_of(config),
        api_key=config.api_key.get_secret_value() if config.api_key else None,
        max_streams_per_client=web.max_streams,
        poems_per_minute=web.poems_per_minute,
        room_limits=RoomLimits(rooms=web.max_rooms),
        shards=None if discord is None else lambda: discord.gateway.health,
    )
    server = await WebServer.open(app, web.hosts, _port_of(config, shard_range))
    doors.push_async_callback(server.cleanup)
    for address in server.described:
        log.info("the page is at %s", address)


def _make_supervisor(
    config: Config, app: App, shard_range: ShardRange | None, turns: IdentifyTurns | None
) -> ClientSupervisor | None:
    if config.token is None:
        return None
    from bot.discord_app.client import SonneteerBot
    from bot.discord_app.gateway import Gateway
    from bot.discord_app.live_message import ReplyTiming
    from bot.discord_app.metrics import DiscordMetrics
    from bot.discord_app.supervisor import ClientSupervisor

    settings, folder, proxy = config.discord, data_folder(config), discord_proxy(config)
    timing = ReplyTiming(edit_seconds=settings.edit_seconds)
    metrics = DiscordMetrics(app.service.metrics.registry)

    def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
        return SonneteerBot(
            app,
            prefix=settings.prefix,
            data_folder=folder,
            message_content=message_content,
            api_url=settings.api_url,
            timing=timing,
            gateway=gateway,
            proxy=proxy,
        )

    return ClientSupervisor(
        make_bot,
        Gateway(shard_range, metrics=metrics, folder=folder, turns=turns),
        message_content=settings.message_content,
    )
