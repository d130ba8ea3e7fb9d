"""What can go wrong on the model's side, each with a sentence to show to a person.

ModelError
├── SettingError          a setting out of its range
├── DeviceMissing         a processor was asked for that is not there
├── EngineFull            all rows of the engine are taken
├── BookError             the book cannot be used
│   ├── BookMissing
│   ├── BookBinary
│   ├── BookTooShort
│   ├── BookMonotonous
│   └── BookTooLong
├── CheckpointError       a model file cannot be used
│   ├── CheckpointMissing
│   ├── CheckpointTruncated
│   ├── CheckpointForeign
│   ├── CheckpointVersion
│   ├── CheckpointShape
│   ├── CheckpointTooLarge
│   ├── CheckpointNotFinite
│   └── CheckpointUnwritable
└── TrainingError         a training cannot begin, or cannot go on
    ├── NameTaken
    ├── TrainingElsewhere
    ├── ResumeMissing
    ├── ResumeMismatch
    ├── ResumeOutdated
    ├── StartMismatch
    ├── RowsIndivisible
    ├── ProcessesDiffer
    ├── ProcessLost
    └── TrainingDiverged
"""

from __future__ import annotations

from pathlib import Path

MAX_SHOWN = 300  # characters of what is wrong with a file


class ModelError(Exception):
    """The root; `str(error)` is the sentence: what happened, the value, what to do."""


class SettingError(ModelError):
    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} is {value!r}; it must be {allowed}.")
        self.name = name
        self.value = value
        self.allowed = allowed


class DeviceMissing(ModelError):
    def __init__(self, device: str) -> None:
        super().__init__(
            f"PyTorch finds no device {device!r} on this machine. "
            "Use --device cpu or --device auto."
        )
        self.device = device


class EngineFull(ModelError):
    def __init__(self, max_rows: int) -> None:
        super().__init__(
            f"{max_rows} poems are being written, which is the most at once. "
            "Try again when one is finished."
        )
        self.max_rows = max_rows


class BookError(ModelError):
    """A book that cannot be trained on."""


class BookMissing(BookError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The book {path} cannot be read: {reason}. Check the path.")
        self.path = path
        self.reason = reason


class BookBinary(BookError):
    def __init__(self, title: str, reason: str) -> None:
        super().__init__(
            f"The book {title!r} is not text: {reason}. Give a plain-text file (.txt, .md, .tex …)."
        )
        self.title = title
        self.reason = reason


class BookTooShort(BookError):
    def __init__(
        self, title: str, characters: int, minimum: int, *, left_out: bool = False
    ) -> None:
        """`left_out`: a publisher's words were removed, which may be why it is so short."""
        super().__init__(
            f"The book {title!r} has {characters:,} characters of text; "
            f"at least {minimum:,} are needed. Give a longer one."
            + left_out
            * " Text recognised as Project Gutenberg's own words is not counted."
        )
        self.title = title
        self.characters = characters
        self.minimum = minimum


class BookMonotonous(BookError):
    def __init__(self, title: str, reason: str) -> None:
        super().__init__(
            f"A model can learn nothing from the book {title!r}: {reason}. Give a more varied text."
        )
        self.title = title
        self.reason = reason


class BookIsChat(BookError):
    def __init__(self, title: str) -> None:
        super().__init__(
            f"The book {title!r} looks like a chat log, and messages are never trained on: their "
            "authors did not agree to it. Give a text that was published."
        )
        self.title = title


class BookTooLong(BookError):
    def __init__(self, title: str, size_bytes: int, maximum_bytes: int) -> None:
        super().__init__(
            f"The book {title!r} has {size_bytes:,} bytes; the limit is "
            f"{maximum_bytes:,} ({maximum_bytes // 2**20} MiB). Give a part of it."
        )
        self.title = title
        self.size_bytes = size_bytes
        self.maximum_bytes = maximum_bytes


class CheckpointError(ModelError):
    """A model file that cannot be used; the model that serves already goes on serving."""

    def __init__(self, path: Path, what: str, advice: str) -> None:
        # A stranger's file may say anything at any length.
        what = "".join(c if c.isprintable() else "?" for c in what[:MAX_SHOWN])
        super().__init__(f"The model file {path} {what}. {advice}")
        self.path = path
        self.what = what
        self.advice = advice


class CheckpointMissing(CheckpointError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"cannot be read: {reason}", "Check the path.")


class CheckpointTruncated(CheckpointError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"is damaged: {reason}", "Copy it again, or train the model again.")


class CheckpointForeign(CheckpointError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path, f"is not a Sonneteer model: {reason}", "Give a file that train.py wrote."
        )


class CheckpointVersion(CheckpointError):
    def __init__(self, path: Path, version: int, newest: int) -> None:
        super().__init__(
            path,
            f"has format version {version}; this Sonneteer reads versions up to {newest}",
            "Update Sonneteer.",
        )
        self.version = version
        self.newest = newest


class CheckpointShape(CheckpointError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path, f"has weights of the wrong shape: {reason}", "Train the model again."
        )


class CheckpointTooLarge(CheckpointError):
    def __init__(self, path: Path, what: str, maximum_bytes: int) -> None:
        super().__init__(
            path,
            f"{what}; a server's own model may have {maximum_bytes:,}",
            "Train a smaller one.",
        )
        self.maximum_bytes = maximum_bytes


class CheckpointNotFinite(CheckpointError):
    def __init__(self, path: Path, tensor: str) -> None:
        super().__init__(
            path,
            f"has weights that are not finite numbers (in {tensor})",
            "Train the model again, with a lower learning rate.",
        )
        self.tensor = tensor


class CheckpointUnwritable(CheckpointError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"could not be written: {reason}",
            "The earlier file is unchanged. Free some space, or choose another folder with --out.",
        )
        self.reason = reason


class TrainingError(ModelError):
    """A training that cannot begin, or cannot go on."""


class NameTaken(TrainingError):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The name is taken: {path} exists already. "
            "Choose another --name, or continue that training with --resume."
        )
        self.path = path


class TrainingElsewhere(TrainingError):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"The model {name!r} is being trained by another process. Wait until it ends, "
            "or choose another --name."
        )
        self.name = name


class ResumeMissing(TrainingError):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no interrupted training to resume: {path} does not exist. "
            "Check --name and --out, or leave out --resume to start a new training."
        )
        self.path = path


class ResumeMismatch(TrainingError):
    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"The training in {path} cannot be resumed with this {what}: "
            f"it began with another one. Give the same {what}, "
            "or leave out --resume to start a new training."
        )
        self.path = path
        self.what = what


class ResumeOutdated(TrainingError):
    def __init__(self, path: Path, theirs: int, ours: int) -> None:
        super().__init__(
            f"The training in {path} cannot be resumed: it began with {theirs:,} different "
            f"characters, and the book now has {ours:,}. "
            "Leave out --resume to start a new training."
        )
        self.path = path
        self.theirs = theirs
        self.ours = ours


class StartMismatch(TrainingError):
    def __init__(self, what: str, theirs: object, ours: object) -> None:
        super().__init__(
            f"The model to start with has {what} {theirs}, this training has {ours}. "
            "Leave out --from, or start with a model of the same recipe."
        )
        self.what = what
        self.theirs = theirs
        self.ours = ours


class RowsIndivisible(TrainingError):
    def __init__(self, rows: int, processes: int) -> None:
        numbers = [str(n) for n in range(1, rows + 1) if rows % n == 0]
        super().__init__(
            f"The {rows} rows of a batch cannot be divided among {processes} processes. "
            f"Start {', '.join(numbers[:-1])} or {numbers[-1]} of them."
        )
        self.rows = rows
        self.processes = processes


class ProcessesDiffer(TrainingError):
    def __init__(self) -> None:
        super().__init__(
            "The processes of this training were not given the same. "
            "Start all of them with the same texts and options, on devices of one kind."
        )


class ProcessLost(TrainingError):
    def __init__(self) -> None:
        super().__init__(
            "Another process of this training has ended or does not answer, so this one ends too. "
            "The same command goes on from what was saved last."
        )


class TrainingDiverged(TrainingError):
    def __init__(self, epoch: int, learning_rate: float) -> None:
        super().__init__(
            f"In epoch {epoch} the loss is no longer a finite number "
            f"(learning rate {learning_rate:.2g}). The best model so far is saved. "
            "Train again with another --seed."
        )
        self.epoch = epoch
        self.learning_rate = learning_rate
