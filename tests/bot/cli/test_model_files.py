"""`models eval` and `models export`, on an installation with a shared and a server's own model."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.cli.model_files import Progress
from bot.core.store.database import Database
from model import load_model
from tests.conftest import write_model
from tests.fakes import Clock

BOOK = "\n".join(f"The rain falls on the harbour, and on {n} boats" for n in range(150))
GUTENBERG = (
    "INSERT INTO models (guild, name, sha256, book, source, added, added_by) "
    "VALUES ('10', 'pears', ?, 'Pears', 'Project Gutenberg 7', '2026', '')"
)


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    write_model(tmp_path / "models" / "apples.safetensors")
    (tmp_path / "models" / "apples.png").write_bytes(b"a picture")
    write_model(tmp_path / "data" / "guilds" / "10" / "pears.safetensors", seed=2)
    config = tmp_path / "config.toml"
    config.write_text('[models]\ndefault = "apples"\n')
    (tmp_path / "book.txt").write_text(BOOK)
    return config


def run(installation: Path, *arguments: str | Path) -> int:
    return main(["--config", str(installation), "models", *map(str, arguments)])


def test_a_model_is_measured_on_a_file(
    installation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(installation, "eval", "apples", tmp_path / "book.txt") == 0
    told = capsys.readouterr().out
    figures = dict(line.split(": ", 1) for line in told.splitlines())
    assert figures["model"] == "apples (The Book of Apples)"
    assert figures["text"].startswith("book.txt, ")
    assert 2.5 < float(figures["nats per character"]) < 4.5
    assert float(figures["bits per character"]) > float(figures["nats per character"])
    assert "of 10 stretches of fourteen lines" in figures["next line chosen"]
    assert figures["left out, as the model does not know them"].startswith("0 1 2")


def test_a_servers_own_model_is_measured_with_its_number(
    installation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(installation, "eval", "pears", tmp_path / "book.txt") == 2
    assert run(installation, "--guild", "10", "eval", "pears", tmp_path / "book.txt") == 0
    assert "model: pears" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file"),
        (b"", "has 0 characters of text; at least 2,000 are needed"),
        (b"short", "has 5 characters of text; at least 2,000 are needed"),
        (b"\x7fELF" + bytes(5000), "is not text"),
        ("Мороз и солнце, день чудесный\n".encode() * 200, "knows 4% of the characters"),
        (b"The rain falls on the harbour\n" * 300_000, "at most 8,000,000 can be measured"),
    ],
)
def test_a_file_that_is_no_text_for_the_model_gets_a_sentence(
    installation: Path,
    tmp_path: Path,
    content: bytes | None,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "other.txt"
    if content is not None:
        file.write_bytes(content)
    assert run(installation, "eval", "apples", file) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.strip().splitlines()) == 1


def test_a_model_is_exported_with_its_card_and_chart(installation: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "apples"
    assert run(installation, "export", "apples", folder, "--licence", "cc0-1.0") == 0
    names = {"README.md", "apples.png", "apples.safetensors"}
    assert {path.name for path in folder.iterdir()} == names
    original = tmp_path / "models" / "apples.safetensors"
    assert (folder / "apples.safetensors").read_bytes() == original.read_bytes()
    assert load_model(folder / "apples.safetensors").card.book_title == "The Book of Apples"
    page = (folder / "README.md").read_text("utf-8")
    assert page.startswith('---\nlicense: "cc0-1.0"\n')
    assert "The licence was given as cc0-1.0." in page


def test_nothing_is_overwritten(
    installation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    assert run(installation, "export", "apples", folder) == 2
    assert "is not empty, and nothing is overwritten" in capsys.readouterr().err
    assert (folder / "README.md").read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("plums", "out"), "no model called 'plums'"),
        (("apples", "config.toml"), "cannot be written"),
        (("apples", "out", "--licence", "all mine"), "licence is 'all mine'"),
    ],
)
def test_what_cannot_be_exported_gets_a_sentence(
    installation: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, folder, *rest = arguments
    assert run(installation, "export", name, tmp_path / folder, *rest) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.strip().splitlines()) == 1


async def test_the_card_says_where_a_servers_book_came_from_while_a_bot_runs(
    installation: Path, tmp_path: Path
) -> None:
    model = load_model(tmp_path / "data" / "guilds" / "10" / "pears.safetensors")
    database = await Database.open(tmp_path / "data")
    try:
        await database.execute("INSERT INTO guilds VALUES ('10')")
        await database.execute(GUTENBERG, model.sha256)
        arguments = ("--guild", "10", "export", "pears", tmp_path / "out")
        assert await asyncio.to_thread(run, installation, *arguments) == 0
    finally:
        await database.close()
    page = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert 'license_name: "public-domain-in-the-usa"' in page


def test_progress_is_told_from_time_to_time() -> None:
    clock, err = Clock(), io.StringIO()
    progress = Progress(err, clock)
    for share in (0.1, 0.2, 0.5, 1.0):
        clock.now += 3
        progress(share)
    assert err.getvalue() == "20% done, about 24 s left\n"
