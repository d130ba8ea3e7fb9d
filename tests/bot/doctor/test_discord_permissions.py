"""What the bot may do in a channel, by Discord's rules."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.discord_app.client import PERMISSIONS
from bot.doctor.discord_permissions import USES, allowed_in, missing_in, uses_of

ME, EVERYONE, POETS, ADMINS = "11", "20", "51", "52"
SEND, FILES = 1 << 11, 1 << 15
ALL = PERMISSIONS.value
GUILD = {
    "id": EVERYONE,
    "owner_id": "40",
    "roles": [
        {"id": EVERYONE, "permissions": str(ALL & ~FILES)},
        {"id": POETS, "permissions": str(FILES)},
        {"id": ADMINS, "permissions": str(discord.Permissions(administrator=True).value)},
    ],
}


def member(*roles: str) -> dict[str, Any]:
    return {"user": {"id": ME}, "roles": list(roles)}


def channel(*overwrites: tuple[str, int, int]) -> dict[str, Any]:
    """Return a channel of (whose, allowed, denied)."""
    keys = ("id", "allow", "deny")
    return {
        "permission_overwrites": [dict(zip(keys, map(str, o), strict=True)) for o in overwrites]
    }


@pytest.mark.parametrize(
    ("roles", "overwrites", "lacks"),
    [
        ((), (), ["attach_files"]),
        ((POETS,), (), []),
        ((POETS,), ((EVERYONE, 0, SEND),), ["send_messages"]),
        ((POETS,), ((EVERYONE, 0, SEND), (POETS, SEND, 0)), []),
        ((), ((EVERYONE, 0, SEND), (POETS, SEND, 0)), ["send_messages", "attach_files"]),
        ((POETS,), ((POETS, 0, FILES), (ME, FILES, 0)), []),
        ((POETS,), ((ME, 0, FILES),), ["attach_files"]),
        ((ADMINS,), ((EVERYONE, 0, ALL),), []),
    ],
)
def test_overwrites_count_from_everyone_over_roles_to_the_member(
    roles: tuple[str, ...], overwrites: tuple[tuple[str, int, int], ...], lacks: list[str]
) -> None:
    assert missing_in(GUILD, member(*roles), channel(*overwrites), thread=False) == lacks


def test_an_owner_may_do_everything() -> None:
    allowed = allowed_in({**GUILD, "owner_id": ME}, member(), channel((EVERYONE, 0, ALL)))
    assert allowed == discord.Permissions.all()


def test_a_thread_needs_another_permission_than_a_channel() -> None:
    in_threads = discord.Permissions(send_messages_in_threads=True).value
    told = channel((EVERYONE, 0, SEND | in_threads))
    assert missing_in(GUILD, member(POETS), told, thread=True) == ["send_messages_in_threads"]
    assert missing_in(GUILD, member(POETS), told, thread=False) == ["send_messages"]


def test_every_permission_that_the_bot_asks_for_has_its_use_told() -> None:
    assert set(USES) == {name for name, wanted in PERMISSIONS if wanted}


def test_who_sees_nothing_hears_of_that_alone() -> None:
    assert uses_of(["read_messages", "attach_files"]) == USES["read_messages"][1]
    assert uses_of(["send_messages", "send_messages_in_threads"]) == USES["send_messages"][1]
