"""Where compiled code is kept."""

from pathlib import Path

import pytest

from model.kernel.compilation import announcement, cache_folder


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "kernel"
    folder.mkdir()
    (folder / "tiles.py").write_text("ONE = 1\n")
    return folder


def test_the_same_sources_share_a_folder_and_others_get_their_own(
    sources: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = cache_folder(sources, [cache])
    assert first == cache_folder(sources, [cache])
    assert first is not None
    assert first.is_dir()
    (sources / "tiles.py").write_text("ONE = 2\n")
    second = cache_folder(sources, [cache])
    assert second != first
    assert list(cache.iterdir()) == [second]  # nobody will want the old one again


def test_where_one_place_cannot_be_written_the_next_is_taken(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked, free = tmp_path / "file" / "cache", tmp_path / "home"
    chosen = cache_folder(sources, [blocked, free])
    assert chosen is not None
    assert chosen.parent == free


def test_where_nothing_can_be_written_there_is_no_cache(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert cache_folder(sources, [tmp_path / "file" / "cache"]) is None


def test_compiling_is_said_to_be_once_only_where_it_is(tmp_path: Path) -> None:
    places = [tmp_path / "code", tmp_path / "home"]
    assert "once: some twenty seconds" in announcement(tmp_path, places)
    always = announcement(None, places)
    assert "once" not in always
    assert "as at every start" in always
    assert all(str(place) in always for place in places)
