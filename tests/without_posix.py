"""Runs Python with what Windows lacks taken away, on a system that has it.

    python tests/without_posix.py STARTER -m MODULE ARGUMENT …
    python tests/without_posix.py STARTER -c CODE ARGUMENT …
    python tests/without_posix.py STARTER FILE ARGUMENT …

STARTER is a program that calls this one: what is run finds it as `sys.executable`, so that its
child processes lack the same. `sys.platform` is "win32" for whatever looks at it later: our code,
and not the libraries, which are imported before.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import os
import resource
import runpy
import signal
import socket
import sys
import sysconfig
import zoneinfo
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

# They choose what suits the system when they are imported.
LIBRARIES = (
    *("aiohttp.web", "aiosqlite", "concurrent.futures.process", "discord.ext.commands"),
    *("filelock", "numba", "PIL.ImageFont", "platformdirs"),
)
OF_TRAINING = ("torch", "tqdm", "matplotlib.backends.backend_agg", "matplotlib.font_manager")
OF_TESTS = ("_pytest.capture", "psutil")
MODULES = ("fcntl", "grp", "pwd", "pty", "resource", "syslog", "termios", "tty")
OF_OS = (
    *("chown", "chroot", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid"),
    *("getloadavg", "getpgid", "getpriority", "getuid", "killpg", "lchown", "mkfifo", "nice"),
    *("openpty", "pidfd_open", "posix_fallocate", "posix_spawn", "sched_getaffinity"),
    *("sched_setaffinity", "setpriority", "setsid", "setuid", "sysconf", "uname"),
    "wait4",
)
OF_SIGNAL = ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2", "alarm")
OF_SOCKET = ("AF_NETLINK", "AF_UNIX", "NETLINK_ROUTE")


def take_posix_away(libraries: Iterable[str]) -> None:
    """Import libraries, then remove what Windows lacks."""
    for name in libraries:
        with suppress(ModuleNotFoundError):
            importlib.import_module(name)
    sysconfig.get_config_vars()  # which are kept
    asyncio.new_event_loop().close()  # its kind is kept, too
    os.process_cpu_count = os.cpu_count  # type: ignore[attr-defined]  # since Python 3.13
    zoneinfo.reset_tzpath(())
    socket.socketpair = partial(socket.socketpair, socket.AF_UNIX)  # for asyncio's own use
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it fails
    for module, names in ((os, OF_OS), (signal, OF_SIGNAL), (socket, OF_SOCKET)):
        for name in names:
            with suppress(AttributeError):
                delattr(module, name)
    loop: Any = asyncio.SelectorEventLoop
    loop.add_signal_handler = loop.remove_signal_handler = loop.add_reader = _refuse
    os.fsync = _refuse_folders(os.fsync)
    ctypes.CDLL = _no_library  # type: ignore[assignment,misc]
    sys.platform = "win32"


def _refuse(*_: object) -> NoReturn:
    raise NotImplementedError


def _no_library(name: str | None, *_: object, **__: object) -> NoReturn:
    raise OSError(f"{name} is not a DLL")


def _refuse_folders(fsync: Any) -> Any:
    """Windows opens no folder, so that it cannot be synced."""

    def sync(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise PermissionError(descriptor)
        fsync(descriptor)

    return sync


def main(starter: str, *arguments: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tests, trains = arguments[1:2] == ("pytest",), arguments[0].endswith("train.py")
    further = (*(OF_TRAINING if tests or trains else ()), *(OF_TESTS if tests else ()))
    take_posix_away((*LIBRARIES, *further))
    sys.executable = starter
    kind, *rest = arguments
    sys.path[0] = str(Path.cwd() if kind in ("-m", "-c") else Path(kind).resolve().parent)
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(rest[0], {"__name__": "__main__"})  # noqa: S102 - as Python does
    else:
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
