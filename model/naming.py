"""Names of models, which are names of files too."""

from __future__ import annotations

import re

from model.errors import SettingError

NAME_PATTERN = re.compile(r"[^\W_][\w-]{0,63}")


def safe_name(stem: str) -> str:
    """Turn a file's stem into a model's name.

    >>> safe_name("Shakespeare's Sonnets (1609)")
    'Shakespeare-s-Sonnets-1609'
    """
    return re.sub(r"[\W_]+", "-", stem).strip("-")[:60].rstrip("-") or "model"


def check_name(name: str) -> str:
    """Return `name` if it may be a model's; raise SettingError otherwise."""
    if not NAME_PATTERN.fullmatch(name):
        raise SettingError(
            "--name", name, "1–64 letters, digits, dashes and underscores, a letter or digit first"
        )
    return name
