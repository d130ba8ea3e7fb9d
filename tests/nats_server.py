"""A NATS server of our own on loopback, where one is installed."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

NATS_SERVER = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
START_SECONDS = 20.0
WITHOUT = "no nats-server here; on Debian: apt install nats-server"


class NatsServer:
    """A process that keeps its port and its folder over restarts."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and return when it takes connections."""
        assert NATS_SERVER is not None, WITHOUT
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [
                *(NATS_SERVER, "-a", "127.0.0.1", "-p", str(self.port), "-js"),
                *("-sd", str(self._folder), "-l", str(self._folder / "nats.log"), *self._options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_SECONDS):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    async def stop(self, *, kill: bool = False) -> None:
        """End it as an admin does, or at once."""
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            await asyncio.to_thread(self._process.wait)
            self._process = None
