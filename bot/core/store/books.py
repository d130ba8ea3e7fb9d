"""Rows about books: the trainings, and the models that they made."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bot.core.errors import DataFolderUnusable
from bot.core.jobs import Job, JobState, TrainingLength
from bot.core.shards import ALL_SHARDS, ShardRange
from bot.core.store.any_database import KEEP_GUILD, AnyDatabase, Row
from bot.core.store.connection import describe_error, open_read_only
from bot.core.store.database import BUSY_SECONDS, FILE_NAME


@dataclass(frozen=True, slots=True)
class AddedModel:
    """A guild's own model, as it was installed."""

    guild: str
    name: str
    sha256: str
    book: str
    source: str
    added: str
    added_by: str


MODELS = f"SELECT {', '.join(each.name for each in fields(AddedModel))} FROM models"  # noqa: S608


def read_source_beside_bot(folder: Path, guild: str, sha256: str) -> str:
    """Return where the book of a model came from, "" if unknown; a bot may be running.

    Raises DataFolderUnusable.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return ""
    try:
        with closing(open_read_only(path, BUSY_SECONDS)) as connection:
            rows = connection.execute(f"{MODELS} WHERE guild = ? AND sha256 = ?", (guild, sha256))
            return next((model.source for model in read_models(rows)), "")
    except sqlite3.Error as error:
        raise DataFolderUnusable(folder, describe_error(error)) from error


def read_models(rows: Iterable[Iterable[Any]]) -> list[AddedModel]:
    """Read the answer to MODELS."""
    return [AddedModel(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many trainings, models, choices and kept poems a member's number was removed from."""

    trainings: int
    models: int
    choices: int
    kept: int

    @property
    def total(self) -> int:
        return self.trainings + self.models + self.choices + self.kept


class BookStore:
    """Jobs and models; every writing method is one transaction and raises DataNotKept.

    Where several processes serve, each looks for the jobs of its own guilds.
    """

    def __init__(self, database: AnyDatabase, shard_range: ShardRange = ALL_SHARDS) -> None:
        self._database = database
        self._shard_range = shard_range

    # Jobs

    async def add_job(self, job: Job) -> int:
        """Keep a new job; return its id, that of `job` does not count."""
        kept = [each.name for each in fields(Job) if each.name != "id"]
        values = [getattr(job, name) for name in kept]
        marks = ", ".join("?" * len(kept))
        async with self._database.transaction(job.guild) as run:
            await run(KEEP_GUILD, job.guild)
            added = await run(
                f"INSERT INTO jobs ({', '.join(kept)}) VALUES ({marks}) RETURNING id",  # noqa: S608
                *values,
            )
        return int(added.rows[0]["id"])

    async def update_job(self, job_id: int, **changes: object) -> None:
        """Change fields of a job."""
        assert set(changes) <= {each.name for each in fields(Job)}  # noqa: S101
        assignments = ", ".join(f"{name} = ?" for name in changes)
        await self._database.execute(
            f"UPDATE jobs SET {assignments} WHERE id = ?",  # noqa: S608 - names of our own
            *changes.values(),
            job_id,
        )

    async def job(self, job_id: int) -> Job | None:
        rows = await self._database.fetch("SELECT * FROM jobs WHERE id = ?", job_id)
        return _job(rows[0]) if rows else None

    async def jobs_in(self, *states: JobState) -> list[Job]:
        """Return the jobs in these states, the oldest first."""
        marks = ", ".join("?" * len(states))
        rows = await self._database.fetch(
            f"SELECT * FROM jobs WHERE state IN ({marks}) ORDER BY id",  # noqa: S608
            *states,
        )
        return self._own(rows)

    async def live_jobs(self) -> set[int]:
        """Return the numbers of all jobs that have not ended, of other processes too."""
        rows = await self._database.fetch(
            "SELECT id FROM jobs WHERE state IN ('proposed', 'waiting', 'running')"
        )
        return {row["id"] for row in rows}

    async def untold_jobs(self) -> list[Job]:
        """Return the jobs that are under way, or have ended without their message saying so."""
        rows = await self._database.fetch(
            "SELECT * FROM jobs WHERE state != 'proposed' AND told = 0 ORDER BY id"
        )
        return self._own(rows)

    async def finished_jobs(self, limit: int = 20) -> list[Job]:
        """Return the last trainings that went well, the latest first."""
        rows = await self._database.fetch(
            "SELECT * FROM jobs WHERE state = 'done' ORDER BY id DESC LIMIT ?", limit
        )
        return [_job(row) for row in rows]

    async def count_jobs(self, guild: str, since: str, until: str) -> int:
        """Count the trainings that a guild has asked for between two times."""
        [row] = await self._database.fetch(
            "SELECT count(*) AS count FROM jobs WHERE guild = ? AND created >= ? "
            "AND created <= ? AND state != 'proposed'",
            *(guild, since, until),
        )
        return int(row["count"])

    async def delete_proposal(self, job_id: int) -> bool:
        """Delete a job that has not been accepted; return whether it was deleted."""
        query = "DELETE FROM jobs WHERE id = ? AND state = 'proposed'"
        return await self._database.execute(query, job_id) > 0

    # Models

    async def add_model(self, added_models: AddedModel, job_id: int) -> None:
        """Store a guild's model, in the place of an earlier one of that name."""
        values = (getattr(added_models, each.name) for each in fields(AddedModel))
        guild, name = added_models.guild, added_models.name
        async with self._database.transaction(guild) as run:
            await run(KEEP_GUILD, guild)
            await run("DELETE FROM models WHERE guild = ? AND lower(name) = lower(?)", guild, name)
            await run("INSERT INTO models VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values, job_id)

    async def added_models(self, guild: str) -> Sequence[AddedModel]:
        """Return the models that a guild has added, by name."""
        rows = await self._database.fetch(f"{MODELS} WHERE guild = ? ORDER BY lower(name)", guild)
        return read_models(rows)

    # People

    async def forget(self, member: str) -> Forgotten:
        """Remove a member's number from all jobs, models, choices and kept poems, or from none.

        Models and trainings stay: they are the server's.
        """
        async with self._database.transaction() as run:
            jobs = await run("UPDATE jobs SET asker = '' WHERE asker = ?", member)
            models = await run("UPDATE models SET added_by = '' WHERE added_by = ?", member)
            choices = await run("UPDATE choices SET chosen_by = '' WHERE chosen_by = ?", member)
            kept = await run("DELETE FROM keepers WHERE member = ?", member)
        return Forgotten(jobs.count, models.count, choices.count, kept.count)

    def _own(self, rows: Sequence[Row]) -> list[Job]:
        return [_job(row) for row in rows if self._shard_range.owns(row["guild"])]


def _job(row: Row) -> Job:
    values = {each.name: row[each.name] for each in fields(Job)}
    values |= {"state": JobState(row["state"]), "told": bool(row["told"])}
    return Job(**{**values, "length": TrainingLength(row["length"])})
