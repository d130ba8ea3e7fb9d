"""In by a package, with pipx and uv, and by a clone with make."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

from bench.gauges import ROOT
from bot.core.installation import NAME
from tests.fake_discord import TOKEN, FakeDiscord
from tests.rigs.newcomer.person import Failed, Person, Session
from tests.rigs.newcomer.walks import (
    SEED,
    Walk,
    free_port,
    of_ended_children,
    require_sonnet,
    size_of,
    use_discord,
    use_page,
)

STOPPED = (0, -signal.SIGINT)  # make ends itself by the signal, once the bot has ended
QUIET = ("--quiet", "--disable-pip-version-check")


def build_wheel(folder: Path) -> Path:
    """Return the project's wheel, made in `folder`."""
    return Path(next(iter(WheelBuilder(str(ROOT)).build(directory=str(folder)))))


def find_tool(name: str) -> str | None:
    """Return the path of a tool: beside this Python, or of the system."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.is_file() else shutil.which(name)


class Downloads:
    """What is fetched from an index, once for all ways, so that it can be timed apart."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder = folder / "downloads"
        self.folder.mkdir(exist_ok=True)
        self._person = Person(folder / "fetching")
        self._python = folder / "fetching" / "python"
        self._person.do(python, "-m", "venv", self._python)
        with suppress(Failed):  # an old pip does as well
            self.pip("install", "--upgrade", "pip")

    def pip(self, *arguments: str | Path) -> None:
        self._person.do(self._python / "bin" / "python", "-m", "pip", *arguments, *QUIET)

    def fetch(self, *what: str | Path) -> float:
        """Download wheels; return how many MB there are in all."""
        self.pip("download", *what, "--only-binary", ":all:", "--dest", self.folder)
        return size_of(self.folder)

    @property
    def offline(self) -> dict[str, str]:
        """Variables with which pip and uv take nothing but what was downloaded."""
        found = str(self.folder)
        return {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": found,
            "UV_OFFLINE": "1",
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": found,
            "UV_PYTHON_DOWNLOADS": "never",
        }


def pipx(downloads: Downloads, python: Path) -> tuple[str, ...] | None:
    """Return how pipx is called, installed where it is not there; None without an index."""
    if found := find_tool("pipx"):
        return (found,)
    with suppress(Failed):
        downloads.pip("install", "pipx")
        return (str(downloads._python / "bin" / "pipx"),)
    return None


async def by_tool(
    walk: Walk,
    tool: str,
    folder: Path,
    python: Path,
    downloads: Downloads,
    wheel: Path,
    discord: FakeDiscord,
) -> None:
    """Take the wheel by `tool`, set it up, and write in a terminal, on the page and on Discord."""
    call: tuple[str, ...] | None
    install: tuple[str | Path, ...]
    if tool == "pipx":
        call = await asyncio.to_thread(pipx, downloads, python)
        install = ("install", "--python", python, wheel)
    else:
        call = (found,) if (found := find_tool("uv")) else None
        install = ("tool", "install", "--quiet", "--python", python, wheel)
    if call is None:
        walk.why_not = f"{tool} is not installed"
        return
    settings = {
        "SONNETEER_DISCORD_API_URL": discord.url,
        "SONNETEER_DISCORD_MESSAGE_CONTENT": "true",
        "SONNETEER_WEB_PORT": str(free_port()),
    }
    person = Person(folder / tool, {**downloads.offline, **settings})
    with walk.step("download", counts=False) as step:
        extra = ("pip",) if tool == "pipx" else ()  # it installs the newest for itself
        step.megabytes = await asyncio.to_thread(downloads.fetch, wheel, *extra)
        step.seen = f"{len(list(downloads.folder.iterdir()))} files"
    with walk.step(f"{tool} install") as step:
        walk.look(await asyncio.to_thread(person.do, *call, *install))
        step.megabytes = size_of(person.home)
        step.seen = "installed"
    with walk.step("init: folder, token, doctor") as step:
        session = await asyncio.to_thread(set_up, person)
        walk.look(session)
        step.seen = session.screen.strip().splitlines()[-1]
    with walk.step("first poem, which compiles") as step:
        session = await asyncio.to_thread(person.do, NAME, "write", SEED)
        walk.look(session)
        step.seen = poem_in(session)
        step.megabytes = size_of(person.home)
    with walk.step("second poem", counts=False) as step:
        session = await asyncio.to_thread(person.do, NAME, "write", SEED)
        walk.look(session)
        step.seen = poem_in(session)
    await serve_and_stop(walk, lambda: person.start(NAME), discord)


def set_up(person: Person) -> Session:
    """Answer `init`: the folder that it proposes, and a token; return what was shown."""
    session = person.start(NAME, "init")
    session.until("Folder for data and models")
    session.type("\n")
    session.until("Bot token")
    session.type(f"{TOKEN}\n")
    session.wait()
    if TOKEN in session.screen:
        raise Failed("init shows the token")
    return session


def poem_in(session: Session) -> str:
    """Return the first line of the poem on a screen, which may have lines of the log before it."""
    lines = session.screen.splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith(SEED)), len(lines))
    return require_sonnet("\n".join(lines[first:]))


async def serve_and_stop(
    walk: Walk,
    start: Callable[[], Session],
    discord: FakeDiscord | None = None,
    name: str = NAME,
    *,
    counts: bool = True,
) -> None:
    """Start the bot, use its doors, and stop it with Ctrl-C."""
    session = await use_page(walk, start, name, counts=counts)
    try:
        if discord is not None:
            await use_discord(walk, discord, session)
        walk.look(session)
        with walk.step("Ctrl-C", counts=counts) as step:
            before = session.cpu_seconds() + of_ended_children()
            await asyncio.to_thread(session.interrupt)
            step.processor_seconds = max(of_ended_children() - before, 0.0)
            step.seen = f"exit status {session.status}"
        if session.status not in STOPPED:
            raise Failed(f"Ctrl-C ended it with {session.status}: {session.screen[-500:]}")
    finally:
        session.close()


async def by_clone(walk: Walk, folder: Path, python: Path, downloads: Downloads) -> None:
    """Clone the project, type `make run`, and write on the page."""
    person = Person(folder / "clone", downloads.offline)
    where = person.folder / NAME
    with walk.step("download", counts=False) as step:
        await asyncio.to_thread(person.do, "git", "clone", "--quiet", ROOT, where)
        before = size_of(downloads.folder)
        try:  # as make does: PyTorch for the processor, or with CUDA
            await asyncio.to_thread(
                downloads.fetch, "--no-deps", "-r", ROOT / "requirements-cpu.lock"
            )
        except Failed:
            await asyncio.to_thread(downloads.fetch, "-r", ROOT / "requirements-cuda.lock")
        total = await asyncio.to_thread(
            downloads.fetch, "--no-deps", "-r", ROOT / "requirements.lock"
        )
        step.megabytes = max(total - before, 0.0) + size_of(where)
        step.seen = "the clone and its packages"
    port = {"SONNETEER_WEB_PORT": str(free_port())}

    def start() -> Session:
        return person.start("make", "run", f"PYTHON={python}", inside=where, variables=port)

    await serve_and_stop(walk, start, name="make run, which sets up and compiles")
    for step in walk.steps:
        if step.name.startswith("make run"):
            step.megabytes = size_of(where / ".venv")
    await serve_and_stop(walk, start, name="make run again", counts=False)
