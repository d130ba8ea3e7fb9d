"""The bot and its training on a system without what only POSIX has, as Windows is one.

`tests/without_posix.py` takes it away; a Windows machine can still show more.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.cli.main import main
from tests.texts import in_cyrillic, quatrains
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[2]
# Some of what can run so; the rest of the suite is for a real Windows (.github/workflows/ci.yml).
PORTABLE = (
    *("bot/cli", "bot/core/fetching/test_process.py", "bot/core/store/test_backup_file.py"),
    *("bot/core/store/test_database.py", "bot/core/test_book_reader.py", "bot/core/test_daily.py"),
    *("bot/core/test_names.py", "bot/core/test_paths.py", "bot/doctor", "bot/test_config.py"),
    *("model/test_checkpoint.py", "model/test_checkpoint_writing.py"),
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it is Windows")


@pytest.fixture
def starter(tmp_path: Path) -> Path:
    """Python without what Windows lacks, for its children, too."""
    path = tmp_path / "python"
    script = ROOT / "tests" / "without_posix.py"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$0" "$@"\n')
    path.chmod(0o700)
    return path


@pytest.fixture
def config(tmp_path: Path, model_file: Callable[..., Path]) -> Path:
    """A config file beside a folder with one tiny model, which is the default."""
    model_file("harbour")
    path = tmp_path / "config.toml"
    path.write_text('[models]\ndefault = "harbour"\n[web]\nport = 0\n')
    return path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def test_a_poem_is_the_same(
    starter: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--config", str(config), "write", "The sea", "--chars", "60", "--random-seed", "1")
    assert main(options) == 0  # first: it may have to compile the kernel, and say so
    done = run(starter, "-m", "bot", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_and_a_signal_stops_the_bot_with_its_poems_finished(
    starter: Path, config: Path, number: signal.Signals
) -> None:
    """Ctrl-C once broke everything off there, where the loop takes no signals."""
    with subprocess.Popen(
        [starter, "-m", "bot", "--config", config],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "DISCORD_TOKEN": ""},
        # Whoever runs the tests in the background of a script has Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr is not None
        try:
            address = ""
            for line in process.stderr:
                address = line.split()[-1] if "the page is at" in line else address
                if "DISCORD_TOKEN" in line:
                    break
            with urllib.request.urlopen(f"{address}/healthz", timeout=HANG_SECONDS) as answer:  # noqa: S310
                assert json.load(answer)["ok"] is True
            process.send_signal(number)
            rest = process.stderr.read()
            assert process.wait(timeout=HANG_SECONDS) == 0
        finally:
            process.kill()
    assert "stopping: poems being written are finished first" in rest
    assert "Traceback" not in rest


WORK = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.core.book_reader import read_book_in_sandbox
from bot.core.fetching.addresses import Trust
from bot.core.fetching.client import FetchRules
from bot.core.fetching.fetcher import Fetcher
from bot.core.fetching.process import SandboxedClient
from bot.core.training.process import ProcessTrainer, TrainingSpec

folder = Path(sys.argv[1])
text = (folder / "verses.txt").read_bytes()


async def send(request):
    return web.Response(body=text)


async def main():
    app = web.Application()
    app.router.add_get("/book", send)
    async with TestServer(app, host="127.0.0.1") as server:
        address = f"http://127.0.0.1:{server.port}/book?"
        trust = Trust(address + "{number}", forbidden_networks=("::/0",))
        rules = FetchRules("Sonneteer/1 (test)", 300_000, 60, trust)
        fetcher = Fetcher(SandboxedClient(rules), max_bytes=300_000)
        book = folder / "book.txt"
        await fetcher.fetch(f"{address}7", book)
    found = await read_book_in_sandbox(book, "Walks")
    print(book.read_bytes() == text, found.characters > 65_000)

    short = folder / "short.txt"  # of which the network is small
    short.write_bytes(b"\\n\\n".join(text.split(b"\\n\\n")[:24]))
    learning, spec = asyncio.Event(), TrainingSpec(short, "Walks", "walks", folder, 600.0, False)

    def tell(event):
        if event.get("event") == "progress":
            learning.set()

    task = asyncio.create_task(ProcessTrainer(threads=1).train(spec, tell))
    done = asyncio.create_task(learning.wait())
    await asyncio.wait((task, done), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        print(task.result())
    task.cancel()
    await asyncio.wait((task,))
    print(task.cancelled(), (folder / "walks" / "resume.safetensors").exists())
    ended = await ProcessTrainer(threads=1).train(replace(spec, seconds=1.0, resume=True), tell)
    print(ended.status, ended.complaint, (folder / "walks.png").exists())


asyncio.run(main())
"""


def test_books_are_fetched_and_read_and_trainings_stopped_and_continued(
    starter: Path, tmp_path: Path
) -> None:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "verses.txt").write_text(in_cyrillic(quatrains(600)), encoding="utf-8")
    done = run(starter, tmp_path / "work.py", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["True True", "True True", "0  True"]


@pytest.mark.slow
def test_the_portable_part_of_the_suite_passes(starter: Path) -> None:
    paths = [ROOT / "tests" / name for name in PORTABLE]
    done = run(
        starter, "-m", "pytest", "-q", "-m", "not slow and not postgres", "--capture=sys", *paths
    )
    assert done.returncode == 0, done.stdout[-5_000:]
