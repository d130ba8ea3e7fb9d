"""What earlier versions left on disk opens; tests/data/README.md says how it was made."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import discord
import pytest
import torch
from discord import app_commands

from bot.app import make_library, open_app
from bot.config import BooksConfig, Config, DiscordConfig
from bot.core.application import App
from bot.core.daily import DailyPoem
from bot.core.fetching import gutenberg
from bot.core.jobs import Job, JobState, TrainingLength
from bot.core.records import FREE, Ending, PoemRequest
from bot.core.shards import ShardRange
from bot.core.store import backup_file
from bot.core.store.archive import restore
from bot.core.store.database import FILE_NAME
from bot.core.store.days import SentDay
from bot.core.store.kept import KeptPoem
from bot.core.store.poems import HalfPoem
from bot.core.store.schema import MIGRATIONS
from bot.core.training.process import WRONG_USE, TrainingEvent, TrainingExit, TrainingSpec
from bot.discord_app import commands_sync
from bot.discord_app.commands_sync import sync_commands
from model import load_model, read_books, read_card
from model.checkpoint import (
    CHARACTERS_VERSION,
    FORMAT_VERSION,
    PIECES_VERSION,
    TOPICS_VERSION,
)
from model.training import EpochEnd, RecipeOverrides, TrainingFolder, TrainingRun
from model.training import resume as resume_file
from tests.apps import ADMIN, GUILD, STRANGER, FakeTrainer, open_test_app, trained

UPGRADES = Path(__file__).parent / "data" / "upgrades"
ALL = sorted(path.name for path in UPGRADES.iterdir() if path.is_dir())
WITH_WORDS = ["4", "5", "6", "7", "8", "9", "10", "11", "12"]
WITH_BOOKS = ["5", "6", "7"]  # and a database
STOPPED = {  # book and folder of trainings that were stopped half way
    "1": ("dunes.txt", "models", "dunes"),
    "3": ("dunes.txt", "models", "dunes"),
    "8": ("dunes.txt", "models", "dunes"),
    "9": ("dunes.txt", "models", "dunes"),
    "12": ("dunes.txt", "models", "dunes"),
    "5": ("data/jobs/2/_book.txt", "data/jobs/2", "harbour"),
}
NOWHERE = "http://127.0.0.1:9/{number}.txt"  # nobody listens there


@pytest.fixture
def home(tmp_path: Path, number: str) -> Path:
    """Return a copy of what an earlier version left."""
    return Path(shutil.copytree(UPGRADES / number, tmp_path / "home"))


def config_of(home: Path) -> Config:
    books, discord_ = BooksConfig(gutenberg=NOWHERE), DiscordConfig(cooldown_seconds=0.0)
    return Config(books=books, discord=discord_, home=home)


@asynccontextmanager
async def opened(home: Path, trainer: FakeTrainer | None = None) -> AsyncIterator[App]:
    held = FakeTrainer(gate=asyncio.Event())  # at a training that nobody waits for
    async with open_test_app(config_of(home), trainer or held) as app:
        yield app


async def ended(app: App, job_id: int) -> Job:
    return [view async for view in app.training_requests.queue.watch(job_id)][-1].job


# Models


def test_a_model_of_every_format_is_kept() -> None:
    """Whoever raises the format adds a file of the new one."""
    formats = {read_card(path).format_version for path in UPGRADES.rglob("models/*.safetensors")}
    assert formats == set(range(1, FORMAT_VERSION + 1))


@pytest.mark.parametrize("number", ALL)
async def test_a_model_of_every_version_is_listed_and_writes(home: Path) -> None:
    async with opened(home) as app:
        listed = {model.name: model for model in app.service.models()}
        assert {path.stem for path in home.glob("models/*.safetensors")} <= listed.keys()
        assert listed["sonnets"].path == home / "models" / "sonnets.safetensors"
        assert (listed["sonnets"].book, len(listed["sonnets"].losses)) == ("The Sonnets", 3)
        assert listed["sonnets"].chart == home / "models" / "sonnets.png"
        request = PoemRequest(STRANGER, "The river", random_seed=1, characters=40, form=FREE)
        async with app.service.write(await app.service.admit(request)) as poem_stream:
            poem = await poem_stream.finish()
    assert poem.ending is Ending.COMPLETE
    assert poem.text.startswith("The river")
    assert len(poem.text) > len("The river")


@pytest.mark.parametrize("number", WITH_WORDS)
async def test_a_model_that_has_words_keeps_its_form(home: Path) -> None:
    async with opened(home) as app:
        request = PoemRequest(STRANGER, "The river", random_seed=1, form="couplet")
        async with app.service.write(await app.service.admit(request)) as poem_stream:
            poem = await poem_stream.finish()
    assert (poem.settings.form, poem.notes) == ("couplet", ())
    assert [line.rhyme for line in poem.looks.lines] == ["A", "A"]


@pytest.mark.parametrize("number", sorted(set(ALL) - set(WITH_WORDS)))
async def test_a_model_from_before_there_were_words_says_that_it_writes_free_text(
    home: Path,
) -> None:
    async with opened(home) as app:
        request = PoemRequest(STRANGER, "The river", random_seed=1, form="couplet")
        async with app.service.write(await app.service.admit(request)) as poem_stream:
            poem = await poem_stream.finish()
    assert poem.settings.form == FREE
    [note] = poem.notes
    assert note.startswith("This is free text, not a couplet.")


# Trainings


@pytest.mark.parametrize("number", STOPPED)
def test_a_training_that_was_stopped_goes_on_to_its_end(home: Path, number: str) -> None:
    book, out, name = STOPPED[number]
    folder = TrainingFolder(home / out, name)
    text = read_books([("The Dunes", (home / book).read_bytes())])
    before = load_model(folder.model)
    run = TrainingRun.resume(folder, text, RecipeOverrides(), torch.device("cpu"))
    already = run.training.position
    assert (already.epoch, len(already.history), already.steps_made) == (2, 1, 40)
    for event in run.training.run():
        if isinstance(event, EpochEnd):
            run.end_epoch(event)
    after = run.finish()
    assert after.vocabulary.pieces == before.vocabulary.pieces
    formats = {"8": PIECES_VERSION, "9": TOPICS_VERSION, "12": FORMAT_VERSION}
    assert after.card.format_version == formats.get(number, CHARACTERS_VERSION)
    assert (len(after.card.history), after.card.history[:1]) == (3, already.history)
    assert after.lexicon == before.lexicon


@pytest.mark.parametrize("number", ["1"])
def test_the_loss_that_the_first_files_name_and_never_have_is_not_written_again(home: Path) -> None:
    path = home / "models" / "sonnets.safetensors"
    assert rb"training_loss\":null" in path.read_bytes()
    assert "training_loss" not in read_card(path).history[0].model_dump()


# Data folders


@pytest.mark.parametrize("number", WITH_BOOKS)
async def test_what_a_server_settled_and_chose_is_there(home: Path) -> None:
    async with opened(home) as app:
        guild_settings = app.guilds.settings_for(ADMIN)
        assert (guild_settings.lines, guild_settings.form, guild_settings.avoid) == (
            8,
            "couplet",
            ("gloom", "doom"),
        )
        shelf = await app.guild_models.available(ADMIN)
        assert shelf.used is not None
        assert (shelf.used.name, shelf.used.guild, shelf.missing) == ("dunes", GUILD, ())
        model, kept = await app.guild_models.info(ADMIN, "dunes")
        assert model.chart == home / "data" / "guilds" / GUILD / "dunes.png"
        assert kept is not None
        assert (kept.book, kept.source, kept.added_by) == (
            "The Dunes",
            "an attachment",
            "discord:1",
        )
        request = PoemRequest(ADMIN, "The river", random_seed=1)
        async with app.service.write(await app.service.admit(request)) as poem_stream:
            poem = await poem_stream.finish()
        assert (poem.model, poem.settings.form) == ("dunes", "couplet")
        assert "dunes" not in {model.name for model in app.service.models(STRANGER.guild)}


@pytest.mark.parametrize("number", ["5"])
async def test_the_training_that_ran_is_taken_up_and_then_the_one_that_waited(home: Path) -> None:
    trainer = FakeTrainer(gate=asyncio.Event())
    async with opened(home, trainer) as app:
        ran, waits = app.training_requests.jobs(ADMIN)
        assert (ran.job.name, ran.job.source, ran.job.message) == (
            *("harbour", "Project Gutenberg 1041", "32"),
        )
        assert (waits.job.name, waits.place) == ("orchard", 1)
        trainer.go()
        jobs = [await ended(app, view.job.id) for view in (ran, waits)]
        names = {model.name for model in app.service.models(GUILD)}
    assert [job.state for job in jobs] == [JobState.DONE, JobState.DONE]
    assert [(spec.name, spec.resume) for spec in trainer.specs] == [
        *(("harbour", True), ("orchard", False)),
    ]
    assert {"dunes", "harbour", "orchard", "sonnets"} <= names


@pytest.mark.parametrize("number", ["5"])
async def test_a_book_of_gutenbergs_that_was_kept_is_not_fetched_again(home: Path) -> None:
    async with opened(home, FakeTrainer()) as app:
        proposal = await app.training_requests.propose(ADMIN, "1041", name="again")
        assert proposal.job.source == "Project Gutenberg 1041"
        assert await trained(app.training_requests, proposal) is JobState.DONE


@pytest.mark.parametrize("number", ["6"])
async def test_a_folder_of_several_processes_opens_in_several_too(home: Path) -> None:
    config = config_of(home)
    library = make_library(config)
    async with (
        open_app(config, library, FakeTrainer(), shard_range=ShardRange(0, 0, 2)) as first,
        open_app(config, library, FakeTrainer(), shard_range=ShardRange(1, 1, 2)) as second,
    ):
        for app in (first, second):
            assert app.guilds.settings_for(ADMIN).lines == 8


@pytest.mark.parametrize("number", ["7"])
async def test_a_half_poem_that_was_left_is_known(home: Path) -> None:
    async with opened(home) as app:
        assert await app.half_poems.halves() == [HalfPoem(50, 20, 10)]


@pytest.mark.parametrize("number", ["10"])
async def test_poems_of_the_day_and_kept_poems_are_known(home: Path) -> None:
    async with opened(home) as app:
        settings = app.guilds.settings_for(ADMIN)
        assert settings.daily == DailyPoem("20")
        assert settings.keep_channel == "21"
        assert settings.model_in("20") == ("dunes", "a1" * 32)
        assert await app.days.sent() == {"10": SentDay("2026-11-28", "50")}
        assert await app.kept.find("51") == KeptPoem("21", "60", 1)


@pytest.mark.parametrize("number", ["11"])
async def test_a_short_training_is_known_as_one(home: Path) -> None:
    async with opened(home) as app:
        job = await app.books.job(1)
        assert job is not None
        assert (job.name, job.length, job.told) == ("dunes", TrainingLength.SHORT, True)


@pytest.mark.parametrize("number", ["5"])
async def test_a_training_of_before_is_a_long_one(home: Path) -> None:
    async with opened(home) as app:
        jobs = [view.job for view in app.training_requests.jobs(ADMIN)]
        assert {job.length for job in jobs} == {TrainingLength.LONG}


def test_a_database_of_every_version_is_kept() -> None:
    """Whoever adds a migration adds a database that has had it."""
    versions = set()
    for path in UPGRADES.rglob(FILE_NAME):
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            [(version,)] = connection.execute("PRAGMA user_version")
        versions.add(version)
    assert versions == set(range(1, len(MIGRATIONS) + 1))


# Backups


class NoBook:
    """Says what train.py says of a book that is not there: a backup has none."""

    SENTENCE = "There is no such book."

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        assert not spec.book.exists()
        return TrainingExit(WRONG_USE, f"train.py: {self.SENTENCE}")


@pytest.mark.parametrize("number", ["5"])
async def test_a_backup_is_restored_onto_an_empty_machine(home: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    back = restore(home / "backup.tar", fresh / "data", fresh / "models")
    assert (back.guild_models, back.shared_models, back.aside) == (1, 1, None)
    config = config_of(fresh)
    async with open_app(config, make_library(config), NoBook()) as app:
        assert app.guilds.settings_for(ADMIN).lines == 8
        shelf = await app.guild_models.available(ADMIN)
        assert shelf.used is not None
        assert (shelf.used.name, shelf.missing) == ("dunes", ())
        jobs = [await ended(app, job.id) for job in await app.books.untold_jobs()]
    assert [(job.name, job.state, job.sentence) for job in jobs] == [
        *((name, JobState.FAILED, NoBook.SENTENCE) for name in ("harbour", "orchard")),
    ]


# What is told to Discord


class Tree(app_commands.CommandTree[discord.Client]):
    """One command, which is told to nobody."""

    def __init__(self) -> None:
        super().__init__(discord.Client(intents=discord.Intents.none()))
        self.told = 0

        @self.command(description="Writes a poem")
        async def sonnet(interaction: discord.Interaction) -> None: ...

    async def sync(
        self, *, guild: discord.abc.Snowflake | None = None
    ) -> list[app_commands.AppCommand]:
        self.told += 1
        return []


@pytest.mark.parametrize("number", ["2", "5"])
async def test_commands_that_discord_was_told_are_not_told_again(home: Path) -> None:
    tree = Tree()
    assert await sync_commands(tree, home / "data") == {}
    assert tree.told == 0


def test_every_other_format_is_the_one_that_is_kept_here() -> None:
    """Whoever raises one of these adds a file of the new one, and a test of it above."""
    record = json.loads((UPGRADES / "5/data/books/gutenberg-1041.json").read_bytes())
    commands = json.loads((UPGRADES / "2/data/discord-commands.json").read_bytes())
    assert record["format"] == gutenberg.FORMAT == 1
    assert commands["format"] == commands_sync.FORMAT_VERSION == 1
    assert backup_file.FORMAT == 1
    assert resume_file.FORMAT_VERSION == 1
