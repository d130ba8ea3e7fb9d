"""Books by number: what is read as one, what is fetched, and what is kept."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.core.errors import SourceFailed, SourceRefused
from bot.core.fetching.addresses import Trust
from bot.core.fetching.client import StatusNotOk
from bot.core.fetching.fetcher import FetchedBook
from bot.core.fetching.gutenberg import Gutenberg, gutenberg_number
from tests.bot.core.fetching.conftest import in_process

POEM = b"From fairest creatures we desire increase,\n" * 60


class Site:
    """A mirror that counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.at_once = 0
        self.most_at_once = 0
        self.body = POEM
        app = web.Application()
        app.router.add_get("/epub/{number}/pg{same}.txt", self._serve)
        self.server = TestServer(app, host="127.0.0.1")

    async def _serve(self, request: web.Request) -> web.Response:
        number = request.match_info["number"]
        self.asked[number] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        if number == "404":
            raise web.HTTPNotFound
        if number == "503":
            raise web.HTTPServiceUnavailable
        return web.Response(body=self.body, content_type="text/plain")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.server.start_server(shutdown_timeout=0.1)
    yield site
    await site.server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "books" / "gutenberg"


def gutenberg_of(site: Site, folder: Path, **options: int) -> Gutenberg:
    base = f"http://127.0.0.1:{site.server.port}"
    template = f"{base}/epub/{{number}}/pg{{number}}.txt"
    fetcher = in_process(Trust(template), max_bytes=100_000)
    return Gutenberg(fetcher, template=template, folder=folder, **options)


@pytest.fixture
def gutenberg(site: Site, folder: Path) -> Gutenberg:
    return gutenberg_of(site, folder)


@pytest.mark.parametrize(
    "typed",
    [
        "1041",
        " 1041 ",
        "#1041",
        "pg1041",
        "PG1041",
        "https://www.gutenberg.org/ebooks/1041",
        "http://www.gutenberg.org/ebooks/1041",
        "https://gutenberg.org/ebooks/1041",
        "HTTPS://WWW.GUTENBERG.ORG/ebooks/1041",
        "https://www.gutenberg.org/ebooks/1041/",
        "https://www.gutenberg.org/ebooks/1041?msg=welcome_stranger",
        "https://www.gutenberg.org/ebooks/1041#bibrec",
        "https://www.gutenberg.org/ebooks/1041.txt.utf-8",
        "https://www.gutenberg.org/files/1041/1041-0.txt",
        "https://www.gutenberg.org/files/1041/1041.txt",
        "https://www.gutenberg.org/cache/epub/1041/pg1041.txt",
    ],
)
def test_a_number_is_read_however_it_is_written(typed: str) -> None:
    assert gutenberg_number(typed) == 1041


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "0",
        "01041",
        "-1041",
        "1,041",
        "1041.5",
        "1000000",
        "١٠٤١",
        "１０４１",
        "sonnets",
        "##1041",
        "#pg1041",
        "1041 or 1042",
        "1041\n1042",
        "pg1041.txt",
        "www.gutenberg.org/ebooks/1041",
        "ftp://www.gutenberg.org/ebooks/1041",
        "https://www.gutenberg.org/ebooks/",
        "https://www.gutenberg.org/ebooks/author/65",
        "https://www.gutenberg.org/ebooks/1041/../1042",
        "https://www.gutenberg.org/files/1041/1042-0.txt",
        "https://www.gutenberg.org/files/1041/1041-h/1041-h.htm",
        "https://www.gutenberg.org/cache/epub/1041/pg1042.txt",
        "https://www.gutenberg.org.evil.example/ebooks/1041",
        "https://www.gutenberg.org@evil.example/ebooks/1041",
        "https://evil.example/www.gutenberg.org/ebooks/1041",
        "https://wwwxgutenberg.org/ebooks/1041",
        "https://www.gutenbergxorg/ebooks/1041",
    ],
)
def test_anything_else_is_no_number(typed: str) -> None:
    assert gutenberg_number(typed) is None


async def test_a_book_is_fetched_into_the_folder(gutenberg: Gutenberg, folder: Path) -> None:
    fetched = await gutenberg.fetch(1041)
    assert fetched.path == folder / "gutenberg-1041.txt"
    assert fetched.path.read_bytes() == POEM
    assert fetched.file_name == "pg1041.txt"


async def test_a_record_stands_beside_the_book(gutenberg: Gutenberg, folder: Path) -> None:
    fetched = await gutenberg.fetch(1041)
    record = json.loads((folder / "gutenberg-1041.json").read_text())
    when = datetime.fromisoformat(record.pop("fetched"))
    assert abs((datetime.now(UTC) - when).total_seconds()) < 60
    assert record == {
        "format": 1,
        "url": fetched.url,
        "sha256": hashlib.sha256(POEM).hexdigest(),
        "size_bytes": len(POEM),
    }


async def test_nothing_but_the_book_and_its_record_is_left(
    gutenberg: Gutenberg, folder: Path
) -> None:
    await gutenberg.fetch(1041)
    assert {path.name for path in folder.iterdir()} == {"gutenberg-1041.txt", "gutenberg-1041.json"}


async def test_a_kept_book_is_not_fetched_again(gutenberg: Gutenberg, site: Site) -> None:
    first = await gutenberg.fetch(1041)
    assert await gutenberg.fetch(1041) == first
    assert site.asked == {"1041": 1}


async def test_a_book_is_kept_over_a_restart(
    gutenberg: Gutenberg, site: Site, folder: Path
) -> None:
    first = await gutenberg.fetch(1041)
    offline = Gutenberg(
        in_process(max_bytes=1, timeout_seconds=1),
        template="http://127.0.0.1/{number}",
        folder=folder,
    )
    assert await offline.fetch(1041) == first
    assert site.asked == {"1041": 1}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text, _: text.write_bytes(POEM + b"!"),
        lambda text, _: text.write_bytes(POEM[:-1]),
        lambda text, _: text.unlink(),
        lambda _, record: record.unlink(),
        lambda _, record: record.write_text("{"),
        lambda _, record: record.write_text("[]"),
        lambda _, record: record.write_text("{}"),
        lambda _, record: record.write_bytes(b"\xff\xfe"),
        lambda _, record: record.write_text(record.read_text().replace("1,", "2,", 1)),
    ],
    ids=[
        *("longer", "cut", "no text", "no record", "half a record", "a list", "nothing", "bytes"),
        "a format to come",
    ],
)
async def test_a_kept_book_that_was_changed_is_fetched_again(
    gutenberg: Gutenberg, site: Site, folder: Path, damage: object
) -> None:
    await gutenberg.fetch(1041)
    assert callable(damage)
    damage(folder / "gutenberg-1041.txt", folder / "gutenberg-1041.json")
    fetched = await gutenberg.fetch(1041)
    assert fetched.path.read_bytes() == POEM
    assert site.asked == {"1041": 2}


async def test_the_books_that_were_asked_for_the_longest_ago_make_room(
    site: Site, folder: Path
) -> None:
    """They were kept for ever, so that members could fill the disk."""
    gutenberg = gutenberg_of(site, folder, max_kept_bytes=2 * len(POEM))
    for number in (1041, 1042, 1041, 1043):
        await gutenberg.fetch(number)
    kept = {path.name for path in folder.iterdir()}
    assert kept == {f"gutenberg-{n}.{kind}" for n in (1041, 1043) for kind in ("txt", "json")}
    assert site.asked == {"1041": 1, "1042": 1, "1043": 1}


async def test_a_number_is_fetched_once_for_all_who_ask(gutenberg: Gutenberg, site: Site) -> None:
    books = await asyncio.gather(*(gutenberg.fetch(1041) for _ in range(5)))
    assert site.asked == {"1041": 1}
    assert len(set(books)) == 1


async def test_different_numbers_do_not_wait_for_each_other(
    gutenberg: Gutenberg, site: Site
) -> None:
    await asyncio.gather(*(gutenberg.fetch(number) for number in (1041, 1042, 1043)))
    assert site.most_at_once > 1


async def test_who_asks_next_goes_on_where_the_first_was_cancelled(
    gutenberg: Gutenberg, site: Site
) -> None:
    first = asyncio.create_task(gutenberg.fetch(1041))
    second = asyncio.create_task(gutenberg.fetch(1041))
    while not site.asked:
        await asyncio.sleep(0.001)
    first.cancel()
    fetched = await second
    assert isinstance(fetched, FetchedBook)
    assert first.cancelled()


@pytest.mark.parametrize("number", [-1, 0, 1_000_000, 10**30])
async def test_a_number_out_of_range_is_refused(
    gutenberg: Gutenberg, site: Site, number: int
) -> None:
    with pytest.raises(SourceRefused, match="from 1 to 999,999"):
        await gutenberg.fetch(number)
    assert not site.asked


async def test_a_number_without_a_text_fails_by_its_number(
    gutenberg: Gutenberg, folder: Path
) -> None:
    with pytest.raises(SourceFailed, match="no plain text with that number") as caught:
        await gutenberg.fetch(404)
    assert caught.value.source == "404"
    assert not list(folder.iterdir())


async def test_a_site_out_of_order_is_no_missing_book(gutenberg: Gutenberg, folder: Path) -> None:
    with pytest.raises(StatusNotOk, match="503"):
        await gutenberg.fetch(503)
    assert not list(folder.iterdir())


async def test_a_number_that_failed_can_be_asked_for_again(
    gutenberg: Gutenberg, site: Site
) -> None:
    for _ in range(2):
        with pytest.raises(SourceFailed):
            await gutenberg.fetch(404)
    assert site.asked == {"404": 2}
