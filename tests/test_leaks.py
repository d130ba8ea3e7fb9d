"""The watch over tokens, watched: it finds what leaks, and only that."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_discord import TOKEN
from tests.leaks import MAX_FILE_BYTES, TOKENS, Watch
from tests.timeouts import HANG_SECONDS

ROOT = Path(__file__).resolve().parents[1]
LEAKING = f"""
import logging, pathlib, pytest

log = logging.getLogger("bot.somewhere")

def test_debug():
    log.debug("to %s", "{TOKEN}")

def test_stack():
    try:
        raise ValueError("{TOKEN}")
    except ValueError:
        log.exception("it failed")

def test_print():
    print("{TOKEN}")

def test_capsys(capsys):
    print("{TOKEN}")
    capsys.readouterr()

def test_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.bin").write_bytes(b"\\0{TOKEN}\\0")

@pytest.mark.token_on_purpose("file")
def test_meant(tmp_path):
    (tmp_path / "b").write_text("{TOKEN}")

def test_innocent(tmp_path, caplog):
    log.debug("nothing")
    assert caplog.text == ""
"""


@pytest.mark.token_on_purpose("file")
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_in_which_a_token_leaks_fails_and_names_test_and_place(
    tmp_path: Path, workers: str
) -> None:
    tests = tmp_path / "leaking.py"
    tests.write_text(LEAKING)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.leaks", "-p", "no:cacheprovider"),
            *("-p", "xdist.plugin"),
            *(
                "-q",
                "-n",
                workers,
                "-c",
                "/dev/null",
                f"--rootdir={tmp_path}",
                f"--basetemp={tmp_path / 'runs'}",
            ),
            str(tests),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # of others, for seconds
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "7 passed" in done.stdout
    for name, place in {
        "test_debug": "the log of bot.somewhere",
        "test_stack": "the log of bot.somewhere",
        "test_print": "Captured stdout call",
        "test_capsys": "what was printed",
        "test_file": "the file ",
    }.items():
        assert f"{name}: a token in {place}" in done.stdout
    assert "test_meant" not in done.stdout
    assert "test_innocent" not in done.stdout


def test_what_was_sent_to_discord_is_looked_at() -> None:
    watch = Watch()
    watch.see(repr([("POST", "/messages", {"content": f"I am {TOKEN}"})]), "Discord", "a message")
    (sentence,) = watch.found
    assert sentence.startswith("before the first test: a token in a message: ")


def test_a_record_whose_arguments_do_not_fit_is_looked_at_all_the_same() -> None:
    watch = Watch()
    watch.see_record(logging.makeLogRecord({"name": "bot", "msg": "%d", "args": (TOKEN,)}))
    assert len(watch.found) == 1


@pytest.mark.token_on_purpose("file")
def test_of_files_the_small_ones_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(TOKEN.encode().ljust(MAX_FILE_BYTES + 1))
    watch = Watch()
    watch.see_folder(tmp_path)
    assert watch.found == []
    (tmp_path / "small").write_text(TOKEN)
    watch.see_folder(tmp_path)
    assert len(watch.found) == 1


def test_the_fakes_token_is_among_those_that_are_looked_for() -> None:
    assert TOKEN in TOKENS
