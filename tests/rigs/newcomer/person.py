"""A newcomer at a terminal: an empty home, an empty folder, and nothing of ours on the path."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

COLUMNS, ROWS = 80, 40
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# How this machine reaches packages is no matter of the newcomer's.
KEPT = re.compile("PIP_|UV_|SSL_|REQUESTS_|CURL_|GIT_SSL|HTTPS?_PROXY|NO_PROXY", re.IGNORECASE)
CODES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])")
HANG_SECONDS = 900.0
READ_BYTES = 65_536
CTRL_C = "\x03"


class Failed(Exception):
    """A step did not show what it should; `str` has the end of the screen."""


class Person:
    """Somebody whose home is `folder / "home"` and who works in `folder`."""

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if KEPT.match(name)}
        self.variables = {
            **kept,
            "HOME": str(self.home),
            "PATH": f"{self.home / '.local' / 'bin'}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "PIPX_HOME": str(self.home / ".local" / "pipx"),
            **(variables or {}),
        }

    def start(
        self,
        *command: str | Path,
        columns: int = COLUMNS,
        inside: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Session:
        """Type a command; `inside` is another folder to type it in."""
        return Session(
            [str(word) for word in command],
            inside or self.folder,
            {**self.variables, **(variables or {})},
            columns,
        )

    def do(self, *command: str | Path, status: int | None = 0, **where: Path) -> Session:
        """Type a command and wait for its end; raise Failed for another exit status."""
        session = self.start(*command, **where)  # type: ignore[arg-type]
        session.wait(status)
        return session


class Session:
    """A command in a terminal of its own; `screen` is what it showed."""

    def __init__(
        self, command: Sequence[str], folder: Path, variables: Mapping[str, str], columns: int
    ) -> None:
        self.began = time.monotonic()
        self.command = command
        self._raw = b""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))

        def take_terminal() -> None:  # getpass asks the terminal itself
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(variables),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(theirs)
        self._terminal = ours

    @property
    def screen(self) -> str:
        text = CODES.sub("", self._raw.decode("utf-8", "replace"))
        return "\n".join(line.rpartition("\r")[2].rstrip() for line in _lines(text))

    @property
    def status(self) -> int | None:
        return self._process.poll()

    def cpu_seconds(self) -> float:
        """Return what it has taken of processors, those of its ended children with it."""
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            all_of_it = [process, *process.children(recursive=True)]
            return float(sum(sum(each.cpu_times()[:4]) for each in all_of_it))
        return 0.0

    def until(self, words: str, seconds: float = HANG_SECONDS, *, line: bool = False) -> str:
        """Wait until the words are shown; return the screen. Ends it and raises Failed if not.

        With `line`, wait until their line has ended.
        """
        end = time.monotonic() + seconds
        while words not in self.screen or (line and "\n" not in self.screen.partition(words)[2]):
            if not self._read(end - time.monotonic()):
                self.close()
                raise Failed(f"{words!r} was not shown: {self.screen[-1500:]}")
        return self.screen

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def wait(self, status: int | None = 0, seconds: float = HANG_SECONDS) -> str:
        """Wait for its end; raise Failed where it is not as said (None: any)."""
        end = time.monotonic() + seconds
        while self._read(end - time.monotonic()):
            pass
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(end - time.monotonic(), 1.0))
        self.close()
        if status is not None and self._process.returncode != status:
            told = f"{' '.join(self.command)} ended with {self._process.returncode}"
            raise Failed(f"{told}: {self.screen[-1500:]}")
        return self.screen

    def interrupt(self) -> str:
        """Type Ctrl-C and wait for the end; return the screen."""
        self.type(CTRL_C)
        return self.wait(None, 60.0)

    def close(self) -> None:
        """End it with all that it started, if it has not ended."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with suppress(OSError):
            os.close(self._terminal)

    def _read(self, seconds: float) -> bool:
        """Read what comes next; return whether something may still come."""
        if seconds <= 0:
            return False
        ready, _, _ = select.select([self._terminal], [], [], min(seconds, 1.0))
        if not ready:
            return True
        try:
            read = os.read(self._terminal, READ_BYTES)
        except OSError:  # the other end was closed
            return False
        self._raw += read
        return bool(read)


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")
