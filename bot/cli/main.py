"""Reads the arguments, sets up the streams and the log, and calls what was asked for."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import TextIO

from bot import health, logs
from bot.app import make_library, make_poem_service, require_default, tell_memory
from bot.cli import admin, console, model_files, setup, train
from bot.cli.parser import TRAIN, WRONG_USE, make_parser
from bot.config import Config, load_config
from bot.core.core_dumps import take_from_environment
from bot.core.errors import BotError
from bot.core.installation import CONFIG_FILE
from bot.core.machine import read_memory
from bot.core.model_cache import has_compiled
from bot.core.permissions import TERMINAL
from bot.core.proxies import passwords_in, proxy_variables
from bot.core.records import SAMPLING_SETTINGS, PoemRequest
from bot.core.shards import ShardRange
from bot.doors import serve, work
from bot.environment_file import environment_file, read_environment_file, under
from bot.sources import SECRET_VARIABLES
from model import share_one_heap

SERVERS = (None, "worker", "trainer")  # commands that run until they are stopped
WRITERS = (None, "worker", "write", "console")  # those that write poems
INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status; see `bot.__main__`."""
    console.prepare_streams()
    environment = {**os.environ}
    secrets = _take_secrets()
    stderr = logs.guard_stderr(*secrets)
    out, err = logs.for_terminal(sys.stdout), logs.for_terminal(stderr)
    ours, of_training = split_training(sys.argv[1:] if argv is None else list(argv))
    with redirect_stderr(err):
        arguments = make_parser().parse_args(ours)
    level = logging.INFO if arguments.command in SERVERS else logging.WARNING
    if arguments.verbose:
        level = logging.DEBUG
    try:
        kept = read_environment_file(environment_file(arguments.config or CONFIG_FILE))
        environment = under(kept, environment)
        secrets |= {kept.get(name, "") for name in SECRET_VARIABLES}
        logs.guard_stderr(*secrets)
        logs.set_up(arguments.log, level, stderr, secrets=secrets)
        if arguments.command == setup.INIT:
            return setup.run(arguments, environment, out, err)
        if arguments.command == "doctor":
            from bot.doctor import checks  # settings that cannot be read are a finding, too

            return checks.run(
                arguments.config,
                as_json=arguments.json,
                out=out,
                err=err,
                environment=environment,
            )
        if arguments.command == health.COMMAND:
            return health.run(
                arguments.config, arguments.shards, out=sys.stdout, environment=environment
            )
        config = load_config(arguments.config, environment)
        logs.hide(*config.secrets)
        if arguments.command in WRITERS:
            share_one_heap()
        match arguments.command:
            case "models" if arguments.action in model_files.ACTIONS:
                model_files.run(arguments, config, out, err)
            case command if command in admin.COMMANDS:
                asyncio.run(admin.run(arguments, config, out))
                out.flush()
            case "train":
                return train.run(of_training, config)
            case "worker" | "trainer":
                asyncio.run(work(config, arguments.command))
            case "write" | "console":
                _write(config, arguments, out, err)
            case _:
                asyncio.run(serve(config, _shard_range(arguments)))
    except BotError as error:
        err.write(f"{error}\n")
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our stdout, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _shard_range(arguments: argparse.Namespace) -> ShardRange | None:
    return ShardRange.read(arguments.shards) if arguments.shards else None


def _take_secrets() -> set[str]:
    """Remove secrets from the environment and return them; those in files are not known yet."""
    secrets = {take_from_environment(name).strip() for name in SECRET_VARIABLES}
    for name, value in proxy_variables(os.environ).items():
        if found := passwords_in(value):
            take_from_environment(name)
            secrets |= found
    return secrets


def split_training(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return the arguments of the bot, and those of train.py, which follow the command `train`.

    >>> split_training(["--config", "my.toml", "train", "book.txt", "--epochs", "3"])
    (['--config', 'my.toml', 'train'], ['book.txt', '--epochs', '3'])
    """
    command = health.find_command(argv)
    if argv[command : command + 1] != [TRAIN]:
        return argv, []
    return argv[: command + 1], argv[command + 1 :]


def _write(config: Config, arguments: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    library, compiled = make_library(config), has_compiled()
    tell_memory(read_memory(), compiled=compiled)
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
    except KeyboardInterrupt:
        if not compiled:
            err.write("Stopping. What still compiles is finished first, for the next start.\n")
        raise
    finally:
        # Ctrl-C at the very end of a poem leaves the loop half stopped: asyncio then says
        # "Event loop stopped before Future completed", and there is nothing left to wait for.
        with suppress(RuntimeError):
            runner.run(service.close(grace_seconds=0))
        with suppress(RuntimeError):
            runner.close()


def _is_path(model: str) -> bool:
    return (
        model.endswith(".safetensors") or "/" in model or os.sep in model or Path(model).is_file()
    )
