"""Asking for poems in a simulated Discord."""

from __future__ import annotations

import discord
import pytest
import simcord

from bot.core.service import Service
from bot.discord_app.client import SonneteerBot
from bot.discord_app.live import Tempo
from bot.discord_app.replies import read_verse
from tests.bot.discord_app.conftest import FAST, Stage
from tests.fakes import SEA_SONGS, VERSE, FakePoet

POEM = f"a rose{VERSE}"
SIGNATURE = "\n-# sonnets · random seed 7"


async def test_the_prefix_command_writes_a_poem_that_begins_with_the_seed(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "!sonnet a rose")
    assert stage.answers == [POEM + SIGNATURE]


async def test_the_answer_is_a_reply_to_the_command(stage: Stage) -> None:
    command = await stage.ann.send(stage.channel, "!sonnet a rose")
    answer = stage.channel.last_message
    assert answer is not None
    assert answer.reference is not None
    assert answer.reference.message_id == command.id


async def test_the_slash_command_is_deferred_and_becomes_the_poem(stage: Stage) -> None:
    result = await stage.ann.slash(stage.channel, "sonnet", seed="a rose")
    callbacks = [call.json for call in stage.env.http_requests if call.path.endswith("/callback")]
    assert callbacks == [{"type": 5}]
    assert result.response is not None
    assert read_verse(result.response.content) == POEM
    assert result.followups == []


async def test_a_mention_writes_a_poem_and_is_no_part_of_it(stage: Stage) -> None:
    assert stage.env.bot.user is not None
    await stage.ann.send(stage.channel, f"<@{stage.env.bot.user.id}> a rose")
    assert stage.answers == [POEM + SIGNATURE]


async def test_a_mention_alone_opens_at_random(stage: Stage) -> None:
    assert stage.env.bot.user is not None
    await stage.ann.send(stage.channel, stage.env.bot.user.mention)
    assert read_verse(stage.answers[0]).startswith("an opening, number 7 upon")


async def test_a_reply_to_the_bot_is_a_request_only_if_it_names_the_bot(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "!sonnet a rose")
    answer = stage.channel.last_message
    assert answer is not None
    await stage.ann.send(stage.channel, "lovely!", reply_to=answer)
    assert len(stage.answers) == 1


async def test_a_direct_message_is_a_seed(stage: Stage) -> None:
    await stage.ann.send_dm("a rose")
    answer = stage.ann.user.dm_channel.last_message
    assert answer is not None
    assert read_verse(answer.content) == POEM


async def test_a_command_in_a_direct_message_is_answered_once(stage: Stage) -> None:
    await stage.ann.send_dm("!sonnet a rose")
    history = stage.ann.user.dm_channel.history()
    assert [read_verse(m.content) for m in history if m.author.bot] == [POEM]


async def test_no_seed_opens_at_random(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "!sonnet")
    assert read_verse(stage.answers[0]).startswith("an opening, number 7 upon")


async def test_other_talk_is_left_alone(stage: Stage) -> None:
    await stage.ann.send(stage.channel, "good morning, !sonnet is nice")
    await stage.ann.send(stage.channel, "!nonsense")
    assert stage.answers == []


async def test_options_before_the_seed_are_taken(stage: Stage, poet: FakePoet) -> None:
    typed = "!sonnet --lines 8 --temperature 0.9 --random-seed 42 --model sea-songs a rose"
    await stage.ann.send(stage.channel, typed)
    order = poet.orders[0]
    assert (order.settings.lines, order.settings.temperature) == (8, 0.9)
    assert (order.random_seed, order.model, order.prompt) == (42, SEA_SONGS, "a rose")


@pytest.mark.parametrize(
    "seed", ["-- a rose", "--lines many a rose", "--", "--colour red", "—lines 8", "--lines"]
)
async def test_a_seed_that_only_looks_like_an_option_is_a_seed(
    stage: Stage, poet: FakePoet, seed: str
) -> None:
    await stage.ann.send(stage.channel, f"!sonnet {seed}")
    assert poet.orders[0].prompt == seed


async def test_slash_options_reach_the_poet(stage: Stage, poet: FakePoet) -> None:
    await stage.ann.slash(
        stage.channel,
        "sonnet",
        seed="a rose",
        model="sea-songs",
        lines=4,
        temperature=1.5,
        random_seed=99,
    )
    order = poet.orders[0]
    assert (order.model, order.random_seed) == (SEA_SONGS, 99)
    assert (order.settings.lines, order.settings.temperature) == (4, 1.5)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("lines", 0, "between 1 and 500"),
        ("temperature", 9.5, "between 0.05 and 2.0"),
        ("random_seed", -1, "between 0 and 9,007,199,254,740,991"),
    ],
)
async def test_a_wrong_value_gets_the_range_for_the_asker_alone(
    stage: Stage, option: str, value: float, allowed: str
) -> None:
    result = await stage.ann.slash(stage.channel, "sonnet", seed="a rose", **{option: value})
    assert result.ephemeral
    assert result.response is not None
    assert str(value) in result.response.content
    assert allowed in result.response.content


async def test_an_unknown_model_is_told_to_the_asker_alone(stage: Stage) -> None:
    result = await stage.ann.slash(stage.channel, "sonnet", model="odes")
    assert result.response is None
    assert [told.ephemeral for told in result.followups] == [True]
    assert "Choose one of: sonnets, sea-songs." in result.followups[0].content


async def test_model_names_are_suggested_as_they_are_typed(stage: Stage) -> None:
    everything = await stage.ann.autocomplete(stage.channel, "sonnet", "model", "")
    sea = await stage.ann.autocomplete(stage.channel, "sonnet", "model", "SEA")
    assert [choice["value"] for choice in everything] == ["sonnets", "sea-songs"]
    assert sea == [{"name": "sea-songs (Songs of the Sea)", "value": "sea-songs"}]


HOSTILE = " @everyone @here <@1> <@&2> <#3> <t:0:R> [a](https://b.example) discord.gg/x\n# so\n> q"


@pytest.mark.parametrize("seed", ["a rose", "@everyone <@12> *rose* `x` https://a.example"])
async def test_nothing_that_is_written_pings_or_links(
    stage: Stage, poet: FakePoet, seed: str
) -> None:
    poet.text = HOSTILE
    await stage.ann.send(stage.channel, f"!sonnet {seed}")
    await stage.ann.slash(stage.channel, "sonnet", seed=seed)
    bodies = [call.json for call in stage.env.http_requests if isinstance(call.json, dict)]
    saying = [body.get("data", body) for body in bodies if "content" in body.get("data", body)]
    assert len(saying) >= 2
    assert all(body["allowed_mentions"]["parse"] == [] for body in saying)
    assert not any(body["allowed_mentions"].get("users") for body in saying)
    for message in stage.channel.history():
        if message.author.bot:
            assert not message.mention_everyone
            assert message.flags.suppress_embeds or message.interaction_metadata
            assert message.mentions == message.role_mentions == []
            assert "https:/" not in message.content
            assert "@everyone" not in message.content.replace("\\@everyone", "")
            assert "\n#" not in message.content


async def test_mentions_in_a_seed_are_read_as_names(stage: Stage, poet: FakePoet) -> None:
    await stage.ann.send(stage.channel, f"!sonnet for <@{stage.ben.id}> and <:rose:12345>")
    assert poet.orders[0].prompt == "for @ben and :rose:"


async def test_bots_and_webhooks_are_not_answered(stage: Stage) -> None:
    robot = stage.guild.add_member(stage.env.create_user("robot", bot=True))
    assert stage.env.bot.user is not None
    me = stage.env.bot.user.mention
    for words in ("!sonnet a rose", f"{me} a rose"):
        await robot.send(stage.channel, words)
        await stage.guild.create_webhook(stage.channel).send(words)
    assert [m for m in stage.channel.history() if m.author.id == stage.env.bot.user.id] == []


async def test_a_long_poem_comes_in_parts_and_loses_nothing(stage: Stage, poet: FakePoet) -> None:
    stanza = "the evening lays its hand upon the quiet water\n" * 4
    poet.text = "\n" + "\n".join([stanza] * 20)
    await stage.ann.send(stage.channel, "!sonnet a rose")
    assert len(stage.answers) == 3
    assert all(len(answer) <= 2000 for answer in stage.answers)
    shown = "\n\n".join(read_verse(answer) for answer in stage.answers)
    assert shown == f"a rose{poet.text}".strip()


async def test_the_buttons_stand_on_the_last_part(stage: Stage, poet: FakePoet) -> None:
    poet.text = "\n" + "the evening lays its hand upon the quiet water\n" * 80
    await stage.ann.send(stage.channel, "!sonnet a rose")
    history = [m for m in stage.channel.history() if m.author.bot]
    assert [bool(message.components) for message in history] == [False, False, True]


@pytest.mark.parametrize("way", ["prefix", "slash"])
async def test_a_very_long_poem_is_a_file(stage: Stage, poet: FakePoet, way: str) -> None:
    poet.text = "\n" + "the evening lays its hand upon the quiet water\n" * 210
    poet.text += "and this is all"
    if way == "prefix":
        await stage.ann.send(stage.channel, "!sonnet a rose")
    else:
        await stage.ann.slash(stage.channel, "sonnet", seed="a rose")
    assert len(stage.answers) == 1
    message = stage.channel.last_message
    assert message is not None
    assert [file.filename for file in message.attachments] == ["poem-7.txt"]
    content = (await message.attachments[0].read()).decode()
    assert content.startswith(f"a rose{poet.text}")
    assert "and this is all" in message.content


class TestPatience:
    """A bot that waits for the whole poem before it says anything."""

    @pytest.fixture
    def simcord_bot(self, service: Service) -> SonneteerBot:
        return SonneteerBot(service, tempo=Tempo(patience_seconds=60.0))

    async def test_a_poem_that_is_done_soon_takes_one_request(self, stage: Stage) -> None:
        await stage.ann.send(stage.channel, "!sonnet a rose")
        calls = [call.method for call in stage.env.http_requests if "/messages" in call.path]
        assert calls == ["POST"]
        assert stage.answers == [POEM + SIGNATURE]

    async def test_where_files_are_forbidden_a_very_long_poem_takes_many_messages(
        self, stage: Stage, poet: FakePoet
    ) -> None:
        poet.text = "\n" + "the evening lays its hand upon the quiet water\n" * 210
        path = f"/channels/{stage.channel.id}/messages"
        stage.env.inject_error("POST", path, status=403, code=50013)
        await stage.ann.send(stage.channel, "!sonnet a rose")
        assert len(stage.answers) > 5
        shown = "\n".join(read_verse(answer) for answer in stage.answers)
        assert shown == f"a rose{poet.text}".strip()


async def test_notes_stand_in_small_print_under_the_poem(
    stage: Stage, service: Service, poet: FakePoet
) -> None:
    poet.alphabet = "abcdefghijklmnopqrstuvwxyz "
    await stage.ann.send(stage.channel, "!sonnet a rose ♥ *")
    last = stage.answers[0].split("\n")[-1]
    assert last == (
        "-# sonnets · random seed 7 · The model does not know ♥ \\*; it wrote on without."
    )


class TestWithoutMessageContent:
    """The privileged intent is off."""

    @pytest.fixture
    def simcord_bot(self, service: Service) -> SonneteerBot:
        return SonneteerBot(service, message_content=False, tempo=FAST)

    @pytest.mark.simcord(approved_intents=discord.Intents.default())
    async def test_all_but_the_prefix_works(self, stage: Stage) -> None:
        assert stage.env.bot.user is not None
        await stage.ann.send(stage.channel, "!sonnet a rose")
        assert stage.answers == []
        await stage.ann.send(stage.channel, f"{stage.env.bot.user.mention} a rose")
        await stage.ann.slash(stage.channel, "sonnet", seed="a rose")
        await stage.ann.send_dm("a rose")
        in_private = stage.ann.user.dm_channel.last_message
        assert in_private is not None
        assert [*stage.answers, in_private.content] == [POEM + SIGNATURE] * 3


@pytest.mark.simcord(approved_intents=discord.Intents.default())
async def test_the_privileged_intent_is_asked_for_only_when_wanted(service: Service) -> None:
    bot = SonneteerBot(service, message_content=True)
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with simcord.run(bot, approved_intents=discord.Intents.default()):
            pass


@pytest.mark.parametrize(
    "typed",
    [
        "!SONNET a rose",
        "!Sonnet a rose",
        "!sonnet --FORM free a rose",
        "!sonnet --Form Free a rose",
        "!sonnet --Form=FREE a rose",
        "!Sonnet --Model sonnets a rose",
    ],
)
async def test_a_command_is_known_however_a_phone_writes_it(stage: Stage, typed: str) -> None:
    await stage.ann.send(stage.channel, typed)
    assert stage.answers == [POEM + SIGNATURE]


@pytest.mark.parametrize("typed", ["help", "Help", "HELP", " Help "])
async def test_help_is_known_after_a_mention_however_it_is_written(
    stage: Stage, typed: str
) -> None:
    assert stage.env.bot.user is not None
    await stage.ann.send(stage.channel, f"<@{stage.env.bot.user.id}> {typed}")
    assert "writes verse" in stage.answers[0]


class TestALetteredPrefix:
    """A prefix that phones capitalise."""

    @pytest.fixture
    def simcord_bot(self, service: Service) -> SonneteerBot:
        return SonneteerBot(service, prefix="verse ", tempo=FAST)

    @pytest.mark.parametrize("typed", ["verse sonnet a rose", "Verse Sonnet a rose"])
    async def test_it_is_known_in_capitals_too(self, stage: Stage, typed: str) -> None:
        await stage.ann.send(stage.channel, typed)
        assert stage.answers == [POEM + SIGNATURE]


@pytest.mark.parametrize(
    ("typed", "seed"),
    [
        ("{me} a rose", "a rose"),
        ("a {me} rose", "a rose"),
        ("a\n\n {me}\t\n rose", "a rose"),
        ("{me}{me} a rose{me}", "a rose"),
        ("a" + 1500 * " " + "rose {me}", "a" + 1500 * " " + "rose"),
    ],
)
async def test_mentions_of_the_bot_are_taken_out_with_the_blanks_around_them(
    stage: Stage, poet: FakePoet, typed: str, seed: str
) -> None:
    assert stage.env.bot.user is not None
    await stage.ann.send(stage.channel, typed.format(me=stage.env.bot.user.mention))
    assert poet.orders[0].prompt == seed[-500:].strip() or poet.orders[0].prompt == seed
