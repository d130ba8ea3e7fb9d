"""Counts what comes in on the wire, in how many pieces, and how much of it was useful.

Bytes are counted at the socket, before TLS and HTTP are read: interim answers, chunk sizes and
their extensions, trailers and tiny TLS records cost the sender his allowance as any others.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

# Six answers with their certificates (some 10 kB each), and what aiohttp buffers (144 KiB) before
# it is counted as useful.
ALLOWANCE_BYTES = 256 * 2**10
ALLOWANCE_READS = 2000
USEFUL_PER_READ = 32  # bytes, a short line; a packet has 500 at least where it is full
RAW_PER_USEFUL = 2  # chunks of 16 bytes need 1.4; smaller ones are an attack
WINDOW_BYTES = 128 * 2**10  # that the system takes in ahead of us; Linux doubles it
PIECE_BYTES = 16 * 2**10  # read at a time: what is handed to the parser in one go


class TooMuchFraming(OSError):
    """More was sent around the book than a site needs."""


class Meter:
    """Counts for one fetch; `open_socket` makes the sockets that it reads."""

    def __init__(self) -> None:
        self.raw_bytes = 0
        self.reads = 0
        self.is_broken = False  # a connection did not end as it should
        self.useful_bytes = 0

    @property
    def is_spent(self) -> bool:
        most_reads = ALLOWANCE_READS + self.useful_bytes // USEFUL_PER_READ
        most_bytes = ALLOWANCE_BYTES + RAW_PER_USEFUL * self.useful_bytes
        return self.reads > most_reads or self.raw_bytes > most_bytes

    def open_socket(self, address: aiohttp.AddrInfoType) -> MeteredSocket:
        return MeteredSocket(self, *address[:3])

    def count(self, raw_bytes: int) -> None:
        """Count a read; raise TooMuchFraming, at which the connection is dropped."""
        self.reads += 1
        self.raw_bytes += raw_bytes
        if self.is_spent:
            raise TooMuchFraming

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note where reading fails: a book without a length would seem to end there."""
        try:
            yield
        except (BlockingIOError, InterruptedError):
            raise
        except OSError:
            self.is_broken = True
            raise


class MeteredSocket(socket.socket):
    """Reads through a meter; asyncio's selector loop reads with these two methods alone."""

    is_tunnel = False  # whether it leads to its address already, through a proxy

    def __init__(self, meter: Meter, family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self.setblocking(False)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
        self._meter = meter

    def connect(self, address: Any, /) -> None:
        if not self.is_tunnel:
            super().connect(address)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        with self._meter.watch():
            read = super().recv(min(size, PIECE_BYTES), flags)
        self._meter.count(len(read))
        return read

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0, /) -> int:
        room = min(size or memoryview(buffer).nbytes, PIECE_BYTES)
        with self._meter.watch():
            read = super().recv_into(buffer, room, flags)
        self._meter.count(read)
        return read
