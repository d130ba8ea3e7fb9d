"""Model files, examined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.core.findings import State
from bot.core.ports import Choice
from bot.doctor.ledger import Kept, Ledger
from bot.doctor.models import (
    Installed,
    examine_choices,
    examine_default,
    examine_files,
    look_at_models,
)
from tests.bot.doctor.conftest import shows

MakeModel = Callable[..., Path]


@pytest.fixture
def look(tmp_path: Path, model_file: MakeModel) -> Callable[[], Installed]:
    """Install a shared model and a guild's own; return a function that looks at them."""
    model_file("apples", folder="models")
    model_file("pears", folder="data/guilds/10", seed=2)
    nothing = tmp_path / "nothing"
    return lambda: look_at_models(
        tmp_path / "models", tmp_path / "data" / "guilds", shipped=nothing, base=nothing
    )


def test_sound_files_are_counted(look: Callable[[], Installed]) -> None:
    installed = look()
    shows(examine_files(installed), State.OK, "2 can be used, 1 of them servers' own")
    shows(examine_default(installed, "apples"), State.OK, "'The Book of Apples'")


def test_the_models_that_ship_are_sound(tmp_path: Path) -> None:
    installed = look_at_models(tmp_path, tmp_path)
    shows(examine_files(installed), State.OK, "1 can be used")
    shows(examine_default(installed, "sonnets"), State.OK, "came with Sonneteer")


def test_a_default_that_is_not_there_is_wrong_and_others_are_named(
    look: Callable[[], Installed],
) -> None:
    shows(examine_default(look(), "pears"), State.WRONG, "one of: apples")
    shows(examine_default(Installed((), (), ()), "pears"), State.WRONG, "Fetch Sonneteer again")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def make_a_folder_of_it(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("harm", [cut, empty, make_a_folder_of_it])
@pytest.mark.parametrize("name", ["models/apples", "data/guilds/10/pears"])
def test_a_damaged_file_is_named(
    tmp_path: Path, look: Callable[[], Installed], harm: Callable[[Path], None], name: str
) -> None:
    file = tmp_path / f"{name}.safetensors"
    harm(file)
    shows(examine_files(look()), State.WRONG, f"{file}: ")


def test_many_damaged_files_are_not_all_named() -> None:
    unusable = tuple((Path(f"{number}"), "It is damaged.") for number in range(30))
    found = examine_files(Installed((), (), unusable))
    assert found.advice[20] == "and 10 more"


def chosen(installed: Installed, name: str) -> Choice:
    records = (*installed.shared, *installed.own)
    return Choice(name, next(record.sha256 for record in records if record.name == name))


def test_choices_that_can_be_had_are_fine(look: Callable[[], Installed]) -> None:
    installed = look()
    mine, anew = chosen(installed, "pears"), Choice("apples", "of an earlier training")
    ledger = Ledger(choices={"10": mine, "11": anew}, kept=(Kept("10", "pears", mine.sha256),))
    shows(examine_choices(installed, ledger), State.OK, "2 servers chose one")
    shows(examine_choices(installed, Ledger()), State.OK, "no servers chose one")


def test_a_choice_that_is_gone_is_named_and_so_is_a_model_without_its_file(
    look: Callable[[], Installed],
) -> None:
    installed = look()
    others = chosen(installed, "pears")
    ledger = Ledger(choices={"11": others}, kept=(Kept("10", "plums", "0" * 64),))
    found = examine_choices(installed, ledger)
    shows(found, State.WARNING, "Server 11 uses pears, which is gone")
    assert "Server 10 had plums; its file is gone" in found.advice[1]
