"""Where a training keeps its files.

```text
models/
  NAME.safetensors        the best so far: what the bot serves
  NAME.png, NAME.txt      loss chart, sample poem
  NAME/
    weights-improvement-{epoch:02d}-{loss:.4f}.safetensors
    resume.safetensors    where the training stands
    lock                  held while a process trains it
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from model.checkpoint import SUFFIX
from model.errors import CheckpointUnwritable, NameTaken, TrainingElsewhere
from model.naming import check_name, safe_name

LOCK = "lock"
ATTEMPTS = 5  # at a lock whose folder is removed meanwhile
LOCK_SECONDS = 30.0  # for an earlier process that saves before it ends
IMPROVEMENT = re.compile(r"weights-improvement-\d+-(\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """The paths of the training called `name` in the folder `out`."""

    out: Path
    name: str

    @property
    def model(self) -> Path:
        return self.out / f"{self.name}{SUFFIX}"

    @property
    def chart(self) -> Path:
        return self.out / f"{self.name}.png"

    @property
    def poem(self) -> Path:
        return self.out / f"{self.name}.txt"

    @property
    def kept(self) -> Path:
        """The folder of the kept checkpoints."""
        return self.out / self.name

    @property
    def resume(self) -> Path:
        return self.kept / f"resume{SUFFIX}"

    @contextmanager
    def hold(self, wait_seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Keep other processes from training this name; raise TrainingElsewhere if one does.

        A training that saves nothing leaves nothing: no lock, and no folder that was not there.
        """
        lock = FileLock(self.kept / LOCK, timeout=wait_seconds)
        made = [path for path in (self.kept, *self.kept.parents) if not path.exists()]
        try:
            self._acquire(lock)
        except Timeout as error:
            raise TrainingElsewhere(self.name) from error
        except OSError as error:
            raise CheckpointUnwritable(self.kept, error.strerror or str(error)) from error
        try:
            yield
        finally:
            with suppress(OSError):  # Windows cannot unlink a lock that is held
                if [path.name for path in self.kept.iterdir()] == [LOCK]:
                    (self.kept / LOCK).unlink()
                    for path in (self.kept, *made[1:]):
                        path.rmdir()
            lock.release()

    def _acquire(self, lock: FileLock) -> None:
        """Acquire the lock; another process may remove its folder just now, and again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.kept.mkdir(parents=True, exist_ok=True)
                lock.acquire()
                return
            except FileNotFoundError:
                if attempt == ATTEMPTS:
                    raise

    def improvement(self, epoch: int, loss: float) -> Path:
        return self.kept / f"weights-improvement-{epoch:02d}-{loss:.4f}{SUFFIX}"

    def improvements(self) -> list[Path]:
        """Return the kept checkpoints, the best first."""
        ranked = [
            (float(match[1]), -path.stat().st_mtime_ns, path)  # of equal digits, the later is less
            for path in self.kept.glob(f"weights-improvement-*{SUFFIX}")
            if (match := IMPROVEMENT.match(path.name))
        ]
        return [path for *_, path in sorted(ranked)]

    def prune(self, keep: int) -> None:
        """Delete all but the best `keep` checkpoints; 0 keeps all."""
        try:
            for path in self.improvements()[keep:] if keep else []:
                path.unlink()
        except OSError as error:
            raise CheckpointUnwritable(self.kept, error.strerror or str(error)) from error

    def sweep(self) -> None:
        """Delete what killed writers of this name left half written."""
        try:
            for path in (*self.out.glob(f".{self.name}.*.tmp"), *self.kept.glob(".*.tmp")):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise CheckpointUnwritable(self.out, error.strerror or str(error)) from error

    def taken_by(self) -> Path | None:
        """Return a file that a new training of this name would replace, or None.

        It need not be a model: a book of that name may lie in the same folder.
        """
        outcomes = (self.model, self.chart, self.poem, *self.kept.glob(f"*{SUFFIX}"))
        return next((path for path in outcomes if path.exists()), None)


def new_folder(out: Path, stem: str, name: str | None) -> TrainingFolder:
    """Return a folder that is free: `name` itself, or the stem with -2, -3 … as needed.

    Raises NameTaken if `name` was chosen by hand and stands for another model.
    """
    if name is not None:
        folder = TrainingFolder(out, check_name(name))
        taken_by = folder.taken_by()
        if taken_by:
            raise NameTaken(taken_by)
        return folder
    base = safe_name(stem)
    number = 1
    folder = TrainingFolder(out, base)
    while folder.taken_by():
        number += 1
        folder = TrainingFolder(out, f"{base}-{number}")
    return folder
