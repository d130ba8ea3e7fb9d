"""The command line, and the place where the bot's parts are joined.

python -m bot                 run everything that is configured, until Ctrl-C
python -m bot console         write poems at a prompt: each line is an opening
python -m bot write SEED      write one poem to stdout
python -m bot models          list models; --help shows how to use and remove them
python -m bot settings GUILD  show or change a server's settings
python -m bot forget MEMBER   delete what is stored about a member
python -m bot doctor          check the installation, with advice for each fault
python -m bot backup FILE     back up everything to one file; restore FILE restores it

Exit: 0 done, 1 the doctor found something wrong, 2 wrong use or bad input (one sentence on
stderr), 130 Ctrl-C in console and write.
"""

from __future__ import annotations

from bot.core.core_dumps import forbid_core_dumps, hide_memory, take_from_environment

if __name__ == "__main__":  # before anything that takes time: until then others can read the token
    hide_memory()
    forbid_core_dumps()

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, redirect_stderr, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from bot import logs
from bot.app import (
    data_folder,
    make_library,
    make_poem_service,
    open_app,
    open_data,
    require_default,
)
from bot.cli import admin, console
from bot.config import TOKEN_VARIABLE, Config, load_config, unused_proxies
from bot.core.application import App
from bot.core.errors import BadConfig, BotError
from bot.core.metrics import watch_loop_lag
from bot.core.permissions import TERMINAL
from bot.core.poems import PoemService
from bot.core.records import FORMS, FREE, RANGES, SAMPLING_SETTINGS, PoemRequest
from bot.core.shards import ShardRange

if TYPE_CHECKING:  # imported when they are opened: the command line starts sooner without
    from bot.discord_app.supervisor import ClientSupervisor

log = logging.getLogger("bot")

WRONG_USE = 2
INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


class Parser(argparse.ArgumentParser):
    """Answers wrong use with one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"{message}. See: {self.prog} --help\n")


def make_parser() -> Parser:
    parser = Parser(prog="python -m bot", description="Sonneteer, a bot that writes verse.")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings; default: config.toml"
    )
    parser.add_argument(
        "--shards",
        metavar="A-B/N",
        help="serve shards A to B of N; other processes on the same data folder serve the rest",
    )
    parser.add_argument(
        "--log", choices=logs.STYLES, default="text", help="how to log, on stderr; default: text"
    )
    parser.add_argument("--verbose", action="store_true", help="also log every step of a request")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    prompt = commands.add_parser("console", help="write poems at a prompt: each line is an opening")
    write = commands.add_parser("write", help="write one poem to stdout")
    write.add_argument("seed", metavar="SEED", help='opening words; "" for a random opening')
    write.add_argument(
        "--card", type=Path, metavar="FILE", help="also save a picture of it, as a PNG file"
    )
    write.add_argument("--json", action="store_true", help="print one JSON object on one line")
    for command in (prompt, write):
        _add_settings(command)
    doctor = commands.add_parser(
        "doctor", help="check the installation, with advice for each fault"
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    admin.add_commands(commands)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME|FILE", help="default: the one in config.toml")
    parser.add_argument("--random-seed", type=int, metavar="N", help=str(RANGES["random_seed"]))
    for setting in SAMPLING_SETTINGS:
        option = f"--{setting.name.replace('_', '-')}"
        if setting.kind is bool:
            parser.add_argument(option, action="store_true", help=setting.help)
        else:
            text, metavar = setting.help or str(RANGES[setting.name]), "NX"[setting.kind is float]
            parser.add_argument(option, type=setting.kind, metavar=metavar, help=text)
    parser.add_argument(
        "--stop", action="append", default=[], metavar="TEXT", help="stop before TEXT; repeatable"
    )
    parser.add_argument("--form", metavar="NAME", help=f"{', '.join(FORMS)} or {FREE}")
    parser.add_argument(
        "--avoid",
        action="append",
        default=[],
        metavar="WORD",
        help="keep WORD out of the poem; repeatable",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--chars", type=int, metavar="N", help=str(RANGES["characters"]))
    length.add_argument("--lines", type=int, metavar="N", help=str(RANGES["lines"]))


def main(argv: Sequence[str] | None = None) -> int:
    console.prepare_streams()
    environment = {**os.environ}
    token = take_from_environment(TOKEN_VARIABLE).strip()
    stderr = logs.guard_stderr(token)
    out, err = logs.for_terminal(sys.stdout), logs.for_terminal(stderr)
    with redirect_stderr(err):
        arguments = make_parser().parse_args(argv)
    level = logging.INFO if arguments.command is None else logging.WARNING
    if arguments.verbose:
        level = logging.DEBUG
    logs.set_up(arguments.log, level, stderr, token=token)
    try:
        if arguments.command == "doctor":
            from bot.doctor import checks  # settings that cannot be read are a finding, too

            return checks.run(
                arguments.config,
                as_json=arguments.json,
                out=out,
                err=err,
                environment=environment,
            )
        config = load_config(arguments.config, environment)
        match arguments.command:
            case command if command in admin.COMMANDS:
                asyncio.run(_at_the_shell(config, arguments, out))
            case "write" | "console":
                _write(config, arguments, out, err)
            case _:
                asyncio.run(
                    serve(config, ShardRange.read(arguments.shards) if arguments.shards else None)
                )
    except BotError as error:
        err.write(f"{error}\n")
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our stdout, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


async def _at_the_shell(config: Config, arguments: argparse.Namespace, out: TextIO) -> None:
    library = make_library(config)
    await admin.run(
        arguments,
        library=library,
        data=data_folder(config),
        open_data=lambda: open_data(config, library),
        out=out,
    )
    out.flush()


def _write(config: Config, arguments: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    library = make_library(config)
    model = arguments.model
    if model is None:
        require_default(config, library)
    elif _is_path(model):
        model = library.add_file(Path(model)).sha256
    request = PoemRequest(
        asker=TERMINAL,
        seed=getattr(arguments, "seed", ""),
        model=model,
        random_seed=arguments.random_seed,
        lines=arguments.lines,
        characters=arguments.chars,
        sampling={each.name: getattr(arguments, each.name) for each in SAMPLING_SETTINGS},
        stop=tuple(arguments.stop),
        form=arguments.form,
        avoid=tuple(arguments.avoid),
    )
    service = make_poem_service(config, library)
    runner = asyncio.Runner()
    try:
        if arguments.command == "write":
            as_json, card = arguments.json, arguments.card
            runner.run(console.write_poem(service, request, out, err, as_json=as_json, card=card))
        else:
            console.run_prompt(service, request, runner.run, lines=sys.stdin, out=out, err=err)
    finally:
        # Ctrl-C at the very end of a poem leaves the loop half stopped: asyncio then says
        # "Event loop stopped before Future completed", and there is nothing left to wait for.
        with suppress(RuntimeError):
            runner.run(service.close(grace_seconds=0))
        with suppress(RuntimeError):
            runner.close()


def _is_path(model: str) -> bool:
    return model.endswith(".safetensors") or os.sep in model or Path(model).is_file()


async def serve(config: Config, shard_range: ShardRange | None = None) -> None:
    """Open every door that is configured; return when a signal asks to stop.

    With a `share` of Discord's shards the page is on the port so many higher as the first has.
    """
    if not config.web.enabled and config.token is None:
        raise BadConfig(
            f"There is nothing to run: {TOKEN_VARIABLE} is not set and the web page is turned "
            "off ([web] enabled in config.toml). Turn one of them on."
        )
    library = make_library(config)
    await asyncio.to_thread(require_default, config, library)
    if sentence := unused_proxies():
        log.warning(sentence)
    stop = _stop_signal()
    forbid_core_dumps()
    hide_memory()
    async with (
        open_app(config, library, shard_range=shard_range) as app,
        AsyncExitStack() as doors,
    ):
        service = app.service
        lag = asyncio.create_task(watch_loop_lag(service.metrics))
        doors.callback(lag.cancel)
        model = await service.warm_up()
        log.info("the model %s (%s) is ready", model.name, model.book)
        # What stands until the end need not be looked through again: a full collection stopped
        # the event loop for up to 97 ms, and then for 3.
        gc.collect()
        gc.freeze()
        discord = _make_supervisor(config, app, shard_range)
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
    await asyncio.gather(*waits[1:])  # whatever ended Discord for good is told


def _stop_signal() -> asyncio.Event:
    """Return an event that Ctrl-C or SIGTERM sets."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows, where Ctrl-C raises KeyboardInterrupt
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


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
        allowed_hosts=[web.host, *web.allowed_hosts],
        trusted_proxies=web.trusted_proxies,
        metrics_public=web.metrics_public,
        max_streams_per_client=web.max_streams,
        poems_per_minute=web.poems_per_minute,
        shards=None if discord is None else lambda: discord.health,
    )
    port = web.port and web.port + (shard_range.first if shard_range else 0)
    server = await WebServer.open(app, web.host, port)
    doors.push_async_callback(server.cleanup)
    for host, port, *_ in server.addresses:
        log.info("the page is at http://%s:%d", f"[{host}]" if ":" in host else host, port)


def _make_supervisor(
    config: Config, app: App, shard_range: ShardRange | None
) -> ClientSupervisor | None:
    if config.token is None:
        return None
    from bot.discord_app.client import SonneteerBot
    from bot.discord_app.gateway import Gateway
    from bot.discord_app.live_message import ReplyTiming
    from bot.discord_app.metrics import DiscordMetrics
    from bot.discord_app.supervisor import ClientSupervisor

    settings, folder = config.discord, data_folder(config)
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
        )

    return ClientSupervisor(
        make_bot,
        Gateway(shard_range, metrics=metrics, folder=folder),
        message_content=settings.message_content,
    )


if __name__ == "__main__":
    sys.exit(main())
