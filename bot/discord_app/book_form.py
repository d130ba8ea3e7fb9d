"""The form in which a book is added: a file or an address, a name, a short or a long training.

The client remembers no form: what it needs is in its custom_id and in what comes back, so one that
was open during a restart works. Discord cannot fill in a file again. Everything else that was typed
is told with a refusal, and a button reads it from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import discord

from bot.core.errors import BadSetting
from bot.core.jobs import TrainingLength, read_length
from bot.core.training_requests import AttachedFile
from bot.discord_app.confirm_buttons import ConfirmAction, confirm_view
from bot.discord_app.poem_formatting import FOOTER_MARK

FORM = re.compile(r"book:add:(?P<shared>[01])")
SOURCE, NAME, LENGTH, FILE = "source", "name", "training", "file"
SHARED = "shared"  # what the button "Try again" remembers of a book for all servers
MAX_SOURCE, MAX_NAME = 500, 64
ALLOWED_SOURCE = "an attached file, a web address or a Project Gutenberg number"
LENGTHS = {
    TrainingLength.SHORT: ("Short", "Five minutes at most, to hear what the book sounds like"),
    TrainingLength.LONG: ("Long", "Until it is done"),
}
TYPED = {SOURCE: "address or number", NAME: "name", LENGTH: "training"}
LINE = re.compile(rf"{re.escape(FOOTER_MARK)}(?P<label>[a-z ]+): `(?P<value>[^`\n]*)`")
FILE_AGAIN = f"{FOOTER_MARK}Attach the file again: Discord does not keep it."


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
    form = discord.ui.Modal(title="Add a book", custom_id=f"book:add:{entry.shared:d}")
    file: discord.ui.FileUpload[Any] = discord.ui.FileUpload(custom_id=FILE, required=False)
    source: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=SOURCE,
        required=False,
        max_length=MAX_SOURCE,
        placeholder="https://example.org/book.txt or 1041",
        default=entry.source[:MAX_SOURCE] or None,
    )
    name: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=NAME,
        required=False,
        max_length=MAX_NAME,
        placeholder="Leave it empty for the title of the book",
        default=entry.name[:MAX_NAME] or None,
    )
    lengths: discord.ui.RadioGroup[Any] = discord.ui.RadioGroup(custom_id=LENGTH)
    for length, (label, description) in LENGTHS.items():
        lengths.add_option(
            label=label,
            value=length.value,
            description=description,
            default=length is entry.length,
        )
    labels: list[discord.ui.Label[Any]] = [
        discord.ui.Label(
            text="A text file", description="Plain text. Chat logs are refused", component=file
        ),
        discord.ui.Label(text="Or an address, or a Project Gutenberg number", component=source),
        discord.ui.Label(text="Name of the model", component=name),
        discord.ui.Label(text="Training", component=lengths),
    ]
    for each in labels:
        form.add_item(each)
    form.stop()  # the client need not remember it
    return form


def is_book_form(interaction: discord.Interaction[Any]) -> bool:
    """Whether an interaction is a form that was filled in here, perhaps before a restart."""
    custom_id = str(dict(interaction.data or {}).get("custom_id", ""))
    is_form = interaction.type is discord.InteractionType.modal_submit
    return is_form and FORM.fullmatch(custom_id) is not None


def read_book_form(interaction: discord.Interaction[Any]) -> BookEntry:
    """Return what was filled in. Everything comes from a stranger, and may be missing."""
    submitted: Mapping[str, Any] = dict(interaction.data or {})
    given = {str(each.get("custom_id")): each for each in _controls(submitted)}
    match = FORM.fullmatch(str(submitted.get("custom_id", "")))
    numbers = [str(number) for number in given.get(FILE, {}).get("values") or ()]
    files = (submitted.get("resolved") or {}).get("attachments") or {}
    file = files.get(numbers[0]) if numbers else None
    return BookEntry(
        source=_typed(given, SOURCE)[:MAX_SOURCE],
        name=_typed(given, NAME)[:MAX_NAME],
        length=read_length(_typed(given, LENGTH) or TrainingLength.LONG),
        shared=match is not None and match["shared"] == "1",
        file=None if file is None else _file(interaction.client, file),
    )


def _controls(submitted: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what can be filled in, from within the labels and rows around it."""
    for each in submitted.get("components") or ():
        inner = each.get("component")
        yield from _controls({"components": [inner] if inner else each.get("components")})
        yield each


def _typed(given: Mapping[str, Mapping[str, Any]], name: str) -> str:
    return " ".join(str(given.get(name, {}).get("value") or "").split())


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
    return "\n".join([*lines, *([FILE_AGAIN] if entry.file else [])])


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
    return confirm_view(asker, subject, ("Try again", ConfirmAction.FORM))
