"""What Discord has to say about the bot: its token, its rights, its commands, the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.core.installation import COMMAND
from bot.core.policies import NOBODY_NAMED, Operator
from bot.core.proxies import Proxy
from bot.discord_app.client import invite_url
from bot.doctor.discord_api import TIMEOUT_SECONDS, DiscordApi, NoResponse
from bot.doctor.discord_permissions import THREADS, missing_in, names_of, uses_of
from bot.doctor.discord_results import (
    COPY_AGAIN,
    check_application,
    check_clock,
    check_clock_alone,
    check_commands,
    check_intents,
    check_permissions,
    check_policies,
    check_starts,
    explain_refusal,
    token_fault,
)
from bot.doctor.results import CheckResult, failed, first_of, ok, skipped, warning

TOKEN = "token"  # noqa: S105 - what is looked at
LATER = ("application", "policies", "starts", "intents", "permissions", "commands", "clock")
MAX_LOOKED = 20  # guilds whose channels are looked at
MAX_CHANNELS = 10  # of one guild
PAGE = 200  # guilds that Discord tells at once
MAX_GUILDS = 10_000
NOT_ASKED = "no token"
TO_CONNECT = (
    "To connect to Discord, create a token at https://discord.com/developers/applications (your "
    "application, Bot, Reset Token) and start the bot with the environment variable DISCORD_TOKEN "
    f"set to it, or give it to {COMMAND} init. See docs/discord.md."
)


@dataclass(frozen=True, slots=True)
class DiscordFacts:
    """What is known of the bot before Discord is asked."""

    token: str | None
    api_url: str
    proxy: Proxy | None = None  # through which Discord is asked
    message_content: bool = False
    operator: Operator = NOBODY_NAMED
    needed: bool = False  # whether there is nothing to run without Discord
    commands_sent: bool = False  # as far as the data folder remembers
    installed: float = field(default_factory=lambda: Path(__file__).stat().st_mtime)
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # for poems, by guild


async def check_discord(
    facts: DiscordFacts,
    *,
    now: Callable[[], float] = time.time,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> list[CheckResult]:
    """Ask Discord everything; what cannot be asked is said to be so."""
    token = facts.token
    if token is None:
        clock = check_clock_alone(NOT_ASKED, now(), facts.installed)
        if facts.needed:
            seen = "there is nothing to run: DISCORD_TOKEN is not set and the web page is off"
            return [failed(TOKEN, seen, TO_CONNECT), clock]
        seen = "DISCORD_TOKEN is not set; only the web page and the terminal work"
        return [warning(TOKEN, seen, TO_CONNECT), clock]
    if (fault := token_fault(token)) is not None:
        found = failed(TOKEN, f"DISCORD_TOKEN {fault}", COPY_AGAIN)
        return [found, *(skipped(name, "no token") for name in LATER)]
    async with DiscordApi.open(
        facts.api_url, token, proxy=facts.proxy, now=now, timeout_seconds=timeout_seconds
    ) as api:
        try:
            me = await api.get("users/@me")
        except NoResponse as error:
            why = "Discord did not respond"
            later = [skipped(name, why) for name in LATER]
            if api.skew is None:
                later[-1] = check_clock_alone(why, now(), facts.installed)
            else:
                later[-1] = check_clock(api.skew)
            return [explain_refusal(error, token), *later]
        found = ok(TOKEN, f"valid, for {me.get('username')} (user {me.get('id')})")
        return [found, *await _ask_on(api, facts, me), check_clock(api.skew)]


async def find_invite(token: str, api_url: str) -> str | None:
    """Return the link that invites the bot of a token; None where Discord does not know it."""
    async with DiscordApi.open(api_url, token) as api:
        try:
            told = await api.get("oauth2/applications/@me")
            return invite_url(int(told["id"]), api_url)
        except (NoResponse, KeyError, TypeError, ValueError):
            return None


async def _ask_on(api: DiscordApi, facts: DiscordFacts, me: dict[str, Any]) -> list[CheckResult]:
    told = asyncio.ensure_future(api.get("oauth2/applications/@me"))  # three ask for it

    async def application() -> list[CheckResult]:
        return [check_application(await told), check_policies(await told, facts.operator)]

    async def starts() -> list[CheckResult]:
        return [check_starts(await api.get("gateway/bot"))]

    async def intents() -> list[CheckResult]:
        return [check_intents(await told, wanted=facts.message_content)]

    async def guilds() -> list[CheckResult]:
        known = await _guilds(api)
        invite = invite_url(int((await told)["id"]), facts.api_url)
        found = [check_permissions(known, invite)]
        here = {str(guild["id"]): str(guild["name"]) for guild in known}
        settled = {one: each for one, each in facts.channels.items() if one in here and each}
        if settled:
            found.append(await _check_channels(api, str(me["id"]), here, settled))
        return found

    async def commands() -> list[CheckResult]:
        known = await api.get(f"applications/{(await told)['id']}/commands")
        return [check_commands(known, sent=facts.commands_sent)]

    checks = {
        "application": application(),
        "starts": starts(),
        "intents": intents(),
        "permissions": guilds(),
        "commands": commands(),
    }
    answers = [_or_unknown(name, check) for name, check in checks.items()]
    return [result for results in await asyncio.gather(*answers) for result in results]


async def _or_unknown(name: str, check: Awaitable[list[CheckResult]]) -> list[CheckResult]:
    try:
        return await check
    except NoResponse as error:
        return [warning(name, f"unknown: {error}", *error.advice)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [
            warning(name, f"Discord sent an unexpected response: {error!r}", "Update Sonneteer.")
        ]


async def _guilds(api: DiscordApi) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = "0"
    while len(found) < MAX_GUILDS:
        page = await api.get("users/@me/guilds", limit=str(PAGE), after=after)
        found += page
        if len(page) < PAGE:
            break
        after = str(page[-1]["id"])
    return found


async def _check_channels(
    api: DiscordApi, me: str, names: Mapping[str, str], settled: Mapping[str, tuple[str, ...]]
) -> CheckResult:
    """Look at the channels that guilds have named for poems: is the bot heard there?"""
    lines: list[str] = []
    looked = 0
    for number in sorted(settled)[:MAX_LOOKED]:
        guild = await api.get(f"guilds/{number}")
        member = await api.get(f"guilds/{number}/members/{me}")
        for channel in settled[number][:MAX_CHANNELS]:
            looked += 1
            lacks = await _lacks(api, guild, member, channel)
            if lacks:
                lines.append(f"{names[number]} ({number}), channel {channel}: {lacks}.")
    more = max(len(settled) - MAX_LOOKED, 0)
    rest = f"; {more} more servers not checked" if more else ""
    seen = f"{looked} channel{'' if looked == 1 else 's'} for poems{rest}"
    if not lines:
        return ok("channels", f"{seen}, all accessible")
    way = "Edit the channel's permissions, or remove it with /settings channels remove."
    return warning("channels", f"{seen}, {len(lines)} not fully accessible", *first_of(lines), way)


async def _lacks(
    api: DiscordApi, guild: dict[str, Any], member: dict[str, Any], number: str
) -> str:
    """Say what a channel lacks, "" for nothing."""
    try:
        channel = await api.get(f"channels/{number}")
        thread = channel["type"] in THREADS
        if thread:  # its permissions are those of the channel that it is in
            channel = await api.get(f"channels/{channel['parent_id']}")
    except NoResponse as error:
        if error.status == 404:
            return "it no longer exists"
        if error.status == 403:
            return "the bot cannot see it"
        raise
    if str(channel.get("guild_id", guild["id"])) != str(guild["id"]):
        return "it belongs to another server"
    lacks = missing_in(guild, member, channel, thread=thread)
    return f"lacks {names_of(lacks)}: {uses_of(lacks)}" if lacks else ""
