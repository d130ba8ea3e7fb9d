"""Saving a model: a write that fails or is killed leaves a whole file."""

from __future__ import annotations

import os
import random
import signal
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from model.checkpoint import load_model, write_atomically
from model.config import NetworkConfig
from model.errors import CheckpointUnwritable
from model.files import PAUSE_SECONDS, replace_file
from model.training.network import network_of
from tests.model.small_model import CARD, make_network, save

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@needs_fork
def test_a_write_that_fails_leaves_the_earlier_file_and_nothing_else(good: Path) -> None:
    """A full disk ends a write in the middle; a limit on file size does the same."""
    before = good.read_bytes()
    network = make_network()  # torch's threads do not live on in a copy of the process

    def child() -> int:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        try:
            save(good, network)
        except CheckpointUnwritable as error:
            return 0 if "File too large" in str(error) else 1
        return 2

    assert os.waitstatus_to_exitcode(os.waitpid(fork(child), 0)[1]) == 0
    assert good.read_bytes() == before
    assert list(good.parent.iterdir()) == [good]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointUnwritable, match="--out"):
        write_atomically(tmp_path / "file" / "m.safetensors", b"x")


def test_a_rename_waits_for_whoever_has_the_old_file_open(tmp_path: Path) -> None:
    """Windows refuses the rename until then. Whoever stays too long is told of."""
    source, target = tmp_path / "new", tmp_path / "old"
    asked, pauses = iter([False, False, True]), list[float]()

    def rename(one: Path, other: Path) -> None:
        assert (one, other) == (source, target)
        if not next(asked):
            raise PermissionError

    replace_file(source, target, tries=3, rename=rename, pause=pauses.append)
    assert pauses == [PAUSE_SECONDS] * 2
    asked = iter([False, False])
    with pytest.raises(PermissionError):
        replace_file(source, target, tries=2, rename=rename, pause=pauses.append)


def fork(child: Callable[[], int]) -> int:
    """Run `child` in a copy of this process and return its id; nothing is imported again."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forking beside torch's threads; this child never needs them.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        status = 99
        try:
            status = child()
        finally:
            os._exit(status)
    return process


@needs_fork
@pytest.mark.parametrize("kills", [15, pytest.param(50, marks=pytest.mark.slow)])
def test_kills_while_saving_never_leave_a_broken_file(good: Path, kills: int) -> None:
    """Each killed writer may leave the old model or the new one, and a file to sweep away.

    It is killed some moments after it has told of its first save, however long that took.
    """
    network = make_network(NetworkConfig(vocabulary_size=5, embedding_size=3, hidden_size=64))
    other = network_of(load_model(good))
    random_moment = random.Random(0)

    def child(begin: int, tell: int) -> int:
        for number in count(begin):
            card = CARD.model_copy(update={"epoch": number})
            save(good, network if number % 2 else other, card)
            if number == begin:
                os.write(tell, b"!")
        return 0

    for begin in range(0, kills * 1_000_000, 1_000_000):
        told, tell = os.pipe()
        process = fork(partial(child, begin, tell))
        os.close(tell)
        assert os.read(told, 1) == b"!"
        os.close(told)
        time.sleep(random_moment.uniform(0.0, 0.02))  # the moment is the point: nothing to wait on
        os.kill(process, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
        assert begin <= load_model(good).card.epoch < begin + 1_000_000
