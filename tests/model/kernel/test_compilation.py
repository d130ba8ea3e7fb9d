"""Where compiled code is kept."""

import os
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from model.kernel.compilation import announcement, cache_folder, is_ours_alone, one_at_a_time

needs_modes = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of files")


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


def test_one_process_compiles_at_a_time(tmp_path: Path) -> None:
    other = FileLock(tmp_path / "lock", is_singleton=False)
    with one_at_a_time(tmp_path), pytest.raises(TimeoutError):
        other.acquire(timeout=0)
    other.acquire(timeout=0)
    other.release()


def test_who_waits_too_long_for_another_compiles_as_well(tmp_path: Path) -> None:
    done = False
    with FileLock(tmp_path / "lock"), one_at_a_time(tmp_path, seconds=0):
        done = True
    assert done


def test_without_a_cache_nobody_waits(tmp_path: Path) -> None:
    done = False
    with one_at_a_time(None), one_at_a_time(tmp_path / "missing" / "folder"):
        done = True
    assert done


def test_compiling_is_said_to_be_once_only_where_it_is(tmp_path: Path) -> None:
    places = [tmp_path / "code", tmp_path / "home"]
    assert "once: some twenty seconds" in announcement(tmp_path, places)
    always = announcement(None, places)
    assert "once" not in always
    assert "as at every start" in always
    assert all(str(place) in always for place in places)


@needs_modes
@pytest.mark.parametrize("where", ["", "cache"])
def test_where_others_may_write_nothing_is_kept(sources: Path, tmp_path: Path, where: str) -> None:
    cache, home = tmp_path / "cache", tmp_path / "home"
    kept = cache_folder(sources, [cache, home])
    assert kept is not None
    assert kept.parent == cache
    (tmp_path / where).chmod(0o757)  # the folder above, or the one above that
    expected = None if where == "" else home
    found = cache_folder(sources, [cache, home])
    assert (found and found.parent) == expected


@needs_modes
def test_a_folder_that_others_made_is_not_used(sources: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    kept = cache_folder(sources, [tmp_path / "cache"])
    assert kept is not None
    os.chown(kept, 12345, 0)
    assert cache_folder(sources, [tmp_path / "cache"]) is None


@needs_modes
def test_a_folder_in_a_shared_one_where_nobody_can_take_it_away_is_ours(tmp_path: Path) -> None:
    assert is_ours_alone(tmp_path)  # below /tmp, which all may write in
