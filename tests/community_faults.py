"""Faults around replies, menus, corrected commands, proxy bots, poems of the day and kept poems."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.discord_app.cogs.poems import MENU_NAME, Poems
from tests.discord_payloads import Payload, user_payload
from tests.fake_discord import Fault
from tests.fault_run import FaultRun, Scenario

MANAGE_SERVER = 1 << 5  # a permission
OUTAGE = [Fault(503), Fault(500), Fault(503)]


async def correct_twice(run: FaultRun) -> None:
    """A command is corrected, and Discord tells of the edit twice."""
    run.strike()
    command = await run.fake.say("!sonet a rose", run.guild)
    run.expected[command] = 1
    sent = datetime.now(UTC).isoformat()
    for _ in range(2):
        await run.fake.edit(command, "!sonnet a rose", sent)
    await run.answered(command)


async def repost(run: FaultRun) -> None:
    """A proxy bot posts a command again and deletes it while its poem is written."""
    released = run.fake.hold("POST", run.posts)
    command = await run.ask()
    await run.fake.until(lambda: not run.fake.waits_for(released))
    run.strike()
    proxy = user_payload(77, "a proxy", bot=True)
    copy = await run.fake.say("!sonnet a rose", run.guild, webhook_id="77", author=proxy)
    run.expected[copy] = 0
    await run.fake.delete(command)
    released.set()
    await run.answered(command)


async def reply_in_outage(run: FaultRun) -> None:
    """A member replies to a poem while Discord takes no messages."""
    first = await run.ask()
    await run.answered(first)
    poem = run.fake.answers_to(first)[0]
    run.fake.fail("POST", run.posts, OUTAGE)
    run.strike()
    reference = {"message_id": poem["id"], "channel_id": poem["channel_id"]}
    command = await run.fake.say(
        "a lily", run.guild, message_reference=reference, referenced_message=poem, type=19
    )
    run.expected[command] = 1
    await run.answered(command)


def menu(*faults: Fault) -> Scenario:
    """A member takes "Sonnet from this" while Discord refuses the acknowledgement."""

    async def play(run: FaultRun) -> None:
        theirs = await run.fake.say("a rose", run.guild)
        run.fake.fail("POST", "/callback", faults)
        run.strike()
        number = next(each["id"] for each in run.fake.commands if each["name"] == MENU_NAME)
        data = {
            "id": number,
            "name": MENU_NAME,
            "type": 3,
            "target_id": str(theirs),
            "resolved": {"messages": {str(theirs): run.fake.messages[theirs]}},
        }
        command = await run.fake.interact(2, data)
        run.expected[command] = 1
        await run.answered(command)

    return play


async def daily_in_outage(run: FaultRun) -> None:
    """A poem of the day is due while Discord takes no messages: it comes once, when it can."""
    await _set(run, "daily", {"time": "0:00", "form": "free"})
    cog = run.bot().get_cog("Poems")
    assert isinstance(cog, Poems)
    await run.fake.until(lambda: run.bot().is_ready())
    run.fake.fail("POST", run.posts, OUTAGE)
    run.strike()
    for _ in range(3):
        await cog.daily.send_due()
    sent = [each for each in run.fake.contents if "Poem of the day" in each]
    assert len(sent) == 1, f"{len(sent)} poems of the day"
    await _set(run, "daily", {"state": "off"})


async def keep_in_outage(run: FaultRun) -> None:
    """A poem is kept twice while Discord takes no messages: there is one copy."""
    await _set(run, "keep", {})
    command = await run.ask("--form free a rose")
    await run.answered(command)
    poem = run.fake.answers_to(command)[0]
    run.fake.fail("POST", run.posts, OUTAGE)
    run.strike()
    for _ in range(2):
        await run.fake.press(poem, "Keep")
    await run.fake.until(lambda: _copies(run))
    assert len(_copies(run)) == 1, f"{len(_copies(run))} copies"
    await _set(run, "keep", None)


def _copies(run: FaultRun) -> list[str]:
    return [each for each in run.fake.contents if "kept by" in each]


async def _set(run: FaultRun, name: str, values: dict[str, Any] | None) -> None:
    """Let an admin change a setting of the channel that poems are asked in; None clears it."""
    run.fake.permissions = MANAGE_SERVER
    options: list[Payload] = [
        {"name": key, "type": 3, "value": value} for key, value in (values or {}).items()
    ]
    if values is not None and "state" not in values:
        options.insert(0, {"name": "channel", "type": 7, "value": str(run.channel)})
    data = run.fake.called(f"settings {name}", *options)
    channel = {"id": str(run.channel), "name": "verse", "type": 0, "permissions": "0"}
    data["resolved"] = {"channels": {str(run.channel): channel}}
    command = await run.fake.interact(2, data)
    run.expected[command] = 1
    await run.fake.until(lambda: run.fake.answers_to(command))
