"""Names of models, files and books, as they may come from a stranger. Pure, and quick to load."""

from __future__ import annotations

import re
import unicodedata

MAX_TITLE = 200  # characters of a book's
# What any Sonneteer has called a model; for new ones the model side has the rule, which is as
# strict at least.
NAME = re.compile(r"[^\W_][\w-]{0,63}")
# What Windows takes for a device in every folder, with or without a suffix:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
DEVICE = re.compile(
    r"(con|prn|aux|nul|con(in|out)\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE | re.DOTALL
)


def is_name(name: str) -> bool:
    """Whether a model has been called that by some version: it is never a path.

    >>> [is_name(name) for name in ("dunes", "con", "../dunes", "")]
    [True, True, False, False]
    """
    return NAME.fullmatch(name) is not None


def is_device(file_name: str) -> bool:
    """Whether Windows takes a file's name for a device.

    >>> [is_device(name) for name in ("CON", "nul.safetensors", "com1", "context", "con-1")]
    [True, True, True, False, False]
    """
    return DEVICE.fullmatch(file_name) is not None


def one_line(text: str) -> str:
    """Make a stranger's title or file name fit to show: one line, nothing invisible.

    >>> one_line("My\\n\\u202ebook\\x00"), one_line("../../etc/passwd")
    ('My book', '../../etc/passwd')
    """
    shown = (" " if c.isspace() else c for c in text if c.isspace() or not _is_hidden(c))
    return " ".join("".join(shown).split())


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
