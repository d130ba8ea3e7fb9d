"""A small Discord on loopback: real sockets, so that the real discord.py can be put to the test.

It speaks as much of REST v10 and of the gateway as the bot uses, remembers what was said, and
breaks where a test asks for it: `fail` and `hold` for requests, `gateway` for the rest.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from time import monotonic, time  # here a jump of the bot's clock is not seen
from typing import Any, Self

from aiohttp import web

from tests.discord_payloads import (
    APPLICATION,
    BOT,
    CHANNEL,
    GUILD,
    JOINED,
    MEMBER,
    Payload,
    application_payload,
    channel_payload,
    guild_payload,
    interaction_payload,
    message_payload,
    own_guild_payload,
    user_payload,
)
from tests.fake_gateway import FakeGateway
from tests.timeouts import HANG_SECONDS

TOKEN = "token-of-the-fake"
EPOCH = 1_420_070_400_000
EPHEMERAL = 1 << 6  # a message's flag
PANEL = 1 << 15  # a message's flag: Components V2
TEXT = 10  # the type of a component; those below are not for panels alone, but for a section
_EMPTY: Payload = {"content": "", "components": [], "flags": 0, "attachments": []}
DIRECT = 1_000_000  # added to a user's number: the channel of their direct messages


@dataclass(frozen=True)
class Fault:
    """An answer in place of the right one. With `after`, the request takes effect all the same."""

    status: int
    body: Payload | list[Payload] | str = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    cut: bool = False  # the connection is cut instead of an answer


def rate_limit(retry_after: float, *, everywhere: bool = False) -> Fault:
    body = {"message": "slow down", "retry_after": retry_after, "global": everywhere}
    return Fault(429, body, {"Via": "1.1 fake"})


class FakeDiscord:
    """Guilds with one channel and one member each. Use it inside `serve()`."""

    def __init__(self, guilds: Sequence[int] = (GUILD,)) -> None:
        self.gateway = FakeGateway(list(guilds), self._notify)
        self.messages: dict[int, Payload] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.commands: list[Payload] = []
        self.identifies_left = 999
        self.recommended_shards = 1
        self.permissions = 0  # of the member, as interactions tell them
        self.ahead_seconds = 0.0  # of the bot's clock; less than 0: the bot's is ahead
        self.is_archived = False  # whether the channel is a thread that is closed
        self.is_locked = False  # whether the bot may not open it again
        self.takes_files = True  # whether the bot may attach some
        self.files: dict[str, bytes] = {}  # by name, under `files_url`
        self.url = ""
        self._faults: list[tuple[str, re.Pattern[str], Fault]] = []
        self._outages: list[tuple[str, re.Pattern[str], Fault, float]] = []
        self._count = itertools.count()
        self._nonces: dict[str, int] = {}
        self._originals: dict[str, int] = {}  # interaction token → message
        self._acknowledged: set[str] = set()
        self._pressed: dict[str, int] = {}  # interaction token → message with the button
        self._answers: dict[int, list[int]] = {}  # command → messages that answer it
        self._held: list[tuple[str, re.Pattern[str], asyncio.Event]] = []
        self._changed = asyncio.Condition()

    # What tests do

    def fail(self, method: str, path: str, faults: Iterable[Fault]) -> None:
        """Answer the next requests whose path matches the pattern with `faults`, in turn."""
        self._faults += [(method, re.compile(path), fault) for fault in faults]

    def fail_for(self, seconds: float, method: str, path: str, fault: Fault) -> None:
        """Answer every request whose path matches the pattern with `fault`, for so long."""
        self._outages.append((method, re.compile(path), fault, monotonic() + seconds))

    def hold(self, method: str, path: str) -> asyncio.Event:
        """Keep the next request whose path matches waiting until the event is set."""
        self._held.append((method, re.compile(path), released := asyncio.Event()))
        return released

    def waits_for(self, released: asyncio.Event) -> bool:
        """Whether no request has come yet that is to be held until then."""
        return any(event is released for *_, event in self._held)

    async def say(self, content: str, guild: int = GUILD, **changes: Any) -> int:
        """Let the member write a message, or with `changes` somebody else."""
        message = self._message(MEMBER, {"content": content}, guild)
        message.update(changes)
        me = user_payload(BOT, "Sonneteer", bot=True)
        message["mentions"] = [me] if f"<@{BOT}>" in content else []
        await self.gateway.emit("MESSAGE_CREATE", message)
        return int(message["id"])

    async def slash(self, name: str, options: dict[str, Any]) -> str:
        """Let the member send a slash command; return the interaction's token."""
        number = self._next_id()
        kinds: dict[type, int] = {str: 3, int: 4, float: 10}
        given = [
            {"name": key, "type": kinds[type(value)], "value": value}
            for key, value in options.items()
        ]
        command = next(one for one in self.commands if one["name"] == name)
        data = {"id": command["id"], "name": name, "type": 1, "options": given}
        await self.gateway.emit("INTERACTION_CREATE", self._interaction(number, 2, data))
        return f"interaction-{number}"

    async def call(self, name: str, *options: Payload) -> int:
        """Let the member send a slash command, which need not be known; return its number."""
        return await self.interact(2, self.called(name, *options))

    def called(self, name: str, *options: Payload) -> Payload:
        """Return what an interaction says of a slash command."""
        word, *rest = name.split()
        given = list(options)
        for part in reversed(rest):
            given = [{"name": part, "type": 1, "options": given}]
        number = next((one["id"] for one in self.commands if one["name"] == word), "1")
        return {"id": number, "name": word, "type": 1, "options": given}

    async def interact(self, kind: int, data: Payload, **changes: Any) -> int:
        """Let the member send an interaction of any kind; return its number."""
        event = self._interaction(self._next_id(), kind, data) | changes
        await self.gateway.emit("INTERACTION_CREATE", event)
        return int(event["id"])

    async def press(self, message: Payload, label: str, **changes: Any) -> str:
        """Let the member press a button, with `changes` elsewhere; return the token."""
        buttons = walk(message["components"])
        custom_id = next(one["custom_id"] for one in buttons if one.get("label") == label)
        data = {"custom_id": custom_id, "component_type": 2}
        return await self._use(message, data, **changes)

    async def choose(self, message: Payload, custom_id: str, values: list[str]) -> str:
        """Let the member choose in a list; return the interaction's token."""
        kind = next(
            one["type"] for one in walk(message["components"]) if one.get("custom_id") == custom_id
        )
        data = {"custom_id": custom_id, "component_type": kind, "values": values}
        return await self._use(message, data)

    async def submit(self, message: Payload, custom_id: str, labels: list[Payload]) -> str:
        """Let the member submit a form that a button of `message` opened; return the token."""
        return await self._use(message, {"custom_id": custom_id, "components": labels}, kind=5)

    async def _use(self, message: Payload, data: Payload, kind: int = 3, **changes: Any) -> str:
        number = self._next_id()
        self._pressed[f"interaction-{number}"] = int(message["id"])
        event = {**self._interaction(number, kind, data), "message": message, **changes}
        await self.gateway.emit("INTERACTION_CREATE", event)
        return f"interaction-{number}"

    def post(self, content: str, components: list[Payload]) -> Payload:
        """Let the bot have said something."""
        return self._message(BOT, {"content": content, "components": components})

    async def edit(self, message_id: int, content: str, at: str) -> None:
        """Let the member change a message; `at` is the time that Discord tells."""
        self.messages[message_id].update(content=content, edited_timestamp=at)
        await self.gateway.emit("MESSAGE_UPDATE", self.messages[message_id])

    async def delete(self, message_id: int) -> None:
        self.messages.pop(message_id, None)
        where = {"id": str(message_id), "channel_id": str(CHANNEL), "guild_id": str(GUILD)}
        await self.gateway.emit("MESSAGE_DELETE", where)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to be true after a request or a gateway event."""
        async with asyncio.timeout(HANG_SECONDS), self._changed:
            await self._changed.wait_for(condition)

    @property
    def answers(self) -> list[Payload]:
        """The bot's messages as they are now, oldest first."""
        return [one for one in self.messages.values() if one["author"]["id"] == str(BOT)]

    def answers_to(self, command: int) -> list[Payload]:
        """What the bot says in answer to a message or an interaction, as it is now."""
        sent = self._answers.get(command, [])
        there = (self.messages[number] for number in sent if number in self.messages)
        return [message for message in there if not message.get("thinking")]

    @property
    def contents(self) -> list[str]:
        """What the bot's messages say, also those that are panels."""
        return [shown(answer) for answer in self.answers]

    def forget_nonces(self) -> None:
        """Take every message for a new one from now on, as Discord does after some minutes."""
        self._nonces.clear()

    @property
    def confided(self) -> list[Payload]:
        """The bot's direct messages, oldest first."""
        return [one for one in self.answers if int(one["channel_id"]) >= DIRECT]

    def attach(self, name: str, content: bytes) -> Payload:
        """Let there be a file; return what an interaction says of it."""
        self.files[name] = content
        url = f"{self.url.removesuffix('/api/v10')}/files/{name}"
        about = {"id": str(self._next_id()), "filename": name, "size": len(content)}
        return {**about, "url": url, "proxy_url": url}

    # Serving

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1") -> AsyncIterator[Self]:
        app = web.Application()
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/files/{name}", self._file)
        app.router.add_route("*", "/api/v10/{path:.*}", self._rest)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, host, 0)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"http://{host}:{port}/api/v10"
        name = "localhost" if host == "127.0.0.1" else host  # a name, which may not be found
        self.gateway.url = f"ws://{name}:{port}/gateway/"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _now(self) -> float:
        return time() + self.ahead_seconds

    def _next_id(self) -> int:
        """Number what is new by the time, as Discord does: old interactions have expired."""
        moment = round(self._now() * 1000) - EPOCH
        return (moment << 22) + next(self._count)  # in the bits below the time, as Discord counts

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["name"]])

    # REST

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        answer = await self._respond(request)
        answer.headers.setdefault("Date", formatdate(self._now(), usegmt=True))
        return answer

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        path = f"/{request.match_info['path']}"
        body = await self._body(request)
        self.requests.append((request.method, path, body))
        by_token = path.startswith(("/webhooks/", "/interactions/"))  # theirs is in the path
        if not by_token and request.headers.get("Authorization") != f"Bot {TOKEN}":
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        await self._wait_if_held(request.method, path)
        fault = self._fault(request.method, path)
        if request.content_type == "multipart/form-data" and not self.takes_files:
            fault = Fault(403, {"message": "Missing Permissions", "code": 50013})
        if fault is None or fault.after:
            answer = await self._act(request.method, path, body)
        await self._notify()
        if fault is None:
            return answer
        if fault.cut and request.transport is not None:
            request.transport.abort()
        if isinstance(fault.body, str):
            answer = web.Response(text=fault.body, content_type="text/html", status=fault.status)
        else:
            answer = _json(fault.body, fault.status)
        answer.headers.update(fault.headers)
        return answer

    async def _body(self, request: web.Request) -> Any:
        if request.content_type == "multipart/form-data":
            form = await request.post()
            return json.loads(str(form["payload_json"]))
        return await request.json() if request.can_read_body else None

    def _fault(self, method: str, path: str) -> Fault | None:
        for number, (faulty_method, pattern, fault) in enumerate(self._faults):
            if method == faulty_method and pattern.search(path):
                del self._faults[number]
                return fault
        for outage_method, pattern, fault, until in self._outages:
            if monotonic() < until and method == outage_method and pattern.search(path):
                return fault
        return None

    async def _wait_if_held(self, method: str, path: str) -> None:
        for number, (held_method, pattern, released) in enumerate(self._held):
            if method == held_method and pattern.search(path):
                del self._held[number]
                await self._notify()
                await released.wait()
                return

    async def _act(self, method: str, path: str, body: Any) -> web.Response:
        match [method, *path.strip("/").split("/")]:
            case ["GET", "users", "@me"]:
                return _json(user_payload(BOT, "Sonneteer", bot=True))
            case ["GET", "oauth2", "applications", "@me"]:
                approves = self.gateway.approves_message_content
                return _json(application_payload(message_content=approves))
            case ["GET", "gateway", "bot"]:
                return _json(self._gateway_info())
            case ["PUT", "applications", _, "commands"]:
                self.commands = [self._command(command) for command in body]
                return _json(self.commands)
            case ["POST", "channels", _, "typing"]:
                return web.Response(status=204)
            case ["GET", "channels", channel, "messages"]:
                return _json(self._history(channel))
            case ["POST", "channels", channel, "messages"]:
                if int(channel) < DIRECT and self.is_archived and self.is_locked:
                    return _archived()
                self.is_archived &= int(channel) >= DIRECT  # a message opens a thread again
                return _json(await self._post(body, int(channel)))
            case ["PATCH", "channels", channel]:
                return self._open(body)
            case ["POST", "users", "@me", "channels"]:
                return _json(self._direct_channel(int(body["recipient_id"])))
            case ["POST", "interactions", _, token, "callback"]:
                return await self._callback(token, body)
            case ["POST", "webhooks", _, token]:
                return _json(await self._follow_up(token, body))
            case ["PATCH" | "DELETE", "channels", channel, "messages", _] if (
                self.is_archived and int(channel) < DIRECT
            ):
                return _archived()
            case [_, "channels", _, "messages", number] | [_, "webhooks", _, _, "messages", number]:
                own = path.split("/")[3]
                message_id = self._originals.get(own, 0) if number == "@original" else int(number)
                return await self._on_message(method, message_id, body)
            case ["GET", *rest]:
                return self._look_up(rest)
        return _json({"message": f"no {method} {path}", "code": 0}, status=404)

    def _open(self, body: Payload) -> web.Response:
        """Open or close the thread, as far as the bot may."""
        if self.is_locked:
            return _json({"message": "Missing Permissions", "code": 50013}, status=403)
        self.is_archived = body["archived"]
        return _json(channel_payload())

    def _look_up(self, path: list[str]) -> web.Response:
        """Answer what only whoever examines the bot asks."""
        match path:
            case ["users", "@me", "guilds"]:
                return _json([own_guild_payload()])
            case ["guilds", number] if number == str(GUILD):
                return _json(guild_payload())
            case ["guilds", number, "members", _] if number == str(GUILD):
                return _json({"user": user_payload(BOT, "Sonneteer", bot=True), "roles": []})
            case ["channels", number] if number == str(CHANNEL):
                return _json(channel_payload())
            case ["applications", _, "commands"]:
                return _json(self.commands)
        return _json({"message": f"Unknown {path[0]}", "code": 0}, status=404)

    async def _on_message(self, method: str, message_id: int, body: Any) -> web.Response:
        message = self.messages.get(message_id)
        if message is None:
            return _json({"message": "Unknown Message", "code": 10008}, status=404)
        if method == "DELETE":
            await self.delete(message_id)
            return web.Response(status=204)
        if method == "PATCH":
            names = ("content", "components", "flags", "attachments")
            changes = {key: body[key] or _EMPTY[key] for key in names if key in body}
            if "flags" in changes:  # what only the asker sees stays so
                changes["flags"] |= message["flags"] & EPHEMERAL
            if not fits_together(message | changes, was=message["flags"]):
                return _json({"message": "Invalid Form Body", "code": 50035}, status=400)
            message.update(changes, edited_timestamp=JOINED)
            message["attachments"] = [self._attached(each) for each in message["attachments"]]
            message.pop("thinking", None)
            await self.gateway.emit("MESSAGE_UPDATE", message)
        return _json(message)

    def _history(self, channel: str) -> list[Payload]:
        """Return what was said in a channel, the latest first, as Discord does."""
        said = (one for one in self.messages.values() if one["channel_id"] == channel)
        return sorted(said, key=lambda one: int(one["id"]), reverse=True)[:50]

    async def _post(self, body: Payload, channel: int) -> Payload:
        nonce = str(body.get("nonce"))
        if body.get("enforce_nonce") and nonce in self._nonces:
            return self.messages[self._nonces[nonce]]
        message = self._message(BOT, body)
        message["channel_id"] = str(channel)
        self._answer(int(nonce.partition("-")[0]) if nonce[0].isdecimal() else 0, message)
        self._nonces[nonce] = int(message["id"])
        await self.gateway.emit("MESSAGE_CREATE", message)
        return message

    async def _callback(self, token: str, body: Payload) -> web.Response:
        if token in self._acknowledged:
            return _json({"message": "already acknowledged", "code": 40060}, status=400)
        self._acknowledged.add(token)
        if body["type"] in (4, 5):
            message = self._message(BOT, body.get("data") or {"content": ""})
            message |= {"webhook_id": str(APPLICATION), "thinking": body["type"] == 5}
            self._originals[token] = int(message["id"])
            self._answer(int(token.split("-")[1]), message)
        elif body["type"] in (6, 7):
            self._originals[token] = self._pressed[token]
            await self._on_message("PATCH", self._pressed[token], body.get("data") or {})
        return _json({"interaction": {"id": token.split("-")[1], "type": 2}})

    async def _follow_up(self, token: str, body: Payload) -> Payload:
        original = self.messages.get(self._originals.get(token, 0))
        if original is not None and original.pop("thinking", False):
            original.update(content=body["content"] or "", components=body.get("components", []))
            return original
        message = self._message(BOT, body)
        message["webhook_id"] = str(APPLICATION)
        self._answer(int(token.split("-")[1]), message)
        await self.gateway.emit("MESSAGE_CREATE", message)
        return message

    # Payloads

    def _interaction(self, number: int, kind: int, data: Payload) -> Payload:
        payload = interaction_payload(number, kind, data)
        payload["member"]["permissions"] = str(self.permissions)
        return payload

    def _answer(self, command: int, message: Payload) -> None:
        self._answers.setdefault(command, []).append(int(message["id"]))

    def _message(self, author: int, body: Payload, guild: int = GUILD) -> Payload:
        message = message_payload(number := self._next_id(), author, body)
        message["attachments"] = [self._attached(each) for each in body.get("attachments", ())]
        message["guild_id"] = str(guild)
        self.messages[number] = message
        return message

    def _attached(self, file: Payload) -> Payload:
        url = f"{self.url.removesuffix('/api/v10')}/files/{file['filename']}"
        return {"size": 1, "url": url, "proxy_url": url, **file, "id": str(file["id"])}

    def _direct_channel(self, user: int) -> Payload:
        recipients = [user_payload(user, "ann")]
        return {"id": str(DIRECT + user), "type": 1, "recipients": recipients}

    def _command(self, command: Payload) -> Payload:
        identity = {"id": str(self._next_id()), "application_id": str(APPLICATION)}
        return {
            "description": "",
            **command,
            **identity,
            "version": "1",
            "default_member_permissions": None,
        }

    def _gateway_info(self) -> Payload:
        left = self.identifies_left
        limit = {"total": 1000, "remaining": left, "reset_after": 0, "max_concurrency": 1}
        shards, url = self.recommended_shards, self.gateway.url
        return {"url": url, "shards": shards, "session_start_limit": limit}


def walk(components: Iterable[Payload]) -> Iterator[Payload]:
    """Yield components and those within them."""
    for each in components:
        yield each
        inner = each.get("component")
        yield from walk([*each.get("components", ()), *([inner] if inner else ())])


def shown(message: Payload) -> str:
    """Return what a message says, whether it is a panel or not."""
    texts = [each["content"] for each in walk(message["components"]) if each["type"] == TEXT]
    return "\n".join([message["content"], *texts]).strip()


def fits_together(message: Payload, *, was: int = 0) -> bool:
    """Whether Discord would take such a message: a panel stays one, and has no content.

    https://docs.discord.com/developers/components/reference#component-reference
    """
    is_panel = bool(message["flags"] & PANEL)
    if was & PANEL and not is_panel:
        return False
    components = list(walk(message["components"]))
    names = {f"attachment://{each['filename']}" for each in message["attachments"]}
    shows = {
        item["media"]["url"]
        for each in components
        for item in each.get("items", ())
        if item["media"]["url"].startswith("attachment:")
    }
    if is_panel:
        return bool(components) and not message["content"] and shows <= names
    return all(each["type"] < TEXT for each in components)


def _archived() -> web.Response:
    return _json({"message": "Thread is archived", "code": 50083}, status=400)


def _json(payload: Any, status: int = 200) -> web.Response:
    """Answer as Discord does: discord.py reads JSON only where no charset is named."""
    kind = {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(payload).encode(), headers=kind, status=status)
