"""The message that tells of a training, with the real discord.py and a Discord that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.core.application import App
from bot.core.jobs import Job, JobState
from bot.core.records import Asker
from bot.core.training.process import TrainingExit
from bot.core.training_requests import AttachedFile
from bot.discord_app.client import SonneteerBot
from bot.discord_app.confirm_buttons import ConfirmAction, confirm_view
from bot.discord_app.formatting import format_proposal
from bot.discord_app.gateway import Gateway
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.supervisor import ClientSupervisor
from tests.apps import FakeTrainer, epoch, make_config, open_test_app
from tests.discord_payloads import GUILD, MEMBER, guild_of_another
from tests.fake_discord import PANEL, TOKEN, FakeDiscord, Fault, walk
from tests.texts import quatrains
from tests.timeouts import HANG_SECONDS

TEMPO = ReplyTiming(0.01, 0.01, 0.01, 0.001, 0.001, suggest_seconds=0.1)
EPHEMERAL = 1 << 6
DONE = "Poems in this server now come from"


@pytest.fixture
def trainer() -> FakeTrainer:
    trainer = FakeTrainer()
    trainer.gate = asyncio.Event()
    return trainer


@asynccontextmanager
async def running(fake: FakeDiscord, home: Path, trainer: FakeTrainer) -> AsyncIterator[App]:
    """A bot on Discord; leave it, and its trainings go on at the next start."""
    async with open_test_app(make_config(home), trainer) as app:

        def make_bot(message_content: bool, gateway: Gateway) -> SonneteerBot:
            return SonneteerBot(app, api_url=fake.url, timing=TEMPO, gateway=gateway)

        door = ClientSupervisor(make_bot, Gateway(), pause_seconds=0.01)
        task = asyncio.create_task(door.run(TOKEN))
        starts = len(fake.gateway.identified)
        try:
            await fake.until(lambda: len(fake.gateway.identified) > starts)
            yield app
        finally:
            await door.close()
            await task
            await let_discord_py_end()


async def let_discord_py_end() -> None:
    """End what discord.py waits for: guilds that may still come when a client closes early."""
    late = [task for task in asyncio.all_tasks() if "_delay_ready" in repr(task.get_coro())]
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    await asyncio.sleep(0)  # for the events that it begins at its end


async def begin(fake: FakeDiscord, app: App) -> Job:
    """Let the member say yes to a book; return the job when it is being trained on.

    The book is handed in without a command: the fake Discord has no files.
    """
    raw = quatrains(200).encode()

    async def read() -> bytes:
        return raw

    asker = Asker(f"discord:{MEMBER}", str(GUILD), manages=True)
    found = await app.training_requests.propose(asker, AttachedFile("walks.txt", len(raw), read))
    view = confirm_view(MEMBER, str(found.job.id), ("Train", ConfirmAction.SURE))
    proposal = fake.post(format_proposal(found), view.to_components())
    await fake.press(proposal, "Train")
    await fake.until(lambda: "epoch 1 of 2" in fake.contents[-1])
    return found.job


async def everything_told(app: App) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while await app.books.untold_jobs():
            await asyncio.sleep(0.001)


async def test_one_message_tells_everything(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        assert buttons(discord) == ["Cancel"]
        trainer.go()
        await discord.until(lambda: DONE in discord.contents[-1])
        await everything_told(app)
    assert len(discord.answers) == 1
    assert discord.answers[0]["flags"] & PANEL
    assert buttons(discord) == ["Use this model", "Undo"]


def buttons(fake: FakeDiscord) -> list[str]:
    """Return what is on the buttons of the first message."""
    return [one["label"] for one in walk(fake.answers[0]["components"]) if "label" in one]


async def test_a_message_is_found_again_after_a_restart(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
    trainer.go()
    async with running(discord, tmp_path, trainer) as app:
        await discord.until(lambda: DONE in discord.contents[-1])
        await everything_told(app)
    assert len(discord.answers) == 1
    assert [spec.resume for spec in trainer.specs] == [False, True]


async def test_what_ended_while_nobody_could_be_told_is_told_at_the_next_start(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        job = await begin(discord, app)
    trainer.go()
    async with open_test_app(make_config(tmp_path), trainer) as app:  # a bot without Discord
        async for _ in app.training_requests.queue.watch(job.id):
            pass
    assert DONE not in discord.contents[-1]
    async with running(discord, tmp_path, trainer) as app:
        await everything_told(app)
    assert DONE in discord.contents[-1]
    assert len(discord.answers) == 1


@pytest.mark.parametrize(
    ("endings", "charts"),
    [([], ["loss.png"]), ([TrainingExit(2, "No.")], [])],
    ids=["well", "badly"],
)
async def test_what_ended_well_before_a_restart_shows_the_chart_of_its_model(
    discord: FakeDiscord,
    tmp_path: Path,
    trainer: FakeTrainer,
    endings: list[TrainingExit],
    charts: list[str],
) -> None:
    """The training's own chart is not known any more then."""
    async with running(discord, tmp_path, trainer) as app:
        job = await begin(discord, app)
    trainer.endings = endings
    trainer.go()
    async with open_test_app(make_config(tmp_path), trainer) as app:  # a bot without Discord
        async for _ in app.training_requests.queue.watch(job.id):
            pass
    async with running(discord, tmp_path, trainer) as app:
        await everything_told(app)
    assert [each["filename"] for each in discord.answers[0]["attachments"]] == charts
    pictures = [each for each in walk(discord.answers[0]["components"]) if "items" in each]
    assert len(pictures) == len(charts)


async def test_a_training_whose_beginning_could_not_be_shown_is_told_of_all_the_same(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    """Nobody followed it: it trained, and its message still asked."""
    async with running(discord, tmp_path, trainer) as app:
        unknown = Fault(404, {"message": "Unknown interaction", "code": 10062})
        discord.fail("POST", r"/callback$", [unknown])
        await begin(discord, app)
        trainer.go()
        await discord.until(lambda: DONE in discord.contents[-1])
        await everything_told(app)
    assert len(discord.answers) == 1


async def test_a_deleted_message_does_not_stop_the_training_and_its_end_is_told_anew(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        await discord.delete(int(discord.answers[0]["id"]))
        trainer.go()
        await discord.until(lambda: discord.contents and DONE in discord.contents[-1])
        await everything_told(app)
    assert len(discord.answers) == 1


async def test_a_deleted_channel_does_not_stop_the_training(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    unknown = Fault(404, {"message": "Unknown Channel", "code": 10003})
    async with running(discord, tmp_path, trainer) as app:
        job = await begin(discord, app)
        discord.fail("PATCH", r"/messages/", [unknown] * 9)
        discord.fail("POST", r"/messages$", [unknown] * 9)
        trainer.go()
        await everything_told(app)
        model, _ = await app.guild_models.info(Asker("discord:1", job.guild, manages=True), "walks")
    assert model.name == "walks"


async def test_the_last_word_waits_until_discord_can_be_reached_again(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        discord.fail("PATCH", r"/messages/", [Fault(503)] * 12)
        trainer.go()
        await discord.until(lambda: DONE in discord.contents[-1])
        await everything_told(app)
    assert len(discord.answers) == 1


async def test_cancel_asks_the_presser_alone_and_then_stops_the_training(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        await discord.press(discord.answers[0], "Cancel")
        await discord.until(lambda: len(discord.answers) == 2)
        assert discord.answers[1]["flags"] & EPHEMERAL
        await discord.press(discord.answers[1], "Stop it")
        await discord.until(lambda: "was stopped" in discord.contents[0])
        await everything_told(app)
    assert trainer.stopped == 1


async def test_members_cannot_cancel(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        await discord.gateway.emit("GUILD_UPDATE", guild_of_another())
        discord.permissions = 1 << 5  # Manage Server, as the channel has it: that does not count
        await discord.press(discord.answers[0], "Cancel")
        await discord.until(lambda: len(discord.answers) == 2)
        assert "Manage Server" in discord.contents[1]
        assert app.training_requests.jobs(Asker("discord:1", str(GUILD)))
        trainer.go()
        await everything_told(app)


async def test_a_server_that_throws_the_bot_out_has_its_training_ended(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        job = await begin(discord, app)
        await discord.gateway.emit("GUILD_DELETE", {"id": str(GUILD)})
        views = [view async for view in app.training_requests.queue.watch(job.id)]
        assert views[-1].job.state is JobState.CANCELLED
        await everything_told(app)
    assert trainer.stopped == 1


async def test_a_message_of_an_earlier_version_becomes_a_panel(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    """It was plain content with a button, and the bot was upgraded in mid-training."""
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
    row = {"type": 1, "components": [{"type": 2, "style": 2, "label": "Cancel", "custom_id": "x"}]}
    discord.answers[0].update(content="epoch 1 of 2", components=[row], flags=0)
    async with running(discord, tmp_path, trainer) as app:
        await discord.until(lambda: discord.answers[0]["flags"] & PANEL)
        assert discord.answers[0]["content"] == ""
        trainer.go()
        await discord.until(lambda: DONE in discord.contents[-1])
        await everything_told(app)
    assert len(discord.answers) == 1


async def test_a_message_that_cannot_become_a_panel_is_replaced_at_the_end(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        refused = Fault(400, {"message": "Invalid Form Body", "code": 50035})
        discord.fail_for(600.0, "PATCH", r"/channels/30/messages/", refused)
        trainer.go()
        await discord.until(lambda: DONE in discord.contents[-1])
        await everything_told(app)
    [told] = discord.answers
    assert told["flags"] & PANEL
    assert [each["filename"] for each in told["attachments"]] == ["loss.png"]


async def test_the_chart_of_a_training_is_shown_again_after_a_restart(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        await discord.until(lambda: discord.answers[0]["attachments"])
    discord.answers[0].update(attachments=[], components=[{"type": 10, "content": "epoch 1 of 2"}])
    async with running(discord, tmp_path, trainer) as app:
        await discord.until(lambda: discord.answers[0]["attachments"])
        trainer.go()
        await everything_told(app)


async def test_an_edit_between_two_charts_keeps_the_one_that_is_there(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        job = await begin(discord, app)
        await discord.until(lambda: discord.answers[0]["attachments"])
        before = len(discord.requests)
        app.training_requests.queue._receive_event(job.id, epoch(2))
        await discord.until(lambda: "epoch 2 of 2" in discord.contents[0])
        [edit] = [body for method, _, body in discord.requests[before:] if method == "PATCH"]
        assert "attachments" not in edit
        assert "attachment://loss.png" in str(edit["components"])
        trainer.go()
        await everything_told(app)
