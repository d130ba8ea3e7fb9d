"""/api/books, and what of a server's own models the web knows: nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.poems import PoemService
from bot.core.records import EpochLoss
from bot.web.status import PUBLIC
from tests.bot.web.conftest import Serve
from tests.fakes import SEA_SONGS, SONNETS, FakeEngine, fake_service

MakeModel = Callable[..., Path]

GUILD = "123456789"


@pytest.fixture
def administration(tmp_path: Path, model_file: MakeModel) -> PoemService:
    """Return a service on real folders: `shared` for everybody, `secret` of one guild."""
    model_file("shared", seed=1)
    model_file("secret", folder=f"guilds/{GUILD}", seed=2)
    library = ModelLibrary(
        [tmp_path / "models"],
        shipped=tmp_path / "shipped",
        default="shared",
        private=tmp_path / "guilds",
    )
    assert [record.name for record in library.models(GUILD)] == ["shared", "secret"]
    return PoemService(library, FakeEngine(), Metrics())


async def test_a_book_is_told_with_the_losses_of_its_training(serve: Serve) -> None:
    learnt = replace(
        SONNETS,
        characters=94_372,
        held_out_loss=1.25,
        losses=(EpochLoss(2.0, 1.75), EpochLoss(1.5, None)),
    )
    client = await serve(fake_service(models=[learnt, SEA_SONGS]))
    async with client.get("/api/books") as response:
        assert response.headers["Cache-Control"] == "no-store"
        first, second = (await response.json())["books"]
    assert first == {
        "name": "sonnets",
        "book": "The Sonnets",
        "characters": 94_372,
        "loss": 1.5,
        "held_out_loss": 1.25,
        "size_bytes": 4_000_000,
        "created": "2026-11-25T00:00:00+00:00",
        "shipped": True,
        "default": True,
        "losses": [{"running": 2.0, "held_out": 1.75}, {"running": 1.5, "held_out": None}],
    }
    assert (second["name"], second["losses"]) == ("sea-songs", [])


async def test_no_book_tells_where_a_file_lies(serve: Serve, administration: PoemService) -> None:
    client = await serve(administration)
    async with client.get("/api/books") as response:
        text = await response.text()
        (book,) = (await response.json())["books"]
    assert set(book) == {*PUBLIC, "losses"}
    assert "safetensors" not in text


@pytest.mark.parametrize("path", ["/api/books", "/api/models"])
async def test_a_guilds_own_model_is_not_listed(
    serve: Serve, administration: PoemService, path: str
) -> None:
    client = await serve(administration)
    async with client.get(path) as response:
        assert response.status == 200
        text = await response.text()
    assert "shared" in text
    assert "secret" not in text.lower()
    assert GUILD not in text


async def test_a_guilds_own_model_does_not_write_here(
    serve: Serve, administration: PoemService
) -> None:
    (own,) = (record for record in administration.models(GUILD) if record.guild)
    client = await serve(administration)
    for wanted in (own.name, own.sha256, f"{GUILD}/secret"):
        async with client.post("/api/poems", json={"model": wanted}) as response:
            assert response.status == 404
            assert (await response.json())["error"].endswith("Choose one of: shared.")
