"""/api/rooms: one poem, many hands. A host opens a room, visitors join it and give words and lines.

Whoever shows a room reads its events: each has all there is to show now, so who reads slowly, or
comes back, misses nothing and nothing is kept for them. The host's secret and the visitors' tokens
are in bodies, never in an address.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar
from weakref import WeakKeyDictionary

from aiohttp import web
from pydantic import BaseModel, FailFast, Field

from bot.core.errors import NoSuchRoom
from bot.core.languages import current_language, translate_within
from bot.core.poems import PoemService
from bot.core.records import MAX_AVOIDED
from bot.core.room import ALONE_SECONDS, Room, RoomEnd, RoomSettings
from bot.core.room_turns import Kind, Visitor
from bot.core.rooms import Rooms
from bot.web.admission import Admission, ClientLimits
from bot.web.events import EventStream, StreamTiming
from bot.web.poems import NO_STORE, STRICT, allowed_values, read_body

MAX_TOKEN = 100  # characters
MAX_GIVEN = 1_000  # characters; a sentence says how many a line may have
Token = Annotated[str, Field(max_length=MAX_TOKEN)]
Keyed = TypeVar("Keyed", bound="KeyedBody")
Action = Literal["write", "skip", "remove", "clear", "undo", "next", "close"]
ALLOWED = {
    "alone_seconds": f"a number {ALONE_SECONDS}, or null",
    "host": "the secret that the room was opened with",
    "visitor": "the token that the room's first event has",
    "kind": "word or line",
    "text": "a word, or a line of at most 200 characters",
    "action": "one of write, skip, remove, clear, undo, next and close",
    "number": "the number of a contribution",
}


def allowed_in_room(key: str) -> str:
    """Say what a key of a room's bodies may be."""
    return ALLOWED.get(key) or allowed_values(key)


class RoomBody(BaseModel):
    """What a host chooses; see RoomSettings."""

    model_config = STRICT

    form: str | None = None
    avoid: Annotated[list[str], FailFast()] = Field(default=[], max_length=MAX_AVOIDED)
    alone_seconds: float | None = None


class KeyedBody(BaseModel):
    """What somebody sends who is in a room already, or joins it."""

    model_config = STRICT

    @property
    def key(self) -> str:
        """The host's secret or a visitor's token, "" for neither."""
        return getattr(self, "host", "") or getattr(self, "visitor", "")


class EntryBody(KeyedBody):
    """Who reads a room's events: the host, a visitor of before, or a new one."""

    host: Token = ""
    visitor: Token = ""


class GiftBody(KeyedBody):
    """A word or a line."""

    visitor: Token
    kind: Literal["word", "line"]
    text: Annotated[str, Field(max_length=MAX_GIVEN)]


class ActionBody(KeyedBody):
    """What the host wants."""

    host: Token
    action: Action
    number: int = 0


@dataclass(frozen=True, slots=True)
class RoomAdmissions:
    """What counts against which limit of a client."""

    opening: Admission  # as a poem
    giving: Admission  # as many contributions as poems
    rest: Admission
    wrong_codes: ClientLimits


class RoomEndpoints:
    """Answers all of /api/rooms."""

    def __init__(
        self,
        service: PoemService,
        rooms: Rooms,
        admissions: RoomAdmissions,
        stream_timing: StreamTiming,
    ) -> None:
        self._service = service
        self._rooms = rooms
        self._admissions = admissions
        self._timing = stream_timing
        self._texts: WeakKeyDictionary[Room, tuple[int, dict[str, str]]] = WeakKeyDictionary()

    async def open(self, request: web.Request) -> web.Response:
        admission = self._admissions.opening
        with admission.admit(request) as asker:
            raw = await admission.read(request)
            body = await self._service.run_in_thread(
                asker, read_body, RoomBody, raw, allowed_in_room
            )
            settings = RoomSettings(body.form, tuple(body.avoid), body.alone_seconds)
            room = await self._rooms.open(settings, asker)
        return web.json_response({"code": room.code, "host": room.secret}, headers=NO_STORE)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send a room as it is, and again after each change, until it ends or the reader goes."""
        room, body = await self._receive(request, EntryBody, self._admissions.rest)
        stream = EventStream(request, self._timing)
        if body.host:
            room.require_host(body.host)
            await stream.open()
            await self._show(room, stream, None)
        else:
            with room.attend(body.visitor) as visitor:
                await stream.open()
                await stream.send("joined", {"visitor": visitor.token})
                await self._show(room, stream, visitor)
        return stream.response

    async def _show(self, room: Room, stream: EventStream, visitor: Visitor | None) -> None:
        """Send a room to a visitor, or to its host."""
        own: object = None
        async with stream.signs_of_life():
            while True:
                version, ended = room.version, room.ended
                if visitor is None:
                    await stream.send("room", translate_within(room.state_for_host()))
                else:
                    await stream.send_text("room", self._text_of(room))
                    before, own = own, room.own_state(visitor)
                    if own != before:
                        await stream.send("yours", own)
                if ended is not None:
                    break
                await asyncio.sleep(self._timing.room_seconds)
                await room.wait_beyond(version)
        await stream.send("ended", {"reason": ended.value})

    def _text_of(self, room: Room) -> str:
        """Return what all visitors of a language see in JSON, made once a change."""
        version, texts = self._texts.get(room, (-1, {}))
        if version != room.version:
            texts = {}
            self._texts[room] = room.version, texts
        language = current_language()
        if language not in texts:
            texts[language] = json.dumps(translate_within(room.state()))
        return texts[language]

    async def give(self, request: web.Request) -> web.Response:
        room, body = await self._receive(request, GiftBody, self._admissions.giving)
        visitor = await room.give(body.visitor, Kind(body.kind), body.text)
        answer = {**room.state(), **room.own_state(visitor)}
        return web.json_response(translate_within(answer), headers=NO_STORE)

    async def act(self, request: web.Request) -> web.Response:
        room, body = await self._receive(request, ActionBody, self._admissions.rest)
        room.require_host(body.host)
        acts: dict[Action, Callable[[], None]] = {
            "write": room.write,
            "skip": room.skip,
            "remove": lambda: room.remove(body.number),
            "clear": room.clear,
            "undo": room.undo,
            "next": room.begin_next,
            "close": lambda: room.end(RoomEnd.CLOSED),
        }
        acts[body.action]()
        return web.json_response(translate_within(room.state_for_host()), headers=NO_STORE)

    async def _receive(
        self, request: web.Request, kind: type[Keyed], admission: Admission
    ) -> tuple[Room, Keyed]:
        """Read a body and find its room; who guesses codes has to wait."""
        with admission.admit(request) as asker:
            raw = await admission.read(request)
            body = await self._service.run_in_thread(asker, read_body, kind, raw, allowed_in_room)
        client, guesses = admission.clients.client(request), self._admissions.wrong_codes
        room = self._rooms.find(request.match_info["code"])
        if room is None or not room.knows(
            getattr(body, "host", "") or getattr(body, "visitor", "")
        ):
            guesses.check_pace(client)
        if room is None:
            guesses.spend(client)
            raise NoSuchRoom(request.match_info["code"])
        return room, body
