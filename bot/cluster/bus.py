"""The connection to NATS: who we are there, what is said where, what is done when it is gone."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import AuthorizationError, NoRespondersError, SlowConsumerError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from bot.cluster.messages import BadMessage, Message, decode
from bot.core.errors import BadConfig
from bot.core.tasks import cancel_tasks

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
RETRY_SECONDS = 1
PING_SECONDS = 4  # a link that was cut is noticed after three of them
PENDING_MESSAGES, PENDING_BYTES = 20_000, 32 * 1024 * 1024  # of a subscription, not read yet
# They say why we cannot connect. A server that turns us away may be gone before its reason is read;
# the next try then tells.
TELLING = (AuthorizationError, ConnectionRefusedError, socket.gaierror, ssl.SSLError)
LOG_SECONDS = 30.0  # between two lines on messages that cannot be read

Kind = TypeVar("Kind", bound=Message)
Handler = Callable[[Kind], Awaitable[Message | None]]


@dataclass(frozen=True, slots=True)
class BusConfig:
    """Where NATS is, and how it knows us; all clusters on it have names of their own."""

    address: str  # nats:// or tls://, without credentials
    cluster: str = "sonneteer"
    user: str = ""
    password: str = ""
    ca_file: str = ""  # whose certificates are trusted; "": the system's


class Bus:
    """One connection. What is sent while it is down is lost, and the senders know how to go on."""

    def __init__(self, client: Client, config: BusConfig) -> None:
        self.id = uuid.uuid4().hex
        self._client = client
        self._prefix = f"sonneteer.{config.cluster}.v1"
        self._warned = -LOG_SECONDS
        self._error: Exception | None = None  # why we were refused, or the latest
        self._refused = asyncio.Event()
        self._closing = False

    @classmethod
    async def connect(cls, config: BusConfig, name: str) -> Bus:
        """Connect as `name`; raise BadConfig where nobody answers, or we are not let in."""
        client = Client()
        bus = cls(client, config)
        connecting = asyncio.create_task(
            client.connect(
                config.address,
                name=f"sonneteer-{name}",
                user=config.user or None,
                password=config.password or None,
                tls=_tls_of(config),
                connect_timeout=int(CONNECT_SECONDS),
                ping_interval=PING_SECONDS,
                max_outstanding_pings=2,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RETRY_SECONDS,
                pending_size=PENDING_BYTES,
                error_cb=bus._tell_error,
                disconnected_cb=bus._tell_disconnected,
                reconnected_cb=bus._tell_reconnected,
            )
        )
        # It would try for ever, as it is to do once it has been connected.
        refused = asyncio.create_task(bus._refused.wait())
        await asyncio.wait(
            [connecting, refused], timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if connecting.done() and connecting.exception() is None:
            await cancel_tasks([refused])
            return bus
        error = connecting.exception() if connecting.done() else bus._error
        await cancel_tasks([connecting, refused])
        await _drop(client)
        why = str(error or "it does not answer").removeprefix("nats: ").strip("'\"")
        raise BadConfig(
            f"NATS at {config.address} cannot be used: {why}. Check [cluster] nats in config.toml, "
            "SONNETEER_NATS_USER and SONNETEER_NATS_PASSWORD, and whether the server runs."
        )

    @property
    def is_up(self) -> bool:
        return self._client.is_connected

    @property
    def jetstream(self) -> JetStreamContext:
        return self._client.jetstream()

    async def close(self) -> None:
        self._closing = True
        await _drop(self._client)

    async def publish(self, subject: str, message: Message) -> None:
        """Send a message to whoever listens; it is lost while the connection is down."""
        if self.is_up:
            try:
                await self._client.publish(f"{self._prefix}.{subject}", message.encode())
            except (NatsError, OSError) as error:
                log.debug("not sent to %s: %s", subject, error)

    async def request(
        self, subject: str, message: Message, kind: type[Kind], seconds: float
    ) -> Kind | None:
        """Return the answer to a message, None where none came that can be read."""
        if not self.is_up:
            return None
        try:
            answer = await self._client.request(
                f"{self._prefix}.{subject}", message.encode(), timeout=seconds
            )
            return decode(kind, answer.data)
        except (NoRespondersError, TimeoutError, NatsError, OSError, BadMessage) as error:
            log.debug("no answer from %s: %s", subject, error)
            return None

    async def listen(self, subject: str, kind: type[Kind], handle: Handler[Kind]) -> Subscription:
        """Hand each message on a subject to `handle`; what it returns is the answer.

        What cannot be read is left out.
        """

        async def receive(raw: Msg) -> None:
            try:
                message = decode(kind, raw.data)
            except BadMessage as error:
                self._warn("A message on %s is left out: %s.", subject, error)
                return
            answer = await handle(message)
            if answer is not None and raw.reply and self.is_up:
                await self._client.publish(raw.reply, answer.encode())

        return await self._client.subscribe(
            f"{self._prefix}.{subject}",
            cb=receive,
            pending_msgs_limit=PENDING_MESSAGES,
            pending_bytes_limit=PENDING_BYTES,
        )

    def _warn(self, sentence: str, *values: object) -> None:
        """Say something that may happen a thousand times a second, now and then."""
        now = asyncio.get_running_loop().time()
        if now - self._warned >= LOG_SECONDS:
            self._warned = now
            log.warning(sentence, *values)

    async def _tell_error(self, error: Exception) -> None:
        if not self._refused.is_set():  # what comes after a refusal only hides it
            self._error = error
        # The library knows a refusal by its class only once it has been connected.
        if isinstance(error, TELLING) or "authorization violation" in str(error).lower():
            self._refused.set()
        if isinstance(error, SlowConsumerError):
            self._warn("NATS sends more than can be read; some poems begin again.")
        else:
            self._warn("NATS: %s", error or type(error).__name__)

    async def _tell_disconnected(self) -> None:
        if not self._closing:
            log.warning("the connection to NATS is lost; trying again until it is back")

    async def _tell_reconnected(self) -> None:
        log.info("the connection to NATS is back")


def _tls_of(config: BusConfig) -> ssl.SSLContext | None:
    if not config.address.startswith("tls://"):
        return None
    try:
        return ssl.create_default_context(cafile=config.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise BadConfig(
            f"[cluster] ca_file {config.ca_file!r} cannot be read: {error}. Give the file with the "
            "certificates that NATS's own is signed with."
        ) from error


async def _drop(client: Client) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.close()
    except (NatsError, OSError, TimeoutError) as error:
        log.debug("NATS was left without a goodbye: %s", error)
