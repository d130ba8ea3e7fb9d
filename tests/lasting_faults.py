"""Faults that last, and what a machine or a member has wrong: plays for the trials of faults.py."""

from __future__ import annotations

import asyncio

from tests.discord_payloads import Payload
from tests.fake_discord import Fault, rate_limit, shown
from tests.fault_run import FaultRun, Scenario
from tests.texts import quatrains

EPHEMERAL = 1 << 6  # a flag of messages that one member sees
MANAGE_SERVER = 1 << 5  # a permission
TRAINED = "Poems in this server now come from"
METHODS = ("POST", "PATCH", "DELETE", "GET")


def half_poem(seconds: float) -> Scenario:
    """While a poem grows, Discord takes no messages for a while."""

    async def play(run: FaultRun) -> None:
        command = await run.ask()
        await run.fake.until(lambda: run.fake.answers_to(command))
        run.strike()
        for method in METHODS:
            run.fake.fail_for(seconds, method, run.posts, Fault(503))
        await run.ask("in the outage")
        await asyncio.sleep(seconds)

    return play


def turned_away(seconds: float, fault: Fault, *, most: int) -> Scenario:
    """Everything is turned away for a while, and `fault` says for how long.

    In this time not more than `most` requests may be made.
    """

    async def play(run: FaultRun) -> None:
        before = len(run.fake.requests)
        for method in METHODS:
            run.fake.fail_for(seconds - 0.5, method, "", fault)  # a round figure is a second late
        run.strike()
        await run.ask()
        await asyncio.sleep(seconds / 3)
        await run.ask("in the ban")
        await asyncio.sleep(2 * seconds / 3 - 1)
        made = len(run.fake.requests) - before
        assert made <= most, f"{made} requests while Discord asks to be left alone"

    return play


def ban(seconds: float) -> Fault:
    """Return what Cloudflare says to a machine that has made too many requests."""
    return Fault(429, "error code: 1015", {"Retry-After": f"{seconds:g}"})


def json_ban(seconds: float) -> Fault:
    return Fault(429, rate_limit(seconds).body, {"Retry-After": f"{seconds:g}"})


# What this machine, or the member's, has wrong


async def call_stale(run: FaultRun) -> None:
    """A member's Discord still has commands of before an upgrade: an option was not required."""
    run.strike()
    for name in ("book info", "settings switch", "book burn"):
        command = await run.fake.call(name)
        run.expected[command] = 1
        await run.fake.until(lambda: run.fake.answers_to(command))  # noqa: B023


def clock_is_wrong(seconds: float) -> Scenario:
    """This machine's clock is ahead by so much, and a member asks what is theirs to see alone."""

    async def play(run: FaultRun) -> None:
        run.fake.ahead_seconds = -seconds
        run.strike()
        command = await run.fake.call("privacy")
        run.expected[command] = 1
        public = f"POST {run.posts}"

        def said() -> list[str]:
            return [f"{method} {path}" for method, path, _ in run.fake.requests]

        await run.fake.until(lambda: run.fake.answers_to(command) or public in said())
        assert public not in said(), "what is private was said to all"
        assert run.fake.answers_to(command)[0]["flags"] & EPHEMERAL
        await run.slash()

    return play


# A training's message


def archive_thread(*, locked: bool) -> Scenario:
    """While a book is trained on, the thread that it was asked for in is archived."""

    async def play(run: FaultRun) -> None:
        fake = run.fake
        fake.permissions = MANAGE_SERVER
        proposal = await _add_book(run)
        begun = fake.hold("PATCH", run.posts)
        await fake.press(fake.answers_to(proposal)[0], "Train")
        await fake.until(lambda: not fake.waits_for(begun))
        run.strike()
        fake.is_archived, fake.is_locked = True, locked
        begun.set()
        await fake.until(lambda: _told(run))
        fake.is_archived = fake.is_locked = False
        told = _told(run)
        assert len(told) == 1, f"the end is told {len(told)} times"
        assert (told[0] in fake.confided) == locked

    return play


async def _add_book(run: FaultRun) -> int:
    """Let the member add a book by its file; return the command once it is asked about."""
    file = run.fake.attach("walks.txt", quatrains(200).encode())
    option = {"name": "file", "type": 11, "value": file["id"]}
    data = run.fake.called("book add", option)
    data["resolved"] = {"attachments": {file["id"]: file}}
    command = await run.fake.interact(2, data)
    run.expected[command] = 1
    await run.fake.until(lambda: run.fake.answers_to(command))
    return command


def _told(run: FaultRun) -> list[Payload]:
    return [one for one in run.fake.answers if TRAINED in shown(one)]
