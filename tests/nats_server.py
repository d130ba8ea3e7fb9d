"""A NATS server of our own on loopback, where one is installed."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

NATS_SERVER = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
START_SECONDS = 20.0
MONITOR = re.compile(r"http monitor on \S+:(\d+)")
WITHOUT = "no nats-server here; on Debian: apt install nats-server"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class NatsServer:
    """A process that keeps its port and its folder over restarts."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        host: str = "127.0.0.1",
        port: int = 0,
        inside: Sequence[str] = (),
    ) -> None:
        """Take further options of the server; `inside` is a command that runs another."""
        self._folder = folder
        self._options = options
        self._host = host
        self._inside = inside
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"nats://{self._host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    async def start(self) -> None:
        """Start it and return when it takes connections."""
        assert NATS_SERVER is not None, WITHOUT
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [
                *(*self._inside, NATS_SERVER, "-a", self._host, "-p", str(self.port), "-js"),
                *("-sd", str(self._folder), "-l", str(self._folder / "nats.log"), *self._options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_SECONDS):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection(self._host, self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    async def counters(self) -> dict[str, float]:
        """Return how many messages and bytes went through it, and its memory in bytes.

        Needs the options "-m" and a port; -1: any.
        """
        address = MONITOR.search((self._folder / "nats.log").read_text("utf-8"))
        assert address is not None, "no monitoring"
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{self._host}:{address[1]}/varz") as response,
        ):
            told = await response.json()
        return {
            "messages": told["in_msgs"] + told["out_msgs"],
            "bytes": told["in_bytes"] + told["out_bytes"],
            "memory": told["mem"],
        }

    async def stop(self, *, kill: bool = False) -> None:
        """End it as an admin does, or at once."""
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            await asyncio.to_thread(self._process.wait)
            self._process = None
