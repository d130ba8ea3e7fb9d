"""The command line of train.py: as a child process where that matters, else in this process."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import safetensors.torch
import torch

import train
from model import load_model
from tests.texts import VERSES, quatrains
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "old walks.txt"
    path.write_text(VERSES)
    return path


def own_size(*arguments: object) -> list[str]:
    """Ask for a network of the book's own size, unless something else is asked."""
    if not {"--from", "--resume", "--recipe"} & set(arguments):
        arguments = (*arguments, "--from", "none")
    return list(map(str, arguments))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", str(ROOT / "train.py"), *own_size(*arguments)]


@dataclass(frozen=True)
class Result:
    """How the program ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs train.py here: a child would spend its time importing torch."""

    def begin(*arguments: object) -> Result:
        numbers = (signal.SIGINT, signal.SIGTERM)
        handlers = [(number, signal.getsignal(number)) for number in numbers]
        capsys.readouterr()
        try:
            status = train.main(own_size(*arguments))
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else -1
        finally:
            for number, handler in handlers:
                signal.signal(number, handler)
        return Result(status, *capsys.readouterr())

    return begin


def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=ENVIRONMENT,
    )


def wait_for(process: subprocess.Popen[str], event: str) -> dict[str, object]:
    """Read a child's events up to the first of this kind."""
    assert process.stdout is not None
    for line in process.stdout:
        told: dict[str, object] = json.loads(line)
        if told["event"] == event:
            return told
    raise AssertionError(f"it ended without {event!r}")


def weights(path: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(path)


@dataclass(frozen=True)
class Trained:
    """A finished training, for tests that only look at it."""

    book: Path
    out: Path
    result: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    book = folder / "old walks.txt"
    book.write_text(VERSES)
    result = subprocess.run(
        command(book, "--epochs", 2),
        capture_output=True,
        text=True,
        cwd=folder,
        env=ENVIRONMENT,
        timeout=HANG_SECONDS,
        check=False,
    )
    return Trained(book, folder / "models", result)


def test_a_book_goes_in_and_a_model_a_chart_and_a_poem_come_out(trained: Trained) -> None:
    result, out = trained.result, trained.out
    assert result.returncode == 0, result.stderr
    card = load_model(out / "old-walks.safetensors").card
    assert (card.name, card.book_title, card.recipe) == ("old-walks", "old walks", "default")
    assert len(card.history) == 2
    assert (out / "old-walks.png").read_bytes().startswith(b"\x89PNG")
    poem = (out / "old-walks.txt").read_text()
    assert poem.strip() in result.stdout
    assert any(poem.startswith(opening) for opening in card.openings)
    assert f"Total Characters: {len(VERSES)}\n" in result.stdout
    assert f"Training loss {card.training_loss:.4f}" in result.stdout
    assert f"held-out loss {card.held_out_loss:.4f}" in result.stdout
    assert "Epoch 2/2" in result.stderr  # the progress bar


def test_a_program_gets_json_events_and_a_free_name(book: Path, run: Run) -> None:
    (book.parent / "old-walks.safetensors").write_bytes(b"somebody else's")
    result = run(book, "--epochs", 1, "--out", book.parent, "--json")
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "name"
    assert [kind for kind in ("training", "progress", "epoch", "poem") if kind not in kinds] == []
    done = events[-1]
    assert done["event"] == "done"
    assert Path(done["model"]).name == "old-walks-2.safetensors"
    assert Path(done["model"]).exists()
    assert result.stderr == ""


def test_the_tutorials_lines_come_in_the_tutorials_order(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its network takes hours, so this one ends after a second, with every line all the same."""
    assert train.TUTORIAL_CHARACTERS == 200
    monkeypatch.setattr(train, "TUTORIAL_CHARACTERS", 40)  # each takes a hundred steps
    book = tmp_path / "walks.txt"
    book.write_text(verses := quatrains(16))
    out = tmp_path / "models"
    result = run(book, "--recipe", "tutorial", "--seconds", 1, "--out", out)
    assert result.returncode == 0, result.stderr
    lower = verses.lower()
    *_, after = result.stdout.split("Generating with ")
    expected = [
        f"Total Characters: {len(lower)}\n",
        f"Total Vocab: {len(set(lower))}\n",
        f"Total Patterns: {len(lower) - 100}\n",
        "525,312\n",
        "Epoch 00001: training loss ",
        "went from inf to ",
        "weights-improvement-01-",
        "Generating with ",
        'Seed:\n"',
        "Done.\n",
    ]
    places = [result.stdout.index(line) for line in expected]
    assert places == sorted(places)
    seed, written = after.split('Seed:\n"')[1].split('"\n', 1)
    assert len(seed) == 100
    assert seed in lower
    poem = (out / "walks.txt").read_text()
    assert poem == seed + written[:40] + "\n"
    assert written[40:].lstrip().startswith("Training loss")


def test_killed_in_the_middle_and_resumed_it_arrives_at_the_same_weights(
    book: Path, run: Run
) -> None:
    out = book.parent
    whole = run(book, "--epochs", 3, "--out", out, "--name", "whole", "--seed", 5)
    assert whole.returncode == 0, whole.stderr
    child = start(book, "--epochs", 3, "--out", out, "--name", "killed", "--seed", 5, cwd=out)
    with child:
        wait_for(child, "epoch")
        child.kill()
    assert load_model(out / "killed.safetensors").card.epoch >= 1
    resumed = run(book, "--out", out, "--name", "killed", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    expected = weights(out / "whole.safetensors")
    found = weights(out / "killed.safetensors")
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one child")
def test_ctrl_c_saves_everything_and_ends_with_130(book: Path) -> None:
    out = book.parent
    child = start(book, "--epochs", 10_000, "--out", out, "--name", "walks", cwd=out)
    with child:
        wait_for(child, "progress")
        child.send_signal(signal.SIGINT)
        told = wait_for(child, "interrupted")
        assert child.wait(timeout=HANG_SECONDS) == 130
    assert Path(str(told["resume"])).exists()
    load_model(out / "walks.safetensors")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
@pytest.mark.parametrize(
    "stderr_too",
    [pytest.param(False, id="stdout"), pytest.param(True, id="both", marks=pytest.mark.slow)],
)
def test_a_reader_who_has_seen_enough_ends_it_quietly_with_everything_saved(
    book: Path, run: Run, stderr_too: bool
) -> None:
    """`train.py … | head` once ended with a traceback."""
    out = book.parent
    reading, writing = os.pipe()
    child = subprocess.Popen(
        command(book, "--epochs", 10_000, "--out", out, "--name", "walks"),
        stdout=writing,
        stderr=writing if stderr_too else subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    os.close(writing)
    with child, os.fdopen(reading) as lines:
        assert any("Epoch 00001" in line for line in lines)
        lines.close()
        told = child.stderr.read() if child.stderr else ""
        assert child.wait(timeout=HANG_SECONDS) == 141
    assert "Error" not in told
    assert "Exception" not in told
    assert load_model(out / "walks.safetensors").card.epoch >= 1
    resumed = run(book, "--out", out, "--name", "walks", "--resume", "--seconds", 1)
    assert resumed.returncode == 0, resumed.stderr


def test_training_can_begin_with_another_models_weights(
    trained: Trained, tmp_path: Path, run: Run
) -> None:
    book, old = tmp_path / "other.txt", trained.out / "old-walks.safetensors"
    book.write_text(quatrains(20) + "Zwölf!\n")
    result = run(book, "--epochs", 1, "--out", tmp_path / "models", "--from", old)
    assert result.returncode == 0, result.stderr
    first = load_model(tmp_path / "models" / "other.safetensors").card.history[0]
    assert first.running_loss < load_model(old).card.history[0].running_loss


WRONG: list[tuple[Sequence[object], str]] = [
    ([], "BOOK"),
    (["BOOK", "--recipe", "tutorail"], "tutorial"),
    (["BOOK", "--epochs", "0"], "from 1 to 10,000"),
    (["BOOK", "--epochs", "many"], "many is not a number"),
    (["BOOK", "--seconds", "0"], "from 1 to"),
    (["BOOK", "--seed", "-1"], "from 0 to"),
    (["BOOK", "--nmae", "x"], "--nmae"),
    (["BOOK", "--name", "../x"], "--name is '../x'"),
    (["BOOK", "--resume"], "no interrupted training"),
    (["BOOK", "--from", "nowhere.safetensors"], "nowhere.safetensors cannot be read"),
    (["BOOK", "--from", "BOOK"], "is not a Sonneteer model"),
    (["nowhere.txt"], "nowhere.txt cannot be read"),
    (["."], "cannot be read"),
    (["EMPTY"], "at least 2,000 are needed"),
    (["BINARY"], "is not text"),
    (["BOOK", "--name", "taken"], "Choose another --name"),
    (["BOOK", "--out", "BOOK/models"], "could not be written"),
    (["BOOK", "--from", "\x1b[2J.safetensors"], "�[2J.safetensors cannot be read"),
    (["BOOK", "--recipe", "\x1b[2J"], "[2J"),
    (["\x9b2J.txt"], "�2J.txt cannot be read"),
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "BOOK").write_text(VERSES)
    (folder / "EMPTY").write_text("")
    (folder / "BINARY").write_bytes(bytes(range(256)) * 100)
    (folder / "models").mkdir()
    (folder / "models" / "taken.safetensors").write_bytes(b"")
    return folder


@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_use_and_bad_input_get_one_sentence_and_status_2(
    shelf: Path, arguments: Sequence[str], sentence: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(shelf)
    result = run(*arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "\x1b" not in result.stderr
    assert "\x9b" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Epoch" not in result.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU")
def test_a_gpu_that_is_not_there_is_told(book: Path, run: Run) -> None:
    result = run(book, "--device", "cuda", "--out", book.parent)
    assert result.returncode == 2
    assert "--device cpu" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(book.parent.iterdir()) == [book]


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond 100 kB."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file size are POSIX's")
def test_a_full_disk_ends_it_with_a_sentence_and_the_earlier_files_intact(
    trained: Trained, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "models"
    shutil.copytree(trained.out, out)
    before = {path: path.read_bytes() for path in out.rglob("*.safetensors")}
    with full_disk():
        result = run(trained.book, "--out", out, "--resume")
    assert result.returncode == 2, result.stderr
    assert "could not be written: File too large" in result.stderr
    assert {path: path.read_bytes() for path in out.rglob("*.safetensors")} == before


def test_train_py_enters_the_model_by_its_door() -> None:
    """The chart is the one exception: the door must not load matplotlib.

    Of the bot it has the look at the Python alone, which loads nothing.
    """
    tree = ast.parse((ROOT / "train.py").read_text())
    imported = {
        str(node.module): [each.name for each in node.names]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("model", "bot"))
    }
    assert imported.pop("bot") == ["supported"]
    assert set(imported) == {"model", "model.training", "model.training.chart"}
