"""Models that come, go, and are gone back to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from bot.app import make_library
from bot.core.application import App
from bot.core.errors import DatabaseBusyError, NothingThere
from bot.core.guilds import Guilds
from bot.core.jobs import Job, JobState
from bot.core.model_library import GuildModels
from bot.core.ports import DEFAULT_CHOICE
from bot.core.records import PoemRequest
from bot.core.store.any_database import Run
from bot.core.store.books import AddedModel, BookStore, Forgotten
from bot.core.store.database import BUSY_SECONDS, Database
from bot.core.store.guilds import GuildStore
from bot.core.training_requests import TrainingRequests
from tests.apps import (
    ADMIN,
    GUILD,
    HOST,
    FakeTrainer,
    attached,
    make_config,
    open_test_app,
    trained,
)
from tests.conftest import write_model
from tests.texts import quatrains

LONG = quatrains(200)


@pytest.fixture
def guild_models(app: App) -> GuildModels:
    return app.guild_models


async def train(training_requests: TrainingRequests, name: str) -> None:
    found = await training_requests.propose(ADMIN, attached(LONG), name=name)
    assert await trained(training_requests, found) is JobState.DONE


async def test_whoever_is_forgotten_during_a_training_stays_forgotten(
    app: App, trainer: FakeTrainer
) -> None:
    """The model that came out had the number again."""
    trainer.gate = asyncio.Event()
    training_requests = app.training_requests
    found = await training_requests.propose(ADMIN, attached(LONG))
    await training_requests.accept(ADMIN, found.job.id)
    await trainer.began.wait()
    assert (await app.books.forget(ADMIN.member)).trainings == 1
    trainer.go()
    assert [view async for view in training_requests.queue.watch(found.job.id)][
        -1
    ].job.state is JobState.DONE
    _, kept = await app.guild_models.info(ADMIN, "walks")
    assert kept is not None
    assert kept.added_by == ""
    assert await app.books.forget(ADMIN.member) == Forgotten(0, 0, 0, 0)


# Gone files


@pytest.mark.parametrize("other", [False, True], ids=["gone", "another"])
async def test_a_removed_model_is_used_no_more_whatever_happened_to_its_file(
    training_requests: TrainingRequests, guild_models: GuildModels, tmp_path: Path, other: bool
) -> None:
    """It stayed chosen, and each poem told that it could not be had."""
    await train(training_requests, "dunes")
    await train(training_requests, "walks")
    path = tmp_path / "data" / "guilds" / GUILD / "walks.safetensors"
    path.unlink()
    if other:
        write_model(path, seed=99)
    assert (await guild_models.available(ADMIN)).used is None
    assert await guild_models.remove(ADMIN, "Walks") == "walks"
    shelf = await guild_models.available(ADMIN)
    assert shelf.used is not None
    assert (shelf.used.name, shelf.missing) == ("dunes", ())
    assert not path.exists()


async def test_a_guilds_own_model_that_is_gone_is_removed_before_everybodys_of_its_name(
    training_requests: TrainingRequests, guild_models: GuildModels, tmp_path: Path
) -> None:
    await train(training_requests, "walks")
    (tmp_path / "data" / "guilds" / GUILD / "walks.safetensors").unlink()
    write_model(tmp_path / "models" / "walks.safetensors", seed=99)
    assert await guild_models.remove(ADMIN, "walks") == "walks"
    assert (tmp_path / "models" / "walks.safetensors").exists()
    assert (await guild_models.available(ADMIN)).missing == ()


# A database that another program locks meanwhile


class SoonLocked(Database):
    """Is locked by another program as soon as one more transaction has ended, once told so."""

    left: int | None = None  # transactions

    @asynccontextmanager
    async def transaction(
        self, guild: str | None = None, *, tells: bool = False
    ) -> AsyncIterator[Run]:
        if self.left == 0:
            raise DatabaseBusyError(BUSY_SECONDS)
        async with super().transaction(guild, tells=tells) as run:
            yield run
        if self.left is not None:
            self.left -= 1


async def test_a_lock_meanwhile_leaves_nothing_half_removed_or_half_forgotten(
    tmp_path: Path,
) -> None:
    """Members read "Nothing was changed", and something was."""
    path = tmp_path / "data" / "guilds" / GUILD / "dunes.safetensors"
    write_model(path, seed=5)
    database = cast(SoonLocked, await SoonLocked.open(tmp_path / "data"))
    books, guilds = BookStore(database), await Guilds.read(GuildStore(database))
    library = make_library(make_config(tmp_path))
    guild_models = GuildModels(library, guilds, books)
    model = await guild_models.use(ADMIN, "dunes")
    job = Job(0, GUILD, "dunes", "Dunes", "", 1, JobState.DONE, asker=ADMIN.member)
    added = AddedModel(GUILD, "dunes", model.sha256, "Dunes", "", "", ADMIN.member)
    await books.add_model(added, await books.add_job(job))

    database.left = 1
    assert await books.forget(ADMIN.member) == Forgotten(trainings=1, models=1, choices=1, kept=0)
    with pytest.raises(DatabaseBusyError):
        await guild_models.remove(ADMIN, "dunes")
    shelf = await guild_models.available(ADMIN)
    assert (shelf.used, path.exists()) == (model, True)
    assert [each.name for each in await books.added_models(GUILD)] == ["dunes"]

    database.left = 1
    assert await guild_models.remove(ADMIN, "dunes") == "dunes"
    assert (guilds.choice(GUILD), path.exists()) == (DEFAULT_CHOICE, False)
    assert list(await books.added_models(GUILD)) == []
    await database.close()


# The default


async def test_the_default_model_is_not_removed(tmp_path: Path, trainer: FakeTrainer) -> None:
    """The bot could not start again."""
    config = make_config(tmp_path)
    write_model(tmp_path / "models" / "sea.safetensors", seed=5)
    config = config.model_copy(
        update={"models": config.models.model_copy(update={"default": "sea"})}
    )
    async with open_test_app(config, trainer) as app:
        guild_models = app.guild_models
        for deed in (guild_models.removable, guild_models.remove):
            with pytest.raises(NothingThere, match=r"'sea' is the default .* config.toml"):
                await deed(HOST, "sea")
        assert (tmp_path / "models" / "sea.safetensors").exists()


async def test_a_default_model_is_removed_where_the_one_that_ships_takes_its_place(
    guild_models: GuildModels, tmp_path: Path
) -> None:
    assert await guild_models.remove(HOST, "sonnets") == "sonnets"
    assert not (tmp_path / "models" / "sonnets.safetensors").exists()
    model, _ = await guild_models.info(HOST, "sonnets")
    assert (model.shipped, model.default) == (True, True)


# Back


async def test_undo_goes_back_to_a_shared_model_that_was_trained_anew(
    app: App, tmp_path: Path
) -> None:
    """It was passed over, while poems would have come from it."""
    write_model(tmp_path / "models" / "sea.safetensors", seed=5)
    await app.guild_models.use(ADMIN, "sea")
    await train(app.training_requests, "walks")
    write_model(tmp_path / "models" / "sea.safetensors", seed=6)
    gone, serves = await app.guild_models.undo(ADMIN)
    assert (gone, serves.name) == ("walks", "sea")
    request = PoemRequest(ADMIN, "the rain", form="free")
    async with app.service.write(await app.service.admit(request)) as poem_stream:
        poem = await poem_stream.finish()
    assert (poem.model, poem.notes) == ("sea", ())


async def test_undo_passes_over_a_guilds_own_model_that_was_changed(
    training_requests: TrainingRequests, guild_models: GuildModels, tmp_path: Path
) -> None:
    await train(training_requests, "dunes")
    await train(training_requests, "walks")
    write_model(tmp_path / "data" / "guilds" / GUILD / "dunes.safetensors", seed=99)
    assert (await guild_models.undo(ADMIN))[1].name == "sonnets"
