"""Who means the page no good: sockets that are opened again and again. For `streams.py`."""

from __future__ import annotations

import errno
import resource
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

ATTACKER = "127.0.0.1"
LOOK_SECONDS = 0.2  # between two looks at all sockets
SYN_SENT, ESTABLISHED = 2, 1  # of Linux' TCP_INFO

HEAD = b"POST /api/poems HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
STREAM = HEAD + b"Accept: text/event-stream\r\nContent-Length: 2\r\n\r\n{}"
FILES = b"GET /script.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30


@dataclass(frozen=True, slots=True)
class Attack:
    """`opening` is sent at once, of `trickle` a letter a second."""

    name: str
    opening: bytes = b""
    trickle: bytes = b""
    addresses: int = 1


ATTACKS = (
    Attack("silent"),
    Attack("heads", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"a" * 100_000),
    Attack("bodies", HEAD + b"Content-Length: 60000\r\n\r\n", b" " * 60_000),
    Attack("streams", STREAM),
    Attack("crowd", STREAM, addresses=2500),
    Attack("deaf", FILES),
)


class Stranger:
    """One of the attacker's sockets, opened again and again."""

    def __init__(self, attack: Attack, address: tuple[str, int], source: str) -> None:
        self._attack, self._address, self._source = attack, address, source
        self._socket: socket.socket | None = None
        self._due = 0.0
        self._has_opened, self._said = False, 0
        self.status = ""

    def turn(self, now: float, pause: float) -> int:
        """Do what is due; return 1 when a connection was begun."""
        if self._socket is None:
            if now < self._due:
                return 0
            self._begin()
            return 1
        state = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state == ESTABLISHED:
            self._speak(now)
        elif state != SYN_SENT:
            self._listen()
            self.end()
            self._due = now + pause
        return 0

    def end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _begin(self) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.bind((self._source, 0))
        wrong = self._socket.connect_ex(self._address)
        if wrong not in (0, errno.EINPROGRESS):
            raise OSError(wrong, "the attacker has no more ports")
        self._has_opened, self._said = False, 0
        self.status = ""

    def _speak(self, now: float) -> None:
        assert self._socket is not None
        with suppress(OSError):
            if not self._has_opened:
                self._socket.send(self._attack.opening)
                self._has_opened = True
                self._due = now + 1
            elif now >= self._due and self._attack.trickle:
                self._socket.send(self._attack.trickle[self._said : self._said + 1])
                self._said += 1
                self._due = now + 1
        self._listen()

    def _listen(self) -> None:
        """Look at the status line and leave it unread."""
        assert self._socket is not None
        if not self.status:
            with suppress(OSError):
                self.status = self._socket.recv(12, socket.MSG_PEEK)[9:12].decode("ascii")


def attack_until_told(
    attack: Attack, address: tuple[str, int], count: int, pause: float, pipe: Connection
) -> None:
    """Keep `count` connections open; at any word on the pipe tell what was seen, and end."""
    raise_limit()
    sources = [
        ATTACKER if attack.addresses == 1 else f"127.1.{number // 250}.{1 + number % 250}"
        for number in range(attack.addresses)
    ]
    strangers = [
        Stranger(attack, address, sources[number % len(sources)]) for number in range(count)
    ]
    tried = failed = 0
    answers: Counter[str] = Counter()
    while not pipe.poll():
        began = time.monotonic()
        for stranger in strangers:
            try:
                tried += stranger.turn(time.monotonic(), pause)
            except OSError:
                failed += 1
                stranger.end()
        rest = LOOK_SECONDS - (time.monotonic() - began)
        if rest > 0:
            time.sleep(rest)
    for stranger in strangers:
        answers[stranger.status or "none"] += 1
        stranger.end()
    pipe.send((tried, failed, dict(answers)))


def raise_limit() -> int:
    """Let this process, and what it starts, have as many descriptors as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
