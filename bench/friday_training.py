"""A book that an admin adds in the middle of a long evening, and the place it is fetched from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from bench.beside import make_book
from bench.friday_ledger import Wants
from bench.friday_members import ADMIN, OFFICE_GUILD, Evening
from bench.friday_watch import scrape, total_of

KILOBYTES = 40
MAX_MINUTES = 0.5
PAUSE_SECONDS = 5.0
TRAINED_SECONDS = 400.0
ENDED = "sonneteer_training_jobs_total"


@asynccontextmanager
async def bookshop() -> AsyncIterator[str]:
    """Serve books by number on loopback; yield what [books] gutenberg is to be."""

    async def book(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        return web.Response(body=make_book(KILOBYTES, number), content_type="text/plain")

    app = web.Application()
    app.router.add_get(r"/{number:\d+}.txt", book)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/{{number}}.txt"
    finally:
        await runner.cleanup()


async def train(evening: Evening, at_seconds: float, number: int) -> None:
    """Add a book, say yes, and wait until its training has ended."""
    await asyncio.sleep(max(0.0, at_seconds - evening.now()))
    before = total_of(await scrape(evening.session, evening.address), ENDED)
    for attempt in range(5):  # a fault may have cost the question or the button
        if await _begin(evening, number + 100 * attempt):
            break
    else:
        raise RuntimeError("no training could be begun")
    with suppress(TimeoutError):
        async with asyncio.timeout(TRAINED_SECONDS):
            ended = before
            while ended == before:
                await asyncio.sleep(PAUSE_SECONDS)
                ended = total_of(await scrape(evening.session, evening.address), ENDED)


async def _begin(evening: Evening, number: int) -> bool:
    """Ask for a training and press the button; return whether both arrived."""
    town = evening.town
    entry = evening.note("book add", Wants.WORDS, guild=OFFICE_GUILD, member=ADMIN)
    options = {"source": str(number), "name": f"evening-{number}"}
    entry.command = await town.command("book add", options, ADMIN, OFFICE_GUILD, admin=True)
    await evening.follow(entry)
    answers = town.answers_to(entry.command)
    if not answers or not town.has_button(answers[0], "Train"):
        return False
    await town.push(answers[0], "Train", ADMIN, OFFICE_GUILD, admin=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(PAUSE_SECONDS * 4):
            await town.until(lambda: not town.has_button(answers[0], "Train"))
            return True
    return False
