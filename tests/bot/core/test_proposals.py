"""Books that wait for a yes: how many, for how long, and what becomes of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.core.errors import NothingThere
from bot.core.jobs import JobState, Proposal
from bot.core.training_requests import MAX_AGE, MAX_OPEN_IN_ALL, TrainingRequests
from tests.apps import (
    ADMIN,
    GUILD,
    HOST,
    STRANGER,
    FakeTrainer,
    attached,
    make_config,
    open_test_app,
    trained,
)
from tests.texts import quatrains
from tests.timeouts import HANG_SECONDS

LONG = quatrains(200)


def folders(home: Path) -> set[str]:
    return {path.name for path in (home / "data" / "jobs").iterdir()}


def named(*proposals: Proposal) -> set[str]:
    return {str(proposal.job.id) for proposal in proposals}


async def test_the_oldest_of_three_makes_room_for_a_fourth(
    training_requests: TrainingRequests, tmp_path: Path
) -> None:
    """They were kept without number."""
    oldest, *others = [await training_requests.propose(ADMIN, attached(LONG)) for _ in range(4)]
    elsewhere = await training_requests.propose(STRANGER, attached(LONG))
    assert folders(tmp_path) == named(*others, elsewhere)
    with pytest.raises(NothingThere, match="Add it again"):
        await training_requests.accept(ADMIN, oldest.job.id)
    assert await trained(training_requests, others[0]) is JobState.DONE


async def test_of_too_many_in_all_the_guild_with_the_most_gives_one_up(
    training_requests: TrainingRequests,
) -> None:
    """There was a bound for each server, and none for all."""
    template = (await training_requests.propose(ADMIN, attached(LONG))).job
    two = [(await training_requests.propose(STRANGER, attached(LONG))).job for _ in range(2)]
    for number in range(MAX_OPEN_IN_ALL - 3):
        await training_requests._store.add_job(replace(template, id=0, guild=str(1000 + number)))
    newest = (
        await training_requests.propose(replace(HOST, guild="30", manages=True), attached(LONG))
    ).job
    waiting = {job.id for job in await training_requests._store.jobs_in(JobState.PROPOSED)}
    assert len(waiting) == MAX_OPEN_IN_ALL
    assert two[0].id not in waiting
    assert {template.id, two[1].id, newest.id} <= waiting


async def test_a_guild_that_throws_the_bot_out_takes_its_proposals_along(
    training_requests: TrainingRequests, tmp_path: Path
) -> None:
    await training_requests.propose(ADMIN, attached(LONG))
    others = [
        await training_requests.propose(STRANGER, attached(LONG)),
        await training_requests.propose(HOST, attached(LONG), shared=True),
    ]
    await training_requests.leave(GUILD)
    assert folders(tmp_path) == named(*others)


async def test_a_book_that_is_being_said_yes_to_is_not_thrown_away(
    training_requests: TrainingRequests,
) -> None:
    found = await training_requests.propose(ADMIN, attached(LONG))
    accepted, _ = await asyncio.gather(
        training_requests.accept(ADMIN, found.job.id), training_requests._proposals.leave(GUILD)
    )
    assert accepted.job.state is not JobState.PROPOSED
    assert [view async for view in training_requests.queue.watch(found.job.id)][
        -1
    ].job.state is JobState.DONE


async def test_a_book_that_nobody_says_yes_to_is_swept_away(tmp_path: Path) -> None:
    """Without a further one, that is: the last of a server stayed for ever."""
    config = make_config(tmp_path)
    async with open_test_app(config, FakeTrainer()) as app:
        training_requests = app.training_requests
        old, young = [await training_requests.propose(ADMIN, attached(LONG)) for _ in range(2)]
        long_ago = (datetime.now(UTC) - MAX_AGE - timedelta(minutes=1)).isoformat()
        await training_requests._store.update_job(old.job.id, created=long_ago)
    async with open_test_app(config, FakeTrainer()) as app, asyncio.timeout(HANG_SECONDS):
        while folders(tmp_path) != named(young):
            await asyncio.sleep(0.001)
        with pytest.raises(NothingThere):
            await app.training_requests.accept(ADMIN, old.job.id)
        await app.training_requests.accept(ADMIN, young.job.id)
