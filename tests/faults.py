"""Everything that Discord and the network do to a bot, one trial for each.

The tests play them with an engine that writes at once and a bot that waits for nothing;
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

from tests.community_faults import (
    OUTAGE,
    correct_twice,
    daily_in_outage,
    joint,
    joint_deleted,
    joint_lost,
    joint_press_twice,
    joint_vote_in_outage,
    joint_write_in_outage,
    keep_in_outage,
    menu,
    reply_in_outage,
    repost,
)
from tests.discord_payloads import (
    GUILD,
    MEMBER,
    channel_payload,
    interaction_payload,
)
from tests.fake_discord import Fault, rate_limit
from tests.fake_gateway import INVALID, RECONNECT
from tests.fault_run import FaultRun, Scenario
from tests.lasting_faults import (
    archive_thread,
    ban,
    call_stale,
    clock_is_wrong,
    half_poem,
    json_ban,
    turned_away,
)
from tests.panel_faults import choose_in_outage, submit_in_outage, submit_twice

DAY = 86_400.0
RESUMED_CODES = (1000, 1001, 1011, 4000, 4001, 4002, 4003, 4005, 4007, 4008, 4009)


@dataclass(frozen=True)
class FaultCase:
    group: str
    name: str
    play: Scenario
    slow: bool = False  # discord.py waits for seconds by itself, or the fault lasts so long
    app: bool = False  # of the commands it takes some that are no poems

    def __str__(self) -> str:
        return f"{self.group}: {self.name}"


@asynccontextmanager
async def in_flight(run: FaultRun, *, answers: int = 1) -> AsyncIterator[int]:
    """Send a command, and keep its reply on the way until the block ends."""
    released = run.fake.hold("POST", run.posts)
    try:
        command = await run.ask(answers=answers)
        await run.fake.until(lambda: not run.fake.waits_for(released))
        yield command
    finally:
        released.set()


# The gateway


def closes(code: int | None) -> Scenario:
    async def play(run: FaultRun) -> None:
        async with in_flight(run):
            run.strike()
            await run.fake.gateway.drop(code)
            await run.ask("in the gap")

    return play


def orders(op: int, content: object = None) -> Scenario:
    async def play(run: FaultRun) -> None:
        async with in_flight(run):
            run.strike()
            await run.fake.gateway.order(op, content)

    return play


async def invalidate(run: FaultRun) -> None:
    identified = len(run.fake.gateway.identified)
    async with in_flight(run):
        run.strike()
        await run.fake.gateway.order(INVALID, content=False)
        await run.fake.until(lambda: len(run.fake.gateway.identified) > identified)


async def lose_session(run: FaultRun) -> None:
    """A session that cannot be resumed: what was said in the gap is lost, and counted."""
    identified, lost = len(run.fake.gateway.identified), run.lost_sessions()
    run.fake.gateway.refused_resumes = 1
    run.strike()
    await run.fake.gateway.drop()
    await run.ask("in the gap", answers=0)
    await run.fake.until(lambda: len(run.fake.gateway.identified) > identified)
    assert run.lost_sessions() == lost + 1


async def fall_silent(run: FaultRun) -> None:
    gateway = run.fake.gateway
    connections, resumed = gateway.connections, gateway.resumed
    gateway.silent = True
    run.strike()
    await run.ask("in the silence")
    await run.fake.until(lambda: gateway.connections > connections)
    gateway.silent = False
    await run.fake.until(lambda: gateway.resumed > resumed)


def handshakes(*faults: int | str) -> Scenario:
    async def play(run: FaultRun) -> None:
        run.fake.gateway.handshakes = list(faults)
        run.strike()
        await run.fake.gateway.drop()
        await run.ask("in the gap")

    return play


async def lose_names(run: FaultRun) -> None:
    """The network is there, its names are not: three connections find nobody."""
    loop, failures = asyncio.get_running_loop(), iter(range(3))
    usual, resumed = loop.getaddrinfo, run.fake.gateway.resumed

    async def resolve(*about: Any, **options: Any) -> Any:
        if next(failures, None) is not None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return await usual(*about, **options)

    connector = run.bot().http.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    connector.clear_dns_cache()
    with patch.object(loop, "getaddrinfo", resolve):
        run.strike()
        await run.fake.gateway.drop(4000)
        await run.ask("in the gap")
        await run.fake.until(lambda: run.fake.gateway.resumed > resumed)
    assert next(failures, None) is None, "it was never asked for a name"


# Events


async def say_twice(run: FaultRun) -> None:
    run.strike()
    command = await run.ask()
    message = next(
        event["d"] for event in run.fake.gateway.events() if event["d"].get("id") == str(command)
    )
    await run.fake.gateway.emit("MESSAGE_CREATE", message)
    interaction = await run.slash()
    event = next(
        event["d"]
        for event in run.fake.gateway.events()
        if event["d"].get("id") == str(interaction)
    )
    await run.fake.gateway.emit("INTERACTION_CREATE", event)


async def send_nonsense(run: FaultRun) -> None:
    gateway = run.fake.gateway
    run.strike()
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


def fails(method: str, path: str, *faults: Fault) -> Scenario:
    async def play(run: FaultRun) -> None:
        run.fake.fail(method, path, faults)
        run.strike()
        await (run.slash() if "@original" in path or "callback" in path else run.ask())

    return play


async def ask_too_much(run: FaultRun) -> None:
    await run.ask("--temperature 99 a rose")


async def ask_too_much_by_slash(run: FaultRun) -> None:
    await run.slash(temperature=99.0)


def refusal_fails(ask: Scenario, path: str, *faults: Fault) -> Scenario:
    """What cannot be had is refused with a sentence, which has to arrive as poems do."""

    async def play(run: FaultRun) -> None:
        run.fake.fail("POST", path, faults)
        run.strike()
        await ask(run)

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


async def forbid_typing(run: FaultRun) -> None:
    run.fake.fail("POST", f"/channels/{run.channel}/typing", [missing(50013)])
    run.strike()
    await run.ask()


def forbids_sending(code: int, *, answers: int) -> Scenario:
    async def play(run: FaultRun) -> None:
        async with in_flight(run, answers=answers):
            run.fake.fail("POST", run.posts, [missing(code)])
            run.strike()

    return play


async def delete_reply(run: FaultRun) -> None:
    command = await run.ask(answers=0)
    await run.fake.until(lambda: run.fake.answers_to(command))
    run.strike()
    await run.fake.delete(int(run.fake.answers_to(command)[0]["id"]))


async def delete_command(run: FaultRun) -> None:
    async with in_flight(run, answers=0) as command:
        run.strike()
        await run.fake.delete(command)


async def delete_channel(run: FaultRun) -> None:
    gone = Fault(404, {"message": "Unknown Channel", "code": 10003})
    async with in_flight(run, answers=0):
        run.fake.fail("POST", run.posts, [gone])
        run.strike()
        channel = {**channel_payload(run.channel), "guild_id": str(run.guild)}
        await run.fake.gateway.emit("CHANNEL_DELETE", channel)
    await run.fake.gateway.emit("CHANNEL_CREATE", channel)


async def leave_guild(run: FaultRun) -> None:
    async with in_flight(run, answers=0):
        run.fake.fail("POST", run.posts, [missing(50001)])
        run.strike()
        await run.fake.gateway.emit("GUILD_DELETE", {"id": str(run.guild), "unavailable": False})
    await run.fake.gateway.welcome(run.guild)


async def lose_guild_for_a_while(run: FaultRun) -> None:
    async with in_flight(run):
        run.strike()
        await run.fake.gateway.emit("GUILD_DELETE", {"id": str(run.guild), "unavailable": True})
    await run.fake.gateway.welcome(run.guild)


async def lose_member_and_role(run: FaultRun) -> None:
    async with in_flight(run):
        run.strike()
        member = {"guild_id": str(run.guild), "user": {"id": str(MEMBER), "username": "ann"}}
        await run.fake.gateway.emit("GUILD_MEMBER_REMOVE", member)
        role = {"guild_id": str(run.guild), "role_id": str(run.guild)}
        await run.fake.gateway.emit("GUILD_ROLE_DELETE", role)
    await run.fake.gateway.welcome(run.guild)


def expires(code: int, status: int) -> Scenario:
    """The interaction's fifteen minutes run out while its poem is written."""

    async def play(run: FaultRun) -> None:
        expired = Fault(status, {"message": "Expired", "code": code})
        run.fake.fail("PATCH", "/webhooks/.*/messages", [expired] * 2)
        run.strike()
        await run.slash()

    return play


# The machine


def clock_jumps(seconds: float) -> Scenario:
    async def play(run: FaultRun) -> None:
        usual = time.time
        with ExitStack() as jump:
            async with in_flight(run):
                run.strike()
                jump.enter_context(patch("time.time", lambda: usual() + seconds))
                await run.ask("at another time")
                await run.fake.gateway.drop(4000)
                command = await run.ask("after it")
            await run.answered(command)

    return play


def _trials() -> Iterator[FaultCase]:
    for code in RESUMED_CODES:
        yield FaultCase("gateway", f"closes with {code}", closes(code))
    yield FaultCase("gateway", "TCP reset", closes(None))
    yield FaultCase("gateway", "op 7", orders(RECONNECT))
    yield FaultCase("gateway", "op 9, resumable", orders(INVALID, content=True))
    yield FaultCase("gateway", "op 9, session gone", invalidate)
    yield FaultCase("gateway", "RESUME refused", lose_session)
    yield FaultCase("gateway", "heartbeats unanswered", fall_silent)
    yield FaultCase("gateway", "handshake 503, three times", handshakes(503, 503, 503))
    yield FaultCase("gateway", "handshake cut, three times", handshakes("cut", "cut", "cut"))
    yield FaultCase("gateway", "handshake without HELLO", handshakes("silent"))
    yield FaultCase("gateway", "DNS fails three times", lose_names)
    yield FaultCase("events", "each twice", say_twice)
    yield FaultCase("events", "fields missing or wrong", send_nonsense)
    for place, (method, path) in PLACES.items():
        for name, faults in FAULTS.items():
            slow = (name == "503 twice" and path.startswith("/@")) or path == "/callback"
            yield FaultCase(place, name, fails(method, path, *faults), slow=slow and "503" in name)
        for name, faults in SLOW_FAULTS.items():
            yield FaultCase(place, name, fails(method, path, *faults), slow=True)
    for name, faults in FAULTS.items():
        play = refusal_fails(ask_too_much, "/channels/.*/messages", *faults)
        yield FaultCase("a refusal", name, play)
        play = refusal_fails(ask_too_much_by_slash, "/callback", *faults)
        yield FaultCase("a slash command's refusal", name, play, slow="503" in name)
    yield FaultCase("forbidden", "typing", forbid_typing)
    yield FaultCase("forbidden", "sending", forbids_sending(50013, answers=0))
    yield FaultCase("forbidden", "replying", forbids_sending(160002, answers=1))
    yield FaultCase("vanishing", "the reply", delete_reply)
    yield FaultCase("vanishing", "the command", delete_command)
    yield FaultCase("vanishing", "the channel", delete_channel)
    yield FaultCase("vanishing", "the server", leave_guild)
    yield FaultCase("vanishing", "the server, for a while", lose_guild_for_a_while)
    yield FaultCase("vanishing", "the member, the role", lose_member_and_role)
    yield FaultCase("vanishing", "the interaction (401)", expires(50027, 401))
    yield FaultCase("vanishing", "the interaction (404)", expires(10015, 404))
    yield FaultCase("machine", "the clock jumps a day ahead", clock_jumps(DAY))
    yield FaultCase("machine", "the clock jumps a day back", clock_jumps(-DAY))
    for minutes in (20, -20):
        side = "ahead" if minutes > 0 else "behind"
        play = clock_is_wrong(60.0 * minutes)
        yield FaultCase("machine", f"the clock is 20 minutes {side}", play, app=True)
    yield FaultCase("commands", "of an older version", call_stale, app=True)
    yield FaultCase("events", "an edit that corrects a command, twice", correct_twice)
    yield FaultCase("vanishing", "the command, which a proxy bot posts again", repost)
    yield FaultCase("a reply to a poem", "503, 500, 503", reply_in_outage, slow=True)
    yield FaultCase("a menu", "the callback fails with 500", menu(Fault(500)), slow=True)
    yield FaultCase("a menu", "the callback fails with 404", menu(Fault(404)))
    yield FaultCase("a poem of the day", "503, 500, 503", daily_in_outage, slow=True, app=True)
    yield FaultCase("a kept poem", "503, 500, 503", keep_in_outage, slow=True, app=True)
    yield FaultCase("a form", "told twice", submit_twice, app=True)
    yield FaultCase("a form", "503, 500, 503", submit_in_outage, slow=True, app=True)
    yield FaultCase("a panel", "503, 500, 503", choose_in_outage, slow=True, app=True)
    yield FaultCase("a joint poem", "a button's event twice", joint_press_twice)
    for status, code in ((404, 10015), (401, 50027)):
        expired = Fault(status, {"message": "Expired", "code": code})
        play = joint("PATCH", "/webhooks/.*/messages", *[expired] * 2)
        yield FaultCase("a joint poem", f"the interaction ends ({status})", play)
    play = joint("POST", "/callback", Fault(404))
    yield FaultCase("a joint poem", "the callback fails with 404", play)
    play = joint("PATCH", "/@original", *[Fault(500, cut=True)] * 3)
    yield FaultCase("a joint poem", "reset three times", play)
    yield FaultCase("a joint poem", "503, 500, 503", joint("PATCH", "/@original", *OUTAGE), True)
    yield FaultCase(
        "a joint poem", "503, 500, 503 under a written line", joint_write_in_outage, True
    )
    yield FaultCase("a joint poem", "503, 500, 503 under a vote", joint_vote_in_outage, True)
    yield FaultCase("a joint poem", "edits are forbidden", joint_lost(403, 50013))
    yield FaultCase("a joint poem", "edits find no message", joint_lost(404, 10008))
    yield FaultCase("a joint poem", "the message is deleted", joint_deleted)
    for locked in (False, True):
        name = f"a thread archived in mid-training{', locked' if locked else ''}"
        yield FaultCase("vanishing", name, archive_thread(locked=locked), app=True)
    for seconds in (20, 60):
        yield FaultCase("half a poem", f"503 for {seconds} s", half_poem(seconds), slow=True)
    for name, fault in (("Cloudflare's text", ban(30)), ("JSON", json_ban(30))):
        play = turned_away(30.0, fault, most=6)
        yield FaultCase("turned away", f"429 for 30 s, {name}", play, slow=True)


TRIALS = tuple(_trials())
