"""POST /api/lines and POST /api/scansion."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import ClientSession

from tests.bot.web.conftest import Serve, events_of, until
from tests.fakes import Clock, FakeEngine, fake_service

LINES = {"form": "quatrain", "written": ["the sea", "is free"], "random_seed": 7}
OFFERED = ["the first line", "another one", "and a third"]


async def post(client: ClientSession, path: str, body: object) -> tuple[int, Any]:
    async with client.post(path, json=body) as response:
        return response.status, await response.json()


async def test_candidates_and_the_lines_so_far_come_scanned(serve: Serve) -> None:
    engine = FakeEngine()
    engine.line_notes = ("a note",)
    status, answer = await post(await serve(fake_service(engine)), "/api/lines", LINES)
    assert status == 200
    assert answer["lines"][0] == {
        "text": "the sea",
        "rhyme": "A",
        "syllables": [["the sea", True]],
        "notes": ["a note"],
    }
    assert [line["text"] for line in answer["candidates"]] == OFFERED
    assert (answer["whole"], answer["random_seed"], answer["model"]) == (False, 7, "sonnets")
    assert answer["plan"]["topic"] == ["sea"]
    assert (answer["settings"]["form"], answer["notes"]) == ("quatrain", [])


async def test_a_poem_with_all_its_lines_is_whole(serve: Serve) -> None:
    body = {**LINES, "written": ["a", "b", "c", "d"]}
    _, answer = await post(await serve(), "/api/lines", body)
    assert (answer["whole"], answer["candidates"]) == (True, [])


async def test_the_rest_of_a_poem_is_written_and_its_link_has_the_lines(serve: Serve) -> None:
    client = await serve()
    accept = {"Accept": "text/event-stream"}
    async with client.post("/api/poems", json=LINES, headers=accept) as response:
        events = await events_of(response)
    assert parse_qs(events[0][1]["link"][1:])["written"] == ["the sea", "is free"]
    assert events[-1][1]["lines"][:2] == ["the sea", "is free"]


async def test_a_line_is_scanned_while_poems_wait(serve: Serve) -> None:
    engine = FakeEngine()
    engine.full = True
    client = await serve(fake_service(engine))
    status, line = await post(client, "/api/scansion", LINES)
    assert (status, line["text"]) == (200, "is free")
    status, refusal = await post(client, "/api/lines", LINES)
    assert (status, refusal["error"].split(".")[0]) == (503, "The queue is full (64 poems waiting)")
    assert engine.drafts == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"written": "the sea"}, "written is 'the sea'; it must be a list of texts of 1 to 200"),
        ({"written": ["a"] * 15}, "at most as many as the form has lines"),
        ({"written": ["a"] * 5}, "written is '5 lines'; it must be at most 4 for a quatrain."),
        ({"written": ["a", ""]}, "line 2 is ''; it must be text of 1 to 200 characters."),
        ({"form": "free"}, "it must be sonnet, quatrain, couplet or haiku to write line by line."),
        ({"avoid": ["free"]}, "Line 2 has the word 'free', which is not allowed here."),
        ({"more": 1}, "Unknown setting 'more'."),
    ],
)
@pytest.mark.parametrize("path", ["/api/lines", "/api/scansion"])
async def test_what_is_wrong_is_told(
    serve: Serve, path: str, change: dict[str, Any], sentence: str
) -> None:
    status, refusal = await post(await serve(), path, {**LINES, **change})
    assert status == 400
    assert sentence in refusal["error"]


@pytest.mark.parametrize("path", ["/api/lines", "/api/scansion"])
async def test_another_sites_page_gets_none(serve: Serve, path: str) -> None:
    headers = {"Origin": "https://elsewhere.example"}
    async with (await serve()).post(path, json=LINES, headers=headers) as response:
        assert response.status == 403


async def test_lines_count_as_poems_and_ten_times_as_many_are_scanned(serve: Serve) -> None:
    client = await serve(poems_per_minute=1, clock=Clock())
    assert (await post(client, "/api/lines", LINES))[0] == 200
    assert (await post(client, "/api/lines", LINES))[0] == 429
    statuses = [(await post(client, "/api/scansion", LINES))[0] for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    _, refusal = await post(client, "/api/scansion", LINES)
    assert refusal["error"].startswith("The limit is 10 lines per minute for one address.")


async def test_a_client_that_goes_away_frees_its_row(serve: Serve) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    client = await serve(fake_service(engine))
    asking = asyncio.create_task(post(client, "/api/lines", LINES))
    await until(lambda: engine.drafts)
    asking.cancel()
    await until(lambda: engine.drafts[0].cancelled)


async def test_the_answer_is_kept_nowhere(serve: Serve) -> None:
    for path in ("/api/lines", "/api/scansion"):
        async with (await serve()).post(path, data=json.dumps(LINES)) as refused:
            assert refused.status == 415
        async with (await serve()).post(path, json=LINES) as response:
            assert response.headers["Cache-Control"] == "no-store"
