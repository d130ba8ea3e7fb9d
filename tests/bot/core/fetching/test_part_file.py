"""A file while it arrives: when it is there, and when it is gone."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from bot.core.errors import SourceFailed
from bot.core.fetching.part_file import PartFile


async def test_a_file_is_there_once_it_is_kept(tmp_path: Path) -> None:
    with PartFile(tmp_path / "book.txt", "typed") as part:
        await part.write(b"Shall I ")
        await part.write(b"compare thee")
        await part.finish()
        assert not (tmp_path / "book.txt").exists()
        part.keep()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"Shall I compare thee"]


async def test_a_file_that_is_not_kept_is_gone(tmp_path: Path) -> None:
    with PartFile(tmp_path / "book.txt", "typed") as part:
        await part.write(b"Shall I")
        await part.finish()
    assert not list(tmp_path.iterdir())


async def test_two_files_for_one_place_do_not_meet(tmp_path: Path) -> None:
    into = tmp_path / "book.txt"
    with PartFile(into, "typed") as first, PartFile(into, "typed") as second:
        await first.write(b"first")
        await second.write(b"second")
        await first.finish()
        await second.finish()
        first.keep()
        second.keep()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"second"]


async def test_only_the_owner_may_read_a_part(tmp_path: Path) -> None:
    with PartFile(tmp_path / "book.txt", "typed"):
        (path,) = tmp_path.iterdir()
        assert path.stat().st_mode & 0o077 == 0


async def test_a_step_on_the_disk_is_over_before_a_cancelled_write_is(tmp_path: Path) -> None:
    gate = threading.Event()
    with PartFile(tmp_path / "book.txt", "typed") as part:
        writing = asyncio.create_task(part._in_thread(gate.wait))
        for _ in range(3):
            await asyncio.sleep(0.001)
            writing.cancel()
        assert not writing.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await writing


async def test_a_disk_that_fails_is_told_without_its_paths(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "book.txt").mkdir()
    with PartFile(tmp_path / "book.txt", "typed") as part:
        await part.finish()
        with pytest.raises(SourceFailed, match="could not be stored") as caught:
            part.keep()
    assert str(tmp_path) not in str(caught.value)
    assert str(tmp_path) in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["book.txt"]
