"""Books that members bring, until they are trained on.

A book is fetched and read, then it waits as one of a few proposals. Once the member who added it
says yes, it goes to the training queue.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from bot.core.book_reader import fit_name, read_book_in_sandbox
from bot.core.errors import (
    BadSetting,
    BookRefused,
    BotError,
    NothingThere,
    ShuttingDown,
    SourceFailed,
    TooMuch,
)
from bot.core.fairness import AttemptLimit, Slots
from bot.core.fetching.fetcher import Fetcher
from bot.core.fetching.gutenberg import Gutenberg, gutenberg_number
from bot.core.guilds import Guilds, utc_now
from bot.core.jobs import Job, JobState, JobView, Proposal, TrainingLength
from bot.core.languages import counted, sentence
from bot.core.names import one_line
from bot.core.paths import numbered, remove_folder
from bot.core.ports import Models
from bot.core.records import Asker
from bot.core.store.books import BookStore
from bot.core.tasks import cancel_tasks
from bot.core.training.queue import BOOK_NAME, TrainingQueue

log = logging.getLogger(__name__)

SHORT_CHARACTERS = 20_000  # a book with fewer is learnt by heart
USUAL_SECONDS_PER_CHARACTER = 60 / 150_000  # on two cores of 2023; trainings of this machine count
STARTING_SECONDS = 15.0  # for the start, the measuring, the chart and the poem
MAX_FETCHES = 4  # at once, of all guilds; each is a process of some 40 MB
ATTACHED_SECONDS = 60.0  # a file of 5 MB takes one
MAX_READINGS = 1  # at once; each may be a process of 150 MB and more
READING_SECONDS = 30.0  # for one while others wait
CANCELLED = sentence("It was cancelled, and nothing was kept.")
TOO_LATE = sentence("That training has just ended, so it can no longer be stopped.")
TAKEN = sentence("a name that no model here has yet")
MAX_OPEN = 3  # proposals of a guild: a few to compare; each may be a book of 5 MB on the disk
MAX_OPEN_IN_ALL = 60  # 300 MB of such books
MAX_AGE = timedelta(hours=1)  # of a proposal
SWEEP_SECONDS = 600.0  # between two looks for old ones
GUILD_GONE = sentence("The bot was removed from the server.")


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file that came with a message."""

    name: str
    size_bytes: int
    read: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class BookLimits:
    """Limits of books and trainings."""

    max_bytes: int = 5_000_000  # of a book
    max_minutes: float = 60.0  # of learning
    max_per_day: int = 10  # trainings of one guild in 24 hours
    max_models: int = 10  # of one guild's own
    max_waiting: int = 20  # trainings, of all guilds
    max_tries_per_hour: int = 20  # to bring a book, of one guild and of one member


class TrainingRequests:
    """Takes books from members who may manage them, and has models trained on them."""

    def __init__(
        self,
        library: Models,
        guilds: Guilds,
        store: BookStore,
        queue: TrainingQueue,
        *,
        fetcher: Fetcher,
        gutenberg: Gutenberg,
        incoming: Path,
        limits: BookLimits,
    ) -> None:
        self.limits = limits
        self._library = library
        self._guilds = guilds
        self._store = store
        self.queue = queue
        self._fetcher = fetcher
        self._gutenberg = gutenberg
        self._incoming = incoming
        self._fetch_turns = Slots(MAX_FETCHES)
        self._read_turns = Slots(MAX_READINGS, turn_seconds=READING_SECONDS)
        self._attempts = AttemptLimit(limits.max_tries_per_hour)
        self._fetching: set[str] = set()  # guilds and members that have a book on its way
        self._proposals = _Proposals(store, queue.folder)
        self._sweeping: asyncio.Task[None] | None = None
        self._closing = False

    async def open(self) -> None:
        """Delete half-fetched books of an earlier run, and start the queue."""
        await asyncio.to_thread(remove_folder, self._incoming.parent, self._incoming.name)
        await self.queue.start()
        self._sweeping = asyncio.create_task(self._proposals.sweep(), name="proposals")

    async def close(self) -> None:
        """Stop the training under way, with everything saved for the next start."""
        self._closing = True
        if self._sweeping is not None:
            await cancel_tasks([self._sweeping])
        await self.queue.close()

    # Books that come

    async def propose(
        self,
        asker: Asker,
        source: str | AttachedFile,
        *,
        name: str = "",
        shared: bool = False,
        length: TrainingLength = TrainingLength.LONG,
    ) -> Proposal:
        """Fetch a book and look at it; it is trained on once `accept` is called.

        `source` is an address, a Project Gutenberg number, or a file. Raises NotAllowed, TooMuch,
        NothingThere without PyTorch, SourceRefused, SourceFailed, BookRefused, BadSetting for a
        name, and DataNotKept.
        """
        guild = self._guilds.managed_by(asker, shared=shared)
        await self._require_room(guild)
        if name:
            fit_name(name)
        asking = (f"guild {guild}", asker.member)
        with self._on_its_way(asking):
            self._attempts.spend(*asking)
            folder = self._incoming / secrets.token_hex(8)
            await asyncio.to_thread(folder.mkdir, parents=True)
            try:
                async with self._fetch_turns.turn(*asking):
                    title, kind = await self._fetch(source, folder / BOOK_NAME)
                async with self._read_turns.turn(*asking):
                    found = await read_book_in_sandbox(folder / BOOK_NAME, title)
                chosen = await self._choose_name(guild, name, found.title)
                job = Job(
                    id=0,
                    guild=guild,
                    name=chosen,
                    title=found.title,
                    source=kind,
                    characters=found.characters,
                    state=JobState.PROPOSED,
                    asker=asker.member,
                    created=utc_now(),
                    length=length,
                )
                job = await self._proposals.keep(job, folder)
            finally:
                await asyncio.to_thread(remove_folder, self._incoming, folder.name)
        is_short = found.characters < SHORT_CHARACTERS
        seconds = await self.estimate_seconds(found.characters, length)
        return Proposal(job, found, seconds, is_short)

    async def proposed(self, asker: Asker, job_id: int) -> Job:
        """Return a book that waits for the asker's yes or no; raise NothingThere."""
        job = await self._store.job(job_id)
        if job is None or job.state is not JobState.PROPOSED:
            raise NothingThere(
                sentence("That book is no longer waiting for an answer. Add it again.")
            )
        guild = self._guilds.managed_by(asker, shared=not job.guild)
        if (guild, asker.member) != (job.guild, job.asker):
            raise NothingThere(sentence("Only the member who added that book can answer."))
        return job

    async def accept(self, asker: Asker, job_id: int) -> JobView:
        """Say yes to a book; only the member who added it can. Raises what `propose` does."""
        async with self._proposals.turn:
            job = await self.proposed(asker, job_id)
            await self._require_room(job.guild)
            if job.name.casefold() in await self._taken(job.guild, besides=job.id):
                raise BadSetting("name", job.name, TAKEN)
            return await self.queue.submit(job)

    async def decline(self, asker: Asker, job_id: int) -> None:
        """Say no to a book, which is deleted."""
        async with self._proposals.turn:
            await self._proposals.delete([await self.proposed(asker, job_id)])

    async def estimate_seconds(
        self, characters: int, length: TrainingLength = TrainingLength.LONG
    ) -> float:
        """Guess how long a training takes, from earlier ones on this machine."""
        done = await self._store.finished_jobs()
        speeds = [job.seconds / job.characters for job in done if job.seconds and job.characters]
        speed = median(speeds) if speeds else USUAL_SECONDS_PER_CHARACTER
        return min(characters * speed, self.queue.limit_seconds(length)) + STARTING_SECONDS

    # Trainings

    def jobs(self, asker: Asker) -> list[JobView]:
        """Return the queue; of other guilds' trainings only their places."""
        return [self._as_seen_by(asker, view) for view in self.queue.views()]

    def cancellable(self, asker: Asker, job_id: int | None = None) -> Job:
        """Return a training of the asker's guild, the first in the queue where none is named.

        Raises NotAllowed and NothingThere.
        """
        guild = self._guilds.managed_by(asker)
        owner = self._guilds.permissions.is_owner(asker)
        jobs = [view.job for view in self.queue.views()]
        own = [job for job in jobs if job.guild == guild]
        others = [job for job in jobs if owner and job_id == job.id]  # an owner has to name it
        for job in (*own, *others):
            if job_id in (None, job.id):
                return job
        raise NothingThere(sentence("This server has no training that is running or waiting."))

    async def cancel(self, asker: Asker, job_id: int | None = None) -> Job:
        """End a training; raise what `cancellable` does."""
        job = self.cancellable(asker, job_id)
        if not await self.queue.cancel(job.id, CANCELLED):
            raise NothingThere(TOO_LATE)
        return job

    async def leave(self, guild: str) -> None:
        """End the trainings of a guild that the bot has left; forget its proposals.

        Safe to do again after an error; raises DataNotKept.
        """
        for view in self.queue.views():
            if view.job.guild == guild:  # noted first: what is cancelled is not found again
                await self._store.update_job(view.job.id, told=1)
                await self.queue.cancel(view.job.id, GUILD_GONE)
        await self._proposals.leave(guild)

    async def guilds(self) -> set[str]:
        """Return the guilds that have trainings or books here; raise DataNotKept."""
        jobs = [view.job for view in self.queue.views()] + await self._proposals.all()
        return {job.guild for job in jobs if job.guild}

    # Within

    async def _require_room(self, guild: str) -> None:
        """Raise TooMuch, NothingThere or ShuttingDown where no training may be asked for."""
        if self._closing:
            raise ShuttingDown
        if not self.queue.can_train:
            raise NothingThere(
                sentence(
                    "I cannot train here: what that needs is not installed. Ask the bot's admin "
                    "to install it."
                )
            )
        limits = self.limits
        queue = self.queue.views()
        if len(queue) > limits.max_waiting:
            told = counted(
                "{count} training is already waiting. Try again later.",
                "{count} trainings are already waiting. Try again later.",
                len(queue),
            )
            raise TooMuch(told)
        if not guild:
            return
        now, day = datetime.now(UTC), timedelta(days=1)
        # What a wrong clock has put far ahead would count for years.
        within = ((now + sign * day).isoformat(timespec="seconds") for sign in (-1, 1))
        asked = await self._store.count_jobs(guild, *within)
        if asked >= limits.max_per_day:
            raise TooMuch(
                counted(
                    "This server has asked for {count} training in 24 hours, which is the limit. "
                    "Try again tomorrow.",
                    "This server has asked for {count} trainings in 24 hours, which is the limit. "
                    "Try again tomorrow.",
                    asked,
                )
            )
        own = len(await self._store.added_models(guild))
        own += sum(view.job.guild == guild for view in queue)
        if own >= limits.max_models:
            raise TooMuch(
                counted(
                    "This server has {count} model of its own, including trainings, which is the "
                    "limit. Remove one with /book remove.",
                    "This server has {count} models of its own, including trainings, which is the "
                    "limit. Remove one with /book remove.",
                    own,
                )
            )

    @contextmanager
    def _on_its_way(self, asking: Sequence[str]) -> Iterator[None]:
        if not self._fetching.isdisjoint(asking):
            raise TooMuch(
                sentence(
                    "A book from you or for this server is already being fetched. Wait a moment."
                )
            )
        self._fetching.update(asking)
        try:
            yield
        finally:
            self._fetching.difference_update(asking)

    async def _fetch(self, source: str | AttachedFile, into: Path) -> tuple[str, str]:
        """Put a book at `into`; return its title, from its file name if need be, and its source."""
        if isinstance(source, AttachedFile):
            if source.size_bytes > self.limits.max_bytes:
                raise self._too_long(source.name, source.size_bytes)
            raw = await _read_attached(source)
            if len(raw) > self.limits.max_bytes:
                raise self._too_long(source.name, len(raw))
            await asyncio.to_thread(into.write_bytes, raw)
            return _title(source.name), "an attachment"
        number = gutenberg_number(source)
        if number is not None:
            cached = await self._gutenberg.fetch(number)
            await asyncio.to_thread(shutil.copyfile, cached.path, into)
            return f"Project Gutenberg {number}", f"Project Gutenberg {number}"
        fetched = await self._fetcher.fetch(source, into)
        return _title(fetched.file_name), "an address"

    def _too_long(self, name: str, size_bytes: int) -> BookRefused:
        return BookRefused(
            sentence(
                "The book {name} has {size:,} bytes; at most {most:,} are allowed. Send a part of "
                "it.",
                name=repr(one_line(name)),
                size=size_bytes,
                most=self.limits.max_bytes,
            )
        )

    async def _choose_name(self, guild: str, wanted: str, title: str) -> str:
        """Return a name that no model and no training of the guild has."""
        taken = await self._taken(guild)
        if wanted:
            if wanted.casefold() in taken:
                raise BadSetting("name", wanted, TAKEN)
            return wanted
        base = fit_name(title, tidy=True)
        numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
        return next(name for name in (base, *numbered) if name.casefold() not in taken)

    async def _taken(self, guild: str, *, besides: int = 0) -> set[str]:
        """Return the names of a guild's books and models in small letters, except that of a job.

        They are read in the order of a book's way, so that one that moves on is not missed.
        """
        jobs = await self._proposals.of(guild)
        jobs += [view.job for view in self.queue.views() if view.job.guild == guild]
        names = [job.name for job in jobs if job.id != besides]
        names += [kept.name for kept in await self._store.added_models(guild)]
        names += [model.name for model in await asyncio.to_thread(self._library.models, guild)]
        return {name.casefold() for name in names}

    def _as_seen_by(self, asker: Asker, view: JobView) -> JobView:
        if view.job.guild == asker.guild or self._guilds.permissions.is_owner(asker):
            return view
        hidden = replace(view.job, name="", title="", source="", asker="", channel="", message="")
        return JobView(replace(hidden, guild="", characters=0), place=view.place)


async def _read_attached(source: AttachedFile) -> bytes:
    try:
        async with asyncio.timeout(ATTACHED_SECONDS):
            return await source.read()
    except TimeoutError as error:
        raise SourceFailed(one_line(source.name), sentence("it took too long to arrive")) from error


def _title(file_name: str) -> str:
    """Return a title for a file; its name comes from a stranger."""
    stem = one_line(file_name.replace("\\", "/").rsplit("/", 1)[-1]).rsplit(".", 1)[0]
    return stem.strip(". ") or "a book"


class _Proposals:
    """Keeps books until they are answered; `folder` has a folder for each job's book."""

    def __init__(self, store: BookStore, folder: Path) -> None:
        self.turn = asyncio.Lock()  # held while a book is answered or deleted
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
            await self.delete((await self.of(job.guild))[: 1 - MAX_OPEN])
            await self.delete(_in_the_way(await self.all()))
            job = replace(job, id=await self._store.add_job(job))
            job_folder = numbered(self._folder, job.id)
            await asyncio.to_thread(job_folder.parent.mkdir, parents=True, exist_ok=True)
            await asyncio.to_thread(folder.rename, job_folder)
        return job

    async def leave(self, guild: str) -> None:
        """Delete a guild's books."""
        async with self.turn:
            await self.delete(await self.of(guild))

    async def sweep(self) -> None:
        """Delete what has waited too long, now and from time to time."""
        while True:
            try:
                async with self.turn:
                    oldest = (datetime.now(UTC) - MAX_AGE).isoformat(timespec="seconds")
                    await self.delete(j for j in await self.all() if j.created < oldest)
            except BotError as error:
                log.warning("old proposals could not be deleted: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def delete(self, jobs: Iterable[Job]) -> None:
        """Delete books; the caller holds `turn`."""
        for job in jobs:
            if await self._store.delete_proposal(job.id):
                await asyncio.to_thread(remove_folder, self._folder, job.id)


def _in_the_way(jobs: Sequence[Job]) -> list[Job]:
    """Return the books that make room for another one, from all that wait, the oldest first."""
    if len(jobs) < MAX_OPEN_IN_ALL:
        return []
    open_of = Counter(job.guild for job in jobs)
    return [max(jobs, key=lambda job: open_of[job.guild])]
