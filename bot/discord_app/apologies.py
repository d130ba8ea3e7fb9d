"""What a member is told when something went wrong."""

from __future__ import annotations

import logging

import discord
from discord import app_commands
from discord.ext import commands

from bot.core import tracing
from bot.core.errors import BotError, NotAllowed
from bot.discord_app.replies import MAX_MESSAGE, escape, measure

log = logging.getLogger(__name__)

CHANGED = (
    "This command has changed. Reload Discord (Ctrl-R, or close and open the app) and try again."
)
NOT_YET_KNOWN = "Discord has not told me about this server yet. Ask again in a minute."


class GuildNotKnown(commands.CheckFailure):
    """A message came from a guild that Discord has not described since the bot connected."""


def sentence_for(error: BaseException) -> str:
    """Return a sentence for a member; anything unforeseen is logged under an id they can quote."""
    cause = error
    while isinstance(
        cause,
        commands.CommandInvokeError | app_commands.CommandInvokeError | commands.HybridCommandError,
    ):
        cause = cause.original
    match cause:
        case NotAllowed():
            return _fit(str(cause))  # nobody is quoted, and channels are named as Discord does
        case BotError():
            return _fit(escape(str(cause)))  # it may quote what a stranger typed
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            log.warning("Discord knows another version of a slash command: %s", _brief(cause))
            return CHANGED
        case GuildNotKnown():
            return NOT_YET_KNOWN
        case commands.NoPrivateMessage() | app_commands.NoPrivateMessage():
            return "This command works on servers only."
        case commands.MissingRequiredArgument():
            return f"`{cause.param.name}` is missing. !help and /help show how to ask."
        case commands.UserInputError() | app_commands.TransformerError():
            return "I could not read that. !help and /help show how to ask."
        case commands.CheckFailure() | app_commands.CheckFailure():
            return "You may not use this command here."
    with tracing.request() as number:
        log.error("error %s", number, exc_info=cause)
    return f"Something went wrong on my side. Whoever runs me finds it in the log as {number}."


def _brief(error: BaseException) -> str:
    return str(error).partition(". ")[0]


def _fit(sentence: str) -> str:
    """Cut what a message could not hold, which Discord would refuse whole."""
    if measure(sentence) <= MAX_MESSAGE:
        return sentence
    units = sentence.encode("utf-16-le", "surrogatepass")[: 2 * (MAX_MESSAGE - 1)]
    return units.decode("utf-16-le", "ignore") + "…"


class LoggedOnce:
    """Complains once per channel, so that one closed channel does not fill the log."""

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._seen: set[int] = set()

    def warn(self, channel_id: int, error: discord.HTTPException) -> None:
        if channel_id in self._seen or len(self._seen) >= self._limit:
            return
        self._seen.add(channel_id)
        log.warning(
            "cannot answer in channel %d (HTTP %d, code %d); said once per channel",
            channel_id,
            error.status,
            error.code,
        )
