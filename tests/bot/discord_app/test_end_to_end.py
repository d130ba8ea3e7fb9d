"""An admin's whole way through the books, with everything real but Discord and the Internet.

The first training is real; the others, of which only the way there is new, end as that one did.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import discord
import pytest
from aiohttp import web
from simcord.actors import MemberActor

from bot.app import make_library, make_trainer, open_app
from bot.config import BooksConfig, Config, DiscordConfig, WritingConfig
from bot.core.application import App
from bot.core.training.process import Trainer, TrainingEvent, TrainingExit, TrainingSpec
from bot.discord_app.client import SonneteerBot
from bot.discord_app.panels import shown_text
from bot.discord_app.poem_formatting import unescape
from bot.sections import DataConfig
from model import load_model, save_model
from tests.apps import serve
from tests.bot.discord_app.conftest import FAST, Simulation
from tests.texts import in_cyrillic, quatrains

BOOK = quatrains(40)
CYRILLIC = in_cyrillic(BOOK)
KINDS = ("safetensors", "png", "txt")
SECONDS = 1.0  # of learning: enough for an epoch or two of so short a book


@pytest.fixture
async def mirror() -> AsyncIterator[str]:
    """Serve books on loopback, as a mirror of Project Gutenberg that the host has named."""

    async def book(request: web.Request) -> web.Response:
        header = (
            "Title: Walks in the Rain\n\n*** START OF THE PROJECT GUTENBERG EBOOK WALKS ***\n\n"
        )
        # In letters that the base model does not know: to begin with nothing is quicker.
        text = header + CYRILLIC if "1041" in request.path else CYRILLIC.swapcase()
        return web.Response(text=text)

    async with serve(book) as address:
        yield address


class TrainingOnce:
    """Trains in earnest once; then it tells the same again and leaves the same files."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._events: list[TrainingEvent] = []
        self._files: dict[str, bytes] = {}  # by their kind
        self.books: list[str] = []

    async def train(
        self, spec: TrainingSpec, tell: Callable[[TrainingEvent], None]
    ) -> TrainingExit:
        self.books.append(spec.book.read_text("utf-8"))
        files = {kind: spec.out / f"{spec.name}.{kind}" for kind in KINDS}
        if not self._files:

            def tell_and_note(event: TrainingEvent) -> None:
                self._events.append(event)
                tell(event)

            ended = await self._trainer.train(spec, tell_and_note)
            self._files = {kind: path.read_bytes() for kind, path in files.items()}
            return ended
        for kind, path in files.items():
            path.write_bytes(self._files[kind])
        _rename(files["safetensors"], spec)
        for event in self._events:
            tell({**event, "chart": str(files["png"])} if "chart" in event else event)
        return TrainingExit(0, "")


def _rename(path: Path, spec: TrainingSpec) -> None:
    """Write a model's name into its file: models that are alike to the byte are one."""
    model = load_model(path)
    card = model.card.model_copy(update={"name": spec.name, "book_title": spec.title})
    save_model(
        *(path, model.network, model.tensors, model.vocabulary, card),
        lexicon=model.lexicon,
        grams=model.grams,
    )


@pytest.fixture
def config(tmp_path: Path, mirror: str) -> Config:
    return Config(
        discord=DiscordConfig(cooldown_seconds=0.0),
        writing=WritingConfig(form="free", lines=4),
        books=BooksConfig(gutenberg=f"{mirror}/{{number}}/pg{{number}}.txt", max_minutes=0.1),
        data=DataConfig(folder="data"),
        home=tmp_path,
    )


@pytest.fixture
def trainer(config: Config) -> TrainingOnce:
    return TrainingOnce(make_trainer(config))


@pytest.fixture
async def app(config: Config, trainer: TrainingOnce) -> AsyncIterator[App]:
    limits = config.books.model_copy(update={"max_minutes": SECONDS / 60})
    config = config.model_copy(update={"books": limits})
    async with open_app(config, make_library(config), trainer) as opened:
        yield opened


@pytest.fixture
def simcord_bot(app: App) -> SonneteerBot:
    return SonneteerBot(app, timing=replace(FAST, notice_seconds=0.0))


@pytest.fixture
def admin(simulation: Simulation) -> MemberActor:
    role = simulation.guild.create_role(
        "editors", permissions=discord.Permissions(manage_guild=True)
    )
    return simulation.guild.add_member(simulation.env.create_user("mona"), roles=[role])


def seen(simulation: Simulation, message_id: int) -> discord.Message:
    """Return a message as it is now."""
    return next(message for message in simulation.channel.history() if message.id == message_id)


def last(simulation: Simulation) -> discord.Message:
    message = simulation.channel.last_message
    assert message is not None
    return message


async def train(
    simulation: Simulation, admin: MemberActor, asked: discord.Message
) -> discord.Message:
    """Say yes, and yes again because the book is short; return the message at the end."""
    await admin.click(asked, label="Train")
    await admin.click(seen(simulation, asked.id), label="Yes, train on it")
    return seen(simulation, asked.id)


async def signature(simulation: Simulation, seed: str = in_cyrillic("the rain")) -> str:
    """Let a member ask for a poem; return what stands under it."""
    await simulation.ann.send(simulation.channel, f"!sonnet {seed}")
    return unescape(last(simulation).content.rpartition("-# ")[2])


async def test_an_admin_adds_books_by_three_ways_watches_switches_undoes_and_removes(
    simulation: Simulation,
    admin: MemberActor,
    mirror: str,
    trainer: TrainingOnce,
    tmp_path: Path,
) -> None:
    channel = simulation.channel

    # A file, with the prefix. Its message tells everything, edited in place.
    await admin.send(channel, "!book add walks", attachments=[("My walks.txt", BOOK.encode())])
    asked = last(simulation)
    assert "**My walks** (an attachment)" in asked.content
    assert "This book is short" in asked.content
    told = await train(simulation, admin, asked)
    assert "Poems in this server now come from walks" in unescape(shown_text(told))
    assert [file.filename for file in told.attachments] == ["loss.png"]
    edits = [str(call.json) for call in simulation.env.http_requests if call.method == "PATCH"]
    assert any(re.search(r"epoch \d+ of \d+", edit) for edit in edits)
    assert (await signature(simulation, "the rain")).startswith("walks · ")

    # An address, with a slash command: of those on loopback, only the mirror's may be asked.
    result = await admin.slash(channel, "book add", source=f"{mirror}/7/pg7.txt", name="sea")
    assert result.response is not None
    told = await train(simulation, admin, result.response.message)
    assert "Poems in this server now come from sea" in unescape(shown_text(told))
    assert (await signature(simulation)).startswith("sea · ")

    # A Project Gutenberg number, with a mention.
    me = simulation.env.bot.user
    assert me is not None
    await admin.send(channel, f"{me.mention} book add 1041")
    asked = last(simulation)
    assert "**Walks in the Rain** (Project Gutenberg 1041)" in unescape(asked.content)
    told = await train(simulation, admin, asked)
    assert "Poems in this server now come from Walks-in-the-Rain" in unescape(shown_text(told))
    assert (await signature(simulation)).startswith("Walks-in-the-Rain · ")

    # What was trained on is what came.
    texts = [text.rpartition("***\n\n")[2] for text in trainer.books]
    assert texts == [BOOK, CYRILLIC.swapcase(), CYRILLIC]

    # Undo, and remove.
    await admin.slash(channel, "book undo")
    assert (await signature(simulation)).startswith("sea · ")
    result = await admin.slash(channel, "book remove", name="sea")
    assert result.response is not None
    assert result.ephemeral
    await admin.click(result.response, label="Delete it")
    assert (await signature(simulation, "the rain")).startswith("walks · ")
    await admin.send(channel, "!book list")
    listed = last(simulation).content
    assert "▸ `walks`" in listed
    assert "`sea`" not in listed

    # Nothing is left but the models.
    data = tmp_path / "data"
    left = {path.name for path in data.rglob("*") if path.is_file()}
    kept = {f"{name}.{kind}" for name in ("walks", "Walks-in-the-Rain") for kind in KINDS}
    cached = {"gutenberg-1041.txt", "gutenberg-1041.json"}
    assert left - {"sonneteer.db", "sonneteer.db-wal", "sonneteer.db-shm", "lock"} == kept | cached
