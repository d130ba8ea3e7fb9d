"""What words mean, in other words."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from model.verse.related import DEFINITIONS, definitions
from model.verse.words import KnownWords, is_content_word
from tests.definitions import KINDS, nearest, read_senses


def test_each_line_of_the_file_has_a_word_and_what_it_means() -> None:
    lines = gzip.decompress(DEFINITIONS.read_bytes()).decode("ascii").splitlines()
    assert len(lines) > 30_000
    assert lines == sorted(lines)
    for line in lines:
        word, *near = line.split(" ")
        assert word.isalpha()
        assert word.islower()
        assert 1 <= len(set(near)) == len(near) <= 6
        assert all(map(is_content_word, near)), line


@pytest.mark.parametrize("word", ["aaa", "grandmother", "qwert", "zygote"])
def test_a_word_is_found_wherever_its_line_is(word: str) -> None:
    lines = gzip.decompress(DEFINITIONS.read_bytes()).decode("ascii").splitlines()
    expected = next((line.split(" ")[1:] for line in lines if line.split(" ")[0] == word), [])
    assert list(definitions().of(word)) == expected


@pytest.mark.parametrize("word", ["", "mother's", "mother father", "любовь", "\n", "🙂"])
def test_what_is_no_word_of_it_has_none(word: str) -> None:
    assert definitions().of(word) == ()


def test_the_file_is_made_of_synonyms_and_definitions(tmp_path: Path) -> None:
    licence = "  1 This software is the publisher's.\n"
    for kind in KINDS:
        for name in (f"data.{kind}", f"index.{kind}"):
            (tmp_path / name).write_text(licence)
    with (tmp_path / "data.noun").open("a") as file:
        file.write(
            '01 03 n 02 cat 0 puss 0 001 @ 09 n 0000 | a beast (a pet) with paws; "my cat"\n'
        )
        file.write("02 03 n 01 Cat 0 000 | a gossip\n")
    with (tmp_path / "data.verb").open("a") as file:
        file.write("03 03 v 01 cat 0 000 | beat with a whip\n")
    (tmp_path / "index.noun").write_text(f"{licence}cat n 2 1 @ 2 1 02 01\nold_cat n 1 0 1 0 01\n")
    (tmp_path / "index.verb").write_text(f"{licence}cat v 1 0 1 0 03\n")
    (tmp_path / "cntlist.rev").write_text("cat%1:05:00:: 2 18\ncat%2:35:00:: 1 3\n")
    senses = read_senses(tmp_path)
    assert senses == {
        "cat": [["cat", "puss", "beast", "paws"], ["cat", "beat", "whip"], ["cat", "gossip"]]
    }
    known = KnownWords(["cat", "beast", "paw", "beat", "whip", "gossip"])
    assert nearest("cat", senses["cat"], known) == ["beast", "paw", "beat", "whip"]
