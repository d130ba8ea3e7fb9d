"""Who may do what of all that the application can do, and how it refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.application import App
from bot.core.errors import (
    BotError,
    NotAllowed,
    NothingThere,
    UnknownModel,
)
from bot.core.jobs import JobState
from bot.core.records import Asker
from tests.apps import (
    ADMIN,
    GUILD,
    HOST,
    MEMBER,
    OTHER_GUILD,
    STRANGER,
    FakeTrainer,
    attached,
    trained,
)
from tests.texts import quatrains

LONG = quatrains(200)


async def test_each_deed_is_for_those_who_may(app: App, trainer: FakeTrainer) -> None:
    """As a member, as an admin of another server, and from a direct message."""
    training_requests, guild_models = app.training_requests, app.guild_models
    assert (
        await trained(training_requests, await training_requests.propose(ADMIN, attached(LONG)))
        is JobState.DONE
    )
    trainer.gate = asyncio.Event()
    found = await training_requests.propose(ADMIN, attached(LONG), name="second")
    waiting = await training_requests.propose(ADMIN, attached(LONG), name="third")
    await training_requests.accept(ADMIN, found.job.id)
    direct = replace(ADMIN, guild="", manages=False)
    web_visitor = Asker("web:127.0.0.1", GUILD, manages=True)
    for asker in (MEMBER, direct, web_visitor):
        for deed in (
            training_requests.propose(asker, attached(LONG)),
            training_requests.accept(asker, waiting.job.id),
            training_requests.decline(asker, waiting.job.id),
            training_requests.cancel(asker),
            guild_models.use(asker, "walks"),
            guild_models.undo(asker),
            guild_models.remove(asker, "walks"),
            guild_models.removable(asker, "walks"),
            guild_models.share(asker, "walks"),
            app.guilds.change(asker, "switch", False),
        ):
            with pytest.raises(NotAllowed):
                await deed
        with pytest.raises(NotAllowed):
            app.guilds.settings_for(asker)
    for deed in (
        training_requests.accept(STRANGER, waiting.job.id),
        training_requests.cancel(STRANGER),
        training_requests.cancel(STRANGER, found.job.id),
    ):
        with pytest.raises(NothingThere):
            await deed
    for look in (guild_models.info, guild_models.use, guild_models.remove, guild_models.share):
        with pytest.raises(UnknownModel) as refusal:
            await look(STRANGER, "walks")
        assert refusal.value.known == ("sonnets",)
    assert [model.name for model in (await guild_models.available(STRANGER)).models] == ["sonnets"]
    shelf = await guild_models.available(MEMBER)  # members see what their server has
    assert {model.name for model in shelf.models} == {"sonnets", "walks"}


async def test_a_private_model_is_not_found_by_its_hash_from_elsewhere(app: App) -> None:
    training_requests = app.training_requests
    assert (
        await trained(training_requests, await training_requests.propose(ADMIN, attached(LONG)))
        is JobState.DONE
    )
    model, _ = await app.guild_models.info(ADMIN, "walks")
    for asker in (STRANGER, Asker("web:127.0.0.1", "web")):
        with pytest.raises(UnknownModel):
            await app.guild_models.info(asker, model.sha256)


async def test_a_role_can_be_granted_what_manage_server_may(app: App) -> None:
    editor = replace(MEMBER, roles=frozenset({"555"}))
    with pytest.raises(NotAllowed):
        await app.training_requests.propose(editor, attached(LONG))
    await app.guilds.change(ADMIN, "managers", ["555"])
    await app.training_requests.propose(editor, attached(LONG))
    elsewhere = replace(editor, guild=OTHER_GUILD)
    with pytest.raises(NotAllowed):
        await app.training_requests.propose(elsewhere, attached(LONG), name="other")


async def test_only_owners_add_and_remove_what_all_servers_share(app: App, tmp_path: Path) -> None:
    training_requests, guild_models = app.training_requests, app.guild_models
    with pytest.raises(NotAllowed, match="owners"):
        await training_requests.propose(ADMIN, attached(LONG), shared=True)
    found = await training_requests.propose(HOST, attached(LONG), shared=True)
    assert await trained(training_requests, found, HOST) is JobState.DONE
    assert (tmp_path / "models" / "walks.safetensors").exists()
    assert {model.name for model in (await guild_models.available(STRANGER)).models} == {
        "sonnets",
        "walks",
    }
    with pytest.raises(NotAllowed):
        await guild_models.remove(ADMIN, "walks")
    await guild_models.remove(HOST, "walks")
    assert not (tmp_path / "models" / "walks.safetensors").exists()


async def test_every_refusal_is_a_sentence(app: App) -> None:
    for deed in (
        app.training_requests.propose(MEMBER, attached(LONG)),
        app.guild_models.use(ADMIN, "nowhere"),
        app.guilds.change(ADMIN, "colour", "red"),
    ):
        with pytest.raises(BotError) as refusal:
            await deed
        assert str(refusal.value)[0].isupper() or str(refusal.value).startswith("setting")
        assert str(refusal.value).endswith(".")
