"""Faults around forms and panels: adding a book with a form, and changing a server's settings."""

from __future__ import annotations

from tests.discord_payloads import Payload
from tests.fake_discord import Fault, shown
from tests.fault_run import FaultRun
from tests.texts import quatrains

MANAGE_SERVER = 1 << 5  # a permission
OUTAGE = [Fault(503), Fault(500), Fault(503)]
FOUND = "Train on this book?"


async def submit_twice(run: FaultRun) -> None:
    """Discord tells twice of a form that was filled in: the book is fetched once."""
    command = await _submit(run)
    event = next(
        event["d"] for event in run.fake.gateway.events() if event["d"].get("id") == str(command)
    )
    await run.fake.gateway.emit("INTERACTION_CREATE", event)
    await _found(run, command)


async def submit_in_outage(run: FaultRun) -> None:
    """A form is filled in while Discord takes neither acknowledgements nor answers."""
    run.fake.fail("POST", "/callback", OUTAGE)
    run.fake.fail("PATCH", "/@original", OUTAGE)
    await _found(run, await _submit(run))


async def _submit(run: FaultRun) -> int:
    """Let the member fill in the form of /book add, which no bot of today need have opened."""
    run.fake.permissions = MANAGE_SERVER
    file = run.fake.attach("walks.txt", quatrains(200).encode())
    filled: list[Payload] = [
        {"type": 19, "custom_id": "file", "values": [file["id"]]},
        {"type": 4, "custom_id": "source", "value": ""},
        {"type": 4, "custom_id": "name", "value": "walks"},
        {"type": 21, "custom_id": "training", "value": "short"},
    ]
    labels = [{"type": 18, "id": number, "component": each} for number, each in enumerate(filled)]
    resolved = {"attachments": {file["id"]: file}}
    run.strike()
    data = {"custom_id": "book:add:0", "components": labels, "resolved": resolved}
    command = await run.fake.interact(5, data)
    run.expected[command] = 1
    return command


async def _found(run: FaultRun, command: int) -> None:
    await run.fake.until(lambda: any(FOUND in shown(each) for each in run.fake.answers_to(command)))


async def choose_in_outage(run: FaultRun) -> None:
    """An admin changes a setting in the panel while Discord takes no edits."""
    run.fake.permissions = MANAGE_SERVER
    command = await run.fake.call("settings show")
    run.expected[command] = 1
    await run.fake.until(lambda: run.fake.answers_to(command))
    panel = run.fake.answers_to(command)[0]
    run.fake.fail("PATCH", "/@original", OUTAGE)
    run.strike()
    await run.fake.choose(panel, "settings:form", ["haiku"])
    await run.fake.until(lambda: "form: haiku" in shown(panel))
    await run.fake.choose(panel, "settings:form", ["default"])
    await run.fake.until(lambda: "form: haiku" not in shown(panel))
