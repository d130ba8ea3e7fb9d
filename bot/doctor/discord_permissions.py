"""What the bot may do where, worked out from what Discord tells; and what fails without. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord

from bot.discord_app.client import PERMISSIONS

# As Discord's settings call them, and what does not work without.
USES = {
    "read_messages": ("View Channels", "it sees no messages; only slash commands work"),
    "send_messages": ("Send Messages", "it answers only slash commands"),
    "send_messages_in_threads": (
        "Send Messages in Threads",
        "in threads it answers only slash commands",
    ),
    "attach_files": ("Attach Files", "cards, charts and model files cannot be sent"),
    "read_message_history": (
        "Read Message History",
        "it cannot reply to a message or find its own message about a training",
    ),
}
THREADS = (10, 11, 12)  # types of channels: of announcements, public, private

Payload = Mapping[str, Any]


def missing(allowed: discord.Permissions) -> list[str]:
    """Return the permissions that the bot lacks, by discord.py's names."""
    if allowed.administrator:
        return []
    return [name for name, wanted in PERMISSIONS if wanted and not getattr(allowed, name)]


def names_of(permissions: list[str]) -> str:
    return ", ".join(USES[name][0] for name in permissions)


def uses_of(permissions: list[str]) -> str:
    """Say what fails; without a visible channel the rest does not matter."""
    if "read_messages" in permissions:
        permissions = ["read_messages"]
    elif "send_messages" in permissions:  # of threads the same is true
        permissions = [name for name in permissions if name != "send_messages_in_threads"]
    return "; ".join(USES[name][1] for name in permissions)


def allowed_in(guild: Payload, member: Payload, channel: Payload) -> discord.Permissions:
    """Return what a member may do in a channel, its overwrites counted in.

    https://discord.com/developers/docs/topics/permissions#permission-overwrites
    """
    me, everyone = str(member["user"]["id"]), str(guild["id"])
    roles = {everyone, *map(str, member["roles"])}
    granted = (int(role["permissions"]) for role in guild["roles"] if str(role["id"]) in roles)
    allowed = discord.Permissions.none()
    for permissions in granted:
        allowed |= discord.Permissions(permissions)
    if str(guild.get("owner_id")) == me or allowed.administrator:
        return discord.Permissions.all()
    overwrites = {str(each["id"]): each for each in channel.get("permission_overwrites", [])}
    of_roles = [each for key, each in overwrites.items() if key in roles - {everyone}]
    steps = ([overwrites[everyone]] if everyone in overwrites else [], of_roles)
    for step in (*steps, [overwrites[me]] if me in overwrites else []):
        denied = allows = 0
        for each in step:
            denied |= int(each["deny"])
            allows |= int(each["allow"])
        allowed = discord.Permissions((allowed.value & ~denied) | allows)
    return allowed


def missing_in(guild: Payload, member: Payload, channel: Payload, *, thread: bool) -> list[str]:
    """Return what a member lacks in a channel, or in a thread of it."""
    unused = "send_messages" if thread else "send_messages_in_threads"
    return [name for name in missing(allowed_in(guild, member, channel)) if name != unused]
