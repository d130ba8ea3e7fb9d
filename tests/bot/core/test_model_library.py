"""The library: what is installed, by name, by hash, and which file serves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from bot.core.errors import ModelUnusable, UnknownModel
from bot.core.model_library import ModelLibrary
from model import MAX_GUILD_MODEL_BYTES, Model, NetworkConfig, load_model
from tests.conftest import write_header

MakeModel = Callable[..., Path]


def library(tmp_path: Path, default: str = "sonnets") -> ModelLibrary:
    return ModelLibrary([tmp_path / "models"], shipped=tmp_path / "shipped", default=default)


def test_models_of_every_folder_are_listed_the_default_first(
    tmp_path: Path, model_file: MakeModel
) -> None:
    model_file("apples")
    model_file("sonnets", folder="shipped")
    records = library(tmp_path).models()
    assert [(r.name, r.default, r.shipped) for r in records] == [
        ("sonnets", True, True),
        ("apples", False, False),
    ]
    assert records[1].book == "The Book of Apples"
    assert records[1].loss == 2.5


def test_an_admins_model_takes_the_place_of_the_shipped_one_of_its_name(
    tmp_path: Path, model_file: MakeModel
) -> None:
    model_file("sonnets", folder="shipped", seed=1)
    for_guild = model_file("sonnets", folder="models", seed=2)
    (record,) = library(tmp_path).models()
    assert record.path == for_guild
    assert not record.shipped


def test_a_model_is_found_by_name_in_any_case_and_by_the_beginning_of_its_hash(
    tmp_path: Path, model_file: MakeModel
) -> None:
    sha256 = hashlib.sha256(model_file("apples").read_bytes()).hexdigest()
    assert library(tmp_path).find("APPLES").name == "apples"
    assert library(tmp_path).find(sha256[:12]).sha256 == sha256


def test_a_hash_of_fewer_than_eight_digits_finds_nothing(
    tmp_path: Path, model_file: MakeModel
) -> None:
    sha256 = hashlib.sha256(model_file("apples").read_bytes()).hexdigest()
    with pytest.raises(UnknownModel):
        library(tmp_path).find(sha256[:7])


def test_an_unknown_name_is_answered_with_the_known_ones(
    tmp_path: Path, model_file: MakeModel
) -> None:
    model_file("apples")
    with pytest.raises(UnknownModel, match=r"'pears'.*apples"):
        library(tmp_path).find("pears")


def test_no_model_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="No model is installed"):
        library(tmp_path).find(None)


def test_another_model_serves_where_the_configured_default_is_missing(
    tmp_path: Path, model_file: MakeModel
) -> None:
    model_file("apples")
    assert library(tmp_path, default="gone").find(None).name == "apples"


def test_a_path_is_never_taken_for_a_name(tmp_path: Path, model_file: MakeModel) -> None:
    path = model_file("secret", folder="elsewhere")
    with pytest.raises(UnknownModel):
        library(tmp_path).find(str(path))


def test_a_damaged_file_is_left_out_and_warned_of_once(
    tmp_path: Path, model_file: MakeModel, caplog: pytest.LogCaptureFixture
) -> None:
    model_file("apples")
    (tmp_path / "models" / "torn.safetensors").write_bytes(b"not a model")
    looked_at_twice = library(tmp_path)
    for _ in range(2):
        assert [r.name for r in looked_at_twice.models()] == ["apples"]
    assert caplog.text.count("torn.safetensors") == 1


def test_a_new_file_of_an_old_name_is_noticed(tmp_path: Path, model_file: MakeModel) -> None:
    shelf = library(tmp_path)
    path = model_file("apples", seed=1)
    before = shelf.find("apples").sha256
    model_file("apples", seed=2)
    os.utime(path, ns=(1, 1))
    assert shelf.find("apples").sha256 != before


def test_a_file_named_at_the_shell_is_taken_in(tmp_path: Path, model_file: MakeModel) -> None:
    shelf = library(tmp_path)
    record = shelf.add_file(model_file("guest", folder="elsewhere"))
    assert shelf.find(record.sha256).name == "guest"


def test_a_file_at_the_shell_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("a poem")
    with pytest.raises(ModelUnusable, match=r"poem\.txt"):
        library(tmp_path).add_file(tmp_path / "poem.txt")
    with pytest.raises(ModelUnusable, match="cannot be read"):
        library(tmp_path).add_file(tmp_path / "missing.safetensors")


def test_a_hash_finds_the_shipped_model_behind_an_admins_own_of_its_name(
    tmp_path: Path, model_file: MakeModel
) -> None:
    """A poem's link must hold after somebody trained the same book again."""
    shipped = model_file("sonnets", folder="shipped", seed=1)
    model_file("sonnets", folder="models", seed=2)
    sha256 = hashlib.sha256(shipped.read_bytes()).hexdigest()
    assert library(tmp_path).find(sha256[:12]).path == shipped


def test_a_model_whose_file_was_spoilt_goes_on_being_known(
    tmp_path: Path, model_file: MakeModel
) -> None:
    shelf = library(tmp_path)
    path = model_file("apples")
    before = shelf.find("apples")
    path.write_bytes(path.read_bytes()[:100])
    assert shelf.find("apples") == before


def test_a_new_file_with_spoilt_weights_does_not_take_the_old_models_place(
    tmp_path: Path, model_file: MakeModel
) -> None:
    shelf = library(tmp_path)
    path = model_file("apples")
    before = shelf.find("apples")
    raw = bytearray(path.read_bytes())
    raw[-4:] = b"\xff\xff\xff\xff"  # the last weight is no number any more
    path.write_bytes(raw)
    os.utime(path, ns=(1, 1))  # noticed, however coarse the clock of the disk
    assert shelf.find("apples") == before


def test_a_refusal_does_not_tell_where_the_file_lies(tmp_path: Path) -> None:
    (tmp_path / "torn.safetensors").write_bytes(b"not a model")
    with pytest.raises(ModelUnusable) as caught:
        library(tmp_path).add_file(tmp_path / "torn.safetensors")
    assert str(tmp_path) not in str(caught.value)


def test_many_who_look_at_a_new_file_at_once_read_it_once(
    tmp_path: Path, model_file: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a swap under load, every request that waited once held a copy of its own."""
    reads: list[Path] = []

    def counted(path: Path, *, for_guild: bool) -> Model:
        reads.append(path)
        return load_model(path, for_guild=for_guild)

    monkeypatch.setattr("bot.core.model_library.load_model", counted)
    model_file("new")
    shelf = library(tmp_path)
    together = Barrier(8)

    def look(_: int) -> str:
        together.wait()
        return shelf.find("new").name

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(look, range(8))) == ["new"] * 8
    assert len(reads) == 1


# Models of guilds


def shared_and_private(tmp_path: Path, default: str = "sonnets") -> ModelLibrary:
    return ModelLibrary(
        [tmp_path / "models"],
        shipped=tmp_path / "shipped",
        default=default,
        private=tmp_path / "guilds",
    )


def test_a_guilds_own_model_is_listed_for_that_guild_alone(
    tmp_path: Path, model_file: MakeModel
) -> None:
    model_file("sonnets", folder="shipped")
    model_file("dunes", folder="guilds/10")
    shelf = shared_and_private(tmp_path)
    assert [(r.name, r.guild) for r in shelf.models("10")] == [("sonnets", ""), ("dunes", "10")]
    for stranger in ("", "11", "1", "web"):
        assert [r.name for r in shelf.models(stranger)] == ["sonnets"]


def test_a_guilds_own_model_is_found_by_name_by_that_guild_alone(
    tmp_path: Path, model_file: MakeModel
) -> None:
    model_file("sonnets", folder="shipped")
    path = model_file("dunes", folder="guilds/10")
    shelf = shared_and_private(tmp_path)
    assert shelf.find("DUNES", "10").path == path
    for stranger in ("", "11", "web"):
        with pytest.raises(UnknownModel):
            shelf.find("dunes", stranger)


def test_a_guilds_own_model_is_found_by_hash_by_that_guild_alone(
    tmp_path: Path, model_file: MakeModel
) -> None:
    path = model_file("dunes", folder="guilds/10")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    shelf = shared_and_private(tmp_path)
    assert shelf.find(sha256, "10").path == path
    for stranger in ("", "11", "web"):
        for wanted in (sha256, sha256[:8]):
            with pytest.raises(UnknownModel):
                shelf.find(wanted, stranger)


def test_a_refusal_names_a_guilds_own_models_to_that_guild_alone(
    tmp_path: Path, model_file: MakeModel
) -> None:
    model_file("sonnets", folder="shipped")
    model_file("dunes", folder="guilds/10")
    shelf = shared_and_private(tmp_path)
    for guild, known in (("10", ("sonnets", "dunes")), ("11", ("sonnets",)), ("", ("sonnets",))):
        with pytest.raises(UnknownModel) as caught:
            shelf.find("haiku", guild)
        assert caught.value.known == known


@pytest.mark.parametrize(
    "guild", ["../x", "..", ".", "web", "", "10/../11", "/etc", "10\x00", "-1"]
)
def test_a_guild_that_is_no_number_has_no_folder(
    tmp_path: Path, model_file: MakeModel, guild: str
) -> None:
    model_file("secret", folder="x")
    model_file("secret", folder="guilds")
    model_file("secret", folder="guilds/web")
    model_file("secret", folder="guilds/11")
    shelf = shared_and_private(tmp_path)
    assert shelf.guild_folder(guild) is None
    assert shelf.models(guild) == ()


def test_a_library_without_a_place_for_them_has_no_models_of_guilds(tmp_path: Path) -> None:
    assert library(tmp_path).guild_folder("10") is None
    assert shared_and_private(tmp_path).guild_folder("10") == tmp_path / "guilds" / "10"


def test_a_guilds_own_model_is_never_the_default(tmp_path: Path, model_file: MakeModel) -> None:
    model_file("aaa", folder="guilds/10")
    model_file("dunes", folder="guilds/10")
    shelf = shared_and_private(tmp_path, default="dunes")
    assert [r.default for r in shelf.models("10")] == [False, False]
    with pytest.raises(UnknownModel):
        shelf.find(None, "10")
    model_file("sonnets", folder="shipped")
    assert shelf.find(None, "10").name == "sonnets"


def test_a_guilds_own_model_comes_before_a_shared_one_of_its_name(
    tmp_path: Path, model_file: MakeModel
) -> None:
    model_file("sonnets", folder="shipped")
    shared = model_file("apples", seed=1)
    for_guild = model_file("apples", folder="guilds/10", seed=2)
    shelf = shared_and_private(tmp_path)
    assert (shelf.find("apples", "10").path, shelf.find("apples").path) == (for_guild, shared)
    assert [r.name for r in shelf.models("10")] == ["sonnets", "apples"]


def test_a_hash_finds_the_shared_model_behind_a_guilds_own_of_its_name(
    tmp_path: Path, model_file: MakeModel
) -> None:
    shared = model_file("apples", seed=1)
    model_file("apples", folder="guilds/10", seed=2)
    sha256 = hashlib.sha256(shared.read_bytes()).hexdigest()
    assert shared_and_private(tmp_path).find(sha256[:12], "10").path == shared


def test_a_private_model_of_the_defaults_name_does_not_take_the_default_away(
    tmp_path: Path, model_file: MakeModel
) -> None:
    """A host may name another default, or add a shared model, after a guild has its own."""
    shared = model_file("sonnets", folder="models", seed=1)
    for_guild = model_file("sonnets", folder="guilds/10", seed=2)
    books = ModelLibrary(
        [tmp_path / "models"],
        shipped=tmp_path / "shipped",
        default="sonnets",
        private=tmp_path / "guilds",
    )
    assert books.find(None, "10").path == shared
    assert books.find("sonnets", "10").path == for_guild
    assert [record.path for record in books.models("10")] == [shared, for_guild]


def test_a_guilds_own_model_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "guilds" / "10" / "dunes.safetensors"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(MAX_GUILD_MODEL_BYTES + 1)  # a hole: it takes no room
    with pytest.raises(ModelUnusable, match=r"has 33,554,433 bytes.*may have 33,554,432"):
        shared_and_private(tmp_path).add_file(path)


def test_a_guilds_own_model_that_would_take_far_more_memory_than_its_file_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "guilds" / "10" / "dunes.safetensors"
    write_header(path, NetworkConfig(vocabulary_size=20_000, hidden_size=256))
    sentence = r"dunes\.safetensors needs 40,960,000 bytes for its 20,000 tokens"
    with pytest.raises(ModelUnusable, match=sentence) as caught:
        shared_and_private(tmp_path).add_file(path)
    assert str(tmp_path) not in str(caught.value)
