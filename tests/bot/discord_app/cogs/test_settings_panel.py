"""/settings show as a panel, in a simulated Discord: selects, forms, two admins at once."""

from __future__ import annotations

from typing import Any

import pytest
from simcord.actors import MemberActor
from simcord.results import InteractionResult, ResponseMessage

from bot.core.application import App
from bot.core.daily import DailyPoem
from bot.core.guild_settings import GuildSettings
from bot.discord_app.client import SonneteerBot
from bot.discord_app.panels import shown_text
from bot.discord_app.settings_panel import PanelState, settings_panel
from tests.bot.discord_app.cogs.conftest import last
from tests.bot.discord_app.conftest import Simulation
from tests.texts import quatrains

# Refusals are meant: the simulation would have every error of a command acknowledged.
pytestmark = pytest.mark.simcord(check_errors=False)


@pytest.fixture
def simcord_bot(app_bot: SonneteerBot) -> SonneteerBot:
    return app_bot


@pytest.fixture
def second(simulation: Simulation, admin: MemberActor) -> MemberActor:
    role = simulation.guild.roles["editors"]
    return simulation.guild.add_member(simulation.env.create_user("nora"), roles=[role])


async def opened(simulation: Simulation, admin: MemberActor) -> ResponseMessage:
    result = await admin.slash(simulation.channel, "settings show")
    assert result.response is not None
    return result.response


def settings_of(simulation: Simulation, app: App) -> GuildSettings:
    return app.guilds.guild_settings(str(simulation.guild.id))


def refusal(result: InteractionResult) -> str:
    [told] = [each for each in result.followups if each.ephemeral]
    return told.content


def marks(shown: InteractionResult) -> dict[str, Any]:
    """Return what the fields of a form are filled in with."""
    assert shown.modal is not None
    inner = [label["component"] for label in shown.modal["components"]]
    return {each["custom_id"]: each.get("value", "") for each in inner}


async def test_the_panel_is_for_the_admin_alone(simulation: Simulation, admin: MemberActor) -> None:
    panel = await opened(simulation, admin)
    assert panel.ephemeral
    assert panel.flags.components_v2
    assert "words to avoid: none" in shown_text(panel.message)


async def test_a_message_is_answered_with_text(simulation: Simulation, admin: MemberActor) -> None:
    await admin.send(simulation.channel, "!settings show")
    assert "words to avoid: none" in last(simulation).content
    assert not last(simulation).components


async def test_lists_are_changed_in_place(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    panel = await opened(simulation, admin)
    club = simulation.guild.create_category("club")
    role = simulation.guild.create_role("poets")
    await admin.select(panel, [simulation.channel, club], custom_id="settings:channels")
    await admin.select(panel, [role], custom_id="settings:roles")
    await admin.select(panel, [role], custom_id="settings:managers")
    settings = settings_of(simulation, app)
    assert settings.channels == (str(simulation.channel.id), str(club.id))
    assert settings.roles == settings.managers == (str(role.id),)
    assert f"channels for poems: <#{simulation.channel.id}> <#{club.id}>" in shown_text(
        panel.message
    )
    await admin.select(panel, [], custom_id="settings:channels")
    assert settings_of(simulation, app).channels == ()


async def test_form_model_keep_channel_and_switch_are_changed_in_place(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    file = [("walks.txt", quatrains(200).encode())]
    await admin.send(simulation.channel, "!book add", attachments=file)
    await admin.click(last(simulation), label="Train")
    panel = await opened(simulation, admin)
    await admin.select(panel, ["haiku"], custom_id="settings:form")
    await admin.select(panel, ["sonnets"], custom_id="settings:model")
    await admin.select(panel, [simulation.channel], custom_id="settings:keep_channel")
    await admin.click(panel, label="Do not use new models at once")
    settings = settings_of(simulation, app)
    assert (settings.form, settings.switch) == ("haiku", False)
    assert settings.keep_channel == str(simulation.channel.id)
    assert app.guilds.choice(str(simulation.guild.id)).name == ""  # sonnets is the default
    await admin.select(panel, ["default"], custom_id="settings:form")
    await admin.select(panel, ["walks"], custom_id="settings:model")
    await admin.select(panel, [], custom_id="settings:keep_channel")
    await admin.click(panel, label="Use new models at once")
    assert settings_of(simulation, app) == GuildSettings()
    assert app.guilds.choice(str(simulation.guild.id)).name == "walks"


async def test_two_admins_do_not_undo_each_other(
    simulation: Simulation, admin: MemberActor, second: MemberActor, app: App
) -> None:
    one, two, three = (simulation.guild.create_text_channel(name) for name in ("a", "b", "c"))
    await admin.slash(simulation.channel, "settings channels", change="add", channel=one)
    first, other = await opened(simulation, admin), await opened(simulation, second)
    await admin.select(first, [one, two], custom_id="settings:channels")
    await second.select(other, [three], custom_id="settings:channels")  # takes out `one` alone
    assert settings_of(simulation, app).channels == (str(two.id), str(three.id))
    assert f"<#{two.id}>" in shown_text(other.message)


async def test_a_form_changes_what_was_changed_in_it(
    simulation: Simulation, admin: MemberActor, second: MemberActor, app: App
) -> None:
    panel = await opened(simulation, admin)
    form = await admin.click(panel, label="Words and numbers")
    await second.send(simulation.channel, "!settings cooldown 7")
    await admin.submit_modal(form, {**marks(form), "avoid": "Moon, june", "lines": "9"})
    settings = settings_of(simulation, app)
    assert settings.avoid == ("moon", "june")
    assert (settings.lines, settings.cooldown_seconds) == (9, 7.0)
    form = await admin.click(panel, label="Words and numbers")
    assert marks(form) == {
        "avoid": "moon, june",
        "cooldown_seconds": "7",
        "lines": "9",
        "temperature": "",
    }
    await admin.submit_modal(form, {"avoid": "", "cooldown_seconds": "", "lines": ""})
    assert settings_of(simulation, app) == GuildSettings()


async def test_what_another_admin_has_changed_meanwhile_is_not_overwritten(
    simulation: Simulation, admin: MemberActor, second: MemberActor, app: App
) -> None:
    panel = await opened(simulation, admin)
    form = await admin.click(panel, label="Words and numbers")
    await second.send(simulation.channel, "!settings avoid add gull")
    result = await admin.submit_modal(form, {**marks(form), "avoid": "moon"})
    assert "Avoid was changed by somebody else" in refusal(result)
    assert "avoid: `moon`" in refusal(result)
    assert settings_of(simulation, app).avoid == ("gull",)
    assert "words to avoid: gull" in shown_text(panel.message)


async def test_a_wrong_value_in_a_form_changes_nothing(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    panel = await opened(simulation, admin)
    form = await admin.click(panel, label="Words and numbers")
    result = await admin.submit_modal(form, {"avoid": "moon", "cooldown_seconds": "9999"})
    assert "between 0 and 3,600" in refusal(result)
    assert settings_of(simulation, app) == GuildSettings()


async def test_the_poem_of_the_day_is_set_paused_and_ended_with_a_form(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    panel = await opened(simulation, admin)
    form = await admin.click(panel, label="Poem of the day")
    typed = {"time": "7.30", "timezone": "europe/berlin", "state": "on", "seeds": "o rose; the sea"}
    await admin.submit_modal(form, {"channel": [simulation.channel], **typed})
    daily = DailyPoem(
        str(simulation.channel.id), "07:30", "Europe/Berlin", seeds=("o rose", "the sea")
    )
    assert settings_of(simulation, app).daily == daily
    form = await admin.click(panel, label="Poem of the day")
    kept = {"channel": [simulation.channel], "time": "07:30", "timezone": "Europe/Berlin"}
    await admin.submit_modal(form, {**kept, "state": "paused", "seeds": "o rose; the sea"})
    paused = settings_of(simulation, app).daily
    assert paused is not None
    assert paused.paused
    form = await admin.click(panel, label="Poem of the day")
    await admin.submit_modal(form, {**kept, "state": "off", "seeds": "o rose; the sea"})
    assert settings_of(simulation, app).daily is None


async def test_a_poem_of_the_day_needs_a_channel(
    simulation: Simulation, admin: MemberActor
) -> None:
    panel = await opened(simulation, admin)
    form = await admin.click(panel, label="Poem of the day")
    values = {"time": "9:00", "timezone": "UTC", "state": "on"}
    assert "Name the channel" in refusal(await admin.submit_modal(form, values))


async def test_whoever_is_no_admin_any_more_changes_nothing(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    panel = await opened(simulation, admin)
    form = await admin.click(panel, label="Words and numbers")
    role = simulation.guild.roles["editors"]
    simulation.env.backend.remove_member_role(simulation.guild.id, admin.id, role.id)
    await simulation.env.settle()
    result = await admin.select(panel, ["haiku"], custom_id="settings:form")
    assert refusal(result).startswith("Only members who may manage this server")
    result = await admin.submit_modal(form, {"avoid": "moon"})
    assert result.response is not None
    assert result.response.content.startswith("Only members who may manage this server")
    assert settings_of(simulation, app) == GuildSettings()


async def test_a_refused_choice_leaves_a_panel_that_shows_what_is_set(
    simulation: Simulation, admin: MemberActor
) -> None:
    panel = await opened(simulation, admin)
    everyone = simulation.guild.default_role
    result = await admin.select(panel, [everyone], custom_id="settings:roles")
    assert "only some members have" in refusal(result)
    assert "who may ask: everyone" in shown_text(panel.message)


async def test_more_channels_than_a_list_can_show_are_left_to_the_command(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    for number in range(26):
        channel = simulation.guild.create_text_channel(f"room-{number}")
        await admin.slash(simulation.channel, "settings channels", change="add", channel=channel)
    panel = await opened(simulation, admin)
    assert "More than 25 are set. Use `/settings channels`" in shown_text(panel.message)


async def test_a_channel_that_was_deleted_is_not_shown_and_goes_with_the_next_change(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    gone, stays = (simulation.guild.create_text_channel(name) for name in ("gone", "stays"))
    await admin.slash(simulation.channel, "settings channels", change="add", channel=gone)
    simulation.env.backend.delete_channel(gone.id)
    await simulation.env.settle()
    panel = await opened(simulation, admin)
    assert "1 of these channels no longer exists" in shown_text(panel.message)
    await admin.select(panel, [stays], custom_id="settings:channels")
    assert settings_of(simulation, app).channels == (str(stays.id),)


def test_a_panel_of_everything_stays_within_discords_limits(app: App) -> None:
    settings = GuildSettings(avoid=tuple(["x" * 30] * 200), channels=tuple("12345678"))
    models = app.service.models("")
    view = settings_panel(PanelState(settings, app.service.defaults, models, models[0], None))
    assert view.content_length() <= 4000
    assert len(list(view.walk_children())) <= 40
