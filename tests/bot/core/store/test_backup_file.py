"""Backups from strangers: whatever is not altogether sound is refused, and changes nothing."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bot.core.store.backup_file import INDEX_NAME, write_file
from bot.core.store.database import FILE_NAME
from tests.bot.core.store.forgery import Forged, Refused, change_database, member_of
from tests.bot.core.store.installation import Installation


def test_what_a_test_forges_would_be_taken(
    forged: Forged, there: Installation, tmp_path: Path
) -> None:
    there.restore(forged.write(tmp_path / "forged.tar"))
    assert there.lines() == 8


HOSTILE_NAMES = [
    "../evil.png",
    "guilds/10/../../evil.png",
    "models/../evil.png",
    "/tmp/evil.png",  # noqa: S108
    "models//evil.png",
    "models/./evil.png",
    "models/.evil.png",
    "models/..png/../../evil.png",
    "models\\evil.png",
    "models/C:evil.png",
    "models/sub/evil.png",
    "models/evil.py",
    "models/evil.safetensors/",
    "guilds/evil.png",
    "guilds/x/evil.png",
    "guilds/10/evil.exe",
    "guilds/١٢/evil.png",
    "guilds/0/evil.png",
    "guilds/010/evil.png",
    "guilds/99999999999999999999/evil.png",
    "models/CON.png",
    "models/nul.evil.png",
    "guilds/10/com1.safetensors",
    "config.toml",
    "sonneteer.db-wal",
    "lock",
    "jobs/1/book.txt",
    "",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_no_backup_has_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, name: str
) -> None:
    forged.files[name] = b"evil"
    forged.seal()
    refused(forged.write(tmp_path / "forged.tar"), "lists files that no backup has")
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("name", ["../evil.png", "models/evil.png", "/evil.png", "backup.json"])
def test_a_file_that_is_not_listed_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, name: str
) -> None:
    forged.members.insert(2, member_of(name, b"evil"))
    refused(forged.write(tmp_path / "forged.tar"), "that it does not list")


def test_a_file_that_comes_twice_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path
) -> None:
    forged.members.append(forged.members[-1])
    refused(forged.write(tmp_path / "forged.tar"), "that it does not list")


@pytest.mark.parametrize(
    "kind",
    [
        *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE),
        *(tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE, tarfile.XHDTYPE, b"K", b"L"),
    ],
)
def test_what_is_no_plain_file_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, kind: bytes
) -> None:
    forged.members[1] = member_of("models/apples.png", b"", kind)
    refused(forged.write(tmp_path / "forged.tar"), "is not a plain file")


def test_a_header_of_a_huge_file_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path
) -> None:
    header, _ = forged.members[1]
    file = forged.write(tmp_path / "forged.tar")
    raw = file.read_bytes()
    small = header.tobuf(tarfile.USTAR_FORMAT)
    header.size = 8**11 - 1  # 8 GiB
    assert raw.count(small) == 1
    file.write_bytes(raw.replace(small, header.tobuf(tarfile.USTAR_FORMAT)))
    refused(file, "does not have the size that it lists")


def test_an_index_of_huge_files_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path
) -> None:
    forged.index["sizes"]["models/apples.png"] = 2**50
    refused(forged.write(tmp_path / "forged.tar"), "smaller than what it lists")


def test_an_index_that_is_huge_itself_is_refused(refused: Refused, tmp_path: Path) -> None:
    header, _ = member_of(INDEX_NAME)
    header.size = 8**11 - 1
    file = tmp_path / "forged.tar"
    file.write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(10_000))
    refused(file, "not a Sonneteer backup")


@pytest.mark.parametrize(
    "name", ["sonneteer.db", "guilds/10/dunes.safetensors", "models/apples.png"]
)
def test_a_file_with_one_wrong_bit_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, name: str
) -> None:
    spoilt = bytearray(forged.files[name])
    spoilt[-1] ^= 1
    place = list(forged.files).index(name)
    forged.members[place] = member_of(name, bytes(spoilt))
    refused(forged.write(tmp_path / "forged.tar"), f"its '{name}' is damaged")


def test_a_file_that_is_missing_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path
) -> None:
    del forged.members[1]
    refused(forged.write(tmp_path / "forged.tar"), "is missing")


def test_a_backup_cut_off_anywhere_is_refused(here: Installation, refused: Refused) -> None:
    here.back_up()
    raw = here.file.read_bytes()
    end = len(raw.rstrip(b"\0"))
    for size in (*range(0, end, 1531), end - 1, end):
        here.file.write_bytes(raw[:size])
        refused(here.file, "cannot be restored: it ")


def test_a_backup_without_a_database_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path
) -> None:
    del forged.files[FILE_NAME]
    forged.seal()
    refused(forged.write(tmp_path / "forged.tar"), "lists files that no backup has")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "1"},
        {"format": None},
        {"created": "\x1b[2Jyesterday"},
        {"created": 5},
        {"files": []},
        {"files": {"sonneteer.db": 5}},
        {"sizes": {}},
        {"sizes": "many"},
    ],
)
def test_an_index_that_cannot_be_read_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, change: dict[str, Any]
) -> None:
    forged.index |= change
    refused(forged.write(tmp_path / "forged.tar"), r"its backup\.json cannot be read")


@pytest.mark.parametrize("size", [-1, 1.0, True, None, "5"])
def test_a_size_that_is_none_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, size: object
) -> None:
    forged.index["sizes"]["models/apples.png"] = size
    refused(forged.write(tmp_path / "forged.tar"), r"its backup\.json ")


@pytest.mark.parametrize("content", [b"[" * 200_000, b"{", b"null", b"\xff", b"1e999"])
def test_an_index_that_is_no_json_of_ours_is_refused(
    refused: Refused, tmp_path: Path, content: bytes
) -> None:
    with tarfile.open(tmp_path / "forged.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(member_of(INDEX_NAME, content)[0], io.BytesIO(content))
    refused(tmp_path / "forged.tar", r"its backup\.json cannot be read")


def test_a_backup_of_a_newer_format_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path
) -> None:
    forged.index["format"] = 2
    refused(forged.write(tmp_path / "forged.tar"), "format 2; this Sonneteer knows 1. Update")


def test_a_newer_database_is_refused(forged: Forged, refused: Refused, tmp_path: Path) -> None:
    file = change_database(forged, tmp_path, "PRAGMA user_version = 999")
    refused(file, "its database has version 999; this Sonneteer knows")


@pytest.mark.parametrize("script", ["PRAGMA user_version = 0", "DROP TABLE choices"])
def test_a_database_of_something_else_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path, script: str
) -> None:
    refused(change_database(forged, tmp_path, script), "its database is not one of Sonneteer's")


def test_a_database_whose_index_says_something_else_is_refused(
    forged: Forged, refused: Refused, tmp_path: Path
) -> None:
    change_database(
        forged,
        tmp_path,
        "INSERT INTO jobs (guild, name, title, source, characters, state, created) "
        "VALUES ('10', 'dunes', '', '', 1, 'done', 'a time of its own')",
    )
    raw = forged.files[FILE_NAME]
    assert raw.count(b"a time of its own") == 2  # in the table and in its index
    forged.files[FILE_NAME] = raw.replace(b"a time of its own", b"a time of theirs!", 1)
    forged.seal()
    refused(forged.write(tmp_path / "forged.tar"), "its database is damaged: ")


def test_a_damaged_database_is_refused_though_its_hash_is_right(
    forged: Forged, refused: Refused, tmp_path: Path
) -> None:
    raw = bytearray(forged.files[FILE_NAME])
    raw[4096:8192] = b"\xff" * 4096  # its second page
    forged.files[FILE_NAME] = bytes(raw)
    forged.seal()
    refused(forged.write(tmp_path / "forged.tar"), "its database is damaged")


def test_a_zip_is_refused(refused: Refused, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "backup.zip", "w") as file:
        file.writestr(INDEX_NAME, "{}" * 1000)
    refused(tmp_path / "backup.zip", "not a Sonneteer backup")


def test_a_tar_of_something_else_is_refused(refused: Refused, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "poems.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(member_of("poem.txt", b"a poem")[0], io.BytesIO(b"a poem"))
    refused(tmp_path / "poems.tar", "not a Sonneteer backup")


def test_a_file_that_there_is_not_is_refused(refused: Refused, tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.tar", "there is no such file")
    refused(tmp_path, "there is no such file")


def test_of_a_file_its_content_comes_and_not_its_mode_or_owner(
    forged: Forged, there: Installation, tmp_path: Path
) -> None:
    for header, _ in forged.members:
        header.mode, header.uid, header.gid, header.uname = 0o6777, 0, 0, "root"
    there.restore(forged.write(tmp_path / "forged.tar"))
    for path in (there.data / FILE_NAME, *(there.data / "guilds").rglob("*.*")):
        assert sys.platform == "win32" or path.stat().st_mode & 0o7077 == 0


def test_a_name_that_the_disk_takes_for_another_is_not_written_over(tmp_path: Path) -> None:
    """As Dunes and dunes are one on Windows; here the second is called like the first."""
    write_file(tmp_path / "dunes.png", [b"the dunes"])
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "dunes.png", [b"other dunes"])
    assert (tmp_path / "dunes.png").read_bytes() == b"the dunes"
