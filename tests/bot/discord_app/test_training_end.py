"""How a training ended is told, wherever that can still be done, with the real discord.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.core.application import App
from bot.core.training.process import TrainingExit
from tests.apps import FakeTrainer, make_config, open_test_app
from tests.bot.discord_app.test_training_message import DONE, begin, everything_told, running
from tests.discord_payloads import MEMBER
from tests.fake_discord import FakeDiscord, Fault, shown

CHANGES, POSTS = r"/channels/30/messages/\d+$", r"/channels/30/messages$"
REFUSALS = {
    "the bot was taken out of the channel": Fault(403, {"message": "No", "code": 50001}),
    "a permission is gone": Fault(403, {"message": "No", "code": 50013}),
    "the channel is gone": Fault(404, {"message": "No", "code": 10003}),
    "the message is somebody else's": Fault(403, {"message": "No", "code": 50005}),
    "an invalid request": Fault(400, {"message": "No", "code": 50035}),
}
FOREVER = 600.0  # seconds of a fault that outlasts the test


@pytest.fixture
def trainer() -> FakeTrainer:
    trainer = FakeTrainer()
    trainer.gate = asyncio.Event()
    return trainer


def posts(fake: FakeDiscord, path: str = "/messages") -> int:
    """Count the messages that the bot tried to send."""
    return sum(method == "POST" and where.endswith(path) for method, where, _ in fake.requests)


@pytest.mark.parametrize("restarted", [False, True], ids=["at once", "after a restart"])
async def test_an_archived_thread_is_opened_again_for_the_end(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer, restarted: bool
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        discord.is_archived = True
        if not restarted:
            trainer.go()
            await everything_told(app)
    trainer.go()
    async with running(discord, tmp_path, trainer) as app:
        await everything_told(app)
    [told] = discord.answers
    assert DONE in shown(told)
    assert "Cancel" not in str(told["components"])
    assert posts(discord) == 0


async def test_no_edit_on_the_way_opens_an_archived_thread(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        discord.is_archived = True
        before = len(discord.requests)
    async with running(discord, tmp_path, trainer):  # trains on, which is shown
        await discord.until(lambda: edits(discord, before))
        assert discord.is_archived
        trainer.go()
        await discord.until(lambda: DONE in discord.contents[-1])


def edits(fake: FakeDiscord, since: int) -> list[str]:
    return [path for method, path, _ in fake.requests[since:] if method == "PATCH"]


async def test_the_end_of_a_training_in_a_locked_thread_is_told_to_the_asker_in_private(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        discord.is_archived = discord.is_locked = True
        trainer.go()
        await everything_told(app)
    [told] = discord.confided
    assert told["content"].startswith(
        "I can no longer write in <#30>, so here is how your training ended."
    )
    assert DONE in shown(told)


@pytest.mark.parametrize("why", REFUSALS)
async def test_a_message_that_takes_no_edit_any_more_is_replaced_by_a_new_one(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer, why: str
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        discord.fail_for(FOREVER, "PATCH", CHANGES, REFUSALS[why])
        trainer.go()
        await everything_told(app)
    [told] = discord.answers  # the one that says 50 % is gone
    assert DONE in shown(told)
    assert discord.confided == []


@pytest.mark.parametrize("why", REFUSALS)
@pytest.mark.parametrize("badly", [False, True], ids=["well", "badly"])
async def test_where_nothing_may_be_written_any_more_the_asker_is_told_in_private(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer, why: str, badly: bool
) -> None:
    trainer.endings = [TrainingExit(2, "No.")] if badly else []
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        for method in ("GET", "PATCH", "POST", "DELETE"):
            discord.fail_for(FOREVER, method, r"/channels/30\b", REFUSALS[why])
        trainer.go()
        await everything_told(app)
    [told] = discord.confided
    assert ("The training failed. No." if badly else DONE) in told["content"]


async def test_an_asker_who_takes_no_direct_messages_ends_the_attempts(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        job = await begin(discord, app)
        discord.is_archived = discord.is_locked = True
        closed = Fault(403, {"message": "Cannot send messages to this user", "code": 50007})
        discord.fail_for(FOREVER, "POST", r"/channels/1000040/messages", closed)
        trainer.go()
        await everything_told(app)
    assert posts(discord) == 2
    assert caplog.messages[-1] == f"job {job.id}: its end could not be posted anywhere"


async def test_whoever_asked_to_be_forgotten_is_told_nothing_in_private(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        await app.books.forget(f"discord:{MEMBER}")
        discord.is_archived = discord.is_locked = True
        trainer.go()
        await everything_told(app)
    assert posts(discord, "/users/@me/channels") == 0


@pytest.mark.parametrize("place", ["the channel", "in private"])
async def test_a_bot_that_was_killed_before_it_noted_that_the_end_is_told_tells_it_once(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer, place: str
) -> None:
    """Discord knows a message by its nonce for some minutes only; here it has forgotten it."""
    async with running(discord, tmp_path, trainer) as app:
        job = await begin(discord, app)
        discord.fail_for(FOREVER, "PATCH", CHANGES, REFUSALS["a permission is gone"])
        if place == "in private":
            discord.fail_for(FOREVER, "POST", POSTS, REFUSALS["a permission is gone"])
        trainer.go()
        await everything_told(app)
    assert sum(DONE in content for content in discord.contents) == 1
    await untell(tmp_path, trainer, job.id)
    discord.forget_nonces()
    async with running(discord, tmp_path, trainer) as app:
        await everything_told(app)
    assert sum(DONE in content for content in discord.contents) == 1


async def untell(home: Path, trainer: FakeTrainer, job_id: int) -> None:
    """Put the row back to what a kill leaves."""
    async with open_test_app(make_config(home), trainer) as app:
        await told_again(app, job_id)


async def told_again(app: App, job_id: int) -> None:
    await app.books.update_job(job_id, told=0)


async def test_a_lost_answer_to_the_new_message_does_not_send_it_twice(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        discord.fail_for(FOREVER, "PATCH", CHANGES, REFUSALS["a permission is gone"])
        discord.fail("POST", POSTS, [Fault(500, cut=True, after=True), Fault(503)] * 3)
        trainer.go()
        await everything_told(app)
    assert sum(DONE in content for content in discord.contents) == 1


async def test_a_chart_that_may_not_be_attached_does_not_keep_the_end_from_being_told(
    discord: FakeDiscord, tmp_path: Path, trainer: FakeTrainer
) -> None:
    async with running(discord, tmp_path, trainer) as app:
        await begin(discord, app)
        discord.takes_files = False
        trainer.go()
        await everything_told(app)
    [told] = discord.answers
    assert DONE in shown(told)
    assert posts(discord) == 0
