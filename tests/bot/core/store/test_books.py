"""Rows about books: trainings and models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.errors import DataNotKept
from bot.core.jobs import Job, JobState
from bot.core.ports import ModelChoice
from bot.core.store.any_database import AnyDatabase
from bot.core.store.books import AddedModel, BookStore, Forgotten
from bot.core.store.guilds import GuildStore

JOB = Job(
    id=0,
    guild="10",
    name="dunes",
    title="The Dunes",
    source="an attachment",
    characters=90_000,
    state=JobState.PROPOSED,
    asker="discord:1",
    channel="5",
    created="2026-11-26T00:00:00+00:00",
)
DUNES = AddedModel(
    guild="10",
    name="dunes",
    sha256="d1" * 32,
    book="The Dunes",
    source="an attachment",
    added="2026-11-26T01:00:00+00:00",
    added_by="discord:1",
)
CHOICE = ModelChoice(DUNES.name, DUNES.sha256)


@pytest.fixture
def rows(any_database: AnyDatabase) -> BookStore:
    return BookStore(any_database)


@pytest.fixture
def guilds(any_database: AnyDatabase) -> GuildStore:
    return GuildStore(any_database)


# Jobs


async def test_a_job_comes_back_as_it_was_with_an_id(rows: BookStore) -> None:
    job_id = await rows.add_job(JOB)
    assert job_id > 0
    assert await rows.job(job_id) == replace(JOB, id=job_id)


async def test_every_field_of_a_job_is_kept(rows: BookStore) -> None:
    changed = replace(
        JOB,
        state=JobState.DONE,
        message="77",
        ended="2026-11-26T02:00:00+00:00",
        seconds=12.5,
        loss=1.25,
        sentence="It is done.",
        told=True,
    )
    job_id = await rows.add_job(changed)
    assert await rows.job(job_id) == replace(changed, id=job_id)


async def test_a_job_that_there_is_not_is_none(rows: BookStore) -> None:
    assert await rows.job(1) is None


async def test_the_id_of_a_deleted_job_is_not_given_again(rows: BookStore) -> None:
    first = await rows.add_job(JOB)
    assert await rows.delete_proposal(first)
    assert await rows.job(first) is None
    assert await rows.add_job(JOB) > first


async def test_a_job_that_somebody_has_said_yes_to_is_not_deleted(rows: BookStore) -> None:
    job_id = await rows.add_job(replace(JOB, state=JobState.WAITING))
    assert not await rows.delete_proposal(job_id)
    assert await rows.job(job_id)


async def test_a_change_of_a_job_leaves_its_other_fields_and_other_jobs(rows: BookStore) -> None:
    one, other = await rows.add_job(JOB), await rows.add_job(JOB)
    await rows.update_job(one, state=JobState.RUNNING, seconds=3.0, told=True)
    changed = replace(JOB, id=one, state=JobState.RUNNING, seconds=3.0, told=True)
    assert await rows.job(one) == changed
    assert await rows.job(other) == replace(JOB, id=other)


async def test_a_state_that_no_job_can_have_is_refused(rows: BookStore) -> None:
    job_id = await rows.add_job(JOB)
    with pytest.raises(DataNotKept, match=r"(?i)check"):
        await rows.update_job(job_id, state="asleep")
    assert await rows.job(job_id) == replace(JOB, id=job_id)


async def test_jobs_are_found_by_their_states_the_oldest_first(rows: BookStore) -> None:
    states = (JobState.WAITING, JobState.DONE, JobState.RUNNING, JobState.WAITING)
    ids = [await rows.add_job(replace(JOB, state=state)) for state in states]
    found = await rows.jobs_in(JobState.RUNNING, JobState.WAITING)
    assert [job.id for job in found] == [ids[0], ids[2], ids[3]]


async def test_untold_are_all_jobs_whose_message_does_not_say_how_they_stand(
    rows: BookStore,
) -> None:
    ids = [await rows.add_job(replace(JOB, state=state)) for state in JobState]
    await rows.update_job(ids[-1], told=True)
    assert [job.id for job in await rows.untold_jobs()] == ids[1:-1]


async def test_finished_are_the_last_jobs_that_went_well_the_latest_first(rows: BookStore) -> None:
    states = (JobState.DONE, JobState.FAILED, JobState.DONE, JobState.DONE)
    ids = [await rows.add_job(replace(JOB, state=state)) for state in states]
    assert [job.id for job in await rows.finished_jobs(2)] == [ids[3], ids[2]]


async def test_a_guilds_trainings_are_counted_since_a_time_without_those_only_proposed(
    rows: BookStore,
) -> None:
    waiting = replace(JOB, state=JobState.WAITING)
    for job in (
        waiting,
        replace(waiting, state=JobState.CANCELLED),
        JOB,
        replace(waiting, guild="11"),
        replace(waiting, created="2026-11-25T23:59:59+00:00"),
        replace(waiting, created="2040-01-01T00:00:00+00:00"),  # of a wrong clock
    ):
        await rows.add_job(job)
    since, until = "2026-11-26T00:00:00+00:00", "2026-11-28T00:00:00+00:00"
    assert await rows.count_jobs("10", since, until) == 2


# Models


async def test_a_guilds_models_come_back_by_name(rows: BookStore) -> None:
    apples = replace(DUNES, name="apples", sha256="a1" * 32)
    elsewhere = replace(DUNES, guild="11")
    for added_models in (DUNES, apples, elsewhere):
        await rows.add_model(added_models, await rows.add_job(JOB))
    assert await rows.added_models("10") == [apples, DUNES]
    assert await rows.added_models("12") == []


async def test_a_model_takes_the_place_of_one_of_its_name_in_any_case(rows: BookStore) -> None:
    job_id = await rows.add_job(JOB)
    newer = replace(DUNES, name="Dunes", sha256="f3" * 32)
    await rows.add_model(DUNES, job_id)
    await rows.add_model(newer, job_id)
    assert await rows.added_models("10") == [newer]


async def test_a_model_stays_when_its_job_goes(rows: BookStore) -> None:
    job_id = await rows.add_job(JOB)
    await rows.add_model(DUNES, job_id)
    assert await rows.delete_proposal(job_id)
    assert await rows.added_models("10") == [DUNES]


async def test_a_model_of_a_job_that_there_is_not_is_refused(rows: BookStore) -> None:
    with pytest.raises(DataNotKept, match=r"(?i)foreign key"):
        await rows.add_model(DUNES, 99)
    assert await rows.added_models("10") == []


async def test_a_model_leaves_the_shelf_of_one_guild(rows: BookStore, guilds: GuildStore) -> None:
    elsewhere = replace(DUNES, guild="11")
    for added_models in (DUNES, elsewhere):
        await rows.add_model(added_models, await rows.add_job(JOB))
    await guilds.remove_models("10", [("10", ModelChoice("DUNES", DUNES.sha256))])
    assert (await rows.added_models("10"), await rows.added_models("11")) == ([], [elsewhere])


async def test_a_model_that_cannot_be_removed_is_still_chosen(
    rows: BookStore, guilds: GuildStore, any_database: AnyDatabase
) -> None:
    """It was two transactions once: the guild had forgotten a model that was still there."""
    await rows.add_model(DUNES, await rows.add_job(JOB))
    await guilds.choose("10", CHOICE, "discord:1", DUNES.added)
    await any_database.execute(
        "CREATE TABLE holds (guild TEXT, name TEXT, FOREIGN KEY (guild, name) REFERENCES models)"
    )
    await any_database.execute("INSERT INTO holds VALUES ('10', 'dunes')")
    with pytest.raises(DataNotKept, match=r"(?i)foreign key"):
        await guilds.remove_models("10", [("10", CHOICE)])
    assert await rows.added_models("10") == [DUNES]
    assert await guilds.choices() == {"10": [CHOICE]}


# People


async def test_a_forgotten_members_number_is_off_all_jobs_and_models(rows: BookStore) -> None:
    mine, other = await rows.add_job(JOB), await rows.add_job(replace(JOB, asker="discord:2"))
    await rows.add_model(DUNES, mine)
    assert await rows.forget("discord:1") == Forgotten(1, 1, 0, 0)
    assert await rows.job(mine) == replace(JOB, id=mine, asker="")
    assert await rows.job(other) == replace(JOB, id=other, asker="discord:2")
    assert await rows.added_models("10") == [replace(DUNES, added_by="")]


async def test_a_forgotten_members_number_is_off_all_choices(
    rows: BookStore, guilds: GuildStore, any_database: AnyDatabase
) -> None:
    for by in ("discord:1", "discord:1", "discord:2"):
        await guilds.choose("10", CHOICE, by, DUNES.added)
    assert await rows.forget("discord:1") == Forgotten(0, 0, 2, 0)
    found = await any_database.fetch("SELECT chosen_by FROM choices ORDER BY id")
    assert [row["chosen_by"] for row in found] == ["", "", "discord:2"]


async def test_who_was_never_there_is_forgotten_no_times(
    rows: BookStore, guilds: GuildStore
) -> None:
    await rows.add_model(DUNES, await rows.add_job(JOB))
    await guilds.choose("10", CHOICE, "discord:1", DUNES.added)
    assert await rows.forget("discord:2") == Forgotten(0, 0, 0, 0)


@pytest.mark.parametrize("table", ["models (guild, added_by)", "choices (guild, chosen_by)"])
async def test_who_cannot_be_forgotten_altogether_is_not_forgotten_by_half(
    rows: BookStore, guilds: GuildStore, any_database: AnyDatabase, table: str
) -> None:
    """It was several transactions once: after a full disk, jobs had forgotten and models not."""
    job_id = await rows.add_job(JOB)
    await rows.add_model(DUNES, job_id)
    await rows.add_model(replace(DUNES, name="tides", added_by=""), job_id)
    for by in ("", "discord:1"):
        await guilds.choose("10", CHOICE, by, DUNES.added)
    await any_database.execute(f"CREATE UNIQUE INDEX once ON {table}")
    with pytest.raises(DataNotKept, match=r"(?i)unique"):
        await rows.forget("discord:1")
    assert await rows.job(job_id) == replace(JOB, id=job_id)
