"""train.py as a command of the bot: its models go where the bot looks for them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from bot.config import Config
from bot.core.errors import BadConfig
from bot.core.installation import COMMAND, has_extra, how_to_install


def run(arguments: Sequence[str], config: Config) -> int:
    """Train as train.py does with these arguments; return its exit status.

    Raises BadConfig where its libraries are not installed.
    """
    if not has_extra("train"):
        raise BadConfig(
            "Training needs libraries that are not installed: " + how_to_install("train")
        )
    program = importlib.import_module("train")  # by name: the bot itself does without PyTorch
    program.give_way()
    status: int = program.main(
        arguments, name=f"{COMMAND} train", out=config.home / config.models.folder
    )
    return status
