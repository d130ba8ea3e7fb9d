"""A fake Discord with many members: on several servers, in channels and direct messages.

tests/fake_discord.py has one member, who asks in one channel; here everybody has a number, and
each server a channel of its own.
"""

from __future__ import annotations

from typing import Any

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
from tests.fake_discord import FakeDiscord

FIRST_MEMBER = 1_000
DIRECT = 1_000_000  # added to a member's number: the channel of their direct messages
KINDS: dict[type, int] = {str: 3, int: 4, bool: 5, float: 10}  # of an option, as Discord has them
SUBCOMMAND = 1
MANAGE_GUILD = 1 << 5


def channel_of(guild: int) -> int:
    return CHANNEL + guild - GUILD


class Town(FakeDiscord):
    """Members ask by `write`, `command` and `push`, each of which returns the command's number."""

    _looked_through = 0
    _lost: frozenset[int] = frozenset()

    async def say(self, content: str, guild: int = GUILD) -> int:
        return await self.write(content, FIRST_MEMBER, guild)

    async def write(self, content: str, member: int, guild: int | None) -> int:
        """Let a member write a message, a direct one where there is no `guild`."""
        message = message_payload(number := self._next_id(), member, {"content": content})
        if guild is None:
            message["channel_id"] = str(DIRECT + member)
            del message["guild_id"], message["member"]
        else:
            message |= {"guild_id": str(guild), "channel_id": str(channel_of(guild))}
        if f"<@{BOT}>" in content:
            message["mentions"] = [user_payload(BOT, "Sonneteer", bot=True)]
        self.messages[number] = message
        await self.gateway.emit("MESSAGE_CREATE", message)
        return number

    async def command(
        self, name: str, options: dict[str, Any], member: int, guild: int, *, admin: bool = False
    ) -> int:
        """Let a member send a slash command; `name` may be that of a subcommand, too."""
        word, *rest = name.split()
        given = [
            {"name": key, "type": KINDS[type(value)], "value": value}
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
        buttons = [one for row in message["components"] for one in row["components"]]
        custom_id = next(one["custom_id"] for one in buttons if one["label"] == label)
        data = {"custom_id": custom_id, "component_type": 2}
        guild = guild or GUILD + int(message["channel_id"]) - CHANNEL
        event = self._interaction_of(3, data, member, guild, admin=admin) | {"message": message}
        self._pressed[event["token"]] = int(message["id"])
        await self.gateway.emit("INTERACTION_CREATE", event)
        return int(event["id"])

    def has_button(self, message: Payload, label: str) -> bool:
        return any(
            one["label"] == label for row in message["components"] for one in row["components"]
        )

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
