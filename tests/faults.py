"""Everything that Discord and the network do to a bot, one trial for each.

The tests play them with a poet who writes at once and a bot that waits for nothing;
tests/rigs/faults.py plays them with a real one and takes the time.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import aiohttp

from tests.discord_payloads import (
    GUILD,
    MEMBER,
    channel_payload,
    interaction_payload,
)
from tests.fake_discord import Fault, rate_limit
from tests.fake_gateway import INVALID, RECONNECT
from tests.fault_stage import Play, Stage
from tests.lasting_faults import (
    archive_thread,
    ban,
    call_stale,
    clock_is_wrong,
    half_poem,
    json_ban,
    turned_away,
)

DAY = 86_400.0
RESUMED_CODES = (1000, 1001, 1011, 4000, 4001, 4002, 4003, 4005, 4007, 4008, 4009)


@dataclass(frozen=True)
class Trial:
    group: str
    name: str
    play: Play
    slow: bool = False  # discord.py waits for seconds by itself, or the fault lasts so long
    office: bool = False  # of the commands it takes some that are no poems

    def __str__(self) -> str:
        return f"{self.group}: {self.name}"


@asynccontextmanager
async def in_flight(stage: Stage, *, answers: int = 1) -> AsyncIterator[int]:
    """Send a command, and keep its reply on the way until the block ends."""
    released = stage.fake.hold("POST", stage.posts)
    try:
        command = await stage.ask(answers=answers)
        await stage.fake.until(lambda: not stage.fake.waits_for(released))
        yield command
    finally:
        released.set()


# The gateway


def closes(code: int | None) -> Play:
    async def play(stage: Stage) -> None:
        async with in_flight(stage):
            stage.strike()
            await stage.fake.gateway.drop(code)
            await stage.ask("in the gap")

    return play


def orders(op: int, content: object = None) -> Play:
    async def play(stage: Stage) -> None:
        async with in_flight(stage):
            stage.strike()
            await stage.fake.gateway.order(op, content)

    return play


async def invalidate(stage: Stage) -> None:
    identified = len(stage.fake.gateway.identified)
    async with in_flight(stage):
        stage.strike()
        await stage.fake.gateway.order(INVALID, content=False)
        await stage.fake.until(lambda: len(stage.fake.gateway.identified) > identified)


async def lose_session(stage: Stage) -> None:
    """A session that cannot be resumed: what was said in the gap is lost, and counted."""
    identified, lost = len(stage.fake.gateway.identified), stage.lost_sessions()
    stage.fake.gateway.refused_resumes = 1
    stage.strike()
    await stage.fake.gateway.drop()
    await stage.ask("in the gap", answers=0)
    await stage.fake.until(lambda: len(stage.fake.gateway.identified) > identified)
    assert stage.lost_sessions() == lost + 1


async def fall_silent(stage: Stage) -> None:
    gateway = stage.fake.gateway
    connections, resumed = gateway.connections, gateway.resumed
    gateway.silent = True
    stage.strike()
    await stage.ask("in the silence")
    await stage.fake.until(lambda: gateway.connections > connections)
    gateway.silent = False
    await stage.fake.until(lambda: gateway.resumed > resumed)


def handshakes(*faults: int | str) -> Play:
    async def play(stage: Stage) -> None:
        stage.fake.gateway.handshakes = list(faults)
        stage.strike()
        await stage.fake.gateway.drop()
        await stage.ask("in the gap")

    return play


async def lose_names(stage: Stage) -> None:
    """The network is there, its names are not: three connections find nobody."""
    loop, failures = asyncio.get_running_loop(), iter(range(3))
    usual, resumed = loop.getaddrinfo, stage.fake.gateway.resumed

    async def resolve(*about: Any, **options: Any) -> Any:
        if next(failures, None) is not None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return await usual(*about, **options)

    connector = stage.bot().http.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    connector.clear_dns_cache()
    with patch.object(loop, "getaddrinfo", resolve):
        stage.strike()
        await stage.fake.gateway.drop(4000)
        await stage.ask("in the gap")
        await stage.fake.until(lambda: stage.fake.gateway.resumed > resumed)
    assert next(failures, None) is None, "it was never asked for a name"


# Events


async def say_twice(stage: Stage) -> None:
    stage.strike()
    command = await stage.ask()
    message = next(
        event["d"] for event in stage.fake.gateway.events() if event["d"].get("id") == str(command)
    )
    await stage.fake.gateway.emit("MESSAGE_CREATE", message)
    interaction = await stage.slash()
    event = next(
        event["d"]
        for event in stage.fake.gateway.events()
        if event["d"].get("id") == str(interaction)
    )
    await stage.fake.gateway.emit("INTERACTION_CREATE", event)


async def send_nonsense(stage: Stage) -> None:
    gateway = stage.fake.gateway
    stage.strike()
    await gateway.emit("MESSAGE_CREATE", {"guild_id": str(GUILD)})
    await gateway.emit("MESSAGE_CREATE", {"id": [], "author": 5, "channel_id": {}, "content": None})
    await gateway.emit("INTERACTION_CREATE", {"guild_id": str(GUILD), "type": 2})
    strange = interaction_payload(7, 2, {"id": "x", "name": None, "type": "?", "options": 3})
    await gateway.emit("INTERACTION_CREATE", strange)
    await gateway.emit("MESSAGE_DELETE", {})
    await gateway.emit("CHANNEL_UPDATE", {"guild_id": str(GUILD), "id": None})
    await gateway.emit("NO_SUCH_EVENT", {"guild_id": str(GUILD)})
    await gateway.order(77, {"what": 1})
    for raw in ("", "[]", "null", "{", '"text"', '{"op": "zero"}', b"\x00\xff", b"\x78\x9c\x00"):
        await gateway.send_raw(raw)


# Requests


def fails(method: str, path: str, *faults: Fault) -> Play:
    async def play(stage: Stage) -> None:
        stage.fake.fail(method, path, faults)
        stage.strike()
        await (stage.slash() if "@original" in path or "callback" in path else stage.ask())

    return play


async def ask_too_much(stage: Stage) -> None:
    await stage.ask("--temperature 99 a rose")


async def ask_too_much_by_slash(stage: Stage) -> None:
    await stage.slash(temperature=99.0)


def refusal_fails(ask: Play, path: str, *faults: Fault) -> Play:
    """What cannot be had is refused with a sentence, which has to arrive as poems do."""

    async def play(stage: Stage) -> None:
        stage.fake.fail("POST", path, faults)
        stage.strike()
        await ask(stage)

    return play


FAULTS = {
    "429": [rate_limit(0.02)],
    "429 five in a row": [rate_limit(0.02)] * 5,
    "429 global": [rate_limit(0.02, everywhere=True)],
    "429 with a text body": [Fault(429, "<html>error code: 1015</html>")],
    "503": [Fault(503)],
    "503 twice": [Fault(503)] * 2,
    "520": [Fault(520, "<html>what?</html>")],
    "reset": [Fault(500, cut=True)],
    "reset three times": [Fault(500, cut=True)] * 3,
    "answer lost": [Fault(500, cut=True, after=True)],
    "503, but stored": [Fault(503, after=True)],
}
SLOW_FAULTS = {f"{status} twice": [Fault(status)] * 2 for status in (500, 502, 504)}
PLACES = {
    "a reply": ("POST", "/channels/.*/messages"),
    "an edit": ("PATCH", "/channels/.*/messages"),
    "a slash command's answer": ("PATCH", "/@original"),
    "the word that a slash command was heard": ("POST", "/callback"),
}


# What is forbidden, and what vanishes


def missing(code: int) -> Fault:
    return Fault(403, {"message": "Missing", "code": code})


async def forbid_typing(stage: Stage) -> None:
    stage.fake.fail("POST", f"/channels/{stage.channel}/typing", [missing(50013)])
    stage.strike()
    await stage.ask()


def forbids_sending(code: int, *, answers: int) -> Play:
    async def play(stage: Stage) -> None:
        async with in_flight(stage, answers=answers):
            stage.fake.fail("POST", stage.posts, [missing(code)])
            stage.strike()

    return play


async def delete_reply(stage: Stage) -> None:
    command = await stage.ask(answers=0)
    await stage.fake.until(lambda: stage.fake.answers_to(command))
    stage.strike()
    await stage.fake.delete(int(stage.fake.answers_to(command)[0]["id"]))


async def delete_command(stage: Stage) -> None:
    async with in_flight(stage, answers=0) as command:
        stage.strike()
        await stage.fake.delete(command)


async def delete_channel(stage: Stage) -> None:
    gone = Fault(404, {"message": "Unknown Channel", "code": 10003})
    async with in_flight(stage, answers=0):
        stage.fake.fail("POST", stage.posts, [gone])
        stage.strike()
        channel = {**channel_payload(stage.channel), "guild_id": str(stage.guild)}
        await stage.fake.gateway.emit("CHANNEL_DELETE", channel)
    await stage.fake.gateway.emit("CHANNEL_CREATE", channel)


async def leave_guild(stage: Stage) -> None:
    async with in_flight(stage, answers=0):
        stage.fake.fail("POST", stage.posts, [missing(50001)])
        stage.strike()
        await stage.fake.gateway.emit(
            "GUILD_DELETE", {"id": str(stage.guild), "unavailable": False}
        )
    await stage.fake.gateway.welcome(stage.guild)


async def lose_guild_for_a_while(stage: Stage) -> None:
    async with in_flight(stage):
        stage.strike()
        await stage.fake.gateway.emit("GUILD_DELETE", {"id": str(stage.guild), "unavailable": True})
    await stage.fake.gateway.welcome(stage.guild)


async def lose_member_and_role(stage: Stage) -> None:
    async with in_flight(stage):
        stage.strike()
        member = {"guild_id": str(stage.guild), "user": {"id": str(MEMBER), "username": "ann"}}
        await stage.fake.gateway.emit("GUILD_MEMBER_REMOVE", member)
        role = {"guild_id": str(stage.guild), "role_id": str(stage.guild)}
        await stage.fake.gateway.emit("GUILD_ROLE_DELETE", role)
    await stage.fake.gateway.welcome(stage.guild)


def expires(code: int, status: int) -> Play:
    """The interaction's fifteen minutes run out while its poem is written."""

    async def play(stage: Stage) -> None:
        expired = Fault(status, {"message": "Expired", "code": code})
        stage.fake.fail("PATCH", "/webhooks/.*/messages", [expired] * 2)
        stage.strike()
        await stage.slash()

    return play


# The machine


def clock_jumps(seconds: float) -> Play:
    async def play(stage: Stage) -> None:
        usual = time.time
        with ExitStack() as jump:
            async with in_flight(stage):
                stage.strike()
                jump.enter_context(patch("time.time", lambda: usual() + seconds))
                await stage.ask("at another time")
                await stage.fake.gateway.drop(4000)
                command = await stage.ask("after it")
            await stage.answered(command)

    return play


def _trials() -> Iterator[Trial]:
    for code in RESUMED_CODES:
        yield Trial("gateway", f"closes with {code}", closes(code))
    yield Trial("gateway", "TCP reset", closes(None))
    yield Trial("gateway", "op 7", orders(RECONNECT))
    yield Trial("gateway", "op 9, resumable", orders(INVALID, content=True))
    yield Trial("gateway", "op 9, session gone", invalidate)
    yield Trial("gateway", "RESUME refused", lose_session)
    yield Trial("gateway", "heartbeats unanswered", fall_silent)
    yield Trial("gateway", "handshake 503, three times", handshakes(503, 503, 503))
    yield Trial("gateway", "handshake cut, three times", handshakes("cut", "cut", "cut"))
    yield Trial("gateway", "handshake without HELLO", handshakes("silent"))
    yield Trial("gateway", "DNS fails three times", lose_names)
    yield Trial("events", "each twice", say_twice)
    yield Trial("events", "fields missing or wrong", send_nonsense)
    for place, (method, path) in PLACES.items():
        for name, faults in FAULTS.items():
            slow = (name == "503 twice" and path.startswith("/@")) or path == "/callback"
            yield Trial(place, name, fails(method, path, *faults), slow=slow and "503" in name)
        for name, faults in SLOW_FAULTS.items():
            yield Trial(place, name, fails(method, path, *faults), slow=True)
    for name, faults in FAULTS.items():
        play = refusal_fails(ask_too_much, "/channels/.*/messages", *faults)
        yield Trial("a refusal", name, play)
        play = refusal_fails(ask_too_much_by_slash, "/callback", *faults)
        yield Trial("a slash command's refusal", name, play, slow="503" in name)
    yield Trial("forbidden", "typing", forbid_typing)
    yield Trial("forbidden", "sending", forbids_sending(50013, answers=0))
    yield Trial("forbidden", "replying", forbids_sending(160002, answers=1))
    yield Trial("vanishing", "the reply", delete_reply)
    yield Trial("vanishing", "the command", delete_command)
    yield Trial("vanishing", "the channel", delete_channel)
    yield Trial("vanishing", "the server", leave_guild)
    yield Trial("vanishing", "the server, for a while", lose_guild_for_a_while)
    yield Trial("vanishing", "the member, the role", lose_member_and_role)
    yield Trial("vanishing", "the interaction (401)", expires(50027, 401))
    yield Trial("vanishing", "the interaction (404)", expires(10015, 404))
    yield Trial("machine", "the clock jumps a day ahead", clock_jumps(DAY))
    yield Trial("machine", "the clock jumps a day back", clock_jumps(-DAY))
    for minutes in (20, -20):
        side = "ahead" if minutes > 0 else "behind"
        play = clock_is_wrong(60.0 * minutes)
        yield Trial("machine", f"the clock is 20 minutes {side}", play, office=True)
    yield Trial("commands", "of an older version", call_stale, office=True)
    for locked in (False, True):
        name = f"a thread archived in mid-training{', locked' if locked else ''}"
        yield Trial("vanishing", name, archive_thread(locked=locked), office=True)
    for seconds in (20, 60):
        yield Trial("half a poem", f"503 for {seconds} s", half_poem(seconds), slow=True)
    for name, fault in (("Cloudflare's text", ban(30)), ("JSON", json_ban(30))):
        play = turned_away(30.0, fault, most=6)
        yield Trial("turned away", f"429 for 30 s, {name}", play, slow=True)


TRIALS = tuple(_trials())
