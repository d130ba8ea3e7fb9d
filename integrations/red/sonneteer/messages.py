"""What members type and read: options before the seed, and poems as messages. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .api import Poem, PoemRequest

FORMS = ("sonnet", "quatrain", "couplet", "haiku", "free")
# An escaped piece is at most twice as long. With title and footer, that is Discord's 2,000.
PIECE_CHARACTERS = 800
MAX_PIECES = 4  # a longer poem is sent as a file
MAX_TITLE = 45
MAX_FOOTER = 145

_OPTION = re.compile(r"\s*--(form|model)[ =]\s*(\S+)\s*", re.IGNORECASE)
# Markdown anywhere in a line, then bullets and numbers at its start; `:` where an emoji or a link
# could begin.
_MARK = re.compile(r"[\\*_~|`<>@#\[/]|:(?=\S)|(?<![^\n])[^\S\n]*\d*[-+.]")


def read_request(typed: str) -> PoemRequest:
    """Take the options from the beginning of what was typed; the rest is the seed.

    >>> read_request("--form haiku the old pond")
    PoemRequest(seed='the old pond', form='haiku', model=None)
    """
    options: dict[str, str] = {}
    rest = typed
    while match := _OPTION.match(rest):
        name = match[1].lower()
        options[name] = match[2].lower() if name == "form" else match[2]
        rest = rest[match.end() :]
    return PoemRequest(rest, **options)


def escape(text: str) -> str:
    r"""Make every mark of Discord's Markdown show as itself.

    >>> escape("*so* be it: <@12>\n- and")
    '\\*so\\* be it: \\<\\@12\\>\n\\- and'
    """
    return _MARK.sub(lambda mark: f"{mark[0][:-1]}\\{mark[0][-1]}", text)


def poem_messages(pieces: Sequence[str], poem: Poem) -> list[str]:
    """Return a message for each piece of the verse: the title above, a footer below."""
    contents = [escape(piece.strip("\n")) for piece in pieces if piece.strip()]
    if title := " ".join(poem.title.split())[:MAX_TITLE]:
        contents[0] = f"### {escape(title)}\n{contents[0]}"
    contents[-1] = f"{contents[-1]}\n-# {escape(footer(poem))}"
    return contents


def footer(poem: Poem) -> str:
    """Return what stands in small print under a poem, at most MAX_FOOTER characters.

    >>> footer(Poem("The sea", "", "sonnets", 7, ("Stopped early.",)))
    'sonnets · random seed 7 · Stopped early.'
    """
    line = " · ".join([poem.model, f"random seed {poem.random_seed}", *poem.notes])
    line = " ".join(line.split())
    return line if len(line) <= MAX_FOOTER else f"{line[: MAX_FOOTER - 1]}…"
