"""What Discord is asked about the bot, and what its answers are taken for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import discord
import pytest

from bot.core.policies import Operator
from bot.core.proxies import Proxy
from bot.discord_app.client import PERMISSIONS
from bot.doctor.discord_checks import DiscordFacts, check_discord
from bot.doctor.results import HIDDEN, CheckResult, CheckStatus, hide_secrets
from tests.connect_proxy import LOGIN, ConnectProxy
from tests.discord_payloads import (
    APPLICATION,
    BOT,
    CHANNEL,
    GUILD,
    Payload,
    application_payload,
    channel_payload,
    guild_payload,
    own_guild_payload,
    user_payload,
)
from tests.fake_discord import TOKEN, FakeDiscord, Fault
from tests.lasting_faults import json_ban

Examine = Callable[..., Awaitable[dict[str, CheckResult]]]
ALL = PERMISSIONS.value
NO_FILES = ALL & ~discord.Permissions(attach_files=True).value
NOT_THERE = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
COMMAND: Payload = {"id": "1", "name": "sonnet", "type": 1}


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord().serve() as served:
        yield served


@pytest.fixture
def examine(fake: FakeDiscord) -> Examine:
    """Return a function that asks the fake everything, and gives the findings by name."""

    async def look(
        token: str | None = TOKEN,
        now: Callable[[], float] = time.time,
        timeout_seconds: float = 10.0,
        **known: Any,
    ) -> dict[str, CheckResult]:
        patient = DiscordFacts(token, known.pop("api_url", fake.url), **known)
        found = await check_discord(patient, now=now, timeout_seconds=timeout_seconds)
        return {result.name: result for result in found}

    return look


def shows(result: CheckResult, state: CheckStatus, words: str) -> None:
    assert result.state is state, result
    assert words in " ".join([result.seen, *result.advice]), result
    assert bool(result.advice) is (state in (CheckStatus.WARNING, CheckStatus.WRONG)), result


async def test_a_sound_bot_is_found_sound(fake: FakeDiscord, examine: Examine) -> None:
    fake.commands = [COMMAND]
    found = await examine()
    assert list(found) == [
        *("token", "application", "policies", "starts"),
        *("intents", "permissions", "commands", "clock"),
    ]
    assert {result.state for result in found.values()} == {CheckStatus.OK}
    assert found["token"].seen == f"valid, for Sonneteer (user {BOT})"


@pytest.mark.parametrize("known", [{"token": None}, {"api_url": "http://127.0.0.1:9/api/v10"}])
async def test_a_clock_before_the_installation_is_wrong_even_without_discord(
    examine: Examine, known: dict[str, Any]
) -> None:
    found = await examine(now=lambda: 978_350_400.0, installed=1_796_000_000.0, **known)
    shows(found["clock"], CheckStatus.WRONG, "it says 2001-01-01, but the program was installed on")
    found = await examine(now=lambda: 1_796_000_000.0, installed=978_350_400.0, **known)
    assert found["clock"].state is CheckStatus.SKIPPED


async def test_no_advice_is_hidden_as_if_it_were_a_secret(
    fake: FakeDiscord, examine: Examine
) -> None:
    """What follows "token:" is hidden, as a token is."""
    fake.fail("GET", "users/@me$", [Fault(401, {"message": "401: Unauthorized", "code": 0})])
    told = hide_secrets((await examine())["token"], TOKEN)
    assert HIDDEN not in " ".join([told.seen, *told.advice])
    assert "https://discord.com/developers" in told.advice[-1]


async def test_nothing_is_changed_by_asking(fake: FakeDiscord, examine: Examine) -> None:
    await examine(channels={str(GUILD): (str(CHANNEL),)})
    assert {method for method, *_ in fake.requests} == {"GET"}


async def test_without_a_token_discord_is_not_asked(fake: FakeDiscord, examine: Examine) -> None:
    found = await examine(None)
    shows(found["token"], CheckStatus.WARNING, "DISCORD_TOKEN is not set")
    assert found["clock"].state is CheckStatus.SKIPPED
    assert not fake.requests


async def test_without_a_token_and_a_page_there_is_nothing_to_run(examine: Examine) -> None:
    shows((await examine(None, needed=True))["token"], CheckStatus.WRONG, "nothing to run")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ('"abc.def.ghi"', "quotes"),
        ("Bot abc.def.ghi", "begins with 'Bot'"),
        ("abc def", "characters that a token cannot have"),
        ("abc…def", "characters that a token cannot have"),
    ],
)
async def test_what_cannot_be_a_token_is_not_sent_to_anybody(
    fake: FakeDiscord, examine: Examine, token: str, words: str
) -> None:
    found = await examine(token)
    shows(found["token"], CheckStatus.WRONG, words)
    assert found["permissions"].state is CheckStatus.SKIPPED
    assert not fake.requests


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("123456789012345678", "application ID"),
        ("0123456789abcdef" * 4, "public key"),
        ("A-b_0123456789abcdef0123456789ab", "client secret"),
        ("words", "three parts"),
        ("abc.def.ghi", "Reset Token"),
    ],
)
async def test_a_token_that_discord_does_not_know_is_wrong_and_not_repeated(
    examine: Examine, token: str, words: str
) -> None:
    found = await examine(token)
    shows(found["token"], CheckStatus.WRONG, words)
    assert not any(token in str(result) for result in found.values())
    assert found["clock"].state is CheckStatus.OK  # a refusal has a date, too


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(503, "out"), "has an outage"),
        (Fault(200, "<html>"), "did not respond as Discord does"),
        (Fault(302, "elsewhere"), "did not respond as Discord does"),
        (Fault(200, {}, cut=True), "was lost"),
        (Fault(403, {"message": "banned"}), "status 403: banned"),
    ],
)
async def test_a_discord_that_does_not_answer_well_is_told_in_a_sentence(
    fake: FakeDiscord, examine: Examine, fault: Fault, words: str
) -> None:
    fake.fail("GET", "users/@me$", [fault, fault])  # aiohttp itself tries a cut one again
    found = await examine()
    assert words in found["token"].seen
    assert found["token"].state is CheckStatus.WRONG
    assert found["intents"].state is CheckStatus.SKIPPED


async def test_a_bot_that_is_told_to_slow_down_asks_once_more(
    fake: FakeDiscord, examine: Examine
) -> None:
    slowly = json_ban(0.01)
    fake.fail("GET", "users/@me$", [slowly])
    assert (await examine())["token"].state is CheckStatus.OK
    fake.fail("GET", "users/@me$", [slowly, slowly])
    assert "rate limiting" in (await examine())["token"].seen


async def test_who_turns_the_bot_away_with_a_text_says_for_how_long(
    fake: FakeDiscord, examine: Examine
) -> None:
    ban = Fault(429, "error code: 1015", {"Retry-After": "0.01"})
    fake.fail("GET", "users/@me$", [ban, ban])
    found = (await examine())["token"]
    assert "rate limiting" in found.seen
    assert found.advice == ("Try again in 1 s.",)


async def test_a_discord_that_is_silent_is_not_waited_for(
    fake: FakeDiscord, examine: Examine
) -> None:
    released = fake.hold("GET", "users/@me$")
    found = await examine(timeout_seconds=0.01)
    shows(found["token"], CheckStatus.WRONG, "did not respond in time")
    released.set()


async def test_a_discord_that_is_not_there_is_told(examine: Examine) -> None:
    found = await examine(api_url="http://127.0.0.1:9")
    shows(found["token"], CheckStatus.WRONG, "no connection to 127.0.0.1:9")
    assert found["clock"].state is CheckStatus.SKIPPED


async def test_a_connection_that_is_not_safe_is_told(fake: FakeDiscord, examine: Examine) -> None:
    found = await examine(api_url=fake.url.replace("http:", "https:"))
    shows(found["token"], CheckStatus.WRONG, "TLS")


@pytest.mark.parametrize(
    ("left", "state", "words"),
    [
        (999, CheckStatus.OK, "999 of 1,000"),
        (99, CheckStatus.WARNING, "120 minutes"),
        (20, CheckStatus.WRONG, "the bot waits"),
        (0, CheckStatus.WRONG, "120 minutes"),
    ],
)
async def test_few_starts_left_are_told_with_when_new_ones_come(
    fake: FakeDiscord, examine: Examine, left: int, state: CheckStatus, words: str
) -> None:
    limit = {"total": 1000, "remaining": left, "reset_after": 7_200_000, "max_concurrency": 1}
    fake.fail("GET", "gateway/bot", [Fault(200, {"shards": 2, "session_start_limit": limit})])
    found = await examine()
    shows(found["starts"], state, words)
    assert "recommends 2 shards" in found["starts"].seen


@pytest.mark.parametrize(
    ("approved", "wanted", "state", "words"),
    [
        (True, True, CheckStatus.OK, "the prefix works"),
        (False, True, CheckStatus.WARNING, "Message Content Intent"),
        (True, False, CheckStatus.OK, "off in config.toml (on in the portal)"),
        (False, False, CheckStatus.OK, "off in config.toml (off in the portal, too)"),
    ],
)
async def test_the_intent_is_compared_with_the_setting(
    fake: FakeDiscord,
    examine: Examine,
    approved: bool,
    wanted: bool,
    state: CheckStatus,
    words: str,
) -> None:
    fake.gateway.approves_message_content = approved
    shows((await examine(message_content=wanted))["intents"], state, words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"interactions_endpoint_url": "https://x.org"}, "Interactions Endpoint URL"),
        ({"bot_require_code_grant": True}, "OAuth2 Code Grant"),
    ],
)
async def test_settings_of_the_portal_that_cut_the_bot_off_are_wrong(
    fake: FakeDiscord, examine: Examine, settings: Payload, words: str
) -> None:
    told = application_payload() | settings
    fake.fail("GET", "oauth2/applications/@me", [Fault(200, told)])
    shows((await examine())["application"], CheckStatus.WRONG, words)


@pytest.mark.parametrize(
    ("told", "operator", "state", "words"),
    [
        ({}, Operator(), CheckStatus.OK, "no link to its privacy policy and terms of service;"),
        (
            {},
            Operator(page_url="https://verse.example/"),
            CheckStatus.WARNING,
            "enter https://verse.example/privacy and https://verse.example/terms.",
        ),
        (
            {"privacy_policy_url": "https://verse.example/privacy"},
            Operator(page_url="https://verse.example"),
            CheckStatus.WARNING,
            "no link to its terms of service",
        ),
        (
            {
                "privacy_policy_url": "https://a.example",
                "terms_of_service_url": "https://b.example",
            },
            Operator(),
            CheckStatus.OK,
            "links to its privacy policy and its terms",
        ),
    ],
)
async def test_the_pages_with_the_rules_are_looked_for_in_the_profile(
    fake: FakeDiscord,
    examine: Examine,
    told: Payload,
    operator: Operator,
    state: CheckStatus,
    words: str,
) -> None:
    fake.fail("GET", "oauth2/applications/@me", [Fault(200, application_payload() | told)])
    shows((await examine(operator=operator))["policies"], state, words)


@pytest.mark.parametrize(
    ("permissions", "state", "words"),
    [
        (ALL, CheckStatus.OK, "all permissions granted"),
        (discord.Permissions(administrator=True).value, CheckStatus.OK, "all permissions granted"),
        (NO_FILES, CheckStatus.WARNING, "Readers (20) lacks Attach Files: cards, charts"),
        (0, CheckStatus.WARNING, "only slash commands work."),
    ],
)
async def test_what_a_server_does_not_permit_is_named_with_what_fails(
    fake: FakeDiscord, examine: Examine, permissions: int, state: CheckStatus, words: str
) -> None:
    guild = own_guild_payload(permissions=permissions)
    fake.fail("GET", "users/@me/guilds", [Fault(200, [guild])])
    shows((await examine())["permissions"], state, words)


async def test_a_bot_that_is_nowhere_gets_its_invite_link(
    fake: FakeDiscord, examine: Examine
) -> None:
    fake.fail("GET", "users/@me/guilds", [Fault(200, [])])
    shows((await examine())["permissions"], CheckStatus.WARNING, f"client_id={APPLICATION}")


async def test_servers_come_in_pages_and_twenty_are_named(
    fake: FakeDiscord, examine: Examine
) -> None:
    pages = [
        [own_guild_payload(number, permissions=NO_FILES) for number in numbers]
        for numbers in (range(1, 201), range(201, 226))
    ]
    fake.fail("GET", "users/@me/guilds", [Fault(200, page) for page in pages])
    found = (await examine())["permissions"]
    assert found.seen == "in 225 servers, with permissions missing in 225"
    assert found.advice[20] == "and 205 more"
    assert len(found.advice) == 22


async def test_channels_for_poems_are_looked_at(examine: Examine) -> None:
    assert "channels" not in await examine(channels={str(GUILD): ()})
    found = await examine(channels={str(GUILD): (str(CHANNEL),), "99": ("1",)})
    shows(found["channels"], CheckStatus.OK, "1 channel for poems")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([Fault(404, {"message": "Unknown Channel"})], "it no longer exists"),
        ([Fault(403, {"message": "Missing Access"})], "the bot cannot see it"),
        ([Fault(200, channel_payload() | {"guild_id": "21"})], "another server"),
        (
            [Fault(200, {"type": 11, "parent_id": "31"}), Fault(404, {"message": "Unknown"})],
            "it no longer exists",
        ),
    ],
)
async def test_a_channel_for_poems_that_is_none_is_told(
    fake: FakeDiscord, examine: Examine, answers: list[Fault], words: str
) -> None:
    fake.fail("GET", "channels/", answers)
    found = await examine(channels={str(GUILD): (str(CHANNEL),)})
    shows(found["channels"], CheckStatus.WARNING, words)
    assert found["permissions"].state is CheckStatus.OK


async def test_a_channel_that_denies_something_is_told(fake: FakeDiscord, examine: Examine) -> None:
    denial = {"id": str(GUILD), "type": 0, "allow": "0", "deny": str(1 << 11)}
    channel = channel_payload() | {"permission_overwrites": [denial]}
    member = {"user": user_payload(BOT, "Sonneteer"), "roles": []}
    everyone = guild_payload()["roles"][0] | {"permissions": str(ALL)}
    fake.fail("GET", f"guilds/{GUILD}$", [Fault(200, guild_payload() | {"roles": [everyone]})])
    fake.fail("GET", "members/", [Fault(200, member)])
    fake.fail("GET", "channels/", [Fault(200, channel)])
    found = await examine(channels={str(GUILD): (str(CHANNEL),)})
    shows(
        found["channels"],
        CheckStatus.WARNING,
        "lacks Send Messages: it answers only slash commands",
    )


@pytest.mark.parametrize(
    ("known", "sent", "state", "words"),
    [
        ([COMMAND], False, CheckStatus.OK, "/sonnet"),
        ([], False, CheckStatus.WARNING, "at its first start"),
        ([], True, CheckStatus.WARNING, "Delete discord-commands.json"),
    ],
)
async def test_missing_commands_are_told_with_how_they_come(
    fake: FakeDiscord,
    examine: Examine,
    known: list[Payload],
    sent: bool,
    state: CheckStatus,
    words: str,
) -> None:
    fake.commands = known
    shows((await examine(commands_sent=sent))["commands"], state, words)


@pytest.mark.parametrize(
    ("off", "state", "words"),
    [
        (0, CheckStatus.OK, "within 1 s"),
        (30, CheckStatus.WARNING, "30 s ahead"),
        (-3600, CheckStatus.WRONG, "3,600 s behind"),
    ],
)
async def test_the_clock_is_compared_with_discords(
    fake: FakeDiscord, examine: Examine, off: float, state: CheckStatus, words: str
) -> None:
    moment = 1_760_000_000.5
    dates: Mapping[str, str] = {"Date": "Thu, 09 Oct 2025 08:53:20 GMT"}
    me = Fault(200, user_payload(BOT, "Sonneteer", bot=True), dict(dates))
    fake.fail("GET", "users/@me$", [me])
    shows((await examine(now=lambda: moment + off))["clock"], state, words)


async def test_a_question_without_an_answer_leaves_the_others_theirs(
    fake: FakeDiscord, examine: Examine
) -> None:
    fake.fail("GET", "gateway/bot", [Fault(500, "out")])
    fake.fail("GET", "users/@me/guilds", [Fault(200, {"strange": True})])
    found = await examine()
    shows(found["starts"], CheckStatus.WARNING, "unknown: Discord has an outage")
    shows(found["permissions"], CheckStatus.WARNING, "unexpected response")
    assert found["intents"].state is CheckStatus.OK


@pytest.mark.parametrize(
    ("login", "answers", "words"),
    [
        (("", ""), {}, "refuses the bot's name and password (407)"),
        (LOGIN, {"discord.test:443": NOT_THERE}, "refuses to connect to discord.test (403)"),
        (LOGIN, {}, "no secure connection (TLS) to discord.test:443 through the proxy http://127"),
    ],
)
async def test_discord_is_asked_through_the_proxy_and_its_refusal_is_told(
    examine: Examine, login: tuple[str, str], answers: dict[str, bytes], words: str
) -> None:
    async with FakeDiscord().serve() as plain:  # what answers behind the proxy knows no TLS
        port = int(plain.url.rpartition(":")[2].partition("/")[0])
        async with ConnectProxy(port, login=LOGIN, answers=answers).serve() as proxy:
            through = Proxy("127.0.0.1", proxy.port, *login)
            found = await examine(api_url="https://discord.test/api/v10", proxy=through)
    shows(found["token"], CheckStatus.WRONG, words)
    assert set(proxy.places) == {"CONNECT discord.test:443"}
    assert LOGIN[1] not in str(found)


async def test_a_proxy_that_is_not_there_is_told(examine: Examine) -> None:
    gone = ConnectProxy(1)
    async with gone.serve():
        pass
    proxy = Proxy("127.0.0.1", gone.port, *LOGIN)
    found = await examine(api_url="https://discord.test/api/v10", proxy=proxy)
    told = f"no connection to the proxy http://127.0.0.1:{gone.port}: Connection refused"
    shows(found["token"], CheckStatus.WRONG, told)
