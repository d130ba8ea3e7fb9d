"""A small HTTP proxy on loopback that knows CONNECT, and leads all to one port of a test."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bot.core.fetching.addresses import is_address

LOGIN = ("me", "opens-the-proxy")


@dataclass
class ConnectProxy:
    """Use it inside `serve()`. What it was asked for is in `places`, in turn."""

    leads_to: int  # a port on loopback
    login: tuple[str, str] | None = None  # what it asks for
    answers: dict[str, bytes] = field(default_factory=dict)  # by place, instead of a connection
    tls: ssl.SSLContext | None = None  # ends the encryption on behalf of the site
    places: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[ConnectProxy]:
        tasks: set[asyncio.Task[None]] = set()

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._handle(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(begin, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                method, place, _ = head.decode().split(" ", 2)
                self.places.append(f"{method} {place}")
                if (answer := self._refusal(place, head)) is not None:
                    writer.write(answer)
                    await writer.drain()
                    return
                inner_reader, inner_writer = await asyncio.open_connection(
                    "127.0.0.1", self.leads_to
                )
                writers.append(inner_writer)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                if self.tls is not None:
                    await writer.start_tls(self.tls)
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pass_on(reader, inner_writer))
                    both.create_task(_pass_on(inner_reader, writer))
        finally:
            for each in writers:
                each.transport.abort()

    def _refusal(self, place: str, head: bytes) -> bytes | None:
        if self.login is not None:
            told = base64.b64encode(":".join(self.login).encode())
            if b"\r\nProxy-Authorization: Basic " + told + b"\r\n" not in head:
                return b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        return self.answers.get(place)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(2**16):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()


def certificate_for(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate for names or addresses; return its file and what a server needs.

    Raises FileNotFoundError where OpenSSL's program is missing.
    """
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    known = ",".join(f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in names)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={known}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
