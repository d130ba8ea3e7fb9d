"""What a newcomer does, sees and waits for; and what is said to those who go wrong.

    python -m tests.rigs.newcomer [--only WAY …] [--python FILE] [--screens DIR] [--json FILE]

Each way begins in an empty folder with an empty home, in a terminal of 80 columns, with nothing of
this project's environment. What has to be downloaded is fetched first, and timed apart.

    pipx         the wheel by pipx; init, poems in the terminal, on the page, on a fake Discord
    uv           the same by uv tool
    clone        git clone, make run, a poem on the page, and make run again
    image        the image of deploy/Dockerfile, built by buildah on a Debian of debootstrap's and
                 started in a chroot; needs root
    wrong-turns  an old Python, a wrong token, a full disk and the like: what is said of each

The last two may be left out by --quick. Checked: that each step shows what it should, that a way
takes 120 s at most beyond downloads, and that each wrong turn is answered in its words and without
a stack. On a busy machine, look at the seconds of the processor.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from bench.tables import number, table
from tests.fake_discord import FakeDiscord
from tests.rigs import runner
from tests.rigs.newcomer import image, packages, wrong_turns
from tests.rigs.newcomer.person import Failed
from tests.rigs.newcomer.walks import Walk

WAYS = ("pipx", "uv", "clone", "image", "wrong-turns")
QUICK = ("uv", "clone")
GOAL_SECONDS = 120.0
SEEN = 60  # characters of what a step showed


async def measure(asked: argparse.Namespace, folder: Path) -> runner.Report:
    ways = asked.only or (QUICK if asked.quick else WAYS)
    python = asked.python.absolute()
    began = time.monotonic()
    runner.tell("building the wheel, preparing downloads")
    wheel = await asyncio.to_thread(packages.build_wheel, folder / "dist")
    downloads = await asyncio.to_thread(packages.Downloads, folder, python)
    makers: dict[str, Callable[[Walk, FakeDiscord], Awaitable[None]]] = {
        "pipx": lambda walk, discord: packages.by_tool(
            walk, "pipx", folder, python, downloads, wheel, discord
        ),
        "uv": lambda walk, discord: packages.by_tool(
            walk, "uv", folder, python, downloads, wheel, discord
        ),
        "clone": lambda walk, _: packages.by_clone(walk, folder, python, downloads),
        "image": lambda walk, _: image.by_image(walk, folder, downloads),
    }
    walks: list[Walk] = []
    for name in ways:
        if name not in makers:
            continue
        runner.tell(name)
        walks.append(await walk_of(makers[name], name))
    turns: list[wrong_turns.Outcome] = []
    if "wrong-turns" in ways:
        runner.tell("wrong turns")
        turns = await wrong_turns.take_all(folder, python, downloads, wheel)
    if asked.screens is not None:
        write_screens(asked.screens, walks, turns)
    seconds = time.monotonic() - began
    text = "\n\n".join(filter(None, [show_walks(walks), show_turns(turns), f"{seconds:.0f} s"]))
    figures = {"walks": [asdict(each) for each in walks], "turns": [asdict(t) for t in turns]}
    return runner.Report(text, figures, [*checks_of(walks), *(t.check() for t in turns)])


async def walk_of(make: Callable[[Walk, FakeDiscord], Awaitable[None]], name: str) -> Walk:
    """Go one way; what fails ends it and is told."""
    walk, load = Walk(name), os.getloadavg()[0]
    async with FakeDiscord().serve() as discord:
        try:
            await make(walk, discord)
        except (Failed, TimeoutError, OSError, subprocess.SubprocessError) as error:
            walk.fault = f"{type(error).__name__}: {error}"
    walk.load = (load, os.getloadavg()[0])
    return walk


def show_walks(walks: list[Walk]) -> str:
    rows = []
    for walk in walks:
        if walk.why_not:
            rows.append((walk.name, f"not tried here, because {walk.why_not}", "", "", "", ""))
        for step in walk.steps:
            figures = (
                number(step.seconds, 1),
                number(step.processor_seconds, 1) if step.processor_seconds else "",
                number(step.megabytes) if step.megabytes else "",
            )
            rows.append((walk.name, step.name, *figures, step.seen[:SEEN]))
        if walk.steps:
            load = f"load {walk.load[0]:.1f} to {walk.load[1]:.1f}"
            both = (number(walk.seconds, 1), number(walk.processor_seconds, 1))
            rows.append((walk.name, "beyond downloads", *both, "", load))
    head = ("way", "step", "seconds", "of processors", "MB", "seen")
    return table(head, rows, left=2) if rows else ""


def show_turns(turns: list[wrong_turns.Outcome]) -> str:
    return "\n".join(f"{turn.name}: {turn.told}" for turn in turns)


def checks_of(walks: list[Walk]) -> list[runner.Check]:
    found = []
    for walk in walks:
        if walk.why_not:
            continue
        seen = walk.fault or f"{len(walk.steps)} steps"
        found.append(runner.Check(f"{walk.name} works", not walk.fault, seen))
        took = f"{walk.seconds:.0f} s, {walk.processor_seconds:.0f} s of processors"
        found.append(runner.Check(f"{walk.name} soon", walk.seconds <= GOAL_SECONDS, took))
    return found


def write_screens(folder: Path, walks: list[Walk], turns: list[wrong_turns.Outcome]) -> None:
    """Keep what was on the screen, a file for each way."""
    folder.mkdir(parents=True, exist_ok=True)
    for walk in walks:
        (folder / f"{walk.name}.txt").write_text("\n\n".join(walk.screens.values()) + "\n", "utf-8")
    if turns:
        text = "\n\n".join(f"## {turn.name}\n{turn.screen}" for turn in turns)
        (folder / "wrong-turns.txt").write_text(text + "\n", "utf-8")


def main() -> None:
    parser = runner.parser_of(__doc__, quick=f"only {' and '.join(QUICK)}")
    parser.add_argument("--only", nargs="+", choices=WAYS, help="these ways")
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(getattr(sys, "_base_executable", sys.executable)),
        help="the newcomer's Python; default: the one that this environment was made with",
    )
    parser.add_argument("--screens", type=Path, metavar="DIR", help="keep what was shown there")
    runner.run(parser.parse_args(), measure)


if __name__ == "__main__":
    main()
