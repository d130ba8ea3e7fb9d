"""What came of each step of a newcomer, and the steps that all ways share."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fake_discord import FakeDiscord, shown
from tests.rigs.newcomer.person import HANG_SECONDS, Failed, Session

SEED = "The sea"
LINES = 14  # of a sonnet
ADDRESS = "the page is at "
MB = 1_000_000


@dataclass
class Step:
    """What somebody did, how long it took, and what they saw."""

    name: str
    seconds: float = 0.0
    processor_seconds: float = 0.0  # 0: not known
    megabytes: float = 0.0  # of what it left; 0: not looked at
    seen: str = ""
    counts: bool = True  # towards the two minutes: no download, and not what is done again


@dataclass
class Walk:
    """One way in."""

    name: str
    steps: list[Step] = field(default_factory=list)
    screens: dict[str, str] = field(default_factory=dict)  # by step
    load: tuple[float, float] = (0.0, 0.0)  # of the last minute, at its beginning and its end
    why_not: str = ""  # it was not tried
    fault: str = ""

    @contextmanager
    def step(self, name: str, *, counts: bool = True) -> Iterator[Step]:
        """Time what is done in the block."""
        step = Step(name, counts=counts)
        began, before = time.monotonic(), of_ended_children()
        self.steps.append(step)
        try:
            yield step
        finally:
            step.seconds = time.monotonic() - began
        if not step.processor_seconds:
            step.processor_seconds = of_ended_children() - before

    def look(self, session: Session) -> None:
        """Keep what a step showed."""
        self.screens[f"{len(self.steps)}"] = f"$ {' '.join(session.command)}\n{session.screen}"

    @property
    def seconds(self) -> float:
        """What counts towards the two minutes."""
        return sum(step.seconds for step in self.steps if step.counts)

    @property
    def processor_seconds(self) -> float:
        return sum(step.processor_seconds for step in self.steps if step.counts)


def of_ended_children() -> float:
    """Return the processor's seconds of all children that have ended, and of theirs."""
    times = os.times()
    return times.children_user + times.children_system


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def size_of(folder: Path) -> float:
    """Return what the files of a folder take, in MB; what has two names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        if path.is_file() and not path.is_symlink():
            seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values()) / MB


def require_sonnet(text: str) -> str:
    """Return the first line of a poem; raise Failed where it is no sonnet that begins as asked."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if len(lines) < LINES or not lines[0].lower().startswith(SEED.lower()):
        raise Failed(f"that is no sonnet: {text[:500]!r}")
    return lines[0]


def open_page(address: str) -> str:
    """Return the page."""
    with urllib.request.urlopen(address, timeout=HANG_SECONDS) as answer:  # noqa: S310
        text: str = answer.read().decode()
    if "Sonneteer" not in text:
        raise Failed(f"{address} is another page: {text[:200]!r}")
    return text


def ask_page(address: str) -> str:
    """Write a poem as the page does; return its first line."""
    request = urllib.request.Request(  # noqa: S310 - our own page
        f"{address}/api/poems",
        json.dumps({"seed": SEED}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:  # noqa: S310
        poem: dict[str, Any] = json.loads(answer.read())
    return require_sonnet(str(poem["text"]))


def address_in(screen: str) -> str:
    """Return where the page is, as the log says."""
    return screen.partition(ADDRESS)[2].split()[0].rstrip("/")


async def use_page(
    walk: Walk, start: Callable[[], Session], name: str, *, counts: bool = True
) -> Session:
    """Start the bot and write a poem through its page; return the session, in which it runs on."""
    with walk.step(name, counts=counts) as step:
        session = start()
        await asyncio.to_thread(session.until, ADDRESS, line=True)
        step.processor_seconds = session.cpu_seconds()
        step.seen = ADDRESS + address_in(session.screen)
    try:
        with walk.step("a poem on the page", counts=counts) as step:
            before = session.cpu_seconds()
            await asyncio.to_thread(open_page, address_in(session.screen))
            step.seen = await asyncio.to_thread(ask_page, address_in(session.screen))
            step.processor_seconds = session.cpu_seconds() - before
    except BaseException:
        session.close()
        raise
    return session


async def use_discord(walk: Walk, discord: FakeDiscord, session: Session) -> None:
    """Ask the bot for a sonnet on Discord."""
    with walk.step("a poem on Discord") as step:
        before = session.cpu_seconds()
        await discord.until(lambda: discord.gateway.identified)
        await discord.until(lambda: discord.commands)
        await discord.say(f"!sonnet {SEED}")

        def has_poem() -> bool:
            return any(_is_whole(shown(each)) for each in discord.answers)

        await discord.until(has_poem)
        answer = next(text for each in discord.answers if _is_whole(text := shown(each)))
        step.seen = next(line for line in answer.splitlines() if SEED.lower() in line.lower())
        step.processor_seconds = session.cpu_seconds() - before


def _is_whole(text: str) -> bool:
    return len([line for line in text.splitlines() if line.strip()]) > LINES
