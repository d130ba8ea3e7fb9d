"""Delays what passes between two ends of links, as a long line does, where there is no netem.

    python -m tests.rigs.cluster.wire LEAST MOST END END [END END …]

Each frame that comes in at one of a pair of ends goes out at the other, LEAST to MOST milliseconds
later; none overtakes another. Runs in a network namespace whose ends have no addresses, or else the
kernel would answer in place of the far side.
"""

from __future__ import annotations

import os
import random
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

MAX_FRAME = 2**16 + 64  # one that the kernel has not cut into segments yet
BUFFER_BYTES = 16 * 2**20
AT_ONCE = 64  # frames taken before the others' turn
EVERY_PROTOCOL = 3
# Of packet(7); Python does not name them. A frame is told with what a network card was to do for
# it, such as its checksum: so it can be sent on as it is.
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE = 263, 15, 23, 33


class Line:
    """One way of a wire."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self._source = source
        self._target = target
        self._waiting: deque[tuple[float, bytes]] = deque()

    def take(self, least: float, most: float) -> None:
        """Take what has come; delays are in seconds."""
        with suppress(OSError):  # nothing more, or the link is down
            for _ in range(AT_ONCE):
                frame = self._source.recv(MAX_FRAME)
                due = time.monotonic() + random.uniform(least, most)
                if self._waiting:
                    due = max(due, self._waiting[-1][0])
                self._waiting.append((due, frame))

    def pass_on(self) -> float | None:
        """Send what is due; return when the next one is, None if nothing waits."""
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            with suppress(OSError):  # as a line that is cut, or full
                self._target.send(self._waiting[0][1])
            self._waiting.popleft()
        return self._waiting[0][0] if self._waiting else None


def run(least: float, most: float, ends: Sequence[str]) -> None:
    """Pass frames on for ever."""
    lines: list[Line] = []
    selector = selectors.DefaultSelector()
    for one, other in zip(ends[::2], ends[1::2], strict=True):
        left, right = _open(one), _open(other)
        for source, target in ((left, right), (right, left)):
            lines.append(line := Line(source, target))
            selector.register(source, selectors.EVENT_READ, line)
    while True:
        due = [when for line in lines if (when := line.pass_on()) is not None]
        wait = max(min(due) - time.monotonic(), 0.0) if due else None
        for key, _ in selector.select(wait):
            key.data.take(least, most)


def _open(end: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    opened.setblocking(False)
    opened.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    opened.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    opened.bind((end, EVERY_PROTOCOL))
    return opened


def main() -> None:
    least, most, *ends = sys.argv[1:]
    with suppress(PermissionError):  # poems fill the processors, and a line does not wait for them
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    with suppress(KeyboardInterrupt):
        run(float(least) / 1000, float(most) / 1000, ends)


if __name__ == "__main__":
    main()
