"""What the bot cannot do, each with a sentence that can be shown to the asker.

BotError
├── BadSetting        a value out of its range
├── BadConfig         config.toml or the environment cannot be used
├── UnknownModel      no model of that name or hash
├── ModelUnusable     a model file that cannot be loaded
├── LinesImpossible   no next line of a poem that is written line by line
├── TooSoon           the asker's cooldown
├── QueueFull         the queue has no room
│   ├── MemberFull        the asker's own poems are as many as may be
│   ├── GuildFull         the poems of the asker's guild are
│   └── NoWriter          nothing that writes can be reached
├── ShuttingDown      the bot is about to stop
├── SourceRefused     an address that a book may not be fetched from
├── SourceFailed      a book that could not be fetched
├── BookRefused       what came is no book that can be trained on
├── NotAllowed        the asker may not do that here
│   └── NotTheHost        a room has one host
├── NothingThere      nothing of that name, or nothing to do
│   └── NoSuchRoom        no room has that code
├── TooMuch           a limit of config.toml, or of rooms
│   ├── TooManyRooms      one address has as many rooms as it may
│   ├── RoomsFull         all together have
│   └── RoomFull          a room has as many visitors as it may
├── DataFolderUnusable  the data folder cannot be opened
├── DatabaseUnusable  the database on a server cannot be opened
├── DataNotKept       the database cannot be read or written just now
│   ├── DatabaseBusyError  another program has it locked
│   └── DataUncertain     nobody knows whether the last change was kept
├── BackupUnusable    a file that no data can be restored from
└── PathRefused       a number or name that no file of ours can have
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from bot.core.installation import COMMAND
from bot.core.languages import counted, form_name, sentence


class BotError(Exception):
    """The root; `str(error)` is the sentence: what happened, the value, what to do."""

    @property
    def sentence(self) -> str:
        """The same, which a door can translate; the log has it in English."""
        return self.args[0] if self.args else ""


class BadSetting(BotError):
    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(
            sentence(
                "{name} is {value}; it must be {allowed}.",
                name=_short(name),
                value=_quoted(value),
                allowed=allowed,
            )
        )
        self.name = name
        self.value = value
        self.allowed = allowed


class BadConfig(BotError):
    """Settings of the installation that cannot be used; the bot does not start."""


class UnknownModel(BotError):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        models, more = ", ".join(known[:MAX_NAMED]), len(known) - MAX_NAMED
        if not known:
            told = sentence(
                "There is no model called {name}. No model is installed.", name=_quoted(name)
            )
        elif more <= 0:
            told = sentence(
                "There is no model called {name}. Choose one of: {models}.",
                name=_quoted(name),
                models=models,
            )
        else:
            told = sentence(
                "There is no model called {name}. Choose one of: {models} and {more} more.",
                name=_quoted(name),
                models=models,
                more=more,
            )
        super().__init__(told)
        self.name = name
        self.known = tuple(known)


class ModelUnusable(BotError):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            sentence("The model {name} cannot be used. {reason}", name=repr(name), reason=reason)
        )
        self.name = name
        self.reason = reason


class FormImpossible(BotError):
    """This model or this seed cannot have that form; the poem is free text, with this as a note."""

    def __init__(self, form: str, reason: str) -> None:
        super().__init__(
            sentence(
                "This is free text, not a {form}. {reason}",
                form=form_name(form),
                reason=reason,
            )
        )
        self.reason = reason


class LinesImpossible(BotError):
    def __init__(self, form: str, reason: str) -> None:
        super().__init__(
            sentence(
                "I cannot write this {form} line by line. {reason}",
                form=form_name(form),
                reason=reason,
            )
        )
        self.form = form
        self.reason = reason


class AvoidedSeed(BotError):
    def __init__(self, word: str, line: int = 0, *, gift: str = "") -> None:
        """`line` is the number of a line that a reader wrote; `gift` is a visitor's line or word.

        Without either it is the seed.
        """
        if gift == "line":
            told = sentence(
                "Your line has the word {word}, which is not allowed here. Try again without it.",
                word=repr(word),
            )
        elif gift:
            told = sentence(
                "Your word has the word {word}, which is not allowed here. Try again without it.",
                word=repr(word),
            )
        elif line:
            told = sentence(
                "Line {line} has the word {word}, which is not allowed here. Try again without it.",
                line=line,
                word=repr(word),
            )
        else:
            told = sentence(
                "Your opening has the word {word}, which is not allowed here. Try again without "
                "it.",
                word=repr(word),
            )
        super().__init__(told)
        self.word = word


class CannotWrite(BotError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be written: {reason}. Choose another place.")
        self.path = path
        self.reason = reason


class TooSoon(BotError):
    def __init__(self, wait_seconds: float, *, card: bool = False) -> None:
        seconds = math.ceil(wait_seconds)
        if card:
            told = sentence(
                "Please wait {seconds} s before you ask for another card.", seconds=seconds
            )
        else:
            told = sentence(
                "Please wait {seconds} s before you ask for another poem.", seconds=seconds
            )
        super().__init__(told)
        self.wait_seconds = wait_seconds


class QueueFull(BotError):
    def __init__(self, waiting: int) -> None:
        super().__init__(
            counted(
                "The queue is full ({count} poem waiting). Try again in a minute.",
                "The queue is full ({count} poems waiting). Try again in a minute.",
                waiting,
            )
            if waiting
            else sentence("The queue is full. Try again in a minute.")
        )
        self.count = waiting


class MemberFull(QueueFull):
    def __init__(self, count: int) -> None:
        BotError.__init__(
            self,
            counted(
                "You already have {count} poem being written or waiting. "
                "Wait until one is done, or stop one.",
                "You already have {count} poems being written or waiting. "
                "Wait until one is done, or stop one.",
                count,
            ),
        )
        self.count = count


class GuildFull(QueueFull):
    def __init__(self, count: int) -> None:
        BotError.__init__(
            self,
            counted(
                "This server already has {count} poem being written or waiting. "
                "Try again in a minute.",
                "This server already has {count} poems being written or waiting. "
                "Try again in a minute.",
                count,
            ),
        )
        self.count = count


class NoWriter(QueueFull):
    def __init__(self) -> None:
        BotError.__init__(
            self,
            sentence(
                "None of the machines that write poems can be reached. Try again in a minute."
            ),
        )
        self.count = 0


class ShuttingDown(BotError):
    def __init__(self) -> None:
        super().__init__(sentence("Sonneteer is about to restart. Try again in a minute."))


class SourceRefused(BotError):
    def __init__(self, source: str, reason: str) -> None:
        super().__init__(
            sentence(
                "I cannot fetch a book from {source}: {reason}. Give the https:// address of a "
                "plain-text file, a Project Gutenberg number, or attach the file.",
                source=_quoted(source),
                reason=reason,
            )
        )
        self.source = source
        self.reason = reason


class SourceFailed(BotError):
    def __init__(self, source: str, reason: str) -> None:
        super().__init__(
            sentence(
                "The book could not be fetched from {source}: {reason}. "
                "Try again, or attach the file.",
                source=_quoted(source),
                reason=reason,
            )
        )
        self.source = source
        self.reason = reason


class BookRefused(BotError):
    """What came is no book that can be trained on; the sentence is the model side's."""


class NotAllowed(BotError):
    """The asker may not do that here; the sentence says who may."""


class NothingThere(BotError):
    """Nothing of that name, or nothing to do; the sentence says what there is."""


class TooMuch(BotError):
    """More than a limit of the installation allows; the sentence names it."""


class NotTheHost(NotAllowed):
    def __init__(self) -> None:
        super().__init__(sentence("Only the browser that opened this room may do that."))


class NoSuchRoom(NothingThere):
    def __init__(self, code: str) -> None:
        super().__init__(
            sentence(
                "There is no room with the code {code}. Check the code. Perhaps the room has "
                "ended: by its host, after an hour without anybody, or with a restart.",
                code=_quoted(code),
            )
        )
        self.code = code


class TooManyRooms(TooMuch):
    def __init__(self, most: int) -> None:
        super().__init__(
            counted(
                "Your address has {count} room already. Close it first.",
                "Your address has {count} rooms already. Close one of them first.",
                most,
            )
        )
        self.most = most


class RoomsFull(TooMuch):
    def __init__(self, most: int) -> None:
        wait = counted(
            "There is {count} room already. Try again when it has ended.",
            "There are {count} rooms already. Try again when one has ended.",
            most,
        )
        super().__init__(wait if most else sentence("Rooms are turned off here."))
        self.most = most


class RoomFull(TooMuch):
    def __init__(self, most: int) -> None:
        super().__init__(
            counted(
                "This room is full: {count} visitor. Try again in a minute.",
                "This room is full: {count} visitors. Try again in a minute.",
                most,
            )
        )
        self.most = most


class DataFolderUnusable(BotError):
    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"The data folder {folder} cannot be used: {reason}. It is set in config.toml, "
            "section [data], or by SONNETEER_DATA_FOLDER."
        )
        self.folder = folder
        self.reason = reason


class DatabaseUnusable(BotError):
    def __init__(self, address: object, reason: str) -> None:
        super().__init__(
            f"The database {address} cannot be used: {reason}. Its address is in config.toml, "
            "section [cluster], or after the command."
        )
        self.reason = reason


class DataNotKept(BotError):
    def __init__(self, reason: str, *, on_server: bool = False) -> None:
        if on_server:
            said = sentence(
                "That could not be saved: {reason}. Nothing was changed. The bot's admin should "
                "check the database server.",
                reason=reason,
            )
        else:
            said = sentence(
                "That could not be saved: {reason}. Nothing was changed. The bot's admin should "
                "check the disk.",
                reason=reason,
            )
        super().__init__(said)
        self.reason = reason


class DatabaseBusyError(DataNotKept):
    def __init__(self, seconds: float) -> None:
        BotError.__init__(
            self,
            sentence(
                "The database is busy: another program has locked it for {seconds:g} s. Nothing "
                "was changed. Try again in a minute. The bot's admin should check what has it "
                "open.",
                seconds=seconds,
            ),
        )
        self.reason = "the database is locked by another program"
        self.seconds = seconds


class DataUncertain(DataNotKept):
    def __init__(self, reason: str) -> None:
        BotError.__init__(
            self,
            sentence(
                "It is not known whether that was saved: {reason}. Look whether it was, before you "
                "do it again. The bot's admin should check the database server.",
                reason=reason,
            ),
        )
        self.reason = reason


class BackupUnusable(BotError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be restored: {reason}. Nothing was changed.")
        self.path = path
        self.reason = reason


class PathRefused(BotError):
    def __init__(self, folder: Path, name: object) -> None:
        super().__init__(
            f"{_quoted(name)} is not a valid number or name in {folder}. Nothing was read, "
            f"written or removed. Check the database: {COMMAND} doctor."
        )
        self.folder = folder
        self.name = name


MAX_SHOWN = 100  # characters of what a stranger typed; it may be a whole book
MAX_NAMED = 20  # models; a name has 64 characters at most, and a message of Discord's 2,000


def _quoted(value: object) -> str:
    """Quote what a stranger typed, its beginning at least.

    >>> _quoted("ftp://x"), _quoted(7), len(_quoted("y" * 1000))
    ("'ftp://x'", '7', 103)
    """
    return repr(_short(value)) if isinstance(value, str) else _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
