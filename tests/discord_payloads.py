"""What Discord sends about users, guilds, messages and interactions, as far as it is needed."""

from __future__ import annotations

from typing import Any

APPLICATION, BOT, GUILD, CHANNEL, MEMBER = 10, 11, 20, 30, 40
JOINED = "2026-01-01T00:00:00+00:00"

Payload = dict[str, Any]


def user_payload(user_id: int, name: str, *, bot: bool = False) -> Payload:
    return {
        "id": str(user_id),
        "username": name,
        "discriminator": "0",
        "global_name": name,
        "avatar": None,
        "bot": bot,
    }


def application_payload(*, message_content: bool = False) -> Payload:
    owner = user_payload(MEMBER, "ann")
    texts = {"name": "Sonneteer", "description": "", "verify_key": "", "icon": None}
    approved = 1 << 18 if message_content else 0
    flags = {"bot_public": True, "bot_require_code_grant": False, "flags": approved}
    return {"id": str(APPLICATION), "owner": owner, "team": None, **texts, **flags}


def channel_payload(channel: int = CHANNEL) -> Payload:
    return {
        "id": str(channel),
        "type": 0,
        "name": "verse",
        "position": 0,
        "permission_overwrites": [],
        "nsfw": False,
        "parent_id": None,
    }


def guild_of_another() -> Payload:
    """Return the guild as it is where the member neither owns nor manages it."""
    guild = guild_payload()
    everyone = {**guild["roles"][0], "permissions": "0"}
    return {**guild, "owner_id": str(CHANNEL), "roles": [everyone]}


def guild_payload(guild: int = GUILD) -> Payload:
    everyone = {"id": str(guild), "name": "@everyone", "permissions": str(2**53 - 1)}
    look = {"color": 0, "hoist": False, "position": 0, "managed": False, "mentionable": False}
    return {
        "id": str(guild),
        "name": "Readers",
        "owner_id": str(MEMBER),
        "roles": [{**everyone, **look}],
        "channels": [channel_payload(CHANNEL + guild - GUILD)],
        "member_count": 2,
        **{key: [] for key in ("members", "emojis", "stickers", "features", "threads")},
        **{key: [] for key in ("voice_states", "presences", "stage_instances")},
    }


def own_guild_payload(
    number: int = GUILD, name: str = "Readers", permissions: int = 2**53 - 1
) -> Payload:
    """Return a guild as the list of the bot's own has it."""
    return {"id": str(number), "name": name, "owner": False, "permissions": str(permissions)}


def interaction_payload(number: int, kind: int, data: Payload) -> Payload:
    member = {"roles": [], "joined_at": JOINED, "deaf": False, "mute": False, "flags": 0}
    return {
        "id": str(number),
        "application_id": str(APPLICATION),
        "type": kind,
        "token": f"interaction-{number}",
        "version": 1,
        "guild_id": str(GUILD),
        "channel_id": str(CHANNEL),
        "channel": channel_payload(),
        "member": {**member, "user": user_payload(MEMBER, "ann"), "permissions": "0"},
        "data": data,
        "locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(GUILD)},
        "context": 0,
        "attachment_size_limit": 10_000_000,
    }


def message_payload(number: int, author: int, body: Payload) -> Payload:
    by_bot = author == BOT
    return {
        "id": str(number),
        "type": 0,
        "channel_id": str(CHANNEL),
        "guild_id": str(GUILD),
        "author": user_payload(author, "Sonneteer" if by_bot else "ann", bot=by_bot),
        "member": {"roles": [], "joined_at": JOINED, "deaf": False, "mute": False, "flags": 0},
        "content": body.get("content") or "",
        "components": body.get("components", []),
        "flags": body.get("flags", 0),
        "timestamp": JOINED,
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        **{key: [] for key in ("mentions", "mention_roles", "attachments", "embeds")},
        "pinned": False,
    }
