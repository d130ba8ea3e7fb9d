"""What admins do at a shell: models, settings, people, backups. Discord has most of it, too.

Reading works while a bot runs. Changes need the data folder, which only one program can use at a
time: stop the bot, or make the change on Discord.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from bot.app import data_folder, make_library, open_data, open_server
from bot.cli import database, model_files
from bot.config import Config
from bot.core.errors import BadSetting
from bot.core.guild_settings import is_snowflake, read_guild_settings
from bot.core.model_library import ModelLibrary
from bot.core.permissions import TERMINAL
from bot.core.records import ModelRecord
from bot.core.store.archive import back_up, restore
from bot.core.store.guilds import GuildStore, read_settings_beside_bot

COMMANDS = ("models", "settings", "forget", "backup", "restore", "database")
NEED_GUILD = ("use", "undo")
CLEAR = "none"


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add what an admin can do at a shell."""
    models = commands.add_parser("models", help="list models; use, remove, measure or export one")
    models.add_argument(
        "--guild", metavar="ID", default="", help="include this server's own models"
    )
    actions = models.add_subparsers(dest="action", metavar="ACTION")
    for action, what in (
        ("info", "show details of a model"),
        ("use", "use a model in a server"),
        ("remove", "delete a model"),
    ):
        actions.add_parser(action, help=what).add_argument("name", metavar="NAME")
    model_files.add_actions(actions)
    actions.add_parser("undo", help="switch a server back to its previous model")
    settings = commands.add_parser("settings", help="show or change a server's settings")
    settings.add_argument("guild", metavar="GUILD", help="the server's ID")
    settings.add_argument("name", metavar="NAME", nargs="?", help="a setting to change")
    settings.add_argument("value", metavar="VALUE", nargs="*", help=f"or {CLEAR!r} for the default")
    forget = commands.add_parser("forget", help="delete what is stored about a member")
    forget.add_argument("member", metavar="MEMBER", help="the member's Discord user ID")
    backup = commands.add_parser(
        "backup", help="back up everything to one file; the bot may be running"
    )
    backup.add_argument("file", type=Path, metavar="FILE")
    restoring = commands.add_parser("restore", help="restore everything from a backup")
    restoring.add_argument("file", type=Path, metavar="FILE")
    database.add_commands(commands)


async def run(arguments: argparse.Namespace, config: Config, out: TextIO) -> None:
    """Do one of COMMANDS; raise the BotError that says why not."""
    _check_numbers(arguments)
    library, data = make_library(config), data_folder(config)
    match arguments.command:
        case "models":
            await _models(arguments, config, library, out)
        case "settings":
            await _settings(arguments, config, library, out)
        case "forget":
            async with open_data(config, library) as app:
                gone = await app.books.forget(f"discord:{arguments.member}")
            print(
                f"Removed the user ID from trainings: {gone.trainings}, models: {gone.models}, "
                f"model choices: {gone.choices}.",
                file=out,
            )
        case "backup":
            if config.cluster.database:
                made = await database.back_up_server(config, library, arguments.file)
            else:
                made = back_up(data, library.shared_folder, arguments.file)
            for name in made.left_out:
                print(f"Skipped {name}: it was being written, or is a link.", file=out)
            print(
                f"{arguments.file}: {_count(made.guild_models, made.shared_models)}, "
                f"{made.size_bytes / 1e6:.1f} MB.",
                file=out,
            )
        case "restore":
            if config.cluster.database:
                back = await database.restore_server(config, library, arguments.file)
            else:
                back = restore(arguments.file, data, library.shared_folder)
            print(
                f"Restored the backup of {back.created}: "
                f"{_count(back.guild_models, back.shared_models)}.",
                file=out,
            )
            if back.aside is not None:
                print(f"The previous data was moved to {back.aside}.", file=out)
        case "database":
            await database.copy(arguments, config, out)


def _count(guild_models: int, shared_models: int) -> str:
    """Say how many models a backup has.

    >>> _count(1, 2)
    '1 server model and 2 shared models'
    """
    servers = f"{guild_models} server model{'' if guild_models == 1 else 's'}"
    return f"{servers} and {shared_models} shared model{'' if shared_models == 1 else 's'}"


def _check_numbers(arguments: argparse.Namespace) -> None:
    """Raise BadSetting where a server's or member's ID is missing or is not a number."""
    action = getattr(arguments, "action", None)
    for name in ("guild", "member"):
        given = getattr(arguments, name, None)
        optional = name == "guild" and arguments.command == "models" and action not in NEED_GUILD
        if given is None or (optional and not given):
            continue
        if not is_snowflake(given):
            raise BadSetting(name, given, "an ID as Discord shows it in developer mode")


async def _models(
    arguments: argparse.Namespace, config: Config, library: ModelLibrary, out: TextIO
) -> None:
    asker = replace(TERMINAL, guild=arguments.guild)
    match arguments.action:
        case None:
            print(render_models(library.models(asker.guild)), file=out)
        case "info":
            model = library.find(arguments.name, asker.guild)
            for name, value in asdict(model).items():
                if name != "losses":
                    print(f"{name.replace('_', ' ')}: {value}", file=out)
            for number, losses in enumerate(model.losses, start=1):
                held_out = "" if losses.held_out is None else f", held-out {losses.held_out:.4f}"
                print(f"epoch {number}: training {losses.running:.4f}{held_out}", file=out)
        case "use":
            async with open_data(config, library) as app:
                model = await app.guild_models.use(asker, arguments.name)
            print(f"Server {asker.guild} now uses {model.name}.", file=out)
        case "undo":
            async with open_data(config, library) as app:
                _, serves = await app.guild_models.undo(asker)
            print(f"Server {asker.guild} uses {serves.name} again.", file=out)
        case "remove":
            async with open_data(config, library) as app:
                name = await app.guild_models.remove(asker, arguments.name)
            print(f"Deleted {name}.", file=out)


async def _settings(
    arguments: argparse.Namespace, config: Config, library: ModelLibrary, out: TextIO
) -> None:
    if arguments.name is None:
        guild_settings = read_guild_settings(await _kept_settings(arguments.guild, config))
    else:
        value = arguments.value[0] if len(arguments.value) == 1 else arguments.value
        wanted = None if value in (CLEAR, []) else value
        asker = replace(TERMINAL, guild=arguments.guild)
        async with open_data(config, library) as app:
            guild_settings = await app.guilds.change(asker, arguments.name, wanted)
    for name, value in asdict(guild_settings).items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        print(f"{name}: {'' if shown is None else shown}".rstrip(), file=out)


async def _kept_settings(guild: str, config: Config) -> Mapping[str, object]:
    """Return what a server has settled, beside a bot that may be running."""
    if not config.cluster.database:
        kept = await asyncio.to_thread(read_settings_beside_bot, data_folder(config))
        return kept.get(guild, {})
    server = await open_server(config, migrates=False)
    try:
        return await GuildStore(server).settings_of(guild)
    finally:
        await server.close()


def render_models(models: tuple[ModelRecord, ...]) -> str:
    """Return a table of what is installed, the default marked with a star."""
    rows = [("", "name", "book", "loss", "size", "date", "hash")]
    for model in models:
        size = f"{model.size_bytes / 2**20:.1f} MB"
        mark = "*" if model.default else ""
        date, loss = model.created[:10], f"{model.loss:.3f}"
        rows.append((mark, model.name, model.book, loss, size, date, model.sha256[:12]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
