"""The terminal's door: one poem on stdout, or a prompt where each line is a seed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from bot.core.card import draw_card
from bot.core.errors import BotError, CannotWrite
from bot.core.poems import PoemService
from bot.core.records import Poem, PoemRequest

PROMPT = "seed> "
HELP = "Type an opening and press Enter; leave it empty for a random opening. Ctrl-D quits."


async def write_poem(
    service: PoemService,
    request: PoemRequest,
    out: TextIO,
    err: TextIO,
    *,
    as_json: bool = False,
    card: Path | None = None,
) -> None:
    """Write one poem to `out`, as it comes or as one line of JSON; notes go to `err`.

    A picture of it goes to the file `card`; raise CannotWrite where that fails.
    """
    async with service.write(await service.admit(request)) as poem_stream:
        if as_json:
            poem = await poem_stream.finish()
            if card is not None:
                save_card(poem, card)
            print(json.dumps(poem.as_dict(), ensure_ascii=False), file=out, flush=True)
            return
        for note in poem_stream.notes:
            print(note, file=err, flush=True)
        if poem_stream.place:
            print(poem_stream.queue_position.sentence, file=err, flush=True)
        async for piece in poem_stream:
            print(piece, end="", file=out, flush=True)
        print(file=out, flush=True)
        poem = poem_stream.poem
        for note in poem.notes[len(poem_stream.notes) :]:  # known at the end only
            print(note, file=err, flush=True)
        if poem.looks.title:
            signature = f"{poem.looks.title} · {poem.model} · random seed {poem.random_seed}"
            print(signature, file=err, flush=True)
        if card is not None:
            save_card(poem, card)


def save_card(poem: Poem, path: Path) -> None:
    """Draw a poem into a PNG file; raise CannotWrite."""
    try:
        path.write_bytes(draw_card(poem))
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from error


def run_prompt(
    service: PoemService,
    request: PoemRequest,
    run: Callable[[Coroutine[Any, Any, None]], None],
    *,
    lines: TextIO,
    out: TextIO,
    err: TextIO,
) -> None:
    """Write a poem for each line of `lines` until it ends; `run` runs a coroutine to its end.

    Reading happens between the runs and not on the event loop, so that Ctrl-C at the prompt acts
    at once. A refused seed gets its sentence, and the next line can be typed.
    """
    interactive = lines.isatty()
    if interactive:
        print(HELP, file=err)
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


def prepare_streams() -> None:
    """Make the standard streams take any text: UTF-8, and never an error for a stray byte."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
