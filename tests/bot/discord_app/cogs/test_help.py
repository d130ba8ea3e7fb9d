"""How to ask, told."""

from __future__ import annotations

import pytest

from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot
from tests.bot.discord_app.conftest import Simulation
from tests.fakes import app_with


async def test_the_prefix_command_shows_every_way_of_asking(simulation: Simulation) -> None:
    await simulation.ann.send(simulation.channel, "!help")
    (answer,) = simulation.answers
    for words in ("`!sonnet", "`/sonnet`", "`@TestBot", "direct message", "Again", "sea-songs"):
        assert words in answer
    assert len(answer) <= 2000


async def test_the_slash_command_answers_the_asker_alone(simulation: Simulation) -> None:
    result = await simulation.ann.slash(simulation.channel, "help")
    assert result.ephemeral
    assert result.response is not None
    assert "between 1 and 500" in result.response.content


class TestWithoutMessageContent:
    """The prefix does not work."""

    @pytest.fixture
    def simcord_bot(self, service: PoemService) -> SonneteerBot:
        return SonneteerBot(app_with(service), message_content=False)

    async def test_the_prefix_is_not_promised(self, simulation: Simulation) -> None:
        result = await simulation.ann.slash(simulation.channel, "help")
        assert result.response is not None
        assert "!sonnet" not in result.response.content
