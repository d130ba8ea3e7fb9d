"""The form in which a book is added: a file or an address, a name, a short or a long training.

Discord cannot fill in a file again. Everything else that was typed is told with a refusal, and a
button reads it from there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import discord

from bot.core.errors import BadSetting
from bot.core.jobs import TrainingLength, read_length
from bot.core.languages import say, sentence, translate
from bot.core.training_requests import AttachedFile
from bot.discord_app.confirm_buttons import ConfirmAction, confirm_view
from bot.discord_app.forms import make_form, match_form, read_file, read_form, read_line
from bot.discord_app.poem_formatting import FOOTER_MARK

FORM = re.compile(r"book:add:(?P<shared>[01])")
SOURCE, NAME, LENGTH, FILE = "source", "name", "training", "file"
SHARED = "shared"  # what the button "Try again" remembers of a book for all servers
MAX_SOURCE, MAX_NAME = 500, 64
ALLOWED_SOURCE = sentence("an attached file, a web address or a Project Gutenberg number")
LENGTHS = {
    TrainingLength.SHORT: (
        sentence("Short"),
        sentence("Five minutes at most, to hear what the book sounds like"),
    ),
    TrainingLength.LONG: (sentence("Long"), sentence("Until it is done")),
}
TYPED = {SOURCE: "address or number", NAME: "name", LENGTH: "training"}
LINE = re.compile(rf"{re.escape(FOOTER_MARK)}(?P<label>[a-z ]+): `(?P<value>[^`\n]*)`")
FILE_AGAIN = sentence("Attach the file again: Discord does not keep it.")


@dataclass(frozen=True, slots=True)
class BookEntry:
    """A book as somebody asked for it, by an option or in the form."""

    source: str = ""
    name: str = ""
    length: TrainingLength = TrainingLength.LONG
    shared: bool = False
    file: AttachedFile | None = None

    def check(self) -> None:
        """Raise BadSetting unless there is either a file or an address."""
        if (self.file is None) == (not self.source):
            raise BadSetting("source", self.source, ALLOWED_SOURCE)


def book_form(entry: BookEntry) -> discord.ui.Modal:
    """Return the form, filled in as far as that is possible."""
    file: discord.ui.FileUpload[Any] = discord.ui.FileUpload(custom_id=FILE, required=False)
    source: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=SOURCE,
        required=False,
        max_length=MAX_SOURCE,
        placeholder=say("https://example.org/book.txt or 1041"),
        default=entry.source[:MAX_SOURCE] or None,
    )
    name: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=NAME,
        required=False,
        max_length=MAX_NAME,
        placeholder=say("Leave it empty for the title of the book"),
        default=entry.name[:MAX_NAME] or None,
    )
    lengths: discord.ui.RadioGroup[Any] = discord.ui.RadioGroup(custom_id=LENGTH)
    for length, (label, description) in LENGTHS.items():
        lengths.add_option(
            label=translate(label),
            value=length.value,
            description=translate(description),
            default=length is entry.length,
        )
    return make_form(
        say("Add a book"),
        f"book:add:{entry.shared:d}",
        discord.ui.Label(
            text=say("A text file"),
            description=say("Plain text. Chat logs are refused"),
            component=file,
        ),
        discord.ui.Label(
            text=say("Or an address, or a Project Gutenberg number"), component=source
        ),
        discord.ui.Label(text=say("Name of the model"), component=name),
        discord.ui.Label(text=say("Training"), component=lengths),
    )


def is_book_form(interaction: discord.Interaction[Any]) -> bool:
    """Whether an interaction is this form, filled in, perhaps opened before a restart."""
    return match_form(interaction, FORM) is not None


def read_book_form(interaction: discord.Interaction[Any]) -> BookEntry:
    """Return what was filled in. Everything comes from a stranger, and may be missing."""
    match, filled = match_form(interaction, FORM), read_form(interaction)
    files = [read_file(interaction, number) for number in filled.get(FILE, ())]
    file = files[0] if files else None
    return BookEntry(
        source=read_line(filled, SOURCE)[:MAX_SOURCE],
        name=read_line(filled, NAME)[:MAX_NAME],
        length=read_length(read_line(filled, LENGTH) or TrainingLength.LONG),
        shared=match is not None and match["shared"] == "1",
        file=None if file is None else _file(interaction.client, file),
    )


def _file(client: discord.Client, file: Mapping[str, Any]) -> AttachedFile:
    """Return a file that Discord keeps for a while, at an address of its own."""
    read = partial(client.http.get_from_cdn, str(file["url"]))
    return AttachedFile(str(file["filename"]), int(file["size"]), read)


# What was typed, in a refusal


def format_entry(entry: BookEntry) -> str:
    """Say what was typed, so that it is not lost with the form."""
    values = {SOURCE: entry.source, NAME: entry.name, LENGTH: entry.length.value}
    lines = [
        f"{FOOTER_MARK}{TYPED[name]}: `{value.replace('`', chr(39))}`"
        for name, value in values.items()
        if value
    ]
    return "\n".join([*lines, *([f"{FOOTER_MARK}{translate(FILE_AGAIN)}"] if entry.file else [])])


def read_entry(content: str, *, shared: bool) -> BookEntry:
    """Return what a refusal says that was typed; nothing is filled in where it says nothing."""
    found = {match["label"]: match["value"] for match in LINE.finditer(content)}
    typed = {name: found.get(label, "") for name, label in TYPED.items()}
    known = typed[LENGTH] in set(TrainingLength)
    length = TrainingLength(typed[LENGTH]) if known else TrainingLength.LONG
    return BookEntry(typed[SOURCE], typed[NAME], length, shared)


def again_view(asker: int, entry: BookEntry) -> discord.ui.View:
    """Return the button that opens the form again, filled in."""
    subject = SHARED if entry.shared else ""
    return confirm_view(asker, subject, (say("Try again"), ConfirmAction.FORM))
