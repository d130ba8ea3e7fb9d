"""A fake Discord with many members: on several servers, in channels and direct messages.

tests/fake_discord.py has one member, who asks in one channel; here everybody has a number, and
each server a channel of its own. A second class has Discord's rate limits, too.
"""

from __future__ import annotations

import json
import time
from typing import Any

from aiohttp import web

from tests.discord_payloads import (
    BOT,
    CHANNEL,
    GUILD,
    Payload,
    channel_payload,
    interaction_payload,
    message_payload,
    user_payload,
)
from tests.fake_discord import FakeDiscord, walk

FIRST_MEMBER = 1_000
DIRECT = 1_000_000  # added to a member's number: the channel of their direct messages
OPTION_TYPES: dict[type, int] = {
    str: 3,
    int: 4,
    bool: 5,
    float: 10,
}  # of an option, as Discord has them
SUBCOMMAND = 1
MANAGE_GUILD = 1 << 5


POEM_MARK = "random seed"  # in the last line of every poem
FOOTER = "\n-# "  # above it; a sentence has none


def is_whole(content: str) -> bool:
    """Whether an answer will not grow any more.

    >>> is_whole("O rose\\n-# writing…"), is_whole("O rose\\n-# sonnets · random seed 7")
    (False, True)
    >>> is_whole("Please wait 4 s before you ask for another poem.")
    True
    """
    return bool(content) and (POEM_MARK in content or FOOTER not in content)


def channel_of(guild: int) -> int:
    return CHANNEL + guild - GUILD


class PopulatedDiscord(FakeDiscord):
    """Members ask by `write`, `command` and `push`, each of which returns the command's number."""

    _looked_through = 0
    _lost: frozenset[int] = frozenset()

    async def say(self, content: str, guild: int = GUILD, **changes: Any) -> int:
        return await self.write(content, FIRST_MEMBER, guild, **changes)

    async def write(self, content: str, member: int, guild: int | None, **changes: Any) -> int:
        """Let a member write a message, a direct one where there is no `guild`."""
        message = message_payload(number := self._next_id(), member, {"content": content})
        if guild is None:
            message["channel_id"] = str(DIRECT + member)
            del message["guild_id"], message["member"]
        else:
            message |= {"guild_id": str(guild), "channel_id": str(channel_of(guild))}
        if f"<@{BOT}>" in content:
            message["mentions"] = [user_payload(BOT, "Sonneteer", bot=True)]
        message.update(changes)
        self.messages[number] = message
        await self.gateway.emit("MESSAGE_CREATE", message)
        return number

    async def command(
        self, name: str, options: dict[str, Any], member: int, guild: int, *, admin: bool = False
    ) -> int:
        """Let a member send a slash command; `name` may be that of a subcommand, too."""
        word, *rest = name.split()
        given = [
            {"name": key, "type": OPTION_TYPES[type(value)], "value": value}
            for key, value in options.items()
        ]
        for part in reversed(rest):
            given = [{"name": part, "type": SUBCOMMAND, "options": given}]
        command = next(one for one in self.commands if one["name"] == word)
        data = {"id": command["id"], "name": word, "type": 1, "options": given}
        event = self._interaction_of(2, data, member, guild, admin=admin)
        await self.gateway.emit("INTERACTION_CREATE", event)
        return int(event["id"])

    async def push(
        self,
        message: Payload,
        label: str,
        member: int,
        guild: int | None = None,
        *,
        admin: bool = False,
    ) -> int:
        """Let a member press a button under a message."""
        buttons = walk(message["components"])
        custom_id = next(one["custom_id"] for one in buttons if one.get("label") == label)
        data = {"custom_id": custom_id, "component_type": 2}
        guild = guild or GUILD + int(message["channel_id"]) - CHANNEL
        event = self._interaction_of(3, data, member, guild, admin=admin) | {"message": message}
        self._pressed[event["token"]] = int(message["id"])
        await self.gateway.emit("INTERACTION_CREATE", event)
        return int(event["id"])

    def has_button(self, message: Payload, label: str) -> bool:
        return any(one.get("label") == label for one in walk(message["components"]))

    def lost_commands(self) -> frozenset[int]:
        """Return those that no session has told the bot of."""
        if len(events := self.gateway.lost_events) > self._looked_through:
            numbers = (event["d"].get("id") for event in events[self._looked_through :])
            self._looked_through = len(events)
            self._lost |= {int(number) for number in numbers if str(number).isdecimal()}
        return self._lost

    def _interaction_of(
        self, kind: int, data: Payload, member: int, guild: int, *, admin: bool
    ) -> Payload:
        event = interaction_payload(self._next_id(), kind, data)
        event["member"]["user"] = user_payload(member, "ann")
        event["member"]["permissions"] = str(MANAGE_GUILD if admin else 0)
        place = {"guild_id": str(guild), "channel_id": str(channel_of(guild))}
        owners = {"authorizing_integration_owners": {"0": str(guild)}}
        return event | place | owners | {"channel": channel_payload(channel_of(guild))}


PER_CHANNEL, WINDOW_SECONDS = 5, 5.0  # of each kind of request to one channel; seen at Discord
EVERYWHERE = 50  # requests a second of one bot; interactions do not count
LIMITED = {("POST", "messages"), ("PATCH", "messages"), ("DELETE", "messages"), ("POST", "typing")}


class Window:
    """How many requests there may be within some seconds, from the first on."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit, self.left, self._seconds = limit, limit, seconds
        self._ends = 0.0

    def wait_seconds(self) -> float:
        """Return how long the next request has to wait, 0 if it may come now."""
        return 0.0 if self.left or not self.reset_seconds else self.reset_seconds

    def take(self) -> None:
        if not self.reset_seconds:
            self._ends, self.left = time.perf_counter() + self._seconds, self.limit
        self.left -= 1

    @property
    def reset_seconds(self) -> float:
        """Return in how many seconds all is allowed again."""
        return max(0.0, self._ends - time.perf_counter())


class RateLimitedDiscord(PopulatedDiscord):
    """Tells the limits of a channel with every answer; answers 429 beyond them."""

    def __init__(self, guilds: tuple[int, ...]) -> None:
        super().__init__(guilds)
        self.latest_request = time.perf_counter()
        self.served = self.refused = 0  # requests
        self._all = Window(EVERYWHERE, 1.0)
        self._windows: dict[tuple[str, str, str], Window] = {}

    async def _act(self, method: str, path: str, body: Any) -> web.Response:
        self.latest_request = time.perf_counter()
        parts = path.strip("/").split("/")
        if parts[0] not in ("interactions", "webhooks"):
            if wait := self._all.wait_seconds():
                return self._refuse(wait, everywhere=True)
            self._all.take()
        if parts[0] != "channels" or (method, *parts[2:3]) not in LIMITED:
            return await self._serve(method, path, body)
        place = (method, parts[1], parts[2])
        window = self._windows.setdefault(place, Window(PER_CHANNEL, WINDOW_SECONDS))
        if wait := window.wait_seconds():
            return self._refuse(wait, everywhere=False)
        window.take()
        answer = await self._serve(method, path, body)
        answer.headers.update(
            {
                "X-RateLimit-Limit": str(window.limit),
                "X-RateLimit-Remaining": str(window.left),
                "X-RateLimit-Reset-After": f"{window.reset_seconds:.3f}",
                "X-RateLimit-Bucket": f"{method}-{parts[2]}",
            }
        )
        return answer

    async def _serve(self, method: str, path: str, body: Any) -> web.Response:
        self.served += 1
        return await super()._act(method, path, body)

    def _refuse(self, wait: float, *, everywhere: bool) -> web.Response:
        self.refused += 1
        told = {"message": "slow down", "retry_after": round(wait, 3), "global": everywhere}
        headers = {
            "Content-Type": "application/json",
            "Via": "1.1 fake",
            "X-RateLimit-Scope": "global" if everywhere else "user",
        }
        return web.Response(body=json.dumps(told).encode(), headers=headers, status=429)
