"""The database of several machines at a shell: copied to a server and back, backed up, restored."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from bot.app import data_folder, open_server, postgres_module
from bot.config import Config
from bot.core.errors import BadConfig, CannotWrite, DatabaseUnusable
from bot.core.model_library import ModelLibrary
from bot.core.store import server_address
from bot.core.store.archive import BackupSummary, RestoreSummary, back_up, restore
from bot.core.store.rebuild import Unsound
from bot.core.store.server_address import ServerAddress

if TYPE_CHECKING:
    from bot.core.store.postgres import PostgresDatabase

FILES = (
    "Models' files, books and trainings under way are in the data folder and were not copied. "
    "Poems that were half written are not copied either."
)


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    database = commands.add_parser("database", help="copy the database to a server, or back")
    actions = database.add_subparsers(dest="action", metavar="ACTION", required=True)
    copying = actions.add_parser(
        "copy", help="copy all rows into an empty database while no bot runs"
    )
    place = "a data folder, or postgresql://USER@HOST/NAME"
    copying.add_argument("source", metavar="FROM", help=place)
    copying.add_argument("target", metavar="TO", help=place)


async def copy(arguments: argparse.Namespace, config: Config, out: TextIO) -> None:
    """Copy all rows from one place to the other; raise the BotError that says why not."""
    _check(arguments.source)
    _check(arguments.target)
    postgres_module()  # before anything is opened
    from bot.core.store.transfer import copy_rows

    places: list[Path | PostgresDatabase] = []
    async with AsyncExitStack() as stack:
        for text in (arguments.source, arguments.target):
            if "://" not in text:
                places.append(Path(text))
                continue
            source = text is arguments.source
            server = await open_server(config, text, alone=True, migrates=not source)
            stack.push_async_callback(server.close)
            places.append(server)
        counts = await copy_rows(*places)
    rows = ", ".join(f"{table} {count:,}" for table, count in counts.items())
    print(f"Copied and compared: {rows}.", file=out)
    print(FILES, file=out)


def _check(text: str) -> None:
    if "://" not in text:
        return
    try:
        ServerAddress.read(text)
    except ValueError:
        raise BadConfig(
            "FROM and TO of database copy must be data folders or addresses of databases: "
            f"{server_address.ALLOWED}."
        ) from None


async def back_up_server(config: Config, library: ModelLibrary, file: Path) -> BackupSummary:
    """Back up the database on a server, with the models of this machine's data folder."""
    server = await open_server(config, migrates=False)
    try:
        from bot.core.store.transfer import dump

        with tempfile.TemporaryDirectory(prefix="sonneteer-") as folder:
            rows = Path(folder) / "rows"
            try:
                await dump(server, rows)
            except Unsound as error:
                raise DatabaseUnusable(server.login.address, str(error)) from error
            except OSError as error:
                raise CannotWrite(rows, error.strerror or str(error)) from error
            return await asyncio.to_thread(
                back_up, data_folder(config), library.shared_folder, file, rows
            )
    finally:
        await server.close()


async def restore_server(config: Config, library: ModelLibrary, file: Path) -> RestoreSummary:
    """Replace the rows on a server, and the models of this machine's data folder."""
    server = await open_server(config, alone=True)
    loop = asyncio.get_running_loop()
    try:
        from bot.core.store.transfer import replace_rows

        def put(rows: Path, aside: Path) -> None:
            asyncio.run_coroutine_threadsafe(replace_rows(rows, server, aside), loop).result()

        return await asyncio.to_thread(
            restore, file, data_folder(config), library.shared_folder, put
        )
    finally:
        await server.close()
