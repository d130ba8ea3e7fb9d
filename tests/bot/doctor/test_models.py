"""Model files, examined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.core.ports import ModelChoice
from bot.core.store.books import AddedModel
from bot.doctor.database import DatabaseContents
from bot.doctor.models import (
    InstalledModels,
    check_chosen_models,
    check_default_model,
    check_model_files,
    load_models,
)
from bot.doctor.results import CheckStatus
from tests.bot.doctor.conftest import shows

MakeModel = Callable[..., Path]


@pytest.fixture
def look(tmp_path: Path, model_file: MakeModel) -> Callable[[], InstalledModels]:
    """Install a shared model and a guild's own; return a function that looks at them."""
    model_file("apples", folder="models")
    model_file("pears", folder="data/guilds/10", seed=2)
    nothing = tmp_path / "nothing"
    return lambda: load_models(
        tmp_path / "models", tmp_path / "data" / "guilds", shipped=nothing, base=nothing
    )


def test_sound_files_are_counted(look: Callable[[], InstalledModels]) -> None:
    installed = look()
    shows(check_model_files(installed), CheckStatus.OK, "2 usable, 1 of them servers' own")
    shows(check_default_model(installed, "apples"), CheckStatus.OK, "'The Book of Apples'")


def test_the_models_that_ship_are_sound(tmp_path: Path) -> None:
    installed = load_models(tmp_path, tmp_path)
    shows(check_model_files(installed), CheckStatus.OK, "1 usable")
    shows(check_default_model(installed, "sonnets"), CheckStatus.OK, "bundled")


def test_a_default_that_is_not_there_is_wrong_and_others_are_named(
    look: Callable[[], InstalledModels],
) -> None:
    shows(check_default_model(look(), "pears"), CheckStatus.WRONG, "one of these: apples")
    shows(
        check_default_model(InstalledModels((), (), ()), "pears"),
        CheckStatus.WRONG,
        "Reinstall Sonneteer",
    )


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
    tmp_path: Path, look: Callable[[], InstalledModels], harm: Callable[[Path], None], name: str
) -> None:
    file = tmp_path / f"{name}.safetensors"
    harm(file)
    shows(check_model_files(look()), CheckStatus.WRONG, f"{file}: ")


def test_many_damaged_files_are_not_all_named() -> None:
    unusable = tuple((Path(f"{number}"), "It is damaged.") for number in range(30))
    found = check_model_files(InstalledModels((), (), unusable))
    assert found.advice[20] == "and 10 more"


def chosen(installed: InstalledModels, name: str) -> ModelChoice:
    records = (*installed.shared, *installed.own)
    return ModelChoice(name, next(record.sha256 for record in records if record.name == name))


def test_choices_that_can_be_had_are_fine(look: Callable[[], InstalledModels]) -> None:
    installed = look()
    mine, anew = chosen(installed, "pears"), ModelChoice("apples", "of an earlier training")
    contents = DatabaseContents(
        choices={"10": mine, "11": anew}, kept=(AddedModel("10", "pears", mine.sha256, *[""] * 4),)
    )
    shows(check_chosen_models(installed, contents), CheckStatus.OK, "2 servers chose one")
    shows(
        check_chosen_models(installed, DatabaseContents()), CheckStatus.OK, "no servers chose one"
    )


def test_a_choice_that_is_gone_is_named_and_so_is_a_model_without_its_file(
    look: Callable[[], InstalledModels],
) -> None:
    installed = look()
    others = chosen(installed, "pears")
    contents = DatabaseContents(
        choices={"11": others}, kept=(AddedModel("10", "plums", "0" * 64, *[""] * 4),)
    )
    found = check_chosen_models(installed, contents)
    shows(found, CheckStatus.WARNING, "Server 11 uses pears, which is missing")
    assert "Server 10 had plums; its file is missing" in found.advice[1]
