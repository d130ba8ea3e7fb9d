"""All rooms of this process: they are opened, found by their codes, and end."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from dataclasses import replace

from bot.core.errors import BadSetting, RoomsFull, TooManyRooms
from bot.core.poem_settings import require_form
from bot.core.poems import PoemService
from bot.core.records import Asker, PoemRequest
from bot.core.room import ALONE_SECONDS, Room, RoomEnd, RoomLimits, RoomSettings
from bot.core.tasks import cancel_tasks

ROOMS = "rooms"  # all together share rows as one guild does, beside the page's readers
CODE_LETTERS = "BCDFGHJKLMNPRSTVWXZ"  # none looks like another, and no vowels: no words
CODE_LENGTH = 6  # 47 million codes


class Rooms:
    """Keeps rooms, at most as many as `limits` say; nothing of them is stored."""

    def __init__(self, service: PoemService, limits: RoomLimits | None = None) -> None:
        self._service = service
        self._limits = limits or RoomLimits()
        self._rooms: dict[str, Room] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._rooms)

    async def open(self, settings: RoomSettings, asker: Asker) -> Room:
        """Open a room for a host; raise TooManyRooms, RoomsFull or what `admit` raises."""
        alone = settings.alone_seconds
        if alone is not None and alone not in ALONE_SECONDS:
            raise BadSetting("alone seconds", alone, str(ALONE_SECONDS))
        request = PoemRequest(asker, form=settings.form, avoid=settings.avoid, line_by_line=True)
        complete = (await self._service.admit(request)).settings
        require_form(complete.form)
        own = sum(room.client == asker.member for room in self._rooms.values())
        if own >= self._limits.per_client:
            raise TooManyRooms(self._limits.per_client)
        if len(self._rooms) >= self._limits.rooms:
            raise RoomsFull(self._limits.rooms)
        room = Room(
            self._service,
            replace(settings, avoid=complete.avoid),
            self._limits,
            code=self._draw_code(),
            form=complete.form,
            client=asker.member,
            asker=Asker(f"{asker.door}:room {next(self._numbers)}", guild=ROOMS),
        )
        self._rooms[room.code] = room
        self._tasks[room.code] = asyncio.create_task(self._keep(room))
        return room

    def find(self, code: str) -> Room | None:
        """Return a room by its code, in capitals or not."""
        return self._rooms.get(code.upper())

    async def close(self) -> None:
        """End all rooms."""
        for room in self._rooms.values():
            room.end(RoomEnd.STOPPING)
        await cancel_tasks(list(self._tasks.values()))

    async def _keep(self, room: Room) -> None:
        try:
            await room.run()
        finally:
            room.end(RoomEnd.STOPPING)
            del self._rooms[room.code], self._tasks[room.code]

    def _draw_code(self) -> str:
        while True:
            code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
            if code not in self._rooms:
                return code
