"""Sends the slash commands to Discord, only when it has others."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import discord
from discord import app_commands

from bot.discord_app.retries import FAILURES
from model import write_durably

log = logging.getLogger(__name__)

FILE_NAME = "discord-commands.json"
FORMAT_VERSION = 1
SLASH = 1  # the type of a command that is typed


async def sync_commands(tree: app_commands.CommandTree[Any], folder: Path | None) -> dict[str, int]:
    """Send the commands unless Discord has them; return the ids of those that it has, by name.

    `folder` remembers what was sent, and which versions Discord made of it: another program with
    the same token may have put its own in their place. A failure is logged and tried again at the
    next start: the other ways of asking still work.
    """
    client = tree.client
    payload = await _payload(tree)
    digest = _hash(
        [[client.application_id, discord.http.Route.BASE], payload]
    )  # and whose they are
    path = folder / FILE_NAME if folder is not None else None
    sent, had = await asyncio.to_thread(_read, path) if path is not None else (None, None)
    if sent == digest:
        known = await _ask(tree)
        if known is None or _versions(known) == had:
            return _ids(known)
        if had is not None:
            log.warning("Discord has other slash commands than this bot sent")
    try:
        if client.application_id is None:
            raise app_commands.MissingApplicationID
        await client.http.bulk_upsert_global_commands(client.application_id, payload=payload)
    except FAILURES as error:
        log.warning("the slash commands could not be sent to Discord: %s", error)
        return {}
    log.info("the slash commands were sent to Discord")
    known = await _ask(tree)
    if path is not None:
        try:
            await asyncio.to_thread(_write, path, digest, _versions(known))
        except OSError as error:
            log.warning(
                "%s cannot be written, so the commands are sent at each start: %s", path, error
            )
    return _ids(known)


async def _ask(tree: app_commands.CommandTree[Any]) -> list[Any] | None:
    """Return the commands that Discord has, None where it does not say."""
    client = tree.client
    if client.application_id is None:
        return None
    try:
        return list(await client.http.get_global_commands(client.application_id))
    except FAILURES as error:
        log.debug("Discord does not say which slash commands it has: %r", error)
        return None


def _versions(known: list[Any] | None) -> str | None:
    """Return a hash of commands: each has an id, and a version that changes with it."""
    if known is None:
        return None
    return _hash(sorted([str(each["id"]), str(each.get("version"))] for each in known))


def _ids(known: list[Any] | None) -> dict[str, int]:
    slash = (each for each in known or () if each.get("type", 1) == SLASH)
    return {str(each["name"]): int(each["id"]) for each in slash}


async def _payload(tree: app_commands.CommandTree[Any]) -> list[dict[str, Any]]:
    """Return the commands as Discord takes them; naming them in all languages takes a while."""
    names = tree.translator
    return [
        command.to_dict(tree)
        if names is None
        else await command.get_translated_payload(tree, names)
        for command in tree.get_commands()
    ]


def _hash(content: object) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> tuple[str | None, str | None]:
    """Return the hashes of what was sent and of what Discord then had, None where not known."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None, None
    if not isinstance(content, dict) or content.get("format") != FORMAT_VERSION:
        return None, None
    return content.get("sha256"), content.get("discord")


def _write(path: Path, digest: str, has: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT_VERSION, "sha256": digest, "discord": has}
    write_durably(path, [json.dumps(content).encode()])
