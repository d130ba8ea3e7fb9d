"""Names of models, which are names of files too."""

from __future__ import annotations

import re

from model.errors import SettingError

NAME_PATTERN = re.compile(r"[^\W_][\w-]{0,63}")
# What Windows takes for a device in every folder, with any ending, too:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)
MAX_BYTES = 200  # of a name; a file's may have 255, with its ending and more while it is written


def safe_name(stem: str) -> str:
    """Turn a file's stem into a model's name.

    >>> safe_name("Shakespeare's Sonnets (1609)")
    'Shakespeare-s-Sonnets-1609'
    >>> safe_name("Con")
    'Con-book'
    """
    name = re.sub(r"[\W_]+", "-", stem).strip("-")[:60]
    name = name.encode()[:MAX_BYTES].decode("utf-8", "ignore").rstrip("-") or "model"
    return f"{name}-book" if DEVICE.fullmatch(name) else name


def check_name(name: str) -> str:
    """Return `name` if it may be a model's; raise SettingError otherwise."""
    if not NAME_PATTERN.fullmatch(name) or len(name.encode()) > MAX_BYTES or DEVICE.fullmatch(name):
        raise SettingError(
            "--name",
            name,
            "1–64 letters, digits, dashes and underscores, starting with a letter or digit, "
            f"at most {MAX_BYTES} bytes in UTF-8, and not a Windows device name such as con",
        )
    return name
