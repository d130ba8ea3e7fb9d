"""The terminal's door: one poem on stdout, or a prompt where each line is a seed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TextIO

from bot.core.errors import BotError
from bot.core.records import ModelRecord, PoemRequest
from bot.core.service import Service

PROMPT = "seed> "


async def write_poem(
    service: Service, request: PoemRequest, out: TextIO, err: TextIO, *, as_json: bool = False
) -> None:
    """Write one poem to `out`, as it comes or as one line of JSON; notes go to `err`."""
    async with service.write(request) as writing:
        if as_json:
            poem = await writing.finish()
            print(json.dumps(poem.as_dict(), ensure_ascii=False), file=out, flush=True)
            return
        for note in writing.notes:
            print(note, file=err, flush=True)
        if writing.place:
            print(writing.standing.sentence, file=err, flush=True)
        async for piece in writing:
            print(piece, end="", file=out, flush=True)
        print(file=out, flush=True)
        for note in writing.poem.notes[len(writing.notes) :]:  # known at the end only
            print(note, file=err, flush=True)


def converse(
    service: Service,
    request: PoemRequest,
    run: Callable[[Coroutine[Any, Any, None]], None],
    *,
    lines: TextIO,
    out: TextIO,
    err: TextIO,
) -> None:
    """Write a poem for each line of `lines` until it ends; `run` runs a coroutine to its end.

    Reading happens between the runs and not on the event loop, so that Ctrl-C at the prompt acts
    at once. A refused seed gets its sentence and the conversation goes on.
    """
    interactive = lines.isatty()
    if interactive:
        print("Each line is a seed, an empty one opens at random; Ctrl-D ends.", file=err)
    while True:
        if interactive:
            print(PROMPT, end="", file=out, flush=True)
        line = lines.readline()
        if not line:
            return
        try:
            run(write_poem(service, replace(request, seed=line), out, err))
        except BotError as error:
            print(error, file=err, flush=True)
        else:
            print(file=out, flush=True)


def render_models(models: Sequence[ModelRecord]) -> str:
    """Return a table of what is installed, the default marked with a star."""
    rows = [("", "name", "book", "loss", "size", "date", "hash")]
    for model in models:
        size = f"{model.size_bytes / 2**20:.1f} MB"
        mark = "*" if model.default else ""
        date, loss = model.created[:10], f"{model.loss:.3f}"
        rows.append((mark, model.name, model.book, loss, size, date, model.sha256[:12]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def prepare_streams() -> None:
    """Make the standard streams take any text: UTF-8, and never an error for a stray byte."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
