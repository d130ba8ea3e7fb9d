"""The training process: what it is told, what it hears, how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.training.events import TrainingEvent
from bot.core.training.process import ROOT, ProcessTrainer, TrainingSpec, training_environment
from tests.fake_discord import TOKEN
from tests.texts import VERSES, in_cyrillic
from tests.timeouts import HANG_SECONDS

SECRETS = {
    "DISCORD_TOKEN": TOKEN,
    "AWS_SECRET_ACCESS_KEY": "a-key",
    "DATABASE_URL": "postgres://user:password@host",
    "PYTHONPATH": "/somewhere",
    "LD_PRELOAD": "/somewhere/evil.so",
}


def test_of_the_environment_only_what_is_named_is_passed_on() -> None:
    passed = training_environment({**SECRETS, "PATH": "/bin", "LC_ALL": "C.UTF-8"}, threads=3)
    assert passed == {
        "PATH": "/bin",
        "LC_ALL": "C.UTF-8",
        "MALLOC_TRIM_THRESHOLD_": "1000000",
        "OMP_NUM_THREADS": "3",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def spec(tmp_path: Path) -> TrainingSpec:
    book = tmp_path / "book.txt"
    book.write_text(VERSES)
    return TrainingSpec(book, "--Walks in the Rain", "walks", tmp_path, seconds=1.0, resume=False)


@pytest.fixture
def small(spec: TrainingSpec) -> TrainingSpec:
    """A training of a small network, where it does not matter which."""
    spec.book.write_text(in_cyrillic(VERSES), encoding="utf-8")
    return spec


async def test_a_training_tells_its_events_leaves_its_files_and_knows_no_secret(
    spec: TrainingSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a title that looks like an option, and secrets around."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    events: list[TrainingEvent] = []
    looked: list[tuple[bytes, str]] = []

    def tell(event: TrainingEvent) -> None:
        events.append(event)
        if not looked and sys.platform == "linux":
            looked.append(_look_at_child("train.py"))

    ended = await ProcessTrainer(threads=1).train(spec, tell)
    assert (ended.status, ended.complaint) == (0, "")
    names = [event.get("event") for event in events]
    for name in ("training", "progress", "epoch", "sample", "poem", "done"):
        assert name in names
    trained = next(event for event in events if event["event"] == "training")
    assert (trained["title"], trained["threads"]) == ("--Walks in the Rain", 1)
    assert all((spec.out / f"walks.{kind}").exists() for kind in ("safetensors", "png", "txt"))
    for environment, limits in looked:
        assert not any(value.encode() in environment for value in SECRETS.values())
        (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4] == "0"


def _look_at_child(script: str) -> tuple[bytes, str]:
    """Return the environment and the limits of our child that runs `script`."""
    ours = Path("/proc/self/task").glob("*/children")  # of whichever thread has started it
    children = [Path("/proc") / number for each in ours for number in each.read_text().split()]
    child = next(each for each in children if script in (each / "cmdline").read_text())
    return (child / "environ").read_bytes(), (child / "limits").read_text()


async def test_a_book_that_cannot_be_read_ends_with_its_sentence(spec: TrainingSpec) -> None:
    spec.book.write_bytes(b"%PDF-1.7 and so on")
    ended = await ProcessTrainer(threads=1).train(spec, lambda _: None)
    assert ended.status == 2
    assert "it is a PDF" in ended.complaint


async def test_a_cancelled_training_saves_before_it_stops(small: TrainingSpec) -> None:
    learning = asyncio.Event()

    def tell(event: TrainingEvent) -> None:
        if event.get("event") == "progress":
            learning.set()

    longer = TrainingSpec(small.book, "Walks", "walks", small.out, seconds=600.0, resume=False)
    task = asyncio.create_task(ProcessTrainer(threads=1).train(longer, tell))
    async with asyncio.timeout(HANG_SECONDS):
        await learning.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (small.out / "walks" / "resume.safetensors").exists()
    again = TrainingSpec(small.book, "Walks", "walks", small.out, seconds=1.0, resume=True)
    assert (await ProcessTrainer(threads=1).train(again, lambda _: None)).status == 0


async def test_a_training_that_is_cancelled_again_while_it_saves_saves_all_the_same(
    small: TrainingSpec,
) -> None:
    """The second time broke off the wait for it, and it lived on beside the next one."""
    learning = asyncio.Event()

    def tell(event: TrainingEvent) -> None:
        if event.get("event") == "progress":
            learning.set()

    longer = replace(small, seconds=600.0)
    task = asyncio.create_task(ProcessTrainer(threads=1).train(longer, tell))
    async with asyncio.timeout(HANG_SECONDS):
        await learning.wait()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
    assert task.cancelled()
    assert (small.out / "walks" / "resume.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_training_ends_when_the_bot_that_began_it_is_killed(small: TrainingSpec) -> None:
    """A parent that dies without a word; its child notices, saves and goes."""
    parent = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from bot.core.training.process import ProcessTrainer, TrainingSpec\n"
        "async def main():\n"
        "    given = [Path(a) if '/' in a else a for a in sys.argv[1:5]]\n"
        "    order = TrainingSpec(*given, 600.0, False)\n"
        "    def tell(event):\n"
        "        if event.get('event') == 'progress':\n"
        "            os.kill(os.getpid(), 9)\n"
        "    await ProcessTrainer(threads=1).train(order, tell)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", parent, small.book, "Walks", "walks", small.out],
        check=False,
        cwd=ROOT,
        timeout=HANG_SECONDS,
    )
    assert ended.returncode == -9
    # The next training of that name waits for its lock, so it ends only if the first one did.
    command = [sys.executable, str(ROOT / "train.py"), str(small.book), "--name", "walks"]
    again = subprocess.run(
        [*command, "--out", str(small.out), "--resume", "--seconds", "1", "--json"],
        check=False,
        capture_output=True,
        timeout=HANG_SECONDS,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout.splitlines()[-1])["event"] == "done"
