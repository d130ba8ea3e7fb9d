"""What may end a training early: Ctrl-C, SIGTERM, and readers who have seen enough."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


class Interruption:
    """Notes the first signal, so that the step under way is saved; the second acts at once."""

    def __init__(self) -> None:
        self.signal = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number

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
