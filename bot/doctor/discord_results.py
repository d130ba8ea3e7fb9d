"""What Discord's answers mean for the bot. Pure: no question is asked here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import discord

from bot.discord_app.clock import WRONG_SECONDS
from bot.discord_app.commands_sync import FILE_NAME
from bot.discord_app.gateway import RESERVE
from bot.doctor.discord_api import NoResponse
from bot.doctor.discord_permissions import missing, names_of, uses_of
from bot.doctor.results import CheckResult, failed, first_of, ok, skipped, warning

Payload = Mapping[str, Any]

FEW_STARTS = 100
LATE_SECONDS = 5.0
CONTENT_FLAGS = 1 << 18 | 1 << 19  # GATEWAY_MESSAGE_CONTENT, and _LIMITED: below 100 servers
COPY_AGAIN = (
    "Copy it again into DISCORD_TOKEN: https://discord.com/developers/applications, your "
    "application, Bot, Reset Token. An older one then counts no more."
)
SWITCH_ON = (
    "Slash commands, mentions and direct messages work without. To have the prefix, too: "
    "https://discord.com/developers/applications, your application, Bot, Message Content Intent; "
    "then restart. To do without it: message_content = false in config.toml.",
)
SHAPES = {
    r"\d+": "It is a number, as the application's id is.",
    r"[0-9a-f]{64}": "It looks like the application's public key.",
    r"[\w-]{32}": "It looks like the application's client secret.",
    r"(?![\w-]+\.[\w-]+\.[\w-]+$).*": "A bot's token has three parts with dots between.",
}


def token_fault(token: str) -> str | None:
    """Return what is wrong with a token that nobody need be asked about.

    >>> token_fault('"abc"'), token_fault("abc.def.ghi")
    ('has quotes around it; set it without', None)
    """
    if token[0] in "\"'" or token[-1] in "\"'":
        return "has quotes around it; set it without"
    if token.lower().startswith(("bot ", "bearer ")):
        return f"begins with {token.split()[0]!r}; set the token alone"
    if not (token.isascii() and token.isprintable()) or " " in token:
        return "has characters that no token has, such as spaces"
    return None


def explain_refusal(error: NoResponse, token: str) -> CheckResult:
    """Say why Discord did not answer; where it knows no such token, what that may be instead."""
    if error.status != 401:
        return failed("token", str(error), *error.advice)
    hint = next((hint for shape, hint in SHAPES.items() if re.fullmatch(shape, token)), None)
    return failed(
        "token",
        "Discord does not know it: DISCORD_TOKEN is wrong, or was reset",
        *([hint] if hint else []),
        COPY_AGAIN,
    )


def check_application(told: Payload) -> CheckResult:
    """Look for settings in the portal that keep the bot from its commands or its servers."""
    seen = f"{told.get('name')}, application {told['id']}"
    portal = "Discord Developer Portal, your application,"
    ways = []
    if told.get("interactions_endpoint_url"):
        ways.append(
            "Slash commands and buttons go to a web address instead of this bot. "
            f"{portal} General Information: empty Interactions Endpoint URL."
        )
    if told.get("bot_require_code_grant"):
        ways.append(
            f"The invite link does not work. {portal} Bot: switch off Requires OAuth2 Code Grant."
        )
    return failed("application", seen, *ways) if ways else ok("application", seen)


def check_starts(told: Payload) -> CheckResult:
    """Compare what Discord allows with what the bot needs to start."""
    limit, shards = told["session_start_limit"], told["shards"]
    left, total, reset = limit["remaining"], limit["total"], limit["reset_after"] / 60_000
    recommended = f"Discord recommends {shards} shard{'' if shards == 1 else 's'}"
    seen = f"{left:,} of {total:,} starts a day are left; {recommended}"
    wait = f"New ones come in {reset:,.0f} minutes"
    if left <= min(RESERVE, total // 2):
        way = f"{wait}; the bot waits for them by itself. See in its log why it starts so often."
        return failed("starts", seen, way)
    if left < FEW_STARTS:
        way = f"{wait}. See in the log why the bot starts so often."
        return warning("starts", seen, way)
    return ok("starts", seen)


def check_intents(told: Payload, *, wanted: bool) -> CheckResult:
    """Compare the portal's message-content intent with config.toml."""
    given = bool(told.get("flags", 0) & CONTENT_FLAGS)
    if wanted and not given:
        return warning("intents", "message content is off, so the prefix does not work", *SWITCH_ON)
    if wanted:
        return ok("intents", "message content is on, so the prefix works")
    could = "on in the portal" if given else "off in the portal"
    seen = f"message content is not asked for ({could}); the prefix does not work"
    return ok("intents", seen)


def check_commands(known: Sequence[Payload], *, sent: bool) -> CheckResult:
    """See whether Discord has slash commands; `sent` says that this bot has sent them."""
    if known:
        names = ", ".join(sorted(f"/{each['name']}" for each in known if each.get("type", 1) == 1))
        return ok("commands", f"Discord knows {names}")
    way = "The bot registers them at its first start."
    if sent:
        way = f"Delete {FILE_NAME} in the data folder and start the bot again: it sends them anew."
    return warning("commands", "Discord knows no slash command of this bot", way)


def check_clock(skew: float | None) -> CheckResult:
    """Compare the clocks; `skew` is how many seconds ours is ahead."""
    if skew is None:
        return skipped("clock", "Discord has told no time")
    off = abs(skew)
    seen = f"{off:,.0f} s {'ahead of' if skew > 0 else 'behind'} Discord's"
    way = (
        "Set it by the network: timedatectl set-ntp true, or your system's date settings. "
        "Cooldowns, certificates and the ages of messages go by it."
    )
    if off > WRONG_SECONDS:
        return failed("clock", seen, way)
    if off > LATE_SECONDS:
        return warning("clock", seen, way)
    return ok("clock", f"within {max(off, 1):.0f} s of Discord's")


def check_permissions(guilds: Sequence[Payload], invite: str) -> CheckResult:
    """Name the guilds where the bot's roles lack something; a channel may still allow it."""
    if not guilds:
        return warning("permissions", "the bot is on no server", f"Invite it: {invite}")
    count = f"on {len(guilds):,} server{'' if len(guilds) == 1 else 's'}"
    lines = []
    for guild in guilds:
        lacks = missing(discord.Permissions(int(guild["permissions"])))
        if lacks and not guild.get("owner"):
            lines.append(f"{_called(guild)} lacks {names_of(lacks)}: {uses_of(lacks)}.")
    if not lines:
        return ok("permissions", f"{count}, all that it needs")
    way = f"Server Settings, Roles, the bot's role; or open the invite link again: {invite}"
    return warning(
        "permissions", f"{count}; {len(lines):,} of them lack some", *first_of(lines), way
    )


def _called(guild: Payload) -> str:
    return f"{guild['name']} ({guild['id']})"
