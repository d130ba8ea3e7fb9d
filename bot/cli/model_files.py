"""`models eval` and `models export`: what an admin does with a model's file."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from bot.app import data_folder, make_library
from bot.config import Config
from bot.core.errors import BadSetting
from bot.core.model_card import source_of
from bot.core.model_files import Evaluation, evaluate_file, export_model
from bot.core.records import ModelRecord
from bot.core.store.books import read_source_beside_bot

ACTIONS = ("eval", "export")
TELL_SECONDS = 5.0  # between two lines on how far it is
LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")


def add_actions(actions: argparse._SubParsersAction[Any]) -> None:
    """Add what can be done with a model's file."""
    evaluating = actions.add_parser("eval", help="measure a model on the text in a file")
    evaluating.add_argument("name", metavar="NAME")
    evaluating.add_argument("file", type=Path, metavar="FILE")
    exporting = actions.add_parser("export", help="put a model and its card into a folder")
    exporting.add_argument("name", metavar="NAME")
    exporting.add_argument("folder", type=Path, metavar="FOLDER")
    exporting.add_argument(
        "--licence", metavar="ID", help="of the model, as hubs call it: cc0-1.0, mit, cc-by-4.0 …"
    )


def run(arguments: argparse.Namespace, config: Config, out: TextIO, err: TextIO) -> None:
    """Do one of ACTIONS; raise the BotError that says why not."""
    record = make_library(config).find(arguments.name, arguments.guild)
    if arguments.action == "eval":
        found = evaluate_file(record, arguments.file, Progress(err))
        print(render_evaluation(record, arguments.file, found), file=out, flush=True)
        return
    licence = arguments.licence
    if licence is not None and not LICENCE.fullmatch(licence):
        raise BadSetting("licence", licence, "a short name such as cc0-1.0 or mit")
    source = read_source_beside_bot(data_folder(config), record.guild, record.sha256)
    files = export_model(
        record,
        arguments.folder,
        source_of(shipped=record.shipped, source=source, licence=licence),
    )
    for file in files:
        print(file, file=out, flush=True)


class Progress:
    """Says from time to time how far something is that takes long."""

    def __init__(self, err: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._err = err
        self._clock = clock
        self._began = self._told = clock()

    def __call__(self, share: float) -> None:
        now = self._clock()
        if now - self._told < TELL_SECONDS or not 0 < share < 1:
            return
        self._told = now
        left = (now - self._began) * (1 - share) / share
        print(f"{share:.0%} done, about {left:.0f} s left", file=self._err, flush=True)


def render_evaluation(record: ModelRecord, file: Path, found: Evaluation) -> str:
    """Return the figures, one on a line."""
    choice = found.choice
    kind = "sonnets" if found.has_sonnets else "stretches of fourteen lines"
    lines = [
        f"model: {record.name} ({record.book})",
        f"text: {file.name}, {found.characters:,} characters, {found.tokens:,} tokens, "
        f"{found.words:,} words",
        f"nats per character: {found.nats_per_character:.4f}",
        f"bits per character: {found.bits_per_character:.4f}",
        f"perplexity per word: {found.perplexity_per_word:,.1f}",
        "next line chosen: too few lines in the text"
        if choice is None
        else f"next line chosen: {choice.mean:.1%} ± {choice.error:.1%}, of {choice.poems} {kind}; "
        "12.5% by chance",
    ]
    if found.left_out:
        signs = " ".join(found.left_out[:20])
        lines.append(f"left out, as the model does not know them: {signs}")
    return "\n".join(lines)
