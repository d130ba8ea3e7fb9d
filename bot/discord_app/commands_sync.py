"""Telling Discord which slash commands there are, only when they have changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import discord
from discord import app_commands

from bot.discord_app.trying import FAILURES

log = logging.getLogger(__name__)

FILE_NAME = "discord-commands.json"
FORMAT_VERSION = 1


async def sync_commands(tree: app_commands.CommandTree[Any], folder: Path | None) -> bool:
    """Send the commands unless `folder` remembers the same ones; return whether they were sent.

    A failure is logged and tried again at the next start: the other ways of asking still work.
    """
    digest = _digest(tree)
    path = folder / FILE_NAME if folder is not None else None
    if path is not None and await asyncio.to_thread(_read, path) == digest:
        return False
    try:
        await tree.sync()
    except FAILURES as error:
        log.warning("the slash commands could not be sent to Discord: %s", error)
        return False
    log.info("the slash commands were sent to Discord")
    if path is not None:
        try:
            await asyncio.to_thread(_write, path, digest)
        except OSError as error:
            log.warning(
                "%s cannot be written, so the commands are sent at each start: %s", path, error
            )
    return True


def _digest(tree: app_commands.CommandTree[Any]) -> str:
    """Return a hash of the commands and of whose they are."""
    payload = [command.to_dict(tree) for command in tree.get_commands()]
    whose = [tree.client.application_id, discord.http.Route.BASE]
    text = json.dumps([whose, payload], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> str | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    known = isinstance(content, dict) and content.get("format") == FORMAT_VERSION
    return str(content.get("sha256")) if known else None


def _write(path: Path, digest: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"format": FORMAT_VERSION, "sha256": digest}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
