"""The gateway of the fake Discord: a session for each shard, broken where a test asks for it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.discord_payloads import APPLICATION, BOT, Payload, guild_payload, user_payload

MESSAGE_CONTENT = 1 << 15
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
MINUTE_MS = 60_000


@dataclass
class Session:
    """What a shard has: its events so far, and the socket on which the next go out."""

    total: int
    hears_content: bool = True  # whether the bot asked for the message-content intent
    events: list[Payload] = field(default_factory=list)
    socket: web.WebSocketResponse | None = None
    transport: asyncio.Transport | None = None
    number: int = 0  # how many sessions the shard has had
    lost: bool = False  # Discord does not know it any more
    heard: int = 0  # how many of its events the bot has heard for sure


class FakeGateway:
    """Answers as Discord's does; `changed` is called after everything that a test may wait for.

    `guilds` are dealt out to the shards as Discord deals them.
    """

    def __init__(self, guilds: list[int], changed: Callable[[], Awaitable[None]]) -> None:
        self.url = ""
        self.guilds = guilds
        self.approves_message_content = True
        self.heartbeat_ms = 41_250
        self.identified: list[Payload] = []
        self.identified_at: list[float] = []  # by our monotonic clock
        self.resumed = 0
        self.close_codes: list[int] = []  # for the next connections, after they identify
        # For the next ones: a status, "cut", "silent", or what HELLO waits for.
        self.handshakes: list[int | str | asyncio.Event] = []
        self.refused_resumes = 0  # how many of the next are answered "invalid session"
        self.connections = 0
        self.lost_events: list[Payload] = []  # of sessions that were given up, never heard
        self.silent = False  # nothing is said any more, heartbeats are not acknowledged
        self._changed = changed
        self._sessions: dict[int, Session] = {}

    # What tests do

    async def emit(self, event: str, payload: Payload) -> None:
        """Send an event to whose guild it is, now or when that shard resumes."""
        for session in self._sessions_of(payload):
            shown = payload if session.hears_content else _without_content(payload)
            session.events.append(
                payload_ := {"t": event, "s": len(session.events) + 1, "d": shown}
            )
            await self._send(session, {"op": DISPATCH, **payload_})
        await self._changed()

    async def welcome(self, guild: int) -> None:
        """Tell of a guild that is there again, or anew."""
        await self.emit("GUILD_CREATE", guild_payload(guild))

    def events(self, shard: int = 0) -> list[Payload]:
        """Return what a shard was told in its session."""
        return list(self._sessions[shard].events)

    async def order(self, op: int, content: object = None, shard: int = 0) -> None:
        """Send what is no event: RECONNECT, INVALID."""
        session = self._sessions[shard]
        if op == INVALID and not content:
            session.lost, session.heard = True, len(session.events)
        await self._send(session, {"op": op, "d": content})

    async def send_raw(self, content: str | bytes, shard: int = 0) -> None:
        """Send something that may be no message at all."""
        socket = self._sessions[shard].socket
        assert socket is not None
        await (socket.send_str if isinstance(content, str) else socket.send_bytes)(content)  # type: ignore[arg-type]

    async def drop(self, code: int | None = None, shard: int = 0) -> None:
        """Close a shard's connection with `code`, or cut it when that is None."""
        session = self._sessions[shard]
        socket, session.socket = session.socket, None
        assert socket is not None
        if code is not None:
            await socket.close(code=code)
        elif session.transport is not None:
            session.transport.abort()

    # Serving

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        fault = self.handshakes.pop(0) if self.handshakes else None
        if fault == "cut" and request.transport is not None:
            request.transport.abort()
        if isinstance(fault, int) or fault == "cut":
            await self._changed()
            return web.Response(status=fault if isinstance(fault, int) else 500)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if isinstance(fault, asyncio.Event):
            await self._changed()
            await fault.wait()
        if fault is None or isinstance(fault, asyncio.Event):
            await socket.send_json({"op": HELLO, "d": {"heartbeat_interval": self.heartbeat_ms}})
        await self._changed()
        session: Session | None = None
        async for received in socket:
            if received.type is not WSMsgType.TEXT:
                break
            order = json.loads(received.data)
            if order["op"] == HEARTBEAT:
                if session is not None and not session.lost:
                    session.heard = order["d"] or 0
                if not self.silent:
                    await socket.send_json({"op": ACK})
            elif order["op"] == IDENTIFY:
                session = await self._identify(socket, order["d"])
            elif order["op"] == RESUME:
                session = await self._resume(socket, order["d"])
            if session is not None:
                session.transport = request.transport
        return socket

    async def _identify(self, socket: web.WebSocketResponse, identity: Payload) -> Session | None:
        self.identified.append(identity)
        self.identified_at.append(time.monotonic())
        wants_content = bool(identity["intents"] & MESSAGE_CONTENT)
        if wants_content and not self.approves_message_content:
            await socket.close(code=4014)
            return None
        if self.close_codes:
            await socket.close(code=self.close_codes.pop(0))
            return None
        shard, total = identity.get("shard", [0, 1])
        earlier = self._sessions.get(shard)
        if earlier is not None:
            self.lost_events += earlier.events[earlier.heard :]
        session = Session(
            total, wants_content, socket=socket, number=earlier.number + 1 if earlier else 0
        )
        self._sessions[shard] = session
        guilds = [guild for guild in self.guilds if (guild >> 22) % total == shard]
        ready = {
            "v": 10,
            "user": user_payload(BOT, "Sonneteer", bot=True),
            "guilds": [{"id": str(guild), "unavailable": True} for guild in guilds],
            "session_id": f"{shard}-{session.number}",
            "shard": [shard, total],
            "resume_gateway_url": self.url,
            "application": {"id": str(APPLICATION), "flags": 0},
        }
        await self._tell(session, "READY", ready)
        for guild in guilds:
            await self._tell(session, "GUILD_CREATE", guild_payload(guild))
        await self._changed()
        return session

    async def _resume(self, socket: web.WebSocketResponse, resume: Payload) -> Session | None:
        shard, _, number = resume["session_id"].partition("-")
        session = self._sessions.get(int(shard))
        known = session is not None and session.number == int(number)
        if session is None or not known or session.lost or self.refused_resumes:
            self.refused_resumes = max(0, self.refused_resumes - 1)
            if known and session is not None:
                session.lost, session.heard = True, resume["seq"]
            await socket.send_json({"op": INVALID, "d": False})
            return None
        self.resumed += 1
        session.socket = socket
        for event in session.events[resume["seq"] :]:
            await self._send(session, {"op": DISPATCH, **event})
        await self._tell(session, "RESUMED", {})
        await self._changed()
        return session

    async def _tell(self, session: Session, event: str, payload: Payload) -> None:
        session.events.append(message := {"t": event, "s": len(session.events) + 1, "d": payload})
        await self._send(session, {"op": DISPATCH, **message})

    async def _send(self, session: Session, message: dict[str, Any]) -> None:
        socket = session.socket
        if socket is not None and not socket.closed and not self.silent:
            with suppress(ConnectionError):  # the bot is leaving; a session keeps its events
                await socket.send_json(message)

    def _sessions_of(self, payload: Payload) -> list[Session]:
        guild = str(payload.get("guild_id") or payload.get("id") or 0)
        number = int(guild) if guild.isdecimal() else 0
        return [
            session
            for shard, session in self._sessions.items()
            if (number >> 22) % session.total == shard
        ]


def _without_content(payload: Payload) -> Payload:
    """Return a message as Discord shows it to a bot without the intent; other events as they are.

    A bot hears messages that mention it, its own, and direct ones.
    """
    mentions = {each["id"] for each in payload.get("mentions", [])}
    is_own = payload.get("author", {}).get("id") == str(BOT)
    if "content" not in payload or str(BOT) in mentions or is_own or not payload.get("guild_id"):
        return payload
    return {**payload, "content": "", "attachments": [], "embeds": [], "components": []}
