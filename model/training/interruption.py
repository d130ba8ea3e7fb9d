"""What may end a training early: Ctrl-C, SIGTERM, the end of a leash, and readers who left."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType


class Interruption:
    """Notes the first signal, so that the step under way is saved; the second acts at once.

    With a `leash`, the end of stdin counts as a SIGTERM: whoever holds its other end has let go,
    or is no more. Neither can be missed, however that program ended.
    """

    def __init__(self, *, leash: bool = False) -> None:
        self.signal = 0
        if leash:
            threading.Thread(target=self._wait_for_end, name="leash", daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number

    def _wait_for_end(self) -> None:
        try:
            while os.read(sys.stdin.fileno(), 1024):
                pass
        except (OSError, ValueError):
            pass  # there was no other end to begin with
        self.signal = self.signal or signal.SIGTERM

    @property
    def exit_status(self) -> int:
        """What a shell reports of a program that the signal ended."""
        return 128 + self.signal


def drop_unread() -> None:
    """Empty the buffers whose readers have gone; Python would complain of them at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
