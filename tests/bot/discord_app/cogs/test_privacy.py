"""/privacy, /forgetme and /about in a simulated Discord."""

from __future__ import annotations

import pytest
from simcord.actors import MemberActor

from bot.core.application import About, App
from bot.core.policies import Operator
from bot.discord_app.client import SonneteerBot
from bot.discord_app.formatting import format_about, format_privacy
from bot.discord_app.panels import shown_text
from tests.bot.discord_app.cogs.conftest import last
from tests.bot.discord_app.conftest import Simulation
from tests.texts import quatrains


@pytest.fixture
def simcord_bot(app_bot: SonneteerBot) -> SonneteerBot:
    return app_bot


@pytest.mark.parametrize("way", ["!privacy", "@ privacy"])
async def test_what_is_kept_is_told(simulation: Simulation, way: str) -> None:
    me = simulation.env.bot.user
    assert me is not None
    await simulation.ann.send(simulation.channel, way.replace("@", me.mention))
    assert "Seeds and poems are never stored" in last(simulation).content
    assert len(last(simulation).content) <= 2000


def test_about_and_privacy_name_the_operator_and_link_to_the_pages() -> None:
    operator = Operator("Verse [& Co]", "ann@verse.example", "https://verse.example/bot/")
    for told in (format_privacy(operator), format_about(About("1", 0.0, 0, operator), None)):
        assert "run by Verse \\[& Co]" in told
        assert "contact: ann\\@verse.example" in told
        assert "[Privacy](<https://verse.example/bot/privacy>)" in told
        assert "[Terms of use](<https://verse.example/bot/terms>)" in told
    assert "run by" not in format_privacy(Operator())


async def test_who_has_left_no_trace_has_nothing_to_be_forgotten(simulation: Simulation) -> None:
    result = await simulation.ann.slash(simulation.channel, "forgetme")
    assert result.ephemeral
    assert result.response is not None
    await simulation.ann.click(result.response, label="Forget me")
    assert result.response.content.startswith("I stored nothing about you")


async def test_forgetting_takes_the_number_off_everything_and_keeps_the_model(
    simulation: Simulation, admin: MemberActor, app: App
) -> None:
    file = [("walks.txt", quatrains(200).encode())]
    await admin.send(simulation.channel, "!book add", attachments=file)
    await admin.click(last(simulation), label="Train")
    result = await simulation.ann.slash(simulation.channel, "book info", name="walks")
    assert result.response is not None
    assert f"<@{admin.id}>" in shown_text(result.response.message)
    result = await admin.slash(simulation.channel, "forgetme")
    assert result.response is not None
    await admin.click(result.response, label="Forget me")
    told = result.response.content
    assert "1 trainings, 1 models, 1 model choices" in told
    result = await simulation.ann.slash(simulation.channel, "book info", name="walks")
    assert result.response is not None
    assert "<@" not in shown_text(result.response.message)
    assert {model.name for model in app.service.models(str(simulation.guild.id))} >= {"walks"}


async def test_about_tells_version_model_uptime_and_poems(simulation: Simulation) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet --form free rain")
    await simulation.ann.send(simulation.channel, "!about")
    shown = last(simulation).content
    for words in (
        "Sonneteer 0.1.0",
        "sonnets",
        "up for 0 h 0 min",
        "1 poem written since the start",
    ):
        assert words in shown


async def test_they_work_in_a_direct_message(simulation: Simulation) -> None:
    for command in ("!privacy", "!about", "!forgetme"):
        await simulation.ann.user.send_dm(command)
        message = simulation.ann.user.dm_channel.last_message
        assert message is not None
        assert "random seed" not in message.content
