"""How to ask, told."""

from __future__ import annotations

import pytest

from bot.core.service import Service
from bot.discord_app.client import SonneteerBot
from tests.bot.discord_app.conftest import Stage


async def test_the_prefix_command_shows_every_way_of_asking(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "!help")
    (answer,) = stage.answers
    for words in ("`!sonnet", "`/sonnet`", "`@TestBot", "direct message", "Again", "sea-songs"):
        assert words in answer
    assert len(answer) <= 2000


async def test_the_slash_command_answers_the_asker_alone(stage: Stage) -> None:
    result = await stage.ann.slash(stage.channel, "help")
    assert result.ephemeral
    assert result.response is not None
    assert "between 1 and 500" in result.response.content


class TestWithoutMessageContent:
    """The prefix does not work."""

    @pytest.fixture
    def simcord_bot(self, service: Service) -> SonneteerBot:
        return SonneteerBot(service, message_content=False)

    async def test_the_prefix_is_not_promised(self, stage: Stage) -> None:
        result = await stage.ann.slash(stage.channel, "help")
        assert result.response is not None
        assert "!sonnet" not in result.response.content
