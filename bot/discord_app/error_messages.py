"""What a member reads when something went wrong."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot.core import request_log
from bot.core.errors import BotError, NotAllowed
from bot.core.languages import say, sentence, translate
from bot.core.names import one_line
from bot.discord_app.poem_formatting import MAX_MESSAGE, escape, measure
from bot.discord_app.retries import UnreadableResponse, is_final

log = logging.getLogger(__name__)

CHANGED = sentence(
    "This command has changed. Reload Discord (Ctrl-R, or close and open the app) and try again."
)
NOT_YET_KNOWN = sentence("I am still loading this server. Try again in a minute.")
QUIET_SECONDS = 600.0  # after a line of the log before one of the same cause
MAX_CAUSES = 1000
MAX_BRIEF = 200  # characters of an error: Discord's may have a whole page in it
NO_ANSWER = sentence("Discord is not responding. Try again in a minute.")
FORBIDDEN = sentence(
    "I do not have permission to do that here. Ask a server admin to check my permissions."
)
# The fault is Discord's or the network's, not the bot's.
UNREACHABLE = (
    discord.RateLimited,
    discord.GatewayNotFound,
    UnreadableResponse,
    aiohttp.ClientError,
    ConnectionError,
)


class GuildNotKnown(commands.CheckFailure):
    """A message came from a guild that Discord has not described since the bot connected."""


def brief_error(error: BaseException) -> str:
    """Return what an error says, in one short line.

    >>> brief_error(ValueError("so\\n  much"))
    'ValueError: so much'
    """
    text = one_line(f"{type(error).__name__}: {error}")
    return text if len(text) <= MAX_BRIEF else f"{text[:MAX_BRIEF]}…"


class ThrottledLog:
    """Writes Discord's failures into the log: a line for each cause, not for each member.

    The same cause is logged again after `seconds`.
    """

    def __init__(
        self, seconds: float = QUIET_SECONDS, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._now = now
        again = "" if math.isinf(seconds) else f" at most every {seconds / 60:g} minutes"
        self._note = f"logged{again or ' once'}"
        self._last: dict[tuple[object, ...], float] = {}

    def warn(self, what: str, error: BaseException) -> None:
        """Log that `what` has failed, unless the same cause was logged a short while ago."""
        cause = (what, type(error), getattr(error, "status", 0), getattr(error, "code", 0))
        now = self._now()
        last = self._last.get(cause)
        if last is not None and now - last < self._seconds:
            return
        if len(self._last) >= MAX_CAUSES:
            self._last.clear()
        self._last[cause] = now
        log.warning("%s: %s (%s)", what, brief_error(error), self._note)

    def warn_channel(self, channel_id: int, error: discord.HTTPException) -> None:
        """Log that a channel takes no answer, so that one closed channel does not fill the log."""
        self.warn(f"cannot answer in channel {channel_id}", error)


throttled_log = ThrottledLog()  # of this process


def error_message(error: BaseException, *, room: int = MAX_MESSAGE) -> str:
    """Return a sentence for a member; anything unforeseen is logged under an id they can quote.

    `room` is how many UTF-16 units it may have.
    """
    cause = error
    while isinstance(
        cause,
        commands.CommandInvokeError | app_commands.CommandInvokeError | commands.HybridCommandError,
    ):
        cause = cause.original
    match cause:
        case NotAllowed():
            # It quotes no input, and names channels as Discord does.
            return _fit(translate(cause.sentence), room)
        case BotError():
            return _fit(escape(translate(cause.sentence)), room)  # it may quote a stranger
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            log.warning(
                "Discord has another version of a slash command: %s", _first_sentence(cause)
            )
            return translate(CHANGED)
        case GuildNotKnown():
            return translate(NOT_YET_KNOWN)
        case commands.NoPrivateMessage() | app_commands.NoPrivateMessage():
            return say("This command works only in a server.")
        case commands.MissingRequiredArgument():
            return say("`{option}` is missing. See /help for the usage.", option=cause.param.name)
        case commands.UserInputError() | app_commands.TransformerError():
            return say("I did not understand that. See /help for the usage.")
        case commands.CheckFailure() | app_commands.CheckFailure():
            return say("You may not use this command here.")
        case discord.Forbidden() | discord.NotFound():
            throttled_log.warn("Discord refused what a command needs", cause)
            return translate(FORBIDDEN)
        case _ if _is_discords(cause):
            throttled_log.warn("Discord did not respond", cause)
            return translate(NO_ANSWER)
    with request_log.request() as number:
        log.error("error %s", number, exc_info=cause)
    return say("Something went wrong. Give the bot's admin this ID: {id}", id=number)


def _is_discords(error: BaseException) -> bool:
    """Whether the fault is Discord's; if it rejects a request as wrong, the fault is ours."""
    if isinstance(error, discord.HTTPException):
        return not is_final(error)
    return isinstance(error, UNREACHABLE)


def _first_sentence(error: BaseException) -> str:
    return str(error).partition(". ")[0]


def _fit(sentence: str, room: int) -> str:
    """Cut what a message could not hold, which Discord would refuse whole."""
    if measure(sentence) <= room:
        return sentence
    units = sentence.encode("utf-16-le", "surrogatepass")[: 2 * (room - 1)]
    return units.decode("utf-16-le", "ignore") + "…"
