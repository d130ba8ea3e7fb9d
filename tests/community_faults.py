"""Faults around what members do besides asking: replies, menus, corrections, proxy bots, keeping,
poems of the day and joint poems."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.discord_app.cogs.poems import MENU_NAME, Poems
from tests.discord_payloads import Payload, user_payload
from tests.fake_discord import Fault
from tests.fault_run import FaultRun, Scenario

MANAGE_SERVER, VIEW_CHANNEL = 1 << 5, 1 << 10  # permissions
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


# Joint poems: whatever fails, the lines are kept, and the poem can be finished


async def joint_press_twice(run: FaultRun) -> None:
    """Discord tells twice that a button was pressed: the line is taken once."""
    command = await _begin_joint(run)
    run.strike()
    token = await run.fake.press(_joint(run, command), "Take 1")
    number = token.split("-")[1]
    events = (event["d"] for event in run.fake.gateway.events())
    event = next(each for each in events if each.get("id") == number)
    await run.fake.gateway.emit("INTERACTION_CREATE", event)
    await _has_lines(run, command, 1)
    await _finish_joint(run, command)


def joint(method: str, path: str, *faults: Fault) -> Scenario:
    """A line is taken while Discord answers a request with faults."""

    async def play(run: FaultRun) -> None:
        command = await _begin_joint(run)
        run.fake.fail(method, path, faults)
        run.strike()
        await run.fake.press(_joint(run, command), "Take 1")
        await _has_lines(run, command, 1)
        await _finish_joint(run, command)

    return play


async def joint_write_in_outage(run: FaultRun) -> None:
    """A member writes a line while Discord takes no edits."""
    command = await _begin_joint(run)
    message = _joint(run, command)
    buttons = [one for row in message["components"] for one in row["components"]]
    custom_id = next(one["custom_id"] for one in buttons if one["label"] == "Write a line")
    await run.fake.press(message, "Write a line")
    run.fake.fail("PATCH", "/@original", OUTAGE)
    run.strike()
    field = {"type": 4, "custom_id": "line", "value": "a line of my own"}
    await run.fake.submit(message, custom_id, [{"type": 18, "component": field}])
    await _has_lines(run, command, 1)
    assert _joint(run, command)["content"].startswith("a line of my own\n")
    await _finish_joint(run, command)


async def joint_vote_in_outage(run: FaultRun) -> None:
    """A channel votes while Discord takes no edits: no vote is lost."""
    vote: Payload = {"name": "with", "type": 3, "value": "channel"}
    command = await _begin_joint(run, vote)
    third = _joint(run, command)["content"].rpartition("**3** ")[2]
    run.fake.fail("PATCH", "/@original", OUTAGE)
    run.strike()
    await run.fake.press(_joint(run, command), "Vote 3")
    await run.fake.press(_joint(run, command), "Count now")
    await _has_lines(run, command, 1)
    assert _joint(run, command)["content"].startswith(third)
    await _finish_joint(run, command)


def joint_lost(status: int, code: int) -> Scenario:
    """The message cannot be changed any more: the member is told so, and reads the lines."""

    async def play(run: FaultRun) -> None:
        command = await _begin_joint(run)
        fault = Fault(status, {"message": "Missing", "code": code})
        number = _joint(run, command)["id"]
        run.fake.fail("PATCH", f"/messages/(@original|{number})$", [fault] * 8)
        run.strike()
        await run.fake.press(_joint(run, command), "Take 1")
        await run.fake.until(lambda: _told_that_it_ended(run))

    return play


async def joint_deleted(run: FaultRun) -> None:
    """The message is deleted while the next line is looked for."""
    command = await _begin_joint(run)
    message = _joint(run, command)
    released = run.fake.hold("PATCH", "/@original")
    await run.fake.press(message, "Take 1")
    await run.fake.until(lambda: not run.fake.waits_for(released))
    run.strike()
    run.expected[command] = 0
    await run.fake.delete(int(message["id"]))
    released.set()
    await run.fake.until(lambda: _told_that_it_ended(run))


async def _begin_joint(run: FaultRun, *options: Payload) -> int:
    """Begin a couplet line by line, in a channel that the bot can see."""
    form: Payload = {"name": "form", "type": 3, "value": "couplet"}
    data = run.fake.called("together", form, *options)
    command = await run.fake.interact(2, data, app_permissions=str(VIEW_CHANNEL))
    run.expected[command] = 1
    await run.fake.until(lambda: _lines(run, command) == 0)
    return command


def _joint(run: FaultRun, command: int) -> Payload:
    return run.fake.answers_to(command)[0]


def _lines(run: FaultRun, command: int) -> int | None:
    """Return how many lines a joint poem has where the next ones are shown."""
    content = next((each["content"] for each in run.fake.answers_to(command)), "")
    return content.partition("-# Line ")[0].count("\n") if "**3** " in content else None


async def _has_lines(run: FaultRun, command: int, count: int) -> None:
    await run.fake.until(lambda: _lines(run, command) == count)


async def _finish_joint(run: FaultRun, command: int) -> None:
    await run.fake.press(_joint(run, command), "Finish it for me")
    await run.answered(command)
    assert "Written line by line" in _joint(run, command)["content"]


def _told_that_it_ended(run: FaultRun) -> bool:
    return any("so the poem ends here" in content for content in run.fake.contents)


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
