"""NOTICE is true, and no licence comes in that nobody has looked at."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from tests.licences import (
    ALLOWED,
    COPYLEFT,
    DATA,
    ELSEWHERE,
    GPU,
    INSIDE,
    JUDGED,
    NEEDED_FOR,
    ONLY_FETCHED,
    TEXTS_ELSEWHERE,
    declared,
    needed,
    packages,
    parts_of,
)
from tests.locks import ROOT, read_lock
from tests.notice import NOTICE, lists, notice

OF_DATA = {".otf", ".ttf", ".woff", ".woff2", ".gz", ".dict", ".tsv", ".csv"}
OUR_OWN = {"model/verse/corrections.dict"}


def test_notice_lists_what_is_locked() -> None:
    assert NOTICE.read_text("utf-8").startswith(lists(packages())), "make notice"


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="wheels of other systems include other libraries; NOTICE is made on Linux and x86-64",
)
def test_notice_has_the_texts_that_are_installed() -> None:
    assert notice() == NOTICE.read_text("utf-8"), "make notice"


def test_every_licence_is_one_that_was_looked_at() -> None:
    for package in packages():
        allowed = ALLOWED if package.needed_for != GPU else ALLOWED | ONLY_FETCHED
        assert set(parts_of(package.licence)) <= allowed, package.name
    for data in DATA:
        assert data.licence in ALLOWED, data.name


def test_no_text_of_a_copyleft_licence_is_new() -> None:
    with_one = {p.name for p in packages() if any(map(COPYLEFT.search, p.texts.values()))}
    assert with_one == INSIDE.keys()


def test_nothing_is_judged_by_hand_that_says_it_itself() -> None:
    for name in JUDGED:
        assert declared(distribution(name)) is None, name


def test_what_is_told_by_hand_of_other_systems_is_what_packages_say_where_they_are() -> None:
    purposes = {name: purpose for purpose, name, _ in needed()}
    assert ELSEWHERE.keys() <= purposes.keys()
    for name, (licence, _) in ELSEWHERE.items():
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        assert declared(package) in {licence, None}, name


def test_every_text_that_is_kept_is_of_a_package_that_is_needed() -> None:
    kept = {file.stem for file in TEXTS_ELSEWHERE.glob("*.txt")}
    fetched = {p.name for p in packages() if p.needed_for == GPU}
    assert kept == ELSEWHERE.keys() - fetched


def test_what_others_made_in_these_folders_is_listed() -> None:
    files = {
        file.relative_to(ROOT).as_posix()
        for folder in ("bot", "model", "deploy", "integrations")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in OF_DATA
    }
    assert files == OUR_OWN.union(*(data.files for data in DATA))


def test_the_image_gets_notice() -> None:
    assert "!NOTICE\n" in (ROOT / ".dockerignore").read_text("utf-8")
    assert " NOTICE " in (ROOT / "deploy" / "Dockerfile").read_text("utf-8")


def test_what_the_bot_needs_is_not_said_to_be_for_training() -> None:
    of_bot = {name for purpose, name, _ in needed() if purpose == "bot"}
    assert of_bot == read_lock("requirements-bot.lock").keys()
    assert {purpose for purpose, _, _ in needed()} == NEEDED_FOR.keys()
