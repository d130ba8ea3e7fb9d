"""How to ask, told."""

from __future__ import annotations

import pytest

from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot
from bot.discord_app.poem_buttons import EXAMPLES
from bot.discord_app.poem_formatting import help_text
from tests.bot.discord_app.conftest import Simulation
from tests.fakes import FakeEngine, app_with


async def test_the_prefix_command_shows_every_way_of_asking(simulation: Simulation) -> None:
    await simulation.ann.send(simulation.channel, "!help")
    (answer,) = simulation.answers
    for words in ("`!sonnet", "</sonnet:", "`@TestBot", "direct message", "Again", "sea-songs"):
        assert words in answer
    assert len(answer) <= 2000


async def test_the_slash_command_answers_the_asker_alone(simulation: Simulation) -> None:
    result = await simulation.ann.slash(simulation.channel, "help")
    assert result.ephemeral
    assert result.response is not None
    assert "between 1 and 500" in result.response.content


def test_commands_without_an_id_are_shown_as_words() -> None:
    shown = help_text("Sonneteer", None, ["sonnets"], {"book": 12})
    assert "`/sonnet` with" in shown
    assert "</book list:12>" in shown


@pytest.mark.parametrize(("number", "seed"), [("0", "When winter"), ("1", "An old silent pond")])
async def test_an_example_is_written_at_one_press(
    simulation: Simulation, engine: FakeEngine, number: str, seed: str
) -> None:
    result = await simulation.ann.slash(simulation.channel, "help")
    assert result.response is not None
    await simulation.ann.click(result.response, custom_id=f"sonnet:try:{number}")
    assert simulation.answers[-1].partition("\n")[2].startswith(seed)
    assert engine.engine_requests[-1].settings.form == EXAMPLES[number][0]


class TestWithoutMessageContent:
    """The prefix does not work."""

    @pytest.fixture
    def simcord_bot(self, service: PoemService) -> SonneteerBot:
        return SonneteerBot(app_with(service), message_content=False)

    async def test_the_prefix_is_not_promised(self, simulation: Simulation) -> None:
        result = await simulation.ann.slash(simulation.channel, "help")
        assert result.response is not None
        assert "!sonnet" not in result.response.content
