"""Messages that a proxy bot such as PluralKit deletes and posts again through a webhook.

The copy must not be answered a second time, and the answer to the original must not go with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import discord

from bot.core.records import Asker

REPOST_SECONDS = 10.0  # between a message's deletion and its copy, in whichever order
MAX_REMEMBERED = 200  # webhooks' messages and deleted commands


@dataclass(frozen=True, slots=True)
class _Said:
    channel: int
    text: int  # a hash: nobody's words are kept
    time: float  # by the loop's clock
    asker: Asker | None = None


class Reposts:
    """Remembers for some seconds what webhooks said and which commands were deleted."""

    def __init__(self) -> None:
        self._copies: deque[_Said] = deque(maxlen=MAX_REMEMBERED)
        self._deleted: deque[_Said] = deque(maxlen=MAX_REMEMBERED)

    def is_reposted(self, command: discord.Message, asker: Asker) -> bool:
        """Whether a command that was deleted is there again; if not, remember it."""
        said = _said(command, asker)
        if _take(self._copies, said) is not None:
            return True
        self._deleted.append(said)
        return False

    def original_asker(self, copy: discord.Message) -> Asker | None:
        """Return whose deleted command a webhook's message repeats, None if there is none yet.

        The message is remembered: the command may be deleted only later.
        """
        said = _said(copy)
        found = _take(self._deleted, said)
        if found is None and copy.content:
            self._copies.append(said)
        return found.asker if found is not None else None


def _said(message: discord.Message, asker: Asker | None = None) -> _Said:
    text = hash(" ".join(message.content.split()))
    return _Said(message.channel.id, text, asyncio.get_running_loop().time(), asker)


def _take(heard: deque[_Said], said: _Said) -> _Said | None:
    """Take out what was said in the same channel, with the same words, some seconds ago."""
    while heard and said.time - heard[0].time > REPOST_SECONDS:
        heard.popleft()
    found = next((e for e in heard if (e.channel, e.text) == (said.channel, said.text)), None)
    if found is not None:
        heard.remove(found)
    return found
