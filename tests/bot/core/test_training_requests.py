"""Books that come: from where, within which limits, and who may bring them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from bot.core.application import App
from bot.core.errors import (
    BadSetting,
    BookRefused,
    NothingThere,
    SourceFailed,
    SourceRefused,
    TooMuch,
)
from bot.core.jobs import Job, JobState, Proposal
from bot.core.training.queue import BOOK_NAME, InstallResult
from bot.core.training_requests import AttachedFile, TrainingRequests
from tests.apps import (
    ADMIN,
    GUILD,
    HOST,
    MEMBER,
    OTHER_GUILD,
    STRANGER,
    FakeTrainer,
    attached,
    make_config,
    open_test_app,
    serve,
    trained,
)
from tests.bot.core.hostile_files import HOSTILE, NAMES
from tests.sentences import left_in_english
from tests.texts import VERSES, quatrains

LONG = quatrains(200)


@pytest.fixture
async def mirror() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        if "404" in request.path:
            raise web.HTTPNotFound
        return web.Response(text=LONG)

    async with serve(answer) as address:
        yield address


@pytest.fixture
async def app(tmp_path: Path, trainer: FakeTrainer, mirror: str) -> AsyncIterator[App]:
    limits = {"max_per_day": 4, "max_models": 3, "max_waiting": 2}
    config = make_config(tmp_path, gutenberg=f"{mirror}/{{number}}.txt", **limits)
    async with open_test_app(config, trainer) as opened:
        yield opened


def files(job_folder: Path) -> list[str]:
    """Return what a book has left on the disk."""
    folders = (job_folder / "data" / name for name in ("incoming", "jobs", "guilds"))
    return [str(path) for folder in folders for path in folder.rglob("*")]


async def test_what_was_found_is_told_before_anything_is_trained(
    training_requests: TrainingRequests, trainer: FakeTrainer
) -> None:
    found = await training_requests.propose(ADMIN, attached(LONG, "My walks.txt"))
    assert (found.book.title, found.job.name) == ("My walks", "My-walks")
    assert found.book.characters == len(LONG)
    assert found.book.alphabet == len(set(LONG))
    assert found.book.words == len(LONG.split())
    assert found.book.first_lines[0] == LONG.split("\n", 1)[0]
    assert found.estimated_seconds > 0
    assert not found.is_short
    assert trainer.specs == []


async def test_a_short_book_is_told_apart(training_requests: TrainingRequests) -> None:
    assert (await training_requests.propose(ADMIN, attached(VERSES))).is_short


async def test_a_book_comes_by_its_gutenberg_number_or_an_address(
    training_requests: TrainingRequests, mirror: str
) -> None:
    by_number = await training_requests.propose(ADMIN, "1041")
    assert (by_number.job.source, by_number.job.title) == (
        "Project Gutenberg 1041",
        "Project Gutenberg 1041",
    )
    by_address = await training_requests.propose(ADMIN, f"{mirror}/1042.txt")
    assert (by_address.job.source, by_address.job.title) == ("an address", "1042")
    with pytest.raises(SourceFailed, match="no plain text") as caught:
        await training_requests.propose(ADMIN, "404")
    assert left_in_english(caught.value.sentence) == []


async def test_where_nothing_can_train_no_book_is_fetched(
    training_requests: TrainingRequests, trainer: FakeTrainer
) -> None:
    training_requests.queue.can_train = False
    with pytest.raises(NothingThere, match="is not installed"):
        await training_requests.propose(ADMIN, "1041")
    assert trainer.specs == []


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1/", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "x"],
)
async def test_an_address_inside_is_refused(
    training_requests: TrainingRequests, address: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceRefused):
        await training_requests.propose(ADMIN, address)
    assert files(tmp_path) == []


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_file_is_refused_with_a_sentence_and_leaves_nothing(
    training_requests: TrainingRequests, content: bytes, tmp_path: Path
) -> None:
    with pytest.raises(BookRefused) as refusal:
        await training_requests.propose(ADMIN, attached(content))
    assert str(refusal.value).endswith(".")
    assert len(str(refusal.value)) < 300
    assert left_in_english(refusal.value.sentence) == []
    assert files(tmp_path) == []


def test_there_are_at_least_forty_hostile_files() -> None:
    assert len(set(HOSTILE.values())) >= 40


@pytest.mark.parametrize("name", NAMES)
async def test_a_hostile_name_stays_a_name(
    training_requests: TrainingRequests, name: str, tmp_path: Path
) -> None:
    found = await training_requests.propose(ADMIN, attached(LONG, name))
    assert found.job.name.replace("-", "").replace("_", "").isalnum()
    assert "\n" not in found.book.title
    assert len(found.book.title) <= 200
    assert await trained(training_requests, found) is JobState.DONE
    guild = tmp_path / "data" / "guilds" / GUILD
    assert {path.stem for path in guild.iterdir()} == {found.job.name}


async def test_no_name_of_a_model_is_in_the_way_of_its_book(
    training_requests: TrainingRequests,
) -> None:
    """train.py takes no name for which a file lies there: a book called "book" could not be."""
    found = await training_requests.propose(ADMIN, attached(LONG, "book.txt"))
    job_folder = training_requests.queue.job_folder(found.job.id)
    assert [path.stem for path in job_folder.iterdir()] != [found.job.name]
    with pytest.raises(BadSetting):
        await training_requests.propose(ADMIN, attached(LONG), name=BOOK_NAME.removesuffix(".txt"))


async def test_a_file_that_is_longer_than_it_said_is_refused(
    training_requests: TrainingRequests,
) -> None:
    lying = replace(attached(b"a b c d e f g h " * 400_000), size_bytes=10)
    with pytest.raises(BookRefused, match="at most 5,000,000"):
        await training_requests.propose(ADMIN, lying)


async def test_a_file_that_says_it_is_too_long_is_not_even_read(
    training_requests: TrainingRequests,
) -> None:
    async def read() -> bytes:
        raise AssertionError("it was read")

    with pytest.raises(BookRefused, match="at most 5,000,000"):
        await training_requests.propose(ADMIN, AttachedFile("novel.txt", 6_000_000, read))


async def test_a_file_that_does_not_arrive_is_told(training_requests: TrainingRequests) -> None:
    async def read() -> bytes:
        raise TimeoutError

    with pytest.raises(SourceFailed, match="took too long to arrive"):
        await training_requests.propose(ADMIN, AttachedFile("novel.txt", 10, read))


async def test_a_name_is_chosen_once(training_requests: TrainingRequests) -> None:
    assert await trained(
        training_requests, await training_requests.propose(ADMIN, attached(LONG), name="walks")
    )
    with pytest.raises(BadSetting, match="no model here has yet"):
        await training_requests.propose(ADMIN, attached(LONG), name="Walks")
    assert (await training_requests.propose(ADMIN, attached(LONG))).job.name == "walks-2"


async def test_two_books_of_one_title_get_two_names(training_requests: TrainingRequests) -> None:
    """The second, proposed before the first was answered, took the first one's model away."""
    first, second = [await training_requests.propose(ADMIN, attached(LONG)) for _ in range(2)]
    assert (first.job.name, second.job.name) == ("walks", "walks-2")
    with pytest.raises(BadSetting, match="no model here has yet"):
        await training_requests.propose(ADMIN, attached(LONG), name="WALKS")
    elsewhere = await training_requests.propose(STRANGER, attached(LONG), name="walks")
    for found, asker in ((first, ADMIN), (second, ADMIN), (elsewhere, STRANGER)):
        assert await trained(training_requests, found, asker) is JobState.DONE


async def test_a_name_is_looked_at_again_when_somebody_says_yes(
    training_requests: TrainingRequests,
) -> None:
    """A shared model may have got it meanwhile, which the guild's own would then hide."""
    found = await training_requests.propose(ADMIN, attached(LONG))
    shared = await training_requests.propose(HOST, attached(LONG), shared=True)
    assert await trained(training_requests, shared, HOST) is JobState.DONE
    with pytest.raises(BadSetting, match="name is 'walks'; it must be a name that no model"):
        await training_requests.accept(ADMIN, found.job.id)


async def test_a_training_that_has_ended_but_for_a_last_word_cannot_be_stopped(
    training_requests: TrainingRequests, app: App
) -> None:
    installing, go = asyncio.Event(), asyncio.Event()
    install = training_requests.queue._install

    async def slowly(job: Job, made: Path) -> InstallResult:
        installing.set()
        await go.wait()
        return await install(job, made)

    training_requests.queue._install = slowly
    found = await training_requests.propose(ADMIN, attached(LONG))
    await training_requests.accept(ADMIN, found.job.id)
    await installing.wait()
    with pytest.raises(NothingThere, match="has just ended"):
        await training_requests.cancel(ADMIN, found.job.id)
    go.set()
    assert [view async for view in training_requests.queue.watch(found.job.id)][
        -1
    ].job.state is JobState.DONE


async def test_a_name_of_a_shared_model_is_taken(training_requests: TrainingRequests) -> None:
    with pytest.raises(BadSetting):
        await training_requests.propose(ADMIN, attached(LONG), name="sonnets")


@pytest.mark.parametrize("name", ["../x", "a b", "-x", "x" * 65, "🌹"])
async def test_a_name_that_is_none_is_refused_before_the_book_is_fetched(
    training_requests: TrainingRequests, name: str
) -> None:
    async def read() -> bytes:
        raise AssertionError("it was read")

    with pytest.raises(BadSetting, match="1–64 letters"):
        await training_requests.propose(ADMIN, AttachedFile("walks.txt", 10, read), name=name)


async def test_only_whoever_brought_a_book_can_say_yes_or_no(
    training_requests: TrainingRequests, tmp_path: Path
) -> None:
    found = await training_requests.propose(ADMIN, attached(LONG))
    for other in (replace(ADMIN, member="discord:7"), STRANGER, HOST):
        with pytest.raises(NothingThere):
            await training_requests.accept(other, found.job.id)
        with pytest.raises(NothingThere):
            await training_requests.decline(other, found.job.id)
    await training_requests.decline(ADMIN, found.job.id)
    assert files(tmp_path) == []
    with pytest.raises(NothingThere):
        await training_requests.accept(ADMIN, found.job.id)


async def test_a_yes_counts_once(training_requests: TrainingRequests, trainer: FakeTrainer) -> None:
    found = await training_requests.propose(ADMIN, attached(LONG))
    answers = await asyncio.gather(
        *(training_requests.accept(ADMIN, found.job.id) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(answer, NothingThere) for answer in answers) == 2
    async for _ in training_requests.queue.watch(found.job.id):
        pass
    assert len(trainer.specs) == 1


async def test_a_guild_trains_so_often_a_day(training_requests: TrainingRequests, app: App) -> None:
    for number in range(4):
        found = await training_requests.propose(ADMIN, attached(LONG), name=f"walks{number}")
        assert await trained(training_requests, found) is JobState.DONE
        await app.guild_models.remove(ADMIN, f"walks{number}")
    with pytest.raises(TooMuch, match="4 trainings in 24 hours"):
        await training_requests.propose(ADMIN, attached(LONG))
    await training_requests.propose(STRANGER, attached(LONG))  # another guild's count is its own


async def test_a_guild_has_so_many_models(training_requests: TrainingRequests) -> None:
    for number in range(3):
        found = await training_requests.propose(ADMIN, attached(LONG), name=f"walks{number}")
        assert await trained(training_requests, found) is JobState.DONE
    with pytest.raises(TooMuch, match="3 models of its own"):
        await training_requests.propose(ADMIN, attached(LONG))


async def test_so_many_trainings_wait(
    training_requests: TrainingRequests, trainer: FakeTrainer
) -> None:
    trainer.gate = asyncio.Event()
    for guild in ("31", "32", "33"):
        asker = replace(STRANGER, guild=guild)
        await training_requests.accept(
            asker, (await training_requests.propose(asker, attached(LONG))).job.id
        )
    with pytest.raises(TooMuch, match="already waiting"):
        await training_requests.propose(ADMIN, attached(LONG))


async def test_the_limits_are_looked_at_again_when_somebody_says_yes(
    training_requests: TrainingRequests,
) -> None:
    """Else many proposals made at once would all be trained."""
    assert (
        await trained(training_requests, await training_requests.propose(ADMIN, attached(LONG)))
        is JobState.DONE
    )
    found = [
        await training_requests.propose(ADMIN, attached(LONG), name=f"walks{n}") for n in range(3)
    ]
    for proposal in found[:2]:
        assert await trained(training_requests, proposal) is JobState.DONE
    with pytest.raises(TooMuch):
        await training_requests.accept(ADMIN, found[2].job.id)


@asynccontextmanager
async def book_on_its_way(
    training_requests: TrainingRequests,
) -> AsyncIterator[asyncio.Task[Proposal]]:
    """Let a book of ADMIN's be read for as long as the context lasts."""
    arrived, go = asyncio.Event(), asyncio.Event()

    async def read() -> bytes:
        arrived.set()
        await go.wait()
        return LONG.encode()

    first = asyncio.create_task(training_requests.propose(ADMIN, AttachedFile("a.txt", 10, read)))
    await arrived.wait()
    try:
        yield first
    finally:
        go.set()


async def test_one_book_of_a_guild_is_fetched_at_a_time(
    training_requests: TrainingRequests,
) -> None:
    async with book_on_its_way(training_requests) as first:
        with pytest.raises(TooMuch, match="being fetched"):
            await training_requests.propose(ADMIN, attached(LONG))
    assert (await first).job.name == "a"


async def test_a_member_has_one_book_on_its_way_whatever_the_server(
    training_requests: TrainingRequests,
) -> None:
    async with book_on_its_way(training_requests) as first:
        with pytest.raises(TooMuch, match="from you"):
            await training_requests.propose(replace(ADMIN, guild=OTHER_GUILD), attached(LONG))
        assert (await training_requests.propose(STRANGER, attached(LONG))).job.guild == OTHER_GUILD
    await first


async def test_every_attempt_counts_however_it_ends(tmp_path: Path, trainer: FakeTrainer) -> None:
    """One server made 162 proposals in five seconds."""
    async with open_test_app(make_config(tmp_path, max_tries_per_hour=5), trainer) as app:
        training_requests = app.training_requests
        for _ in range(2):
            await training_requests.propose(ADMIN, attached(LONG))
            with pytest.raises(BookRefused):
                await training_requests.propose(ADMIN, attached(b"\0"))
        with pytest.raises(SourceRefused):
            await training_requests.propose(ADMIN, "http://127.0.0.1/")
        for other in (ADMIN, HOST, replace(ADMIN, guild=OTHER_GUILD)):
            with pytest.raises(TooMuch, match="5 books an hour"):
                await training_requests.propose(other, attached(LONG))
        await training_requests.propose(STRANGER, attached(LONG))


async def test_a_fetch_that_is_cancelled_leaves_nothing(
    training_requests: TrainingRequests, tmp_path: Path
) -> None:
    arrived = asyncio.Event()

    async def read() -> bytes:
        arrived.set()
        await asyncio.Event().wait()
        return b""

    task = asyncio.create_task(training_requests.propose(ADMIN, AttachedFile("a.txt", 10, read)))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []
    await training_requests.propose(ADMIN, attached(LONG))


async def test_a_guild_that_throws_the_bot_out_trains_no_more(
    training_requests: TrainingRequests, app: App, trainer: FakeTrainer
) -> None:
    trainer.gate = asyncio.Event()
    found = await training_requests.propose(ADMIN, attached(LONG))
    await training_requests.accept(ADMIN, found.job.id)
    await trainer.began.wait()
    await training_requests.leave(GUILD)
    end = [view async for view in training_requests.queue.watch(found.job.id)][-1]
    assert end.job.state is JobState.CANCELLED
    assert await app.books.untold_jobs() == []


async def test_other_guilds_trainings_are_seen_without_what_they_are(
    training_requests: TrainingRequests, trainer: FakeTrainer
) -> None:
    trainer.gate = asyncio.Event()
    await training_requests.accept(
        ADMIN, (await training_requests.propose(ADMIN, attached(LONG))).job.id
    )
    (own,) = training_requests.jobs(MEMBER)
    (seen,) = training_requests.jobs(STRANGER)
    assert own.job.name == "walks"
    assert (seen.job.name, seen.job.title, seen.job.guild, seen.job.asker) == ("", "", "", "")
    assert training_requests.jobs(replace(HOST, guild=OTHER_GUILD))[0].job.name == "walks"
