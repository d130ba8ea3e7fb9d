"""Forms and panels that were open while the bot was restarted, with the real discord.py."""

from __future__ import annotations

from pathlib import Path

from tests.apps import FakeTrainer
from tests.bot.discord_app.test_training_message import running
from tests.discord_payloads import Payload
from tests.fake_discord import FakeDiscord, shown

FORM = 9  # the type of a response that opens a form


async def open_panel(fake: FakeDiscord) -> Payload:
    command = await fake.call("settings show")
    await fake.until(lambda: "form: sonnet" in "".join(map(shown, fake.answers_to(command))))
    return fake.answers_to(command)[0]


def forms(fake: FakeDiscord) -> list[Payload]:
    """Return the forms that the bot has opened."""
    bodies = [body for *_, body in fake.requests if isinstance(body, dict)]
    return [body["data"] for body in bodies if body.get("type") == FORM]


async def test_a_settings_panel_works_after_a_restart(discord: FakeDiscord, tmp_path: Path) -> None:
    async with running(discord, tmp_path, FakeTrainer()):
        panel = await open_panel(discord)
    async with running(discord, tmp_path, FakeTrainer()):
        await discord.choose(panel, "settings:form", ["haiku"])
        await discord.until(lambda: "form: haiku" in shown(panel))


async def test_a_form_that_was_opened_before_a_restart_is_read(
    discord: FakeDiscord, tmp_path: Path
) -> None:
    async with running(discord, tmp_path, FakeTrainer()):
        panel = await open_panel(discord)
        await discord.press(panel, "Words and numbers")
        await discord.until(lambda: forms(discord))
    [form] = forms(discord)
    label = {"type": 18, "component": {"type": 4, "custom_id": "lines", "value": "9"}}
    async with running(discord, tmp_path, FakeTrainer()):
        await discord.submit(panel, form["custom_id"], [label])
        await discord.until(lambda: "length of free text: 9 lines" in shown(panel))


async def test_a_form_of_another_version_gets_a_sentence(
    discord: FakeDiscord, tmp_path: Path
) -> None:
    async with running(discord, tmp_path, FakeTrainer()):
        panel = await open_panel(discord)
        await discord.submit(panel, "settings:numbers:00000000", [])
        await discord.until(lambda: "This form is too old" in discord.contents[-1])
        await discord.submit(panel, "settings:forgotten", [])
        await discord.until(lambda: "expired" in discord.contents[-1])
