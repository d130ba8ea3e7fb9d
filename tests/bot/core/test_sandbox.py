"""Processes for work on strangers' input: that they end with the bot.

Their limits are in `fetching/test_process.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys

from bot.core.child_process import COMMON_VARIABLES
from bot.core.installation import ROOT
from tests.timeouts import HANG_SECONDS

WORK = """
import threading
from bot.core.sandbox import end_with_the_bot
end_with_the_bot()
print("at work", flush=True)
threading.Event().wait()
"""


def test_a_process_ends_once_the_bot_lets_go() -> None:
    """Reading a book once went on without the bot, for up to a minute; on Windows fetching did."""
    with subprocess.Popen(
        [sys.executable, "-c", WORK],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: os.environ[name] for name in COMMON_VARIABLES if name in os.environ},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().split() == [b"at", b"work"]
        process.stdin.close()
        assert process.wait(timeout=HANG_SECONDS) == 1
