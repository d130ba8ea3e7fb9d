"""Asking for poems in a simulated Discord."""

from __future__ import annotations

import discord
import pytest
import simcord

from bot.core.poems import PoemService
from bot.discord_app.client import SonneteerBot
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.poem_formatting import read_verse
from tests.bot.discord_app.conftest import FAST, Simulation
from tests.fakes import SEA_SONGS, VERSE, FakeEngine, app_with

POEM = f"a rose{VERSE}"
SIGNATURE = "\n-# sonnets · random seed 7"


async def test_the_prefix_command_writes_a_poem_that_begins_with_the_seed(
    simulation: Simulation,
) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    assert simulation.answers == [POEM + SIGNATURE]


async def test_the_answer_is_a_reply_to_the_command(simulation: Simulation) -> None:
    command = await simulation.ann.send(simulation.channel, "!sonnet a rose")
    answer = simulation.channel.last_message
    assert answer is not None
    assert answer.reference is not None
    assert answer.reference.message_id == command.id


async def test_the_slash_command_is_deferred_and_becomes_the_poem(simulation: Simulation) -> None:
    result = await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose")
    callbacks = [
        call.json for call in simulation.env.http_requests if call.path.endswith("/callback")
    ]
    assert callbacks == [{"type": 5}]
    assert result.response is not None
    assert read_verse(result.response.content) == POEM
    assert result.followups == []


async def test_a_mention_writes_a_poem_and_is_no_part_of_it(simulation: Simulation) -> None:
    assert simulation.env.bot.user is not None
    await simulation.ann.send(simulation.channel, f"<@{simulation.env.bot.user.id}> a rose")
    assert simulation.answers == [POEM + SIGNATURE]


async def test_a_mention_alone_opens_at_random(simulation: Simulation) -> None:
    assert simulation.env.bot.user is not None
    await simulation.ann.send(simulation.channel, simulation.env.bot.user.mention)
    assert read_verse(simulation.answers[0]).startswith("an opening, number 7 upon")


async def test_a_reply_to_what_is_no_poem_is_a_request_only_if_it_names_the_bot(
    simulation: Simulation,
) -> None:
    await simulation.ann.send(simulation.channel, "!help")
    answer = simulation.channel.last_message
    assert answer is not None
    await simulation.ann.send(simulation.channel, "lovely!", reply_to=answer)
    assert len(simulation.answers) == 1


async def test_a_direct_message_is_a_seed(simulation: Simulation) -> None:
    await simulation.ann.send_dm("a rose")
    answer = simulation.ann.user.dm_channel.last_message
    assert answer is not None
    assert read_verse(answer.content) == POEM


async def test_a_command_in_a_direct_message_is_answered_once(simulation: Simulation) -> None:
    await simulation.ann.send_dm("!sonnet a rose")
    history = simulation.ann.user.dm_channel.history()
    assert [read_verse(m.content) for m in history if m.author.bot] == [POEM]


async def test_no_seed_opens_at_random(simulation: Simulation) -> None:
    await simulation.ann.send(simulation.channel, "!sonnet")
    assert read_verse(simulation.answers[0]).startswith("an opening, number 7 upon")


async def test_other_talk_is_left_alone(simulation: Simulation) -> None:
    await simulation.ann.send(simulation.channel, "good morning, !sonnet is nice")
    await simulation.ann.send(simulation.channel, "!nonsense")
    assert simulation.answers == []


async def test_options_before_the_seed_are_taken(
    simulation: Simulation, engine: FakeEngine
) -> None:
    typed = "!sonnet --lines 8 --temperature 0.9 --random-seed 42 --model sea-songs a rose"
    await simulation.ann.send(simulation.channel, typed)
    engine_request = engine.engine_requests[0]
    assert (engine_request.settings.lines, engine_request.settings.sampling.temperature) == (8, 0.9)
    assert (engine_request.random_seed, engine_request.model, engine_request.opening.text) == (
        42,
        SEA_SONGS,
        "a rose",
    )


@pytest.mark.parametrize(
    "seed", ["-- a rose", "--lines many a rose", "--", "--colour red", "—lines 8", "--lines"]
)
async def test_a_seed_that_only_looks_like_an_option_is_a_seed(
    simulation: Simulation, engine: FakeEngine, seed: str
) -> None:
    await simulation.ann.send(simulation.channel, f"!sonnet {seed}")
    assert engine.engine_requests[0].opening.text == seed


async def test_slash_options_reach_the_poet(simulation: Simulation, engine: FakeEngine) -> None:
    await simulation.ann.slash(
        simulation.channel,
        "sonnet",
        seed="a rose",
        model="sea-songs",
        lines=4,
        temperature=1.5,
        random_seed=99,
    )
    engine_request = engine.engine_requests[0]
    assert (engine_request.model, engine_request.random_seed) == (SEA_SONGS, 99)
    assert (engine_request.settings.lines, engine_request.settings.sampling.temperature) == (4, 1.5)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("lines", 0, "between 1 and 500"),
        ("temperature", 9.5, "between 0.05 and 2.0"),
        ("random_seed", -1, "between 0 and 9,007,199,254,740,991"),
    ],
)
async def test_a_wrong_value_gets_the_range_for_the_asker_alone(
    simulation: Simulation, option: str, value: float, allowed: str
) -> None:
    result = await simulation.ann.slash(
        simulation.channel, "sonnet", seed="a rose", **{option: value}
    )
    assert result.ephemeral
    assert result.response is not None
    assert str(value) in result.response.content
    assert allowed in result.response.content


async def test_an_unknown_model_is_told_to_the_asker_alone(simulation: Simulation) -> None:
    result = await simulation.ann.slash(simulation.channel, "sonnet", model="odes")
    assert result.response is None
    assert [told.ephemeral for told in result.followups] == [True]
    assert "Choose one of: sonnets, sea-songs." in result.followups[0].content


async def test_model_names_are_suggested_as_they_are_typed(simulation: Simulation) -> None:
    everything = await simulation.ann.autocomplete(simulation.channel, "sonnet", "model", "")
    sea = await simulation.ann.autocomplete(simulation.channel, "sonnet", "model", "SEA")
    assert [choice["value"] for choice in everything] == ["sonnets", "sea-songs"]
    assert sea == [{"name": "sea-songs (Songs of the Sea)", "value": "sea-songs"}]


HOSTILE = " @everyone @here <@1> <@&2> <#3> <t:0:R> [a](https://b.example) discord.gg/x\n# so\n> q"


@pytest.mark.parametrize("seed", ["a rose", "@everyone <@12> *rose* `x` https://a.example"])
async def test_nothing_that_is_written_pings_or_links(
    simulation: Simulation, engine: FakeEngine, seed: str
) -> None:
    engine.text = HOSTILE
    await simulation.ann.send(simulation.channel, f"!sonnet {seed}")
    await simulation.ann.slash(simulation.channel, "sonnet", seed=seed)
    bodies = [call.json for call in simulation.env.http_requests if isinstance(call.json, dict)]
    saying = [body.get("data", body) for body in bodies if "content" in body.get("data", body)]
    assert len(saying) >= 2
    assert all(body["allowed_mentions"]["parse"] == [] for body in saying)
    assert not any(body["allowed_mentions"].get("users") for body in saying)
    for message in simulation.channel.history():
        if message.author.bot:
            assert not message.mention_everyone
            assert message.flags.suppress_embeds or message.interaction_metadata
            assert message.mentions == message.role_mentions == []
            assert "https:/" not in message.content
            assert "@everyone" not in message.content.replace("\\@everyone", "")
            assert "\n#" not in message.content


async def test_mentions_in_a_seed_are_read_as_names(
    simulation: Simulation, engine: FakeEngine
) -> None:
    await simulation.ann.send(
        simulation.channel, f"!sonnet for <@{simulation.ben.id}> and <:rose:12345>"
    )
    assert engine.engine_requests[0].opening.text == "for @ben and :rose:"


async def test_bots_and_webhooks_are_not_answered(simulation: Simulation) -> None:
    robot = simulation.guild.add_member(simulation.env.create_user("robot", bot=True))
    assert simulation.env.bot.user is not None
    me = simulation.env.bot.user.mention
    for words in ("!sonnet a rose", f"{me} a rose"):
        await robot.send(simulation.channel, words)
        await simulation.guild.create_webhook(simulation.channel).send(words)
    assert [
        m for m in simulation.channel.history() if m.author.id == simulation.env.bot.user.id
    ] == []


async def test_a_long_poem_comes_in_parts_and_loses_nothing(
    simulation: Simulation, engine: FakeEngine
) -> None:
    stanza = "the evening lays its hand upon the quiet water\n" * 4
    engine.text = "\n" + "\n".join([stanza] * 20)
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    assert len(simulation.answers) == 3
    assert all(len(answer) <= 2000 for answer in simulation.answers)
    shown = "\n\n".join(read_verse(answer) for answer in simulation.answers)
    assert shown == f"a rose{engine.text}".strip()


async def test_the_buttons_stand_on_the_last_part(
    simulation: Simulation, engine: FakeEngine
) -> None:
    engine.text = "\n" + "the evening lays its hand upon the quiet water\n" * 80
    await simulation.ann.send(simulation.channel, "!sonnet a rose")
    history = [m for m in simulation.channel.history() if m.author.bot]
    assert [bool(message.components) for message in history] == [False, False, True]


@pytest.mark.parametrize("way", ["prefix", "slash"])
async def test_a_very_long_poem_is_a_file(
    simulation: Simulation, engine: FakeEngine, way: str
) -> None:
    engine.text = "\n" + "the evening lays its hand upon the quiet water\n" * 210
    engine.text += "and this is all"
    if way == "prefix":
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
    else:
        await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose")
    assert len(simulation.answers) == 1
    message = simulation.channel.last_message
    assert message is not None
    assert [file.filename for file in message.attachments] == ["poem-7.txt"]
    content = (await message.attachments[0].read()).decode()
    assert content.startswith(f"a rose{engine.text}")
    assert "and this is all" in message.content


class TestPatience:
    """A bot that waits for the whole poem before it says anything."""

    @pytest.fixture
    def simcord_bot(self, service: PoemService) -> SonneteerBot:
        return SonneteerBot(app_with(service), timing=ReplyTiming(patience_seconds=60.0))

    async def test_a_poem_that_is_done_soon_takes_one_request(self, simulation: Simulation) -> None:
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
        calls = [call.method for call in simulation.env.http_requests if "/messages" in call.path]
        assert calls == ["POST"]
        assert simulation.answers == [POEM + SIGNATURE]

    async def test_where_files_are_forbidden_a_very_long_poem_takes_many_messages(
        self, simulation: Simulation, engine: FakeEngine
    ) -> None:
        engine.text = "\n" + "the evening lays its hand upon the quiet water\n" * 210
        path = f"/channels/{simulation.channel.id}/messages"
        simulation.env.inject_error("POST", path, status=403, code=50013)
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
        assert len(simulation.answers) > 5
        shown = "\n".join(read_verse(answer) for answer in simulation.answers)
        assert shown == f"a rose{engine.text}".strip()


async def test_notes_stand_in_small_print_under_the_poem(
    simulation: Simulation, service: PoemService, engine: FakeEngine
) -> None:
    engine.alphabet = "abcdefghijklmnopqrstuvwxyz "
    await simulation.ann.send(simulation.channel, "!sonnet a rose ♥ *")
    last = simulation.answers[0].split("\n")[-1]
    assert last == (
        "-# sonnets · random seed 7 · Left out, as the model does not know them: ♥ \\*."
    )


class TestWithoutMessageContent:
    """The privileged intent is off."""

    @pytest.fixture
    def simcord_bot(self, service: PoemService) -> SonneteerBot:
        return SonneteerBot(app_with(service), message_content=False, timing=FAST)

    @pytest.mark.simcord(approved_intents=discord.Intents.default())
    async def test_all_but_the_prefix_works(self, simulation: Simulation) -> None:
        assert simulation.env.bot.user is not None
        await simulation.ann.send(simulation.channel, "!sonnet a rose")
        assert simulation.answers == []
        await simulation.ann.send(simulation.channel, f"{simulation.env.bot.user.mention} a rose")
        await simulation.ann.slash(simulation.channel, "sonnet", seed="a rose")
        await simulation.ann.send_dm("a rose")
        in_private = simulation.ann.user.dm_channel.last_message
        assert in_private is not None
        assert [*simulation.answers, in_private.content] == [POEM + SIGNATURE] * 3


@pytest.mark.simcord(approved_intents=discord.Intents.default())
async def test_the_privileged_intent_is_asked_for_only_when_wanted(service: PoemService) -> None:
    bot = SonneteerBot(app_with(service), message_content=True)
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
async def test_a_command_is_known_however_a_phone_writes_it(
    simulation: Simulation, typed: str
) -> None:
    await simulation.ann.send(simulation.channel, typed)
    assert simulation.answers == [POEM + SIGNATURE]


@pytest.mark.parametrize("typed", ["help", "Help", "HELP", " Help "])
async def test_help_is_known_after_a_mention_however_it_is_written(
    simulation: Simulation, typed: str
) -> None:
    assert simulation.env.bot.user is not None
    await simulation.ann.send(simulation.channel, f"<@{simulation.env.bot.user.id}> {typed}")
    assert "writes poems" in simulation.answers[0]


class TestALetteredPrefix:
    """A prefix that phones capitalise."""

    @pytest.fixture
    def simcord_bot(self, service: PoemService) -> SonneteerBot:
        return SonneteerBot(app_with(service), prefix="verse ", timing=FAST)

    @pytest.mark.parametrize("typed", ["verse sonnet a rose", "Verse Sonnet a rose"])
    async def test_it_is_known_in_capitals_too(self, simulation: Simulation, typed: str) -> None:
        await simulation.ann.send(simulation.channel, typed)
        assert simulation.answers == [POEM + SIGNATURE]


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
    simulation: Simulation, engine: FakeEngine, typed: str, seed: str
) -> None:
    assert simulation.env.bot.user is not None
    await simulation.ann.send(simulation.channel, typed.format(me=simulation.env.bot.user.mention))
    assert (
        engine.engine_requests[0].opening.text == seed[-500:].strip()
        or engine.engine_requests[0].opening.text == seed
    )
