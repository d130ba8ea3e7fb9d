"""The buttons under a poem, before and after a restart."""

from __future__ import annotations

import discord
import pytest

from bot.core.records import Defaults
from bot.core.service import Service
from bot.discord_app.client import SonneteerBot
from bot.discord_app.live import Tempo
from bot.discord_app.replies import read_verse
from tests.bot.discord_app.conftest import FAST, Stage
from tests.fakes import SEA_SONGS, SONNETS, VERSE, FakePoet, fake_service

LONG = "\n" + "the evening lays its hand upon the quiet water\n" * 80 + "and so good night"


async def _last(stage: Stage) -> discord.Message:
    message = stage.channel.last_message
    assert message is not None
    return message


async def _restart(stage: Stage, service: Service) -> None:
    await stage.env.restart_bot(SonneteerBot(service, tempo=FAST))


@pytest.mark.parametrize("way", ["prefix", "slash"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_again_writes_another_poem_of_the_same_seed(
    stage: Stage, poet: FakePoet, way: str, restarted: bool
) -> None:
    seed = "a *rose* <3 @everyone"
    if way == "prefix":
        await stage.ann.send(stage.channel, f"!sonnet --lines 5 --model sea-songs {seed}")
    else:
        await stage.ann.slash(stage.channel, "sonnet", seed=seed, lines=5, model="sea-songs")
    if restarted:
        await _restart(stage, fake_service(poet, random_seed=8))
    result = await stage.ben.click(await _last(stage), label="Again")
    first, again = poet.orders
    assert again.prompt == first.prompt == seed
    assert (again.settings, again.model) == (first.settings, SEA_SONGS)
    assert again.asker.member == f"discord:{stage.ben.id}"
    assert again.random_seed == (8 if restarted else 7)
    assert result.response is not None
    assert read_verse(result.response.content) == f"{seed}{VERSE}"


@pytest.mark.parametrize("restarted", [False, True])
async def test_continue_goes_on_from_the_last_line(
    stage: Stage, poet: FakePoet, restarted: bool
) -> None:
    await stage.ann.send(stage.channel, "!sonnet a rose")
    if restarted:
        await _restart(stage, fake_service(poet))
    await stage.ann.click(await _last(stage), label="Continue")
    assert poet.orders[1].prompt == "along the sleeping land"


@pytest.mark.parametrize("way", ["prefix", "slash"])
async def test_the_buttons_of_a_poem_in_parts_know_its_beginning_and_its_end(
    stage: Stage, poet: FakePoet, service: Service, way: str
) -> None:
    poet.text = LONG
    if way == "prefix":
        await stage.ann.send(stage.channel, "!sonnet a rose")
    else:
        await stage.ann.slash(stage.channel, "sonnet", seed="a rose")
    last_part = await _last(stage)
    await _restart(stage, service)
    await stage.ann.click(last_part, label="Again")
    await stage.ann.click(last_part, label="Continue")
    assert [order.prompt for order in poet.orders] == ["a rose", "a rose", "and so good night"]


async def test_again_says_so_when_the_beginning_is_gone(stage: Stage, poet: FakePoet) -> None:
    poet.text = LONG
    await stage.ann.send(stage.channel, "!sonnet a rose")
    first, *_, last = [m for m in stage.channel.history() if m.author.bot]
    stage.env.backend.delete_message(stage.channel.id, first.id)
    result = await stage.ann.click(last, label="Again")
    assert result.ephemeral
    assert result.response is not None
    assert "cannot read the beginning" in result.response.content


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_asker_can_delete_all_parts(
    stage: Stage, poet: FakePoet, service: Service, restarted: bool
) -> None:
    poet.text = LONG
    await stage.ann.send(stage.channel, "!sonnet a rose")
    if restarted:
        await _restart(stage, service)
    assert len(stage.answers) == 3
    await stage.ann.click(await _last(stage), label="Delete")
    assert stage.answers == []


async def test_a_moderator_can_delete_a_poem(stage: Stage) -> None:
    role = stage.guild.create_role("Mods", permissions=discord.Permissions(manage_messages=True))
    moderator = stage.guild.add_member(stage.env.create_user("mia"), roles=[role])
    await stage.ann.slash(stage.channel, "sonnet", seed="a rose")
    await moderator.click(await _last(stage), label="Delete")
    assert stage.answers == []


async def test_another_member_cannot_delete_a_poem(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "!sonnet a rose")
    result = await stage.ben.click(await _last(stage), label="Delete")
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content.startswith("Only whoever asked")
    assert len(stage.answers) == 1


async def test_a_poem_can_be_deleted_in_a_direct_message(stage: Stage) -> None:
    await stage.ann.send_dm("a rose")
    answer = stage.ann.user.dm_channel.last_message
    assert answer is not None
    await stage.ann.user.click(answer, label="Delete")
    assert [m for m in stage.ann.user.dm_channel.history() if m.author.bot] == []


@pytest.mark.parametrize(
    "forged",
    [
        "sonnet:again:nonsense",
        "sonnet:continue:",
        "sonnet:delete:-1",
        "sonnet:again:a1a1a1a1a1a1-7-zzzz-0-7ps-0-sle:6:0",
    ],
)
async def test_a_strange_button_gets_a_sentence(stage: Stage, poet: FakePoet, forged: str) -> None:
    await stage.ann.send(stage.channel, "!sonnet a rose")
    message = await _last(stage)
    stored = stage.env.backend.get_message(stage.channel.id, message.id)
    stored.components[0]["components"][0]["custom_id"] = forged
    result = await stage.ann.click(message, custom_id=forged)
    assert result.ephemeral
    assert result.response is not None
    assert result.response.content.startswith("This button is not one of mine any more.")
    assert len(poet.orders) == 1


async def test_a_button_of_a_model_that_is_gone_is_told_to_the_presser(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "!sonnet --model sea-songs a rose")
    await _restart(stage, fake_service(models=[SONNETS]))
    result = await stage.ann.click(await _last(stage), label="Again")
    assert [told.ephemeral for told in result.followups] == [True]
    assert "There is no model" in result.followups[0].content
    assert len(stage.answers) == 1


class TestWhileWriting:
    """The poem's second piece has not come yet: the poet sleeps."""

    @pytest.fixture
    def simcord_bot(self, service: Service) -> SonneteerBot:
        return SonneteerBot(
            service, tempo=Tempo(edit_seconds=3600.0, patience_seconds=0.0, retry_seconds=0.0)
        )

    @pytest.fixture
    def poet(self) -> FakePoet:
        return FakePoet(piece_seconds=3600.0)

    async def test_the_reply_shows_what_there_is(self, stage: Stage) -> None:
        await stage.ann.send(stage.channel, "!sonnet a rose")
        assert stage.answers == ["a rose\n-# writing…"]

    async def test_the_place_in_line_is_told(self, stage: Stage, poet: FakePoet) -> None:
        poet.place, poet.expected_wait = 3, 4.0
        await stage.ann.slash(stage.channel, "sonnet", seed="a rose")
        assert stage.answers == ["a rose\n-# In line: 2 poems before yours, about 4 s."]

    @pytest.mark.parametrize("how", ["button", "reply", "command", "bulk"])
    async def test_deleting_frees_the_row(self, stage: Stage, poet: FakePoet, how: str) -> None:
        command = await stage.ann.send(stage.channel, "!sonnet a rose")
        reply = await _last(stage)
        assert poet.running == 1
        match how:
            case "button":
                await stage.ann.click(reply, label="Delete")
            case "reply":
                stage.env.backend.delete_message(stage.channel.id, reply.id)
            case "command":
                await stage.ann.delete(command)
            case _:
                stage.env.backend.bulk_delete_messages(stage.channel.id, [command.id, reply.id])
        await stage.env.settle()
        assert poet.running == 0
        await stage.env.advance_time(3600)  # the fake wakes up and sees that it was cancelled
        assert stage.answers == []


# Poems in a form


@pytest.fixture
def versed(service: Service) -> Service:
    service.defaults = Defaults()
    return service


async def test_a_poem_in_a_form_has_its_title_and_a_card(stage: Stage, versed: Service) -> None:
    await stage.ann.send(stage.channel, "!sonnet a rose")
    assert stage.answers == [f"### A Title\na rose{VERSE}\n-# sonnets · random seed 7"]
    result = await stage.ben.click(await _last(stage), label="Card")
    assert result.response is not None
    [card] = result.response.attachments
    assert card.filename == "poem-7.png"


async def test_again_and_continue_keep_the_form(
    stage: Stage, poet: FakePoet, versed: Service
) -> None:
    await stage.ann.send(stage.channel, "!sonnet --form haiku a rose")
    message = await _last(stage)
    await stage.ann.click(message, label="Again")
    await stage.ann.click(message, label="Continue")
    assert [(order.settings.form, order.prompt) for order in poet.orders] == [
        ("haiku", "a rose"),
        ("haiku", "a rose"),
        ("haiku", "along the sleeping land"),
    ]


async def test_free_text_has_no_card(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "!sonnet a rose")
    labels = [
        button.label
        for row in (await _last(stage)).components
        if isinstance(row, discord.ActionRow)
        for button in row.children
        if isinstance(button, discord.Button)
    ]
    assert labels == ["Again", "Continue", "Delete"]


async def test_a_slash_command_may_choose_the_form(
    stage: Stage, poet: FakePoet, versed: Service
) -> None:
    await stage.ann.slash(stage.channel, "sonnet", seed="a rose", form="couplet")
    assert poet.orders[0].settings.form == "couplet"
