"""train.py as a command of the bot, in processes of its own: it goes behind all others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.texts import in_cyrillic, quatrains
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[3]


def run(config: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", "--config", config, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def test_a_training_goes_where_the_bot_looks_for_models(tmp_path: Path) -> None:
    config, book = tmp_path / "config.toml", tmp_path / "walks.txt"
    config.write_text('[models]\nfolder = "ours"\n')
    book.write_text(in_cyrillic(quatrains(24)), encoding="utf-8")
    done = run(config, "train", book, "--seconds", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ours" / "walks.safetensors").is_file()


def test_wrong_use_gets_one_sentence_that_names_what_was_typed(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.touch()
    done = run(config, "train", "a.txt", "--epochs", "x")
    assert done.returncode == 2
    assert done.stderr == (
        "python -m bot train: Argument --epochs: x is not a number from 1 to 10,000. See --help.\n"
    )
