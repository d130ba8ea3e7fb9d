"""What Discord's answers mean for the bot. Pure: no question is asked here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import discord

from bot.core.policies import Operator
from bot.discord_app.clock import WRONG_SECONDS
from bot.discord_app.commands_sync import FILE_NAME
from bot.discord_app.gateway import RESERVE
from bot.doctor.discord_api import NoResponse
from bot.doctor.discord_permissions import Payload, missing, names_of, uses_of
from bot.doctor.results import CheckResult, failed, first_of, ok, skipped, warning

FEW_STARTS = 100
LATE_SECONDS = 5.0
CONTENT_FLAGS = 1 << 18 | 1 << 19  # GATEWAY_MESSAGE_CONTENT, and _LIMITED: below 100 servers
COPY_AGAIN = (
    "Copy it again from https://discord.com/developers/applications (your application, Bot, Reset "
    "Token) into DISCORD_TOKEN. The old token then stops working."
)
SWITCH_ON = (
    "Slash commands, mentions and direct messages still work. To enable the prefix, go to "
    "https://discord.com/developers/applications, your application, Bot, turn on Message Content "
    "Intent, and restart the bot. To do without it, set message_content = false in config.toml.",
)
SET_CLOCK = (
    "Synchronise it: timedatectl set-ntp true, or your system's date settings. "
    "Cooldowns, certificates and message ages depend on it."
)
DAY_SECONDS = 86_400.0
SHAPES = {
    r"\d+": "It looks like the application ID, not a token.",
    r"[0-9a-f]{64}": "It looks like the application's public key, not a token.",
    r"[\w-]{32}": "It looks like the application's client secret, not a token.",
    r"(?![\w-]+\.[\w-]+\.[\w-]+$).*": "A bot's token has three parts, separated by dots.",
}


def token_fault(token: str) -> str | None:
    """Return what is wrong with a token, as far as one can tell without asking Discord.

    >>> token_fault('"abc"'), token_fault("abc.def.ghi")
    ('has quotes around it; remove them', None)
    """
    if token[0] in "\"'" or token[-1] in "\"'":
        return "has quotes around it; remove them"
    if token.lower().startswith(("bot ", "bearer ")):
        return f"begins with {token.split()[0]!r}; remove that word"
    if not (token.isascii() and token.isprintable()) or " " in token:
        return "contains characters that a token cannot have, such as spaces"
    return None


def explain_refusal(error: NoResponse, token: str) -> CheckResult:
    """Say why Discord did not answer; where it knows no such token, what that may be instead."""
    if error.status != 401:
        return failed("token", str(error), *error.advice)
    hint = next((hint for shape, hint in SHAPES.items() if re.fullmatch(shape, token)), None)
    return failed(
        "token",
        "Discord does not accept DISCORD_TOKEN; it is wrong or was reset",
        *([hint] if hint else []),
        COPY_AGAIN,
    )


def check_application(told: Payload) -> CheckResult:
    """Look for settings in the portal that keep the bot from its commands or its servers."""
    seen = f"{told.get('name')}, application {told['id']}"
    if "1" not in (told.get("integration_types_config") or {"1": {}}):
        seen += "; members cannot install it for themselves (Installation: User Install is off)"
    portal = "Discord Developer Portal, your application,"
    ways = []
    if told.get("interactions_endpoint_url"):
        ways.append(
            "Slash commands and buttons are sent to a web address instead of this bot. "
            f"{portal} General Information: clear Interactions Endpoint URL."
        )
    if told.get("bot_require_code_grant"):
        ways.append(
            f"The invite link does not work. {portal} Bot: turn off Requires OAuth2 Code Grant."
        )
    return failed("application", seen, *ways) if ways else ok("application", seen)


def check_policies(told: Payload, operator: Operator) -> CheckResult:
    """See whether members find the privacy policy and the terms in the bot's profile."""
    pages = {
        "privacy_policy_url": ("privacy policy", "privacy"),
        "terms_of_service_url": ("terms of service", "terms"),
    }
    absent = [names for field, names in pages.items() if not told.get(field)]
    if not absent:
        return ok("policies", "the bot's profile links to its privacy policy and its terms")
    seen = f"the bot's profile has no link to its {' and '.join(title for title, _ in absent)}"
    if not operator.page_url:
        return ok("policies", f"{seen}; Discord asks for both when a bot is in many servers")
    links = " and ".join(operator.link(page) for _, page in absent)
    return warning(
        "policies",
        seen,
        f"Discord Developer Portal, your application, General Information: enter {links}.",
    )


def check_starts(told: Payload) -> CheckResult:
    """Compare what Discord allows with what the bot needs to start."""
    limit, shards = told["session_start_limit"], told["shards"]
    left, total, reset = limit["remaining"], limit["total"], limit["reset_after"] / 60_000
    recommended = f"Discord recommends {shards} shard{'' if shards == 1 else 's'}"
    seen = f"{left:,} of {total:,} daily starts left; {recommended}"
    wait = f"The limit resets in {reset:,.0f} minutes"
    if left <= min(RESERVE, total // 2):
        way = f"{wait}; the bot waits until then. Check its log for why it starts so often."
        return failed("starts", seen, way)
    if left < FEW_STARTS:
        way = f"{wait}. Check the log for why the bot starts so often."
        return warning("starts", seen, way)
    return ok("starts", seen)


def check_intents(told: Payload, *, wanted: bool) -> CheckResult:
    """Compare the portal's message-content intent with config.toml."""
    given = bool(told.get("flags", 0) & CONTENT_FLAGS)
    if wanted and not given:
        return warning("intents", "message content is off, so the prefix does not work", *SWITCH_ON)
    if wanted:
        return ok("intents", "message content is on, so the prefix works")
    portal = "on in the portal" if given else "off in the portal, too"
    seen = f"message content is off in config.toml ({portal}), so the prefix does not work"
    return ok("intents", seen)


def check_commands(known: Sequence[Payload], *, sent: bool) -> CheckResult:
    """See whether Discord has slash commands; `sent` says that this bot has sent them."""
    if known:
        names = ", ".join(sorted(f"/{each['name']}" for each in known if each.get("type", 1) == 1))
        return ok("commands", f"registered: {names}")
    way = "The bot registers them at its first start."
    if sent:
        way = f"Delete {FILE_NAME} in the data folder and restart the bot to register them again."
    return warning("commands", "no slash commands are registered", way)


def check_clock_alone(why: str, now: float, installed: float) -> CheckResult:
    """See whether the clock is behind the day of the installation; `why` Discord's is not known.

    Both in seconds since 1970.
    """
    if installed - now < DAY_SECONDS:
        return skipped("clock", why)
    says, then = (datetime.fromtimestamp(each, UTC).date() for each in (now, installed))
    seen = f"it says {says}, but the program was installed on {then}"
    return failed("clock", seen, SET_CLOCK)


def check_clock(skew: float | None) -> CheckResult:
    """Compare the clocks; `skew` is how many seconds ours is ahead."""
    if skew is None:
        return skipped("clock", "Discord sent no date")
    off = abs(skew)
    seen = f"{off:,.0f} s {'ahead of' if skew > 0 else 'behind'} Discord's"
    if off > WRONG_SECONDS:
        return failed("clock", seen, SET_CLOCK)
    if off > LATE_SECONDS:
        return warning("clock", seen, SET_CLOCK)
    return ok("clock", f"within {max(off, 1):.0f} s of Discord's")


def check_permissions(guilds: Sequence[Payload], invite: str) -> CheckResult:
    """Name the guilds where the bot's roles lack something; a channel may still allow it."""
    if not guilds:
        return warning("permissions", "the bot is not in any server", f"Invite it: {invite}")
    count = f"in {len(guilds):,} server{'' if len(guilds) == 1 else 's'}"
    lines = []
    for guild in guilds:
        lacks = missing(discord.Permissions(int(guild["permissions"])))
        if lacks and not guild.get("owner"):
            lines.append(f"{_called(guild)} lacks {names_of(lacks)}: {uses_of(lacks)}.")
    if not lines:
        return ok("permissions", f"{count}, all permissions granted")
    way = (
        f"Grant them to the bot's role in Server Settings, or open the invite link again: {invite}"
    )
    return warning(
        "permissions", f"{count}, with permissions missing in {len(lines):,}", *first_of(lines), way
    )


def _called(guild: Payload) -> str:
    return f"{guild['name']} ({guild['id']})"
