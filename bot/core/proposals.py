"""Books that were brought and wait for a yes or a no: a few of each guild, and not for long."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.core.errors import BotError
from bot.core.jobs import Job, JobState
from bot.core.paths import numbered, remove_folder
from bot.core.store.books import BookStore

log = logging.getLogger(__name__)

MAX_OPEN = 3  # of one guild: a few to compare; each may be a book of 5 MB on the host's disk
MAX_OPEN_IN_ALL = 60  # 300 MB of such books
MAX_AGE = timedelta(hours=1)
SWEEP_SECONDS = 600.0


class Proposals:
    """Keeps books until they are answered; `folder` has a folder for each job's book."""

    def __init__(self, store: BookStore, folder: Path) -> None:
        self.turn = asyncio.Lock()  # of whoever answers or throws away: each book goes one way
        self._store = store
        self._folder = folder

    async def of(self, guild: str) -> list[Job]:
        """Return a guild's, the oldest first."""
        return [job for job in await self.all() if job.guild == guild]

    async def all(self) -> list[Job]:
        """Return those of all guilds of this process, the oldest first."""
        return await self._store.jobs_in(JobState.PROPOSED)

    async def keep(self, job: Job, folder: Path) -> Job:
        """Keep a book, which lies in `folder`, as a job.

        The guild's oldest makes room for it, else the oldest of a guild that has the most.
        """
        async with self.turn:
            await self._throw_away((await self.of(job.guild))[: 1 - MAX_OPEN])
            await self._throw_away(_in_the_way(await self._store.jobs_in(JobState.PROPOSED)))
            job = replace(job, id=await self._store.add_job(job))
            job_folder = numbered(self._folder, job.id)
            await asyncio.to_thread(job_folder.parent.mkdir, parents=True, exist_ok=True)
            await asyncio.to_thread(folder.rename, job_folder)
        return job

    async def decline(self, job: Job) -> None:
        """Throw a book away; whoever calls it has the turn."""
        await self._throw_away([job])

    async def leave(self, guild: str) -> None:
        """Throw away a guild's books."""
        async with self.turn:
            await self._throw_away(await self.of(guild))

    async def sweep(self) -> None:
        """Throw away what has waited too long, now and from time to time."""
        while True:
            try:
                async with self.turn:
                    oldest = (datetime.now(UTC) - MAX_AGE).isoformat(timespec="seconds")
                    waiting = await self._store.jobs_in(JobState.PROPOSED)
                    await self._throw_away(job for job in waiting if job.created < oldest)
            except BotError as error:
                log.warning("books that nobody said yes to are still here: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _throw_away(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if await self._store.delete_proposal(job.id):
                await asyncio.to_thread(remove_folder, self._folder, job.id)


def _in_the_way(jobs: Sequence[Job]) -> list[Job]:
    """Return whose place another book takes, from all that wait, the oldest first."""
    if len(jobs) < MAX_OPEN_IN_ALL:
        return []
    open_of = Counter(job.guild for job in jobs)
    return [max(jobs, key=lambda job: open_of[job.guild])]
