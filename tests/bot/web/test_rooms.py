"""/api/rooms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession

from bot.core.languages import sentence
from bot.core.room import RoomLimits
from bot.web.events import StreamTiming
from tests.bot.web.conftest import Connect, Serve, serving
from tests.fakes import Clock, FakeEngine, fake_service
from tests.timeouts import HANG_SECONDS

QUICK = {"room_limits": RoomLimits(line_seconds=0.0), "stream_timing": StreamTiming(room_seconds=0)}


async def post(client: ClientSession, path: str, body: object) -> tuple[int, Any]:
    async with client.post(path, json=body) as response:
        return response.status, await response.json()


async def open_room(client: ClientSession, **settings: Any) -> tuple[str, str]:
    """Open a room; return its address and the host's secret."""
    status, answer = await post(client, "/api/rooms", {"form": "quatrain", **settings})
    assert status == 200, answer
    return f"/api/rooms/{answer['code']}", answer["host"]


Events = AsyncGenerator[tuple[str, Any], None]


async def read_events(client: ClientSession, room: str, **key: str) -> Events:
    async with client.post(f"{room}/events", json=key) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Cache-Control"] == "no-store"
        event = ""
        async for raw in response.content:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                yield event, json.loads(value)


@asynccontextmanager
async def watching(client: ClientSession, room: str, **key: str) -> AsyncIterator[Events]:
    async with asyncio.timeout(HANG_SECONDS), aclosing(read_events(client, room, **key)) as events:
        yield events


async def until_room(events: Events, **wanted: object) -> Any:
    """Return the state of the room that has all of this, in its newest parts."""
    state: dict[str, object] = {}
    async for event, part in events:
        state |= part if event in ("room", "yours") else {}
        if event in ("room", "yours") and wanted.items() <= state.items():
            return state
    raise AssertionError(f"the room ended without {wanted}")


def poet() -> FakeEngine:
    engine = FakeEngine("")
    engine.candidates = (" rings", " and tears")
    return engine


async def test_a_host_and_a_visitor_write_a_poem_and_both_see_it_grow(serve: Serve) -> None:
    client = await serve(fake_service(poet()), **QUICK)
    room, host = await open_room(client)
    async with watching(client, room, host=host) as screen, watching(client, room) as phone:
        assert (await until_room(screen, people=0))["contributions"] == []
        event, joined = await anext(phone)
        assert event == "joined"
        await until_room(screen, people=1)
        gift = {"visitor": joined["visitor"], "kind": "word", "text": "rain"}
        status, mine = await post(client, f"{room}/contributions", gift)
        assert (status, mine["yours"]["place"]) == (200, 1)
        for events in (screen, phone):
            state = await until_room(events, waiting=0, writing=False, people=1)
            while not state["lines"]:
                state = await until_room(events, waiting=0, writing=False)
            assert state["lines"][0]["text"] == "rain rings"
        outcome = {"kind": "used", "gift": "word", "line": 1, "has_word": True}
        if state["outcome"] != outcome:
            await until_room(phone, outcome=outcome)
        assert "contributions" not in state
        for _ in range(3):
            assert (await post(client, f"{room}/actions", {"host": host, "action": "write"}))[0]
            await until_room(screen, writing=False, waiting=0)
        status, _ = await post(client, f"{room}/actions", {"host": host, "action": "close"})
        assert status == 200
        assert [each async for each in phone][-1] == ("ended", {"reason": "closed"})
    assert (await post(client, f"{room}/events", {}))[0] == 404


async def test_each_visitor_reads_what_is_said_about_a_line_in_their_language(serve: Serve) -> None:
    engine = poet()
    engine.line_notes = (sentence("Some stresses of this line are off the beat."),)
    client = await serve(fake_service(engine), **QUICK)
    room, _ = await open_room(client)
    async with AsyncExitStack() as stack:
        phones = []
        for language in ("de", "ru", "en"):
            client.headers["Accept-Language"] = language
            phones.append(await stack.enter_async_context(watching(client, room)))
            _, joined = await anext(phones[-1])
        gift = {"visitor": joined["visitor"], "kind": "line", "text": "The rain has come"}
        assert (await post(client, f"{room}/contributions", gift))[0] == 200
        notes = []
        for phone in phones:
            while not (state := await until_room(phone, waiting=0))["lines"]:
                pass
            notes.append(state["lines"][0]["notes"])
    german = ["Einige Betonungen dieser Zeile liegen neben dem Versmaß."]
    russian = ["Некоторые ударения этой строки не попадают в размер."]
    assert notes == [german, russian, [str(note) for note in engine.line_notes]]


async def test_a_visitor_who_reconnects_is_the_same_one(serve: Serve) -> None:
    client = await serve(**QUICK)
    room, host = await open_room(client)
    async with watching(client, room) as phone:
        _, first = await anext(phone)
    async with watching(client, room, visitor=first["visitor"]) as phone:
        assert await anext(phone) == ("joined", first)
        async with watching(client, room, host=host) as screen:
            await until_room(screen, people=1)
    async with watching(client, room, visitor="unknown") as phone:
        assert (await anext(phone))[1] != first


async def test_the_streams_end_when_the_bot_stops() -> None:
    async with AsyncExitStack() as stack:
        async with serving(fake_service(), **QUICK) as url:
            client = await stack.enter_async_context(ClientSession(url))
            room, host = await open_room(client)
            screen = await stack.enter_async_context(watching(client, room, host=host))
            await until_room(screen, people=0)
        assert [each async for each in screen][-1] == ("ended", {"reason": "stopping"})


async def test_words_to_avoid_and_what_is_no_word_are_refused(serve: Serve) -> None:
    client = await serve(**QUICK)
    room, _ = await open_room(client, avoid=["rose"])
    async with watching(client, room) as phone:
        _, joined = await anext(phone)
        for kind, text, sentence in (
            ("word", "ROSE", "Your word has the word 'rose', which is not allowed here."),
            ("line", "a rose is red", "Your line has the word 'rose'"),
            ("word", "two words", "word is 'two words'; it must be one word of 1 to 30 letters."),
            ("line", "a" * 201, "it must be text of 1 to 200 characters."),
            ("line", "a" * 1001, "it must be a word, or a line of at most 200 characters."),
            ("bot", "rain", "kind is 'bot'; it must be word or line."),
        ):
            gift = {"visitor": joined["visitor"], "kind": kind, "text": text}
            status, refusal = await post(client, f"{room}/contributions", gift)
            assert status == 400, text
            assert sentence in refusal["error"]


async def test_only_the_host_acts(serve: Serve) -> None:
    client = await serve(**QUICK)
    room, _ = await open_room(client)
    async with watching(client, room) as phone:
        _, joined = await anext(phone)
        for key in ("", joined["visitor"]):
            act = {"host": key, "action": "close"}
            assert (await post(client, f"{room}/actions", act))[0] == 403
        assert (await post(client, f"{room}/events", {"host": joined["visitor"]}))[0] == 403
        status, refusal = await post(client, f"{room}/actions", {"host": "x", "action": "burn"})
        assert (status, "one of write, skip, remove" in refusal["error"]) == (400, True)


async def test_who_guesses_codes_has_to_wait_and_who_is_in_does_not(serve: Serve) -> None:
    clock = Clock()
    client = await serve(clock=clock, **QUICK)
    room, host = await open_room(client)
    async with watching(client, room) as phone:
        _, joined = await anext(phone)
        statuses = [(await post(client, "/api/rooms/BBBBBB/events", {}))[0] for _ in range(21)]
        assert statuses == [404] * 20 + [429]
        status, refusal = await post(client, f"{room}/events", {})
        assert (status, refusal["error"]) == (
            429,
            "The limit is 20 wrong codes per minute for one address. Try again in 3 s.",
        )
        gift = {"visitor": joined["visitor"], "kind": "word", "text": "rain"}
        assert (await post(client, f"{room}/contributions", gift))[0] == 200
        assert (await post(client, f"{room}/actions", {"host": host, "action": "skip"}))[0] == 200
        clock.now += 3
        async with watching(client, room) as another:
            assert (await anext(another))[0] == "joined"


async def test_contributions_and_rooms_have_limits(serve: Serve) -> None:
    client = await serve(poems_per_minute=2, clock=Clock(), **QUICK)
    room, _ = await open_room(client)
    async with watching(client, room) as phone:
        _, joined = await anext(phone)
        gift = {"visitor": joined["visitor"], "kind": "word", "text": "rain"}
        statuses = [(await post(client, f"{room}/contributions", gift))[0] for _ in range(3)]
        assert statuses == [200, 200, 429]
    await open_room(client)
    status, refusal = await post(client, "/api/rooms", {})
    assert (status, refusal["error"].split(".")[0]) == (
        429,
        "The limit is 2 poems per minute for one address",
    )


@pytest.mark.parametrize(
    ("limits", "status"), [(RoomLimits(per_client=0), 409), (RoomLimits(rooms=0), 503)]
)
async def test_too_many_rooms_are_refused(serve: Serve, limits: RoomLimits, status: int) -> None:
    client = await serve(room_limits=limits)
    assert (await post(client, "/api/rooms", {}))[0] == status


async def test_a_full_room_refuses_one_more(serve: Serve) -> None:
    client = await serve(room_limits=RoomLimits(visitors=1))
    room, _ = await open_room(client)
    async with watching(client, room) as phone:
        await anext(phone)
        status, refusal = await post(client, f"{room}/events", {})
        assert (status, refusal["error"]) == (
            503,
            "This room is full: 1 visitor. Try again in a minute.",
        )


async def test_another_sites_page_gets_nothing(serve: Serve) -> None:
    client = await serve(**QUICK)
    room, host = await open_room(client)
    headers = {"Origin": "https://elsewhere.example"}
    for path, body in (
        ("/api/rooms", {}),
        (f"{room}/events", {}),
        (f"{room}/contributions", {"visitor": "", "kind": "word", "text": "rain"}),
        (f"{room}/actions", {"host": host, "action": "close"}),
    ):
        async with client.post(path, json=body, headers=headers) as response:
            assert response.status == 403
        async with client.post(path, data=json.dumps(body)) as response:
            assert response.status == 415


async def test_a_reader_who_takes_nothing_holds_up_nobody(serve: Serve, connect: Connect) -> None:
    client = await serve(fake_service(poet()), **QUICK)
    room, host = await open_room(client)
    _, writer = await connect(client, limit=1)  # and is never read
    head = f"POST {room}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
    async with watching(client, room) as phone, watching(client, room, host=host) as screen:
        _, joined = await anext(phone)
        await until_room(screen, people=2)
        for number in range(4):
            line = f"{number} " + "o" * 190
            gift = {"visitor": joined["visitor"], "kind": "line", "text": line}
            assert (await post(client, f"{room}/contributions", gift))[0] == 200
            state = await until_room(screen, waiting=0, writing=False)
            while len(state["lines"]) <= number:
                state = await until_room(screen, waiting=0, writing=False)
    writer.close()
