"""Rooms: whose turn it is, what the host may do, and when a room ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest

from bot.core.errors import (
    AvoidedSeed,
    BadSetting,
    BotError,
    NothingThere,
    NotTheHost,
    QueueFull,
    RoomFull,
    RoomsFull,
    TooManyRooms,
)
from bot.core.records import Asker
from bot.core.room import Room, RoomEnd, RoomLimits, RoomSettings, has_word
from bot.core.room_turns import Kind
from bot.core.rooms import CODE_LENGTH, CODE_LETTERS, Rooms
from tests.bot.web.conftest import until
from tests.fakes import FakeEngine, fake_service

HOST = Asker("web:1.2.3.4", guild="web")
QUATRAIN = RoomSettings(form="quatrain")
OFFERED = ("the first line", "a rainy one", "and a third")


class People:
    """Visitors of a room, who stay until the test ends."""

    def __init__(self, room: Room, stack: ExitStack) -> None:
        self._room, self._stack = room, stack
        self._tokens: dict[str, str] = {}

    def join(self, name: str) -> None:
        self._tokens[name] = self._stack.enter_context(self._room.attend("")).token

    async def give(self, name: str, text: str, kind: Kind = Kind.WORD) -> None:
        if name not in self._tokens:
            self.join(name)
        await self._room.give(self._tokens[name], kind, text)

    def sees(self, name: str) -> dict[str, Any]:
        with self._room.attend(self._tokens[name]) as visitor:
            return {**self._room.state(), **self._room.own_state(visitor)}


@asynccontextmanager
async def open_rooms(engine: FakeEngine, **limits: Any) -> AsyncIterator[Rooms]:
    rooms = Rooms(fake_service(engine), RoomLimits(**{"line_seconds": 0.0, **limits}))
    yield rooms
    await rooms.close()


@asynccontextmanager
async def open_room(
    engine: FakeEngine | None = None, settings: RoomSettings = QUATRAIN, **limits: Any
) -> AsyncIterator[tuple[Room, People]]:
    async with open_rooms(engine or poet(), **limits) as rooms:
        room = await rooms.open(settings, HOST)
        with ExitStack() as stack:
            yield room, People(room, stack)


def poet(*, gate: bool = False) -> FakeEngine:
    engine = FakeEngine("")
    engine.candidates = OFFERED
    engine.gate = asyncio.Semaphore(0) if gate else None
    return engine


def texts(room: Room) -> list[str]:
    return [line.text for line in room.lines]


async def test_a_word_gets_a_line_that_has_it_and_a_line_stays_as_it_is() -> None:
    engine = poet()
    engine.line_notes = ("It does not fit.",)
    async with open_room(engine) as (room, people):
        await people.give("ann", "rain")
        await until(lambda: room.lines)
        assert (texts(room), room.lines[0].has_word) == (["raina rainy one"], True)
        await people.give("ann", "one")
        await until(lambda: len(room.lines) == 2)
        assert texts(room)[1] == "a rainy one"
        await people.give("bob", "My  LINE", Kind.LINE)
        await until(lambda: len(room.lines) == 3)
        assert texts(room)[2] == "My  LINE"
        assert room.lines[2].notes == ("It does not fit.",)
        assert people.sees("bob")["outcome"] == {
            **{"kind": "used", "gift": "line"},
            **{"line": 3, "has_word": False},
        }


async def test_where_no_line_has_the_word_one_begins_with_it() -> None:
    engine = poet()
    engine.candidates = (" rings", " and tears")
    async with open_room(engine) as (room, people):
        await people.give("ann", "rain")
        await until(lambda: room.lines)
        await people.give("ann", "telephone")
        await until(lambda: len(room.lines) == 2)
        asked = engine.engine_requests[-1]
        assert (asked.opening.rest, asked.opening.lines) == ("Telephone", ("rain rings",))
        assert texts(room)[1] == "Telephone rings"
        assert room.lines[1].has_word


async def test_everybody_has_one_contribution_that_waits_and_turns_go_round() -> None:
    engine = poet(gate=True)
    async with open_room(engine) as (room, people):
        await people.give("ann", "rain")
        await until(lambda: engine.drafts)
        for name, word in (("bob", "sea"), ("eve", "sun"), ("ann", "sky"), ("bob", "tree")):
            await people.give(name, word)
        assert [each.text for each in room.turns] == ["rain", "tree", "sun", "sky"]
        assert people.sees("ann")["yours"]["place"] == 4
        assert people.sees("eve")["waiting"] == 4
        assert engine.gate is not None
        for _ in range(200):
            engine.gate.release()
        await until(lambda: len(room.lines) == 4)
        assert [line.word for line in room.lines] == ["rain", "tree", "sun", "sky"]


async def test_who_has_gone_waits_for_those_who_are_there() -> None:
    async with open_room(poet(gate=True)) as (room, people):
        await people.give("ann", "rain")
        for word in ("one", "two"):
            with room.attend("") as visitor:
                await room.give(visitor.token, Kind.WORD, word)
        await people.give("bob", "sea")
        assert [each.text for each in room.turns] == ["rain", "sea", "one", "two"]
        assert people.sees("bob")["yours"]["place"] == 2


async def test_a_whole_poem_gets_a_title_and_the_next_one_begins_when_the_host_wants() -> None:
    async with open_room() as (room, people):
        for number in range(5):
            await people.give(f"{number}", f"line {number}", Kind.LINE)
        await until(lambda: room.title)
        assert (room.title, len(room.lines), len(room.turns)) == ("A Title", 4, 1)
        room.begin_next()
        await until(lambda: room.lines)
        assert (texts(room), room.title) == (["line 4"], "")


async def test_the_host_skips_removes_clears_and_takes_back() -> None:
    engine = poet(gate=True)
    async with open_room(engine) as (room, people):
        await people.give("ann", "rain")
        await until(lambda: engine.drafts)
        for name, word in (("bob", "sea"), ("eve", "sun"), ("tom", "tree")):
            await people.give(name, word)
        room.skip()
        await until(lambda: len(engine.drafts) == 2)
        assert engine.drafts[0].cancelled
        assert people.sees("ann")["outcome"] == {"kind": "removed"}
        room.remove(3)
        room.remove(99)
        assert [each.text for each in room.turns] == ["sea", "tree"]
        room.clear()
        await until(lambda: engine.drafts[1].cancelled)
        assert len(room.turns) == 0
        await people.give("ann", "a line", Kind.LINE)
        await until(lambda: room.lines)
        room.undo()
        room.undo()
        assert room.lines == []


async def test_the_bot_writes_by_itself_when_the_host_asks_or_nobody_gives_anything() -> None:
    async with open_room() as (room, _):
        room.write()
        await until(lambda: room.lines)
        assert room.lines[0].kind is Kind.BOT
    service = fake_service(poet())
    limits = RoomLimits(line_seconds=0.0)
    alone = RoomSettings(alone_seconds=0.0)
    options: Any = {"code": "X", "form": "couplet", "client": "", "asker": HOST}
    room = Room(service, alone, limits, **options)
    running = asyncio.create_task(room.run())
    await until(lambda: room.title)
    assert len(room.lines) == 2
    room.end(RoomEnd.CLOSED)
    await running


@pytest.mark.parametrize(
    ("kind", "text", "error"),
    [
        (Kind.WORD, "two words", BadSetting),
        (Kind.WORD, "", BadSetting),
        (Kind.WORD, "7", BadSetting),
        (Kind.WORD, "a" * 31, BadSetting),
        (Kind.WORD, "rösé", AvoidedSeed),
        (Kind.LINE, " \n ", BadSetting),
        (Kind.LINE, "a" * 201, BadSetting),
        (Kind.LINE, "a ro\N{ZERO WIDTH SPACE}se is red", AvoidedSeed),
    ],
)
async def test_what_cannot_be_used_is_refused(kind: Kind, text: str, error: type[BotError]) -> None:
    settings = RoomSettings(form="quatrain", avoid=("rose",))
    async with open_room(settings=settings) as (room, people):
        with pytest.raises(error):
            await people.give("ann", text, kind)
        assert len(room.turns) == 0
        await people.give("ann", "o’clock")
        await people.give("bob", "Zärtlichkeit")


async def test_a_full_engine_keeps_the_turn_and_a_broken_one_gives_it_to_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = poet()
    async with open_room(engine, busy_seconds=0.01) as (room, people):
        engine.refusal = QueueFull(3)
        await people.give("ann", "rain")
        await until(lambda: room.busy)
        assert room.trouble == ""
        engine.refusal = None
        await until(lambda: room.lines)
        assert room.busy is False
        engine.failure = RuntimeError("broken nib")
        await people.give("ann", "sea")
        await until(lambda: room.trouble)
        engine.failure = None
        assert people.sees("ann")["outcome"]["kind"] == "failed"
        await people.give("bob", "sun")
        await until(lambda: len(room.lines) == 2)
        assert room.trouble == ""
    assert "broken nib" in caplog.text


async def test_who_is_away_makes_room_for_who_comes() -> None:
    async with open_room(visitors=2) as (room, people):
        people.join("ann")
        with room.attend("") as gone:
            with pytest.raises(RoomFull, match="2 visitors"):
                people.join("eve")
            assert room.turns.people == 2
        people.join("eve")
        with pytest.raises(NothingThere):
            await room.give(gone.token, Kind.WORD, "rain")
        assert room.turns.people == 2


async def test_a_visitor_who_comes_back_keeps_what_waits() -> None:
    async with open_room(poet(gate=True)) as (room, _):
        with room.attend("") as visitor:
            token = visitor.token
            await room.give(token, Kind.WORD, "rain")
        assert room.turns.people == 0
        with room.attend(token) as again:
            assert again is visitor
            assert room.own_state(again)["yours"] == {
                **{"number": 1, "kind": "word", "text": "rain"},
                "place": 1,
            }


async def test_only_the_host_is_the_host() -> None:
    async with open_room() as (room, people):
        people.join("ann")
        room.require_host(room.secret)
        for secret in ("", "x", "\udcff", room.code, room.secret[:-1]):
            with pytest.raises(NotTheHost):
                room.require_host(secret)


async def test_a_room_ends_after_an_hour_without_anybody() -> None:
    async with open_rooms(poet(), idle_seconds=0.0) as rooms:
        room = await rooms.open(QUATRAIN, HOST)
        await until(lambda: room.ended)
        assert room.ended is RoomEnd.IDLE
        await until(lambda: not len(rooms))
        assert rooms.find(room.code) is None


async def test_a_room_ends_with_its_host_s_wish_and_with_the_bot() -> None:
    engine = poet(gate=True)
    async with open_rooms(engine) as rooms:
        first, second = [await rooms.open(QUATRAIN, HOST) for _ in range(2)]
        with first.attend("") as visitor:
            await first.give(visitor.token, Kind.WORD, "rain")
            await until(lambda: engine.drafts)
        first.end(RoomEnd.CLOSED)
        await until(lambda: len(rooms) == 1 and engine.drafts[0].cancelled)
        assert rooms.find(second.code.lower()) is second
    assert (first.ended, second.ended) == (RoomEnd.CLOSED, RoomEnd.STOPPING)


async def test_rooms_are_bounded() -> None:
    async with open_rooms(poet(), rooms=3, per_client=2) as rooms:
        codes = [(await rooms.open(QUATRAIN, HOST)).code for _ in range(2)]
        with pytest.raises(TooManyRooms):
            await rooms.open(QUATRAIN, HOST)
        codes.append((await rooms.open(QUATRAIN, Asker("web:other"))).code)
        with pytest.raises(RoomsFull):
            await rooms.open(QUATRAIN, Asker("web:another"))
        assert len({*codes}) == 3
        assert all(len(c) == CODE_LENGTH and set(c) <= set(CODE_LETTERS) for c in codes)
    async with open_rooms(poet(), rooms=0) as rooms:
        with pytest.raises(RoomsFull, match="turned off"):
            await rooms.open(QUATRAIN, HOST)


@pytest.mark.parametrize(
    "settings",
    [
        RoomSettings(form="ode"),
        RoomSettings(form="free"),
        RoomSettings(avoid=("two words",)),
        RoomSettings(alone_seconds=4.0),
        RoomSettings(alone_seconds=float("nan")),
    ],
)
async def test_wrong_settings_are_refused(settings: RoomSettings) -> None:
    async with open_rooms(poet()) as rooms:
        with pytest.raises(BadSetting):
            await rooms.open(settings, HOST)
        assert len(rooms) == 0


async def test_what_is_shown_waits_for_the_next_change() -> None:
    async with open_room() as (room, people):
        version = room.version
        waiting = asyncio.create_task(room.wait_beyond(version))
        await asyncio.sleep(0)
        assert not waiting.done()
        people.join("ann")
        await waiting
        await room.wait_beyond(version)


def test_other_forms_of_a_word_count_and_longer_words_do_not() -> None:
    lines = ("And all the RAINS", "O’clock strikes", "by the rain's end")
    assert all(map(has_word, lines, ("rain", "o'clock", "rain")))
    assert not any(map(has_word, ("a train", "rainbow", ""), ("rain",) * 3))
